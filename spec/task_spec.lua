-- Tasks: starting, waiting, cancelling, failing; all and map; what is left when they end.
local core = require "moonwire.core"
local mw = require "moonwire"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

describe("a task", function()
    after_each(function()
        assert.equal(0, core.live())
    end)

    it("starts later, runs, and gives its results to everyone who waits", function()
        local started = false
        local task = mw.spawn(function(...)
            started = true
            mw.sleep(0)
            return select("#", ...), ...
        end, "a", nil)
        assert.is_false(started)
        assert.equal("running", task:status())
        local first = mw.spawn(function() return task:wait() end)
        assert.same({ 2, "a" }, { task:wait() })
        assert.same({ 2, "a" }, { first:wait() })
        assert.same({ 2, "a" }, { task:wait() })
        assert.equal("done", task:status())
        assert.is_false(task:cancel())
    end)

    it("raises its error in everyone who waits", function()
        local problem = { "mine" }
        local task = mw.spawn(function()
            mw.sleep(0)
            error(problem)
        end)
        for _ = 1, 2 do
            local ok, failure = pcall(task.wait, task)
            assert.is_false(ok)
            assert.equal(problem, failure)
        end
        assert.equal("failed", task:status())
    end)

    it("closes what it left open when it fails", function()
        local closed
        local task = mw.spawn(function()
            local mark <close> = setmetatable({}, { -- luacheck: ignore
                __close = function(_, failure) closed = failure end,
            })
            error("broken", 0)
        end)
        assert.is_false(pcall(task.wait, task))
        assert.equal("broken", closed)
    end)

    it("can't wait for itself", function()
        local task
        task = mw.spawn(function() task:wait() end)
        local ok, failure = pcall(task.wait, task)
        assert.is_false(ok)
        assert.matches("can't wait for itself", tostring(failure))
    end)

    it("that waits for one which waits for it is an error, not a hang", function()
        local one, two
        one = mw.spawn(function() return two:wait() end)
        two = mw.spawn(function() return one:wait() end)
        local ok, failure = pcall(one.wait, one)
        assert.is_false(ok)
        assert.matches("nothing is left that could end this wait", tostring(failure))
        one:cancel()
        pcall(one.wait, one)
        pcall(two.wait, two)
    end)

    it("can't be waited for from a callback that runs above it", function()
        local outer
        outer = mw.spawn(function()
            local inner = mw.spawn(function()
                table.sort({ 2, 1 }, function() return outer:wait() end)
            end)
            local ok, failure
            table.sort({ 2, 1 }, function(a, b)
                if ok == nil then
                    ok, failure = pcall(inner.wait, inner)
                end
                return a < b
            end)
            return ok, tostring(failure)
        end)
        local ok, failure = outer:wait()
        assert.is_false(ok)
        assert.matches("wait outside of the callback", failure)
    end)

    it("is cancelled while it waits, and may clean up", function()
        local cleaned
        local task = mw.spawn(function()
            local ok, failure = pcall(mw.sleep, 60)
            mw.sleep(0)
            cleaned = not ok and failure
            error(failure, 0)
        end)
        mw.spawn(function() end):wait()
        assert.is_true(task:cancel())
        local ok, failure = pcall(task.wait, task)
        assert.is_false(ok)
        assert.is_true(mw.is_error(failure, "cancelled"))
        assert.equal(failure, cleaned)
        assert.equal("cancelled", task:status())
    end)

    it("is cancelled before it starts", function()
        local ran = false
        local task = mw.spawn(function() ran = true end)
        assert.is_true(task:cancel())
        local ok, failure = pcall(task.wait, task)
        assert.is_false(ok)
        assert.is_true(mw.is_error(failure, "cancelled"))
        assert.is_false(ran)
        assert.equal("cancelled", task:status())
    end)

    it("that cancels itself ends at its next wait", function()
        local task, reached
        task = mw.spawn(function()
            assert(task:cancel())
            reached = true
            mw.sleep(0)
            reached = "too far"
        end)
        assert.is_false(pcall(task.wait, task))
        assert.equal(true, reached)
        assert.equal("cancelled", task:status())
    end)

    it("is cancelled while it drives the loop from a C callback", function()
        local task = mw.spawn(function()
            table.sort({ 1, 2 }, function(a, b)
                mw.sleep(60)
                return a < b
            end)
        end)
        mw.spawn(function()
            mw.sleep(0.005)
            task:cancel()
        end)
        local ok, failure = pcall(task.wait, task)
        assert.is_false(ok)
        assert.is_true(mw.is_error(failure, "cancelled"))
    end)

    it("whose coroutine is closed by another counts as cancelled", function()
        local co, closed
        local task = mw.spawn(function()
            co = coroutine.running()
            local mark <close> = setmetatable({}, { -- luacheck: ignore
                __close = function() closed = true end,
            })
            mw.sleep(60)
        end)
        mw.spawn(function() assert(coroutine.close(co)) end):wait()
        local ok, failure = pcall(task.wait, task)
        assert.is_false(ok)
        assert.is_true(mw.is_error(failure, "cancelled"))
        assert.is_true(closed)
        assert.equal("cancelled", task:status())
    end)

    it("refuses what can't be run or waited for", function()
        assert.is_false(pcall(mw.spawn, 12))
        assert.is_false(pcall(mw.sleep, -1))
        assert.is_false(pcall(mw.sleep, 0 / 0))
        assert.is_false(pcall(mw.sleep, "soon"))
        local task = mw.spawn(function() end)
        assert.is_false(pcall(task.wait))
        assert.is_false(pcall(task.wait, {}))
        task:wait()
    end)

    it("comes cheap: ten thousand sleep at once", function()
        local count, total = 10000, 0
        local tasks = {}
        for i = 1, count do
            tasks[i] = mw.spawn(function()
                mw.sleep(0.05)
                total = total + 1
            end)
        end
        mw.all(tasks)
        assert.equal(count, total)
    end)

    it("and a hundred that drive the loop within each other all end", function()
        local tasks = {}
        for i = 1, 100 do
            tasks[i] = function()
                local list = { 2, 1 }
                table.sort(list, function(a, b)
                    mw.sleep(0.001)
                    return a < b
                end)
                return list[1]
            end
        end
        local results = mw.all(tasks)
        for i = 1, 100 do
            assert.equal(1, results[i])
        end
    end)

    it("is collected once it has ended", function()
        local weak = setmetatable({}, { __mode = "v" })
        do
            local task = mw.spawn(function() return { "result" } end)
            task:wait()
            weak[1] = task
        end
        collectgarbage()
        collectgarbage()
        assert.is_nil(weak[1])
    end)
end)

describe("mw.all", function()
    after_each(function()
        assert.equal(0, core.live())
    end)

    it("gives first results in order, nil included", function()
        local task = mw.spawn(function() return "task", 2 end)
        local results = mw.all {
            function()
                mw.sleep(0.01)
                return "late"
            end,
            function() return nil end,
            task,
        }
        assert.same({ n = 3, "late", nil, "task" }, results)
        assert.same({ n = 0 }, mw.all {})
    end)

    it("cancels the rest at the first failure in time, and raises it", function()
        local seen
        local ok, failure = pcall(mw.all, {
            function()
                local _, problem = pcall(mw.sleep, 60)
                seen = problem
            end,
            function()
                mw.sleep(0.005)
                error("second", 0)
            end,
            function()
                mw.sleep(0.001)
                error("third", 0)
            end,
        })
        assert.is_false(ok)
        assert.equal("third", failure)
        assert.is_true(mw.is_error(seen, "cancelled"))
    end)

    it("cancels all when it is cancelled itself", function()
        local seen = 0
        local task = mw.spawn(function()
            local function wait()
                local ok = pcall(mw.sleep, 60)
                seen = seen + (ok and 0 or 1)
            end
            mw.all { wait, wait }
        end)
        mw.sleep(0.005)
        task:cancel()
        assert.is_false(pcall(task.wait, task))
        mw.sleep(0)
        mw.sleep(0.001)
        assert.equal(2, seen)
    end)

    it("refuses what is neither function nor task", function()
        assert.is_false(pcall(mw.all, 12))
        local ok, failure = pcall(mw.all, { function() mw.sleep(60) end, 12 })
        assert.is_false(ok)
        assert.is_true(mw.is_error(failure, "invalid"))
        mw.sleep(0.001)
    end)
end)

describe("mw.map", function()
    after_each(function()
        assert.equal(0, core.live())
    end)

    it("keeps the order and the number at a time", function()
        local running, most = 0, 0
        local items = {}
        for i = 1, 20 do
            items[i] = i
        end
        local results = mw.map(items, function(item, index)
            running = running + 1
            most = math.max(most, running)
            mw.sleep((item % 3) / 1000)
            running = running - 1
            return item * 10 + index
        end, { concurrency = 4 })
        assert.equal(4, most)
        assert.equal(20, results.n)
        for i = 1, 20 do
            assert.equal(i * 11, results[i])
        end
        assert.same({ n = 0 }, mw.map({}, print))
    end)

    it("takes a list with holes that says its length, as mw.all and table.pack give it", function()
        local function same(item) return item end
        assert.same({ n = 3, [2] = "b" }, mw.map(table.pack(nil, "b", nil), same))
        assert.same({ n = 0 }, mw.map(mw.all {}, same))
    end)

    it("stops at the first failure and starts nothing more", function()
        local started = 0
        local ok, failure = pcall(mw.map, { 1, 2, 3, 4, 5, 6 }, function(item)
            started = started + 1
            mw.sleep(0)
            if item == 2 then
                error("item 2", 0)
            end
            mw.sleep(60)
        end, { concurrency = 2 })
        assert.is_false(ok)
        assert.equal("item 2", failure)
        assert.equal(2, started)
    end)

    it("refuses wrong arguments", function()
        for _, arguments in ipairs { { 12, print }, { {}, 12 }, { {}, print, { concurrency = 0 } },
            { {}, print, { concurency = 1 } } } do
            local ok, failure = pcall(mw.map, table.unpack(arguments))
            assert.is_false(ok)
            assert.is_true(mw.is_error(failure, "invalid"))
        end
        for _, case in ipairs {
            { "map: expected a table of options, as { concurrency = 8 }, got a number", mw.map, {}, print, 4 },
            { "map: expected a list, got a table with the keys meta, payload", mw.map,
                { meta = {}, payload = { 1 } }, print },
            { "map: expected a list, got a table with the key 2", mw.map, { [2] = 1 }, print },
            { "map: expected a list, got nil", mw.map, nil, print },
            { "map: expected a function, got nil", mw.map, {} },
            { "all: expected a list of functions or tasks, got a table with the keys a, b, c, d, e, ...", mw.all,
                { a = 1, b = 1, c = 1, d = 1, e = 1, f = 1 } },
            { "all: item 1 must be a function or a task, got nil", mw.all, { n = 2 } },
        } do
            local ok, failure = pcall(case[2], case[3], case[4], case[5])
            assert.is_false(ok)
            assert.equal(case[1], failure.message)
        end
    end)
end)

describe("Ctrl-C in plain Lua", function()
    local build = os.getenv "MOONWIRE_BUILD" or "."
    local folder, server

    setup(function()
        folder = process.folder()
        server = raw.start()
    end)

    teardown(function()
        process.remove(folder)
        server:stop()
    end)

    local cases = {
        ["a sleep"] = "mw.sleep(60)",
        ["a call"] = "mw.ooctopus{ url = '%s', account = 1, token = 't' }.contacts:get(1)",
        ["a wait for a task"] = "mw.spawn(mw.sleep, 60):wait()",
        ["a wait in a coroutine"] = "coroutine.wrap(function() pcall(mw.sleep, 60) end)() while true do end",
    }
    -- The interpreter of the sanitized build has no handler of its own.
    for name, code in pairs(build:find "sanitize" and {} or cases) do
        it("ends " .. name .. " at once", function()
            local source = "local mw = require 'moonwire' print 'ready' io.stdout:flush() "
                .. code:gsub("%%s", server:url "stall")
            local errors = folder .. "/errors"
            local program = process.start({ "lua5.4", process.write(folder .. "/script.lua", source) }, {
                ready = "^ready$",
                errors = errors,
                keep_preload = true,
                env = { LUA_PATH = "lua/?.lua;lua/?/init.lua;;", LUA_CPATH = build .. "/lib/?.so;;" },
            })
            mw.sleep(0.1)
            local before = mw.now()
            program:signal "INT"
            assert.equal(1, program:wait())
            assert.is_true(mw.now() - before < 5)
            assert.matches("interrupted!", process.read(errors), 1, true)
        end)
    end

    it("leaves the hooks of others alone", function()
        local count = 0
        debug.sethook(function() count = count + 1 end, "c")
        local ok = pcall(mw.sleep, 0.3)
        debug.sethook()
        assert.is_true(ok)
        assert.is_true(count > 0)
    end)
end)

describe("a call in a task", function()
    local server

    setup(function()
        server = raw.start()
    end)

    teardown(function()
        server:stop()
    end)

    after_each(function()
        assert.equal(0, core.live())
    end)

    it("is cancelled at the gate with its task", function()
        local desk <close> = mw.ooctopus { url = server:url "stall", account = 1, token = "user-token" }
        local task = mw.spawn(function() return desk.contacts:get(1) end)
        while #server:log() == 0 do
            mw.sleep(0.005)
        end
        task:cancel()
        local ok, failure = pcall(task.wait, task)
        assert.is_false(ok)
        assert.is_true(mw.is_error(failure, "cancelled"))
        assert.equal("contacts:get", failure.operation)
        mw.sleep(0.005)
    end)

    it("is cancelled when its coroutine is closed", function()
        local desk <close> = mw.ooctopus { url = server:url "stall", account = 1, token = "user-token" }
        local inner
        local task = mw.spawn(function()
            inner = coroutine.create(function() desk.contacts:get(1) end)
            return coroutine.resume(inner)
        end)
        mw.sleep(0.01)
        assert.is_true(coroutine.close(inner))
        assert.is_false((task:wait()))
        mw.sleep(0.005)
    end)

    it("ends when the client is closed", function()
        local desk = mw.ooctopus { url = server:url "stall", account = 1, token = "user-token" }
        local task = mw.spawn(function() return desk.contacts:get(1) end)
        mw.sleep(0.01)
        desk:close()
        local ok, failure = pcall(task.wait, task)
        assert.is_false(ok)
        assert.is_true(mw.is_error(failure, "cancelled"))
        ok, failure = pcall(function() desk.contacts:get(1) end)
        assert.is_false(ok)
        assert.matches("client is closed", failure.message)
    end)

    it("runs beside others", function()
        local desk <close> = mw.ooctopus { url = server:url "ok", account = 1, token = "user-token" }
        local results = mw.map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(id)
            local body, response = desk.contacts:get(id)
            return body.ok and response.status
        end, { concurrency = 3 })
        assert.same({ n = 8, 200, 200, 200, 200, 200, 200, 200, 200 }, results)
        assert.equal(8, desk:stats().requests)
    end)
end)

--- mw.deadline: what it ends, what it leaves alone and what it says; what becomes of the calls of whom it or a cancel
--- ends, by the server's own record.

local core = require "moonwire.core"
local mw = require "moonwire"

local calls = require "spec.support.calls"
local host = require "spec.support.host"
local process = require "spec.support.process"

local failing = calls.failing

local SHORT <const> = 0.03 -- seconds of a deadline that is to pass
local LONG <const> = 60    -- of a wait that something else has to end

--- The error of a deadline of so many seconds.
local function passes(seconds, f, ...)
    local err = failing("timeout", f, ...)
    assert.equal(("deadline: %.14g s have passed"):format(seconds), err.message)
    return err
end

local function sleep_long()
    mw.sleep(LONG)
end

describe("mw.deadline", function()
    after_each(function()
        collectgarbage()
        mw.sleep(0)
        calls.quiet()
    end)

    it("returns what the function returns, whatever that is", function()
        assert.same({ n = 4, 1, nil, "x", nil }, table.pack(mw.deadline(LONG, function(...)
            mw.sleep(0)
            return ...
        end, 1, nil, "x", nil)))
        assert.same({ n = 0 }, table.pack(mw.deadline(LONG, function() end)))
    end)

    it("passes errors on as they are", function()
        local problem = { "mine" }
        local ok, failure = pcall(mw.deadline, LONG, function()
            mw.sleep(0)
            error(problem)
        end)
        assert.is_false(ok)
        assert.equal(problem, failure)
        ok, failure = pcall(mw.deadline, SHORT, function()
            pcall(mw.sleep, LONG)
            error(problem)
        end)
        assert.is_false(ok)
        assert.equal(problem, failure)
    end)

    it("refuses what is no time or no function", function()
        for _, seconds in ipairs { -1, 0 / 0, 1e10 } do
            failing("invalid", mw.deadline, seconds, print)
        end
        assert.is_false(pcall(mw.deadline, "soon", print))
        assert.is_false(pcall(mw.deadline, 1))
        assert.is_false(pcall(mw.deadline, 1, "f"))
    end)

    local waits = {
        ["a sleep"] = sleep_long,
        ["a wait for a task that was spawned before"] = function(before) before:wait() end,
        ["a wait for a task that was spawned inside"] = function() mw.spawn(sleep_long):wait() end,
        ["mw.all"] = function() mw.all { sleep_long, sleep_long } end,
        ["mw.map"] = function() mw.map({ 1, 2, 3 }, sleep_long, { concurrency = 2 }) end,
        ["tasks of tasks"] = function()
            mw.spawn(function()
                mw.all { function() mw.map({ 1 }, sleep_long) end }
            end):wait()
        end,
        ["a wait in a coroutine"] = function() coroutine.wrap(sleep_long)() end,
        ["a wait in a callback of C"] = function()
            table.sort({ 2, 1 }, function(a, b)
                mw.sleep(LONG)
                return a < b
            end)
        end,
        ["a wait that begins when the time is up"] = function()
            local at = mw.now() + 2 * SHORT
            while mw.now() < at do end
            mw.sleep(0)
        end,
    }
    -- Where it is called from.
    local places = {
        ["outside of tasks"] = function(f) f() end,
        ["in a task"] = function(f) mw.spawn(f):wait() end,
        ["in a coroutine"] = function(f) coroutine.wrap(f)() end,
        ["in a coroutine of a task"] = function(f)
            mw.spawn(function() coroutine.wrap(f)() end):wait()
        end,
        ["in a callback of C"] = function(f)
            local first = true
            table.sort({ 2, 1 }, function(a, b)
                if first then
                    first = false
                    f()
                end
                return a < b
            end)
        end,
    }
    for place, within in pairs(places) do
        for name, wait in pairs(waits) do
            it(("ends %s, %s"):format(name, place), function()
                local before = mw.spawn(sleep_long)
                within(function()
                    passes(SHORT, mw.deadline, SHORT, wait, before)
                    mw.sleep(0) -- and nothing after it
                end)
                assert.equal("running", before:status())
                before:cancel()
                failing("cancelled", before.wait, before)
            end)
        end
    end

    it("fails each later wait of who catches its error, and then is what is raised", function()
        local seen = {}
        passes(SHORT, mw.deadline, SHORT, function()
            for i = 1, 3 do
                seen[i] = passes(SHORT, mw.sleep, LONG).operation
            end
            seen[4] = passes(SHORT, mw.all, { sleep_long }).operation
            return "a result"
        end)
        assert.same({ "sleep", "sleep", "sleep", "task.join" }, seen)
    end)

    it("gives the results of who computes beyond it and has not waited", function()
        assert.equal("late", mw.deadline(0, function() return "late" end))
    end)

    it("runs clean-ups, which can't wait", function()
        local closed, failure
        passes(SHORT, mw.deadline, SHORT, function()
            local mark <close> = setmetatable({}, { -- luacheck: ignore
                __close = function(_, problem)
                    closed = problem
                    failure = passes(SHORT, mw.sleep, 0)
                end,
            })
            mw.sleep(LONG)
        end)
        assert.equal("timeout", closed.kind)
        assert.equal("sleep", failure.operation)
    end)

    it("ends tasks inside as cancelled; their failure is nobody's", function()
        local tasks = {}
        passes(SHORT, mw.deadline, SHORT, function()
            tasks[1] = mw.spawn(sleep_long)
            tasks[2] = mw.spawn(function()
                tasks[3] = mw.spawn(sleep_long)
                mw.sleep(LONG)
            end)
            mw.sleep(LONG)
        end)
        for _, task in ipairs(tasks) do
            passes(SHORT, task.wait, task)
            assert.equal("cancelled", task:status())
        end
    end)

    it("is over when the function ends in time, for tasks as well", function()
        local left
        mw.deadline(SHORT, function()
            left = mw.spawn(function()
                mw.sleep(3 * SHORT)
                mw.sleep(0)
                return "done"
            end)
            mw.sleep(0)
        end)
        assert.equal("done", left:wait())
        assert.is_false(pcall(mw.deadline, SHORT, function()
            left = mw.spawn(function()
                mw.sleep(3 * SHORT)
                return "done again"
            end)
            error "out"
        end))
        assert.equal("done again", left:wait())
    end)

    it("leaves tasks of an inner one that is over to the outer one", function()
        local left
        passes(2 * SHORT, mw.deadline, 2 * SHORT, function()
            mw.deadline(SHORT, function() left = mw.spawn(sleep_long) end)
            left:wait()
        end)
        passes(2 * SHORT, left.wait, left)
    end)

    it("does not last longer inside of a shorter one, whose end is not its own", function()
        local inside
        passes(SHORT, mw.deadline, SHORT, function()
            inside = passes(SHORT, mw.deadline, LONG, sleep_long)
            passes(SHORT, mw.deadline, LONG, sleep_long)
            assert.equal("unharmed", mw.deadline(LONG, function()
                pcall(mw.sleep, LONG)
                return "unharmed"
            end))
            mw.sleep(LONG)
        end)
        assert.equal("sleep", inside.operation)
    end)

    it("that ends inside of a longer one leaves that one alone", function()
        assert.equal("whole", mw.deadline(LONG, function()
            for _ = 1, 3 do
                passes(SHORT, mw.deadline, SHORT, sleep_long)
                mw.sleep(0)
            end
            return "whole"
        end))
    end)

    it("belongs to the coroutine that called it, not to who resumes that", function()
        local co = coroutine.wrap(function()
            mw.deadline(SHORT, function()
                coroutine.yield "first"
                mw.sleep(0)
                coroutine.yield "never"
            end)
        end)
        assert.equal("first", co())
        mw.sleep(2 * SHORT)
        passes(SHORT, co)
        mw.sleep(0)
    end)

    it("is over a coroutine from outside while it is resumed inside", function()
        local co = coroutine.create(function()
            coroutine.yield()
            pcall(mw.sleep, LONG)
            coroutine.yield()
            mw.sleep(0)
            return "out again"
        end)
        coroutine.resume(co)
        passes(SHORT, mw.deadline, SHORT, function() assert(coroutine.resume(co)) end)
        assert.same({ true, "out again" }, { coroutine.resume(co) })
    end)

    it("counts where a coroutine with one of its own is resumed in a shorter one", function()
        local co = coroutine.create(function()
            mw.deadline(LONG, function()
                coroutine.yield()
                passes(SHORT, mw.sleep, LONG)
                coroutine.yield()
                mw.sleep(0)
            end)
            return "whole"
        end)
        coroutine.resume(co)
        passes(SHORT, mw.deadline, SHORT, function() assert(coroutine.resume(co)) end)
        assert.same({ true, "whole" }, { coroutine.resume(co) })
    end)

    it("is given up with a coroutine that is closed, collected or has failed", function()
        local function inside()
            mw.deadline(LONG, coroutine.yield)
        end
        local co = coroutine.create(inside)
        coroutine.resume(co)
        assert(coroutine.close(co))
        coroutine.resume(coroutine.create(inside))
        co = coroutine.create(function() mw.deadline(LONG, error) end)
        assert.is_false(coroutine.resume(co))
        co = nil -- luacheck: ignore
        for _ = 1, 3 do
            collectgarbage()
        end
        calls.quiet()
    end)

    it("ends with its task when that is cancelled", function()
        local task = mw.spawn(mw.deadline, LONG, sleep_long)
        mw.sleep(0)
        task:cancel()
        failing("cancelled", task.wait, task)
        assert.equal("cancelled", task:status())
    end)

    it("leaves a task that spawns the next one without an end nothing to keep", function()
        local turns = 0
        local function turn()
            turns = turns + 1
            return turns < 2000 and mw.deadline(LONG, mw.spawn, turn)
        end
        local last = mw.spawn(turn)
        while last do
            last = last:wait()
        end
        assert.equal(2000, turns)
    end)

    it("comes cheap: ten thousand at once", function()
        local tasks = {}
        for i = 1, 10000 do
            tasks[i] = mw.spawn(mw.deadline, 0.05, sleep_long)
        end
        for i = 1, #tasks do
            passes(0.05, tasks[i].wait, tasks[i])
        end
    end)
end)

describe("the calls inside of mw.deadline", function()
    local server, desk, seen, held

    before_each(function()
        seen, held = {}, true
        server = core.server { handler = function(request)
            seen[#seen + 1] = request.method .. " " .. request.path
            if request.path:find("/agents", 1, true) then
                return 503
            elseif request.path:find("/labels", 1, true) then
                return 200, nil, "[]"
            end
            while held do
                mw.sleep(0.005)
            end
            return 200, nil, '{"payload":[]}'
        end }
        desk = mw.ooctopus { url = server.url, account = 1, token = "t0ken", concurrency = 2 }
    end)

    after_each(function()
        held = false
        desk:close()
        server:close()
        mw.sleep(0.05) -- for the server's tasks
        calls.quiet()
    end)

    it("are cancelled; what could have changed something is ambiguous when it has gone out", function()
        local first, second, third
        passes(0.3, mw.deadline, 0.3, function()
            first = mw.spawn(function() desk.contacts:create { inbox_id = 1, name = "Ada" } end)
            second = mw.spawn(function() desk.contacts:get(1) end)
            third = mw.spawn(function() desk.contacts:create { inbox_id = 1, name = "Bob" } end)
            mw.sleep(LONG)
        end)
        local err = failing("ambiguous", first.wait, first)
        assert.equal("unknown", err.sent)
        assert.equal("contacts:create", err.operation)
        assert.matches("deadline: 0.3 s have passed", err.message, 1, true)
        err = passes(0.3, second.wait, second)
        assert.equal("unknown", err.sent)
        assert.equal(1, err.attempts)
        err = passes(0.3, third.wait, third)
        assert.equal("no", err.sent)
        assert.same({}, (desk:request("GET", "/api/v1/labels")))
        table.sort(seen)
        assert.same({ "GET /api/v1/accounts/1/contacts/1", "GET /api/v1/labels", "POST /api/v1/accounts/1/contacts" },
            seen)
    end)

    it("are not sent again", function()
        passes(0.2, mw.deadline, 0.2, function()
            while true do -- a wait between two attempts ends it, or one between two calls
                pcall(desk.agents.list, desk.agents)
                if #seen > 0 and not pcall(mw.sleep, 0) then
                    break
                end
            end
        end)
        local count = #seen
        assert.is_true(count >= 1)
        mw.sleep(1)
        assert.equal(count, #seen)
    end)

    it("are not sent at all when the time is up", function()
        local posted
        passes(0, mw.deadline, 0, function()
            passes(0, function() desk.contacts:create { inbox_id = 1, name = "Ada" } end)
            passes(0, function() desk:request("GET", "/api/v1/labels") end)
            passes(0, function()
                for _ in desk.contacts:each() do end
            end)
            posted = passes(0, core.post, { url = server.url })
        end)
        assert.equal("post", posted.operation)
        mw.sleep(0.05)
        assert.same({}, seen)
    end)

    it("end in the middle of a list", function()
        passes(0.1, mw.deadline, 0.1, function()
            for _ in desk.contacts:each() do end
        end)
        assert.equal(1, #seen)
    end)

    it("end through a client whose methods return their errors", function()
        local ok, err
        passes(0.1, mw.deadline, 0.1, function()
            ok, err = desk:safe().contacts:get(1)
        end)
        assert.is_nil(ok)
        assert.equal("timeout", err.kind)
    end)

    it("do not hold for handlers of a server", function()
        local outside = mw.spawn(function() return desk.contacts:list() end)
        passes(0.1, mw.deadline, 0.1, sleep_long)
        held = false
        assert.same({}, outside:wait().payload)
    end)
end)

-- One script for all: it waits until its calls are where they are to be, gives them up, and goes on.
local giving_up = [[
local mw = require "moonwire"
local desk, how = mw.connect "ooctopus", ...
local tasks = {}
local function call(i)
    if i == 0 then
        return desk.conversations:get(5)
    end
    return desk.contacts:get(i)
end
local function begin()
    for i = 0, 40 do
        tasks[#tasks + 1] = mw.spawn(call, i)
    end
end
if how == "cancel" then
    begin()
    mw.sleep(0.5)
    for _, task in ipairs(tasks) do
        task:cancel()
    end
else
    local ok, problem = pcall(mw.deadline, 0.5, function()
        begin()
        mw.sleep(60)
    end)
    assert(not ok and problem.message == "deadline: 0.5 s have passed")
end
local sent = { no = 0, unknown = 0 }
for _, task in ipairs(tasks) do
    local ok, problem = pcall(task.wait, task)
    assert(not ok and problem.kind == (how == "cancel" and "cancelled" or "timeout"))
    assert(task:status() == "cancelled")
    sent[problem.sent] = sent[problem.sent] + 1
end
desk.agents:list()
mw.sleep(1.5)
desk.teams:list()
print(sent.no, sent.unknown)
]]

-- The same in a lane that lets one call go: OOCTOPUS_LIMITS is search=1/24h.
local giving_up_lane = [[
local mw = require "moonwire"
local desk, how = mw.connect "ooctopus", ...
local function search() return desk.contacts:search { q = "ada" } end
search()
local tasks = {}
local function begin()
    for i = 1, 5 do
        tasks[i] = mw.spawn(search)
    end
    while desk:stats().lanes.search.waiting < 5 do
        mw.sleep(0.01)
    end
end
if how == "cancel" then
    begin()
    for _, task in ipairs(tasks) do
        task:cancel()
    end
else
    assert(not pcall(mw.deadline, 1, function()
        begin()
        mw.sleep(60)
    end))
end
for _, task in ipairs(tasks) do
    local ok, problem = pcall(task.wait, task)
    assert(not ok and problem.kind == (how == "cancel" and "cancelled" or "timeout") and problem.sent == "no")
end
desk.agents:list()
local lane = desk:stats().lanes.search
print(lane.waiting, lane.sent)
]]

describe("calls that are given up", function()
    local server, seen, held, folder

    before_each(function()
        folder = process.folder()
        seen, held = {}, true
        server = core.server { handler = function(request)
            local what = request.path:match "/accounts/1/(%a+)"
            seen[#seen + 1] = what
            if what == "conversations" then
                return 503, { ["Retry-After"] = 1 }
            end
            while held and what == "contacts" and not request.path:find "/search$" do
                mw.sleep(0.01)
            end
            return 200, nil, "[]"
        end }
    end)

    after_each(function()
        held = false
        server:close()
        mw.sleep(0.05)
        calls.quiet()
        process.remove(folder)
    end)

    --- Runs the script while this process is the server; what it prints.
    local function run(text, sandbox, how, limits)
        local script = process.write(folder .. "/script.lua", text)
        local errors = folder .. "/errors"
        local program = process.start({ "sh", "-c", 'echo ready; exec "$@"', "sh", host.binary, "run",
            "--sandbox=" .. sandbox, script, how }, {
            ready = "^ready$",
            errors = errors,
            env = { OOCTOPUS_URL = server.url, OOCTOPUS_ACCOUNT_ID = "1", OOCTOPUS_TOKEN = "t0ken",
                OOCTOPUS_LIMITS = limits },
        })
        while program:alive() do
            mw.sleep(0.02)
        end
        local output = program.output:read "a"
        assert.equal(0, program:wait(), process.read(errors))
        return output
    end

    for _, sandbox in ipairs { "on", "off" } do
        for _, how in ipairs { "cancel", "deadline" } do
            it(("by %s leave every queue, with --sandbox=%s"):format(how, sandbox), function()
                local output = run(giving_up, sandbox, how, "off")
                local count, last = {}, {}
                for i, what in ipairs(seen) do
                    count[what] = (count[what] or 0) + 1
                    last[what] = i
                end
                local no, unknown = output:match "^(%d+)\t(%d+)\n$"
                assert.equal(41, no + unknown)
                assert.is_true(tonumber(no) >= 41 - 33)
                assert.is_true((count.contacts or 0) + (count.conversations or 0) <= tonumber(unknown))
                assert.is_true((count.conversations or 0) <= 1)
                assert.equal(1, count.agents)
                assert.equal(1, count.teams)
                assert.equal(#seen, last.teams)
                assert.equal(#seen - 1, last.agents)
            end)

            it(("by %s leave their lane, with --sandbox=%s"):format(how, sandbox), function()
                assert.equal("0\t1\n", run(giving_up_lane, sandbox, how, "search=1/24h"))
                assert.same({ "contacts", "agents" }, seen)
            end)
        end
    end
end)

-- What waits for ever once the server has seen so many requests.
local forever = {
    sleep = { 0, "mw.sleep(1000)" },
    call = { 1, "desk.contacts:get(1)" },
    retry = { 1, "desk.conversations:get(5)" },
    lane = { 1, "desk.agents:list() desk.agents:list()" },
}

describe("Ctrl-C", function()
    local server, count, held, folder

    before_each(function()
        folder = process.folder()
        count, held = 0, true
        server = core.server { handler = function(request)
            count = count + 1
            if request.path:find("/conversations", 1, true) then
                return 503, { ["Retry-After"] = 30 }
            end
            while held and request.path:find("/contacts", 1, true) do
                mw.sleep(0.01)
            end
            return 200, nil, "[]"
        end }
    end)

    after_each(function()
        held = false
        server:close()
        mw.sleep(0.05)
        calls.quiet()
        process.remove(folder)
    end)

    local sanitized = host.build:find "sanitize"
    local ways = {
        ["in the sandbox"] = { code = 130, host.binary, "run" },
        ["without a sandbox"] = { code = 130, host.binary, "run", "--sandbox=off" },
        ["at a prompt that reads a file"] = { code = 130, repl = true, host.binary, "repl" },
        -- The interpreter of the sanitized build has no handler of its own.
        ["in plain Lua"] = not sanitized and { code = 1, "lua5.4" } or nil,
    }
    for place, way in pairs(ways) do
        for name, wait in pairs(forever) do
            it(("ends a wait, %s, %s"):format(name, place), function()
                local script = process.write(folder .. "/script.lua", ("local mw = require 'moonwire' "
                    .. "local desk = mw.connect 'ooctopus' print 'ready' if io then io.stdout:flush() end %s"):format(
                    wait[2]))
                local argv = { "sh", "-c", way.repl and 'exec "$@" <' .. process.quote(script) or 'exec "$@"', "sh",
                    table.unpack(way) }
                argv[#argv + 1] = not way.repl and script or nil
                local errors = folder .. "/errors"
                local program = process.start(argv, {
                    ready = "^ready$",
                    errors = errors,
                    keep_preload = way[1] == "lua5.4",
                    env = {
                        OOCTOPUS_URL = server.url, OOCTOPUS_ACCOUNT_ID = "1", OOCTOPUS_TOKEN = "t0ken",
                        OOCTOPUS_LIMITS = name == "lane" and "all=1/24h" or "off",
                        LUA_PATH = "lua/?.lua;lua/?/init.lua;;", LUA_CPATH = host.build .. "/lib/?.so;;",
                    },
                })
                local hang <const> = mw.now() + 60
                while count < wait[1] do
                    assert(mw.now() < hang, "the script's call did not arrive")
                    mw.sleep(0.01)
                end
                mw.sleep(0.1)
                program:signal "INT"
                local before = mw.now()
                while program:alive() and mw.now() - before < 20 do
                    mw.sleep(0.01)
                end
                local ended = not program:alive()
                if not ended then
                    program:signal "KILL"
                end
                assert.equal(way.code, program:wait())
                assert.is_true(ended, "it went on")
                assert.matches("interrupted", process.read(errors), 1, true)
                assert.equal(wait[1], count)
            end)
        end
    end
end)

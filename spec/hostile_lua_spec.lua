-- What a script does to the bindings from places where nobody expects a script to run: finalizers, __close, coroutines
-- of tasks that have ended. Each is a promise that the memory of C stays whole; the sanitize build is who checks it.
local core = require "moonwire.core"
local mw = require "moonwire"
local calls = require "spec.support.calls"
local host = require "spec.support.host"
local raw = require "spec.support.raw"

local unpack = table.unpack

-- Finalizers run at nearly every allocation only where the heap is small: in a process of its own.
local prelude = [[
local core = require "moonwire.core"
local mw = require "moonwire"
local url = ...

-- Calls `act` from a finalizer at nearly every allocation until the function that it returns is called.
local function at_every_allocation(act)
    collectgarbage("incremental", 1, 1000, 6) -- a long step for each 64 bytes
    local running, count = true, 0
    local function arm()
        setmetatable({}, { __gc = function()
            if running then
                count = count + 1
                act(count)
                arm()
            end
        end })
    end
    arm()
    return function()
        running = false
        collectgarbage("incremental", 200, 100, 13)
        collectgarbage()
    end
end
]]

describe("a finalizer", function()
    local server

    setup(function() server = raw.start() end)

    local function survives(source)
        local url = ("http://127.0.0.1:%d"):format(server.port)
        local output, errors, code = calls.child(prelude .. "do " .. source .. " end print(core.live())", nil, { url })
        assert.equal("0\n", output .. errors)
        assert.equal(0, code)
    end

    teardown(function()
        server:stop()
        calls.quiet()
    end)

    it("that encodes does not get into a call's request", function()
        survives [[
            local desk <close> = mw.ooctopus { url = url .. "/echo", account = 1, token = "t0ken-of-us" }
            local big = {}
            for i = 1, 400 do
                big["k" .. i] = "EVIL" .. i
            end
            local stop = at_every_allocation(function() mw.json.encode(big) end)
            local failure
            for _ = 1, 40 do
                local attributes = {}
                for i = 1, 200 do
                    attributes["a" .. i] = "v" .. i
                end
                local ok, answer = pcall(desk.contacts.update, desk.contacts, 12, { custom_attributes = attributes })
                if not ok or answer.custom_attributes.a200 ~= "v200" or mw.json.encode(answer):find "EVIL" then
                    failure = failure or tostring(answer)
                end
            end
            stop()
            assert(not failure, failure)
        ]]
    end)

    it("that changes the tables of a call does not free what is sent", function()
        survives [[
            local desk <close> = mw.ooctopus { url = url .. "/echo", account = 1, token = "t0ken-of-us" }
            local params, options = {}, {}
            local stop = at_every_allocation(function()
                params.name = "n" .. ("x"):rep(100)
                params.account_id = nil
                options.account_id = nil
                if #params > 0 then
                    params[1] = nil
                end
            end)
            local failure
            for i = 1, 60 do
                params.name, params.account_id = ("y"):rep(1000 + i), tostring(100 + i)
                local ok, answer = pcall(desk.call, desk, "contactUpdate", params, options)
                if ok or not tostring(answer):find "'id'" then -- the path parameter was left out
                    failure = failure or tostring(answer)
                end
                params.id, params.account_id = 12, ("9"):rep(100 + i)
                ok, answer = pcall(desk.call, desk, "contactUpdate", params, options)
                if ok and not answer.name:find "^[ny]" then
                    failure = failure or answer.name
                end
                params.id = nil
            end
            stop()
            assert(not failure, failure)
        ]]
    end)

    it("that closes the client makes the call fail", function()
        survives [[
            for round = 1, 400 do
                local target = round % 20 + 1
                local desk = mw.ooctopus { url = url .. "/ok", account = 1, token = "t0ken-of-us" }
                local stop = at_every_allocation(function(count)
                    if count == target then
                        desk:close()
                    end
                end)
                for _ = 1, 5 do
                    local ok, problem = pcall(desk.contacts.update, desk.contacts, 12, { name = "Ada" })
                    local kind = ok or problem.kind
                    if not ok and kind ~= "cancelled" then
                        assert(tostring(problem):find "closed", tostring(problem))
                    end
                end
                stop()
                desk:close()
            end
        ]]
    end)

    it("that changes the options of a client does not free what it is made of", function()
        survives [[
            local options = {}
            local stop = at_every_allocation(function()
                options.token, options.url = nil, nil
            end)
            local failure
            for i = 1, 100 do
                options.service, options.account = "ooctopus", 1
                options.url, options.token = url .. "/ok" .. ("/u"):rep(30), "secret" .. ("x"):rep(500) .. i
                local ok, client = pcall(core.client, options)
                if ok then
                    client:close()
                elseif client.kind ~= "invalid" then
                    failure = tostring(client)
                end
            end
            stop()
            assert(not failure, failure)
        ]]
    end)

    it("that closes a server leaves its requests whole", function()
        survives [[
            for round = 1, 240 do
                local listening = core.server { handler = function() return 200, { a = 1, b = { "x", 2 } }, "{}" end }
                local desk = mw.ooctopus { url = listening.url, account = 1, token = "t0ken-of-us", timeout = 2 }
                local tasks = {}
                for i = 1, 6 do
                    tasks[i] = mw.spawn(pcall, desk.request, desk, "GET", "/x", { query = { a = ("z"):rep(3000) } })
                end
                local stop = at_every_allocation(function(count)
                    if count == round % 60 + 1 then
                        listening:close()
                    end
                end)
                for i = 1, 6 do
                    tasks[i]:wait()
                end
                stop()
                listening:close()
                desk:close()
            end
        ]]
    end)

    it("that empties the headers of an answer does not free them", function()
        survives [[
            local headers
            local listening <close> = core.server { handler = function()
                headers = {}
                for i = 1, 95 do
                    headers["x-" .. ("h"):rep(40) .. i] = i + 0.123456789
                end
                return 200, headers, "{}"
            end }
            local desk <close> = mw.ooctopus { url = listening.url, account = 1, token = "t0ken-of-us" }
            local stop = at_every_allocation(function()
                for name in pairs(headers or {}) do
                    headers[name] = nil
                end
            end)
            for _ = 1, 20 do
                pcall(desk.request, desk, "GET", "/x")
            end
            stop()
        ]]
    end)

    it("that closes a server ends the wait of serve that has just begun", function()
        survives [[
            for round = 1, 200 do
                local target = round % 10 + 1
                local listening = core.server { handler = function() return 200 end }
                local stop = at_every_allocation(function(count)
                    if count == target then
                        listening:close()
                    end
                end)
                local task = mw.spawn(function()
                    mw.sleep(0.002)
                    listening:close()
                end)
                listening:serve()
                task:wait()
                stop()
            end
        ]]
    end)
end)

describe("the coroutine of an ended task", function()
    after_each(function() calls.quiet() end)

    it("holds nothing: the results are the task's", function()
        local co
        local task = mw.spawn(function()
            co = coroutine.running()
            local list = {}
            for i = 1, 200 do
                list[i] = { i }
            end
            return unpack(list)
        end)
        assert.equal(200, select("#", task:wait()))
        assert.equal("dead", coroutine.status(co))
        assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
        assert.is_true(coroutine.close(co))
        collectgarbage()
        local values = table.pack(task:wait())
        assert.equal(200, values.n)
        for i = 1, 200 do
            assert.equal(i, values[i][1])
        end
    end)

    it("is no function of the script when the result is one", function()
        local co
        local called = false
        local task = mw.spawn(function()
            co = coroutine.running()
            return function() called = true end
        end)
        local result = task:wait()
        coroutine.resume(co)
        assert.is_false(called)
        assert.equal(result, (task:wait()))
    end)

    it("holds no error either", function()
        local co
        local problem = setmetatable({}, { __tostring = function() return "mine" end })
        local task = mw.spawn(function()
            co = coroutine.running()
            error(problem)
        end)
        assert.is_false(pcall(task.wait, task))
        assert.is_true(coroutine.close(co))
        assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
        local _, again = pcall(task.wait, task)
        assert.equal(problem, again)
    end)

    it("can't be closed while its error is written down", function()
        local co, closed
        local task = mw.spawn(function()
            co = coroutine.running()
            error(setmetatable({}, { __tostring = function()
                closed = pcall(coroutine.close, co)
                coroutine.resume(co)
                return "mine"
            end }))
        end)
        assert.is_false(pcall(task.wait, task))
        assert.is_false(closed)
    end)
end)

describe("a task that is closed while it waits", function()
    after_each(function() calls.quiet() end)

    local function waiting(on_close)
        local started = {}
        started.task = mw.spawn(function()
            started.co = coroutine.running()
            local mark <close> = setmetatable({}, { -- luacheck: ignore
                __close = function(_, problem) on_close(problem, started) end,
            })
            mw.sleep(60)
        end)
        while not started.co do
            mw.sleep(0)
        end
        return started
    end

    it("may wait in its __close", function()
        local order = {}
        local one = waiting(function(_, self)
            order[#order + 1] = "closing"
            assert.is_false(pcall(coroutine.close, self.co))
            assert.is_false(pcall(self.task.wait, self.task))
            mw.sleep(0.01)
            order[#order + 1] = mw.spawn(function()
                mw.sleep(0)
                return "spawned"
            end):wait()
        end)
        assert.is_true(coroutine.close(one.co))
        assert.same({ "closing", "spawned" }, order)
        assert.equal("cancelled", one.task:status())
        assert.equal("dead", coroutine.status(one.co))
        local ok, problem = pcall(one.task.wait, one.task)
        assert.is_false(ok)
        assert.equal("cancelled", problem.kind)
        assert.equal(0, core.live())
    end)

    it("gives the error of its __close to whoever closes it", function()
        local one = waiting(function() error("from close", 0) end)
        assert.same({ false, "from close" }, { coroutine.close(one.co) })
        assert.equal("cancelled", one.task:status())
    end)

    it("may be closed before it starts and by its own kind", function()
        local one = waiting(function() end)
        local other = mw.spawn(function() return coroutine.close(one.co) end)
        assert.is_true(other:wait())
        assert.is_false(pcall(one.task.wait, one.task))
    end)

    it("ends the wait of a callback on its coroutine", function()
        local inner
        local task = mw.spawn(function()
            return pcall(table.sort, { 2, 1 }, function()
                inner = coroutine.create(function() mw.sleep(60) end)
                local ok, problem = coroutine.resume(inner)
                error(tostring(ok) .. " " .. tostring(problem), 0)
            end)
        end)
        mw.spawn(function()
            while not inner do
                mw.sleep(0)
            end
            mw.sleep(0)
            assert(coroutine.close(inner))
            collectgarbage()
            task:cancel()
            collectgarbage()
        end):wait()
        local _, text = task:wait()
        assert.equal("false cannot resume dead coroutine", text)
    end)

    it("is left alone while another task runs it", function()
        local co
        local task = mw.spawn(function()
            co = coroutine.running()
            coroutine.yield()
            table.sort({ 2, 1 }, function(a, b) -- drives the loop, so that the task's turn comes
                mw.sleep(0.01)
                return a < b
            end)
            return "end"
        end)
        local other = mw.spawn(function()
            while not co do
                mw.sleep(0)
            end
            return coroutine.resume(co)
        end)
        local ok, result = other:wait()
        local _, problem = pcall(task.wait, task)
        assert.is_true(ok)
        assert.is_true(result == "end" or result == nil)
        assert.is_true(problem == "end" or problem.kind == "cancelled")
    end)

    it("closes coroutines within each other without end of the C stack", function()
        local last
        for _ = 1, 3000 do
            local below = last
            last = coroutine.create(function()
                local mark <close> = setmetatable({}, { -- luacheck: ignore
                    __close = function() assert(coroutine.close(below)) end,
                })
                coroutine.yield()
            end)
            coroutine.resume(last)
        end
        local ok, problem = coroutine.close(last)
        assert.is_false(ok)
        assert.matches("C stack overflow", problem)
    end)
end)

describe("the end of a run by an error", function()
    it("lets tasks wait in their __close and runs nothing else of them", function()
        local output, errors, code = host.script [[
            local mw = require "moonwire"
            for i = 1, 3 do
                mw.spawn(function()
                    local mark <close> = setmetatable({}, { __close = function()
                        mw.sleep(0.02)
                        mw.spawn(function() mw.sleep(0) print("closed", i) end):wait()
                        mw.spawn(function() mw.sleep(60) end)
                    end })
                    mw.sleep(0.01)
                    print "never"
                end)
            end
            mw.spawn(function() coroutine.yield() print "never" end)
            mw.sleep(0)
            error "boom"
        ]]
        local lines = {}
        for line in output:gmatch "[^\n]+" do
            lines[#lines + 1] = line
        end
        table.sort(lines)
        assert.same({ "closed\t1", "closed\t2", "closed\t3" }, lines)
        assert.matches("boom", errors)
        assert.equal(1, code)
    end)
end)

describe("what a hostile server says", function()
    local server

    setup(function() server = raw.start() end)

    teardown(function()
        server:stop()
        calls.quiet()
    end)

    --- The error of a call that gets this answer.
    local function answered(name, status, type, body, token)
        local behaviour = server:answer(name, calls.answer(status, { "Content-Type: " .. type }, body))
        local desk <close> = mw.ooctopus { url = server:url(behaviour), account = 1, token = token or "ab/cd+SECRET" }
        local ok, problem = pcall(desk.request, desk, "GET", "/x")
        assert.is_false(ok)
        return problem
    end

    it("holds no token, however JSON writes it", function()
        local echoes = {
            [[{"error":"bad token ab\/cd+SECRET","list":["ab\/cd\u002bSECRET",{"ab\/cd+SECRET":1}]}]],
            [["ab\u002fcd+SECRET"]],
            [[{"error":"bad token ab\/cd+SECRET"]], -- cut off: no JSON
            '{"error":"' .. ("x"):rep(70000) .. [[ab\/cd+SECRET"}]],
        }
        for i, body in ipairs(echoes) do
            for _, status in ipairs { "401 Unauthorized", "200 OK" } do
                if status == "401 Unauthorized" or i == 3 then
                    local problem = answered("echo" .. i, status, "application/json", body)
                    local all = tostring(problem) .. mw.json.encode(problem)
                    assert.is_nil(all:find "SECRET", all:sub(1, 300))
                end
            end
        end
        local problem = answered("echo5", "422 Unprocessable Entity", "application/json",
            [[{"message":"no","list":[],"n":[1,null],"attributes":["name"]}]])
        assert.is_true(core.is_array(problem.body.list))
        assert.same({ 1, mw.null }, problem.body.n)
        assert.same({ "name" }, problem.fields)
    end)

    it("is one line that a terminal only shows", function()
        local controls = "\u{9B}31m \127 \u{85}\u{2028}\u{202E}\27]0;x\7 \xFF end"
        local bodies = {
            { "404 Not Found", "application/json", (mw.json.encode { error = controls:gsub("\xFF", "") }) },
            { "404 Not Found", "text/plain", controls },
            { "200 OK", "text/" .. controls:gsub("[\r\n]", ""), "<html>" .. controls },
        }
        for i, row in ipairs(bodies) do
            local text = tostring(answered("control" .. i, row[1], row[2], row[3]))
            assert.is_nil(text:find "[%c\127]", text)
            assert.is_nil(text:find "\u{9B}", text)
            assert.is_nil(text:find "\u{85}", text)
            assert.is_nil(text:find "\u{202E}", text)
            assert.is_nil(text:find "\xFF", text)
        end
        assert.matches("end", tostring(answered("control4", "404 Not Found", "text/plain", controls)))
    end)

    it("is short", function()
        local long = ("x"):rep(60000)
        for i, row in ipairs { { "200 OK", long, "<html>" }, { "200 OK", "text/html", long },
            { "404 Not Found", "text/plain", long },
            { "404 Not Found", "application/json", '{"error":"' .. long .. '"}' } } do
            assert.is_true(#tostring(answered("long" .. i, row[1], row[2], row[3])) < 600)
        end
    end)

    it("keeps to whole characters when it is cut", function()
        local text = tostring(answered("cut", "404 Not Found", "text/plain", ("\u{20AC}"):rep(1000)))
        assert.is_truthy(utf8.len(text), text)
        assert.matches("%.%.%.$", text)
    end)

    it("is one line also when a script raises it", function()
        assert.equal("mine: a b c d", (tostring(mw.error { kind = "mine", message = "a\nb\27c\u{85}d" })
            :gsub("^.-: ", "", 1)))
    end)
end)

describe("a finalizer at the end of the state", function()
    it("leaves nothing behind of what it makes", function()
        local output, errors, code = calls.child [[
            local mw = require "moonwire"
            local core = require "moonwire.core"
            setmetatable({}, { __gc = function()
                local desk = mw.ooctopus { url = "http://127.0.0.1:9", token = "t0ken-of-us", account = 1 }
                core.server { handler = print }
                mw.spawn(function() mw.sleep(60) end)
                mw.spawn(function() pcall(desk.request, desk, "GET", "/x") end)
                mw.sleep(0.01)
                local late = coroutine.create(function()
                    local mark <close> = setmetatable({}, { __close = function() mw.sleep(0) end })
                    coroutine.yield()
                end)
                coroutine.resume(late)
                print(coroutine.close(late))
            end })
            os.exit(0, true)
        ]]
        assert.equal("true\n", output)
        assert.is_nil(errors:find "attempt")
        assert.equal(0, code)
    end)
end)

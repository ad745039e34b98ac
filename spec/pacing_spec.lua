--- Pacing as a script meets it: limits as options and through the environment, stats, waits and their handler, in one
--- process and in a sandbox; over real sockets, to servers that count for themselves.
local core = require "moonwire.core"
local mw = require "moonwire"
local twin = require "moonwire.twin"

local calls = require "spec.support.calls"
local host = require "spec.support.host"
local process = require "spec.support.process"

local failing = calls.failing

describe("pacing", function()
    local open, seen

    -- A server that keeps what came, in order. `handler` may take its time over an answer.
    local function serve(handler)
        seen = {}
        local server = core.server { handler = function(request)
            seen[#seen + 1] = { verb = request.method, path = request.path, at = mw.now() }
            local status, headers, body
            if handler then
                status, headers, body = handler(request)
            end
            return status or 200, headers or { ["content-type"] = "application/json" }, body or '{"payload":[]}'
        end }
        open[#open + 1] = server
        return server.url
    end

    local function desk(url, options)
        local all = { url = url, account = 1, token = "t0ken" }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        local client = mw.ooctopus(all)
        open[#open + 1] = client
        return client
    end

    -- Lets others run until `done()`.
    local function until_(done)
        local tries = 0
        while not done() do
            tries = tries + 1
            assert(tries < 5000, "what was waited for did not happen")
            mw.sleep(0.001)
        end
    end

    before_each(function()
        open = {}
        mw.on_wait(function() end) -- else waits are lines on standard error
    end)

    after_each(function()
        mw.on_wait(nil)
        for i = #open, 1, -1 do
            open[i]:close()
        end
        mw.sleep(0.02) -- what a server has begun for a client that is gone ends, too
    end)

    teardown(calls.quiet)

    describe("takes limits", function()
        it("as rates, tables of rate and cap, false, and a file", function()
            local folder = process.folder()
            for _, case in ipairs {
                { {}, "all", 3000 }, { { all = "50/s" }, "all", 50 }, { { all = "off" }, "all" },
                { { search = false }, "search" }, { { search = false }, "all", 3000 },
                { { write = { rate = "10/s", concurrency = 4 } }, "write", 10 },
                { { upload = { concurrency = 1 } }, "upload" }, { { reports = { rate = false } }, "reports" },
                { { all = "1/24h" }, "all", 1 }, { { search = "1000000/s" }, "search", 1000000 },
                { { all = "7/min", shared = false }, "all", 7 },
                { { all = "8/min", shared = folder .. "/limits.db" }, "all", 8 }, { false, "all" },
            } do
                -- A token of its own: clients of one host and token share their lanes.
                local client = desk("http://127.0.0.1:9", { limits = case[1], token = "t" .. #open })
                assert.same({ case[3] }, { client:stats().lanes[case[2]].allowed })
            end
            assert.is_truthy(process.read(folder .. "/limits.db"))
            for _, connect in ipairs { mw.circuit, mw.chatwoot } do
                local client <close> = connect { url = "http://127.0.0.1:9", token = "t", limits = { all = "5/s" } }
                assert.equal(5, client:stats().lanes.all.allowed)
            end
            process.remove(folder)
        end)

        it("and says what would be right where they are wrong", function()
            local rate = 'a rate looks like "3000/min"'
            for _, case in ipairs {
                { true, "option 'limits' must be a table such as { search = \"100/min\" }, or false" },
                { "off", "option 'limits' must be a table" },
                { { serch = "1/s" }, "unknown option 'serch' (did you mean 'search'?)" },
                { { nonsense = "1/s" }, "unknown option 'nonsense'; there are all, search, reports, write, upload" },
                { { "1/s" }, "options have names; got a key that is a number" },
                { { search = 100 }, "'search' must be a rate such as \"100/min\", false" },
                { { search = true }, "'search' must be a rate" },
                { { search = "100" }, rate }, { { search = "0/s" }, rate }, { { search = "1/ms" }, rate },
                { { search = "1000001/s" }, rate }, { { search = "1/25h" }, rate }, { { search = "" }, rate },
                { { search = "1/s\0" }, "'search' must be a rate" },
                { { write = { rat = "1/s" } }, "unknown option 'rat' (did you mean 'rate'?)" },
                { { write = { rate = 5 } }, "'write.rate' must be a rate" },
                { { write = { rate = "5" } }, rate },
                { { write = { concurrency = 0 } }, "'concurrency' must be an integer above 0, got 0" },
                { { write = { concurrency = "4" } }, "'concurrency' must be an integer above 0, got a string" },
                { { shared = 5 }, "'shared' must be true or the path of a file, got a number" },
                { { shared = "" }, "'shared' must be true or the path" },
                { { shared = "/dev/null/limits.db" }, "/dev/null/limits.db" },
            } do
                local err = failing("invalid", desk, "http://127.0.0.1:9", { limits = case[1] })
                assert(err.message:find(case[2], 1, true), err.message)
            end
        end)

        it("of the environment in one line", function()
            local source = [[
                local mw = require "moonwire"
                local ok, desk = pcall(mw.connect, "ooctopus")
                io.write(ok and tostring(desk:stats().lanes.search.allowed) or desk.message)
            ]]
            for _, case in ipairs {
                { "search=7/min", "7" }, { "off", "nil" }, { "all=off,search=3/h,write.concurrency=2", "3" },
                { "serch=7/min", "connect: the environment variable OOCTOPUS_LIMITS: there is no lane 'serch'" },
            } do
                local output, errors = calls.child(source, { OOCTOPUS_URL = "http://127.0.0.1:9", OOCTOPUS_TOKEN = "t",
                    OOCTOPUS_LIMITS = case[1] })
                assert.equal("", errors)
                assert.equal(case[2], output:sub(1, #case[2]))
            end
        end)
    end)

    describe("lets go", function()
        it("what may, at once, and no more than the limit in any window", function()
            local client = desk(serve(), { limits = { all = "10/s" } })
            local answers = mw.map({ n = 25 }, function() return client.agents:list() end, { concurrency = 25 })
            assert.equal(25, answers.n)
            assert.equal(25, #seen)
            for i = 11, #seen do
                assert(seen[i].at - seen[i - 10].at > 0.99, ("request %d came too early"):format(i))
            end
            local lane = client:stats().lanes.all
            assert.same({ 25, 0, 0, 0 }, { lane.sent, lane.refused, lane.waiting, lane.running })
            assert.equal(10, lane.allowed)
            assert.is_true(lane.waited >= 10 * 0.99 + 5 * 1.98)
        end)

        it("everything with limits = false", function()
            local client = desk(serve(), { limits = false })
            mw.map({ n = 120 }, function() return client.contacts:search { q = "ada" } end, { concurrency = 32 })
            assert.equal(120, #seen)
            assert.equal(120, client:stats().lanes.search.sent)
            assert.is_nil(client:stats().lanes.search.allowed)
        end)

        it("a hundred searches by what is built in, and everything else all the same", function()
            local client = desk(serve())
            local tasks = {}
            for i = 1, 103 do
                tasks[i] = mw.spawn(function() return client.contacts:search { q = "ada" } end)
            end
            until_(function() return client:stats().lanes.search.waiting == 3 and #seen == 100 end)
            client.agents:list()
            assert.equal("/api/v1/accounts/1/agents", seen[101].path)
            local search = client:stats().lanes.search
            assert.same({ 100, 100, 3, 0 }, { search.sent, search.allowed, search.waiting, search.refused })
            for i = 1, 103 do
                tasks[i]:cancel()
            end
            until_(function() return client:stats().lanes.search.waiting == 0 end)
            assert.equal(101, #seen)
            assert.equal(101, client:stats().requests)
        end)

        it("reads before writes that came earlier", function()
            local client = desk(serve(function() mw.sleep(0.02) end), { concurrency = 1 })
            local first = mw.spawn(function() return client.agents:list() end)
            until_(function() return #seen == 1 end)
            local tasks = { first }
            for i = 1, 3 do
                tasks[#tasks + 1] = mw.spawn(function() client.contacts:update(i, { name = "Ada" }) end)
            end
            mw.sleep(0)
            for _ = 1, 3 do
                tasks[#tasks + 1] = mw.spawn(function() client.agents:list() end)
            end
            mw.all(tasks)
            local verbs = {}
            for i, request in ipairs(seen) do
                verbs[i] = request.verb
            end
            assert.equal("GET GET GET GET", table.concat(verbs, " ", 1, 4))
            assert.equal(7, #verbs)
        end)
    end)

    it("stops a lane for all when one call that is not to be sent again is refused", function()
        local client = desk(serve(function()
            if #seen == 1 then
                return 429, { ["retry-after"] = "1" }, "Retry later"
            end
        end), { limits = false })
        local err = failing("rate_limited", client.agents.list, client.agents, nil, { retries = 0 })
        assert.equal(1, err.attempts)
        client.teams:list()
        assert.equal(2, #seen)
        assert.is_true(seen[2].at - seen[1].at > 0.99)
    end)

    it("lets a client go on when another one of the process gives its place back", function()
        local held = true
        local url = serve(function()
            while held do
                mw.sleep(0.001)
            end
        end)
        local limits = { write = { concurrency = 1 } }
        local one, other = desk(url, { limits = limits }), desk(url, { limits = limits })
        local first = mw.spawn(function() one.teams:update(1, { name = "night" }) end)
        until_(function() return #seen == 1 end)
        local second = mw.spawn(function() other.teams:update(2, { name = "night" }) end)
        until_(function() return other:stats().lanes.write.waiting == 1 end)
        mw.sleep(0.05)
        assert.equal(1, #seen)
        held = false
        first:wait()
        second:wait()
        assert.equal("/api/v1/accounts/1/teams/2", seen[2].path)
    end)

    it("keeps every 429 from the script", function()
        local t = twin.start { limits = "20/s" }
        open[#open + 1] = { close = function() t:stop() end }
        local client = desk(t.ooctopus.url, { token = t.tokens.user, limits = { all = "50/s" } }) -- too many
        local results = mw.map({ n = 50 }, function() return client.agents:list() end, { concurrency = 50 })
        assert.equal(50, results.n)
        local refused, served = 0, 0
        for _, request in ipairs(t:log()) do
            refused = refused + (request.status == 429 and 1 or 0)
            served = served + (request.status == 200 and 1 or 0)
        end
        assert.equal(50, served)
        assert.is_true(refused > 0)
        local stats = client:stats()
        assert.equal(refused, stats.lanes.all.refused)
        assert.equal(refused + served, stats.requests)
        assert.is_true(stats.lanes.all.allowed < 50)
    end)

    describe("tells", function()
        it("the handler of a wait, which ends with its call", function()
            local client = desk(serve(), { limits = { search = "1/min" } })
            local got = {}
            mw.on_wait(function(wait) got[#got + 1] = wait end)
            client.contacts:search { q = "ada" }
            local task = mw.spawn(function() return client.contacts:search { q = "ada" } end)
            until_(function() return #got > 0 end)
            local wait = got[1]
            assert.same({ "ooctopus", "search", "limit", 1, 1, 60 },
                { wait.service, wait.lane, wait.reason, wait.waiting, wait.allowed, wait.window })
            assert.is_true(wait.seconds > 2 and wait.seconds < 90)
            assert.matches("^waiting %d+ s for the limit of the lane search %(1/min%)", wait.text)
            task:cancel()
            failing("cancelled", task.wait, task)
            assert.equal(1, #seen)
        end)

        it("nobody of a failure of the handler but the log", function()
            local output, errors, code = calls.child([[
                local mw = require "moonwire"
                local desk = mw.ooctopus { url = "http://127.0.0.1:9", account = 1, token = "t", retries = 0,
                    limits = { search = "1/min" } }
                local failed
                mw.on_wait(function() failed = true; error "no good" end)
                pcall(desk.contacts.search, desk.contacts, { q = "a" })
                local task = mw.spawn(function() return desk.contacts:search { q = "a" } end)
                while not failed do mw.sleep(0.001) end
                task:cancel()
                print(pcall(task.wait, task))
            ]])
            assert.equal(0, code)
            assert.matches("^false\t", output)
            assert.matches("^error: the handler of mw.on_wait failed: .*script.lua:5: no good\n$", errors)
        end)

        it("what a handler may be", function()
            for _, bad in ipairs { 5, "print", {}, true } do
                assert.matches("must be a function, or nil", failing("invalid", mw.on_wait, bad).message, 1, true)
            end
        end)
    end)

    describe("in the sandbox", function()
        local program, settings

        setup(function()
            program, settings = host.twin()
        end)

        teardown(function()
            program:stop()
        end)

        local function run(limits, script)
            local env = {}
            for name, value in pairs(settings) do
                env[name] = value
            end
            env.OOCTOPUS_LIMITS = limits
            return host.allowed('local mw = require "moonwire" local desk = mw.connect "ooctopus"\n' .. script,
                { env = env })
        end

        it("has stats and the handler, and waits end with their call", function()
            local output, errors, code = run("search=1/min", [[
                local got
                mw.on_wait(function(wait) got = wait end)
                desk.contacts:search { q = "ada" }
                desk.agents:list()
                local task = mw.spawn(function() return desk.contacts:search { q = "ada" } end)
                while not got do mw.sleep(0.001) end
                print(got.service, got.lane, got.reason, got.waiting, got.allowed, got.window, math.type(got.seconds))
                local stats = desk:stats()
                print(stats.requests, stats.lanes.search.sent, stats.lanes.search.waiting, stats.lanes.search.allowed,
                    stats.lanes.all.allowed, math.type(stats.lanes.search.waited))
                task:cancel()
                print(select(2, pcall(task.wait, task)).kind)
                while desk:stats().lanes.search.waiting > 0 do mw.sleep(0.001) end
            ]])
            assert.equal("", errors)
            assert.equal(0, code)
            assert.equal("ooctopus\tsearch\tlimit\t1\t1\t60.0\tfloat\n2\t1\t1\t1\t3000\tfloat\ncancelled\n", output)
        end)

        it("has a log line where there is no handler", function()
            local output, errors, code = run("search=1/min", [[
                desk.contacts:search { q = "ada" }
                local task = mw.spawn(function() return desk.contacts:search { q = "ada" } end)
                while desk:stats().lanes.search.waiting == 0 do mw.sleep(0.001) end
                mw.sleep(0.05)
                task:cancel()
                print(pcall(task.wait, task))
            ]])
            assert.matches("^false\t", output)
            assert.matches("^info: waiting %d+ s for the limit of the lane search %(1/min%)[^\n]*\n$", errors)
            assert.equal(0, code)
        end)

        it("refuses limits that are none by the name of the variable", function()
            local output, errors, code = run("all=fast", "print 'never'")
            assert.equal("", output)
            assert.matches("the environment variable OOCTOPUS_LIMITS: 'all': a rate looks like", errors, 1, true)
            assert.equal(1, code)
        end)

        it("has none with a twin of its own, unless the environment says so", function()
            local script = [[
                local mw = require "moonwire"
                local desk = mw.connect "ooctopus"
                mw.map({ n = tonumber(...) }, function() desk.teams:list() end, { concurrency = 32 })
                local lane = desk:stats().lanes.all
                print(lane.sent, lane.allowed)
            ]]
            for _, case in ipairs {
                { false, "3200", "3200\tnil\n" }, { "", "1", "1\tnil\n" },
                { "all=7/s", "8", "8\t7\n" }, { "search=5/s", "1", "1\t3000\n" },
            } do
                local output, errors = host.allowed(script, { flags = { "--twin" }, arguments = { case[2] },
                    env = { OOCTOPUS_LIMITS = case[1] } })
                assert.equal("", errors) -- no wait was told, either
                assert.equal(case[3], output)
            end
        end)
    end)
end)

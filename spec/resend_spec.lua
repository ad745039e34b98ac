--- The table of what is sent again, row by row: how a request fails, how often the server then got it, and what the
--- script hears of it. Each row takes every verb, with one retry.

local core = require "moonwire.core"
local mw = require "moonwire"

local calls = require "spec.support.calls"
local host = require "spec.support.host"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local failing = calls.failing
local writes = { POST = true, PATCH = true, PUT = true, DELETE = true }
local once = { POST = true, PATCH = true }

-- What a row wants of a verb: { kind, sent, attempts, times that the server got it }.
local function not_sent(kind)
    return function()
        return { kind, "no", 2, 0 }
    end
end

local function unanswered(kind)
    return function(verb)
        if once[verb] then
            return { "ambiguous", "unknown", 1, 1 }
        end
        return { writes[verb] and "ambiguous" or kind, "unknown", 2, 2 }
    end
end

-- A retry does not make an answered PUT or DELETE clear: the first attempt stays open.
local function gateway(verb)
    if once[verb] then
        return { "ambiguous", "yes", 1, 1 }
    end
    return { "server", writes[verb] and "unknown" or "yes", 2, 2 }
end

local function final(kind)
    return function(verb)
        return { writes[verb] and kind == "network" and "ambiguous" or kind, kind == "network" and "unknown" or "yes",
            1, 1 }
    end
end

describe("what failed", function()
    local server
    local open = {}

    local function desk(options)
        local all = { account = 1, token = "t0ken", retries = 1 }
        for name, value in pairs(options) do
            all[name] = value
        end
        local client = mw.ooctopus(all)
        open[#open + 1] = client
        return client
    end

    -- The requests that came in, by verb; FILTER is a POST of its own path. What is no HTTP is the first flight of TLS.
    local function received()
        local counts, bodies = { TLS = 0 }, {}
        for _, request in ipairs(server:log()) do
            if not request.complete then
                counts.TLS = counts.TLS + 1
                goto next
            end
            local verb = request.target:find("/filter", 1, true) and "FILTER" or request.method
            counts[verb] = (counts[verb] or 0) + 1
            bodies[verb] = bodies[verb] or request:payload()
            assert.equal(bodies[verb], request:payload())
            ::next::
        end
        return counts
    end

    -- All verbs at once, each on a client of its own.
    local function check(options, want)
        local tasks = {}
        for verb, ask in pairs(calls.verbs) do
            tasks[verb] = mw.spawn(ask, desk(options))
        end
        local errors = {}
        for verb, task in pairs(tasks) do
            errors[verb] = failing("network|timeout|tls|server|ambiguous|rejected|auth|not_found|conflict|forbidden",
                task.wait, task)
        end
        local counts = received()
        for verb, err in pairs(errors) do
            local wanted = want(verb)
            assert.same({ verb, table.unpack(wanted) }, { verb, err.kind, err.sent, err.attempts, counts[verb] or 0 })
            assert.is_true(err.waited >= 0 and err.waited <= err.elapsed)
            assert.is_true(err.attempts == 1 or err.waited > 0, verb .. " was sent again without a wait")
        end
    end

    setup(function()
        server = raw.start()
    end)
    teardown(function()
        server:stop()
        calls.quiet()
    end)
    before_each(function()
        server:clear()
    end)
    after_each(function()
        for i = #open, 1, -1 do
            open[i]:close()
            open[i] = nil
        end
    end)

    describe("before it was sent", function()
        it("goes again: nobody listens", function()
            local gone = raw.start()
            local url = gone:url "ok"
            gone:stop()
            check({ url = url }, not_sent "network")
        end)

        it("goes again: the name is unknown", function()
            check({ url = "http://nowhere.invalid" }, not_sent "network")
        end)

        it("goes again: the other side does not speak TLS", function()
            local plain = core.server { handler = function() return 200 end }
            open[1] = plain
            check({ url = (plain.url:gsub("^http:", "https:")) }, not_sent "tls")
        end)

        it("goes again: the handshake takes too long", function()
            check({ url = (server:url("ok"):gsub("^http:", "https:")), connect_timeout = 0.2 }, not_sent "timeout")
            assert.equal(12, received().TLS)
        end)

        it("goes again: nobody listens where the proxy should be", function()
            local gone = raw.start()
            local proxy = ("http://127.0.0.1:%d"):format(gone.port)
            gone:stop()
            check({ url = server:url "ok", proxy = proxy }, not_sent "network")
        end)

        -- The proxy is asked for a connection by every attempt.
        local function through_proxy(attempts)
            server:clear()
            check({ url = "https://localhost:1", proxy = ("http://127.0.0.1:%d"):format(server.port) }, function()
                return { "network", "no", attempts, 0 }
            end)
            assert.equal(6 * attempts, received().CONNECT)
        end

        it("goes again: the proxy fails", function()
            through_proxy(2)
            server:answer("connect", calls.answer("502 Bad Gateway", {}, ""))
            through_proxy(2)
        end)

        it("stays: the proxy does not allow it", function()
            for _, status in ipairs { "403 Forbidden", "407 Proxy Authentication Required" } do
                server:answer("connect", calls.answer(status, {}, ""))
                through_proxy(1)
            end
        end)
    end)

    describe("without a whole answer goes again unless it is a POST or PATCH:", function()
        for _, behaviour in ipairs { "reset", "close", "reset-body", "short", "cut-chunk" } do
            it(behaviour, function()
                check({ url = server:url(behaviour) }, unanswered "network")
            end)
        end

        it("stall", function()
            check({ url = server:url "stall", stall_timeout = 1 }, unanswered "timeout")
        end)

        it("but not within the timeout of the whole call", function()
            check({ url = server:url "stall", timeout = 0.5 }, function(verb)
                return { writes[verb] and "ambiguous" or "timeout", "unknown", 1, 1 }
            end)
        end)
    end)

    describe("behind a gateway goes again unless it is a POST or PATCH:", function()
        for _, status in ipairs { 502, 503, 504 } do
            it(tostring(status), function()
                check({ url = server:url("status/" .. status) }, gateway)
            end)
        end
    end)

    describe("for good is sent once:", function()
        local kinds = { [400] = "rejected", [401] = "auth", [403] = "forbidden", [404] = "not_found",
            [409] = "conflict", [422] = "rejected", [500] = "server", [599] = "server" }
        for status, kind in pairs(kinds) do
            it(tostring(status), function()
                check({ url = server:url("status/" .. status) }, final(kind))
            end)
        end

        it("what is no HTTP", function()
            check({ url = server:url(server:answer("nonsense", "HTTP/1.1\r\n\r\n", "close")) }, final "network")
        end)

        it("a redirect that is not followed", function()
            local answer = calls.answer("302 Found", { "Location: http://elsewhere.invalid/" }, "")
            check({ url = server:url(server:answer("away", answer)) }, final "rejected")
        end)
    end)

    -- Two requests on one connection, which ends without an answer to the second. Connections outlive their client, so
    -- each of these has a server of its own.
    describe("on a kept connection that died", function()
        local function reused(verb, retries)
            server:stop()
            server = raw.start()
            local client = desk { url = server:url "die-on-reuse", retries = retries }
            client.agents:list()
            return pcall(calls.verbs[verb], client)
        end

        for _, verb in ipairs { "GET", "PUT", "DELETE", "FILTER" } do
            it(("a %s goes again, and without a retry it stays"):format(verb), function()
                local fine, result = reused(verb, 1)
                assert.same({ ok = true }, fine and result)
                assert.equal(2, received()[verb] - (verb == "GET" and 1 or 0))
                local err
                fine, err = reused(verb, 0)
                assert.is_false(fine)
                assert.same({ writes[verb] and "ambiguous" or "network", "unknown", 1 },
                    { err.kind, err.sent, err.attempts })
            end)
        end

        for _, verb in ipairs { "POST", "PATCH" } do
            it(("a %s stays"):format(verb), function()
                local fine, err = reused(verb, 3)
                assert.is_false(fine)
                assert.same({ "ambiguous", "unknown", 1 }, { err.kind, err.sent, err.attempts })
                assert.equal(1, received()[verb])
            end)
        end
    end)

    describe("with a file goes again whole:", function()
        local folder

        setup(function()
            folder = process.folder()
            process.write(folder .. "/photo.png", "\137PNG" .. ("0123456789abcdef"):rep(20000))
        end)
        teardown(function()
            process.remove(folder)
        end)

        -- The parts that came in, without the fence that each request has of its own.
        local function parts(request)
            local fence = request.headers["content-type"]:match "boundary=(%S+)"
            return (request.body:gsub(fence:gsub("%p", "%%%0"), "FENCE"))
        end

        for _, trouble in ipairs { "drop", "reset", 503 } do
            for _, kept in ipairs { false, true } do
                it(("%s%s"):format(trouble, kept and ", on a kept connection" or ""), function()
                    local seen = {}
                    local helper = core.server { handler = function(request)
                        if request.method == "GET" then
                            return 200, nil, "[]"
                        end
                        seen[#seen + 1] = request
                        if #seen > 1 then
                            return 200, nil, "{}"
                        elseif trouble == 503 then
                            return 503
                        end
                        return nil, trouble
                    end }
                    open[#open + 1] = helper
                    local client = desk { url = helper.url }
                    if kept then
                        client.agents:list()
                    end
                    local _, response = client.contacts:update(3, { name = "Ada", avatar = folder .. "/photo.png" })
                    assert.same({ 2, 2 }, { response.attempts, #seen })
                    assert.is_true(#seen[1].body > 320000)
                    assert.equal(parts(seen[1]), parts(seen[2]))
                end)
            end
        end
    end)

    describe("and waits to go again", function()
        -- A server that is not well, and says that it will be in a second.
        local function unwell()
            local answer = calls.answer("503 Service Unavailable", { "Retry-After: 1" }, "")
            return server:url(server:answer("unwell", answer))
        end

        it("is gone when its task is cancelled, and when its client is closed", function()
            for _, how in ipairs { "task", "client", "both" } do
                server:clear()
                local client = desk { url = unwell() }
                local tasks = {}
                for i = 1, 10 do
                    tasks[i] = mw.spawn(calls.verbs.GET, client)
                end
                while #server:log() < 10 do
                    mw.sleep(0.01)
                end
                mw.sleep(0.05) -- the answers are in
                for _, task in ipairs(tasks) do
                    if how ~= "client" then
                        task:cancel()
                    end
                end
                if how ~= "task" then
                    client:close()
                end
                for _, task in ipairs(tasks) do
                    failing("cancelled", task.wait, task)
                end
                mw.sleep(1.2)
                assert.equal(10, #server:log())
                calls.quiet()
            end
        end)

        it("is gone when a script in its sandbox cancels its task", function()
            local env = { OOCTOPUS_URL = unwell(), OOCTOPUS_TOKEN = "t0ken", OOCTOPUS_ACCOUNT_ID = "1" }
            local output, errors, code = host.allowed([[
                local mw = require "moonwire"
                local desk = mw.connect "ooctopus"
                local task = mw.spawn(function() return desk.contacts:get(1) end)
                pcall(desk.agents.list, desk.agents, nil, { retries = 0 })
                mw.sleep(0.05) -- both are answered
                task:cancel()
                local fine, err = pcall(task.wait, task)
                print(fine, err.kind)
                mw.sleep(1.2)]], { env = env })
            assert.equal(0, code, errors)
            assert.equal("false\tcancelled\n", output)
            assert.equal(2, received().GET)
        end)
    end)

    describe("with a 503 that says when", function()
        local date = "Date: Sun, 06 Nov 1994 08:49:37 GMT"

        local function ask(...)
            local answer = calls.answer("503 Service Unavailable", { ... }, "")
            return failing("server", calls.verbs.GET, desk { url = server:url(server:answer("when", answer)) })
        end

        it("waits for seconds and for a date by the server's clock", function()
            for _, headers in ipairs { { "Retry-After: 1" }, { date, "Retry-After: Sun, 06 Nov 1994 08:49:38 GMT" } } do
                local err = ask(table.unpack(headers))
                assert.same({ 2, 1 }, { err.attempts, err.retry_after })
                assert.is_true(err.waited >= 0.99, err.waited)
            end
            assert.equal(4, received().GET)
        end)

        it("does not begin a wait for which there is no time", function()
            for _, headers in ipairs { { "Retry-After: 61" }, { date, "Retry-After: Sun, 06 Nov 1994 08:50:38 GMT" },
                { "Retry-After: 99999999" } } do
                local err = ask(table.unpack(headers))
                assert.equal(1, err.attempts)
                assert.is_true(err.retry_after >= 61)
                assert.matches("; the server asks to wait %d+ s$", err.message)
            end
            assert.equal(3, received().GET)
        end)

        it("goes by its own clock where that is nonsense", function()
            for _, value in ipairs { "", "soon", "-5", "nan", "inf", "1e999", "1 second", "\xff\xfe",
                "Sun, 06 Nov 1994 08:49:36" } do
                local err = ask(date, "Retry-After: " .. value)
                assert.same({ value, 2 }, { value, err.attempts })
            end
            assert.equal(18, received().GET)
        end)
    end)

    describe("as often as it may:", function()
        it("as the client has it, unless the call says otherwise", function()
            local url = server:url "status/503"
            for client_has, attempts in pairs { [0] = 1, [2] = 3 } do
                server:clear()
                local client = desk { url = url, retries = client_has }
                assert.equal(attempts, failing("server", calls.verbs.GET, client).attempts)
                assert.equal(2, failing("server", calls.verbs.GET, client, { retries = 1 }).attempts)
                assert.equal(1, failing("server", calls.verbs.GET, client, { retries = 0 }).attempts)
                assert.equal(attempts + 3, received().GET)
            end
        end)
    end)
end)

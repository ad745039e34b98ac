--- What a client sends again, how often and after which wait, and what it never sends again; against servers that
--- refuse, break off and come back.

local core = require "moonwire.core"
local mw = require "moonwire"
local twin = require "moonwire.twin"

local calls = require "spec.support.calls"
local host = require "spec.support.host"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local failing = calls.failing

describe("a retry", function()
    local open = {}

    local function desk(url, options)
        local all = { url = url, account = 1, token = "t0ken" }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        local client = mw.ooctopus(all)
        open[#open + 1] = client
        return client
    end

    -- A server that gives one answer after the other and the last one for ever, a client of it, and what it was asked.
    -- An answer: a status, "drop", "reset", a function, or { status, headers }.
    local function script(answers, options)
        local seen, server = {}, nil
        server = core.server { handler = function(request)
            seen[#seen + 1] = request
            local answer = answers[math.min(#seen, #answers)]
            if type(answer) == "function" then
                answer = answer(server)
            end
            if type(answer) == "string" then
                return nil, answer
            end
            local status, headers = answer, nil
            if type(answer) == "table" then
                status, headers = answer[1], answer[2]
            end
            return status, headers, status == 200 and '{"ok":true}' or ""
        end }
        open[#open + 1] = server
        return desk(server.url, options), seen
    end

    local verbs = calls.verbs
    local again = { "GET", "PUT", "DELETE", "FILTER" }
    local never = { "POST", "PATCH" }

    after_each(function()
        for i = #open, 1, -1 do
            open[i]:close()
            open[i] = nil
        end
        mw.sleep(0.05) -- what a server has begun for a client that is gone ends, too
    end)

    teardown(calls.quiet)

    describe("of what was not sent", function()
        it("goes again as far as the budget for bytes goes", function()
        -- "/api/v1/accounts/1/contacts/3" has 29 bytes
        local client, seen = script({ 503 }, { retries = 5, policy = { max_bytes = 60 } })
        local err = failing("server", client.contacts.get, client.contacts, 3)
        assert.equal(2, err.attempts)
        assert.matches(" %(tried 2 times%)$", tostring(err))
        assert.equal(2, #seen)
        failing("budget", client.contacts.get, client.contacts, 3)
    end)

    it("comes for every verb when the connection is refused", function()
            local server = core.server { handler = function() return 200 end }
            local url = server.url
            server:close()
            for verb, ask in pairs(verbs) do
                local err = failing("network", ask, desk(url, { retries = 1 }))
                assert.same({ verb, "no", 2 }, { verb, err.sent, err.attempts })
                assert.is_true(err.waited >= 0 and err.waited <= err.elapsed)
            end
        end)

        it("comes when a name can't be resolved", function()
            local err = failing("network", verbs.POST, desk("http://nowhere.invalid", { retries = 1 }))
            assert.same({ "no", 2 }, { err.sent, err.attempts })
        end)

        it("comes when the handshake is cut", function()
            local client = script({ 200 }, { retries = 1 })
            local secure = desk((open[1].url:gsub("^http:", "https:")), { retries = 1 })
            local err = failing("tls", verbs.POST, secure)
            assert.same({ "no", 2 }, { err.sent, err.attempts })
            assert.same({ ok = true }, (verbs.GET(client)))
        end)
    end)

    describe("behind a gateway that fails, or after silence", function()
        for _, trouble in ipairs { 502, 503, 504, "drop", "reset" } do
            it(("(%s) comes for what may be sent twice"):format(trouble), function()
                for _, verb in ipairs(again) do
                    local client, seen = script { trouble, 200 }
                    local result, response = verbs[verb](client)
                    assert.same({ ok = true }, result)
                    assert.same({ verb, 2, 2 }, { verb, response.attempts, #seen })
                    assert.is_true(response.waited <= response.elapsed)
                    assert.equal(seen[1].body, seen[2].body)
                    assert.equal(seen[1].target, seen[2].target)
                end
            end)

            it(("(%s) never comes for a POST or PATCH"):format(trouble), function()
                for _, verb in ipairs(never) do
                    local client, seen = script { trouble, 200 }
                    local err = failing("ambiguous", verbs[verb], client)
                    assert.same({ verb, 1, 1 }, { verb, err.attempts, #seen })
                    assert.equal(type(trouble) == "string" and "unknown" or "yes", err.sent)
                end
            end)
        end

        it("comes as often as it may, and the last failure counts", function()
            local client, seen = script { 503 }
            local err = failing("server", verbs.GET, client, { retries = 2 })
            assert.same({ 503, 3, 3, "yes" }, { err.status, err.attempts, #seen, err.sent })
            err = failing("server", verbs.GET, client, { retries = 0 })
            assert.same({ 1, 4 }, { err.attempts, #seen })
            err = failing("server", verbs.GET, client)
            assert.same({ 4, 8 }, { err.attempts, #seen })
        end)

        it("waits at least as long as a 503 says", function()
            local client = script { { 503, { ["Retry-After"] = 1 } }, 200 }
            local _, response = verbs.GET(client)
            assert.is_true(response.waited >= 0.99, response.waited)
        end)

        it("leaves other failures alone", function()
            for _, status in ipairs { 400, 401, 404, 409, 422, 500, 501 } do
                local client, seen = script { status, 200 }
                local err = failing("rejected|auth|not_found|conflict|server", verbs.GET, client)
                assert.same({ status, 1, 1 }, { err.status, err.attempts, #seen })
            end
        end)

        it("follows a redirect anew each time", function()
            local away = { 302, { Location = "/api/v1/accounts/1/contacts/4" } }
            local client, seen = script { away, 503, away, 200 }
            local result, response = verbs.GET(client)
            assert.same({ ok = true }, result)
            assert.equal(2, response.attempts)
            local paths = {}
            for i, request in ipairs(seen) do
                paths[i] = request.path:match "%d+$"
            end
            assert.equal("3 4 3 4", table.concat(paths, " "))
        end)

        it("that can't be sent leaves open what an attempt before it did", function()
            for verb, kind in pairs { PUT = "ambiguous", DELETE = "ambiguous", GET = "network" } do
                local client = script({ function(server)
                    server:close()
                    return "reset"
                end }, { retries = 1 })
                local err = failing(kind, verbs[verb], client)
                assert.same({ verb, "unknown", 2 }, { verb, err.sent, err.attempts })
                assert.matches("; an attempt before this one went out$", err.message)
            end
        end)
    end)

    describe("after a 429", function()
        local server

        setup(function()
            server = raw.start()
        end)
        teardown(function()
            server:stop()
        end)
        before_each(function()
            server:clear()
        end)

        -- A client of a server that always answers 429 with these headers.
        local function limited(...)
            return desk(server:url(server:answer("limited", calls.answer("429 Too Many Requests", { ... }, "Later\n"))),
                { retries = 1 })
        end

        it("comes for every verb, as late as the server says", function()
            for verb, ask in pairs(verbs) do
                local client, seen = script { { 429, { ["Retry-After"] = "0.05" } }, 200 }
                local result, response = ask(client)
                assert.same({ ok = true }, result)
                assert.same({ verb, 2, 2 }, { verb, response.attempts, #seen })
                assert.is_true(response.waited >= 0.05)
            end
        end)

        it("waits for seconds, for a date, or for the end of the server's minute", function()
            local cases = {
                { "Retry-After: 1" },
                { "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After: Sun, 06 Nov 1994 08:49:38 GMT" },
                { "Date: Sun, 06 Nov 1994 08:49:59 GMT" },
            }
            for i, headers in ipairs(cases) do
                local err = failing("rate_limited", verbs.POST, limited(table.unpack(headers)))
                assert.same({ i, 2, "yes" }, { i, err.attempts, err.sent })
                assert.is_true(err.waited >= 0.99, ("case %d waited %g s"):format(i, err.waited))
            end
            assert.equal(6, #server:log())
        end)

        it("is not waited for when it comes too late, nor is anything sent into its lane", function()
            local cases = {
                { "Retry-After: 3600" },
                { "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After: Sun, 06 Nov 1994 09:49:37 GMT" },
            }
            for i, headers in ipairs(cases) do
                server:stop()
                server = raw.start() -- another host
                local client = limited(table.unpack(headers))
                local err = failing("rate_limited", verbs.POST, client, { timeout = 30 })
                assert.same({ i, 1, "yes", 3600 }, { i, err.attempts, err.sent, err.retry_after })
                assert.equal("Later; the server asks to wait 3600 s", err.message)
                err = failing("rate_limited", verbs.GET, client)
                assert.same({ "no", 1 }, { err.sent, #server:log() })
                assert.is_true(err.retry_after > 3500 and err.retry_after <= 3600)
                assert.matches("not sent: the server has asked to wait %d+ s more$", err.message)
            end
        end)

        it("sends a file again from its beginning", function()
            local client, seen = script { { 429, { ["Retry-After"] = "0.01" } }, 200 }
            local path = os.tmpname()
            process.write(path, ("0123456789"):rep(5000))
            local _, response = client.messages:create(5, { content = "see", attachments = { path } })
            os.remove(path)
            assert.equal(2, response.attempts)
            local function parts(request)
                local fence = request.headers["content-type"]:match "boundary=(%S+)"
                return (request.body:gsub(fence:gsub("%p", "%%%0"), "FENCE"))
            end
            assert.is_true(#seen[1].body > 50000)
            assert.equal(parts(seen[1]), parts(seen[2]))
        end)
    end)

    describe("that waits", function()
        it("is cancelled with its task, and with its client", function()
            for _, how in ipairs { "task", "client" } do
                local client, seen = script { { 429, { ["Retry-After"] = 50 } } }
                local task = mw.spawn(verbs.GET, client)
                while #seen == 0 do
                    mw.sleep(0.01)
                end
                mw.sleep(0.05)
                if how == "task" then
                    task:cancel()
                else
                    client:close()
                end
                failing("cancelled", task.wait, task)
                assert.equal(1, #seen)
            end
        end)

        it("lets other lanes go", function()
            local client, seen = script({ { 429, { ["Retry-After"] = 50 } }, 200 }, { concurrency = 1 })
            local task = mw.spawn(client.contacts.search, client.contacts, { q = "ada" })
            while #seen == 0 do
                mw.sleep(0.01)
            end
            for _ = 1, 3 do
                assert.same({ ok = true }, (verbs.GET(client)))
            end
            task:cancel()
            failing("cancelled", task.wait, task)
        end)

        it("ends with the timeout of the call, which is one for all attempts", function()
            local client = script({ 503 }, { retries = 1000, timeout = 0.6 })
            local err = failing("server|timeout", verbs.GET, client)
            assert.is_true(err.attempts < 1000)
        end)
    end)

    it("is no other call for a budget of calls", function()
        local client, seen = script({ 503, 200 }, { max_calls = 1 })
        assert.equal(2, select(2, verbs.GET(client)).attempts)
        failing("budget", verbs.GET, client)
        assert.equal(2, #seen)
    end)

    it("crosses from a script in its sandbox, with the number that it gives", function()
        local server = raw.start()
        local env = { OOCTOPUS_URL = server:url "status/503", OOCTOPUS_TOKEN = "t0ken", OOCTOPUS_ACCOUNT_ID = "1" }
        local output, errors, code = host.allowed([[
            local desk = require("moonwire").connect("ooctopus"):safe()
            for _, options in ipairs { { retries = 0 }, { retries = 2 } } do
                local _, err = desk.contacts:get(1, nil, options)
                print(err.kind, err.attempts, err.waited <= err.elapsed)
            end]], { env = env })
        server:stop()
        assert.equal(0, code, errors)
        assert.equal("server\t1\ttrue\nserver\t3\ttrue\n", output)
    end)

    describe("of a twin with faults", function()
        local t, client

        before_each(function()
            t = twin.start()
            client = t:connect "ooctopus"
        end)
        after_each(function()
            client:close()
            t:stop()
        end)

        it("hides every second failure of what may be sent twice", function()
            for _, fault in ipairs { "status=503", "drop", "reset", "drop-after-commit" } do
                t:fault { "contacts.get:" .. fault .. ":1/2", "contacts.update:" .. fault .. ":1/2" }
                local attempts = 0
                for i = 1, 2 do
                    attempts = attempts + select(2, client.contacts:get(1)).attempts
                    attempts = attempts + select(2, client.contacts:update(1, { name = "Ada " .. i })).attempts
                end
                assert.equal(6, attempts)
                assert.equal("Ada 2", client.contacts:get(1).payload.contact.name)
            end
        end)

        it("makes nothing twice", function()
            t:fault "contacts.create:drop-after-commit:1/3"
            local before, open_ends = t.state.store:count "contacts", 0
            for i = 1, 30 do
                local fine, err = pcall(client.contacts.create, client.contacts, { inbox_id = 4, name = "C" .. i })
                if not fine then
                    assert.same({ "ambiguous", 1 }, { err.kind, err.attempts })
                    open_ends = open_ends + 1
                end
            end
            assert.equal(10, open_ends)
            assert.equal(30, t.state.store:count "contacts" - before)
        end)

        it("counts the failures of a server that is never well", function()
            t:fault "contacts.get:status=503"
            local err = failing("server", client.contacts.get, client.contacts, 1, nil, { retries = 2 })
            assert.equal(3, err.attempts)
            assert.equal(3, #t:log())
        end)
    end)
end)

--- What each failure of a connection and each unwelcome answer becomes: its kind, what is known about the request,
--- and how often it went out.

local mw = require "moonwire"

local calls = require "spec.support.calls"
local raw = require "spec.support.raw"

local failing = calls.failing
local secret = "secret-token-77aa"

describe("failures", function()
    local server
    local open = {}

    -- A client that tries once, unless `options` say otherwise: what comes again is the business of retry_spec.lua.
    local function desk(behaviour, options)
        local all = { url = server:url(behaviour), account = 1, token = secret, retries = 0 }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        local client = mw.ooctopus(all)
        open[#open + 1] = client
        return client
    end

    -- One call of each verb that changes something.
    local writes = {
        POST = function(client) return client.contacts:create { inbox_id = 1, name = "Ada" } end,
        PATCH = function(client) return client.teams:update(3, { name = "Sales" }) end,
        PUT = function(client) return client.contacts:update(3, { name = "Ada" }) end,
        DELETE = function(client) return client.contacts:delete(3) end,
    }

    local function get(client)
        return client.contacts:get(3)
    end

    -- POST that changes nothing.
    local function filter(client)
        return client.contacts:filter { payload = { { attribute_key = "name", filter_operator = "equal_to",
            values = { "Ada" } } } }
    end

    --- A call that a limit of `seconds` ends, and says so in `words`, long before a default (10, 30 and 60 s) would.
    local function ends_by(words, kinds, seconds, f, ...)
        local err = failing(kinds, f, ...)
        local late = words == "not connected after" and 6 or 15
        assert.truthy(err.message:find(words, 1, true), err.message)
        assert.is_true(err.elapsed >= seconds * 0.9, ("ended too early, after %.2f s"):format(err.elapsed))
        assert.is_true(err.elapsed < late, ("ended too late, after %.2f s"):format(err.elapsed))
        return err
    end

    local function verbs()
        local list = {}
        for i, request in ipairs(server:log()) do
            list[i] = request.method
        end
        return list
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
        for i, client in ipairs(open) do
            client:close()
            open[i] = nil
        end
    end)

    describe("before anything is sent", function()
        it("a refused connection is network, whatever the verb", function()
            local gone = raw.start()
            local client = desk("ok", { url = gone:url("ok") })
            gone:stop()
            local err = failing("network", get, client)
            assert.equal("no", err.sent)
            assert.equal("contacts:get", err.operation)
            assert.truthy(err.url:find("/contacts/3", 1, true))
            for verb, write in pairs(writes) do
                err = failing("network", write, client)
                assert.equal("no", err.sent, verb)
            end
        end)

        it("a name that does not exist is network", function()
            local client = desk("ok", { url = "http://nowhere.invalid/" })
            local err = failing("network", writes.POST, client)
            assert.equal("no", err.sent)
            assert.truthy(tostring(err):find("nowhere.invalid", 1, true))
        end)

        describe("a handshake that never ends", function()
            local function secure(options)
                return desk("stall", { url = (server:url("stall"):gsub("^http:", "https:")),
                    connect_timeout = options and options.connect_timeout, timeout = options and options.timeout })
            end

            it("is a timeout, by the client's limit", function()
                for _, f in ipairs { get, writes.POST } do
                    local err = ends_by("not connected after", "timeout", 0.3, f, secure { connect_timeout = 0.3 })
                    assert.equal("no", err.sent)
                end
            end)

            it("is a timeout, by the call's", function()
                for _, client in ipairs { secure(), secure { connect_timeout = 50 } } do
                    local err = ends_by("not connected after", "timeout", 0.3, client.contacts.get, client.contacts,
                        3, nil, { connect_timeout = 0.3 })
                    assert.equal("no", err.sent)
                end
            end)

            it("is a timeout, by that of the whole call", function()
                local err = ends_by("not connected after", "timeout", 0.3, get, secure { timeout = 0.3 })
                assert.equal("no", err.sent)
            end)
        end)
    end)

    describe("a connection that breaks", function()
        local broken = {
            reset = "network", close = "network", ["reset-body"] = "network", short = "network",
            ["cut-chunk"] = "network", ["overflow-length"] = "network|decode", ["two-lengths"] = "network|decode",
        }
        for behaviour, kinds in pairs(broken) do
            it("by " .. behaviour .. " is known for what it is", function()
                local client = desk(behaviour)
                local err = failing(kinds, get, client)
                assert.equal("unknown", err.sent)
                assert.equal(1, err.attempts)
                for verb, write in pairs(writes) do
                    err = failing("ambiguous", write, client)
                    assert.equal("unknown", err.sent, verb)
                    assert.equal(1, err.attempts, verb)
                end
                assert.equal(5, #server:log())
            end)
        end

        it("under a POST that only reads is network", function()
            local err = failing("network", filter, desk "reset")
            assert.equal("unknown", err.sent)
        end)

        it("with nonsense instead of HTTP is an error", function()
            local answers = { "hello\n", "HTTP/1.1\r\n\r\n", "SMTP 220 ready\r\n\r\n", "\0\0\0\0" }
            for i, bytes in ipairs(answers) do
                failing("network|decode", get, desk(server:answer("nonsense-" .. i, bytes, "close")))
                failing("ambiguous", writes.POST, desk(server:answer("nonsense-" .. i, bytes, "close")))
            end
        end)
    end)

    describe("silence", function()
        local limits = { timeout = "no whole answer after", stall_timeout = "the answer stalled" }

        for _, behaviour in ipairs { "stall", "stall-body" } do
            for option, words in pairs(limits) do
                it(("(%s) ends a call by the client's %s"):format(behaviour, option), function()
                    local client = desk(behaviour, { [option] = 0.6 })
                    local read, write = mw.spawn(get, client), mw.spawn(writes.POST, client)
                    assert.equal("unknown", ends_by(words, "timeout", 0.6, read.wait, read).sent)
                    assert.equal("unknown", ends_by(words, "ambiguous", 0.6, write.wait, write).sent)
                end)

                it(("(%s) ends a call by its own %s"):format(behaviour, option), function()
                    local tasks = {}
                    for i, options in ipairs { {}, { [option] = 50 } } do
                        local contacts = desk(behaviour, options).contacts
                        tasks[i] = mw.spawn(contacts.get, contacts, 3, nil, { [option] = 0.4 })
                    end
                    for _, task in ipairs(tasks) do
                        ends_by(words, "timeout", 0.4, task.wait, task)
                    end
                end)
            end
        end

        it("may last as long as a call of its own is given", function()
            local contacts = desk("stall", { stall_timeout = 1 }).contacts
            ends_by(limits.timeout, "timeout", 3.5, contacts.get, contacts, 3, nil, { timeout = 3.5 })
            ends_by(limits.stall_timeout, "timeout", 1, get, desk("stall", { stall_timeout = 1 }))
        end)

        it("is no condition: a drip of bytes ends by the timeout of the call", function()
            ends_by(limits.timeout, "timeout", 0.5, get, desk("slow-headers", { timeout = 0.5 }))
        end)
    end)

    -- Connections outlive their client, so each of these has a server of its own.
    describe("a dying connection that is used again", function()
        local dying

        local function reused()
            if dying then
                dying:stop()
            end
            dying = raw.start()
            local client = desk("ok", { url = dying:url("die-on-reuse"), retries = 1 })
            get(client)
            return client
        end

        -- The requests behind the first, as "GET 1.2": on connection 1 the second.
        local function rest()
            local list = {}
            for i, request in ipairs(dying:log()) do
                list[i - 1] = ("%s %d.%d"):format(request.method, request.connection, request.sequence)
            end
            list[0] = nil
            return list
        end

        after_each(function()
            dying:stop()
        end)

        it("gets a GET again, and says so", function()
            local result, response = get(reused())
            assert.same({ ok = true }, result)
            assert.equal(2, response.attempts)
            assert.same({ "GET 1.2", "GET 2.1" }, rest())
        end)

        it("gets nothing again from a call without retries", function()
            local options = { retries = 0 }
            local err = failing("network", function()
                reused().contacts:get(5, nil, options)
            end)
            assert.equal(1, err.attempts)
            assert.same({ "GET 1.2" }, rest())
            failing("ambiguous", function()
                reused().contacts:delete(5, nil, options)
            end)
            assert.same({ "DELETE 1.2" }, rest())
        end)

        it("never gets a POST or PATCH again", function()
            for _, verb in ipairs { "POST", "PATCH" } do
                local err = failing("ambiguous", writes[verb], reused())
                assert.equal("unknown", err.sent)
                assert.equal(1, err.attempts)
                assert.same({ verb .. " 1.2" }, rest())
            end
        end)

        it("gets a PUT or DELETE again, and says so", function()
            for _, verb in ipairs { "PUT", "DELETE" } do
                local result, response = writes[verb](reused())
                assert.same({ ok = true }, result)
                assert.equal(2, response.attempts)
                assert.same({ verb .. " 1.2", verb .. " 2.1" }, rest())
            end
        end)

        it("never gets an upload again", function()
            local client = reused()
            failing("ambiguous", function()
                client.messages:create(5, { content = "see", attachments = { "spec/failure_spec.lua" } })
            end)
            assert.same({ "POST 1.2" }, rest())
        end)
    end)

    describe("an answer that is no answer", function()
        for _, behaviour in ipairs { "html", "truncated-json" } do
            it("(" .. behaviour .. ") is decode", function()
                local err = failing("decode", get, desk(behaviour))
                assert.equal(200, err.status)
                assert.equal("yes", err.sent)
                assert.equal("yes", failing("decode", writes.POST, desk(behaviour)).sent)
            end)
        end

        it("but nothing at all is true", function()
            for _, behaviour in ipairs { "empty", "204" } do
                assert.is_true((writes.DELETE(desk(behaviour))), behaviour)
                assert.is_true((get(desk(behaviour))), behaviour)
            end
        end)
    end)

    describe("statuses", function()
        local kinds = {
            [400] = "rejected", [401] = "auth", [403] = "forbidden", [404] = "not_found", [409] = "conflict",
            [418] = "rejected", [422] = "rejected", [500] = "server",
        }
        for status, kind in pairs(kinds) do
            it(status .. " is " .. kind .. " for reads and writes", function()
                for _, f in ipairs { get, writes.POST, writes.PATCH, writes.PUT, writes.DELETE } do
                    local err = failing(kind, f, desk("status/" .. status))
                    assert.equal(status, err.status)
                    assert.equal("yes", err.sent)
                    assert.equal(1, err.attempts)
                end
            end)
        end

        for _, status in ipairs { 502, 503, 504 } do
            it(status .. " leaves the outcome of a POST or PATCH open", function()
                local behaviour = "status/" .. status
                assert.equal(status, failing("server", get, desk(behaviour)).status)
                assert.equal(status, failing("server", filter, desk(behaviour)).status)
                assert.equal(status, failing("ambiguous", writes.POST, desk(behaviour)).status)
                assert.equal(status, failing("ambiguous", writes.PATCH, desk(behaviour)).status)
                assert.equal(4, #server:log())
            end)
        end

        it("bring the server's words", function()
            local err = failing("not_found", get, desk "status/404")
            assert.equal("Not Found", err.message)
            assert.same({ error = "Not Found" }, err.body)
            assert.truthy(tostring(err):find("contacts:get: not_found (404): Not Found", 1, true))
            assert.truthy(tostring(err):find("failure_spec.lua:%d+: "))
        end)

        it("422 comes in two shapes", function()
            local err = failing("rejected", get, desk "status/422")
            assert.equal("Unprocessable Entity", err.message)
            assert.is_nil(err.fields)
            err = failing("rejected", writes.POST, desk "status/422-attributes")
            assert.equal("Name can't be blank", err.message)
            assert.same({ "name" }, err.fields)
        end)

        -- It stops the lane of its host, so that each call has one of its own.
        local function limited(behaviour, f)
            local own <close> = setmetatable({ server = raw.start() }, { __close = function(t) t.server:stop() end })
            return failing("rate_limited", f, desk(behaviour, { url = own.server:url(behaviour) }))
        end

        it("429 is rate_limited for reads and writes", function()
            for _, f in ipairs { get, writes.POST, writes.PATCH, writes.PUT, writes.DELETE } do
                local err = limited("status/429", f)
                assert.same({ 429, "yes", 1 }, { err.status, err.sent, err.attempts })
            end
        end)

        it("429 says how long to wait where the server does", function()
            local err = limited("status/429", get)
            assert.is_nil(err.retry_after)
            assert.equal("Retry later", err.message)
            err = limited("status/429-after", get)
            assert.equal(3, err.retry_after)
            assert.matches("; the server asks to wait 3 s$", err.message)
        end)

        it("without a body or with a page of HTML are what their number says", function()
            assert.equal("not_found", failing("not_found", get, desk "status/404-empty").kind)
            assert.equal(500, failing("server", get, desk "status/500-html").status)
        end)

        it("can't speak to the terminal, and can't give a token away", function()
            local body = '{"error":"no \\u001b[31m' .. secret .. '\\r\\n\\u0007 here"}'
            local behaviour = server:answer("loud", calls.answer("401 No\27[31m", {}, body))
            local err = failing("auth", get, desk(behaviour))
            assert.is_nil(tostring(err):find(secret, 1, true))
            assert.is_nil(err.message:find(secret, 1, true))
            assert.is_nil(err.message:find("%c"))
        end)
    end)

    describe("closing", function()
        it("a client ends its calls as cancelled", function()
            local client = desk "stall"
            local tasks = {}
            for i = 1, 3 do
                tasks[i] = mw.spawn(get, client)
            end
            tasks[4] = mw.spawn(writes.POST, client)
            while #server:log() < 4 do
                mw.sleep(0.02)
            end
            client:close()
            for i = 1, 3 do
                assert.equal("unknown", failing("cancelled", tasks[i].wait, tasks[i]).sent)
            end
            failing("cancelled", tasks[4].wait, tasks[4])
        end)

        it("a client ends calls that still wait for their turn", function()
            local client = desk("stall", { concurrency = 1 })
            local first, second = mw.spawn(get, client), mw.spawn(writes.POST, client)
            while #server:log() < 1 do
                mw.sleep(0.02)
            end
            client:close()
            failing("cancelled", first.wait, first)
            assert.equal("no", failing("cancelled", second.wait, second).sent)
            assert.same({ "GET" }, verbs())
        end)

        it("leaves a client that says so", function()
            local client = desk "ok"
            client:close()
            client:close()
            local err = failing("invalid|cancelled", get, client)
            assert.truthy(tostring(err):find("closed", 1, true))
        end)
    end)
end)

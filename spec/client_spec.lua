--- Clients: what their options accept, which token and account a call takes, what they refuse without asking the
--- server, and the escape hatch.

local mw = require "moonwire"

local calls = require "spec.support.calls"
local raw = require "spec.support.raw"

local failing = calls.failing

describe("a client", function()
    local server
    local open = {}

    local function make(constructor, options)
        local client = mw[constructor](options)
        open[#open + 1] = client
        return client
    end

    local function desk(options)
        local all = { url = server:url("ok"), account = 1, token = "user-t" }
        for name, value in pairs(options or {}) do
            all[name] = value ~= "none" and value or nil
        end
        return make("ooctopus", all)
    end

    local function targets()
        local list = {}
        for i, request in ipairs(server:log()) do
            list[i] = request.method .. " " .. request.target
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

    describe("takes a URL", function()
        it("with a prefix, with and without a slash at the end", function()
            for _, url in ipairs { server:url("ok"), server:url("ok/"), server:url("ok//") } do
                desk({ url = url }).contacts:get(7)
            end
            desk({ url = server:url("ok/deep%20er/rest/") }).profile:get()
            assert.same({
                "GET /ok/api/v1/accounts/1/contacts/7", "GET /ok/api/v1/accounts/1/contacts/7",
                "GET /ok/api/v1/accounts/1/contacts/7", "GET /ok/deep%20er/rest/profile",
            }, targets())
        end)

        it("and shows the one in force", function()
            local text = "moonwire.client (%s at %s, account 1)"
            assert.equal(text:format("ooctopus", server:url "ok"), tostring(desk { url = server:url "ok/" }))
            assert.equal(text:format("ooctopus", "https://app.ooctopus.com"), tostring(desk { url = "none" }))
            assert.equal("moonwire.client (circuit at https://circuitsandbox.net/rest/v2)",
                tostring(make("circuit", { token = "t" })))
            assert.equal(text:format("ooctopus", server:url "ok"):gsub("%)$", ", safe)"), tostring(desk():safe()))
        end)

        it("which chatwoot can't do without", function()
            local err = failing("invalid", mw.chatwoot, { account = 1, token = "t" })
            assert.matches("option 'url'", err.message, 1, true)
        end)

        local bad = {
            "", "127.0.0.1", "localhost:80", "ftp://host/", "file:///etc/passwd", "http://", "http:///x",
            "http://ada:pass-word@host/", "http://ada@host/", "https://:pass-word@host", "http://host/?a=b",
            "http://host/x#f", "http://host/a/../b", "http://host/a/%2e%2E/b", "http://ho st/", "http://host:99999/",
            "http://host:x/", "http://host/\r\nX: y", "http://host/a\0b", "javascript:alert(1)", "http://[::1/",
        }
        for i, url in ipairs(bad) do
            it(("but not number %d of the bad ones: %s"):format(i, url:gsub("%c", "?")), function()
                local err = failing("invalid", function() desk { url = url } end)
                assert.truthy(err.message:find("url", 1, true))
                assert.is_nil(tostring(err):find("pass-word", 1, true))
            end)
        end
    end)

    describe("refuses at once", function()
        local wrong = {
            { tokn = "x" }, { timeout = "soon" }, { timeout = -1 }, { timeout = 0 / 0 }, { account = "one" },
            { account = 1.5 }, { account = "1/../2" }, { account = true }, { paths = "sideways" },
            { max_calls = -1 }, { max_body = "much" }, { concurrency = -3 }, { insecure = "yes" }, { token = 12 },
            { token = "" }, { token = "a\r\nX-Evil: 1" }, { token = "a\0b" }, { token = "a b" }, { bot_token = "\n" },
            { platform_token = "x\127" }, { user_agent = "a\r\nb" }, { user_agent = "a\0b" },
        }
        for i, options in ipairs(wrong) do
            local name, value = next(options)
            it(("option %d: %s = %s"):format(i, name, tostring(value):gsub("%c", "?")), function()
                local err = failing("invalid", desk, options)
                assert.truthy(err.message:find(name, 1, true))
            end)
        end

        it("a misspelt option, and names the right one", function()
            local err = failing("invalid", desk, { acount = 2 })
            assert.truthy(tostring(err):find("did you mean 'account'", 1, true))
        end)

        it("a misspelt option of a call", function()
            local err = failing("invalid", function() desk().contacts:get(1, nil, { timout = 1 }) end)
            assert.truthy(tostring(err):find("did you mean 'timeout'", 1, true))
            assert.equal(0, #server:log())
        end)
    end)

    it("of the environment is refused by the name of the variable", function()
        local good = { OOCTOPUS_URL = server:url "ok", OOCTOPUS_ACCOUNT_ID = "1", OOCTOPUS_TOKEN = "t",
            OOCTOPUS_BOT_TOKEN = false, OOCTOPUS_PLATFORM_TOKEN = false, CIRCUIT_URL = server:url "ok",
            CIRCUIT_TOKEN = "t" }
        local source = "local ok, err = pcall(require 'moonwire'.connect, (...)) io.write(ok and 'fine' or err.message)"
        for _, case in ipairs {
            { "ooctopus", "OOCTOPUS_ACCOUNT_ID", "x" }, { "ooctopus", "OOCTOPUS_URL", "ftp://host" },
            { "ooctopus", "OOCTOPUS_URL", "http://host/a/../b" }, { "ooctopus", "OOCTOPUS_TOKEN", "a b" },
            { "ooctopus", "OOCTOPUS_BOT_TOKEN", "a b" }, { "ooctopus", "OOCTOPUS_PLATFORM_TOKEN", "a b" },
            { "chatwoot", "OOCTOPUS_URL", false }, { "circuit", "CIRCUIT_TOKEN", "a b" },
            { "circuit", "CIRCUIT_URL", "http://ada@host" }, { "ooctopus", "OOCTOPUS_LIMITS", "serch=1/s" },
            { "chatwoot", "OOCTOPUS_LIMITS", "all=fast" }, { "circuit", "CIRCUIT_LIMITS", "shared=/dev/null/x" },
        } do
            local env = { [case[2]] = case[3] }
            for name, value in pairs(good) do
                env[name] = env[name] == nil and value or env[name]
            end
            local output, errors = calls.child(source, env, { case[1] })
            assert.equal("", errors)
            assert.matches("the environment variable " .. case[2], output, 1, true)
            assert.is_nil(output:find("option '", 1, true))
        end
    end)

    describe("picks the token", function()
        it("of the kind that serves the operation", function()
            local all = { token = "user-t", bot_token = "bot-t", platform_token = "platform-t" }
            local client = desk(all)
            client.contacts:get(1)
            client.conversations:toggle_status(1, { status = "open" })
            client.platform.users:get(1)
            client.public.contacts:get("inbox", "contact")
            local bot = desk { token = "none", bot_token = "bot-t" }
            bot.conversations:toggle_status(1, { status = "open" })
            bot.messages:create(1, { content = "x" })
            local got = {}
            for i, request in ipairs(server:log()) do
                got[i] = request:header("api_access_token") or "none"
            end
            assert.same({ "user-t", "user-t", "platform-t", "none", "bot-t", "bot-t" }, got)
        end)

        it("or names the kind that is missing", function()
            local bot = desk { token = "none", bot_token = "bot-t" }
            local err = failing("invalid", function() bot.contacts:get(1) end)
            assert.truthy(tostring(err):find("user", 1, true))
            assert.equal("no", err.sent)
            err = failing("invalid", function() desk().platform.users:get(1) end)
            assert.truthy(tostring(err):find("platform", 1, true))
            assert.equal(0, #server:log())
        end)

        it("of circuit", function()
            local circuit = make("circuit", { url = server:url("ok"), token = "oauth-t" })
            circuit.webhooks:list()
            assert.equal("Bearer oauth-t", server:log()[1]:header("authorization"))
            local without = make("circuit", { url = server:url("ok") })
            failing("invalid", function() without.webhooks:list() end)
        end)

        it("and shows it to nobody", function()
            local client = desk { token = "user-secret", bot_token = "bot-secret", platform_token = "platform-secret" }
            local texts = { tostring(client), tostring(client.contacts), tostring(client.contacts.get) }
            for name in pairs(mw) do
                texts[#texts + 1] = name
            end
            for _, name in ipairs { "token", "bot_token", "platform_token", "tokens" } do
                local fine, value = pcall(function() return client[name] end)
                texts[#texts + 1] = fine and tostring(value) or tostring(value)
            end
            assert.truthy(texts[1]:find("127.0.0.1:" .. server.port, 1, true))
            for _, text in ipairs(texts) do
                assert.is_nil(text:find("-secret", 1, true), text)
            end
            assert.is_nil((getmetatable(client) or {}).tokens)
        end)
    end)

    describe("takes the account", function()
        it("from itself, or for one call from the call", function()
            local client = desk { account = "12", platform_token = "p" }
            client.contacts:get(1)
            client.contacts:get(1, nil, { account_id = 9 })
            client.contacts:get(1, {}, { account_id = "9007199254740993" })
            client.platform.accounts:get(5)
            desk({ platform_token = "p", account = "none" }).platform.accounts:get(6)
            assert.same({
                "GET /ok/api/v1/accounts/12/contacts/1", "GET /ok/api/v1/accounts/9/contacts/1",
                "GET /ok/api/v1/accounts/9007199254740993/contacts/1", "GET /ok/platform/api/v1/accounts/5",
                "GET /ok/platform/api/v1/accounts/6",
            }, targets())
        end)

        it("and misses it", function()
            local err = failing("invalid", function() desk({ account = "none" }).contacts:get(1) end)
            assert.truthy(tostring(err):find("account", 1, true))
            failing("invalid", function() desk().contacts:get(1, nil, { account_id = "1/2" }) end)
            assert.equal(0, #server:log())
        end)
    end)

    describe("that is read-only", function()
        it("reads, and changes nothing", function()
            local client = desk { read_only = true, platform_token = "p" }
            client.contacts:get(1)
            client.contacts:filter { payload = { { attribute_key = "name" } } }
            local writes = {
                function() client.contacts:create { inbox_id = 1 } end,
                function() client.teams:update(1, { name = "x" }) end,
                function() client.contacts:update(1, { name = "x" }) end,
                function() client.contacts:delete(1) end,
                function() client:request("POST", "/api/v1/x", { body = {} }) end,
                function() client:call("contactDelete", { id = 1 }) end,
            }
            for _, write in ipairs(writes) do
                assert.equal("no", failing("denied", write).sent)
            end
            client:request("GET", "/api/v1/x")
            assert.equal(3, #server:log())
        end)
    end)

    it("with a budget of calls ends there", function()
        local client = desk { max_calls = 2 }
        client.contacts:get(1)
        failing("invalid", function() client.contacts:get() end)
        client.contacts:get(2)
        assert.equal("no", failing("budget", function() client.contacts:get(3) end).sent)
        assert.equal(2, #server:log())
        assert.equal(2, client:stats().requests)
    end)

    it("uses one connection again and again, and at most `concurrency` at once", function()
        local client = desk()
        for i = 1, 10 do
            client.contacts:get(i)
        end
        local log = server:log()
        for _, request in ipairs(log) do
            assert.equal(log[1].connection, request.connection)
        end
        server:clear()
        local narrow = desk { concurrency = 2 }
        mw.map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(i) return narrow.contacts:get(i) end, { concurrency = 8 })
        local seen, count = {}, 0
        for _, request in ipairs(server:log()) do
            if not seen[request.connection] then
                seen[request.connection], count = true, count + 1
            end
        end
        assert.equal(8, #server:log())
        assert.is_true(count <= 2)
    end)

    it("sends a body unchecked where the call says so", function()
        local client = desk()
        failing("invalid", function() client.contacts:create { inbox_id = "main", name = 7 } end)
        client.contacts:create({ inbox_id = "main", name = 7 }, { unchecked = true })
        client.contacts:create { inbox_id = 1, extra = { shoe_size = 44 } }
        local log = server:log()
        assert.equal(2, #log)
        local json = require "spec.support.json"
        assert.same({ inbox_id = "main", name = 7 }, json.decode(log[1].body))
        assert.same({ inbox_id = 1, shoe_size = 44 }, json.decode(log[2].body))
    end)

    describe("lets through by request()", function()
        it("any path below its URL", function()
            local client = desk { bot_token = "bot-t" }
            client:request("GET", "/api/v1/accounts/1/labels", { query = { ["a b"] = "c&d", list = { 1, 2 } } })
            client:request("POST", "/x%2Fy", { body = { n = 9007199254740993 }, token = "bot" })
            client:request("PUT", "/form", { form = { ["k k"] = "v=w&x" } })
            local result, response = client:request("DELETE", "/x")
            assert.same({ ok = true }, result)
            assert.equal(200, response.status)
            local log = server:log()
            local path, query = log[1]:split()
            assert.equal("/ok/api/v1/accounts/1/labels", path)
            assert.truthy(("&" .. query .. "&"):find("&a%20b=c%26d&", 1, true))
            assert.equal("/ok/x%2Fy", log[2].target)
            assert.equal('{"n":9007199254740993}', log[2].body)
            assert.equal("application/json", log[2]:header("content-type"))
            assert.equal("bot-t", log[2]:header("api_access_token"))
            assert.equal("k%20k=v%3Dw%26x", log[3].body)
            assert.equal("application/x-www-form-urlencoded", log[3]:header("content-type"))
            assert.equal("DELETE", log[4].method)
            assert.equal("user-t", log[4]:header("api_access_token"))
        end)

        it("but no path that another reader could take for another", function()
            local client = desk()
            local bad = {
                "", "x", "/a?b", "/a#b", "/a/../b", "/a/./b", "/..", "/a/%2e%2e/b", "/a/.%2E", "/a\r\nX: y", "/a\0",
                "/a b", "http://other.example/", "/a\\b", "/%zz", "/caf\u{E9}",
            }
            for _, path in ipairs(bad) do
                local fine, err = pcall(client.request, client, "GET", path)
                assert.is_false(fine, ("%q was sent"):format(path))
                assert.equal("invalid", err.kind)
            end
            assert.equal(0, #server:log())
        end)

        it("and no verb, parameter or token it does not know", function()
            local client = desk()
            failing("invalid", function() client:request("TRACE", "/x") end)
            failing("invalid", function() client:request("GET /\r\n", "/x") end)
            failing("invalid", function() client:request("GET", "/x", { headers = { a = "b" } }) end)
            failing("invalid", function() client:request("GET", "/x", { token = "platform" }) end)
            failing("invalid", function() client:request("GET", "/x", { token = "nonsense" }) end)
            failing("invalid", function() client:request("POST", "/x", { body = {}, form = {} }) end)
            assert.equal(0, #server:log())
        end)
    end)

    describe("refuses path parameters", function()
        it("that are empty, dots, or hold a NUL", function()
            local client = desk()
            for _, id in ipairs { "", ".", "..", "a\0b" } do
                failing("invalid", function() client.public.contacts:get(id, "x") end)
                failing("invalid", function() client.public.contacts:get("x", id) end)
            end
            for _, id in ipairs { "a/b", "1.5", "0x10", " 1", "1e3", "99999999999999999999" } do
                failing("invalid", function() client.contacts:get(id) end)
            end
            failing("invalid", function() client.contacts:get(1.5) end)
            failing("invalid", function() client.contacts:get(0 / 0) end)
            failing("invalid", function() client.contacts:get(1e300) end)
            assert.equal(0, #server:log())
        end)

        it("but keeps those that only look like it in one segment", function()
            desk().public.contacts:get("a/b", "...")
            desk().public.contacts:get("%2e%2e", "..%2F")
            assert.same({
                "GET /ok/public/api/v1/inboxes/a%2Fb/contacts/...",
                "GET /ok/public/api/v1/inboxes/%252e%252e/contacts/..%252F",
            }, targets())
        end)
    end)
end)

-- Arguments: what is refused before anything is sent, and how the message reads; errors and results as objects.
local core = require "moonwire.core"
local mw = require "moonwire"
local raw = require "spec.support.raw"

describe("arguments", function()
    local server, desk, circuit

    setup(function()
        server = raw.start()
        desk = mw.ooctopus {
            url = server:url "ok",
            account = 1,
            token = "user-secret",
            platform_token = "platform-secret",
        }
        circuit = mw.circuit { url = server:url "ok", token = "oauth-secret" }
    end)

    teardown(function()
        desk:close()
        circuit:close()
        server:stop()
        assert.equal(0, core.live())
    end)

    before_each(function()
        server:clear()
    end)

    --- The error of a call that must not be sent.
    local function refused(f)
        local ok, failure = pcall(f)
        assert.is_false(ok, "it was sent")
        assert.is_true(mw.is_error(failure, "invalid"), tostring(failure))
        assert.equal("no", failure.sent or "no")
        assert.same({}, server:log())
        return failure
    end

    local CASES = {
        { "a missing path parameter", "contacts:get: missing path parameter 'id'", function() desk.contacts:get() end },
        { "nil in the place of a path parameter", "contacts:update: missing path parameter 'id'",
            function() desk.contacts:update(nil, { name = "x" }) end },
        { "a table in the place of a path parameter", "contacts:update: missing path parameter 'id'",
            function() desk.contacts:update({ name = "x" }) end },
        { "the second of two path parameters", "messages:delete: missing path parameter 'message_id'",
            function() desk.messages:delete(1) end },
        { "a missing account of the platform's rows", "platform.accounts:get: missing path parameter 'account_id'",
            function() desk.platform.accounts:get() end },
        { "an unknown field", "contacts:update: unknown field 'nmae' (did you mean 'name'?)",
            function() desk.contacts:update(12, { nmae = "Ada" }) end },
        { "a missing field", "messages:create: missing required field 'content'",
            function() desk.messages:create(1, { private = true }) end },
        { "an ill-typed field", "contacts:update: 'name' must be a string",
            function() desk.contacts:update(12, { name = 12.5 }) end },
        { "a value outside of an enum", "'message_type'",
            function() desk.messages:create(1, { content = "x", message_type = "incomming" }) end },
        { "a mixed table", "must have either string keys or the keys",
            function() desk.contacts:update(12, { custom_attributes = { 1, x = 2 } }) end },
        { "a function", "contacts:update: 'custom_attributes.f' can't be sent: it is a function",
            function() desk.contacts:update(12, { custom_attributes = { f = print } }) end },
        { "an empty update of circuit", "webhooks:update",
            function() circuit.webhooks:update("11111111-2222-3333-4444-555555555555", {}) end },
        { "too many arguments", "contacts:get: too many arguments",
            function() desk.contacts:get(12, {}, {}, 1) end },
        { "a string for the parameters", "contacts:get: expected a table of parameters, got a string",
            function() desk.contacts:get(12, "name") end },
        { "a number for the options", "contacts:get: expected a table of options, got a number",
            function() desk.contacts:get(12, nil, 5) end },
        { "an unknown option", "contacts:get: unknown option 'timout' (did you mean 'timeout'?)",
            function() desk.contacts:get(12, nil, { timout = 1 }) end },
        { "an option of the wrong type", "contacts:get: option 'timeout' must be a number of seconds above 0",
            function() desk.contacts:get(12, nil, { timeout = "1" }) end },
        { "a time of zero", "option 'timeout' must be", function() desk.contacts:get(12, nil, { timeout = 0 }) end },
        { "an account that is no number", "account_id",
            function() desk.contacts:get(12, nil, { account_id = "a/b" }) end },
        { "a dot for a colon", "contacts:get: call it with a colon: client.contacts:get(...)",
            function() desk.contacts.get(12) end },
        { "another module for self", "contacts:get: call it with a colon",
            function() desk.contacts.get(desk.agents, 12) end },
        { "an unknown operation", "contacts has no operation 'gett' (did you mean 'get'?)",
            function() desk.contacts:gett(12) end },
        { "an unknown module", "ooctopus has no module 'contact' (did you mean 'contacts'?)",
            function() desk.contact:get(12) end },
        { "an unknown module of a namespace", "platform has no module 'user' (did you mean 'users'?)",
            function() desk.platform.user:get(12) end },
        { "an unknown id of an operation", "call: unknown operation 'contactDetail' (did you mean 'contactDetails'?)",
            function() desk:call("contactDetail", { id = 1 }) end },
        { "an unknown name of an operation", "call: unknown operation 'contacts:gett' (did you mean 'contacts:get'?)",
            function() desk:call("contacts:gett", { id = 1 }) end },
        { "an id with a NUL", "call: the id of an operation holds a NUL byte",
            function() desk:call("contactDetails\0junk", { id = 1 }) end },
        { "a missing path parameter of a call by id", "contacts:get: missing path parameter 'id'",
            function() desk:call("contactDetails", {}) end },
        { "a negative number of retries", "option 'retries' must be an integer from 0 to 1000",
            function() desk.contacts:get(12, nil, { retries = -1 }) end },
        { "half a retry", "option 'retries' must be an integer from 0 to 1000",
            function() desk.contacts:get(12, nil, { retries = 0.5 }) end },
        { "an unknown verb", "request: the verb must be", function() desk:request("get", "/x") end },
        { "a path that is no string", "request: the path must be", function() desk:request("GET", 12) end },
        { "an unknown member of a request", "GET /x: unknown field 'qeury'",
            function() desk:request("GET", "/x", { qeury = {} }) end },
        { "call without an id", "call: the first argument is the id of an operation, got nothing",
            function() desk:call() end },
        { "nil for the id of a call", "call: the first argument is the id of an operation, got nil",
            function() desk:call(nil) end },
        { "call with a dot", "call: call it with a colon", function() desk.call("contactDetails") end },
    }
    for _, case in ipairs(CASES) do
        it("are refused: " .. case[1], function()
            assert.matches(case[2], refused(case[3]).message, 1, true)
        end)
    end

    local OPTIONS = {
        { "an unknown option", "client: unknown option 'acount' (did you mean 'account'?)", { acount = 1 } },
        { "a key that is no name", "options have names", { "x" } },
        { "a token of the wrong type", "option 'token' must be a string", { token = 12 } },
        { "an account of the wrong type", "option 'account' must be an integer", { account = 1.5 } },
        { "an account that is no number", "account", { account = "x" } },
        { "a negative time", "option 'timeout' must be", { timeout = -1 } },
        { "unknown paths", "option 'paths' must be", { paths = "other" } },
        { "a count of zero", "option 'concurrency' must be", { concurrency = 0 } },
        { "a token with a line break", "token", { token = "a\r\nb" } },
        { "a token with a NUL", "option 'token' must be without NUL", { token = "a\0b" } },
        { "a URL of another scheme", "url", { url = "ftp://example.com" } },
    }
    for _, case in ipairs(OPTIONS) do
        it("of a client are refused: " .. case[1], function()
            assert.matches(case[2], refused(function() mw.ooctopus(case[3]) end).message, 1, true)
        end)
    end

    it("of mw.ooctopus must be a table", function()
        assert.matches("expected a table of options, got a string",
            refused(function() mw.ooctopus("http://x") end).message, 1, true)
        assert.matches("ooctopus: expected a table of options, got nil",
            refused(function() mw.ooctopus() end).message, 1, true)
    end)

    it("of mw.connect name a profile", function()
        assert.matches("there is no profile \"supprt\"; there are ooctopus, chatwoot, circuit",
            refused(function() mw.connect "supprt" end).message, 1, true)
        assert.matches("must be a string, got a table", refused(function() mw.connect {} end).message, 1, true)
        assert.matches("must be a string, got nothing", refused(function() mw.connect() end).message, 1, true)
    end)

    it("of mw.operations name a service; without one all are listed", function()
        local seen = {}
        for _, row in ipairs(mw.operations()) do
            seen[row.service] = (seen[row.service] or 0) + 1
        end
        assert.same({ ooctopus = #mw.operations "ooctopus", circuit = #mw.operations "circuit" }, seen)
        assert.is_true(seen.ooctopus > 100 and seen.circuit == 8)
        assert.matches('there is no service "x"; there are "ooctopus" and "circuit"',
            refused(function() mw.operations "x" end).message, 1, true)
        assert.matches("must be a string, got a number", refused(function() mw.operations(12) end).message, 1, true)
    end)

    it("are sent: parameters and options in every allowed form", function()
        desk.contacts:get(12)
        desk.contacts:get("12", nil, { timeout = 5 })
        desk.contacts:get(12, {}, { account_id = 2, connect_timeout = 1.5, stall_timeout = 2, max_body = 1000 })
        desk.contacts:list()
        desk.contacts:list { sort = "name", page = 2 }
        desk:call("contactDetails", { id = 12 })
        desk:call("contact_details", { id = 12, account_id = 3 })
        desk:call("contacts:get", { id = 12 }, { account_id = "4" })
        desk.platform.accounts:get(5)
        local targets = {}
        for _, request in ipairs(server:log()) do
            targets[#targets + 1] = request.target
        end
        assert.same({
            "/ok/api/v1/accounts/1/contacts/12",
            "/ok/api/v1/accounts/1/contacts/12",
            "/ok/api/v1/accounts/2/contacts/12",
            "/ok/api/v1/accounts/1/contacts",
            "/ok/api/v1/accounts/1/contacts?page=2&sort=name",
            "/ok/api/v1/accounts/1/contacts/12",
            "/ok/api/v1/accounts/3/contacts/12",
            "/ok/api/v1/accounts/4/contacts/12",
            "/ok/platform/api/v1/accounts/5",
        }, targets)
    end)

    it("pass unchecked when the call says so", function()
        desk.contacts:update(12, { custom_attributes = "text" }, { unchecked = true })
        desk.contacts:update(12, { extra = { nmae = "x" } })
        local log = server:log()
        assert.equal('{"custom_attributes":"text"}', log[1].body)
        assert.equal('{"nmae":"x"}', log[2].body)
    end)

    it("give results: the body, and the response", function()
        local body, response = desk.contacts:get(12)
        assert.same({ ok = true }, body)
        assert.equal(200, response.status)
        assert.equal(1, response.attempts)
        assert.equal("application/json", response.headers["content-type"])
        assert.is_true(response.elapsed > 0)
        assert.is_true(response.waited >= 0)
        local empty <close> = mw.ooctopus { url = server:url "204", account = 1, token = "user-token" }
        assert.equal(true, (empty.contacts:delete(12)))
    end)

    it("of a safe view give nil and the error", function()
        local safe = desk:safe()
        local body, failure = safe.contacts:update(12, { nmae = "x" })
        assert.is_nil(body)
        assert.is_true(mw.is_error(failure, "invalid"))
        body, failure = safe:call("nothing")
        assert.is_nil(body)
        assert.is_true(mw.is_error(failure, "invalid"))
        body, failure = safe:request("GET", "no slash")
        assert.is_nil(body)
        assert.is_true(mw.is_error(failure, "invalid"))
        assert.same({ ok = true }, (safe.contacts:get(1)))
        assert.same({ ok = true }, (mw.spawn(function() return safe.contacts:get(1) end):wait()))
        assert.equal(200, select(2, safe:request("GET", "/x")).status)
    end)

    it("never show a token", function()
        local shown = { tostring(desk), tostring(desk.contacts), tostring(circuit), tostring(desk:safe()) }
        local echo <close> = mw.ooctopus {
            url = server:url(server:answer("echo-token", "HTTP/1.1 422 X\r\nContent-Type: application/json\r\n"
                .. "Content-Length: 34\r\n\r\n" .. '{"error":"bad token user-secret!"}')),
            account = 1,
            token = "user-secret",
        }
        local ok, failure = pcall(echo.contacts.get, echo.contacts, 1)
        assert.is_false(ok)
        shown[#shown + 1] = tostring(failure)
        shown[#shown + 1] = mw.json.encode(failure.body)
        shown[#shown + 1] = failure.url
        for _, text in ipairs(shown) do
            assert.is_nil(text:find("secret", 1, true), text)
        end
        assert.is_false(getmetatable(desk))
        assert.matches("account 1", tostring(desk), 1, true)
    end)

    it("fail with an error object that says who called", function()
        local line = debug.getinfo(1, "l").currentline + 1
        local ok, failure = pcall(function() desk.contacts:update(12, { nmae = "x" }) end)
        assert.is_false(ok)
        local expected = ("args_spec.lua:%d: contacts:update: unknown field 'nmae'"):format(line)
        assert.matches(expected, tostring(failure), 1, true)
        assert.equal("contacts:update", failure.operation)
        assert.equal("nmae", failure.field)
        local missing <close> = mw.ooctopus { url = server:url "status/404", account = 1, token = "user-token" }
        ok, failure = pcall(function() missing.contacts:get(12) end)
        assert.is_false(ok)
        assert.matches("contacts:get: not_found (404): ", tostring(failure), 1, true)
        assert.is_nil(tostring(failure):find "\n")
        ok, failure = pcall(function()
            for _ in missing.contacts:each() do error "unreachable" end
        end)
        assert.is_false(ok)
        assert.matches("args_spec.lua:%d+: contacts:list: not_found", tostring(failure))
    end)

    it("says of every option where it belongs when it stands among the parameters", function()
        local _, unknown = pcall(desk.contacts.get, desk.contacts, 1, nil, { zzzzzzzzzzzzz = 1 })
        local count = 0
        for name in tostring(unknown):match "there are (.*)$":gmatch "[%w_]+" do
            local _, err = pcall(desk.contacts.update, desk.contacts, 1, { [name] = 1 })
            assert.matches(("'%s' is an option of the call"):format(name), tostring(err), 1, true)
            count = count + 1
        end
        assert.is_true(count >= 7)
    end)
end)

describe("mw.error", function()
    it("makes error objects of one's own", function()
        local failure = mw.error { kind = "rejected", message = "no stock", item = 12 }
        assert.is_true(mw.is_error(failure))
        assert.is_true(mw.is_error(failure, "rejected"))
        assert.is_false(mw.is_error(failure, "invalid"))
        assert.is_false(mw.is_error("text"))
        assert.is_false(mw.is_error(nil))
        assert.is_false(mw.is_error({}))
        assert.equal(12, failure.item)
        assert.matches("args_spec.lua:%d+: rejected: no stock$", tostring(failure))
        assert.is_false(pcall(mw.error, { kind = "x" }))
        assert.is_false(pcall(mw.error, "text"))
    end)
end)

describe("mw.log", function()
    it("writes one redacted line a call", function()
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write(("package.path, package.cpath = %q, %q\n"):format(package.path, package.cpath), [[
            local mw = require "moonwire"
            local desk = mw.ooctopus { url = "http://127.0.0.1:1", account = 1, token = "hidden-token" }
            mw.log("one", 2, nil, true)
            mw.log.warn("a\nb\r\27[31m\0c", "token hidden-token.")
            mw.log.debug()
            mw.log.error(setmetatable({}, { __tostring = function() return "object" end }))
        ]])
        file:close()
        local pipe = assert(io.popen("lua5.4 " .. path .. " 2>&1"))
        local text = pipe:read "a"
        pipe:close()
        os.remove(path)
        assert.equal("info: one\t2\tnil\ttrue\n"
            .. "warn: a\\nb\\r\\x1b[31m\\x00c\ttoken ************.\n"
            .. "debug: \n"
            .. "error: object\n", text)
    end)
end)

--- The twin of Circuit: its eight operations, driven request by request.
local regex = require "moonwire.twin.regex"

local calls = require "spec.support.calls"
local twin_client = require "spec.support.twin"

local HOOKS = "/rest/v2/webhooks"
local UUID = "^%x+%-%x+%-%x+%-%x+%-%x+$"
local USERS = { "6f1d2c3b-4a59-4e68-8f77-000000000001", "6F1D2C3B-4A59-4E68-8F77-000000000002" }

local function encode(text)
    return (text:gsub("[^%w%-._~]", function(char)
        return ("%%%02X"):format(char:byte())
    end))
end

local function form(fields)
    local out = {}
    for name, value in pairs(fields) do
        if type(value) == "table" then
            value = table.concat(value, ",")
        end
        out[#out + 1] = encode(name) .. "=" .. encode(value)
    end
    return table.concat(out, "&")
end

describe("the twin's Circuit", function()
    local state, request

    before_each(function()
        state = twin_client.state { data = "empty" }
        request = twin_client.client(state)
    end)
    teardown(calls.quiet)

    local function send(method, path, fields, authorization)
        return request(method, path, fields and form(fields), {
            authorization = authorization or "Bearer twin-circuit-token",
            ["content-type"] = "application/x-www-form-urlencoded",
        })
    end

    local function add(fields)
        fields = fields or { url = "https://x.example/h", filter = "CONVERSATION.CREATE" }
        local status, hook = send("POST", HOOKS, fields)
        assert.equal(201, status)
        return hook
    end

    local function refused(expected, method, path, fields)
        local status, _, text = send(method, path, fields)
        assert.equal(expected, status)
        assert.equal("", text)
    end

    it("adds a webhook and shows it", function()
        local hook = add { url = "https://x.example/h?a=b&c=d,e", filter = { "CONVERSATION.CREATE", "USER\\..*" } }
        assert.is_truthy(hook.id:find(UUID))
        assert.equal("https://x.example/h?a=b&c=d,e", hook.url)
        assert.same({ "CONVERSATION.CREATE", "USER\\..*" }, hook.filter)
        assert.equal(2, #hook.subscriptionIds)
        assert.equal("MANUAL", hook.type)
        assert.equal(1800000000500, hook.creationTime)
        assert.is_truthy(hook.userId:find(UUID))
        local status, same = send("GET", HOOKS .. "/" .. hook.id)
        assert.equal(200, status)
        assert.same(hook, same)
        assert.same({ hook }, select(2, send("GET", HOOKS)))
    end)

    it("adds and updates a presence webhook", function()
        local status, hook = send("POST", HOOKS .. "/presence", { url = "http://x.example", userIds = USERS })
        assert.equal(201, status)
        assert.equal(2, #hook.subscriptionIds)
        local changed
        status, changed = send("PUT", HOOKS .. "/presence/" .. hook.id, { userIds = USERS[1] })
        assert.equal(200, status)
        assert.equal(1, #changed.subscriptionIds)
        assert.equal("http://x.example", changed.url)
        refused(404, "PUT", HOOKS .. "/" .. hook.id, { url = "http://y.example" })
    end)

    it("updates what is given and keeps the rest", function()
        local hook = add()
        local status, changed = send("PUT", HOOKS .. "/" .. hook.id:upper(), { url = "https://y.example" })
        assert.equal(200, status)
        assert.equal("https://y.example", changed.url)
        assert.same(hook.filter, changed.filter)
        assert.same(hook.subscriptionIds, changed.subscriptionIds)
        refused(400, "PUT", HOOKS .. "/" .. hook.id)
        refused(400, "PUT", HOOKS .. "/" .. hook.id, { userIds = USERS[1] })
        refused(404, "PUT", HOOKS .. "/presence/" .. hook.id, { userIds = USERS[1] })
    end)

    it("removes one and all, with 204 and no body", function()
        local hook = add()
        add()
        refused(204, "DELETE", HOOKS .. "/" .. hook.id)
        refused(404, "DELETE", HOOKS .. "/" .. hook.id)
        assert.equal(1, #select(2, send("GET", HOOKS)))
        refused(204, "DELETE", HOOKS)
        assert.same("[]", select(3, send("GET", HOOKS)))
        refused(204, "DELETE", HOOKS)
    end)

    it("refuses what is no UUID with 400 and what it doesn't know with 404", function()
        for _, id in ipairs {
            "1", "presence", "c1a00001-7a11-4000-8000-00000000000g", "c1a000017a1140008000000000000001",
        } do
            refused(400, "GET", HOOKS .. "/" .. id)
            refused(400, "DELETE", HOOKS .. "/" .. id)
            refused(400, "PUT", HOOKS .. "/" .. id, { url = "https://x.example" })
        end
        for _, method in ipairs { "GET", "DELETE" } do
            refused(404, method, HOOKS .. "/c1a00001-7a11-4000-8000-0000000000ff")
        end
    end)

    it("refuses bad URLs", function()
        for _, url in ipairs {
            "", "x.example", "ftp://x.example", "https://", "https:///path", "https://a b", "https://a\n",
            "javascript:alert(1)", "https://x.example/" .. ("a"):rep(2031),
        } do
            refused(400, "POST", HOOKS, { url = url, filter = "CONVERSATION.CREATE" })
        end
        refused(400, "POST", HOOKS, { filter = "CONVERSATION.CREATE" })
        add { url = "https://x.example/" .. ("a"):rep(2030), filter = "CONVERSATION.CREATE" }
        add { url = "https://[::1]:8080/x", filter = "CONVERSATION.CREATE" }
    end)

    it("takes known events and regular expressions that match one", function()
        for _, filter in ipairs {
            "USER.SUBMIT_FORM_DATA", "CONVERSATION\\..*", ".*", "(USER|CONVERSATION)\\.[A-Z_]+", "[^C].*",
            "USER\\.USER_(SETTING_)?UPDATED", "CONVERSATION.C\\w{5}", "^USER.INCOMING_CALL$", "(?:U)SER.*?",
        } do
            add { url = "https://x.example", filter = filter }
        end
        for _, filter in ipairs {
            "", "CONVERSATION", "conversation.create", "CONVERSATION.CREATED", "(", "[", "*", "a{2", "USER\\", "\\q",
            "[b-a]", "x)", "USER.{1}", (".*"):rep(200),
        } do
            refused(400, "POST", HOOKS, { url = "https://x.example", filter = filter })
        end
        refused(400, "POST", HOOKS, { url = "https://x.example", filter = { "CONVERSATION.CREATE", "NO.SUCH" } })
        refused(400, "POST", HOOKS, { url = "https://x.example" })
    end)

    it("limits webhooks of a user and users of a webhook", function()
        for _ = 1, 20 do
            add()
        end
        refused(403, "POST", HOOKS, { url = "https://x.example", filter = ".*" })
        refused(403, "POST", HOOKS .. "/presence", { url = "https://x.example", userIds = USERS })
        refused(204, "DELETE", HOOKS)
        local many = {}
        for i = 1, 51 do
            many[i] = USERS[1]
        end
        refused(403, "POST", HOOKS .. "/presence", { url = "https://x.example", userIds = many })
        refused(400, "POST", HOOKS .. "/presence", { url = "https://x.example", userIds = "me" })
        refused(400, "POST", HOOKS .. "/presence", { url = "https://x.example", userIds = "" })
        table.remove(many)
        local status, hook = send("POST", HOOKS .. "/presence", { url = "https://x.example", userIds = many })
        assert.equal(201, status)
        refused(400, "PUT", HOOKS .. "/presence/" .. hook.id)
        many[51], many[52] = USERS[2], USERS[2]
        refused(403, "PUT", HOOKS .. "/presence/" .. hook.id, { userIds = many })
    end)

    it("keeps the webhooks of two users apart", function()
        state.store:insert("tokens", { token = "another-token", kind = "oauth", uuid = USERS[1] })
        local hook = add()
        local status, list = send("GET", HOOKS, nil, "Bearer another-token")
        assert.equal(200, status)
        assert.same({}, list)
        assert.equal(404, (send("GET", HOOKS .. "/" .. hook.id, nil, "bearer another-token")))
        assert.equal(204, (send("DELETE", HOOKS, nil, "Bearer another-token")))
        assert.equal(1, #select(2, send("GET", HOOKS)))
    end)

    it("asks for the bearer token", function()
        for _, value in ipairs { "", "Bearer", "Bearer wrong", "Basic twin-circuit-token", "twin-circuit-token",
            "Bearer twin-user-token" } do
            local status, _, text = send("GET", HOOKS, nil, value)
            assert.equal(401, status, value)
            assert.equal("", text)
        end
    end)

    it("has no other routes", function()
        refused(404, "GET", "/rest/v2/users")
        refused(405, "PATCH", HOOKS)
    end)
end)

describe("a filter's regular expression", function()
    teardown(calls.quiet)

    it("matches whole texts", function()
        for pattern, texts in pairs {
            ["a|bc"] = { a = true, bc = true, b = false, abc = false },
            ["a{2,3}"] = { a = false, aa = true, aaa = true, aaaa = false },
            ["(ab?)+c"] = { ac = true, abac = true, c = false },
            ["[a-c.]\\d"] = { ["b1"] = true, [".0"] = true, ["d1"] = false },
            ["[^\\d]+"] = { ab = true, a1 = false },
            ["a\\.b"] = { ["a.b"] = true, axb = false },
            ["(|x)"] = { [""] = true, x = true },
            ["[]a]"] = { ["]"] = true, a = true },
        } do
            local matches = assert(regex.compile(pattern))
            for text, expected in pairs(texts) do
                assert.equal(expected, matches(text), pattern .. " on " .. text)
            end
        end
    end)

    it("is never slow, whatever it nests", function()
        local evil = ("("):rep(60) .. "A*" .. (")*"):rep(60) .. "B"
        assert.is_false(regex.compile(evil)(("A"):rep(40)))
        assert.is_false(regex.compile("((A?){999}){999}B")(("A"):rep(40)))
        assert.is_nil(regex.compile(("a"):rep(257)))
    end)
end)

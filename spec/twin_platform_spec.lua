--- The platform API of the twin: accounts, users and bots are made, and then used.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local twin_client = require "spec.support.twin"

local PLATFORM = "/platform/api/v1"
local OWNER = { api_access_token = "twin-platform-token" }

describe("the twin's platform API", function()
    local state, send

    before_each(function()
        state = twin_client.state()
        send = twin_client.client(state)
    end)
    after_each(function()
        twin_client.settle(state)
    end)
    teardown(calls.quiet)

    local function platform(method, path, fields)
        return send(method, PLATFORM .. path, fields, OWNER)
    end

    local function good(method, path, fields)
        local status, body, text = platform(method, path, fields)
        assert.equal(200, status, core.json_encode(body or {}))
        return body, text
    end

    local function invalid(name, method, path, fields)
        local status, body = platform(method, path, fields)
        assert.equal(422, status)
        assert.same({ name }, body.attributes)
    end

    local function as(user, method, path, fields)
        return send(method, path, fields, { api_access_token = user.access_token })
    end

    local function new_user(name)
        return good("POST", "/users", { name = name, email = name:lower() .. "@new.example", password = "Secret-1" })
    end

    describe("accounts", function()
        it("are made, renamed, shown and deleted", function()
            local account = good("POST", "/accounts", { name = "Second desk" })
            assert.same({ id = 2, name = "Second desk" }, account)
            assert.same({ id = 2, name = "Desk 2" }, (good("PATCH", "/accounts/2", { name = "Desk 2" })))
            assert.same({ id = 2, name = "Desk 2" }, (good("PATCH", "/accounts/2", {})))
            assert.same({ id = 2, name = "Desk 2" }, (good("GET", "/accounts/2")))
            assert.equal("", select(2, good("DELETE", "/accounts/2")))
            assert.equal(404, (platform("GET", "/accounts/2")))
            assert.equal(404, (platform("PATCH", "/accounts/2", { name = "x" })))
            assert.equal(404, (platform("DELETE", "/accounts/2")))
            -- A number is never given out twice.
            assert.equal(3, good("POST", "/accounts", { name = "Third" }).id)
        end)

        it("have a name", function()
            invalid("name", "POST", "/accounts", {})
            invalid("name", "POST", "/accounts", { name = "" })
            invalid("name", "POST", "/accounts", { name = 5 })
            invalid("name", "PATCH", "/accounts/1", { name = "" })
            invalid("name", "PATCH", "/accounts/1", { name = core.null })
        end)
    end)

    describe("users", function()
        it("enter an account once they belong to it, with the token they were given", function()
            local account = good("POST", "/accounts", { name = "Second desk" })
            local user = new_user "Kim"
            assert.equal("kim@new.example", user.email)
            assert.same({}, user.accounts)
            local path = ("/api/v1/accounts/%d/teams"):format(account.id)
            assert.equal(200, (as(user, "GET", "/api/v1/profile")))
            assert.equal(404, (as(user, "GET", path)))
            local member = good("POST", "/accounts/2/account_users", { user_id = user.id, role = "agent" })
            assert.equal("agent", member.role)
            assert.equal(200, (as(user, "GET", path)))
            assert.equal(401, (as(user, "POST", path, { name = "first line" })))
            good("POST", "/accounts/2/account_users", { user_id = tostring(user.id), role = "administrator" })
            local status, team = as(user, "POST", path, { name = "first line" })
            assert.equal(200, status)
            assert.equal(2, team.account_id)
            assert.equal(404, (as(user, "GET", "/api/v1/accounts/1/teams")))
            assert.equal(403, (as(user, "GET", "/api/v1/accounts/1/agents")))
            assert.equal(404, (as(user, "GET", "/api/v1/accounts/2/teams/1")))
            local shown = good("GET", "/users/" .. user.id)
            assert.same({ { id = 2, name = "Second desk", role = "administrator" } }, shown.accounts)
            assert.equal(user.access_token, shown.access_token)
            good("DELETE", "/accounts/2/account_users", { user_id = user.id })
            assert.equal(404, (as(user, "GET", path)))
        end)

        it("are changed, and keep what isn't named", function()
            local user = new_user "Kim"
            local changed = good("PATCH", "/users/" .. user.id, {
                name = "Kim Lee", email = "KIM.LEE@new.example", password = "Other-1",
                custom_attributes = { floor = 3 },
            })
            assert.equal("Kim Lee", changed.name)
            assert.equal("kim.lee@new.example", changed.email)
            assert.equal(3, changed.custom_attributes.floor)
            assert.equal("Kim Lee", good("PATCH", "/users/" .. user.id, {}).name)
            assert.equal("Kim Lee", good("GET", "/users/" .. user.id).name)
            assert.equal(404, (platform("PATCH", "/users/999", {})))
            assert.equal(404, (platform("GET", "/users/999")))
        end)

        it("are answered as they are when they are made again", function()
            local user = new_user "Kim"
            local again = good("POST", "/users", { name = "Other", email = "KIM@new.example", password = "Secret-2" })
            assert.same(user, again)
            assert.equal(1, good("POST", "/users", { name = "x", email = "ADA@nimbus-bikes.example" }).id)
            assert.equal("Ada Brandt", good("GET", "/users/1").name)
        end)

        it("don't have their password kept", function()
            local user = new_user "Kim"
            for _, value in pairs(state.store:get("users", user.id)) do
                assert.not_equal("Secret-1", value)
            end
        end)

        it("have a name and an address of their own", function()
            invalid("email", "POST", "/users", { name = "x" })
            invalid("email", "POST", "/users", { name = "x", email = "nowhere" })
            for _, password in ipairs { "", "Ab-12", "abcdef-1", "ABCDEF-1", "Abcdefg-", "Abcdefg1" } do
                invalid("password", "POST", "/users", { name = "x", email = "x@x.example", password = password })
                invalid("password", "PATCH", "/users/2", { password = password })
            end
            invalid("name", "POST", "/users", { email = "x@x.example" })
            invalid("custom_attributes", "POST", "/users", { name = "x", email = "x@x.example", custom_attributes = 1 })
            invalid("email", "PATCH", "/users/2", { email = "ada@nimbus-bikes.example" })
            invalid("email", "PATCH", "/users/2", { email = "" })
            invalid("name", "PATCH", "/users/2", { name = core.null })
            assert.equal("Jonas Keller", good("PATCH", "/users/2", { email = "jonas@nimbus-bikes.example" }).name)
        end)

        it("get a link to log in, another one each time", function()
            local first, second = good("GET", "/users/1/login").url, good("GET", "/users/1/login").url
            assert.is_truthy(first:find("^http://127.0.0.1/app/login%?email=ada%%40nimbus%-bikes.example&"))
            assert.not_equal(first, second)
            local function login(host)
                return select(2, send("GET", PLATFORM .. "/users/1/login", nil,
                    { api_access_token = OWNER.api_access_token, host = host })).url
            end
            assert.is_truthy(login("[::1]:3000"):find("http://[::1]:3000/app/login?", 1, true))
            assert.is_truthy(login("evil.example/x?"):find("http://127.0.0.1/", 1, true))
            assert.equal(404, (platform("GET", "/users/999/login")))
        end)

        it("are listed by account, and only join ones that exist", function()
            local list = good("GET", "/accounts/1/account_users")
            assert.equal(6, #list)
            assert.equal("administrator", list[1].role)
            assert.same({ 1, 1 }, { list[1].account_id, list[1].user_id })
            invalid("user_id", "POST", "/accounts/1/account_users", { user_id = 999, role = "agent" })
            invalid("user_id", "POST", "/accounts/1/account_users", { role = "agent" })
            invalid("role", "POST", "/accounts/1/account_users", { user_id = 1, role = "king" })
            for _, method in ipairs { "GET", "POST", "DELETE" } do
                local fields = method ~= "GET" and { user_id = 1, role = "agent" } or nil
                assert.equal(404, (platform(method, "/accounts/9/account_users", fields)))
            end
            local outsider = new_user "Kim"
            assert.equal(404, (platform("DELETE", "/accounts/1/account_users", { user_id = outsider.id })))
            assert.equal(6, #good("GET", "/accounts/1/account_users"))
        end)
    end)

    describe("bots", function()
        local BOT = { name = "Parrot", description = "Says it again", outgoing_url = "http://127.0.0.1:9/x" }
        local OWN = "/api/v1/accounts/1/agent_bots"

        it("of the platform are everybody's, and changed by the platform only", function()
            local bot = good("POST", "/agent_bots", BOT)
            assert.is_truthy(bot.access_token)
            assert.equal(core.null, bot.account_id)
            local shown = good("GET", "/agent_bots/" .. bot.id)
            assert.is_nil(shown.access_token)
            assert.equal("Says it again", shown.description)
            assert.same({ shown }, (good("GET", "/agent_bots")))
            assert.equal("Echo", good("PATCH", "/agent_bots/" .. bot.id, { name = "Echo" }).name)
            assert.same({ 1, bot.id }, twin_client.ids(select(2, send("GET", OWN))))
            assert.equal("Echo", select(2, send("GET", OWN .. "/" .. bot.id)).name)
            assert.equal(404, (send("PATCH", OWN .. "/" .. bot.id, { name = "Mine" })))
            assert.equal(404, (send("DELETE", OWN .. "/" .. bot.id)))
            assert.equal("", select(2, good("DELETE", "/agent_bots/" .. bot.id)))
            assert.equal(404, (platform("GET", "/agent_bots/" .. bot.id)))
        end)

        it("of an account are its own", function()
            local status, bot = send("POST", OWN, BOT)
            assert.equal(200, status)
            assert.equal(1, bot.account_id)
            assert.equal(404, (platform("GET", "/agent_bots/" .. bot.id)))
            assert.equal(404, (platform("DELETE", "/agent_bots/" .. bot.id)))
            assert.same({}, (good("GET", "/agent_bots")))
            good("POST", "/accounts", { name = "Second desk" })
            local user = new_user "Kim"
            good("POST", "/accounts/2/account_users", { user_id = user.id, role = "administrator" })
            local theirs = "/api/v1/accounts/2/agent_bots"
            assert.same({}, select(2, as(user, "GET", theirs)))
            assert.equal(404, (as(user, "GET", theirs .. "/" .. bot.id)))
            local _, inbox = as(user, "POST", "/api/v1/accounts/2/inboxes", { name = "x", channel = { type = "api" } })
            assert.equal(404, (as(user, "POST", ("/api/v1/accounts/2/inboxes/%d/set_agent_bot"):format(inbox.id),
                { agent_bot = bot.id })))
            local _, changed = send("PATCH", OWN .. "/" .. bot.id, { outgoing_url = "" })
            assert.equal("", changed.outgoing_url)
            assert.equal("Parrot", changed.name)
            assert.equal(200, (send("DELETE", OWN .. "/" .. bot.id)))
            assert.equal(404, (send("GET", OWN .. "/" .. bot.id)))
        end)

        it("answer with their token, in accounts where an inbox has them", function()
            local bot = good("POST", "/agent_bots", BOT)
            local path = "/api/v1/accounts/1/conversations/60/messages"
            assert.equal(403, (as(bot, "POST", path, { content = "beep" })))
            assert.equal(204, (send("POST", "/api/v1/accounts/1/inboxes/1/set_agent_bot", { agent_bot = bot.id })))
            local status, said = as(bot, "POST", path, { content = "beep" })
            assert.equal(200, status)
            assert.equal("Parrot", said.sender.name)
            assert.equal(401, (as(bot, "GET", "/api/v1/accounts/1/teams")))
        end)

        it("are put on an inbox and taken off", function()
            local path = "/api/v1/accounts/1/inboxes/4"
            assert.equal(404, (send("GET", path .. "/agent_bot")))
            local status, _, text = send("POST", path .. "/set_agent_bot", { agent_bot = "1" })
            assert.equal(204, status)
            assert.equal("", text)
            assert.equal(204, (send("GET", path .. "/agent_bot")))
            assert.equal(204, (send("POST", path .. "/set_agent_bot", { agent_bot = core.null })))
            assert.equal(404, (send("GET", path .. "/agent_bot")))
            assert.equal(404, (send("POST", path .. "/set_agent_bot", { agent_bot = 99 })))
            assert.equal(404, (send("POST", "/api/v1/accounts/1/inboxes/99/set_agent_bot", { agent_bot = 1 })))
            assert.equal(422, (send("POST", path .. "/set_agent_bot", {})))
        end)

        it("post to web addresses only", function()
            invalid("outgoing_url", "POST", "/agent_bots", { name = "x", outgoing_url = "ftp://x.example" })
            local _, bot = platform("POST", "/agent_bots", { name = "x", outgoing_url = core.null })
            assert.equal("", bot.outgoing_url)
            invalid("outgoing_url", "PATCH", "/agent_bots/" .. bot.id, { outgoing_url = "javascript:1" })
        end)
    end)
end)

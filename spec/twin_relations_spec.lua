--- What goes when something is deleted on the twin, and what stays.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local schema = require "moonwire.twin.schema"
local twin_client = require "spec.support.twin"

local ACCOUNT = "/api/v1/accounts/1"
local OWNER = { api_access_token = "twin-platform-token" }

describe("deleting on the twin", function()
    local state, send

    -- No record points to one that is gone.
    local function assert_whole()
        for name, shape in pairs(schema) do
            for _, field in ipairs(shape.fields) do
                for record in state.store:each(field.ref and name or "twin") do
                    local id = field.ref and record[field[1]]
                    assert.is_truthy(not id or state.store:get(field.ref, id),
                        ("%s %d: %s %s is gone"):format(name, record.id, field[1], tostring(id)))
                end
            end
        end
    end

    before_each(function()
        state = twin_client.state()
        send = twin_client.client(state)
    end)
    after_each(function()
        assert_whole()
    end)
    teardown(calls.quiet)

    local function good(method, path, fields, headers)
        local status, body = send(method, path:find("^/p") and path or ACCOUNT .. path, fields, headers)
        assert.is_true(status == 200 or status == 204, method .. " " .. path .. " " .. core.json_encode(body or {}))
        return body
    end

    local function status_of(method, path, token)
        return (send(method, path, nil, token and { api_access_token = token }))
    end

    local function counts()
        local out = {}
        for name in pairs(schema) do
            out[name] = state.store:count(name)
        end
        return out
    end

    -- What a deletion changed in the number of records, table by table.
    local function lost(f)
        local before, out = counts(), {}
        f()
        for name, count in pairs(counts()) do
            if count ~= before[name] then
                out[name] = before[name] - count
            end
        end
        return out
    end

    -- Another account with an administrator, who is Ada of account 1 as well, and one conversation.
    local function second_account()
        good("POST", "/platform/api/v1/accounts", { name = "Second" }, OWNER)
        good("POST", "/platform/api/v1/accounts/2/account_users", { user_id = 1, role = "administrator" }, OWNER)
        local user = good("POST", "/platform/api/v1/users", { name = "Kim", email = "kim@x.example" }, OWNER)
        good("POST", "/platform/api/v1/accounts/2/account_users", { user_id = user.id, role = "agent" }, OWNER)
        local function second(method, path, fields)
            local status, body = send(method, "/api/v1/accounts/2" .. path, fields)
            assert.equal(200, status)
            return body
        end
        local inbox = second("POST", "/inboxes", { name = "Shop", channel = { type = "api" } })
        local contact = second("POST", "/contacts", { inbox_id = inbox.id, name = "Vera" })
        local source = contact.payload.contact_inboxes[1].source_id
        local conversation = second("POST", "/conversations",
            { source_id = source, inbox_id = inbox.id, message = { content = "hi" }, assignee_id = 1 })
        return second, user, conversation, inbox
    end

    it("a contact takes its conversations, messages and sources along", function()
        good("POST", "/conversations/26/toggle_status", { status = "resolved" })
        local messages = state.store:count("messages", "conversation_id", 26)
        assert.same({ contacts = 1, conversations = 1, messages = messages, contact_inboxes = 1, reporting_events = 1 },
            lost(function() good("DELETE", "/contacts/39") end))
        assert.equal(404, status_of("GET", ACCOUNT .. "/conversations/26"))
        assert.equal(404, status_of("GET", ACCOUNT .. "/conversations/26/messages"))
        assert.equal(59, good("GET", "/conversations?status=all").data.meta.all_count)
        assert.same({}, good("GET", "/contacts/search?q=deals%40growth").payload)
        -- The address is free again.
        assert.equal(41, good("POST", "/contacts", { inbox_id = 1, email = "deals@growth-rocket.example" }).id)
    end)

    it("an inbox takes what was held through it along, and leaves the contacts", function()
        good("POST", "/inboxes/4/set_agent_bot", { agent_bot = 1 })
        local held = state.store:count("conversations", "inbox_id", 4)
        local gone = lost(function() good("DELETE", "/inboxes/4") end)
        assert.equal(held, gone.conversations)
        assert.equal(1, gone.inboxes)
        assert.equal(2, gone.inbox_members)
        assert.is_nil(gone.contacts)
        assert.is_nil(gone.agent_bots)
        assert.equal(404, status_of("GET", ACCOUNT .. "/inboxes/4"))
        assert.equal(404, status_of("GET", ACCOUNT .. "/inbox_members/4"))
        assert.equal(404, status_of("POST", "/public/api/v1/inboxes/nimbus-dealers/contacts", ""))
        assert.same({}, good("GET", "/conversations?inbox_id=4&status=all").data.payload)
        for _, link in ipairs(good("GET", "/contacts/37").payload.contact_inboxes) do
            assert.not_equal(4, link.inbox.id)
        end
        state.store:insert("tokens", { token = "agent", kind = "user", user_id = 2 })
        assert.equal(403, status_of("DELETE", ACCOUNT .. "/inboxes/3", "agent"))
    end)

    it("a team is nobody's team any more", function()
        local held = twin_client.ids(good("GET", "/conversations?team_id=2").data.payload)
        assert.same({ teams = 1, team_members = 2 }, lost(function() good("DELETE", "/teams/2") end))
        for _, id in ipairs(held) do
            assert.is_nil(good("GET", "/conversations/" .. id).meta.team)
        end
        assert.equal(6, #good("GET", "/agents"))
        assert.equal(404, status_of("GET", ACCOUNT .. "/teams/2/team_members"))
        assert.equal("technical", good("POST", "/teams", { name = "Technical" }).name)
    end)

    it("an agent leaves teams, inboxes and conversations of the account, and no other", function()
        local second, _, conversation, inbox = second_account()
        second("POST", "/inbox_members", { inbox_id = tostring(inbox.id), user_ids = { 1 } })
        assert.equal("Ada Brandt", good("GET", "/conversations/3").meta.assignee.name)
        good("DELETE", "/platform/api/v1/accounts/1/account_users", { user_id = 1 }, OWNER)
        assert.equal(404, status_of("GET", ACCOUNT .. "/teams"))
        assert.equal(0, state.store:count("team_members", "user_id", 1))
        assert.equal(1, state.store:count("inbox_members", "user_id", 1))
        assert.is_nil(state.store:get("conversations", 3).assignee_id)
        assert.equal("Ada Brandt", second("GET", "/conversations/" .. conversation.id).meta.assignee.name)
        -- What she wrote is still hers.
        local message = state.store:first("messages", "conversation_id", 3, true)
        assert.same({ "user", 1 }, { message.sender_type, message.sender_id })
        assert.is_truthy(state.store:get("users", 1))
    end)

    it("an agent who belongs nowhere else is gone as a user", function()
        state.store:insert("tokens", { token = "agent", kind = "user", user_id = 3 })
        assert.equal(200, status_of("GET", "/api/v1/profile", "agent"))
        good("DELETE", "/agents/3")
        assert.equal(401, status_of("GET", "/api/v1/profile", "agent"))
        assert.equal(404, status_of("DELETE", ACCOUNT .. "/agents/3"))
        for _, message in ipairs(good("GET", "/conversations/2/messages").payload) do
            assert.is_true(message.message_type == "incoming" or message.sender == nil)
        end
        assert.equal(7, good("POST", "/agents",
            { name = "Priya", email = "priya@nimbus-bikes.example", role = "agent" }).id)
    end)

    it("a user leaves all accounts, and its tokens open nothing", function()
        local second, user, conversation = second_account()
        second("POST", "/conversations/" .. conversation.id .. "/assignments", { assignee_id = user.id })
        good("POST", "/platform/api/v1/accounts/1/account_users", { user_id = user.id, role = "agent" }, OWNER)
        good("POST", "/conversations/60/assignments", { assignee_id = user.id })
        good("POST", "/teams/1/team_members", { user_ids = { user.id } })
        assert.same({ users = 1, tokens = 1, account_users = 2, team_members = 1 }, lost(function()
            good("DELETE", "/platform/api/v1/users/" .. user.id, nil, OWNER)
        end))
        assert.equal(401, status_of("GET", "/api/v1/profile", user.access_token))
        assert.is_nil(good("GET", "/conversations/60").meta.assignee)
        assert.is_nil(second("GET", "/conversations/" .. conversation.id).meta.assignee)
        assert.equal(404, (send("DELETE", "/platform/api/v1/users/" .. user.id, nil, OWNER)))
        assert.is_truthy(good("POST", "/platform/api/v1/users", { name = "Kim", email = "kim@x.example" }, OWNER).id)
    end)

    it("an account takes everything in it along, and nothing of others", function()
        local second, user, conversation = second_account()
        local function add(kind, fields)
            fields.account_id = 1
            state.store:insert(kind, fields)
        end
        good("POST", "/webhooks", { url = "https://x.example" })
        good("POST", "/conversations/1/toggle_status", { status = "resolved" })
        add("canned_responses", { short_code = "hi", content = "Hello" })
        add("custom_attributes", { attribute_display_name = "Plan", attribute_display_type = 0,
            attribute_description = "", attribute_key = "plan", attribute_values = {}, attribute_model = 0 })
        add("custom_filters", { user_id = 1, name = "f", type = "contact", query = {}, created_at = 0, updated_at = 0 })
        add("automation_rules", { name = "r", description = "", event_name = "message_created", active = true,
            conditions = {}, actions = {}, created_at = 0 })
        add("hooks", { app_id = "slack", inbox_id = 1, settings = {}, status = true })
        local circuit = { authorization = "Bearer twin-circuit-token",
            ["content-type"] = "application/x-www-form-urlencoded" }
        assert.equal(201, (send("POST", "/rest/v2/webhooks", "url=http%3A%2F%2Fx.example&filter=.%2A", circuit)))
        good("DELETE", "/platform/api/v1/accounts/1", nil, OWNER)
        for name, shape in pairs(schema) do
            for _, field in ipairs(shape.fields) do
                if field.ref == "accounts" then
                    assert.equal(0, state.store:count(name, "account_id", 1), name)
                end
            end
        end
        assert.equal(1, state.store:count("messages"))
        assert.equal(1, state.store:count("contacts"))
        assert.equal(1, state.store:count("inboxes"))
        assert.equal(1, state.store:count("accounts"))
        assert.equal(7, state.store:count("users"))
        assert.equal(1, state.store:count("circuit_webhooks"))
        assert.equal(404, status_of("GET", ACCOUNT .. "/teams", "twin-user-token"))
        assert.equal(403, status_of("GET", ACCOUNT .. "/agents", "twin-user-token"))
        assert.equal(401, status_of("POST", ACCOUNT .. "/conversations", "twin-bot-token"))
        assert.equal("hi", second("GET", "/conversations/" .. conversation.id).messages[1].content)
        assert.equal(200, status_of("GET", "/api/v1/accounts/2/teams", user.access_token))
        assert.equal(404, (send("GET", "/platform/api/v1/accounts/1", nil, OWNER)))
    end)

    it("a bot is off its inboxes, and its token opens nothing", function()
        local bot = good("POST", "/agent_bots", { name = "Parrot" })
        good("POST", "/inboxes/1/set_agent_bot", { agent_bot = bot.id })
        local _, said = send("POST", ACCOUNT .. "/conversations/60/messages", { content = "beep" },
            { api_access_token = bot.access_token })
        assert.same({ agent_bots = 1, tokens = 1 },
            lost(function() good("DELETE", "/agent_bots/" .. bot.id) end))
        assert.equal(404, status_of("GET", ACCOUNT .. "/inboxes/1/agent_bot"))
        assert.equal(401, status_of("POST", ACCOUNT .. "/conversations/60/messages", bot.access_token))
        local list = good("GET", "/conversations/60/messages").payload
        assert.same({ said.id, "beep", nil }, { list[#list].id, list[#list].content, list[#list].sender })
        assert.equal("open", good("POST", "/conversations", { source_id = "nimbus-1-10", inbox_id = 1 }).status)
    end)

    it("leaves everything as it was when it is refused", function()
        assert.same({}, lost(function()
            for _, path in ipairs { "/contacts/999", "/teams/999", "/agents/999", "/inboxes/999", "/agent_bots/999" } do
                assert.equal(404, status_of("DELETE", ACCOUNT .. path))
            end
        end))
    end)
end)

--- Events of Circuit: which webhooks hear of one, and what is posted to them, over real sockets.

local core = require "moonwire.core"
local circuit_events = require "moonwire.twin.circuit_events"
local outbox = require "moonwire.twin.outbox"

local calls = require "spec.support.calls"
local support = require "spec.support.twin"

local HOOKS = "/rest/v2/webhooks"
local USER = "6f1d2c3b-4a59-4e68-8f77-000000000001"
local OTHER = "6F1D2C3B-4A59-4E68-8F77-00000000000A"
local PRESENCE = "USER.USER_PRESENCE_CHANGE"

describe("events of the twin's Circuit", function()
    local state, server, got, log

    before_each(function()
        got, log = {}, {}
        state = support.state { data = "empty" }
        state.outbox = outbox.new {
            log = function(entry) log[#log + 1] = entry end,
            say = function() end,
        }
        server = core.server {
            handler = function(request)
                local body = core.json_decode(request.body)
                table.insert(got, { path = request.path, headers = request.headers, body = body })
                return 200
            end,
        }
    end)
    after_each(function()
        state.outbox:stop()
        server:close()
    end)
    teardown(calls.quiet)

    local function add(where, path, fields)
        local status, hook = support.client(state)("POST", HOOKS .. where,
            ("url=%s&%s"):format(server.url:gsub("[:/]", { [":"] = "%3A", ["/"] = "%2F" }) .. "%2F" .. path, fields), {
                authorization = "Bearer twin-circuit-token",
                ["content-type"] = "application/x-www-form-urlencoded",
            })
        assert.equal(201, status)
        return hook
    end

    -- The paths that an event is posted to, sorted.
    local function heard(event)
        got = {}
        local count = assert(circuit_events.emit(state, event))
        state.outbox:wait()
        local paths = {}
        for i, post in ipairs(got) do
            paths[i] = post.path
        end
        table.sort(paths)
        assert.equal(count, #paths)
        return paths
    end

    it("go to the webhooks whose filter they match, by name or by expression, once each", function()
        add("", "created", "filter=CONVERSATION.CREATE")
        add("", "talk", "filter=CONVERSATION%5C..*,CONVERSATION.ADD_ITEM,CONVERSATION.CREATE")
        add("", "all", "filter=.*")
        add("", "user", "filter=USER%5C.(INCOMING_CALL%7CSUBMIT_FORM_DATA)")
        add("/presence", "presence", "userIds=" .. USER)
        assert.same({ "/all", "/created", "/talk" }, heard { type = "CONVERSATION.CREATE", data = {} })
        assert.same({ "/all", "/talk" }, heard { type = "CONVERSATION.UPDATE_ITEM", data = {} })
        assert.same({ "/all", "/user" }, heard { type = "USER.SUBMIT_FORM_DATA", data = {} })
        assert.same({ "/all" }, heard { type = "USER.USER_UPDATED", data = {} })
    end)

    it("tell type, webhook and what it is about, under the event's own name", function()
        local hook = add("", "h", "filter=.*")
        local item = { itemId = "i", convId = "c", creatorId = USER, text = { content = "Hällo" }, list = { 1, 2 } }
        local names = {
            ["CONVERSATION.CREATE"] = "conversation", ["CONVERSATION.UPDATE"] = "conversation",
            ["CONVERSATION.ADD_ITEM"] = "item", ["CONVERSATION.UPDATE_ITEM"] = "item", ["USER.INCOMING_CALL"] = "call",
            ["USER.USER_UPDATED"] = "user", ["USER.USER_SETTING_UPDATED"] = "userSettings",
            ["USER.SUBMIT_FORM_DATA"] = "submitFormData",
        }
        for event, name in pairs(names) do
            heard { type = event, data = item }
            assert.same({ type = event, webhookId = hook.id, [name] = item }, got[1].body)
            assert.equal("application/json", got[1].headers["content-type"])
            assert.is_nil(got[1].headers["x-chatwoot-signature"])
            assert.is_nil(got[1].headers["x-chatwoot-delivery"])
        end
        assert.equal(8, #log)
        assert.equal(200, log[1].status)
    end)

    it("of presence go to those who watch the user", function()
        local hook = add("/presence", "a", "userIds=" .. USER .. "," .. OTHER)
        add("/presence", "b", "userIds=" .. OTHER)
        add("", "c", "filter=.*")
        assert.same({ "/a" }, heard { type = PRESENCE, data = { userId = USER:upper(), state = "BUSY" } })
        assert.same({
            type = PRESENCE, webhookId = hook.id, presenceState = { userId = USER:upper(), state = "BUSY" },
        }, got[1].body)
        assert.same({ "/a", "/b" }, heard { type = PRESENCE, data = { userId = OTHER:lower(), state = "AWAY" } })
    end)

    it("of one user's webhooks go there alone", function()
        local hook = add("", "mine", "filter=.*")
        assert.same({ "/mine" }, heard { type = "CONVERSATION.CREATE", data = {}, user = hook.userId:upper() })
        assert.same({}, heard { type = "CONVERSATION.CREATE", data = {}, user = OTHER })
    end)

    it("follow a webhook that is changed or removed", function()
        local hook = add("", "h", "filter=CONVERSATION.CREATE")
        local send = support.client(state)
        local headers = { authorization = "Bearer twin-circuit-token",
            ["content-type"] = "application/x-www-form-urlencoded" }
        assert.equal(200, (send("PUT", HOOKS .. "/" .. hook.id, "filter=CONVERSATION.UPDATE", headers)))
        assert.same({}, heard { type = "CONVERSATION.CREATE", data = {} })
        assert.same({ "/h" }, heard { type = "CONVERSATION.UPDATE", data = {} })
        assert.equal(204, (send("DELETE", HOOKS .. "/" .. hook.id, nil, headers)))
        assert.same({}, heard { type = "CONVERSATION.UPDATE", data = {} })
    end)

    it("that can't be are refused, and nothing is posted", function()
        add("", "h", "filter=.*")
        local deep = {}
        local inner = deep
        for _ = 1, 200 do
            inner.a = {}
            inner = inner.a
        end
        for text, event in pairs {
            ["a Circuit event has a type: one of CONVERSATION.CREATE, "] = { type = "CONVERSATION.GONE", data = {} },
            ["a Circuit event has a type"] = { data = {} },
            ["type: one of"] = "CONVERSATION.CREATE",
            ["has data: an object"] = { type = "CONVERSATION.CREATE" },
            ["data: an object"] = { type = "CONVERSATION.CREATE", data = { 1 } },
            ["an object"] = { type = "CONVERSATION.CREATE", data = core.null },
            ["the user of a Circuit event is a UUID"] = { type = "CONVERSATION.CREATE", data = {}, user = "me" },
            ["of whom the webhooks are"] = { type = "CONVERSATION.CREATE", data = {}, user = { 1 } },
            ["has a data.userId"] = { type = PRESENCE, data = { state = "BUSY" } },
            ["the UUID of whose presence"] = { type = PRESENCE, data = { userId = 7 } },
            ["can't be written as JSON"] = { type = "CONVERSATION.CREATE", data = deep },
        } do
            local count, problem = circuit_events.emit(state, event)
            assert.is_nil(count)
            assert.is_truthy(problem:find(text, 1, true), problem)
            assert.is_nil(problem:find "%c")
        end
        state.outbox:wait()
        assert.same({}, got)
    end)

    it("are not delivered to other machines", function()
        local status = support.client(state)("POST", HOOKS, "url=https%3A%2F%2Fx.example%2Fh&filter=.*", {
            authorization = "Bearer twin-circuit-token",
            ["content-type"] = "application/x-www-form-urlencoded",
        })
        assert.equal(201, status)
        assert.equal(1, circuit_events.emit(state, { type = "CONVERSATION.CREATE", data = {} }))
        state.outbox:wait()
        assert.equal("denied", log[1].kind)
        assert.equal("CONVERSATION.CREATE", log[1].event)
    end)
end)

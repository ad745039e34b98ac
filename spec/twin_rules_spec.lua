--- The twin's automation rules: how they are kept, when they run, what they do.
local core = require "moonwire.core"
local calls = require "spec.support.calls"
local support = require "spec.support.twin"

local ACCOUNT = "/api/v1/accounts/1"

local function when(key, operator, values, joined)
    return { attribute_key = key, filter_operator = operator, values = values, query_operator = joined }
end

local function act(name, ...)
    return { action_name = name, action_params = core.array { ... } }
end

describe("the twin's rules", function()
    local state, send

    before_each(function()
        state = support.state()
        send = support.client(state)
    end)
    teardown(calls.quiet)

    local function ok(method, path, fields)
        local status, body = send(method, ACCOUNT .. path, fields)
        assert.equal(200, status, core.json_encode(body or {}))
        return body
    end

    local function rule(event, conditions, actions, more)
        local fields = {
            name = "R", event_name = event, conditions = core.array(conditions), actions = core.array(actions),
        }
        for name, value in pairs(more or {}) do
            fields[name] = value
        end
        return ok("POST", "/automation_rules", fields)
    end

    local function conversation(id)
        return ok("GET", "/conversations/" .. id)
    end

    local function say(id, content, fields)
        fields = fields or {}
        fields.content = content
        return ok("POST", ("/conversations/%d/messages"):format(id), fields)
    end

    -- A contact's own words come through an API inbox.
    local DEALER = { source_id = "nimbus-dealers-7", inbox_id = 4, contact_id = 7 }

    local function hear(id, content)
        return say(id, content, { message_type = "incoming" })
    end

    local function messages(id)
        return ok("GET", ("/conversations/%d/messages"):format(id)).payload
    end

    local function last(id)
        local list = messages(id)
        return list[#list]
    end

    local function open(fields)
        local all = { source_id = "nimbus-1-10", inbox_id = 1 }
        for name, value in pairs(fields or {}) do
            all[name] = value
        end
        return ok("POST", "/conversations", all).id
    end

    describe("are kept", function()
        local GIVEN = {
            name = "Refunds", description = "to billing", event_name = "message_created", active = false,
            conditions = { when("content", "contains", { "refund" }) },
            actions = { act("assign_team", 1) },
        }

        it("as they were written, until they are deleted", function()
            local made = ok("POST", "/automation_rules", GIVEN)
            for name, value in pairs(GIVEN) do
                assert.same(value, made[name], name)
            end
            local read = ok("GET", "/automation_rules/" .. made.id)
            assert.same(made, read.payload)
            assert.equal("Refunds", read.name)
            local changed = ok("PATCH", "/automation_rules/" .. made.id, { name = "Money", active = true })
            assert.equal("Money", changed.name)
            assert.is_true(changed.active)
            assert.same(GIVEN.conditions, changed.conditions)
            assert.equal("to billing", changed.description)
            assert.is_false(ok("PATCH", "/automation_rules/" .. made.id, { active = false }).active)
            assert.same({ made.id }, support.ids(ok("GET", "/automation_rules?page=1").payload))
            ok("DELETE", "/automation_rules/" .. made.id)
            assert.same({}, ok("GET", "/automation_rules").payload)
            for _, verb in ipairs { "GET", "PATCH", "DELETE" } do
                local fields = verb == "PATCH" and { name = "x" } or nil
                assert.equal(404, (send(verb, ACCOUNT .. "/automation_rules/1", fields)))
            end
        end)

        it("by administrators", function()
            ok("POST", "/automation_rules", GIVEN)
            local made = ok("POST", "/agents", { name = "Kim", email = "kim@nimbus-bikes.example", role = "agent" })
            local headers = support.headers(("twin-user-%d-token"):format(made.id))
            for verb, documented in pairs { GET = 401, PATCH = 403, DELETE = 403 } do
                assert.equal(documented, (send(verb, ACCOUNT .. "/automation_rules/1", nil, headers)))
            end
            assert.equal(403, (send("POST", ACCOUNT .. "/automation_rules", GIVEN, headers)))
            assert.equal(403, (send("GET", ACCOUNT .. "/automation_rules", nil, headers)))
        end)

        it("in the documented shapes", function()
            ok("POST", "/automation_rules", GIVEN)
            local checked = 0
            for _, row in ipairs(core.operations "ooctopus") do
                if row.module == "automation_rules" and row.answer then
                    local path = row.path:gsub("{.-}", "1")
                    local _, body = send(row.verb, path, row.verb ~= "GET" and GIVEN or nil)
                    support.assert_shape(row.answer, support.documented_part(row, body), row.method)
                    checked = checked + 1
                end
            end
            assert.equal(4, checked)
        end)

        it("only when they make sense", function()
            local function refused(changes)
                local fields = { name = "R", event_name = "message_created", conditions = {}, actions = {} }
                for name, value in pairs(changes) do
                    fields[name] = value
                end
                fields.conditions = core.array(fields.conditions)
                fields.actions = core.array(fields.actions)
                local status, body = send("POST", ACCOUNT .. "/automation_rules", fields)
                assert.equal(422, status, core.json_encode(body))
                return body.message or body.error, body.attributes and body.attributes[1]
            end
            assert.same({ "Name can't be blank", "name" }, { refused { name = "" } })
            assert.same({ "Event name can't be blank", "event_name" }, { refused { event_name = core.null } })
            assert.same("event_name", select(2, refused { event_name = "moon_rises" }))
            assert.same({ "Automation conditions shoe_size,created_at not supported.", "conditions" }, { refused {
                conditions = {
                    when("shoe_size", "equal_to", { 1 }, "AND"), when("created_at", "days_before", { "1" }),
                },
            } })
            assert.same("Automation conditions without attribute_key not supported.", (refused { conditions = { {} } }))
            assert.same({ "Automation actions make_tea not supported.", "actions" }, { refused {
                actions = { act("send_message", "x"), act "make_tea" },
            } })
            assert.same("Automation actions without action_name not supported.",
                (refused { actions = { { action_name = { "send_message" } } } }))
            assert.matches("^Invalid operator", (refused { conditions = { when("status", "contains", { "o" }) } }))
            assert.matches("^Invalid value", (refused { conditions = { when("status", "equal_to", {}) } }))
            assert.matches("^Invalid value", (refused {
                conditions = { when("status", "attribute_changed", { "open" }) },
            }))
            assert.matches("^Query operator", (refused {
                conditions = { when("status", "equal_to", { "open" }), when("status", "equal_to", { "open" }) },
            }))
            assert.same({}, ok("GET", "/automation_rules").payload)
            rule("message_created", {}, {})
            assert.equal(422, (send("PATCH", ACCOUNT .. "/automation_rules/1", { actions = { act "make_tea" } })))
        end)
    end)

    describe("run", function()
        it("when a message comes that fits, and do everything in order", function()
            rule("message_created", {
                when("message_type", "equal_to", { "incoming" }, "AND"),
                when("content", "contains", { "REFUND", "money back" }),
            }, {
                act("assign_team", 1), act("assign_agent", "1"), act("add_label", "refund", "urgent"),
                act("change_priority", "high"), act("add_private_note", "watch this"),
                act("send_message", "We are looking into it."),
            })
            local asked, quiet = open(DEALER), open(DEALER)
            hear(asked, "I want my money back")
            local shown = conversation(asked)
            assert.equal("billing", shown.meta.team.name)
            assert.equal(1, shown.meta.assignee.id)
            assert.same({ "refund", "urgent" }, shown.labels)
            assert.equal("high", shown.priority)
            local list = messages(asked)
            assert.same({ "I want my money back", "watch this", "We are looking into it." },
                { list[#list - 2].content, list[#list - 1].content, list[#list].content })
            assert.is_true(list[#list - 1].private)
            assert.same({ automation_rule_id = 1 }, list[#list].content_attributes)
            assert.is_nil(list[#list].sender)

            hear(quiet, "all good")
            assert.equal("all good", last(quiet).content)
            say(quiet, "no refund, sorry")
            assert.equal("no refund, sorry", last(quiet).content)
        end)

        it("when a conversation begins, with a message or without", function()
            rule("conversation_created", { when("inbox_id", "equal_to", { 1 }, "AND"),
                when("status", "equal_to", { "open" }) }, { act("add_label", "new") })
            rule("conversation_created", { when("content", "contains", { "hello" }) }, { act("add_label", "greeted") })
            rule("conversation_created", { when("email", "equal_to", { "anna.schreiber@post.example" }, "AND"),
                when("city", "equal_to", { "leipzig" }) }, { act("add_label", "anna") })
            assert.same({ "new", "anna" }, conversation(open()).labels)
            local id = open { message = { content = "Hello there" } }
            assert.same({ "new", "greeted", "anna" }, conversation(id).labels)
            assert.same({}, conversation(open { source_id = "nimbus-2-2", inbox_id = 2 }).labels)
        end)

        it("when a conversation changes as they say", function()
            rule("conversation_updated", {
                when("status", "attribute_changed", { from = { "open" }, to = { "resolved", "snoozed" } }),
            }, { act("send_message", "closed") })
            rule("conversation_updated", {
                when("assignee_id", "attribute_changed", { from = { core.null }, to = { 2, 3 } }, "AND"),
                when("status", "equal_to", { "open" }),
            }, { act("add_label", "taken") })
            ok("POST", "/conversations/60/toggle_status", { status = "pending" })
            ok("POST", "/conversations/60/assignments", { assignee_id = 2 })
            assert.same({}, conversation(60).labels)
            assert.are_not.equal("closed", last(60).content)
            ok("POST", "/conversations/59/assignments", { assignee_id = 3 })
            assert.same({ "taken" }, conversation(59).labels)
            ok("POST", "/conversations/59/toggle_status", { status = "resolved" })
            assert.equal("closed", last(59).content)
            ok("POST", "/conversations/59/toggle_status", { status = "resolved" })
            assert.equal("closed", last(59).content)
            assert.are_not.equal("closed", messages(59)[#messages(59) - 1].content)
        end)

        it("on private notes, too", function()
            rule("message_created", { when("private_note", "equal_to", { true }) }, { act("add_label", "noted") })
            say(60, "public")
            assert.same({}, conversation(60).labels)
            say(60, "secret", { private = true })
            assert.same({ "noted" }, conversation(60).labels)
        end)

        it("only when active, only for their event, and without conditions always", function()
            local id = rule("message_created", {}, { act("add_label", "always") }, { active = false }).id
            rule("conversation_created", {}, { act("add_label", "other") })
            say(60, "one")
            assert.same({}, conversation(60).labels)
            ok("PATCH", "/automation_rules/" .. id, { active = true })
            say(60, "two")
            assert.same({ "always" }, conversation(60).labels)
        end)

        it("in other accounts never", function()
            rule("message_created", {}, { act("add_label", "x") })
            state.store:insert("accounts", { name = "Other", created_at = 0 })
            state.store:update("automation_rules", state.store:get("automation_rules", 1), { account_id = 2 })
            say(60, "one")
            assert.same({}, conversation(60).labels)
        end)

        it("but never answer to what rules did", function()
            rule("message_created", {}, { act("send_message", "echo"), act "resolve_conversation" })
            rule("conversation_updated", {}, { act("add_label", "changed") })
            local before = #messages(59)
            say(59, "once")
            assert.equal(before + 2, #messages(59))
            assert.equal("resolved", conversation(59).status)
            assert.same({}, conversation(59).labels)
        end)

        it("on what custom attributes say, as long as they are defined", function()
            local defined = ok("POST", "/custom_attribute_definitions", {
                attribute_display_name = "Plan", attribute_key = "plan", attribute_model = 1,
            })
            assert.equal(204, (send("PUT", ACCOUNT .. "/contacts/10", { custom_attributes = { plan = "gold" } })))
            local condition = when("plan", "equal_to", { "Gold" })
            condition.custom_attribute_type = "contact_attribute"
            rule("conversation_created", { condition }, { act("add_label", "vip") })
            assert.same({ "vip" }, conversation(open()).labels)
            assert.same({}, conversation(open { source_id = "nimbus-2-2", inbox_id = 2 }).labels)
            ok("DELETE", "/custom_attribute_definitions/" .. defined.id)
            assert.same({}, conversation(open()).labels)
        end)

        it("by contacts of the public API as well", function()
            rule("message_created", { when("message_type", "equal_to", { "incoming" }) }, { act("add_label", "web") })
            local contact = "/public/api/v1/inboxes/nimbus-dealers/contacts/"
            local status, made = send("POST", "/public/api/v1/inboxes/nimbus-dealers/contacts", { name = "P" }, {})
            assert.equal(200, status)
            local _, talk = send("POST", contact .. made.source_id .. "/conversations", {}, {})
            status = send("POST", ("%s%s/conversations/%d/messages"):format(contact, made.source_id, talk.id),
                { content = "hi" }, {})
            assert.equal(200, status)
            assert.same({ "web" }, conversation(talk.id).labels)
        end)
    end)

    describe("can", function()
        local function doing(...)
            local id = rule("message_created", {}, { ... }).id
            say(60, "go")
            ok("DELETE", "/automation_rules/" .. id)
            return conversation(60)
        end

        it("set every status", function()
            for _, status in ipairs { "resolved", "pending", "snoozed", "open" } do
                assert.equal(status, doing(act("change_status", status)).status)
            end
            for action, status in pairs {
                resolve_conversation = "resolved", snooze_conversation = "snoozed", pending_conversation = "pending",
                open_conversation = "open", mute_conversation = "resolved",
            } do
                assert.equal(status, doing(act(action)).status)
            end
        end)

        it("take labels, agents, teams and priorities back", function()
            doing(act("add_label", "a", "b", "c"), act("assign_team", 2), act("assign_agent", 1),
                act("change_priority", "low"))
            local shown = doing(act("remove_label", "a", "c", "x"), act("assign_team", "nil"),
                act("assign_agent", "nil"), act("change_priority", "nil"))
            assert.same({ "b" }, shown.labels)
            assert.same({}, { shown.meta.team, shown.meta.assignee })
            assert.equal(core.null, shown.priority)
        end)

        it("find the agent who answered last", function()
            say(60, "I do")
            assert.equal(1, doing(act("assign_agent", "last_responding_agent")).meta.assignee.id)
        end)

        it("ask for a webhook", function()
            local handler = require "moonwire.twin.automation"
            rule("conversation_created", {}, { act("send_webhook_event", "http://127.0.0.1:9/x"),
                act("send_webhook_event", "ftp://nowhere") })
            local call = require("moonwire.twin.call").new {
                state = state, store = state.store, account = state.store:get("accounts", 1),
                identity = { kind = "user", id = 1 },
            }
            call:emit("conversation_created", { conversation = state.store:get("conversations", 60) })
            handler.run(call)
            assert.equal(2, #call.events)
            assert.equal("automation_webhook", call.events[2].name)
            assert.equal("http://127.0.0.1:9/x", call.events[2].url)
            assert.equal("conversation_created", call.events[2].rule.event_name)
            assert.equal(60, call.events[2].conversation.id)
            assert.is_true(call.events[2].by_rule)
        end)

        it("do nothing with what is gone or makes no sense, and go on", function()
            ok("DELETE", "/teams/2")
            local before = conversation(60)
            local shown = doing(act("assign_team", 2), act("assign_team", {}), act("assign_agent", 99),
                act("assign_agent", 6.5), act("assign_agent"), act("change_status", "asleep"), act "change_status",
                act("change_priority", "mild"), act("add_label", "", "a,b", 7), act "send_message",
                act("send_message", core.null), act("send_message", ""), { action_name = "add_private_note" },
                { action_name = "send_webhook_event", action_params = core.null },
                act("send_email_to_team", { team_ids = { 1 }, message = "m" }),
                act("send_email_transcript", "a@b.example"), act("send_attachment", 1),
                { action_name = "add_label", action_params = "plain" })
            assert.same({ "plain" }, shown.labels)
            assert.equal(before.status, shown.status)
            assert.same(before.meta, shown.meta)
            assert.equal("go", last(60).content)
        end)

        it("be nonsense that a file brought in, and do no harm", function()
            for _, junk in ipairs { { 1, "x" }, { {} }, { { attribute_key = {} } }, {
                { attribute_key = "status", filter_operator = "equal_to", values = { { 1 } } },
            } } do
                state.store:insert("automation_rules", {
                    account_id = 1, name = "J", description = "", event_name = "message_created", active = true,
                    conditions = junk, actions = { act("add_label", "x") }, created_at = 0,
                })
            end
            state.store:insert("automation_rules", {
                account_id = 1, name = "J", description = "", event_name = "message_created", active = true,
                conditions = {}, created_at = 0,
                actions = {
                    1, "add_label", {}, { action_name = 7 }, { action_name = "add_label" }, act("add_label", {}),
                },
            })
            assert.same({}, doing(act "mute_conversation").labels)
        end)

        it("give agents the conversations of their inboxes only", function()
            local inbox = conversation(60).inbox_id
            assert.equal(1, inbox)
            ok("DELETE", "/inbox_members/1", { inbox_id = "1", user_ids = { 3 } })
            assert.is_nil(doing(act("assign_agent", 3)).meta.assignee)
            assert.equal(2, doing(act("assign_agent", 2)).meta.assignee.id)
        end)
    end)

    it("leave nothing behind of a request that fails", function()
        rule("message_created", {}, { act("add_label", "x") })
        local rules = #ok("GET", "/automation_rules").payload
        assert.equal(422, (send("POST", ACCOUNT .. "/automation_rules", { name = "R", event_name = "message_created",
            actions = { act "make_tea" } })))
        assert.equal(404, (send("POST", ACCOUNT .. "/conversations/999/messages", { content = "x" })))
        assert.equal(rules, #ok("GET", "/automation_rules").payload)
        assert.same({}, conversation(60).labels)
    end)
end)

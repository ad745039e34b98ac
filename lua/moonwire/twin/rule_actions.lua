--- What automation rules can do to a conversation: a function for each action. An action whose parameters make no
-- sense (any more) does nothing, as on the platform: a team that is gone, an agent without the inbox. Knows
-- conversations through `talk`; when a rule runs is the business of `automation`.
local core = require "moonwire.core"
local lists = require "moonwire.twin.lists"
local people = require "moonwire.twin.people"
local talk = require "moonwire.twin.talk"
local url = require "moonwire.twin.url"

---@alias moonwire.twin.action fun(call: moonwire.twin.call, conversation: table, params: any[], rule: table)

---@type table<string, moonwire.twin.action>
local actions = {}

local STATUS = { "open", "resolved", "pending", "snoozed" }
local PRIORITY = { "low", "medium", "high", "urgent" }

-- How the platform's own pages send "none".
local function is_none(value)
    return value == nil or value == core.null or value == "nil"
end

local function as_id(value)
    return (type(value) == "number" or type(value) == "string") and math.tointeger(tonumber(value)) or nil
end

local function texts(params)
    local out = {}
    for _, value in ipairs(params) do
        if type(value) == "string" and value ~= "" and not value:find(",", 1, true) then
            out[#out + 1] = value
        end
    end
    return out
end

local function last_answering(call, conversation)
    for message in call.store:each("messages", "conversation_id", conversation.id, true) do
        if message.message_type == "outgoing" and message.sender_type == "user" then
            return message.sender_id
        end
    end
end

-- Administrators may have every conversation, agents those of their inboxes.
local function may_have(call, conversation, user_id)
    local user, member = people.agent(call.store, conversation.account_id, user_id)
    return user ~= nil and (member.role == "administrator"
        or call.store:find("inbox_members", "member", conversation.inbox_id, user.id) ~= nil)
end

function actions.assign_agent(call, conversation, params)
    local wanted = params[1]
    if wanted == "nil" then
        return talk.assign_agent(call, conversation, nil)
    end
    local id = wanted == "last_responding_agent" and last_answering(call, conversation) or as_id(wanted)
    if id and may_have(call, conversation, id) then
        talk.assign_agent(call, conversation, id)
    end
end

function actions.assign_team(call, conversation, params)
    local id = as_id(params[1])
    if is_none(params[1]) or id == 0 then
        return talk.assign_team(call, conversation, nil)
    end
    local team = call.store:get("teams", id)
    if team and team.account_id == conversation.account_id then
        talk.assign_team(call, conversation, team.id)
    end
end

function actions.add_label(call, conversation, params)
    local labels = table.move(conversation.labels, 1, #conversation.labels, 1, {})
    lists.add(labels, texts(params))
    talk.set_labels(call, conversation, labels)
end

function actions.remove_label(call, conversation, params)
    local labels = table.move(conversation.labels, 1, #conversation.labels, 1, {})
    lists.drop(labels, texts(params))
    talk.set_labels(call, conversation, labels)
end

local function say(call, conversation, params, rule, private)
    if type(params[1]) == "string" and params[1] ~= "" then
        talk.say(call, conversation, {
            content = params[1],
            private = private,
            content_attributes = { automation_rule_id = rule.id },
        })
    end
end

function actions.send_message(call, conversation, params, rule)
    say(call, conversation, params, rule, false)
end

function actions.add_private_note(call, conversation, params, rule)
    say(call, conversation, params, rule, true)
end

function actions.change_status(call, conversation, params)
    if lists.has(STATUS, params[1]) then
        talk.set_status(call, conversation, params[1])
    end
end

function actions.resolve_conversation(call, conversation)
    talk.set_status(call, conversation, "resolved")
end

function actions.open_conversation(call, conversation)
    talk.set_status(call, conversation, "open")
end

function actions.pending_conversation(call, conversation)
    talk.set_status(call, conversation, "pending")
end

function actions.snooze_conversation(call, conversation)
    talk.set_status(call, conversation, "snoozed")
end

-- The platform blocks the contact, too; the twin knows no blocked contacts.
actions.mute_conversation = actions.resolve_conversation

function actions.change_priority(call, conversation, params)
    if is_none(params[1]) then
        talk.update(call, conversation, { priority = core.null })
    elseif lists.has(PRIORITY, params[1]) then
        talk.update(call, conversation, { priority = params[1] })
    end
end

function actions.send_webhook_event(call, conversation, params, rule)
    local target = params[1]
    if type(target) == "string" and url.is_http(target) then
        call:emit("automation_webhook", { conversation = conversation, url = target, rule = rule })
    end
end

-- The twin sends no mail and keeps no files: nothing of these can be seen through the API.
local function unseen() end
actions.send_email_to_team = unseen
actions.send_email_transcript = unseen
actions.send_attachment = unseen

return actions

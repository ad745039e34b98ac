--- Automation rules at work: for what has happened in a request, finds the rules whose conditions hold and has them
-- act. Rules never answer to what rules did.
local actions = require "moonwire.twin.rule_actions"
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local filter = require "moonwire.twin.filter"
local filter_attributes = require "moonwire.twin.filter_attributes"

local automation = {}

-- The events that rules are for, and which of them are heard: messages that the desk writes for itself are not.
local HEARD = {
    conversation_created = function()
        return true
    end,
    conversation_updated = function()
        return true
    end,
    message_created = function(event)
        return event.message.message_type ~= "activity"
    end,
}

-- A condition on a message asks about the one that has just come. Without one, any of the conversation's will do.
local function holds(fits, about_messages, store, event, conversation)
    local subject = {
        conversation = conversation,
        contact = store:get("contacts", conversation.contact_id),
        message = event.message,
        changed = event.changed,
    }
    if event.message or not about_messages then
        return fits(subject)
    end
    for message in store:each("messages", "conversation_id", conversation.id) do
        subject.message = message
        if fits(subject) then
            return true
        end
    end
    subject.message = nil
    return fits(subject)
end

-- A rule that no longer makes sense (its custom attribute is gone) holds for nothing, as on the platform.
local function matches(call, rule, event, conversation)
    local ok, fits, about_messages = pcall(filter.new, filter_attributes.rules, rule.conditions, filter.context(call))
    if ok then
        return holds(fits, about_messages, call.store, event, conversation)
    elseif not errors.is(fits) then
        error(fits, 0)
    end
    return false
end

local function act(call, rule, conversation)
    for _, action in ipairs(rule.actions) do
        local perform = type(action) == "table" and actions[action.action_name]
        if perform then
            local params = action.action_params
            if type(params) ~= "table" then
                params = params ~= core.null and { params } or {}
            end
            perform(call, conversation, params, rule)
        end
    end
end

local function answer(call, event)
    local conversation = event.conversation
    local heard = HEARD[event.name]
    -- What has happened may have been undone by the same request: a contact that went with its conversations.
    if event.by_rule or not heard or call.store:get("conversations", conversation.id) ~= conversation
        or not heard(event) then
        return
    end
    local system = call:as_system()
    system.account = call.store:get("accounts", conversation.account_id)
    for _, rule in ipairs(call.store:list("automation_rules", "account_id", conversation.account_id)) do
        if rule.active and rule.event_name == event.name and matches(system, rule, event, conversation) then
            act(system, rule, conversation)
        end
    end
end

--- Has the rules answer to what has happened in a request. What they do is added to `call.events`.
---@param call moonwire.twin.call
function automation.run(call)
    for i = 1, #call.events do
        answer(call, call.events[i])
    end
end

return automation

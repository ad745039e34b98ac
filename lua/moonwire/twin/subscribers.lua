--- Who hears of an event of the desk: account webhooks, the callback of an API inbox, the bot of an inbox, and the URL
-- that a rule names. Knows records, not how anything is sent.
local lists = require "moonwire.twin.lists"

local subscribers = {}

---@class moonwire.twin.target
---@field url string
---@field secret string|nil signs what is posted there
---@field event string what the event is called there

-- Chooses those of an event; `add` takes a target. An event without a conversation is about a contact.
local function account_webhooks(store, event, add)
    local account_id = (event.conversation or event.contact).account_id
    for webhook in store:each("webhooks", "account_id", account_id) do
        if lists.has(webhook.subscriptions, event.name) then
            add { url = webhook.url, secret = webhook.secret, event = event.name }
        end
    end
end

local function inbox_callback(store, event, add)
    local inbox = event.conversation and store:get("inboxes", event.conversation.inbox_id)
    if inbox and inbox.channel_type == "Channel::Api" and inbox.webhook_url then
        add { url = inbox.webhook_url, secret = inbox.secret, event = event.name }
    end
end

-- What bots hear: of a change of status only where it leads, under a name of its own.
local BOT_EVENTS = {
    message_created = function() return "message_created" end,
    message_updated = function() return "message_updated" end,
    conversation_status_changed = function(event)
        local status = event.changed.status[2]
        return status == "open" and "conversation_opened" or status == "resolved" and "conversation_resolved"
    end,
}

local function bot_of_inbox(store, event, add)
    local name = BOT_EVENTS[event.name] and BOT_EVENTS[event.name](event)
    local inbox = name and store:get("inboxes", event.conversation.inbox_id)
    local bot = inbox and store:get("agent_bots", inbox.agent_bot_id)
    if bot then
        add { url = bot.outgoing_url, secret = bot.secret, event = name }
    end
end

--- The targets of an event, in the order they are served. What a rule posts has the `url`, goes there alone and is
--- called after the event that the rule answers to.
---@param store moonwire.twin.store
---@param event moonwire.twin.event
---@return moonwire.twin.target[]
function subscribers.of(store, event)
    local targets = {}
    local function add(target)
        if target.url ~= "" then
            targets[#targets + 1] = target
        end
    end
    if event.url then
        add { url = event.url, event = "automation_event." .. event.rule.event_name }
    else
        account_webhooks(store, event, add)
        inbox_callback(store, event, add)
        bot_of_inbox(store, event, add)
    end
    return targets
end

return subscribers

--- Conversations and messages as the desk handles them: opening, saying, assigning, labelling, resolving. Every way
-- in (the agents' API, the public one, automation rules) comes through here, so that times, reports and events are
-- the same for all. Knows records and events, no wire.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"

local talk = {}

local LONGEST_CONTENT = 150000 -- characters

--- The link between a contact and an inbox by which both know each other; made when there is none.
---@param call moonwire.twin.call
---@param contact table
---@param inbox table
---@param source_id string|nil what the inbox calls the contact
---@return table contact_inbox
function talk.link(call, contact, inbox, source_id)
    local store = call.store
    if not source_id then
        for known in store:each("contact_inboxes", "contact_id", contact.id) do
            if known.inbox_id == inbox.id then
                return known
            end
        end
    end
    local number = store:last_id("contact_inboxes") + 1
    return store:insert("contact_inboxes", {
        contact_id = contact.id,
        inbox_id = inbox.id,
        source_id = source_id or ("twin-source-%d-%d"):format(inbox.id, contact.id),
        pubsub_token = ("twin-pubsub-%d"):format(number),
        created_at = call:now(),
    })
end

-- Where a bot answers, conversations wait for it before they are open to agents.
local function first_status(inbox)
    return inbox.agent_bot_id and "pending" or "open"
end

--- Opens a conversation.
---@param call moonwire.twin.call
---@param link table the contact_inbox it is held through
---@param fields table what differs from the usual: status, assignee_id, team_id, additional_attributes,
--- custom_attributes
---@return table conversation
function talk.open(call, link, fields)
    local now = call:now()
    local inbox = call.store:get("inboxes", link.inbox_id)
    local conversation = call.store:insert("conversations", {
        account_id = call.account.id,
        inbox_id = link.inbox_id,
        contact_id = link.contact_id,
        contact_inbox_id = link.id,
        status = fields.status or first_status(inbox),
        assignee_id = fields.assignee_id,
        team_id = fields.team_id,
        labels = {},
        additional_attributes = fields.additional_attributes or {},
        custom_attributes = fields.custom_attributes or {},
        created_at = now,
        last_activity_at = now,
        contact_last_seen_at = 0,
        agent_last_seen_at = 0,
    })
    call:emit("conversation_created", { conversation = conversation })
    return conversation
end

-- Updates a conversation and says so; `changes` as store:update wants them. Nothing new is no event.
local function change(call, conversation, changes)
    local changed = {}
    for field, value in pairs(changes) do
        local after = value ~= core.null and value or nil
        if conversation[field] ~= after then
            changed[field] = { conversation[field], after }
        end
    end
    if next(changed) == nil then
        return
    end
    call.store:update("conversations", conversation, changes)
    if changed.status then
        call:emit("conversation_status_changed", { conversation = conversation, changed = changed })
    end
    call:emit("conversation_updated", { conversation = conversation, changed = changed })
end

--- Takes over any fields of a conversation (custom attributes, ...), with its event. `core.null` clears one.
---@param call moonwire.twin.call
---@param conversation table
---@param changes table<string, any>
function talk.update(call, conversation, changes)
    change(call, conversation, changes)
end

local function report(call, conversation, name, value)
    call.store:insert("reporting_events", {
        account_id = conversation.account_id,
        conversation_id = conversation.id,
        name = name,
        value = value,
        inbox_id = conversation.inbox_id,
        user_id = conversation.assignee_id,
        team_id = conversation.team_id,
        created_at = call:now(),
    })
end

---@param call moonwire.twin.call
---@param conversation table
---@param status "open"|"resolved"|"pending"|"snoozed"
function talk.set_status(call, conversation, status)
    if status == "resolved" and conversation.status ~= "resolved" then
        report(call, conversation, "conversation_resolved", call:now() - conversation.created_at)
    end
    change(call, conversation, { status = status })
end

--- Gives a conversation to an agent or to nobody.
---@param call moonwire.twin.call
---@param conversation table
---@param user_id integer|nil
function talk.assign_agent(call, conversation, user_id)
    change(call, conversation, { assignee_id = user_id or core.null })
end

--- Gives a conversation to a team or to none.
---@param call moonwire.twin.call
---@param conversation table
---@param team_id integer|nil
function talk.assign_team(call, conversation, team_id)
    change(call, conversation, { team_id = team_id or core.null })
end

--- Replaces the whole set of labels.
---@param call moonwire.twin.call
---@param conversation table
---@param labels string[] without repetitions
function talk.set_labels(call, conversation, labels)
    if table.concat(labels, ",") ~= table.concat(conversation.labels, ",") then
        change(call, conversation, { labels = labels })
    end
end

-- What a message does to its conversation: times, the first answer, a resolved one that is open again.
local function heard(call, conversation, message)
    local now = message.created_at
    local changes = { last_activity_at = now }
    if message.message_type == "incoming" then
        changes.contact_last_seen_at = now
        changes.waiting_since = conversation.waiting_since or now
        local contact = call.store:get("contacts", conversation.contact_id)
        call.store:update("contacts", contact, { last_activity_at = now })
    elseif not message.private then
        changes.agent_last_seen_at = now
        changes.waiting_since = core.null
        if not conversation.first_reply_at and message.sender_type == "user" then
            changes.first_reply_at = now
            report(call, conversation, "first_response", now - conversation.created_at)
        end
    end
    call.store:update("conversations", conversation, changes)
end

--- What a message may say; ends the request with 422 when it is too long.
---@param content string
---@return string content
function talk.check_content(content)
    if (utf8.len(content) or #content) > LONGEST_CONTENT then
        errors.invalid(("Content is too long (maximum is %d characters)"):format(LONGEST_CONTENT), { "content" })
    end
    return content
end

--- Puts a message into a conversation, in the name of whoever asks; one of the contact when it is incoming.
---@param call moonwire.twin.call
---@param conversation table
---@param fields table content, and where they differ from the usual: message_type, private, content_type,
--- content_attributes, attachments, echo_id
---@return table message
function talk.say(call, conversation, fields)
    local incoming = fields.message_type == "incoming"
    local message = call.store:insert("messages", {
        account_id = conversation.account_id,
        conversation_id = conversation.id,
        inbox_id = conversation.inbox_id,
        content = fields.content,
        content_type = fields.content_type or "text",
        content_attributes = fields.content_attributes or {},
        message_type = incoming and "incoming" or "outgoing",
        private = fields.private or false,
        attachments = fields.attachments or {},
        sender_type = incoming and "contact" or call.identity.kind,
        sender_id = incoming and conversation.contact_id or call.identity.id,
        echo_id = fields.echo_id,
        created_at = call:now(),
    })
    heard(call, conversation, message)
    call:emit("message_created", { message = message, conversation = conversation })
    if incoming and conversation.status == "resolved" then
        change(call, conversation, { status = first_status(call.store:get("inboxes", conversation.inbox_id)) })
    elseif incoming and conversation.status == "snoozed" then
        change(call, conversation, { status = "open" })
    end
    return message
end

--- Changes a message, with its event.
---@param call moonwire.twin.call
---@param message table
---@param changes table<string, any>
function talk.change_message(call, message, changes)
    call.store:update("messages", message, changes)
    local conversation = call.store:get("conversations", message.conversation_id)
    call:emit("message_updated", { message = message, conversation = conversation })
end

return talk

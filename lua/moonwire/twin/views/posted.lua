--- Contacts, messages and conversations as the desk posts them to webhooks: not quite as its API shows them. Most have
-- two shapes: the one that an event is about, and the "pushed" one inside of another.
local core = require "moonwire.core"
local dates = require "moonwire.twin.dates"
local view = require "moonwire.twin.views.conversation"

local posted = {}

--- A value as JSON has it: null where there is none, which a payload shows, too.
---@param value any
---@return any
function posted.or_null(value)
    if value == nil then
        return core.null
    end
    return value
end

local or_null = posted.or_null

-- ---- people ----

local function account_data(store, id)
    local account = store:get("accounts", id)
    return { id = account.id, name = account.name }
end

-- A contact, with what both of its shapes have.
local function contact_fields(contact)
    return {
        id = contact.id,
        name = contact.name,
        email = or_null(contact.email),
        phone_number = or_null(contact.phone_number),
        identifier = or_null(contact.identifier),
        thumbnail = contact.thumbnail or "",
        blocked = contact.blocked or false,
        additional_attributes = contact.additional_attributes,
        custom_attributes = contact.custom_attributes,
    }
end

-- A contact inside of a conversation.
local function contact_pushed(contact)
    local out = contact_fields(contact)
    out.type = "contact"
    return out
end

--- A contact that the event is about, or that has written.
---@param store moonwire.twin.store
---@param contact table
---@return table
function posted.contact(store, contact)
    local out = contact_fields(contact)
    out.avatar = out.thumbnail
    out.account = account_data(store, contact.account_id)
    return out
end

local function user_pushed(store, user, account_id)
    local member = store:find("account_users", "member", account_id, user.id)
    return {
        id = user.id,
        name = user.name,
        available_name = user.display_name or user.name,
        avatar_url = "",
        thumbnail = "",
        type = "user",
        availability_status = member and member.availability_status or "offline",
    }
end

-- Who wrote a message, in both shapes; the table that holds the record, and how the platform calls its kind.
local SENDERS = {
    contact = { table = "contacts", kind = "Contact", data = posted.contact,
        pushed = function(_, contact) return contact_pushed(contact) end },
    user = { table = "users", kind = "User", pushed = user_pushed,
        data = function(_, user) return { id = user.id, name = user.name, email = user.email, type = "user" } end },
    bot = { table = "agent_bots", kind = "AgentBot",
        pushed = function(_, bot) return { id = bot.id, name = bot.name, avatar_url = "", type = "agent_bot" } end,
        data = function(_, bot) return { id = bot.id, name = bot.name, type = "agent_bot" } end },
}

local function sender(store, message, shape)
    local row = SENDERS[message.sender_type]
    local record = row and store:get(row.table, message.sender_id)
    return record and row[shape](store, record, message.account_id) or core.null
end

-- ---- messages and conversations ----

local MESSAGE_TYPES = { incoming = 0, outgoing = 1, activity = 2, template = 3 }

local function attachments_of(message)
    return message.attachments[1] and core.array(message.attachments) or nil
end

-- A message inside of its conversation.
local function message_pushed(store, message, conversation, unread)
    local link = store:get("contact_inboxes", conversation.contact_inbox_id)
    return {
        id = message.id,
        content = message.content,
        content_type = message.content_type,
        content_attributes = message.content_attributes,
        message_type = MESSAGE_TYPES[message.message_type],
        private = message.private,
        status = "sent",
        account_id = message.account_id,
        inbox_id = message.inbox_id,
        conversation_id = conversation.id,
        source_id = core.null,
        echo_id = message.echo_id,
        created_at = message.created_at,
        sender_type = SENDERS[message.sender_type] and SENDERS[message.sender_type].kind or core.null,
        sender_id = or_null(message.sender_id),
        sender = sender(store, message, "pushed"),
        attachments = attachments_of(message),
        conversation = {
            assignee_id = or_null(conversation.assignee_id),
            unread_count = unread,
            last_activity_at = conversation.last_activity_at,
            contact_inbox = { source_id = link.source_id },
        },
    }
end

-- The last message that the contact may see.
local function last_public(store, conversation)
    for message in store:each("messages", "conversation_id", conversation.id, true) do
        if not message.private and message.message_type ~= "activity" then
            return message
        end
    end
end

local function meta(store, conversation)
    local assignee = store:get("users", conversation.assignee_id)
    local team = store:get("teams", conversation.team_id)
    return {
        sender = contact_pushed(store:get("contacts", conversation.contact_id)),
        assignee = assignee and user_pushed(store, assignee, conversation.account_id) or core.null,
        assignee_type = assignee and "User" or core.null,
        team = team and { id = team.id, name = team.name } or core.null,
        hmac_verified = false,
    }
end

local function link_data(link)
    return {
        id = link.id,
        contact_id = link.contact_id,
        inbox_id = link.inbox_id,
        source_id = link.source_id,
        pubsub_token = link.pubsub_token,
        hmac_verified = false,
        created_at = dates.iso(link.created_at),
    }
end

--- A conversation, with its last message that the contact may see.
---@param store moonwire.twin.store
---@param conversation table
---@return table
function posted.conversation(store, conversation)
    local unread = view.unread(store, conversation)
    local last = last_public(store, conversation)
    return {
        id = conversation.id,
        inbox_id = conversation.inbox_id,
        status = conversation.status,
        channel = store:get("inboxes", conversation.inbox_id).channel_type,
        can_reply = true,
        additional_attributes = conversation.additional_attributes,
        custom_attributes = conversation.custom_attributes,
        contact_inbox = link_data(store:get("contact_inboxes", conversation.contact_inbox_id)),
        labels = core.array(conversation.labels),
        messages = core.array { last and message_pushed(store, last, conversation, unread) },
        meta = meta(store, conversation),
        priority = or_null(conversation.priority),
        snoozed_until = or_null(conversation.snoozed_until),
        unread_count = unread,
        first_reply_created_at = conversation.first_reply_at and dates.iso(conversation.first_reply_at) or core.null,
        waiting_since = conversation.waiting_since or 0,
        agent_last_seen_at = conversation.agent_last_seen_at,
        contact_last_seen_at = conversation.contact_last_seen_at,
        last_activity_at = conversation.last_activity_at,
        timestamp = conversation.last_activity_at,
        created_at = conversation.created_at,
    }
end

--- A message, with its conversation.
---@param store moonwire.twin.store
---@param message table
---@param conversation table
---@return table
function posted.message(store, message, conversation)
    local inbox = store:get("inboxes", conversation.inbox_id)
    return {
        id = message.id,
        content = message.content,
        content_type = message.content_type,
        content_attributes = message.content_attributes,
        additional_attributes = {},
        message_type = message.message_type,
        private = message.private,
        created_at = dates.iso(message.created_at),
        source_id = core.null,
        sender = sender(store, message, "data"),
        account = account_data(store, message.account_id),
        inbox = { id = inbox.id, name = inbox.name },
        conversation = posted.conversation(store, conversation),
        attachments = attachments_of(message),
    }
end

return posted

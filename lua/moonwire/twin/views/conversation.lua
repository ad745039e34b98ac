--- Conversations and messages as the service shows them. Where servers are known to send more than the documents say
-- (the times of a conversation), the view has both.
local core = require "moonwire.core"
local people = require "moonwire.twin.people"
local person = require "moonwire.twin.views.person"

local view = {}

local function contact_sender(contact)
    return contact and {
        id = contact.id,
        name = contact.name,
        email = contact.email or core.null,
        thumbnail = contact.thumbnail or "",
        type = "contact",
    }
end

local sender_of = {
    contact = function(store, id)
        return contact_sender(store:get("contacts", id))
    end,
    user = function(store, id)
        local user = store:get("users", id)
        return user and { id = user.id, name = user.name, type = "user" }
    end,
    bot = function(store, id)
        local bot = store:get("agent_bots", id)
        return bot and { id = bot.id, name = bot.name, type = "agent_bot" }
    end,
}

--- Who wrote a message; nil for the desk itself, for somebody who is gone, and for what data of others calls a sender.
---@param store moonwire.twin.store
---@return table|nil
function view.sender(store, message)
    local find = sender_of[message.sender_type]
    return find and find(store, message.sender_id)
end

---@param store moonwire.twin.store
---@return table
function view.message(store, message)
    return {
        id = message.id,
        content = message.content,
        content_type = message.content_type,
        content_attributes = message.content_attributes,
        message_type = message.message_type,
        created_at = message.created_at,
        private = message.private,
        status = message.status or "sent",
        attachment = message.attachments[1],
        attachments = message.attachments[1] and core.array(message.attachments) or nil,
        sender = view.sender(store, message),
        conversation_id = message.conversation_id,
        inbox_id = message.inbox_id,
        echo_id = message.echo_id,
    }
end

--- How many messages of the contact came since anybody answered.
---@param store moonwire.twin.store
---@return integer
function view.unread(store, conversation)
    local count = 0
    for message in store:each("messages", "conversation_id", conversation.id, true) do
        if message.message_type == "outgoing" and not message.private then
            break
        elseif message.message_type == "incoming" then
            count = count + 1
        end
    end
    return count
end

--- A team, as the user with `user_id` sees it.
---@param store moonwire.twin.store
---@return table
function view.team(store, team, user_id)
    return {
        id = team.id,
        name = team.name,
        description = team.description,
        allow_auto_assign = team.allow_auto_assign,
        account_id = team.account_id,
        is_member = user_id ~= nil and store:find("team_members", "member", team.id, user_id) ~= nil,
    }
end

local function meta(store, conversation, user_id)
    local contact = store:get("contacts", conversation.contact_id)
    local inbox = store:get("inboxes", conversation.inbox_id)
    local assignee = people.agent(store, conversation.account_id, conversation.assignee_id)
    local team = store:get("teams", conversation.team_id)
    return {
        sender = {
            id = contact.id,
            name = contact.name,
            email = contact.email or core.null,
            phone_number = contact.phone_number or core.null,
            thumbnail = contact.thumbnail or "",
            channel = inbox.channel_type,
        },
        channel = inbox.channel_type,
        assignee = assignee and person.user(store, assignee, conversation.account_id),
        team = team and view.team(store, team, user_id),
    }
end

--- A conversation with its last message.
---@param store moonwire.twin.store
---@param conversation table
---@param user_id integer|nil who looks at it
---@return table
function view.conversation(store, conversation, user_id)
    local last = store:first("messages", "conversation_id", conversation.id, true)
    return {
        id = conversation.id,
        display_id = conversation.id,
        account_id = conversation.account_id,
        inbox_id = conversation.inbox_id,
        status = conversation.status,
        priority = conversation.priority or core.null,
        timestamp = tostring(conversation.last_activity_at),
        created_at = conversation.created_at,
        last_activity_at = conversation.last_activity_at,
        contact_last_seen_at = tostring(conversation.contact_last_seen_at),
        agent_last_seen_at = tostring(conversation.agent_last_seen_at),
        unread_count = view.unread(store, conversation),
        labels = core.array(conversation.labels),
        additional_attributes = conversation.additional_attributes,
        custom_attributes = conversation.custom_attributes,
        messages = core.array { last and view.message(store, last) },
        meta = meta(store, conversation, user_id),
    }
end

return view

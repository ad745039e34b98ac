--- Records as the services show them in JSON: one function per kind of thing.
-- The shapes are the documented ones; where servers are known to send more (the flat fields of a contact, the
-- times of a conversation) the view has both, so that scripts written against either work.
local core = require "moonwire.core"
local lists = require "moonwire.twin.lists"

local views = {}

---@return table
function views.agent(agent)
    return {
        id = agent.id,
        uid = agent.email,
        name = agent.name,
        available_name = agent.name,
        display_name = agent.name,
        email = agent.email,
        account_id = agent.account_id,
        role = agent.role,
        confirmed = true,
        availability_status = agent.availability_status,
        auto_offline = agent.auto_offline,
        custom_attributes = {},
    }
end

--- An agent with the accounts it may enter.
---@return table
function views.user(agent, account)
    local out = views.agent(agent)
    out.accounts = core.array { { id = account.id, name = account.name, role = agent.role } }
    return out
end

---@return table
function views.team(team, user_id)
    return {
        id = team.id,
        name = team.name,
        description = team.description,
        allow_auto_assign = team.allow_auto_assign,
        account_id = team.account_id,
        is_member = lists.has(team.members, user_id),
    }
end

---@return table
function views.inbox(inbox)
    return {
        id = inbox.id,
        name = inbox.name,
        website_url = inbox.website_url or "",
        channel_type = inbox.channel_type,
        avatar_url = inbox.avatar_url or "",
        widget_color = inbox.widget_color or "",
        website_token = inbox.website_token or "",
        enable_auto_assignment = inbox.enable_auto_assignment,
        web_widget_script = inbox.web_widget_script or "",
        welcome_title = inbox.welcome_title or "",
        welcome_tagline = inbox.welcome_tagline or "",
        greeting_enabled = inbox.greeting_enabled or false,
        greeting_message = inbox.greeting_message or "",
    }
end

---@return table
function views.label(label)
    return {
        id = label.id,
        title = label.title,
        description = label.description,
        color = label.color,
        show_on_sidebar = label.show_on_sidebar,
    }
end

---@return table
function views.webhook(webhook)
    return {
        id = webhook.id,
        url = webhook.url,
        subscriptions = core.array(webhook.subscriptions),
        account_id = webhook.account_id,
    }
end

local function contact_fields(contact)
    return {
        id = contact.id,
        name = contact.name,
        email = contact.email or core.null,
        phone_number = contact.phone_number or core.null,
        identifier = contact.identifier or core.null,
        thumbnail = contact.thumbnail or "",
        availability_status = "offline",
        additional_attributes = contact.additional_attributes,
        custom_attributes = contact.custom_attributes,
        created_at = contact.created_at,
        last_activity_at = contact.last_activity_at,
    }
end

--- The inboxes a contact can be reached through.
---@return table[]
function views.contact_inboxes(contact, store)
    return core.array(lists.map(contact.inboxes, function(link)
        return {
            source_id = link.source_id,
            inbox = views.inbox(store:get("inboxes", link.inbox_id)),
        }
    end))
end

--- A contact as one item of a list.
---@return table
function views.contact(contact, store)
    local out = contact_fields(contact)
    local inner = contact_fields(contact)
    inner.contact_inboxes = views.contact_inboxes(contact, store)
    out.payload = { contact = inner }
    return out
end

--- A contact as the answer to a question for it.
---@return table
function views.contact_show(contact, store)
    local out = contact_fields(contact)
    out.contact = contact_fields(contact)
    out.contact_inboxes = views.contact_inboxes(contact, store)
    out.contact.contact_inboxes = out.contact_inboxes
    return { id = contact.id, availability_status = "offline", payload = out }
end

local function sender(message, store)
    if message.sender_type == "contact" then
        local contact = store:get("contacts", message.sender_id)
        return contact and {
            id = contact.id,
            name = contact.name,
            email = contact.email or core.null,
            thumbnail = contact.thumbnail or "",
            type = "contact",
        }
    end
    local from = message.sender_type == "bot" and "bots" or "agents"
    local found = store:get(from, message.sender_id)
    return found and {
        id = found.id,
        name = found.name,
        type = message.sender_type == "bot" and "agent_bot" or "user",
    }
end

---@return table
function views.message(message, store)
    return {
        id = message.id,
        content = message.content,
        content_type = message.content_type,
        content_attributes = message.content_attributes,
        message_type = message.message_type,
        created_at = message.created_at,
        private = message.private,
        attachment = message.attachments[1],
        attachments = message.attachments[1] and core.array(message.attachments) or nil,
        sender = sender(message, store),
        conversation_id = message.conversation_id,
        inbox_id = message.inbox_id,
    }
end

local function unread(conversation)
    local count = 0
    for i = #conversation.messages, 1, -1 do
        local message = conversation.messages[i]
        if message.message_type == "outgoing" and not message.private then
            break
        elseif message.message_type == "incoming" then
            count = count + 1
        end
    end
    return count
end

---@param state moonwire.twin.state
---@return table
function views.conversation(conversation, state, user_id)
    local store = state.store
    local contact = store:get("contacts", conversation.contact_id)
    local inbox = store:get("inboxes", conversation.inbox_id)
    local agent = store:get("agents", conversation.assignee_id)
    local team = store:get("teams", conversation.team_id)
    local last = conversation.messages[#conversation.messages]
    return {
        id = conversation.id,
        display_id = conversation.id,
        account_id = conversation.account_id,
        inbox_id = conversation.inbox_id,
        status = conversation.status,
        timestamp = tostring(conversation.last_activity_at),
        created_at = conversation.created_at,
        last_activity_at = conversation.last_activity_at,
        contact_last_seen_at = tostring(conversation.contact_last_seen_at),
        agent_last_seen_at = tostring(conversation.agent_last_seen_at),
        unread_count = unread(conversation),
        labels = core.array(conversation.labels),
        additional_attributes = conversation.additional_attributes,
        custom_attributes = conversation.custom_attributes,
        messages = core.array { last and views.message(last, store) },
        meta = {
            sender = {
                id = contact.id,
                name = contact.name,
                email = contact.email or core.null,
                phone_number = contact.phone_number or core.null,
                thumbnail = contact.thumbnail or "",
                channel = inbox.channel_type,
            },
            channel = inbox.channel_type,
            assignee = agent and views.user(agent, state.account),
            team = team and views.team(team, user_id),
        },
    }
end

return views

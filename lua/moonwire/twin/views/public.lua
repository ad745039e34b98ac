--- Contacts, conversations and messages as the public API shows them to a visitor. The types are the documented ones:
-- a message is all texts, also where the agents' API has numbers and objects.
local contact_view = require "moonwire.twin.views.contact"
local conversation_view = require "moonwire.twin.views.conversation"
local core = require "moonwire.core"
local lists = require "moonwire.twin.lists"

local view = {}

--- A contact, as the inbox of the contact_inbox knows it.
---@param store moonwire.twin.store
---@param link table the contact_inbox
---@return table
function view.contact(store, link)
    local contact = store:get("contacts", link.contact_id)
    return {
        source_id = link.source_id,
        pubsub_token = link.pubsub_token,
        id = contact.id,
        name = contact.name,
        email = contact.email or core.null,
        phone_number = contact.phone_number or core.null,
    }
end

--- A message, alone or in a list.
---@param store moonwire.twin.store
---@return table
function view.message(store, message)
    return {
        id = tostring(message.id),
        content = message.content,
        message_type = message.message_type,
        content_type = message.content_type,
        content_attributes = core.json_encode(message.content_attributes),
        created_at = tostring(message.created_at),
        conversation_id = tostring(message.conversation_id),
        attachments = core.array(message.attachments),
        sender = conversation_view.sender(store, message),
        echo_id = message.echo_id,
    }
end

--- A conversation with those of its messages that a visitor may see.
---@param store moonwire.twin.store
---@param conversation table
---@param messages table[]
---@return table
function view.conversation(store, conversation, messages)
    return {
        id = conversation.id,
        inbox_id = tostring(conversation.inbox_id),
        status = conversation.status,
        contact_last_seen_at = conversation.contact_last_seen_at,
        messages = core.array(lists.map(messages, function(message)
            return conversation_view.message(store, message)
        end)),
        contact = contact_view.fields(store:get("contacts", conversation.contact_id)),
    }
end

return view

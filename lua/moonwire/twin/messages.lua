--- The module `messages`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local views = require "moonwire.twin.views"

local messages = {}

local PAGE = 20

local function conversation_of(call)
    return call:find("conversations", call.params.conversation_id, "Conversation")
end

--- Puts a message into a conversation, in the name of whoever asks.
---@param call moonwire.twin.call
---@param conversation table
---@param fields table content, and where they differ from the usual: message_type, private, content_type,
--- content_attributes, attachments
---@return table message
function messages.add(call, conversation, fields)
    local incoming = fields.message_type == "incoming"
    local message = call.store:insert("messages", {
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
        created_at = call:now(),
    })
    table.insert(conversation.messages, message)
    conversation.last_activity_at = message.created_at
    if incoming then
        call.store:get("contacts", conversation.contact_id).last_activity_at = message.created_at
    else
        conversation.agent_last_seen_at = message.created_at
    end
    return message
end

-- The latest `PAGE` messages older than the one with id `before`, oldest first.
local function page(list, before)
    local stop = #list
    while before and stop > 0 and list[stop].id >= before do
        stop = stop - 1
    end
    return table.move(list, math.max(stop - PAGE + 1, 1), stop, 1, {})
end

function messages.list(call)
    local conversation = conversation_of(call)
    local view = views.conversation(conversation, call.state, call.identity.id)
    return {
        meta = {
            labels = view.labels,
            additional_attributes = view.additional_attributes,
            contact = view.meta.sender,
            assignee = view.meta.assignee,
            agent_last_seen_at = view.agent_last_seen_at,
        },
        payload = core.array(lists.map(page(conversation.messages, call.query.before),
            function(message)
                return views.message(message, call.store)
            end)),
    }
end

local function attachments(call)
    local out = {}
    for i, file in ipairs(call:given("attachments") or {}) do
        out[i] = {
            id = i,
            file_name = file.name,
            file_type = file.type,
            file_size = file.size,
        }
    end
    return out
end

function messages.create(call)
    local message = messages.add(call, conversation_of(call), {
        content = call.fields.content,
        message_type = call:given("message_type"),
        private = call:given("private"),
        content_type = call:given("content_type"),
        content_attributes = call:given("content_attributes"),
        attachments = attachments(call),
    })
    return views.message(message, call.store)
end

function messages.delete(call)
    local conversation = conversation_of(call)
    local message = call:find("messages", call.params.message_id, "Message")
    if message.conversation_id ~= conversation.id then
        errors.not_found("Message")
    end
    call.store:remove("messages", message.id)
    lists.drop(conversation.messages, { message })
end

return messages

--- The module `messages`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local talk = require "moonwire.twin.talk"
local view = require "moonwire.twin.views.conversation"

local messages = {}

local PAGE = 20

local function conversation_of(call)
    return call:find("conversations", call.params.conversation_id, "Conversation")
end

-- The latest `PAGE` messages older than the one with id `before`, oldest first.
local function page(call, conversation, before)
    local out = {}
    for message in call.store:each("messages", "conversation_id", conversation.id, true) do
        if not before or message.id < before then
            table.insert(out, 1, message)
        end
        if #out == PAGE then
            break
        end
    end
    return out
end

function messages.list(call)
    local conversation = conversation_of(call)
    local shown = view.conversation(call.store, conversation, call.identity.id)
    return {
        meta = {
            labels = shown.labels,
            additional_attributes = shown.additional_attributes,
            contact = shown.meta.sender,
            assignee = shown.meta.assignee,
            agent_last_seen_at = shown.agent_last_seen_at,
        },
        payload = core.array(lists.map(page(call, conversation, call.query.before), function(message)
            return view.message(call.store, message)
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
    return view.message(call.store, talk.say(call, conversation_of(call), {
        content = call.fields.content,
        message_type = call:given("message_type"),
        private = call:given("private"),
        content_type = call:given("content_type"),
        content_attributes = call:given("content_attributes"),
        attachments = attachments(call),
    }))
end

-- As on the platform, a deleted message stays where it was and says so.
function messages.delete(call)
    local conversation = conversation_of(call)
    local message = call:find("messages", call.params.message_id, "Message")
    if message.conversation_id ~= conversation.id then
        errors.not_found("Message")
    end
    talk.change_message(call, message, {
        content = "This message was deleted",
        content_attributes = { deleted = true },
        attachments = {},
    })
end

return messages

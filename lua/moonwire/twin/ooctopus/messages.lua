--- The module `messages`, and one operation that servers have and the documents don't list: the status of a message
-- that an API inbox has carried on.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local talk = require "moonwire.twin.talk"
local view = require "moonwire.twin.views.conversation"

local messages = {}

--- Rows beyond the documented operations.
messages.rows = {
    {
        service = "ooctopus",
        module = "messages",
        method = "update",
        verb = "PATCH",
        path = "/api/v1/accounts/{account_id}/conversations/{conversation_id}/messages/{message_id}",
        auth = { "user" },
        path_params = {
            { name = "account_id", type = "integer", required = true },
            { name = "conversation_id", type = "integer", required = true },
            { name = "message_id", type = "integer", required = true },
        },
        query = {},
        body = {
            kind = "json",
            fields = { { name = "status", type = "string" }, { name = "external_error", type = "string" } },
        },
        responses = {
            { status = 200, meaning = "Success" },
            { status = 403, meaning = "Access denied" },
            { status = 404, meaning = "Conversation not found" },
        },
    },
}

local PAGE = 20

local function conversation_of(call)
    return call:find("conversations", call.params.conversation_id, "Conversation")
end

-- The latest `PAGE` messages older than the one with id `before`, oldest first.
local function page(call, conversation, before)
    local newest_first = {}
    before = before or math.maxinteger
    for message in call.store:each_from("messages", "conversation_id", conversation.id, before, true) do
        newest_first[#newest_first + 1] = message
        if #newest_first == PAGE then
            break
        end
    end
    return lists.reversed(newest_first)
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

-- Whether a program carries the messages of a conversation: it may speak for the contact, and says what arrived.
local function is_carried(call, conversation)
    return call.store:get("inboxes", conversation.inbox_id).channel_type == "Channel::Api"
end

function messages.create(call)
    local conversation = conversation_of(call)
    if call:given("message_type") == "incoming" and not is_carried(call, conversation) then
        errors.raise(422, "Incoming messages are only allowed in Api inboxes")
    end
    return view.message(call.store, talk.say(call, conversation, {
        content = talk.check_content(call.fields.content),
        message_type = call:given("message_type"),
        private = call:given("private"),
        content_type = call:given("content_type"),
        content_attributes = call:given("content_attributes"),
        attachments = attachments(call),
    }))
end

local function message_of(call, conversation)
    local message = call:find("messages", call.params.message_id, "Message")
    if message.conversation_id ~= conversation.id then
        errors.not_found("Message")
    end
    return message
end

local STATUSES = { sent = true, delivered = true, read = true, failed = true }

-- As on the platform, a status that there isn't, or one that goes back from read to delivered, changes nothing.
function messages.update(call)
    local conversation = conversation_of(call)
    local message = message_of(call, conversation)
    if not is_carried(call, conversation) then
        errors.raise(403, "Message status update is only allowed for API inboxes")
    end
    local status = call:given("status")
    if STATUSES[status] and not (message.status == "read" and status == "delivered") then
        local attributes = {}
        for name, value in pairs(message.content_attributes) do
            attributes[name] = value
        end
        attributes.external_error = status == "failed" and call:given("external_error") or nil
        talk.change_message(call, message, { status = status, content_attributes = attributes })
    end
    return view.message(call.store, message)
end

-- As on the platform, a deleted message stays where it was and says so.
function messages.delete(call)
    talk.change_message(call, message_of(call, conversation_of(call)), {
        content = "This message was deleted",
        content_attributes = { deleted = true },
        attachments = {},
    })
end

return messages

--- Visitors: contacts who come by the public API, which has no account in its paths. An inbox is known by its
-- identifier, a contact by what that inbox calls it. Gives the call its account.
local auth = require "moonwire.twin.auth"
local errors = require "moonwire.twin.errors"

local visitors = {}

--- The API inbox of the path; the account of the call is from now on the inbox's. Ends the request with 404 when
--- there is none, and as `auth.enter` does when a user asks who doesn't belong there.
---@param call moonwire.twin.call
---@return table inbox
function visitors.inbox(call)
    local identifier = call.params.inbox_identifier
    local inbox = call.store:find("inboxes", "identifier", identifier)
    -- The index doesn't tell letter case apart, identifiers do.
    if not inbox or inbox.identifier ~= identifier then
        errors.not_found("Inbox")
    end
    call.account = call.store:get("accounts", inbox.account_id)
    if call.identity.kind == "user" then
        auth.enter(call.store, call.row, call.identity, inbox.account_id)
    end
    return inbox
end

--- What connects an inbox with the contact that it knows by a name.
---@param store moonwire.twin.store
---@param inbox table
---@param source_id string
---@return table|nil contact_inbox
function visitors.find(store, inbox, source_id)
    return store:first("contact_inboxes", "source", inbox.id .. "|" .. source_id)
end

--- The contact_inbox of the path. Ends the request with 404 when there is none.
---@param call moonwire.twin.call
---@return table contact_inbox
function visitors.link(call)
    return visitors.find(call.store, visitors.inbox(call), call.params.contact_identifier)
        or errors.not_found("Contact")
end

--- The conversation of the path: one that was held through the contact_inbox. Ends the request with 404 when there is
--- none.
---@param call moonwire.twin.call
---@return table conversation
function visitors.conversation(call)
    local link = visitors.link(call)
    local conversation = call:find("conversations", call.params.conversation_id, "Conversation")
    if conversation.contact_inbox_id ~= link.id then
        errors.not_found("Conversation")
    end
    return conversation
end

--- The latest `count` messages of a conversation that its contact may see, oldest first: no private notes.
---@param store moonwire.twin.store
---@param conversation table
---@param count integer
---@return table[] messages
function visitors.messages(store, conversation, count)
    local out = {}
    for message in store:each("messages", "conversation_id", conversation.id, true) do
        if not message.private then
            table.insert(out, 1, message)
        end
        if #out == count then
            break
        end
    end
    return out
end

return visitors

--- The module `public.messages`: what a visitor says, and what it gets to read.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local talk = require "moonwire.twin.talk"
local view = require "moonwire.twin.views.public"
local visitors = require "moonwire.twin.visitors"

local messages = {}

local PAGE = 20

function messages.list(call)
    local found = visitors.messages(call.store, visitors.conversation(call), PAGE)
    return core.array(lists.map(found, function(message)
        return view.message(call.store, message)
    end))
end

function messages.create(call)
    local conversation, echo_id = visitors.conversation(call), call:given("echo_id")
    return view.message(call.store, talk.say(call, conversation, {
        content = talk.check_content(call:given("content") or ""),
        message_type = "incoming",
        echo_id = echo_id and tostring(echo_id), -- some clients count theirs
    }))
end

-- What a visitor fills in on a form or a card.
function messages.update(call)
    local conversation = visitors.conversation(call)
    local message = call:find("messages", call.params.message_id, "Message")
    if message.conversation_id ~= conversation.id or message.private then
        errors.not_found("Message")
    end
    local submitted = call:given("submitted_values")
    if submitted then
        local attributes = {}
        for name, value in pairs(message.content_attributes) do
            attributes[name] = value
        end
        attributes.submitted_values = submitted
        talk.change_message(call, message, { content_attributes = attributes })
    end
    return view.message(call.store, message)
end

return messages

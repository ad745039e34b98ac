--- The module `public.conversations`: what a visitor holds through the inbox it came by.
local core = require "moonwire.core"
local lists = require "moonwire.twin.lists"
local talk = require "moonwire.twin.talk"
local view = require "moonwire.twin.views.public"
local visitors = require "moonwire.twin.visitors"

local conversations = {}

local SHOWN = 20 -- messages

local function show(call, conversation)
    return view.conversation(call.store, conversation, visitors.messages(call.store, conversation, SHOWN))
end

function conversations.create(call)
    return show(call, talk.open(call, visitors.link(call), {}))
end

function conversations.list(call)
    local found = call.store:list("conversations", "contact_inbox_id", visitors.link(call).id)
    return core.array(lists.map(found, function(conversation)
        return show(call, conversation)
    end))
end

return conversations

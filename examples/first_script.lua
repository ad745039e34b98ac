-- The open conversations of a desk, each with the last thing that was said.
local mw = require "moonwire"
local desk = mw.connect "ooctopus"

for conversation in desk.conversations:each { status = "open" } do
    local last = conversation.messages[1]
    print(("#%d %s: %s"):format(conversation.id, conversation.meta.sender.name, last.content))
end

print(desk.conversations:counts().meta.unassigned_count .. " belong to nobody yet")

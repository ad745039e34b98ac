-- How many open conversations each agent and each inbox has, asked for at the same time.
local mw = require "moonwire"
local desk = mw.connect "ooctopus"

local by_agent = {}
for conversation in desk.conversations:each { status = "open", assignee_type = "assigned" } do
    local name = conversation.meta.assignee.name
    by_agent[name] = (by_agent[name] or 0) + 1
end
for _, agent in ipairs(desk.agents:list()) do
    print(("%4d  %s"):format(by_agent[agent.name] or 0, agent.name))
end

local inboxes = desk.inboxes:list().payload
local counts = mw.map(inboxes, function(inbox)
    return desk.conversations:counts { inbox_id = inbox.id }.meta.all_count
end, { concurrency = 4 })
for i, inbox in ipairs(inboxes) do
    print(("%4d  %s"):format(counts[i], inbox.name))
end

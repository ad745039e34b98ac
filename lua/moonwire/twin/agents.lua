--- The module `agents`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local views = require "moonwire.twin.views"

local agents = {}

function agents.list(call)
    return core.array(lists.map(call.store:all("agents"), views.agent))
end

function agents.create(call)
    local fields = call.fields
    if not fields.email:find("^[^@%s]+@[^@%s]+$") then
        errors.invalid("Email is invalid", { "email" })
    end
    if call.store:find("agents", "email", fields.email:lower()) then
        errors.invalid("Email has already been taken", { "email" })
    end
    return views.agent(call.store:insert("agents", {
        name = fields.name,
        email = fields.email:lower(),
        account_id = call.state.account.id,
        role = fields.role,
        availability_status = call:given("availability_status") or "offline",
        auto_offline = call:given("auto_offline") ~= false,
    }))
end

function agents.update(call)
    local agent = call:find("agents", call.params.id, "Agent")
    agent.role = call.fields.role
    agent.availability_status = call:given("availability") or agent.availability_status
    if call:given("auto_offline") ~= nil then
        agent.auto_offline = call:given("auto_offline")
    end
    return views.agent(agent)
end

function agents.delete(call)
    local agent = call:find("agents", call.params.id, "Agent")
    local store = call.store
    store:remove("agents", agent.id)
    for _, owner in ipairs { "teams", "inboxes" } do
        for _, record in ipairs(store:all(owner)) do
            lists.drop(record.members, { agent.id })
        end
    end
    for _, conversation in ipairs(store:all("conversations")) do
        if conversation.assignee_id == agent.id then
            conversation.assignee_id = nil
        end
    end
end

return agents

--- Agents as members of a team or an inbox: the four operations that both have.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local views = require "moonwire.twin.views"

local members = {}

--- The ids in `user_ids`, each of an existing agent; else the documented 422.
---@return integer[]
function members.ids(call)
    return lists.map(call.fields.user_ids, function(value)
        local id = math.tointeger(tonumber(value))
        if not call.store:get("agents", id) then
            errors.invalid("User must exist", { "user_ids" })
        end
        return id
    end)
end

--- The agents that belong to `owner`.
---@return table[]
function members.list(call, owner)
    return core.array(lists.map(owner.members, function(id)
        return views.agent(call.store:get("agents", id))
    end))
end

---@return table[]
function members.add(call, owner)
    lists.add(owner.members, members.ids(call))
    return members.list(call, owner)
end

---@return table[]
function members.set(call, owner)
    local ids = members.ids(call)
    owner.members = {}
    lists.add(owner.members, ids)
    return members.list(call, owner)
end

function members.remove(call, owner)
    lists.drop(owner.members, members.ids(call))
end

return members

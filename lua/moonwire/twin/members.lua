--- Agents as members of a team or an inbox: the four operations that both have.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local people = require "moonwire.twin.people"
local person = require "moonwire.twin.views.person"

local members = {}

local LINKS = { teams = "team_members", inboxes = "inbox_members" }
local KEY = { teams = "team_id", inboxes = "inbox_id" }

-- The ids in `user_ids`, each of an agent of the account; else the documented 422.
local function wanted(call)
    local out = {}
    for _, value in ipairs(call.fields.user_ids) do
        local user = people.agent(call.store, call.account.id, value)
        if not user then
            errors.invalid("User must exist", { "user_ids" })
        end
        out[#out + 1] = user.id
    end
    return out
end

local function add(call, kind, owner, ids)
    local links, key = LINKS[kind], KEY[kind]
    for _, user_id in ipairs(ids) do
        if not call.store:find(links, "member", owner.id, user_id) then
            call.store:insert(links, { [key] = owner.id, user_id = user_id })
        end
    end
end

--- The agents that belong to `owner`.
---@param call moonwire.twin.call
---@param kind "teams"|"inboxes"
---@param owner table
---@return table[]
function members.list(call, kind, owner)
    local out = {}
    for link in call.store:each(LINKS[kind], KEY[kind], owner.id) do
        out[#out + 1] = person.agent(people.agent(call.store, call.account.id, link.user_id))
    end
    return core.array(out)
end

--- Adds the agents of `user_ids`; all members afterwards.
---@return table[]
function members.add(call, kind, owner)
    add(call, kind, owner, wanted(call))
    return members.list(call, kind, owner)
end

--- Makes the agents of `user_ids` the only members.
---@return table[]
function members.set(call, kind, owner)
    local ids = wanted(call)
    for _, link in ipairs(call.store:list(LINKS[kind], KEY[kind], owner.id)) do
        call.store:remove(LINKS[kind], link)
    end
    add(call, kind, owner, ids)
    return members.list(call, kind, owner)
end

--- Takes the agents of `user_ids` out.
function members.remove(call, kind, owner)
    for _, user_id in ipairs(wanted(call)) do
        local link = call.store:find(LINKS[kind], "member", owner.id, user_id)
        if link then
            call.store:remove(LINKS[kind], link)
        end
    end
end

return members

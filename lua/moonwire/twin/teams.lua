--- The module `teams`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local members = require "moonwire.twin.members"
local views = require "moonwire.twin.views"

local teams = {}

local function team_of(call)
    return call:find("teams", call.params.team_id, "Team")
end

local function check_name(call, name, own_id)
    if type(name) ~= "string" or name == "" then
        errors.invalid("Name can't be blank", { "name" })
    end
    local other = call.store:find("teams", "name", name:lower())
    if other and other.id ~= own_id then
        errors.invalid("Name has already been taken", { "name" })
    end
    return name:lower()
end

function teams.list(call)
    return core.array(lists.map(call.store:all("teams"), function(team)
        return views.team(team, call.identity.id)
    end))
end

function teams.get(call)
    return views.team(team_of(call), call.identity.id)
end

function teams.create(call)
    return views.team(call.store:insert("teams", {
        name = check_name(call, call.fields.name),
        description = call:given("description") or "",
        allow_auto_assign = call:given("allow_auto_assign") ~= false,
        account_id = call.state.account.id,
        members = {},
    }), call.identity.id)
end

function teams.update(call)
    local team = team_of(call)
    if call.fields.name ~= nil then
        team.name = check_name(call, call.fields.name, team.id)
    end
    team.description = call:given("description") or team.description
    if call:given("allow_auto_assign") ~= nil then
        team.allow_auto_assign = call:given("allow_auto_assign")
    end
    return views.team(team, call.identity.id)
end

function teams.delete(call)
    local team = team_of(call)
    call.store:remove("teams", team.id)
    for _, conversation in ipairs(call.store:all("conversations")) do
        if conversation.team_id == team.id then
            conversation.team_id = nil
        end
    end
end

function teams.members(call)
    return members.list(call, team_of(call))
end

function teams.add_members(call)
    return members.add(call, team_of(call))
end

function teams.set_members(call)
    return members.set(call, team_of(call))
end

function teams.remove_members(call)
    return members.remove(call, team_of(call))
end

return teams

--- The module `teams`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local members = require "moonwire.twin.members"
local talk = require "moonwire.twin.talk"
local view = require "moonwire.twin.views.conversation"

local teams = {
    administrators = { "create", "update", "delete", "add_members", "set_members", "remove_members" },
}

local function team_of(call)
    return call:find("teams", call.params.team_id, "Team")
end

local function check_name(call, name, own_id)
    if type(name) ~= "string" or name == "" then
        errors.invalid("Name can't be blank", { "name" })
    end
    local other = call.store:find("teams", "name", call.account.id, name)
    if other and other.id ~= own_id then
        errors.invalid("Name has already been taken", { "name" })
    end
    return name:lower()
end

local function show(call, team)
    return view.team(call.store, team, call.identity.id)
end

function teams.list(call)
    return core.array(lists.map(call.store:list("teams", "account_id", call.account.id), function(team)
        return show(call, team)
    end))
end

function teams.get(call)
    return show(call, team_of(call))
end

function teams.create(call)
    return show(call, call.store:insert("teams", {
        account_id = call.account.id,
        name = check_name(call, call.fields.name),
        description = call:given("description") or "",
        allow_auto_assign = call:given("allow_auto_assign") ~= false,
    }))
end

function teams.update(call)
    local team = team_of(call)
    return show(call, call.store:update("teams", team, {
        name = call.fields.name ~= nil and check_name(call, call.fields.name, team.id) or nil,
        description = call:given("description"),
        allow_auto_assign = call:given("allow_auto_assign"),
    }))
end

function teams.delete(call)
    local team = team_of(call)
    for _, conversation in ipairs(call.store:list("conversations", "team_id", team.id)) do
        talk.assign_team(call, conversation, nil)
    end
    call.store:remove("teams", team)
end

function teams.members(call)
    return members.list(call, "teams", team_of(call))
end

function teams.add_members(call)
    return members.add(call, "teams", team_of(call))
end

function teams.set_members(call)
    return members.set(call, "teams", team_of(call))
end

function teams.remove_members(call)
    return members.remove(call, "teams", team_of(call))
end

return teams

--- The module `platform.account_users`: who belongs to which account.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local people = require "moonwire.twin.people"

local account_users = {}

local ROLES = { "agent", "administrator" }

local function show(member)
    return { id = member.id, account_id = member.account_id, user_id = member.user_id, role = member.role }
end

local function enter(call)
    call.account = call:find("accounts", call.params.account_id, "Account")
end

function account_users.list(call)
    enter(call)
    return core.array(lists.map(call.store:list("account_users", "account_id", call.account.id), show))
end

function account_users.create(call)
    enter(call)
    local user = call.store:get("users", math.tointeger(tonumber(call.fields.user_id)))
    if not user then
        errors.invalid("User must exist", { "user_id" })
    elseif not lists.has(ROLES, call.fields.role) then
        errors.invalid("Role is not included in the list", { "role" })
    end
    return show(people.join(call.store, call.account.id, user.id, { role = call.fields.role }))
end

function account_users.delete(call)
    enter(call)
    local _, member = people.agent(call.store, call.account.id, call.fields.user_id)
    if not member then
        errors.not_found("Account user")
    end
    people.leave(call, member)
end

return account_users

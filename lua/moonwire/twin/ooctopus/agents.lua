--- The module `agents`: the users of an account.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local people = require "moonwire.twin.people"
local person = require "moonwire.twin.views.person"

local agents = { administrators = { "create", "update", "delete" } }

local function agent_of(call)
    local user, member = people.agent(call.store, call.account.id, call.params.id)
    if not user then
        errors.not_found("Agent")
    end
    return user, member
end

function agents.list(call)
    local out = {}
    for member in call.store:each("account_users", "account_id", call.account.id) do
        out[#out + 1] = person.agent(call.store:get("users", member.user_id), member)
    end
    return core.array(out)
end

function agents.create(call)
    local fields = call.fields
    -- Somebody whom the platform knows from another account becomes an agent here, too, under the known name.
    local user = call.store:find("users", "email", fields.email)
    if not user or people.agent(call.store, call.account.id, user.id) then
        user = people.new_user(call, { name = fields.name, email = people.check_email(call, fields.email) })
    end
    return person.agent(user, people.join(call.store, call.account.id, user.id, {
        role = fields.role,
        availability_status = call:given("availability_status"),
        auto_offline = call:given("auto_offline"),
    }))
end

function agents.update(call)
    local user, member = agent_of(call)
    call.store:update("account_users", member, {
        role = call.fields.role,
        availability_status = call:given("availability"),
        auto_offline = call:given("auto_offline"),
    })
    return person.agent(user, member)
end

function agents.delete(call)
    local user, member = agent_of(call)
    people.leave(call, member)
    -- Whoever belongs nowhere any more is gone.
    if call.store:count("account_users", "user_id", user.id) == 0 then
        people.remove_user(call, user)
    end
end

return agents

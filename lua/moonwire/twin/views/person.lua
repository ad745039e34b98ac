--- Users, agents and bots as the services show them. The shapes are the documented ones.
local core = require "moonwire.core"

local view = {}

--- An agent: a user in an account.
---@param user table
---@param member table the record of `account_users`
---@return table
function view.agent(user, member)
    return {
        id = user.id,
        uid = user.email,
        name = user.name,
        available_name = user.display_name or user.name,
        display_name = user.display_name or user.name,
        email = user.email,
        account_id = member.account_id,
        role = member.role,
        confirmed = true,
        availability_status = member.availability_status,
        auto_offline = member.auto_offline,
        thumbnail = "",
        custom_attributes = user.custom_attributes,
    }
end

--- A user with the accounts it may enter; of `account_id`, or the first of them without it.
---@param store moonwire.twin.store
---@param user table
---@param account_id integer|nil
---@return table
function view.user(store, user, account_id)
    local accounts, here = {}, nil
    for member in store:each("account_users", "user_id", user.id) do
        local account = store:get("accounts", member.account_id)
        accounts[#accounts + 1] = { id = account.id, name = account.name, role = member.role }
        if account.id == account_id or not account_id and not here then
            here = member
        end
    end
    return {
        id = user.id,
        uid = user.email,
        name = user.name,
        available_name = user.display_name or user.name,
        display_name = user.display_name or user.name,
        email = user.email,
        account_id = here and here.account_id or core.null,
        role = here and here.role or core.null,
        availability_status = here and here.availability_status,
        confirmed = true,
        custom_attributes = user.custom_attributes,
        accounts = core.array(accounts),
    }
end

--- An agent bot.
---@return table
function view.bot(bot)
    return {
        id = bot.id,
        name = bot.name,
        description = bot.description,
        account_id = bot.account_id or core.null,
        outgoing_url = bot.outgoing_url,
    }
end

return view

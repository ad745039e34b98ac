--- The module `platform.accounts`.
local errors = require "moonwire.twin.errors"

local accounts = {}

local function show(account)
    return { id = account.id, name = account.name }
end

local function account_of(call)
    return call:find("accounts", call.params.account_id, "Account")
end

function accounts.get(call)
    return show(account_of(call))
end

function accounts.create(call)
    local name = call:given("name")
    if not name or name == "" then
        errors.invalid("Name can't be blank", { "name" })
    end
    return show(call.store:insert("accounts", { name = name, created_at = call:now() }))
end

function accounts.update(call)
    local account = account_of(call)
    if call.fields.name ~= nil and (call:given("name") or "") == "" then
        errors.invalid("Name can't be blank", { "name" })
    end
    return show(call.store:update("accounts", account, { name = call.fields.name }))
end

-- Everything in it goes with it; its users stay, and may belong to other accounts.
function accounts.delete(call)
    call.store:remove("accounts", account_of(call))
end

return accounts

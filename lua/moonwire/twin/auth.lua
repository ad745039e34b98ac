--- Who is asking: reads the token and holds it against the kinds that serve the row, then against the account.
-- Knows tokens, kinds and roles, no routes.
local errors = require "moonwire.twin.errors"

local auth = {}

local function bearer(headers)
    local scheme, token = (headers["authorization"] or ""):match("^(%a+)%s+(%S+)%s*$")
    return scheme and scheme:lower() == "bearer" and token or nil
end

-- Some proxies drop headers with underscores, so the platform reads both spellings.
local function access_token(headers)
    return headers["api_access_token"] or headers["api-access-token"]
end

local function serves(row, kind)
    for _, allowed in ipairs(row.auth) do
        if allowed == kind then
            return true
        end
    end
    return false
end

--- The identity behind a request, or a 401: `{ kind = "user"|"bot"|"platform"|"oauth", id = ... }`, where id is a
--- user, a bot or, of Circuit, a UUID. A row without token kinds is open to everybody: `{ kind = "public" }`.
---@param store moonwire.twin.store
---@param row table the operation
---@param headers table<string, string> lower-case names
---@return table identity
function auth.identify(store, row, headers)
    if #row.auth == 0 then
        return { kind = "public" }
    end
    local read = row.service == "circuit" and bearer or access_token
    local token = read(headers)
    if not token or token == "" then
        errors.raise(401, "You need to sign in or sign up before continuing.")
    end
    local known = store:first("tokens", "token", token)
    if not known then
        errors.raise(401, "Invalid Access Token")
    end
    if not serves(row, known.kind) then
        errors.raise(401, ("Access to this endpoint is not authorized for %s tokens"):format(known.kind))
    end
    return { kind = known.kind, id = known.user_id or known.bot_id or known.uuid }
end

-- A bot of the platform belongs to the accounts where an inbox has it.
local function bot_serves(store, bot_id, account_id)
    local bot = store:get("agent_bots", bot_id)
    if bot.account_id then
        return bot.account_id == account_id
    end
    for inbox in store:each("inboxes", "agent_bot_id", bot_id) do
        if inbox.account_id == account_id then
            return true
        end
    end
    return false
end

--- The account in the path. Ends the request unless the caller belongs to it: 403 where the row documents it, else
--- 404. Gives the caller's role to the identity: "administrator" or "agent".
---@param store moonwire.twin.store
---@param row table the operation
---@param identity table
---@param account_id integer
---@return table account
function auth.enter(store, row, identity, account_id)
    local account = store:get("accounts", account_id)
    local allowed = false
    if account and identity.kind == "user" then
        local member = store:find("account_users", "member", account_id, identity.id)
        identity.role = member and member.role
        allowed = member ~= nil
    elseif account and identity.kind == "bot" then
        allowed = bot_serves(store, identity.id, account_id)
    end
    if allowed then
        return account
    elseif errors.documents(row, 403) then
        errors.raise(403, "You are not authorized to access this account")
    end
    return errors.not_found("Account")
end

--- Ends the request unless the caller is an administrator of the account: 403 where the row documents it, else 401.
---@param row table the operation
---@param identity table
function auth.check_administrator(row, identity)
    if identity.role ~= "administrator" then
        errors.raise(errors.documents(row, 403) and 403 or 401, "You are not authorized to do this action")
    end
end

return auth

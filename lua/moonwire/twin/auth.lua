--- Who is asking: reads the token and holds it against the kinds that serve the row.
-- Knows tokens and kinds, no routes.
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

--- The identity behind a request, or a 401: `{ kind = "user"|"bot"|"platform"|"oauth", id = ... }`.
--- A row without token kinds is open to everybody and gives `{ kind = "public" }`.
---@param state moonwire.twin.state
---@param row table the operation
---@param headers table<string, string> lower-case names
---@return table identity
function auth.identify(state, row, headers)
    if #row.auth == 0 then
        return { kind = "public" }
    end
    local read = row.service == "circuit" and bearer or access_token
    local token = read(headers)
    if not token or token == "" then
        errors.raise(401, "You need to sign in or sign up before continuing.")
    end
    local identity = state.tokens[token]
    if not identity then
        errors.raise(401, "Invalid Access Token")
    end
    if not serves(row, identity.kind) then
        errors.raise(401, ("Access to this endpoint is not authorized for %s tokens")
            :format(identity.kind))
    end
    return identity
end

--- Ends the request unless the account in the path is the twin's: 403 where the row documents it, else 404.
---@param state moonwire.twin.state
---@param row table the operation
---@param account_id integer|nil
function auth.check_account(state, row, account_id)
    if account_id == nil or account_id == state.account.id then
        return
    end
    for _, response in ipairs(row.responses) do
        if response.status == 403 then
            errors.raise(403, "You are not authorized to access this account")
        end
    end
    errors.not_found("Account")
end

return auth

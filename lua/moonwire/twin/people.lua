--- Users and agents: who belongs to an account, and what leaving it does. An agent is a user in an account.
-- Knows records, no routes.
local errors = require "moonwire.twin.errors"
local talk = require "moonwire.twin.talk"

local people = {}

--- An e-mail address that a user may have: it looks like one and nobody else has it. Ends the request with 422.
---@param call moonwire.twin.call
---@param email string|nil
---@param own_id integer|nil whose address it may be already
---@return string email
function people.check_email(call, email, own_id)
    if not email or email == "" then
        errors.invalid("Email can't be blank", { "email" })
    elseif not email:find("^[^@%s]+@[^@%s]+$") then
        errors.invalid("Email is invalid", { "email" })
    end
    local other = call.store:find("users", "email", email)
    if other and other.id ~= own_id then
        errors.invalid("Email has already been taken", { "email" })
    end
    return email:lower()
end

--- A new user, with an access token. The token is counted, not drawn, so that two runs of a twin are alike.
---@param call moonwire.twin.call
---@param fields { name: string, email: string, display_name: string|nil, custom_attributes: table|nil }
---@return table user
function people.new_user(call, fields)
    local user = call.store:insert("users", {
        name = fields.name,
        email = fields.email:lower(),
        display_name = fields.display_name,
        custom_attributes = fields.custom_attributes or {},
        created_at = call:now(),
    })
    call.store:insert("tokens", {
        token = ("twin-user-%d-token"):format(user.id),
        kind = "user",
        user_id = user.id,
    })
    return user
end

--- The agent that a user is in an account.
---@param store moonwire.twin.store
---@param account_id integer
---@param user_id any
---@return table|nil user, table|nil member the record of `account_users`
function people.agent(store, account_id, user_id)
    local id = math.tointeger(tonumber(user_id))
    local member = id and store:find("account_users", "member", account_id, id)
    if not member then
        return nil
    end
    return store:get("users", id), member
end

--- Makes a user an agent of an account, or gives the agent another role.
---@param store moonwire.twin.store
---@param account_id integer
---@param user_id integer
---@param fields { role: string, availability_status: string|nil, auto_offline: boolean|nil }
---@return table member
function people.join(store, account_id, user_id, fields)
    local member = store:find("account_users", "member", account_id, user_id)
    if member then
        return store:update("account_users", member, { role = fields.role })
    end
    return store:insert("account_users", {
        account_id = account_id,
        user_id = user_id,
        role = fields.role,
        availability_status = fields.availability_status or "offline",
        auto_offline = fields.auto_offline ~= false,
    })
end

-- The links of a user to the teams or inboxes of one account.
local function drop_links(store, links, owners, key, member)
    for _, link in ipairs(store:list(links, "user_id", member.user_id)) do
        if store:get(owners, link[key]).account_id == member.account_id then
            store:remove(links, link)
        end
    end
end

--- Takes an agent out of the account of the call: out of its teams and inboxes; its conversations there are nobody's.
---@param call moonwire.twin.call
---@param member table the record of `account_users`
function people.leave(call, member)
    local store = call.store
    drop_links(store, "team_members", "teams", "team_id", member)
    drop_links(store, "inbox_members", "inboxes", "inbox_id", member)
    for _, conversation in ipairs(store:list("conversations", "assignee_id", member.user_id)) do
        if conversation.account_id == member.account_id then
            talk.assign_agent(call, conversation, nil)
        end
    end
    store:remove("account_users", member)
end

--- Takes a user out of all accounts, and away with all tokens. What it has written stays, without a sender.
---@param call moonwire.twin.call
---@param user table
function people.remove_user(call, user)
    local account = call.account
    for _, member in ipairs(call.store:list("account_users", "user_id", user.id)) do
        call.account = call.store:get("accounts", member.account_id)
        people.leave(call, member)
    end
    call.account = account
    call.store:remove("users", user)
end

return people

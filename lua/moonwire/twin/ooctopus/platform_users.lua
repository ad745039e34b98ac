--- The module `platform.users`. Passwords are taken and not kept: the twin has no pages to log in to.
local errors = require "moonwire.twin.errors"
local people = require "moonwire.twin.people"
local url = require "moonwire.twin.url"
local view = require "moonwire.twin.views.person"

local users = {}

local function user_of(call)
    return call:find("users", call.params.id, "User")
end

local function check_name(name)
    if not name or name == "" then
        errors.invalid("Name can't be blank", { "name" })
    end
    return name
end

-- As the platform wants passwords: six characters with one of each kind. The documents let them be left out.
local KINDS = { "%u", "%l", "%d", "[^%w]" }

local function check_password(password)
    for _, kind in ipairs(password and KINDS or {}) do
        if #password < 6 or not password:find(kind) then
            errors.invalid("Password needs 6 characters or more, among them an uppercase letter, a lowercase letter, "
                .. "a digit and a special character", { "password" })
        end
    end
end

-- The platform's own view of a user, with the token by which the user's scripts enter.
local function show(call, user)
    local out = view.user(call.store, user)
    local token = call.store:first("tokens", "user_id", user.id)
    out.access_token = token and token.token
    return out
end

function users.get(call)
    return show(call, user_of(call))
end

-- As on the platform, somebody whom it knows already is the answer, and stays as they are.
function users.create(call)
    local known = call.store:find("users", "email", call:given("email") or "")
    if known then
        return show(call, known)
    end
    local name, email = check_name(call:given("name")), people.check_email(call, call:given("email"))
    check_password(call:given("password"))
    return show(call, people.new_user(call, {
        name = name,
        email = email,
        display_name = call:given("display_name"),
        custom_attributes = call:given("custom_attributes"),
    }))
end

function users.update(call)
    local user = user_of(call)
    check_password(call:given("password"))
    return show(call, call.store:update("users", user, {
        name = call.fields.name ~= nil and check_name(call:given("name")) or nil,
        email = call.fields.email ~= nil and people.check_email(call, call:given("email"), user.id) or nil,
        custom_attributes = call:given("custom_attributes"),
    }))
end

function users.delete(call)
    people.remove_user(call, user_of(call))
end

-- Where the client found the twin; a Host header that is none leads nowhere.
local function origin(call)
    local host = call.host or ""
    return "http://" .. (host:find("^[%w%-._:%[%]]+$") and host or "127.0.0.1")
end

function users.sso_link(call)
    local user = user_of(call)
    local number = (user.sso_links or 0) + 1
    call.store:update("users", user, { sso_links = number })
    return {
        url = ("%s/app/login?email=%s&sso_auth_token=twin-sso-%d-%d"):format(origin(call), url.escape(user.email),
            user.id, number),
    }
end

return users

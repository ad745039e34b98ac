--- What a contact is made of, checked: for the agents' API and the public one.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"

local contact_fields = {}

local FORMAT = {
    email = "^[^@%s]+@[^@%s]+$",
    phone_number = "^%+[1-9]%d" .. ("%d?"):rep(13) .. "$", -- E.164
    identifier = ".",
}

local LABEL = { email = "Email", phone_number = "Phone number", identifier = "Identifier" }

local function check(call, own_id)
    for _, name in ipairs { "email", "phone_number", "identifier" } do
        local value = call:given(name)
        if value and value ~= "" then
            if not value:find(FORMAT[name]) then
                errors.invalid(LABEL[name] .. " is invalid", { name })
            end
            local other = call.store:find("contacts", name, call.account.id, value)
            if other and other.id ~= own_id then
                errors.invalid(LABEL[name] .. " has already been taken", { name })
            end
        end
    end
end

-- What the body says, as changes of a record: an empty text clears a field, attributes are added to those there are.
local function changes_of(call, contact)
    local changes = {}
    for _, name in ipairs { "email", "phone_number", "identifier" } do
        local value = call.fields[name]
        changes[name] = value == "" and core.null or value
    end
    if call.fields.name ~= nil then
        changes.name = call:given("name") or ""
    end
    local avatar = call:given("avatar")
    changes.thumbnail = type(avatar) == "table" and avatar.name and "/avatars/" .. avatar.name
        or call:given("avatar_url")
    local more = call:given("custom_attributes")
    if more then
        local all = {}
        for _, attributes in ipairs { contact.custom_attributes or {}, more } do
            for name, value in pairs(attributes) do
                all[name] = value
            end
        end
        changes.custom_attributes = all
    end
    return changes
end

--- Makes the contact that the body describes. Ends the request with 422 when it doesn't fit.
---@param call moonwire.twin.call
---@return table contact
function contact_fields.create(call)
    check(call)
    local contact = call.store:insert("contacts", {
        account_id = call.account.id,
        name = "",
        additional_attributes = {},
        custom_attributes = {},
        created_at = call:now(),
        last_activity_at = call:now(),
    })
    return call.store:update("contacts", contact, changes_of(call, contact))
end

--- Changes a contact to what the body says, with its event. Ends the request with 422 when it doesn't fit.
---@param call moonwire.twin.call
---@param contact table
---@return table contact
function contact_fields.update(call, contact)
    check(call, contact.id)
    local changes, changed = changes_of(call, contact), {}
    for name, value in pairs(changes) do
        changed[name] = { contact[name], value ~= core.null and value or nil }
    end
    call.store:update("contacts", contact, changes)
    call:emit("contact_updated", { contact = contact, changed = changed })
    return contact
end

return contact_fields

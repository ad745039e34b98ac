--- The module `custom_attributes`: definitions, by which filters and rules know the attributes that contacts and
-- conversations carry. A definition that goes leaves the values where they are.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"

local custom = {}

-- By number, from 0.
local TYPES = { "text", "number", "currency", "percent", "link", "date", "list", "checkbox" }
local MODELS = { "conversation_attribute", "contact_attribute" }

-- Keys that would hide what every conversation or contact has.
local TAKEN = {
    {
        "status", "priority", "assignee_id", "inbox_id", "team_id", "display_id", "campaign_id", "labels",
        "browser_language", "country_code", "referer", "created_at", "last_activity_at",
    },
    {
        "name", "email", "phone_number", "identifier", "country_code", "city", "company_name", "created_at",
        "last_activity_at", "referer", "blocked",
    },
}

local function definition_of(call)
    return call:find("custom_attributes", call.params.id, "Custom attribute")
end

-- The documents type the list of values as text: it is the list's JSON.
local function show(definition)
    return {
        id = definition.id,
        account_id = definition.account_id,
        attribute_display_name = definition.attribute_display_name,
        attribute_display_type = TYPES[definition.attribute_display_type + 1],
        attribute_description = definition.attribute_description,
        attribute_key = definition.attribute_key,
        attribute_values = core.json_encode(core.array(definition.attribute_values)),
        attribute_model = MODELS[definition.attribute_model + 1],
        default_value = definition.default_value or core.null,
    }
end

local function check_text(value, label, field)
    value = value and core.str.trim(value)
    if not value or value == "" then
        errors.invalid(label .. " can't be blank", { field })
    end
    return value
end

local function check_number(value, names, label, field)
    if not names[value + 1] then
        errors.invalid(label .. " is not included in the list", { field })
    end
    return value
end

local function check_key(call, wanted, own_id)
    local key = check_text(wanted.attribute_key, "Attribute key", "attribute_key")
    if not key:find("^[%w_.%-\128-\255]+$") then
        errors.invalid("Attribute key is invalid", { "attribute_key" })
    elseif not own_id and lists.has(TAKEN[wanted.attribute_model + 1], key) then
        errors.invalid("Attribute key The provided key is not allowed as it might conflict with default attributes.",
            { "attribute_key" })
    end
    local other = call.store:find("custom_attributes", "key", call.account.id, wanted.attribute_model, key)
    if other and other.id ~= own_id then
        errors.invalid("Attribute key has already been taken", { "attribute_key" })
    end
    return key
end

-- What the body says; what it leaves out stays as it is in `definition`.
local function described(call, definition)
    local wanted = {}
    for _, name in ipairs {
        "attribute_display_name", "attribute_display_type", "attribute_description", "attribute_key",
        "attribute_values", "attribute_model",
    } do
        local value = call:given(name)
        wanted[name] = value == nil and definition[name] or value
    end
    wanted.attribute_display_name =
        check_text(wanted.attribute_display_name, "Attribute display name", "attribute_display_name")
    wanted.attribute_display_type =
        check_number(wanted.attribute_display_type or 0, TYPES, "Attribute display type", "attribute_display_type")
    wanted.attribute_model = check_number(wanted.attribute_model or 0, MODELS, "Attribute model", "attribute_model")
    wanted.attribute_key = check_key(call, wanted, definition.id)
    wanted.attribute_description = wanted.attribute_description or ""
    wanted.attribute_values = wanted.attribute_values or {}
    return wanted
end

function custom.list(call)
    local model, out = math.tointeger(tonumber(call.query.attribute_model)), {}
    for definition in call.store:each("custom_attributes", "account_id", call.account.id) do
        if definition.attribute_model == model then
            out[#out + 1] = show(definition)
        end
    end
    return core.array(out)
end

function custom.create(call)
    local definition = described(call, {})
    definition.account_id = call.account.id
    return show(call.store:insert("custom_attributes", definition))
end

function custom.get(call)
    return show(definition_of(call))
end

function custom.update(call)
    local definition = definition_of(call)
    return show(call.store:update("custom_attributes", definition, described(call, definition)))
end

function custom.delete(call)
    call.store:remove("custom_attributes", definition_of(call))
end

return custom

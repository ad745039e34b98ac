--- The module `automation_rules`. What rules do is the business of `automation`.
local actions = require "moonwire.twin.rule_actions"
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local filter = require "moonwire.twin.filter"
local filter_attributes = require "moonwire.twin.filter_attributes"
local lists = require "moonwire.twin.lists"

local rules = { administrators = { "list", "create", "get", "update", "delete" } }

local function rule_of(call)
    return call:find("automation_rules", call.params.id, "Automation rule")
end

local function show(rule)
    return {
        id = rule.id,
        account_id = rule.account_id,
        name = rule.name,
        description = rule.description,
        event_name = rule.event_name,
        conditions = core.array(rule.conditions),
        actions = core.array(rule.actions),
        active = rule.active,
        created_on = rule.created_at,
    }
end

-- Single rules are wrapped by servers, and bare in the documents.
local function show_one(rule)
    local out = show(rule)
    out.payload = show(rule)
    return out
end

local function named(list, key, is_known)
    local unknown = {}
    for _, item in ipairs(list) do
        local name = item[key]
        if type(name) ~= "string" or not is_known(name, item) then
            unknown[#unknown + 1] = type(name) == "string" and name or "without " .. key
        end
    end
    return unknown
end

local function check_conditions(call, conditions)
    local set = filter_attributes.rules
    local unknown = named(conditions, "attribute_key", function(key, condition)
        return filter_attributes.find(set, call.store, call.account.id, key, condition.custom_attribute_type) ~= nil
    end)
    if unknown[1] then
        errors.invalid(("Automation conditions %s not supported."):format(table.concat(unknown, ",")), { "conditions" })
    end
    filter.new(set, conditions, filter.context(call))
    return conditions
end

local function check_actions(list)
    local unknown = named(list, "action_name", function(name)
        return actions[name] ~= nil
    end)
    if unknown[1] then
        errors.invalid(("Automation actions %s not supported."):format(table.concat(unknown, ",")), { "actions" })
    end
    return list
end

local function check_text(value, label, field)
    if not value or value == "" then
        errors.invalid(label .. " can't be blank", { field })
    end
    return value
end

-- What the body says; what it leaves out stays as it is in `rule`.
local function described(call, rule)
    local given = setmetatable({}, { __index = function(_, name)
        local value = call:given(name)
        return value == nil and rule[name] or value
    end })
    local active = call:given("active")
    return {
        name = check_text(given.name, "Name", "name"),
        description = given.description or "",
        event_name = check_text(given.event_name, "Event name", "event_name"),
        active = active == nil and rule.active ~= false or active == true,
        conditions = check_conditions(call, given.conditions or {}),
        actions = check_actions(given.actions or {}),
    }
end

-- All of them on every page, as on the platform.
function rules.list(call)
    local found = call.store:list("automation_rules", "account_id", call.account.id)
    return { payload = core.array(lists.map(found, show)) }
end

function rules.create(call)
    local rule = described(call, {})
    rule.account_id = call.account.id
    rule.created_at = call:now()
    return show(call.store:insert("automation_rules", rule))
end

function rules.get(call)
    return show_one(rule_of(call))
end

function rules.update(call)
    local rule = rule_of(call)
    return show_one(call.store:update("automation_rules", rule, described(call, rule)))
end

function rules.delete(call)
    call.store:remove("automation_rules", rule_of(call))
end

return rules

--- Filters: lists of conditions { attribute_key, filter_operator, values, query_operator }, made into a function that
-- says whether a record fits. AND binds tighter than OR. As in a database, a condition doesn't hold for what has no
-- value; asking for absence does. Used by the lists of contacts and conversations and by automation rules.
local core = require "moonwire.core"
local attributes = require "moonwire.twin.filter_attributes"
local errors = require "moonwire.twin.errors"
local kinds = require "moonwire.twin.filter_kinds"
local lists = require "moonwire.twin.lists"

local filter = {}

-- One question costs records times conditions times values.
local MAX_CONDITIONS = 100
local MAX_VALUES = 1000

local function refuse_value(key)
    errors.raise(422, ("Invalid value. The values provided for %s are invalid"):format(tostring(key)))
end

-- A time in the day that lies so many days back; nil when that is no number of days.
local function days_ago(value, now)
    local days = math.tointeger(tonumber(kinds.text(value) or ""))
    return days and days >= 0 and days < 1000000 and now - days * 86400 or nil
end

-- What the values of a condition mean to the attribute.
local function wanted_values(set, row, operator, condition, now)
    local wanted = { set = {}, list = {}, parts = {} }
    if operator == "is_present" or operator == "is_not_present" then
        return wanted
    end
    local values = condition.values
    values = type(values) == "table" and values or { values }
    if #values == 0 or #values > MAX_VALUES then
        refuse_value(row.key)
    end
    local of_text = operator == "contains" or operator == "does_not_contain" or operator == "starts_with"
    local first_only = not of_text and (set.first_only or row.custom and row.kind == "folded")
    for i = 1, first_only and 1 or #values do
        local value = values[i]
        if operator == "days_before" then
            value = days_ago(value, now)
        end
        if of_text then
            wanted.parts[i] = core.str.trim(kinds.folded(value) or refuse_value(row.key))
        else
            local normal = kinds.normal[row.kind](value)
            if normal == nil then
                refuse_value(row.key)
            end
            wanted.list[i], wanted.set[normal] = normal, true
        end
    end
    for _, every in ipairs(row.all and wanted.set.all and row.all or {}) do
        wanted.set[every] = true
    end
    return wanted
end

local function value_of(row, subject)
    local holder = subject[row.of]
    if holder and row.place then
        holder = holder[row.place]
    end
    local value = holder and holder[row.field]
    if value == nil or value == core.null then
        return row.default
    end
    return value
end

local function compile_test(row, operator, wanted)
    if row.kind == "labels" then
        return function(subject)
            return kinds.label_tests[operator](value_of(row, subject) or {}, wanted)
        end
    end
    -- What has no value differs from every value, if the attribute is a custom one.
    local absent = operator == "is_not_present" or operator == "not_equal_to" and row.custom == true
    local test = kinds.tests[operator == "days_before" and "is_less_than" or operator]
    local normal = kinds.normal[row.kind]
    return function(subject)
        local value = value_of(row, subject)
        if value == nil then
            return absent
        end
        return test ~= nil and test(value, normal(value), wanted)
    end
end

local function is_one_of(value, allowed)
    local text = kinds.text(value)
    for _, one in ipairs(type(value) ~= "table" and allowed or {}) do
        if kinds.text(one) == text or text == nil and one == "nil" then
            return true
        end
    end
    return false
end

-- "attribute_changed": values = { from = { ... }, to = { ... } }; null or "nil" among them stands for none.
local function compile_change(row, condition)
    local values = condition.values
    if type(values) ~= "table" or type(values.from) ~= "table" or type(values.to) ~= "table" then
        refuse_value(row.key)
    end
    return function(subject)
        local change = subject.changed and subject.changed[row.field]
        return change ~= nil and is_one_of(change[1], values.from) and is_one_of(change[2], values.to)
    end
end

-- More and less make no sense of what is true or false.
local function serves(row, operator)
    local ordered = operator == "is_greater_than" or operator == "is_less_than"
    local dated = operator == "days_before"
    return lists.has(row.operators, operator) and not (ordered and row.kind == "boolean")
        and not (dated and row.kind ~= "date")
end

local function compile(set, condition, context)
    local key, operator = condition.attribute_key, condition.filter_operator
    local row = attributes.find(set, context.store, context.account_id, key, condition.custom_attribute_type)
    if not row then
        errors.raise(422, ("Invalid attribute key - [%s]. The key should be one of [%s] or a custom attribute defined "
            .. "in the account."):format(kinds.text(key) or "", table.concat(set.keys, ",")))
    elseif set.changes and operator == "attribute_changed" then
        return compile_change(row, condition), row
    elseif not serves(row, operator) then
        errors.raise(422, ("Invalid operator. The allowed operators for %s are [%s].")
            :format(key, table.concat(row.operators, ",")))
    end
    return compile_test(row, operator, wanted_values(set, row, operator, condition, context.now)), row
end

-- "AND", "OR" or nil, in upper case.
local function query_operator(condition)
    local operator = condition.query_operator
    if operator == nil or operator == core.null or operator == "" then
        return nil
    end
    operator = type(operator) == "string" and operator:upper()
    if operator ~= "AND" and operator ~= "OR" then
        errors.raise(422, 'Query operator must be either "AND" or "OR".')
    end
    return operator
end

local function holds(tests, subject)
    for _, test in ipairs(tests) do
        if not test(subject) then
            return false
        end
    end
    return true
end

--- Makes a function of a list of conditions. Without conditions everything fits. What the platform would refuse ends
--- the request with 422; so does a list without an operator between two conditions.
---@param set moonwire.twin.filter_attributes what can be asked for
---@param conditions table[] as they were sent
---@param context { store: moonwire.twin.store, account_id: integer, now: integer } whose custom attributes; the time
---@return fun(subject: table): boolean fits `subject.contact`, `.conversation`, `.message` are records, `.changed` is
--- of an update
---@return boolean about_messages whether a condition looks at messages
function filter.new(set, conditions, context)
    if #conditions > MAX_CONDITIONS then
        errors.raise(422, ("Too many conditions (maximum is %d)"):format(MAX_CONDITIONS))
    end
    local groups, about_messages = { {} }, false
    for i, condition in ipairs(conditions) do
        local test, row = compile(set, type(condition) == "table" and condition or {}, context)
        local operator = query_operator(condition)
        about_messages = about_messages or row.of == "message"
        table.insert(groups[#groups], test)
        if i < #conditions and not operator then
            errors.raise(422, 'Query operator must be either "AND" or "OR".')
        elseif i < #conditions and operator == "OR" then
            groups[#groups + 1] = {}
        end
    end
    return function(subject)
        for _, tests in ipairs(groups) do
            if holds(tests, subject) then
                return true
            end
        end
        return false
    end, about_messages
end

--- The conditions that a body brings; ends the request with 422 when it brings none at all.
---@param call moonwire.twin.call
---@return table[]
function filter.conditions(call)
    return call:given("payload") or refuse_value("payload")
end

--- What `filter.new` has to know about a request.
---@param call moonwire.twin.call
---@return { store: moonwire.twin.store, account_id: integer, now: integer }
function filter.context(call)
    return { store = call.store, account_id = call.account.id, now = call:now() }
end

return filter

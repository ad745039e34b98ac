--- The one validator: holds query and body against the fields that the row lists.
-- Fields the row doesn't list pass, as they do on the platform. Knows no operation by name.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"

local check = {}

local function is_array(value)
    return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

local function is_object(value)
    return type(value) == "table" and value[1] == nil and not core.is_array(value)
end

-- The platform takes an id as number or as digits, whatever the documents say.
local function is_id(name)
    return name == "id" or name:find("_ids?$") ~= nil or name == "agent_bot"
end

-- The values of a filter's condition are of the attribute's type, whatever the documents say.
local function is_scalar(value)
    return type(value) == "number" or type(value) == "boolean"
end

local function is_digits(value)
    return math.type(value) == "integer" or type(value) == "string" and value:find("^%d+$") ~= nil
end

local fits = {
    any = function()
        return true
    end,
    string = function(value, name)
        return type(value) == "string" or is_id(name) and is_digits(value) or name == "values" and is_scalar(value)
    end,
    integer = function(value, name)
        return math.type(value) == "integer" or is_id(name) and is_digits(value)
    end,
    number = function(value, name)
        return type(value) == "number" or is_id(name) and is_digits(value)
    end,
    boolean = function(value)
        return type(value) == "boolean"
    end,
    array = is_array,
    object = is_object,
    file = function(value)
        return type(value) == "string" or type(value) == "table" and value.size ~= nil
    end,
}

local function label(path)
    local text = path:gsub("_", " ")
    return text:sub(1, 1):upper() .. text:sub(2)
end

local function lists(values, value)
    for _, allowed in ipairs(values) do
        if allowed == value then
            return true
        end
    end
    return false
end

local check_fields

-- `name` is what the types depend on: an element of `user_ids` is an id as well. Enumerations are held at the top
-- level only: the platform takes more kinds of channels, operators and events than the documents list, and the modules
-- know them.
local function check_value(field, value, path, name, top)
    if not fits[field.type](value, name) then
        return label(path) .. " is not of type " .. field.type, path
    end
    if field.values and top and not lists(field.values, value) then
        return label(path) .. " is not included in the list", path
    end
    if field.max_length and type(value) == "string" and #value > field.max_length then
        return ("%s is too long (maximum is %d bytes)"):format(label(path), field.max_length), path
    end
    if field.type == "object" and field.fields then
        return check_fields(field.fields, value, path .. ".")
    elseif field.type == "array" and field.item then
        for i, item in ipairs(value) do
            local text, at = check_value(field.item, item, ("%s[%d]"):format(path, i), name)
            if text then
                return text, at
            end
        end
    end
end

function check_fields(known, fields, prefix)
    for _, field in ipairs(known) do
        local value = fields[field.name]
        local path = prefix .. field.name
        if value == nil or value == core.null then
            if field.required and not (field.nullable and value == core.null) then
                return label(path) .. " can't be blank", path
            end
        else
            local text, at = check_value(field, value, path, field.name, prefix == "")
            if text then
                return text, at
            end
        end
    end
end

--- Checks the fields of a body: required, type, enumeration, length. Ends the request with 422.
---@param row table the operation
---@param fields table
function check.body(row, fields)
    local text, at = check_fields(row.body and row.body.fields or {}, fields, "")
    if text then
        errors.invalid(text, { at })
    end
end

local function query_value(field, texts)
    if field.type == "array" then
        return texts
    elseif field.type == "integer" or field.type == "number" then
        return math.tointeger(tonumber(texts[#texts])) or texts[#texts]
    end
    return texts[#texts]
end

--- The query parameters of a request by their names in Lua; of a repeated one the last counts, unless it is a
--- list. A value that doesn't fit ends the request with 400 where that is documented, else with 422.
---@param row table the operation
---@param pairs_ { [1]: string, [2]: string }[]
---@return table
function check.query(row, pairs_)
    local texts, out = {}, {}
    for _, pair in ipairs(pairs_) do
        texts[pair[1]] = texts[pair[1]] or {}
        table.insert(texts[pair[1]], pair[2])
    end
    for _, field in ipairs(row.query or {}) do
        local sent = texts[field.wire or field.name]
        -- An empty value means "not given", as it does for the forms of a web page.
        if sent and not (#sent == 1 and sent[1] == "") then
            out[field.name] = query_value(field, sent)
        end
    end
    local text, at = check_fields(row.query or {}, out, "")
    if text and errors.documents(row, 400) then
        errors.raise(400, text)
    elseif text then
        errors.invalid(text, { at })
    end
    return out
end

return check

--- The kinds of values that filters compare, and what the operators mean to them. Knows values only.
local core = require "moonwire.core"
local dates = require "moonwire.twin.dates"

local kinds = {}

--- A value as text; nil for a list, an object and null.
---@param value any
---@return string|nil
function kinds.text(value)
    if type(value) == "table" or value == nil or value == core.null then
        return nil
    end
    return tostring(math.type(value) == "float" and math.tointeger(value) or value)
end

--- The same without letter case.
---@return string|nil
function kinds.folded(value)
    local text = kinds.text(value)
    return text and text:lower()
end

--- A value as its kind compares it; nil when it is none of the kind.
kinds.normal = {
    text = kinds.text,
    folded = kinds.folded,
    labels = kinds.text,
    phone = function(value)
        local text = kinds.text(value)
        return text and "+" .. text:gsub("%+", "")
    end,
    number = function(value)
        return (type(value) == "number" or type(value) == "string") and tonumber(value) or nil
    end,
    boolean = function(value)
        local text = kinds.folded(value)
        if text == "true" or text == "false" then
            return text == "true"
        end
    end,
    date = function(value)
        if type(value) == "number" then
            return dates.day(value)
        end
        return type(value) == "string" and dates.parse_day(value) or nil
    end,
}

-- ---- operators ----

local function holds_any(value, wanted)
    local text = kinds.folded(value) or ""
    for _, part in ipairs(wanted.parts) do
        if text:find(part, 1, true) then
            return true
        end
    end
    return false
end

--- What operators ask. Each test gets the record's value, never nil, what it is to its kind, and what is wanted:
--- `set` and `list` as the kind compares, `parts` as folded text.
kinds.tests = {
    equal_to = function(_, normal, wanted)
        return normal ~= nil and wanted.set[normal] == true
    end,
    not_equal_to = function(_, normal, wanted)
        return normal == nil or not wanted.set[normal]
    end,
    contains = function(value, _, wanted)
        return holds_any(value, wanted)
    end,
    does_not_contain = function(value, _, wanted)
        return not holds_any(value, wanted)
    end,
    is_present = function()
        return true
    end,
    is_greater_than = function(_, normal, wanted)
        return normal ~= nil and normal > wanted.list[1]
    end,
    is_less_than = function(_, normal, wanted)
        return normal ~= nil and normal < wanted.list[1]
    end,
    starts_with = function(value, _, wanted)
        local text = kinds.folded(value) or ""
        return core.str.starts_with(text, wanted.parts[1]) or core.str.starts_with(text, "+" .. wanted.parts[1])
    end,
}

local function has_any(labels, wanted)
    for _, label in ipairs(labels) do
        if wanted.set[label] then
            return true
        end
    end
    return false
end

--- The same for labels, a list of them.
kinds.label_tests = {
    equal_to = has_any,
    not_equal_to = function(labels, wanted)
        return not has_any(labels, wanted)
    end,
    is_present = function(labels)
        return labels[1] ~= nil
    end,
    is_not_present = function(labels)
        return labels[1] == nil
    end,
}

return kinds

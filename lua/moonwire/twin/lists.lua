--- Small helpers on lists: sets of ids and pages.
local lists = {}

--- Whether `list` holds `value`.
---@return boolean
function lists.has(list, value)
    for _, item in ipairs(list) do
        if item == value then
            return true
        end
    end
    return false
end

-- A set of the items, so that lists as long as a request may hold are not searched item by item.
local function set_of(list)
    local set = {}
    for _, item in ipairs(list) do
        set[item] = true
    end
    return set
end

--- Appends those of `values` that `list` lacks.
function lists.add(list, values)
    local there = set_of(list)
    for _, value in ipairs(values) do
        if not there[value] then
            there[value] = true
            list[#list + 1] = value
        end
    end
end

--- Removes every item of `list` that is one of `values`.
function lists.drop(list, values)
    local gone, kept = set_of(values), 0
    for i = 1, #list do
        local item = list[i]
        list[i] = nil
        if not gone[item] then
            kept = kept + 1
            list[kept] = item
        end
    end
end

--- A new list of `f(item)`.
---@return table
function lists.map(list, f)
    local out = {}
    for i, item in ipairs(list) do
        out[i] = f(item)
    end
    return out
end

--- A new list of the same items, the last one first.
---@return table
function lists.reversed(list)
    local out = {}
    for i = #list, 1, -1 do
        out[#out + 1] = list[i]
    end
    return out
end

--- Page `page` (from 1) of a list; beyond its end the page is empty.
---@param page integer|nil
---@param size integer
---@return table
function lists.page(list, page, size)
    page = math.max(page or 1, 1)
    if page > #list // size + 1 then
        return {}
    end
    return table.move(list, (page - 1) * size + 1, math.min(page * size, #list), 1, {})
end

--- Whether `text` (or nil) holds `needle`, letter case of ASCII aside.
---@return boolean
function lists.mentions(text, needle)
    return text ~= nil and text:lower():find(needle:lower(), 1, true) ~= nil
end

return lists

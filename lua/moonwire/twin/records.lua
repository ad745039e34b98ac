--- One table of the store: its records by id, and the indexes that the schema gives it. Knows no transactions.
-- A group of an index is a sorted list of ids. Most groups have one member (a contact's e-mail, a token), so one
-- member alone is kept as its bare id.
local core = require "moonwire.core"
local sorted = require "moonwire.twin.sorted"

---@class moonwire.twin.records
---@field by_id table<integer, table>
---@field last integer the last id that was given out
local records = {}
records.__index = records

-- The indexes that look at a field, by the field's name.
local function looked_at(shape)
    local out = {}
    for name, index in pairs(shape.indexes) do
        for _, field in ipairs(index.fields) do
            out[field] = out[field] or {}
            table.insert(out[field], name)
        end
    end
    return out
end

--- An empty table.
---@param shape table the table's row of the schema
---@return moonwire.twin.records
function records.new(shape)
    local groups = {}
    for name in pairs(shape.indexes) do
        groups[name] = {}
    end
    return setmetatable({
        shape = shape,
        by_id = {},
        everything = sorted.new(),
        groups = groups,
        looked_at = looked_at(shape),
        last = 0,
    }, records)
end

-- ---- indexes ----

local function join(self, name, group, key, id)
    local groups = self.groups[name]
    local members = groups[group]
    if members == nil then
        groups[group] = id
        return
    elseif math.type(members) == "integer" then
        local alone = self.by_id[members]
        members = sorted.new()
        members:add(self.shape.indexes[name].sort(alone), alone.id)
        groups[group] = members
    end
    members:add(key, id)
end

local function leave(self, name, group, key, id)
    local groups = self.groups[name]
    local members = groups[group]
    if members == id then
        groups[group] = nil
        return
    end
    members:remove(key, id)
    if members.count == 0 then
        groups[group] = nil
    end
end

-- `change` is join or leave.
local function each_group(self, name, record, change)
    local index = self.shape.indexes[name]
    local group, key = index.group(record), index.sort(record)
    if type(group) == "table" then
        for _, one in ipairs(group) do
            change(self, name, one, key, record.id)
        end
    elseif group ~= nil then
        change(self, name, group, key, record.id)
    end
end

-- ---- changes ----

--- Adds a record under its id, which must be free.
---@param record table
function records:put(record)
    self.by_id[record.id] = record
    self.everything:add(record.id, record.id)
    for name in pairs(self.groups) do
        each_group(self, name, record, join)
    end
end

--- Takes a record out.
---@param record table
function records:take(record)
    for name in pairs(self.groups) do
        each_group(self, name, record, leave)
    end
    self.everything:remove(record.id, record.id)
    self.by_id[record.id] = nil
end

--- Changes fields of a record in place; `core.null` clears one.
---@param record table
---@param values table<string, any>
function records:set(record, values)
    local names = {}
    for field in pairs(values) do
        for _, name in ipairs(self.looked_at[field] or {}) do
            names[name] = true
        end
    end
    for name in pairs(names) do
        each_group(self, name, record, leave)
    end
    for field, value in pairs(values) do
        if value == core.null then
            record[field] = nil
        else
            record[field] = value
        end
    end
    for name in pairs(names) do
        each_group(self, name, record, join)
    end
end

-- ---- questions ----

local function members_of(self, index, group)
    if index == nil then
        return self.everything
    end
    return self.groups[index][group]
end

local function nothing() end

local function just(id)
    return function()
        local now = id
        id = nil
        return now
    end
end

--- How many records a group of an index has; without an index, the whole table.
---@param index string|nil
---@param group any
---@return integer
function records:count(index, group)
    local members = members_of(self, index, group)
    if members == nil then
        return 0
    end
    return math.type(members) == "integer" and 1 or members.count
end

--- The first record of a group, or with `descending` the last.
---@param index string|nil
---@param group any
---@param descending boolean|nil
---@return table|nil
function records:first(index, group, descending)
    local members = members_of(self, index, group)
    if type(members) == "table" then
        members = members:first(descending)
    end
    return self.by_id[members]
end

--- The ids of a group in its order, as an iterator.
---@param index string|nil
---@param group any
---@param descending boolean|nil
---@param from integer|nil the place of the first one in this order, 1 without it
---@return fun(): integer|nil
function records:ids(index, group, descending, from)
    local members = members_of(self, index, group)
    if members == nil then
        return nothing
    elseif math.type(members) == "integer" then
        return (from or 1) == 1 and just(members) or nothing
    end
    return members:ids(from, descending)
end

--- The ids of a group from a sort key on, as an iterator; `sorted:ids_from` says which.
---@param index string
---@param group any
---@param key number|string
---@param descending boolean|nil
---@return fun(): integer|nil
function records:ids_from(index, group, key, descending)
    local members = members_of(self, index, group)
    if members == nil then
        return nothing
    elseif math.type(members) == "integer" then
        local is_before = self.shape.indexes[index].sort(self.by_id[members]) < key
        return is_before == (descending or false) and just(members) or nothing
    end
    return members:ids_from(key, descending)
end

return records

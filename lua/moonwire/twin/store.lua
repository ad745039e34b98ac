--- The twin's memory: the tables of the schema, their records, and the indexes that find them.
-- Knows nothing of HTTP. A record is never changed in place: what changes goes through `update`, so that indexes
-- stay true, a request that fails leaves nothing behind, and a state file gets to know of it. Values inside a record
-- (lists, objects) are replaced as a whole, never edited.
--
-- All changes since `begin` are one: `changed` tells them, `rollback` takes them back. The twin does so around each
-- request.
local core = require "moonwire.core"
local schema = require "moonwire.twin.schema"
local sorted = require "moonwire.twin.sorted"

---@class moonwire.twin.store
local store = {}
store.__index = store

local function new_table(shape)
    local indexes = {}
    for name in pairs(shape.indexes) do
        indexes[name] = {}
    end
    return { shape = shape, records = {}, everything = sorted.new(), indexes = indexes, last = 0 }
end

--- An empty store with all tables of the schema.
---@return moonwire.twin.store
function store.new()
    local tables = {}
    for name, shape in pairs(schema) do
        tables[name] = new_table(shape)
    end
    return setmetatable({ tables = tables, undo = {}, touched = {} }, store)
end

-- ---- indexes ----

local function each_group(index, record, f)
    local group = index.group(record)
    if type(group) == "table" then
        for _, one in ipairs(group) do
            f(one)
        end
    elseif group ~= nil then
        f(group)
    end
end

local function index_record(into, name, record)
    local index = into.shape.indexes[name]
    local key = index.sort(record)
    each_group(index, record, function(group)
        local groups = into.indexes[name]
        groups[group] = groups[group] or sorted.new()
        groups[group]:add(key, record.id)
    end)
end

local function unindex_record(from, name, record)
    local index = from.shape.indexes[name]
    local key = index.sort(record)
    each_group(index, record, function(group)
        local list = from.indexes[name][group]
        list:remove(key, record.id)
        if list.count == 0 then
            from.indexes[name][group] = nil
        end
    end)
end

local function put(into, record)
    into.records[record.id] = record
    into.everything:add(record.id, record.id)
    for name in pairs(into.indexes) do
        index_record(into, name, record)
    end
end

local function take(from, record)
    for name in pairs(from.indexes) do
        unindex_record(from, name, record)
    end
    from.everything:remove(record.id, record.id)
    from.records[record.id] = nil
end

-- The indexes that look at one of the fields.
local function indexes_of(into, values)
    local out = {}
    for name, index in pairs(into.shape.indexes) do
        for _, field in ipairs(index.fields) do
            if values[field] ~= nil then
                out[#out + 1] = name
                break
            end
        end
    end
    return out
end

local function set(into, record, values)
    local names = indexes_of(into, values)
    for _, name in ipairs(names) do
        unindex_record(into, name, record)
    end
    for field, value in pairs(values) do
        if value == core.null then
            record[field] = nil
        else
            record[field] = value
        end
    end
    for _, name in ipairs(names) do
        index_record(into, name, record)
    end
end

-- ---- changes ----

local function note(self, name, id, undo)
    self.undo[#self.undo + 1] = undo
    self.touched[name] = self.touched[name] or {}
    self.touched[name][id] = true
end

--- Keeps a record. Without an id it gets the next number of its table, which is never used twice.
---@param name string the table
---@param record table the store's from now on
---@return table record
function store:insert(name, record)
    local into = self.tables[name]
    record.id = record.id or into.last + 1
    into.last = math.max(into.last, record.id)
    put(into, record)
    note(self, name, record.id, function()
        take(into, record)
    end)
    return record
end

--- Changes fields of a record; `core.null` clears one.
---@param name string
---@param record table
---@param changes table<string, any>
---@return table record the same one
function store:update(name, record, changes)
    local into = self.tables[name]
    local before = {}
    for field in pairs(changes) do
        before[field] = record[field] == nil and core.null or record[field]
    end
    set(into, record, changes)
    note(self, name, record.id, function()
        set(into, record, before)
    end)
    return record
end

-- What refers to a record goes with it, or forgets it, as the schema says.
local function let_go(self, name, id)
    for _, link in ipairs(schema[name].referred) do
        for _, other in ipairs(self:list(link.table, link.field, id)) do
            if link.gone == "cascade" then
                self:remove(link.table, other)
            else
                self:update(link.table, other, { [link.field] = core.null })
            end
        end
    end
end

--- Forgets a record, and does to those that refer to it what the schema says.
---@param name string
---@param record table
function store:remove(name, record)
    local from = self.tables[name]
    if from.records[record.id] ~= record then
        return -- gone already, by another way round
    end
    let_go(self, name, record.id)
    take(from, record)
    note(self, name, record.id, function()
        put(from, record)
    end)
end

-- ---- questions ----

---@param name string
---@param id any a record's id; anything else is not found
---@return table|nil record
function store:get(name, id)
    if id == nil then
        return nil
    end
    return self.tables[name].records[id]
end

local function find_list(self, name, index, group)
    local from = self.tables[name]
    if index == nil then
        return from.everything
    end
    return from.indexes[index][group]
end

--- How many records a group of an index has; without an index, the whole table.
---@param name string
---@param index string|nil
---@param group any
---@return integer
function store:count(name, index, group)
    local list = find_list(self, name, index, group)
    return list and list.count or 0
end

--- The records of a group of an index, in its order, as an iterator; nothing may be changed meanwhile. Without an
--- index: the whole table, oldest first.
---@param name string
---@param index string|nil
---@param group any
---@param descending boolean|nil
---@param from integer|nil the place of the first one in this order, 1 without it
---@return fun(): table|nil
function store:each(name, index, group, descending, from)
    local list = find_list(self, name, index, group)
    local records = self.tables[name].records
    local next_id = list and list:ids(from, descending)
    return function()
        local id = next_id and next_id()
        return id and records[id]
    end
end

--- The same as a new list of at most `count` records.
---@param count integer|nil all without it
---@return table[]
function store:list(name, index, group, descending, from, count)
    local out = {}
    count = count or math.huge
    if count > 0 then
        for record in self:each(name, index, group, descending, from) do
            out[#out + 1] = record
            if #out >= count then
                break
            end
        end
    end
    return out
end

--- The first record of a group, or with `descending` the last.
---@return table|nil
function store:first(name, index, group, descending)
    return self:each(name, index, group, descending)()
end

--- The record that a unique index of several fields knows by their values; letter case doesn't count.
---@param name string
---@param index string
---@param ... any the values of the index's fields
---@return table|nil
function store:find(name, index, ...)
    local parts = { ... }
    for i, part in ipairs(parts) do
        parts[i] = tostring(part):lower()
    end
    return self:first(name, index, table.concat(parts, "|"))
end

-- ---- transactions ----

--- Starts a transaction: what is undone goes back to here, for good.
function store:begin()
    if #self.undo > 0 then
        self.undo, self.touched = {}, {}
    end
end

--- Takes back all changes since `begin`.
function store:rollback()
    local undo = self.undo
    for i = #undo, 1, -1 do
        undo[i]()
    end
    self:begin()
end

--- What has changed since `begin`, table by table.
---@return table<string, table<integer, table|false>> changed records by table and id; false for one that is gone
function store:changed()
    local changed = {}
    for name, ids in pairs(self.touched) do
        changed[name] = {}
        for id in pairs(ids) do
            changed[name][id] = self.tables[name].records[id] or false
        end
    end
    return changed
end

--- The last number that was given out in a table; with `value`, at least that from now on.
---@param name string
---@param value integer|nil
---@return integer
function store:last_id(name, value)
    local from = self.tables[name]
    from.last = math.max(from.last, value or 0)
    return from.last
end

return store

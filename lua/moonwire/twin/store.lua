--- The twin's memory: the tables of the schema, their records, and the indexes that find them.
-- Knows nothing of HTTP. A record is never changed in place: what changes goes through `update`, so that indexes
-- stay true, a request that fails leaves nothing behind, and a state file gets to know of it. Values inside a record
-- (lists, objects) are replaced as a whole, never edited.
--
-- All changes since `begin` are one: `changed` tells them, `rollback` takes them back. The twin does so around each
-- request.
local core = require "moonwire.core"
local records = require "moonwire.twin.records"
local schema = require "moonwire.twin.schema"

---@class moonwire.twin.store
local store = {}
store.__index = store

--- An empty store with all tables of the schema.
---@return moonwire.twin.store
function store.new()
    local tables = {}
    for name, shape in pairs(schema) do
        tables[name] = records.new(shape)
    end
    return setmetatable({ tables = tables, undo = {}, touched = {} }, store)
end

-- ---- changes ----

local function note(self, name, id, undo)
    self.undo[#self.undo + 1] = undo
    self.touched[name] = self.touched[name] or {}
    self.touched[name][id] = true
end

--- Keeps a record. Without an id it gets the next number of its table, which is never used twice
--- unless the insert is taken back.
---@param name string the table
---@param record table the store's from now on
---@return table record
function store:insert(name, record)
    local into = self.tables[name]
    local last = into.last
    record.id = record.id or last + 1
    into.last = math.max(last, record.id)
    into:put(record)
    note(self, name, record.id, function()
        into:take(record)
        into.last = last
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
    into:set(record, changes)
    note(self, name, record.id, function()
        into:set(record, before)
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
    if from.by_id[record.id] ~= record then
        return -- gone already, by another way round
    end
    let_go(self, name, record.id)
    from:take(record)
    note(self, name, record.id, function()
        from:put(record)
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
    return self.tables[name].by_id[id]
end

--- How many records a group of an index has; without an index, the whole table.
---@param name string
---@param index string|nil
---@param group any
---@return integer
function store:count(name, index, group)
    return self.tables[name]:count(index, group)
end

local function by_ids(by_id, next_id)
    return function()
        local id = next_id()
        return id and by_id[id]
    end
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
    local among = self.tables[name]
    return by_ids(among.by_id, among:ids(index, group, descending, from))
end

--- The records of a group from a sort key on, as an iterator; nothing may be changed meanwhile. Ascending: those whose
--- key is `key` or comes after it; descending: those whose key comes before it, the nearest first.
---@param name string
---@param index string
---@param group any
---@param key number|string what the index sorts by
---@param descending boolean|nil
---@return fun(): table|nil
function store:each_from(name, index, group, key, descending)
    local among = self.tables[name]
    return by_ids(among.by_id, among:ids_from(index, group, key, descending))
end

--- At most `count` records of `each` as a new list.
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
    return self.tables[name]:first(index, group, descending)
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
            changed[name][id] = self.tables[name].by_id[id] or false
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

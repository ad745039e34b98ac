--- The twin's memory: named tables of records with ids, in the order of their birth.
-- Knows nothing of HTTP and nothing of what a record means; it lasts as long as the twin.
---@class moonwire.twin.store
local store = {}
store.__index = store

--- An empty store.
---@return moonwire.twin.store
function store.new()
    return setmetatable({ tables = {} }, store)
end

function store:table(name)
    local found = self.tables[name]
    if not found then
        found = { list = {}, by_id = {}, last = 0 }
        self.tables[name] = found
    end
    return found
end

--- Keeps `record` in a table. Without an id it gets the next number, which is never used twice.
---@param name string
---@param record table
---@return table record
function store:insert(name, record)
    local into = self:table(name)
    if record.id == nil then
        record.id = into.last + 1
    end
    if math.type(record.id) == "integer" and record.id > into.last then
        into.last = record.id
    end
    into.list[#into.list + 1] = record
    into.by_id[record.id] = record
    return record
end

---@return table|nil record
function store:get(name, id)
    if id == nil then
        return nil
    end
    return self:table(name).by_id[id]
end

--- All records of a table, oldest first. The list is the store's own: don't change it.
---@return table[]
function store:all(name)
    return self:table(name).list
end

--- The records for which `keep(record)` holds, as a new list.
---@return table[]
function store:where(name, keep)
    local out = {}
    for _, record in ipairs(self:all(name)) do
        if keep(record) then
            out[#out + 1] = record
        end
    end
    return out
end

--- The first record whose `field` is `value`.
---@return table|nil
function store:find(name, field, value)
    for _, record in ipairs(self:all(name)) do
        if record[field] == value then
            return record
        end
    end
    return nil
end

--- Forgets a record; an unknown id does nothing.
function store:remove(name, id)
    local from = self:table(name)
    local record = from.by_id[id]
    if not record then
        return
    end
    from.by_id[id] = nil
    for i, other in ipairs(from.list) do
        if other == record then
            table.remove(from.list, i)
            return
        end
    end
end

--- Forgets every record for which `drop(record)` holds.
function store:remove_where(name, drop)
    for _, record in ipairs(self:where(name, drop)) do
        self:remove(name, record.id)
    end
end

return store

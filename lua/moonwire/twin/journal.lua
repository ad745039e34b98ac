--- A state file: the twin's records in SQLite, written as they change. A write that has returned outlives the
-- process, however that ends. Knows tables and ids by name only; what is read is held against the schema by `dump`.
--
-- A document's kind is the table, its id the record's, its body the record as JSON. The kind "last_id" holds the last
-- number that a table gave out, so that none is used twice after a restart.
local core = require "moonwire.core"
local dump = require "moonwire.twin.dump"

local LAST_ID = "last_id"

---@class moonwire.twin.journal
local journal = {}
journal.__index = journal

--- Opens a state file, and makes it where there is none. Raises what core.documents does: not a state file, in use by
--- another process, no permission.
---@param path string
---@param read_only boolean|nil it must be there, and stays as it is
---@return moonwire.twin.journal
function journal.open(path, read_only)
    return setmetatable({
        path = path,
        file = core.documents { path = path, read_only = read_only },
        last_ids = {},
    }, journal)
end

local function refuse(path, kind, id, problem)
    local message = ("can't read '%s': its %s %s %s"):format(path, kind, id, problem):gsub("%c", "?")
    error(core.error { kind = "invalid", message = message }, 0)
end

--- All that is in the file, in the form that `dump.read` takes; nil when nothing is.
--- Raises an error that names the document at fault.
---@return table|nil
function journal:read()
    local out, found = { format = dump.FORMAT, version = dump.VERSION, tables = {}, last_ids = {} }, false
    self.file:each(function(kind, id, body)
        found = true
        local ok, value = pcall(core.json_decode, body)
        if not ok then
            refuse(self.path, kind, id, "is no JSON")
        elseif kind == LAST_ID then
            out.last_ids[id] = value
        elseif type(value) ~= "table" or tostring(value.id) ~= id then
            refuse(self.path, kind, id, "holds another id")
        else
            out.tables[kind] = out.tables[kind] or {}
            table.insert(out.tables[kind], value)
        end
    end)
    self.last_ids = {}
    for name, last in pairs(out.last_ids) do
        self.last_ids[name] = last
    end
    return found and out or nil
end

--- Writes what a transaction has changed; all of it, or nothing and an error.
---@param store moonwire.twin.store
---@param changed table<string, table<integer, table|false>> as store:changed() gives it
function journal:save(store, changed)
    local documents, last_ids = {}, {}
    for name, records in pairs(changed) do
        for id, record in pairs(records) do
            documents[#documents + 1] = { name, tostring(id), record and dump.encode(name, record) }
        end
        local last = store:last_id(name)
        if last ~= self.last_ids[name] then
            last_ids[name] = last
            documents[#documents + 1] = { LAST_ID, name, tostring(last) }
        end
    end
    if #documents == 0 then
        return
    end
    self.file:write(documents)
    for name, last in pairs(last_ids) do
        self.last_ids[name] = last
    end
end

function journal:close()
    self.file:close()
end

return journal

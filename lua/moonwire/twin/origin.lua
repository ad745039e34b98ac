--- Where a twin's records come from: data by name, a table, a file of JSON, or a state file that goes on being
-- written. Knows no server.
local core = require "moonwire.core"
local demo = require "moonwire.twin.demo"
local dump = require "moonwire.twin.dump"
local journal = require "moonwire.twin.journal"
local schema = require "moonwire.twin.schema"
local store = require "moonwire.twin.store"

local origin = {}

-- A store made from data, or nil and what is wrong with it.
local function from_data(data)
    if type(data) == "string" and data:find("%.json$") then
        local read, text = pcall(core.fs.read, data)
        if not read then
            return nil, text.message
        end
        local decoded, value = pcall(core.json_decode, text)
        if not decoded then
            return nil, ("can't read '%s': %s"):format(data, value.message)
        end
        local filled, problem = dump.read(value)
        return filled, filled == nil and ("can't read '%s': %s"):format(data, problem) or nil
    elseif type(data) == "table" then
        local filled, problem = dump.read(data)
        return filled, filled == nil and "data: " .. problem or nil
    elseif not demo.data[data] then
        return nil, ("there is no data '%s'; give demo, empty, a file.json, or a snapshot"):format(
            tostring(data):sub(1, 40))
    end
    local filled = store.new()
    demo.data[data](filled)
    return filled
end

-- All records, as store:changed() would give them.
local function everything(from)
    local all = {}
    for name in pairs(schema) do
        all[name] = {}
        for record in from:each(name) do
            all[name][record.id] = record
        end
    end
    return all
end

-- What a state file holds; a new one is filled first. nil and what is wrong with it.
local function from_file(file, data)
    local found = file:read()
    if found then
        local filled, problem = dump.read(found)
        return filled, filled == nil and ("can't read '%s': %s"):format(file.path, problem) or nil
    end
    local filled, problem = from_data(data)
    if filled then
        file:save(filled, everything(filled))
    end
    return filled, problem
end

--- The store that `data` and `state` of the twin's options ask for, ready for its first transaction. Raises what
--- opening or reading a state file raises.
---@param options { data: string|table|nil, state: string|nil }
---@return moonwire.twin.store|nil
---@return moonwire.twin.journal|nil journal of a state file, open
---@return string|nil problem
function origin.open(options)
    local data = options.data or "demo"
    local filled, problem, file
    if options.state == nil then
        filled, problem = from_data(data)
    else
        file = journal.open(options.state)
        local read
        read, filled, problem = pcall(from_file, file, data)
        if not read or not filled then
            file:close()
        end
        if not read then
            error(filled, 0)
        end
    end
    if filled then
        filled:begin()
    end
    return filled, file, problem
end

local function sorted_keys(of)
    local names = {}
    for name in pairs(of) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

-- JSON with a record a line, the tables in the order of their names.
local function write(from)
    local last_ids, out = {}, {}
    for i, name in ipairs(sorted_keys(schema)) do
        local lines = {}
        for record in from:each(name) do
            lines[#lines + 1] = dump.encode(name, record)
        end
        out[i] = ('"%s": [%s]'):format(name, #lines == 0 and "" or "\n" .. table.concat(lines, ",\n") .. "\n")
        last_ids[i] = ('"%s": %d'):format(name, from:last_id(name))
    end
    return ('{ "format": "%s", "version": %d,\n"last_ids": { %s },\n"tables": {\n%s\n} }\n'):format(dump.FORMAT,
        dump.VERSION, table.concat(last_ids, ", "), table.concat(out, ",\n"))
end

--- The records of `state`, or of `data` without it, as JSON with a record a line. Nothing is changed.
---@param options { data: string|table|nil, state: string|nil }
---@return string|nil text
---@return string|nil problem
function origin.export(options)
    local filled, problem
    if options.state then
        local file = journal.open(options.state, true)
        local read, found = pcall(file.read, file)
        file:close()
        if not read then
            error(found, 0)
        elseif not found then
            return nil, ("there is nothing in '%s'"):format(options.state)
        end
        filled, problem = dump.read(found)
        problem = problem and ("can't read '%s': %s"):format(options.state, problem)
    else
        filled, problem = from_data(options.data or "demo")
    end
    return filled and write(filled), problem
end

return origin

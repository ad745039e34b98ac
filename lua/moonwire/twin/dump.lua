--- All that a twin remembers as one table of JSON values, and back. What is read is hostile: every field is held
--- against the schema, every reference against the records, before a store is made of it. Knows no files.
local core = require "moonwire.core"
local duration = require "moonwire.twin.duration"
local schema = require "moonwire.twin.schema"
local store = require "moonwire.twin.store"

local dump = {
    --- What the table says it is.
    FORMAT = "moonwire-twin",
    VERSION = 1,
}

local MOST = 2 ^ 53 -- what a number of JSON holds exactly
local DEEPEST = 50 -- what lies deeper could not be shown inside an answer
local LONGEST_NAME = 60

-- The same order in every run: of several faults the same one is told.
local NAMES = {}
for name in pairs(schema) do
    NAMES[#NAMES + 1] = name
end
table.sort(NAMES)

-- Ends the reading; caught in dump.read.
local function refuse(where, text, ...)
    error({ problem = where .. ": " .. text:format(...) }, 0)
end

-- What was given, cut; in it, and where it is cut, there may be bytes that are no text.
local function shown(value)
    local text = tostring(value):sub(1, LONGEST_NAME)
    return utf8.len(text) and text or (text:gsub("[\128-\255]", "?"))
end

-- ---- writing ----

local function copy_of(shape, record)
    local copy = {}
    for name, value in pairs(record) do
        copy[name] = value
    end
    for _, field in ipairs(shape.fields) do
        if field[2]:find("^array") and copy[field[1]] ~= nil and next(copy[field[1]]) == nil then
            copy[field[1]] = core.array {}
        end
    end
    return copy
end

--- A record as JSON text.
---@param name string its table
---@param record table
---@return string
function dump.encode(name, record)
    return core.json_encode(copy_of(schema[name], record))
end

--- Everything in a store, as a table of its own that JSON can hold.
---@param from moonwire.twin.store
---@return table
function dump.write(from)
    local tables, last_ids = {}, {}
    for name, shape in pairs(schema) do
        local list = core.array {}
        for record in from:each(name) do
            list[#list + 1] = copy_of(shape, record)
        end
        tables[name], last_ids[name] = list, from:last_id(name)
    end
    return { format = dump.FORMAT, version = dump.VERSION, tables = tables, last_ids = last_ids }
end

-- ---- reading ----

local function is_whole(value)
    return math.type(value) == "integer" and value >= -MOST and value <= MOST
end

local function is_list(value)
    return type(value) == "table" and (value[1] ~= nil or next(value) == nil)
end

local function is_object(value)
    return type(value) == "table" and value[1] == nil and not (next(value) == nil and core.is_array(value))
end

local FITS = {
    string = function(value) return type(value) == "string" end,
    boolean = function(value) return type(value) == "boolean" end,
    integer = is_whole,
    number = function(value) return type(value) == "number" and value >= -MOST and value <= MOST end,
    array = is_list,
    object = is_object,
}

-- JSON values alone, not too deep: what a table of Lua may hold besides could never be sent.
local function check_value(where, value, left)
    local kind = type(value)
    if kind == "string" and not utf8.len(value) then
        refuse(where, "is not UTF-8")
    elseif kind == "table" then
        if left == 0 then
            refuse(where, "nested deeper than %d levels", DEEPEST)
        end
        for key, inner in pairs(value) do
            if type(key) ~= "string" and math.type(key) ~= "integer" then
                refuse(where, "a key is a %s", type(key))
            end
            check_value(where, key, left)
            check_value(where, inner, left - 1)
        end
    elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" and value ~= core.null then
        refuse(where, "a value is a %s", kind)
    end
end

local function check_field(where, field, value)
    local kind, item_kind, optional = field[2]:match("^(%a+):?(%a*)(%??)$")
    if value == nil or value == core.null then
        if optional == "" then
            refuse(where, "is missing")
        end
        return nil
    elseif not FITS[kind](value) then
        refuse(where, "is no %s", kind)
    end
    for i, item in ipairs(item_kind ~= "" and value or {}) do
        if not FITS[item_kind](item) then
            refuse(("%s[%d]"):format(where, i), "is no %s", item_kind)
        end
    end
    check_value(where, value, DEEPEST)
    return value
end

local function read_record(where, shape, given)
    if not is_object(given) then
        refuse(where, "is no object")
    elseif not is_whole(given.id) or given.id < 1 then
        refuse(where .. ".id", "is no whole number from 1")
    end
    local record = { id = given.id }
    for _, field in ipairs(shape.fields) do
        record[field[1]] = check_field(where .. "." .. field[1], field, given[field[1]])
    end
    for name in pairs(given) do
        if record[name] == nil and given[name] ~= core.null then
            refuse(where, "there is no field '%s'", shown(name))
        end
    end
    return record
end

local function check_unique(where, into, name, shape, record)
    if into:get(name, record.id) then
        refuse(where .. ".id", "%d is there twice", record.id)
    end
    for index_name, index in pairs(shape.indexes) do
        local group = index.unique and index.group(record)
        if group and into:count(name, index_name, group) > 0 then
            refuse(where, "another one has the same %s", table.concat(index.fields, " and "))
        end
    end
end

local function read_table(into, name, list)
    local shape = schema[name]
    if not is_list(list) then
        refuse("tables." .. name, "is no list")
    end
    for i, given in ipairs(list) do
        local where = ("tables.%s[%d]"):format(name, i)
        local record = read_record(where, shape, given)
        check_unique(where, into, name, shape, record)
        into:insert(name, record)
    end
end

local function check_references(into)
    for _, name in ipairs(NAMES) do
        for record in into:each(name) do
            for _, field in ipairs(schema[name].fields) do
                local id = field.ref and record[field[1]]
                if id and not into:get(field.ref, id) then
                    refuse(("tables.%s, id %d, %s"):format(name, record.id, field[1]), "there is no %d in %s", id,
                        field.ref)
                end
            end
        end
    end
end

local function read_last_ids(into, last_ids)
    if last_ids ~= nil and not is_object(last_ids) then
        refuse("last_ids", "is no object")
    end
    for name, value in pairs(last_ids or {}) do
        if not schema[name] then
            refuse("last_ids", "there is no table '%s'", shown(name))
        elseif not is_whole(value) or value < 0 then
            refuse("last_ids." .. name, "is no whole number from 0")
        end
        into:last_id(name, value)
    end
end

-- What the twin knows of itself is one record; data that was written by hand need not have it.
local function settle(into)
    if into:count("twin") > 1 then
        refuse("tables.twin", "there is more than one record")
    elseif into:count("twin") == 0 then
        into:insert("twin", { clock_offset = 0, uuids = 0 })
    end
    local record = into:first("twin")
    local offset, problem = duration.read(record.clock_offset)
    if not offset then
        refuse("tables.twin[1].clock_offset", "%s", problem)
    elseif record.uuids < 0 then
        refuse("tables.twin[1].uuids", "is less than 0")
    end
end

local function read(given)
    if type(given) ~= "table" or given.format ~= dump.FORMAT then
        refuse("format", 'this is no data of a twin; it begins with "format": "%s"', dump.FORMAT)
    elseif given.version ~= dump.VERSION then
        refuse("version", "%s can't be read; this twin knows version %d", shown(given.version), dump.VERSION)
    end
    for name in pairs(given) do
        if name ~= "format" and name ~= "version" and name ~= "tables" and name ~= "last_ids" then
            refuse("data", "there is no '%s'; there are format, version, tables and last_ids", shown(name))
        end
    end
    if not is_object(given.tables) then
        refuse("tables", "is no object")
    end
    for name in pairs(given.tables) do
        if not schema[name] then
            refuse("tables", "there is no table '%s'", shown(name))
        end
    end
    local into = store.new()
    for _, name in ipairs(NAMES) do
        if given.tables[name] ~= nil then
            read_table(into, name, given.tables[name])
        end
    end
    settle(into)
    check_references(into)
    read_last_ids(into, given.last_ids)
    into:begin()
    return into
end

--- A store with what dump.write has written. Never raises.
---@param given any
---@return moonwire.twin.store|nil
---@return string|nil problem one line that names the place and what is wrong there
function dump.read(given)
    local ok, result = pcall(read, given)
    if ok then
        return result
    elseif type(result) == "table" and result.problem then
        return nil, (result.problem:gsub("%c", "?"))
    end
    return nil, "the data can't be read: " .. tostring(result)
end

--- The first token of each kind, and the account that the user's token opens.
---@param from moonwire.twin.store
---@return { user: string|nil, bot: string|nil, platform: string|nil, circuit: string|nil }
---@return integer|nil account_id
function dump.tokens(from)
    local tokens, account = {}, nil
    for record in from:each("tokens") do
        local kind = record.kind == "oauth" and "circuit" or record.kind
        if not tokens[kind] then
            tokens[kind] = record.token
            local member = kind == "user" and from:first("account_users", "user_id", record.user_id)
            account = account or member and member.account_id
        end
    end
    return tokens, account or nil
end

return dump

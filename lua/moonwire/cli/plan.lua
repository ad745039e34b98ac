--- Plans: what a dry run held back, read line by line and checked, and the real ids put in the places of its
--- placeholders. Owns what a line may hold; knows nothing of sending, files or the terminal. A plan is hostile data:
--- nothing of it is run.

local mw = require "moonwire"
local core = require "moonwire.core"
local check_shown = require "moonwire.cli.shown"
local escape = require "moonwire.cli.escape"

local plan = {}

local FIRST <const> = 8888000000000000 -- placeholders count from the next one on
local MOST_IDS <const> = 1000000
local MOST_LINES <const> = 100000
local MOST_PATH <const> = 8
local LONGEST <const> = 200 -- bytes of an id of text

local services = { ooctopus = "ooctopus", chatwoot = "ooctopus", circuit = "circuit" }
local options_of_a_call = { account_id = true, unchecked = true, retries = true, once = true }
local verbs = { GET = true, POST = true, PUT = true, PATCH = true, DELETE = true }

---@class moonwire.plan.line
---@field number integer
---@field name string "contacts:create", "POST /api/v1/accounts/1/labels"
---@field profile string
---@field row moonwire.operation? nil: a raw request
---@field verb string? of a raw request
---@field path any[]|string
---@field params table
---@field options table?
---@field gives { place: string, id: integer }[]
---@field refers integer[] placeholders that stand in it
---@field files string[] paths of the files that it sends

local function bad(text, ...)
    error(mw.error { kind = "invalid", message = text:format(...) }, 0)
end

local function rows_by_name()
    local rows = {}
    for _, row in ipairs(mw.operations()) do
        rows[("%s:%s.%s"):format(row.service, row.module, row.method)] = row
    end
    return rows
end

--- The placeholder that a run of digits or a number is, or nil.
local function placeholder(value)
    local id = tonumber(value)
    id = id and math.tointeger(id)
    if not id or id <= FIRST or id > FIRST + MOST_IDS or type(value) == "string" and #value ~= 16 then
        return nil
    end
    return id
end

--- Puts `replace(id)` in the place of every placeholder in a text, together with a "placeholder-" before it.
local function in_text(text, replace)
    local parts, at = {}, 1
    for first, digits in text:gmatch "()(%d+)" do
        local id = placeholder(digits)
        if id then
            local before = text:sub(at, first - 1):gsub("placeholder%-$", "")
            parts[#parts + 1] = before
            parts[#parts + 1] = tostring(replace(id))
            at = first + #digits
        end
    end
    return #parts == 0 and text or table.concat(parts) .. text:sub(at)
end

--- The same in a path that is percent-encoded: an escape before digits is not a part of them.
local function in_encoded(path, replace)
    local parts = {}
    for escapes, plain in ("%00" .. path):gmatch "(%%%x%x)([^%%]*)" do
        parts[#parts + 1] = escapes
        parts[#parts + 1] = in_text(plain, function(id)
            return escape(tostring(replace(id)))
        end)
    end
    return table.concat(parts):sub(4)
end

--- A copy of a value with `replace(id)` in the place of every placeholder.
local function in_value(value, replace)
    if type(value) == "number" then
        local id = placeholder(value)
        return id and replace(id) or value
    elseif type(value) == "string" then
        return in_text(value, replace)
    elseif type(value) ~= "table" then
        return value
    end
    local copy = core.is_array(value) and core.array {} or {}
    for key, inner in next, value do
        copy[type(key) == "string" and in_text(key, replace) or key] = in_value(inner, replace)
    end
    return copy
end

--- What a line sends, with `replace(id)` in the place of every placeholder.
---@return any[]|string path, table params, table? options
function plan.arguments(line, replace)
    local path = line.row and in_value(line.path, replace) or in_encoded(line.path, replace)
    return path, in_value(line.params, replace), line.options and in_value(line.options, replace)
end

--- What an answer holds at a place: "payload.contact_inboxes[1].source_id". Nil for what can be no id.
---@return integer|string?
function plan.at(answer, place)
    local value = answer
    for name, index in place:gmatch "%.?([^.%[%]]*)%[?(%d*)%]?" do
        if name ~= "" then
            value = type(value) == "table" and rawget(value, name) or nil
        end
        if index ~= "" then
            value = type(value) == "table" and rawget(value, math.tointeger(tonumber(index))) or nil
        end
    end
    if math.type(value) == "integer" then
        return value
    end
    return type(value) == "string" and #value > 0 and #value <= LONGEST and not value:find "%c" and value or nil
end

local function add_files(files, field, value)
    if field.type == "file" and type(value) == "string" then
        files[#files + 1] = value
    elseif field.type == "array" and field.item and type(value) == "table" then
        for _, item in ipairs(value) do
            add_files(files, field.item, item)
        end
    elseif field.type == "object" and field.fields and type(value) == "table" then
        for _, inner in ipairs(field.fields) do
            add_files(files, inner, rawget(value, inner.name))
        end
    end
end

--- The paths of the files that parameters name: as they are sent, with all ids in their places.
---@return string[]
function plan.files(row, params)
    local files = {}
    for _, field in ipairs(row and row.body and row.body.fields or {}) do
        add_files(files, field, rawget(params, field.name))
    end
    return files
end

local function named(value, what)
    if type(value) ~= "table" then
        bad("'%s' must be an object", what)
    end
    for key in next, value do
        if type(key) ~= "string" then
            bad("'%s' must be an object, not a list", what)
        end
    end
    return value
end

local function read_options(options)
    if options == nil then
        return nil
    end
    for name in next, named(options, "arguments.options") do
        if not options_of_a_call[name] then
            bad("unknown option '%s' of a call", name:gsub("%c", "?"))
        end
    end
    return options
end

local function read_gives(gives)
    local list = {}
    for place, id in next, named(gives == nil and {} or gives, "gives") do
        if math.type(id) ~= "integer" or not placeholder(id) then
            bad("'gives' must name placeholders, whole numbers from %d on", FIRST + 1)
        elseif #place > LONGEST or not place:find "^[%w_.%[%]]+$" then
            bad("'gives' must name places of the answer, such as 'payload.contact.id'")
        end
        list[#list + 1] = { place = place, id = id }
    end
    table.sort(list, function(a, b)
        return a.place < b.place
    end)
    return list
end

local function read_path(row, path)
    if type(path) ~= "table" then
        bad "'arguments.path' must be a list"
    end
    local wanted = #row.path_params - (row.takes_account and 1 or 0)
    local count = 0
    for key, value in next, path do
        count = count + 1
        if math.type(key) ~= "integer" or type(value) ~= "string" and type(value) ~= "number" then
            bad "'arguments.path' must be a list of texts and numbers"
        end
    end
    if count ~= wanted or count ~= #path or count > MOST_PATH then
        bad("%s:%s takes %d path parameters, got %d", row.module, row.method, wanted, count)
    end
    return path
end

local function read_raw(line, arguments)
    if not verbs[arguments.verb] then
        bad "'arguments.verb' must be GET, POST, PUT, PATCH or DELETE"
    elseif type(arguments.path) ~= "string" or not arguments.path:find "^/[^%c]*$" then
        bad "'arguments.path' must be a path that begins with '/'"
    end
    line.verb, line.path, line.files = arguments.verb, arguments.path, {}
    line.name = line.verb .. " " .. line.path
end

local function read_operation(line, row, arguments, verb)
    if verb ~= nil and verb ~= row.verb then
        bad("%s:%s is a %s, the line says otherwise", row.module, row.method, row.verb)
    end
    line.row, line.path = row, read_path(row, arguments.path)
    line.files = plan.files(row, line.params)
    line.name = row.module .. ":" .. row.method
end

local function read_line(rows, number, text)
    local decoded, value = pcall(mw.json.decode, text)
    if not decoded then
        bad("%s", mw.is_error(value) and value.message or tostring(value))
    end
    named(value, "the line")
    local service = type(value.profile) == "string" and services[value.profile]
    local arguments = value.arguments
    if not service then
        bad "'profile' must be ooctopus, chatwoot or circuit"
    end
    named(arguments, "arguments")
    local line = {
        number = number,
        profile = value.profile,
        params = named(arguments.params == nil and {} or arguments.params, "arguments.params"),
        options = read_options(arguments.options),
        gives = read_gives(value.gives),
        refers = {},
    }
    local row = type(value.operation) == "string" and rows[value.operation]
    if value.operation == service .. ":request" then
        read_raw(line, arguments)
    elseif not row then
        bad "'operation' names no operation; `moonwire ops` lists them"
    elseif row.service ~= service then
        bad("'%s' is no operation of the profile '%s'", value.operation, value.profile)
    else
        read_operation(line, row, arguments, value.verb)
    end
    check_shown(line, value)
    plan.arguments(line, function(id)
        line.refers[#line.refers + 1] = id
        return id
    end)
    return line
end

--- Every id comes from one line, before the first that needs it.
local function check_ids(line, given)
    for _, id in ipairs(line.refers) do
        if not given[id] then
            bad("it refers to %d, an id that no earlier line gives", id)
        end
    end
    for _, gives in ipairs(line.gives) do
        local from = given[gives.id]
        if from and from ~= line then
            bad("it gives %d, as line %d does", gives.id, from.number)
        end
        given[gives.id] = line
    end
end

--- Reads a plan. `check(line)` raises what else is wrong with a line.
---@param text string
---@param check fun(line: moonwire.plan.line)
---@return moonwire.plan.line[]? lines
---@return string? problem "line 3: ..."
function plan.read(text, check)
    local rows, lines, given = rows_by_name(), {}, {}
    local number = 0
    for from, to in text:gmatch "()[^\n]*()" do
        number = number + 1
        local good, err = pcall(function()
            if number > MOST_LINES + 1 then
                bad("a plan has at most %d lines", MOST_LINES)
            elseif to == from then
                return
            end
            local line = read_line(rows, number, text:sub(from, to - 1))
            check_ids(line, given)
            check(line)
            lines[#lines + 1] = line
        end)
        if not good and not mw.is_error(err) then
            error(err, 0)
        elseif not good then
            return nil, ("line %d: %s"):format(number, err.message)
        end
    end
    return lines
end

return plan

--- The documented facts about the two services, read from spec/fixtures and from nowhere else: what specs expect on
--- the wire is computed from them, never from the rows of the code under test.

local json = require "spec.support.json"
local process = require "spec.support.process"

local facts = {}

local kinds = { userApiKey = "user", agentBotApiKey = "bot", platformAppApiKey = "platform" }

---@class spec.field
---@field name string
---@field wire string its name on the wire
---@field type "string"|"integer"|"number"|"boolean"|"array"|"object"|"file"|"any"
---@field item? spec.field of an array
---@field fields? spec.field[] of an object, nil for a free one
---@field enum? string[]
---@field required boolean

---@class spec.operation
---@field service "ooctopus"|"circuit"
---@field module string
---@field method string
---@field verb string
---@field path string as documented, but for the slip of inboxes.list
---@field upstream string
---@field auth table<string, true> token kinds that serve it
---@field path_params spec.field[]
---@field query spec.field[]
---@field body? { kind: "json"|"form", fields: spec.field[] }
---@field statuses table<integer, true> the documented ones

local function given(value)
    return value ~= json.null and value or nil
end

local function set_of(list)
    local set = {}
    for _, word in ipairs(list or {}) do
        set[word] = true
    end
    return set
end

local function field_of(name, schema, required)
    local field = { name = name, wire = name, type = schema.type or "any", required = required or false }
    field.enum = given(schema.enum)
    if schema.format == "binary" then
        field.type = "file"
    end
    if schema.items then
        field.item = field_of("", schema.items)
    end
    if schema.properties then
        local needed = set_of(schema.required)
        field.fields = {}
        for member, inner in pairs(schema.properties) do
            table.insert(field.fields, field_of(member, inner, needed[member]))
        end
        table.sort(field.fields, function(a, b) return a.name < b.name end)
    end
    return field
end

-- "string[]" is an array of strings.
local function flat_field(entry)
    local field = field_of(entry.name, { type = entry.type, enum = given(entry.enum) }, given(entry.required))
    field.wire = given(entry.wire) or entry.name
    field.max_length = given(entry.max_length)
    local item = field.type:match("^(%a+)%[%]$")
    if item then
        field.type, field.item = "array", field_of("", { type = item })
    end
    field.known = given(entry.known_values)
    return field
end

local function flat_fields(entries)
    local list = {}
    for i, entry in ipairs(given(entries) or {}) do
        list[i] = flat_field(entry)
    end
    return list
end

-- Listed by service: { 200, 401 }, or { ["200"] = "Success" }.
local function statuses_of(responses)
    local set = {}
    for key, value in pairs(responses) do
        set[math.tointeger(tonumber(type(value) == "string" and key or value))] = true
    end
    return set
end

local function operation_of(service, entry)
    local operation = {
        service = service,
        name = ("%s:%s"):format(entry.module, entry.method),
        module = entry.module,
        method = entry.method,
        id = entry.id,
        alias = entry.alias,
        verb = entry.http,
        path = entry.path:gsub("/inboxes/2$", "/inboxes"),
        documented = entry.path,
        upstream = given(entry.upstream_path),
        disputed = given(entry.upstream_path) ~= nil,
        auth = {},
        path_params = flat_fields(entry.path_params),
        query = flat_fields(entry.query),
        statuses = statuses_of(entry.responses),
    }
    operation.upstream = operation.upstream or operation.path
    for _, kind in ipairs(entry.auth or {}) do
        operation.auth[kinds[kind]] = true
    end
    if service == "circuit" then
        operation.auth.oauth = true
    end
    local first = operation.path_params[1]
    operation.takes_account = first ~= nil and first.name == "account_id"
        and not entry.module:find("^platform%.")
    if given(entry.body) then
        operation.body = { kind = "json", fields = field_of("", entry.body.schema).fields }
    elseif given(entry.form) then
        operation.body = { kind = "form", fields = flat_fields(entry.form.fields) }
        operation.at_least_one = given(entry.at_least_one_field) or false
    end
    return operation
end

--- All operations of both services, in the order of the documents.
---@return spec.operation[]
function facts.operations()
    local list = {}
    for _, service in ipairs { "ooctopus", "circuit" } do
        local text = assert(process.read(("spec/fixtures/%s.json"):format(service)), service .. ": no facts")
        for _, entry in ipairs(json.decode(text).operations) do
            list[#list + 1] = operation_of(service, entry)
        end
    end
    return list
end

--- Percent-encoding of everything that is not unreserved (RFC 3986, section 2.3).
function facts.escape(text)
    return (text:gsub("[^A-Za-z0-9%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

--- The path with the texts of its parameters in it.
---@param template string
---@param texts table<string, string>
function facts.fill(template, texts)
    return (template:gsub("{([%w_]+)}", function(name)
        return facts.escape(assert(texts[name], "no value for " .. name))
    end))
end

return facts

-- coverage_spec.lua: holds every column of every operation's row against a copy of the facts, both ways. Owns the
-- rules that turn a fact into a column, written down a second time on purpose; must not read the rows for them.

local cjson = require "cjson"
local core = require "moonwire.core"

local OPERATIONS = { ooctopus = 107, circuit = 8 }

-- The documents' one slip: a list whose path names inbox 2. The row has the path that upstream serves.
local SLIP = {
    id = "listAllInboxes",
    documented = "/api/v1/accounts/{account_id}/inboxes/2",
    path = "/api/v1/accounts/{account_id}/inboxes",
}

-- Two operations are sent as POST and change nothing.
local READING_POSTS = { contactFilter = true, conversationFilter = true }

-- Fields that the platform serves and its documents do not list.
local BEYOND = {
    ["messages:create"] = {
        at = "body",
        field = { name = "attachments", wire = "attachments[]", type = "array", item = { name = "", type = "file" } },
    },
    ["messages:list"] = { at = "query", field = { name = "before", type = "integer" } },
}

local TOKENS = {
    { kind = "user", documented = "userApiKey" },
    { kind = "bot", documented = "agentBotApiKey" },
    { kind = "platform", documented = "platformAppApiKey" },
}

local function read_facts(service)
    local file = assert(io.open("spec/fixtures/" .. service .. ".json", "rb"))
    local facts = cjson.decode(file:read "a")
    file:close()
    return facts
end

local facts = { ooctopus = read_facts "ooctopus", circuit = read_facts "circuit" }
local rows = { ooctopus = core.operations "ooctopus", circuit = core.operations "circuit" }

-- JSON's null is Lua's nil here.
local function given(value)
    if value ~= cjson.null then
        return value
    end
end

local function by_name(fields)
    local map = {}
    for _, field in ipairs(fields) do
        assert(map[field.name] == nil, "two fields named " .. field.name)
        map[field.name] = field
    end
    return map
end

-- A schema of the facts as the field that a row should have.
local function field_of(name, schema, required)
    local field = { name = name, type = schema.type, required = required or nil }
    if schema.type == "string" and schema.format == "binary" then
        field.type = "file"
    else
        field.format = schema.format
    end
    field.values = schema.enum
    if schema.items then
        field.item = field_of("", schema.items)
    end
    if schema.properties and next(schema.properties) then
        local needed, fields = {}, {}
        for _, property in ipairs(schema.required or {}) do
            needed[property] = true
        end
        for property, inner in pairs(schema.properties) do
            fields[property] = field_of(property, inner, needed[property])
        end
        field.fields = fields
    end
    return field
end

local function holds_file(field)
    if field.type == "file" or (field.item and holds_file(field.item)) then
        return true
    end
    for _, inner in pairs(field.fields or {}) do
        if holds_file(inner) then
            return true
        end
    end
    return false
end

-- A flat parameter of the facts: a query parameter or a field of a form.
local function parameter(fact)
    local field = {
        name = fact.name,
        type = fact.type,
        required = fact.required or nil,
        preset = fact.default,
        values = fact.enum,
        known = fact.known_values,
        max_length = fact.max_length,
    }
    if fact.wire ~= fact.name then
        field.wire = fact.wire
    end
    if fact.type == "string[]" then
        field.type, field.item = "array", { name = "", type = "string" }
    end
    return field
end

local function path_params_of(fact)
    local params = {}
    for index, param in ipairs(fact.path_params) do
        params[index] = { name = param.name, type = param.type, required = true }
    end
    return params
end

local function body_of(fact)
    if fact.body then
        assert(fact.body.content == "application/json")
        return {
            kind = "json",
            name = fact.body.name,
            type = fact.body.documented_type,
            fields = field_of("", fact.body.schema).fields or {},
        }
    elseif fact.form then
        assert(fact.form.content == "application/x-www-form-urlencoded" and fact.form.array_style == "csv")
        local fields = {}
        for index, field in ipairs(fact.form.fields) do
            fields[index] = parameter(field)
        end
        return { kind = "form", fields = by_name(fields) }
    end
end

-- The schema of a good answer. Circuit's documents name a model instead.
local function answer_of(service, fact)
    local returns, models = given(fact.returns), facts[service].models or {}
    if given(fact.response_schema) then
        return field_of("", fact.response_schema)
    elseif returns and models[returns] then
        return field_of("", models[returns])
    elseif returns and models[returns:match "^List%[(.+)%]$"] then
        return { name = "", type = "array", item = field_of("", models[returns:match "^List%[(.+)%]$"]) }
    end
end

local function items_of(fact, answer)
    local items = given(fact.items)
    if items then
        return { at = items.at, page_by = given(items.page_by), page_size = given(items.page_size) }
    elseif answer and answer.type == "array" then
        return { at = "" }
    end
end

local function auth_of(service, fact)
    if service == "circuit" then
        return { "oauth" }
    end
    local listed, kinds = {}, {}
    for _, name in ipairs(fact.auth) do
        listed[name] = true
    end
    for _, token in ipairs(TOKENS) do
        if listed[token.documented] then
            kinds[#kinds + 1] = token.kind
            listed[token.documented] = nil
        end
    end
    assert(next(listed) == nil, "a token kind that this spec does not know")
    return kinds
end

local function responses_of(fact)
    local responses = {}
    for key, value in pairs(fact.responses) do
        if type(key) == "string" then
            responses[tonumber(key)] = value
        else
            responses[value] = ""
        end
    end
    return responses
end

local function lane_of(fact, mutates, body)
    local upload = BEYOND[fact.module .. ":" .. fact.method]
    if fact.module == "contacts" and fact.method == "search" then
        return "search"
    elseif fact.module == "reports" then
        return "reports"
    elseif (body and holds_file { fields = body.fields }) or (upload and holds_file(upload.field)) then
        return "upload"
    end
    return mutates and "write" or "all"
end

-- Required, and null says something: what the documents tell in words alone.
local NULLABLE = { ["inboxes:set_agent_bot"] = "agent_bot" }

-- The row that a fact asks for, and apart from it the fields beyond the documents.
local function row_of(service, fact)
    local query, body, answer = {}, body_of(fact), answer_of(service, fact)
    for index, param in ipairs(fact.query or {}) do
        query[index] = parameter(param)
    end
    local mutates = fact.http ~= "GET" and not READING_POSTS[fact.id]
    local first = fact.path_params[1]
    local row = {
        service = service,
        module = fact.module,
        method = fact.method,
        id = fact.id,
        alias = fact.alias,
        title = fact.title,
        verb = fact.http,
        path = fact.path,
        upstream = given(fact.upstream_path),
        auth = auth_of(service, fact),
        lane = lane_of(fact, mutates, body),
        mutates = mutates,
        idempotent = (fact.http ~= "POST" and fact.http ~= "PATCH") or READING_POSTS[fact.id] == true,
        at_least_one = fact.at_least_one_field == true,
        path_params = path_params_of(fact),
        query = query,
        body = body,
        items = items_of(fact, answer),
        returns = given(fact.returns),
        answer = answer,
        responses = responses_of(fact),
        scopes = fact.scopes,
        takes_account = first ~= nil and first.name == "account_id" and not fact.module:find "^platform%.",
    }
    local nullable = NULLABLE[fact.module .. ":" .. fact.method]
    if nullable then
        body.fields[nullable].nullable = true
    end
    if fact.id == SLIP.id then
        assert(row.path == SLIP.documented and row.upstream == SLIP.path)
        row.path, row.upstream = SLIP.path, nil
    end
    return row, { service == "ooctopus" and BEYOND[fact.module .. ":" .. fact.method] or nil }
end

-- A row's field in the form of `field_of`: what is false or 0 is absent, documented fields go by name.
local function plain_field(field)
    local copy = {}
    for key, value in pairs(field) do
        if value then
            copy[key] = value
        end
    end
    copy.item = field.item and plain_field(field.item)
    copy.max_length = field.max_length ~= 0 and field.max_length or nil
    if field.fields then
        local fields = {}
        for index, inner in ipairs(field.fields) do
            fields[index] = plain_field(inner)
        end
        copy.fields = fields[1] and by_name(fields) or nil
    end
    return copy
end

-- The row in the form of `row_of`, and the fields beyond the documents that were in it.
local function plain_row(row)
    local copy, beyond = {}, {}
    for key, value in pairs(row) do
        copy[key] = value
    end
    local function documented(fields, at)
        local kept = {}
        for _, field in ipairs(fields) do
            field = plain_field(field)
            if field.beyond then
                field.beyond = nil
                beyond[#beyond + 1] = { at = at, field = field }
            else
                kept[#kept + 1] = field
            end
        end
        return kept
    end
    copy.once = nil -- no document has it; spec/once_spec.lua
    copy.path_params = documented(row.path_params, "path")
    copy.query = documented(row.query, "query")
    copy.answer = row.answer and plain_field(row.answer)
    if row.body then
        copy.body = {}
        for key, value in pairs(row.body) do
            copy.body[key] = value
        end
        copy.body.fields = by_name(documented(row.body.fields, "body"))
    end
    copy.responses = {}
    for _, response in ipairs(row.responses) do
        assert(copy.responses[response.status] == nil, "two responses of one status")
        copy.responses[response.status] = response.meaning
    end
    return copy, beyond
end

local function key_of(operation)
    return operation.module .. ":" .. operation.method
end

describe("the rows", function()
    local proved = 0

    for _, service in ipairs { "ooctopus", "circuit" } do
        local found = {}
        for _, row in ipairs(rows[service]) do
            found[key_of(row)] = row
        end

        for _, fact in ipairs(facts[service].operations) do
            local key = key_of(fact)
            it("say of " .. service .. "." .. key .. " what the facts say", function()
                assert.is_table(found[key])
                local got, beyond = plain_row(found[key])
                local want, want_beyond = row_of(service, fact)
                assert.same(want, got)
                assert.same(want_beyond, beyond)
                proved = proved + 1
            end)
        end

        it("of " .. service .. " are those of the facts, once each, in order", function()
            assert.equal(OPERATIONS[service], #facts[service].operations)
            assert.equal(OPERATIONS[service], #rows[service])
            local documented, seen = {}, {}
            for _, fact in ipairs(facts[service].operations) do
                documented[key_of(fact)] = true
            end
            for index, row in ipairs(rows[service]) do
                assert.is_true(documented[key_of(row)], key_of(row))
                local before = rows[service][index - 1]
                if before then
                    assert.is_true(before.module < row.module
                        or (before.module == row.module and before.method < row.method), key_of(row))
                end
                assert.is_nil(seen[row.id], row.id)
                assert.is_nil(seen[row.alias], row.alias)
                seen[row.id], seen[row.alias] = true, true
            end
        end)

        it("of " .. service .. " name each path parameter in path order", function()
            for _, row in ipairs(rows[service]) do
                local names = {}
                for _, param in ipairs(row.path_params) do
                    names[#names + 1] = "{" .. param.name .. "}"
                end
                local placeholders = {}
                for placeholder in row.path:gmatch "%b{}" do
                    placeholders[#placeholders + 1] = placeholder
                end
                assert.same(names, placeholders, key_of(row))
            end
        end)

        it("of " .. service .. " take the parameter that they page by", function()
            for _, row in ipairs(rows[service]) do
                local page_by = row.items and row.items.page_by
                if page_by then
                    assert.is_table(by_name(row.query)[page_by], key_of(row))
                end
            end
        end)

        it("of " .. service .. " never give a body field the name of a query parameter", function()
            for _, row in ipairs(rows[service]) do
                local query = by_name(row.query)
                for _, field in ipairs(row.body and row.body.fields or {}) do
                    assert.is_nil(query[field.name], key_of(row) .. " " .. field.name)
                end
            end
        end)
    end

    it("are all proved, 115 of 115", function()
        assert.equal(115, proved)
    end)
end)

--- A good request for every documented operation, under each of its paths and with each kind of token that serves it:
-- made from the documents alone. What a request needs is created by an earlier one, whose id it has as "<name>".
-- Knows the documents and what the demo desk holds, no row of the core.

local cjson = require "cjson"

local facts = require "spec.support.facts"

local requests = {}

---@class spec.request
---@field name string the operation
---@field verb string
---@field path string with its query
---@field kind "user"|"bot"|"platform"|"oauth"|nil of the token
---@field content string? type of the body
---@field body string?
---@field keep string? "name:field": what later requests need of the answer
---@field statuses table<integer, true> the documented ones

-- Path parameters that point to what another module has created; `id` points to the module's own.
local REFERS = {
    conversation_id = "conversations", custom_filter_id = "custom_filters", hook_id = "integrations",
    inbox_id = "inboxes", message_id = "messages", team_id = "teams", webhook_id = "webhooks",
}

local USER = "6f1d2c3b-4a59-4e68-8f77-0123456789ab" -- of Circuit

-- Values of fields that mean something, by operation, by module, then by name. "%d" makes a new one each time.
local VALUES = {
    ["contacts:create_contact_inbox"] = { inbox_id = 2, source_id = "curl-%d" },
    ["contacts:create"] = { inbox_id = 1 },
    ["contacts:filter"] = { payload = { { attribute_key = "name", filter_operator = "contains", values = { "a" } } } },
    ["conversations:filter"] = {
        payload = { { attribute_key = "status", filter_operator = "equal_to", values = { "open" } } },
    },
    ["conversations:create"] = { source_id = "nimbus-1-10", inbox_id = "1", contact_id = "10", team_id = "1" },
    ["platform.account_users:create"] = { user_id = "<platform.users>", role = "agent" },
    ["platform.account_users:delete"] = { user_id = "<platform.users>" },
    ["webhooks:add_presence"] = { user_ids = { USER } },
    ["webhooks:update_presence"] = { user_ids = { USER } },
    ["inboxes:set_agent_bot"] = { agent_bot = "<agent_bots>" },
    automation_rules = {
        conditions = { { attribute_key = "status", filter_operator = "equal_to", values = { "open" } } },
        actions = { { action_name = "add_label", action_params = { "vip" } } },
    },
    inboxes = { inbox_id = "<inboxes>" },
    integrations = { app_id = "dialogflow", inbox_id = "1", settings = { project_id = "parts", credentials = {} } },
    custom_attributes = { attribute_key = "key_%d", attribute_display_type = 6, attribute_values = { "a", "b" } },
    agents = { availability = "busy" },
    any = {
        email = "curl-%d@mail.example", phone_number = "+1202555%04d", name = "curl %d", identifier = "curl-%d",
        short_code = "curl%d", password = "Kept!Secret%d",
        avatar_url = "https://img.example/%d.png", url = "https://hooks.example/%d", website_url = "https://%d.example",
        outgoing_url = "https://bots.example/%d", labels = { "vip" }, user_ids = { 2 }, assignee_id = 2, team_id = 1,
        query = { payload = { { attribute_key = "status", filter_operator = "equal_to", values = { "open" } } } },
        submitted_values = { name = "yes", value = "yes" }, q = "a", type = "account", metric = "conversations_count",
    },
}

-- What would need more than a text: a picture, or a signature of the identifier.
local LEFT_OUT = { avatar = true, identifier_hash = true }

local count = 0

local function numbered(value)
    if type(value) == "string" and value:find "%%%d*d" then
        count = count + 1
        return value:format(count)
    end
    return value
end

local function known_value(operation, name)
    for _, group in ipairs { operation.name, operation.module, "any" } do
        local value = VALUES[group] and VALUES[group][name]
        if value ~= nil then
            return numbered(value)
        end
    end
end

local example_fields

local example_of = {
    string = function() return "curl" end,
    integer = function() return 1 end,
    number = function() return 1 end,
    boolean = function() return true end,
    any = function() return "curl" end,
    object = function(operation, field) return example_fields(operation, field.fields or {}) end,
}

local function example(operation, field)
    local value = not field.enum and known_value(operation, field.name)
    if value then
        return value
    elseif field.enum then
        return field.enum[1]
    elseif field.type == "array" then
        return { field.known and field.known[1] or example(operation, field.item) }
    end
    return example_of[field.type](operation, field)
end

function example_fields(operation, fields)
    local out = {}
    for _, field in ipairs(fields) do
        if not LEFT_OUT[field.name] then
            out[field.name] = example(operation, field)
        end
    end
    return out
end

-- What a module's operations call what it has created. Circuit's two kinds of webhooks share a module.
local function created_name(operation)
    if operation.service == "circuit" then
        return operation.path:find "presence" and "circuit.presence" or "circuit.webhooks"
    end
    return operation.module
end

local function path_value(operation, name)
    if name == "account_id" then
        return operation.takes_account and "1" or "<platform.accounts>"
    elseif name == "inbox_identifier" then
        return "nimbus-dealers"
    elseif name == "contact_identifier" then
        return "<public.contacts>"
    elseif name == "id" then
        return "<" .. created_name(operation) .. ">"
    end
    local namespace = operation.module:match "^public%." or ""
    return "<" .. namespace .. REFERS[name] .. ">"
end

-- What the documents ask for, and what a search without a word refuses.
local function query_of(operation)
    local pairs_ = {}
    for _, field in ipairs(operation.query) do
        if field.required or field.name == "q" then
            pairs_[#pairs_ + 1] = field.wire .. "=" .. facts.escape(tostring(example(operation, field)))
        end
    end
    return pairs_[1] and "?" .. table.concat(pairs_, "&") or ""
end

local function form(operation)
    local pairs_ = {}
    for _, field in ipairs(operation.body.fields) do
        local value = example(operation, field)
        if type(value) == "table" then
            value = table.concat(value, ",")
        end
        pairs_[#pairs_ + 1] = field.wire .. "=" .. facts.escape(tostring(value))
    end
    return table.concat(pairs_, "&")
end

local function creates(operation)
    return operation.verb == "POST" and (operation.method:find "^create" or operation.method:find "^add")
        and not operation.method:find "members" and operation.method ~= "create_contact_inbox"
end

local function request_of(operation, template, kind)
    local body, content
    if operation.body and operation.body.kind == "json" then
        body, content = cjson.encode(example_fields(operation, operation.body.fields)), "application/json"
    elseif operation.body then
        body, content = form(operation), "application/x-www-form-urlencoded"
    end
    local path = template:gsub("{([%w_]+)}", function(name) return path_value(operation, name) end)
    local field = operation.module == "public.contacts" and "source_id" or "id"
    return {
        name = operation.service .. ":" .. operation.name,
        verb = operation.verb,
        path = path .. query_of(operation),
        kind = kind,
        content = content,
        body = body,
        keep = creates(operation) and created_name(operation) .. ":" .. field or nil,
        statuses = operation.statuses,
    }
end

-- First what creates, then what creates with the help of that, then what sets, looks and changes; what removes comes
-- last: members before what they are members of.
local function turn(operation, request)
    if operation.verb == "DELETE" then
        local members = operation.name:find "account_users" or operation.method == "remove_members"
        return members and 5 or operation.method == "remove_all" and 7 or 6
    elseif request.keep then
        local needs = request.path:find "<" or request.body and request.body:find "<"
        return not needs and 1 or operation.module == "public.messages" and 3 or 2
    end
    return operation.method:find "^set_" and 3 or 4
end

local function paths_of(operation)
    local paths = { operation.documented }
    if operation.upstream ~= operation.documented then
        paths[2] = operation.upstream
    end
    return paths
end

local function kinds_of(operation)
    local kinds = {}
    for kind in pairs(operation.auth) do
        kinds[#kinds + 1] = kind
    end
    table.sort(kinds)
    return kinds
end

--- All of them, in an order in which they work.
---@return spec.request[]
function requests.all()
    local turns = { {}, {}, {}, {}, {}, {}, {} }
    for _, operation in ipairs(facts.operations()) do
        for _, path in ipairs(paths_of(operation)) do
            local kinds = kinds_of(operation)
            for i = 1, math.max(#kinds, 1) do
                local request = request_of(operation, path, kinds[i])
                table.insert(turns[turn(operation, request)], request)
            end
        end
    end
    local list = {}
    for _, group in ipairs(turns) do
        table.move(group, 1, #group, #list + 1, list)
    end
    return list
end

return requests

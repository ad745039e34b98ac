--- A good call of each of the 115 operations, on the demo data and one record of each kind that the demo lacks.

local assert = require "luassert"
local core = require "moonwire.core"
local twin_client = require "spec.support.twin"

local operations = {}

local ACCOUNT = "/api/v1/accounts/1"
local VISITORS = "/public/api/v1/inboxes/nimbus-dealers/contacts"
local FORM = "application/x-www-form-urlencoded"

--- The tokens of the demo, by kind.
operations.TOKENS = {
    user = "twin-user-token", bot = "twin-bot-token", platform = "twin-platform-token", oauth = "twin-circuit-token",
}

local RULE = {
    name = "Invoices", description = "", event_name = "message_created", active = true,
    conditions = {
        { attribute_key = "content", filter_operator = "contains", values = { "invoice" },
            query_operator = core.null },
    },
    actions = { { action_name = "add_label", action_params = { "billing" } } },
}

local ATTRIBUTE = {
    attribute_display_name = "Plan", attribute_display_type = 0, attribute_description = "What was bought",
    attribute_key = "plan", attribute_values = core.array {}, attribute_model = 1,
}

local FILTER = { name = "Anna", type = "contact", query = { payload = core.array {} } }

local CONDITION = { attribute_key = "name", filter_operator = "contains", values = { "Anna" },
    query_operator = core.null }

local STATUS = { attribute_key = "status", filter_operator = "equal_to", values = { "open" },
    query_operator = core.null }

-- Path parameters, by module or by module.method; what isn't here is 1.
local PATHS = {
    agents = { id = 3 },
    contacts = { id = 10 },
    conversations = { conversation_id = 35 },
    messages = { conversation_id = 1, message_id = 1 },
    inboxes = { id = 4, inbox_id = 4 },
    ["platform.accounts"] = { account_id = 2 },
    ["platform.users"] = { id = 7 },
    ["platform.agent_bots"] = { id = 2 },
    ["public.contacts"] = { inbox_identifier = "nimbus-dealers", contact_identifier = "vera" },
    ["public.conversations"] = { inbox_identifier = "nimbus-dealers", contact_identifier = "vera" },
    ["public.messages"] = { inbox_identifier = "nimbus-dealers", contact_identifier = "vera" },
    webhooks = { webhook_id = 1 },
}

local MEMBERS = { inbox_id = "4", user_ids = { 2 } }
local BOT = { name = "Parrot", description = "Says it again", outgoing_url = "https://bot.example/x" }

-- Bodies, by module.method; a text is a form.
local BODIES = {
    ["agents.create"] = { name = "Kim", email = "kim@x.example", role = "agent" },
    ["agents.update"] = { role = "agent" },
    ["agent_bots.create"] = BOT,
    ["agent_bots.update"] = BOT,
    ["automation_rules.create"] = RULE,
    ["automation_rules.update"] = RULE,
    ["canned_responses.create"] = { short_code = "bye", content = "Good bye" },
    ["canned_responses.update"] = { short_code = "hi", content = "Hello" },
    ["contacts.create"] = { inbox_id = 1, name = "Kim", custom_attributes = { plan = "gold" } },
    ["contacts.update"] = { name = "Anna S." },
    ["contacts.filter"] = { payload = { CONDITION } },
    ["contacts.create_contact_inbox"] = { inbox_id = 4, source_id = "anna-4" },
    ["conversations.create"] = { inbox_id = 1, source_id = "nimbus-1-10" },
    ["conversations.filter"] = { payload = { STATUS } },
    ["conversations.toggle_status"] = { status = "resolved" },
    ["conversations.assign"] = { assignee_id = 2 },
    ["conversations.set_labels"] = { labels = { "bug" } },
    ["custom_attributes.create"] = ATTRIBUTE,
    ["custom_attributes.update"] = { attribute_display_name = "The plan" },
    ["custom_filters.create"] = FILTER,
    ["custom_filters.update"] = FILTER,
    ["inboxes.create"] = { name = "Shop", channel = { type = "web_widget", website_url = "https://x.example" },
        enable_auto_assignment = false },
    ["inboxes.update"] = { name = "Shop", enable_auto_assignment = false },
    ["inboxes.set_agent_bot"] = { agent_bot = 1 },
    ["inboxes.add_members"] = MEMBERS,
    ["inboxes.set_members"] = MEMBERS,
    ["inboxes.remove_members"] = MEMBERS,
    ["integrations.create_hook"] = { app_id = "slack", settings = {} },
    ["integrations.update_hook"] = { settings = {} },
    ["messages.create"] = { content = "Hello" },
    ["platform.accounts.create"] = { name = "Third" },
    ["platform.accounts.update"] = { name = "Second" },
    ["platform.account_users.create"] = { user_id = 7, role = "agent" },
    ["platform.account_users.delete"] = { user_id = 3 },
    ["platform.agent_bots.create"] = BOT,
    ["platform.agent_bots.update"] = BOT,
    ["platform.users.create"] = { name = "Kim", email = "kim@x.example", password = "Secret-1" },
    ["platform.users.update"] = { name = "Kim" },
    ["public.contacts.create"] = { name = "Walter", email = "walter@x.example" },
    ["public.contacts.update"] = { name = "Vera B." },
    ["public.messages.create"] = { content = "Hello?", echo_id = "e" },
    ["public.messages.update"] = { submitted_values = { title = "Good" } },
    ["teams.create"] = { name = "fleet" },
    ["teams.update"] = { name = "fleet" },
    ["teams.add_members"] = { user_ids = { 3 } },
    ["teams.set_members"] = { user_ids = { 3 } },
    ["teams.remove_members"] = { user_ids = { 1 } },
    ["webhooks.create"] = { url = "https://y.example", subscriptions = { "message_created" } },
    ["webhooks.update"] = { url = "https://z.example", subscriptions = { "message_created" } },
    ["circuit.webhooks.add"] = "url=https%3A%2F%2Fx.example&filter=CONVERSATION.CREATE",
    ["circuit.webhooks.add_presence"] = "url=https%3A%2F%2Fx.example&userIds=6f1d2c3b-4a59-4e68-8f77-000000000001",
    ["circuit.webhooks.update"] = "url=https%3A%2F%2Fy.example",
    ["circuit.webhooks.update_presence"] = "url=https%3A%2F%2Fy.example",
}

local QUERIES = {
    ["contacts.search"] = "q=anna",
    ["custom_attributes.list"] = "attribute_model=1",
    ["reports.account_conversation_metrics"] = "type=account",
    ["reports.agent_conversation_metrics"] = "type=agent",
    ["reports.summary"] = "type=account&since=1700000000&until=1900000000",
    ["reports.timeseries"] = "metric=conversations_count&type=account&since=1772000000&until=1772500000",
}

--- Each operation's row, of both services, with `name` ("contacts.get", "circuit.webhooks.add") and `prefix`.
---@return table[]
function operations.rows()
    local out = {}
    for _, service in ipairs { "ooctopus", "circuit" } do
        for _, row in ipairs(core.operations(service)) do
            row.name = (service == "circuit" and "circuit." or "") .. row.module .. "." .. row.method
            row.prefix = service == "circuit" and "/rest/v2" or ""
            out[#out + 1] = row
        end
    end
    return out
end

--- The token kind that a row is called with: a user's where it may be.
---@return string|nil kind nil for none
function operations.kind(row)
    for _, kind in ipairs(row.auth) do
        if kind == "user" then
            return kind
        end
    end
    return row.auth[1]
end

--- A path of a row with good parameters in it, and with its query.
---@param row table
---@param values? table<string, any> parameters that differ
---@param template? string row.path without it
function operations.target(row, values, template)
    local known = PATHS[row.name] or PATHS[row.module] or {}
    local path = (template or row.path):gsub("{(.-)}", function(name)
        local value = values and values[name] or known[name]
        if not value then
            value = row.service == "circuit" and operations[row.method:find "presence" and "PRESENCE" or "HOOK"] or 1
        end
        return tostring(value)
    end)
    local query = QUERIES[row.name]
    return row.prefix .. path .. (query and "?" .. query or "")
end

--- A good body of a row; nil where it has none.
---@return table|string|nil
function operations.body(row)
    return BODIES[row.name]
end

--- The headers of a good call with a token, or without.
---@param row table
---@param token string|nil
function operations.headers(row, token)
    local headers = twin_client.headers(token, row.service == "circuit" and "oauth" or nil)
    if row.service == "circuit" then
        headers["content-type"] = FORM
    end
    return headers
end

--- A state in which every good call finds what it is about.
---@param options? table as twin.new takes them
---@return moonwire.twin.state state, function send
function operations.state(options)
    local state = twin_client.state(options)
    local send = twin_client.client(state)
    local function make(path, fields, token)
        local status, body = send("POST", path, fields, { api_access_token = token or operations.TOKENS.user })
        assert.is_true(status == 200 or status == 204, ("%s: %d %s"):format(path, status, core.json_encode(body or {})))
    end
    for path, fields in pairs {
        ["/webhooks"] = { url = "https://w.example", subscriptions = { "message_created" } },
        ["/automation_rules"] = RULE,
        ["/canned_responses"] = { short_code = "hello", content = "Hello there" },
        ["/custom_attribute_definitions"] = { attribute_display_name = "Size", attribute_display_type = 0,
            attribute_description = "Of the frame", attribute_key = "size", attribute_model = 1 },
        ["/custom_filters"] = FILTER,
        ["/integrations/hooks"] = { app_id = "webhook", settings = { url = "https://h.example" } },
        ["/inboxes/4/set_agent_bot"] = { agent_bot = 1 },
    } do
        make(ACCOUNT .. path, fields)
    end
    local platform = operations.TOKENS.platform
    make("/platform/api/v1/accounts", { name = "Second" }, platform)
    make("/platform/api/v1/users", { name = "Lee", email = "lee@x.example" }, platform)
    make("/platform/api/v1/agent_bots", { name = "Everybody's" }, platform)
    make(VISITORS, { source_id = "vera", name = "Vera" })
    make(VISITORS .. "/vera/conversations")
    make(VISITORS .. "/vera/conversations/61/messages", { content = "Hello?" })
    PATHS["public.messages"].conversation_id = 61
    PATHS["public.messages"].message_id = state.store:last_id("messages")
    local circuit = operations.headers({ service = "circuit" }, operations.TOKENS.oauth)
    for name, path in pairs { ["webhooks.add"] = "", ["webhooks.add_presence"] = "/presence" } do
        local _, made = send("POST", "/rest/v2/webhooks" .. path, BODIES["circuit." .. name], circuit)
        operations[path == "" and "HOOK" or "PRESENCE"] = made.id
    end
    return state, send
end

return operations

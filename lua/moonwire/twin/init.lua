--- The twin: a local, stateful double of both services, run on the host's HTTP server.
-- This file puts the parts together: rows to routes, requests to handlers, failures to answers.
local core = require "moonwire.core"
local auth = require "moonwire.twin.auth"
local body = require "moonwire.twin.body"
local call = require "moonwire.twin.call"
local check = require "moonwire.twin.check"
local demo = require "moonwire.twin.demo"
local errors = require "moonwire.twin.errors"
local router = require "moonwire.twin.router"
local store = require "moonwire.twin.store"
local url = require "moonwire.twin.url"

local twin = {}

-- One table of functions per module of a service. What has no function here is answered with 501.
local HANDLERS = {
    ooctopus = {
        agents = require "moonwire.twin.agents",
        contacts = require "moonwire.twin.contacts",
        conversations = require "moonwire.twin.conversations",
        inboxes = require "moonwire.twin.inboxes",
        labels = require "moonwire.twin.labels",
        messages = require "moonwire.twin.messages",
        profile = require "moonwire.twin.profile",
        teams = require "moonwire.twin.teams",
        webhooks = require "moonwire.twin.webhooks",
    },
    circuit = {
        webhooks = require "moonwire.twin.circuit",
    },
}

-- Where a service is mounted, and how it words a failure.
local PREFIX = { ooctopus = "", circuit = "/rest/v2" }

local WORDING = {
    ooctopus = function(failure)
        return failure.status, failure.body
    end,
    -- Circuit sends no body, and 400 is its one status for bad input.
    circuit = function(failure)
        return failure.status == 422 and 400 or failure.status, nil
    end,
}

local function not_served(row)
    errors.raise(501, ("%s:%s is not served by the twin yet"):format(row.module, row.method))
end

local function build_router()
    local routes = router.new()
    for service, modules in pairs(HANDLERS) do
        local rows = core.operations(service)
        for _, module in pairs(modules) do
            table.move(module.rows or {}, 1, #(module.rows or {}), #rows + 1, rows)
        end
        for _, row in ipairs(rows) do
            local handler = (modules[row.module] or {})[row.method]
            for _, path in ipairs { row.path, row.upstream } do
                routes:add(PREFIX[service], path, row, handler)
            end
        end
    end
    return routes
end

-- The status of a good answer: the documented one.
local function good_status(row)
    local status = 300
    for _, response in ipairs(row.responses) do
        if response.status >= 200 and response.status < status then
            status = response.status
        end
    end
    return status < 300 and status or 200
end

-- By name, as the upstream path of an operation may hold fewer parameters than the documented one.
local function path_values(route, values)
    local params = {}
    for i, name in ipairs(route.names) do
        params[name] = values[i]
    end
    for _, field in ipairs(route.row.path_params or {}) do
        local text = params[field.name]
        if text and (field.type == "integer" or field.type == "number") then
            -- The platform looks up what is no number like any other id it doesn't know.
            params[field.name] = text:find("^%d+$") and math.tointeger(tonumber(text))
                or errors.not_found()
        end
    end
    return params
end

local function serve(state, request, route, values)
    local row = route.row
    local identity = auth.identify(state, row, request.headers)
    if not route.handler then
        not_served(row)
    end
    local params = path_values(route, values)
    if row.service == "ooctopus" and not row.module:find("^platform%.") then
        auth.check_account(state, row, params.account_id)
    end
    local query = check.query(row, url.pairs(request.query))
    local fields = body.read(request, row)
    check.body(row, fields)
    return route.handler(call.new {
        state = state,
        store = state.store,
        row = row,
        identity = identity,
        params = params,
        query = query,
        fields = fields,
    })
end

local function service_of(path)
    local prefix = PREFIX.circuit .. "/"
    return path:sub(1, #prefix) == prefix and "circuit" or "ooctopus"
end

local function answer(state, request)
    local route, values = state.router:match(request.method, request.path)
    if not route then
        errors.raise(values and 405 or 404, values and "Method not allowed" or "Not found")
    end
    local result, status = serve(state, request, route, values)
    return status or good_status(route.row), result
end

local function describe(request, problem)
    return ("twin: %s %s failed: %s"):format(request.method, request.path, tostring(problem))
end

--- What answers a request: `handler(request) -> status, headers, body`. It never raises.
---@param state moonwire.twin.state
---@return fun(request: table): integer, table, string
function twin.handler(state)
    return function(request)
        state.requests = state.requests + 1
        local ok, status, result = pcall(answer, state, request)
        if not ok then
            local failure = status
            if not errors.is(failure) then
                core.log("error", describe(request, failure))
                failure = { status = 500, body = { error = "Internal error in the twin" } }
            end
            status, result = WORDING[service_of(request.path)](failure)
        end
        local headers = { ["x-request-id"] = ("twin-%d"):format(state.requests) }
        if result == nil or status == 204 then
            return status, headers, ""
        end
        headers["content-type"] = "application/json; charset=utf-8"
        local encoded, text = pcall(core.json_encode, result)
        if not encoded then
            core.log("error", describe(request, text))
            return 500, headers, '{"error":"Internal error in the twin"}'
        end
        return status, headers, text
    end
end

---@class moonwire.twin.state
---@field account { id: integer, name: string }
---@field tokens table<string, table> token to identity
---@field store moonwire.twin.store
---@field router moonwire.twin.router
---@field now fun(): number epoch seconds
---@field requests integer served so far

--- The memory of a twin, without a server.
---@param options { data: string|nil, now: (fun(): number)|nil }|nil
---@return moonwire.twin.state
function twin.new(options)
    options = options or {}
    local data = options.data or "demo"
    local fill = demo.data[data]
    if not fill then
        error(("twin: there is no data set '%s' (there are: demo, empty)"):format(tostring(data)), 2)
    end
    local state = {
        store = store.new(),
        router = build_router(),
        now = options.now or core.time,
        requests = 0,
    }
    fill(state)
    return state
end

--- Starts a twin on a loopback port. `data` is "demo" (a plausible desk, the same every time) or "empty" (an
--- account with one administrator); `now` gives the time of new records.
---@param options { host: string|nil, port: integer|nil, data: string|nil, now: (fun(): number)|nil }|nil
---@return table running `{ url, ooctopus = { url, account_id, tokens = { user, bot, platform } },
--- circuit = { url, token }, state, close() }`
function twin.start(options)
    options = options or {}
    local state = twin.new(options)
    local server = core.server {
        host = options.host,
        port = options.port,
        handler = twin.handler(state),
    }
    local tokens = demo.tokens
    return {
        url = server.url,
        ooctopus = {
            url = server.url,
            account_id = state.account.id,
            tokens = { user = tokens.user, bot = tokens.bot, platform = tokens.platform },
        },
        circuit = { url = server.url .. PREFIX.circuit, token = tokens.circuit },
        state = state,
        close = function()
            server:close()
        end,
    }
end

return twin

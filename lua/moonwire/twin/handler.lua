--- From a request to its answer: rows to routes, requests to the modules' functions, failures to answers. Each
-- request is one transaction. Knows no operation by name.
local core = require "moonwire.core"
local auth = require "moonwire.twin.auth"
local automation = require "moonwire.twin.automation"
local body = require "moonwire.twin.body"
local call = require "moonwire.twin.call"
local check = require "moonwire.twin.check"
local errors = require "moonwire.twin.errors"
local router = require "moonwire.twin.router"
local signature = require "moonwire.twin.signature"
local url = require "moonwire.twin.url"

local handler = {}

-- Where a service is mounted, and how it words a failure.
local PREFIX = { ooctopus = "", circuit = "/rest/v2" }
handler.PREFIX = PREFIX

local WORDING = {
    ooctopus = function(failure)
        return failure.status, failure.body
    end,
    -- Circuit sends no body, and 400 is its one status for bad input.
    circuit = function(failure)
        return failure.status == 422 and 400 or failure.status, nil
    end,
}

-- What the platform serves besides the documented operations; a module lists it as rows.
local UNDOCUMENTED = { ooctopus = { "labels", "inboxes", "messages" }, circuit = {} }

-- A module of the facts has a file of its own: "platform.users" is ooctopus/platform_users.lua. It is a table of
-- functions, one for each method; `administrators` lists those that agents may not use.
local function load_module(service, name)
    local file = name:gsub("%.", "_")
    local module = require(("moonwire.twin.%s.%s"):format(service, file))
    local guarded = {}
    for _, method in ipairs(module.administrators or {}) do
        guarded[method] = true
    end
    return { functions = module, guarded = guarded }
end

--- The routes of both services; `rows` has all their operations.
---@return moonwire.twin.router
function handler.router()
    local routes, modules = router.new(), {}
    routes.rows = {}
    for service, prefix in pairs(PREFIX) do
        local rows = core.operations(service)
        for _, name in ipairs(UNDOCUMENTED[service]) do
            local more = load_module(service, name).functions.rows
            table.move(more, 1, #more, #rows + 1, rows)
        end
        for _, row in ipairs(rows) do
            local key = service .. row.module
            modules[key] = modules[key] or load_module(service, row.module)
            table.insert(routes.rows, row)
            local serve = assert(modules[key].functions[row.method], row.module .. "." .. row.method)
            for _, path in ipairs { row.path, row.upstream } do
                routes:add(prefix, path, row, serve, modules[key].guarded[row.method])
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

-- Everything that is held against the request before its module sees it.
local function admit(state, request, route, values)
    local row = route.row
    local identity = auth.identify(state.store, row, request.headers)
    local params = path_values(route, values)
    local account
    if params.account_id and not row.module:find("^platform%.") then
        account = auth.enter(state.store, row, identity, params.account_id)
        if route.guarded and identity.kind == "user" then
            auth.check_administrator(row, identity)
        end
    end
    local query = check.query(row, url.pairs(request.query))
    local fields = body.read(request, row)
    check.body(row, fields)
    return call.new {
        state = state,
        store = state.store,
        row = row,
        account = account,
        identity = identity,
        params = params,
        query = query,
        fields = fields,
        host = request.headers.host,
    }
end

--- The service whose paths a path is among.
---@param path string
---@return "ooctopus"|"circuit"
function handler.service_of(path)
    local prefix = PREFIX.circuit .. "/"
    return path:sub(1, #prefix) == prefix and "circuit" or "ooctopus"
end

---@class moonwire.twin.found
---@field route moonwire.twin.route|nil
---@field values string[]|boolean path segments; without a route: whether another verb has one
---@field account integer|nil the account in the path
---@field failure any what was raised by a path that can't be read

--- Looks for the operation of a request; never raises.
---@param state moonwire.twin.state
---@param request table the server's request
---@return moonwire.twin.found
function handler.find(state, request)
    local ok, route, values = pcall(state.router.match, state.router, request.method, request.path)
    if not ok then
        return { failure = route }
    end
    local found = { route = route, values = values }
    for i, name in ipairs(route and route.names or {}) do
        if name == "account_id" then
            found.account = math.tointeger(tonumber(values[i]:match("^%d+$")))
        end
    end
    return found
end

-- Everything that becomes of a request is one transaction: what rules do to it and the line in the file as well.
local function perform(state, request, found)
    if found.failure then
        error(found.failure, 0)
    end
    local route = found.route
    if not route then
        errors.raise(found.values and 405 or 404, found.values and "Method not allowed" or "Not found")
    end
    local one = admit(state, request, route, found.values)
    local result, status = route.serve(one)
    automation.run(one)
    -- What a webhook's delivery does here causes no more of them: two such webhooks would double them without end.
    local posts = not signature.is_delivery(request.headers) and state.outbox:plan(one) or nil
    state:save()
    return posts, status or good_status(route.row), result
end

local function describe(request, problem)
    return ("twin: %s %s failed: %s"):format(request.method, request.path, tostring(problem))
end

--- Serves a request in one transaction; never raises and never waits.
---@param state moonwire.twin.state
---@param request table the server's request
---@param found moonwire.twin.found
---@return integer status
---@return any result nil for an answer without a body
---@return table|nil posts what the outbox has to send, now that it has happened
function handler.serve(state, request, found)
    state.store:begin()
    local ok, posts, status, result = pcall(perform, state, request, found)
    if ok then
        return status, result, posts
    end
    state.store:rollback()
    local failure = posts
    if not errors.is(failure) then
        state.say("error", describe(request, failure))
        failure = { status = 500, body = { error = "Internal error in the twin" } }
    end
    return handler.word(request, failure)
end

--- A failure as the service of a path words it.
---@param request table
---@param failure { status: integer, body: table }
---@return integer status, table|nil result
function handler.word(request, failure)
    local status, result = WORDING[handler.service_of(request.path)](failure)
    return status, result
end

--- The answer on the wire.
---@param state moonwire.twin.state
---@param request table
---@param status integer
---@param result any nil for none
---@param headers table<string, string> grows by the content type
---@return integer status, table headers, string body
function handler.write(state, request, status, result, headers)
    if result == nil or status == 204 then
        return status, headers, ""
    end
    headers["content-type"] = "application/json; charset=utf-8"
    local encoded, text = pcall(core.json_encode, result)
    if not encoded then
        state.say("error", describe(request, text))
        return 500, headers, '{"error":"Internal error in the twin"}'
    end
    return status, headers, text
end

return handler

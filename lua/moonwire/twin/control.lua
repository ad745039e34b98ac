--- The control route of a twin, /_twin/, with a token of its own: faults, clock, log, snapshots. What is asked of it is
--- neither limited nor faulted nor logged. Knows the parts of a state, no operation.
local core = require "moonwire.core"
local circuit_events = require "moonwire.twin.circuit_events"
local clock = require "moonwire.twin.clock"
local dump = require "moonwire.twin.dump"
local errors = require "moonwire.twin.errors"
local faults = require "moonwire.twin.faults"
local url = require "moonwire.twin.url"

local control = {}

local ROOT = "/_twin/"
local MOST_SNAPSHOTS = 16
local LONGEST_NAME = 100

-- ---- reading ----

local function fields_of(request)
    local read, fields = pcall(core.json_decode, request.body ~= "" and request.body or "{}")
    if not read then
        errors.raise(400, (tostring(fields):gsub("^.-: ", "the body is not JSON: ", 1)))
    elseif type(fields) ~= "table" or core.is_array(fields) or fields[1] ~= nil then
        errors.raise(400, "the body is not a JSON object")
    end
    return fields
end

local function only(fields, ...)
    local known = { ... }
    for name in pairs(fields) do
        local found = false
        for _, one in ipairs(known) do
            found = found or one == name
        end
        if not found then
            errors.raise(422, ("unknown field '%s'; there is %s"):format(tostring(name):sub(1, LONGEST_NAME),
                table.concat(known, ", ")))
        end
    end
end

local function count_in(query, name)
    for _, pair in ipairs(url.pairs(query)) do
        if pair[1] == name then
            return pair[2]:find("^%d+$") and math.tointeger(tonumber(pair[2]))
                or errors.raise(400, ("%s must be a number, got '%s'"):format(name, pair[2]:sub(1, LONGEST_NAME)))
        end
    end
end

local function snapshot_name(name)
    if type(name) ~= "string" or #name > LONGEST_NAME or not name:find("^[%w_.-]+$") then
        errors.raise(422, ("name must be 1 to %d letters, digits, '_', '.' or '-'"):format(LONGEST_NAME))
    end
    return name
end

local function read_dump(data)
    local store, problem = dump.read(data)
    return store or errors.raise(422, problem)
end

-- ---- what there is to ask ----

local function status_of(state)
    return {
        time = state.now(),
        requests = state.requests,
        faults = core.array(state.faults:status()),
        routes = core.array(control.routes()),
    }
end

--- Sets the faults of a state in place of those it has.
---@param state moonwire.twin.state
---@param spec string|string[]|nil
---@return string|nil problem
function control.set_faults(state, spec)
    local made, problem = faults.new(spec, state.router.rows, state.seed)
    state.faults = made or state.faults
    return problem
end

local function list_faults(state)
    return { faults = core.array(state.faults:status()) }
end

local function post_faults(state, request)
    local fields = fields_of(request)
    only(fields, "faults", "seed")
    if fields.faults == nil or fields.faults == core.null then
        errors.raise(422, "faults is missing; give one, or a list of them")
    elseif fields.seed ~= nil and math.type(fields.seed) ~= "integer" then
        errors.raise(422, "seed must be an integer")
    end
    local before = state.seed
    state.seed = fields.seed or before
    local problem = control.set_faults(state, fields.faults)
    if problem then
        state.seed = before
        errors.raise(422, problem)
    end
    return list_faults(state)
end

local function post_clock(state, request)
    local fields = fields_of(request)
    only(fields, "advance")
    local now, problem = clock.advance(state, fields.advance)
    return now and { time = now } or errors.raise(422, "advance: " .. problem)
end

local function get_log(state, request)
    local since, limit = count_in(request.query, "since"), count_in(request.query, "limit")
    return {
        requests = core.array(state.log:list_requests(since, limit)),
        deliveries = core.array(state.log:list_deliveries(since, limit)),
    }
end

local function post_snapshot(state, request)
    local fields = fields_of(request)
    only(fields, "name")
    local name, count = snapshot_name(fields.name), 0
    for _ in pairs(state.snapshots) do
        count = count + 1
    end
    if count >= MOST_SNAPSHOTS and not state.snapshots[name] then
        errors.raise(422, ("there are %d snapshots already; take one under a name that is used"):format(count))
    end
    state.snapshots[name] = dump.write(state.store)
    return { name = name }
end

local function restore_snapshot(state, _, name)
    local kept = state.snapshots[name] or errors.raise(404, ("there is no snapshot '%s'"):format(
        name:sub(1, LONGEST_NAME)))
    state:restore(read_dump(kept))
    return { name = name }
end

local function post_circuit(state, request)
    local fields = fields_of(request)
    only(fields, "type", "data", "user")
    local count, problem = circuit_events.emit(state, fields)
    return count and { webhooks = count } or errors.raise(422, problem)
end

-- Verb, path, what it does, and how to ask for it. A '*' in a path is a name.
local ROUTES = {
    { "GET", "", status_of, "this" },
    { "GET", "log", get_log, "the log; ?since=N&limit=N" },
    { "DELETE", "log", function(state) state.log:clear() return {} end, "forgets the log" },
    { "GET", "faults", list_faults, "what goes wrong, and how often it did" },
    { "POST", "faults", post_faults, '{"faults": ["messages.create:drop-after-commit:10%"]}, and "seed"' },
    {
        "DELETE", "faults",
        function(state)
            control.set_faults(state, nil)
            return {}
        end,
        "nothing goes wrong any more",
    },
    { "POST", "clock", post_clock, '{"advance": "2h"}' },
    { "POST", "circuit", post_circuit, '{"type": "CONVERSATION.ADD_ITEM", "data": {}}: it happens in Circuit' },
    { "GET", "snapshot", function(state) return dump.write(state.store) end, "all that the twin remembers" },
    {
        "POST", "restore",
        function(state, request)
            state:restore(read_dump(fields_of(request)))
            return {}
        end,
        "goes back to the snapshot in the body",
    },
    { "POST", "snapshots", post_snapshot, '{"name": "before"}: keeps a snapshot in memory' },
    { "POST", "snapshots/*/restore", restore_snapshot, "goes back to it" },
}

--- The routes, for people.
---@return { method: string, path: string, use: string }[]
function control.routes()
    local out = {}
    for i, route in ipairs(ROUTES) do
        out[i] = { method = route[1], path = ROOT .. route[2]:gsub("%*", "NAME"), use = route[4] }
    end
    return out
end

-- ---- the route ----

local function find(request)
    local path, other = request.path:sub(#ROOT + 1), false
    for _, route in ipairs(ROUTES) do
        local name = path:match("^" .. route[2]:gsub("%*", "([^/]+)") .. "$")
        if name and route[1] == request.method then
            return route[3], name
        end
        other = other or name ~= nil
    end
    errors.raise(other and 405 or 404, ("the control route has no %s %s; GET %s tells what there is"):format(
        request.method, request.path:sub(1, LONGEST_NAME), ROOT))
end

local function perform(state, request)
    if not core.same(request.headers["x-twin-token"] or "", state.control_token) then
        errors.raise(401, "the control route needs its token, in the header X-Twin-Token")
    end
    local serve, name = find(request)
    return core.json_encode(serve(state, request, name))
end

--- Whether a path is the control route's.
---@param path string
---@return boolean
function control.owns(path)
    return path:sub(1, #ROOT) == ROOT
end

--- Answers a request to the control route; never raises.
---@param state moonwire.twin.state
---@param request table the server's request
---@return integer status, table headers, string body
function control.answer(state, request)
    local headers = { ["content-type"] = "application/json; charset=utf-8" }
    local ok, result = pcall(perform, state, request)
    if ok then
        return 200, headers, result
    elseif errors.is(result) then
        -- What was asked for is quoted in it, which may be no text, or cut inside a character.
        local text = result.body.error
        text = utf8.len(text) and text or text:gsub("[\128-\255]", "?")
        return result.status, headers, core.json_encode { error = text }
    end
    state.say("error", ("twin: %s %s failed: %s"):format(request.method, request.path, tostring(result)))
    return 500, headers, '{"error":"Internal error in the twin"}'
end

return control

--- The twin: a local, stateful double of both services, run on the host's HTTP server.
local core = require "moonwire.core"
local demo = require "moonwire.twin.demo"
local handler = require "moonwire.twin.handler"
local store = require "moonwire.twin.store"

local twin = {}

---@class moonwire.twin.state
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
        router = handler.router(),
        now = options.now or core.time,
        requests = 0,
    }
    fill(state.store)
    return state
end

--- What answers a request: `handler(request) -> status, headers, body`. It never raises.
---@param state moonwire.twin.state
---@return fun(request: table): integer, table, string
function twin.handler(state)
    return function(request)
        state.requests = state.requests + 1
        local status, result = handler.serve(state, request)
        return handler.write(request, status, result, { ["x-request-id"] = ("twin-%d"):format(state.requests) })
    end
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
            account_id = 1,
            tokens = { user = tokens.user, bot = tokens.bot, platform = tokens.platform },
        },
        circuit = { url = server.url .. handler.PREFIX.circuit, token = tokens.circuit },
        state = state,
        close = function()
            server:close()
        end,
    }
end

return twin

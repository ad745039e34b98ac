--- The twin: a local, stateful double of both services, run on the host's own HTTP server.
---
---     local t = require "moonwire.twin".start { data = "demo" }
---     local desk = mw.ooctopus(t.ooctopus)          -- or t:connect "ooctopus"
---     desk.contacts:update(12, { name = "Ada" })
---     print(t:log()[1].operation)                   -- contacts.update
---     t:stop()
---
--- It runs on the loop of the Lua state that started it, so that a spec and the script under test may share one
--- process: a call that waits for the twin's answer lets the twin give it. A program that a spec runs to its end with
--- os.execute or io.popen holds up the loop and gets no answer; such a one needs `moonwire twin`, with the control
--- route in place of the methods below.
local core = require "moonwire.core"
local circuit_events = require "moonwire.twin.circuit_events"
local clock = require "moonwire.twin.clock"
local control = require "moonwire.twin.control"
local dump = require "moonwire.twin.dump"
local faults = require "moonwire.twin.faults"
local guard = require "moonwire.twin.guard"
local handler = require "moonwire.twin.handler"
local limits = require "moonwire.twin.limits"
local outbox = require "moonwire.twin.outbox"
local origin = require "moonwire.twin.origin"
local pipeline = require "moonwire.twin.pipeline"
local state = require "moonwire.twin.state"

core.own()

local twin = {}

local function refuse(operation, problem)
    error(core.error { kind = "invalid", operation = operation, message = operation .. ": " .. problem }, 0)
end

--- What a twin may be told. Everything is optional.
---@class moonwire.twin.options
--- "demo": a plausible desk, the same every time (the default); "empty": an account with one administrator; a table as
--- t:snapshot() gives it; or the path of a file that `moonwire twin export` has written, which ends in ".json".
---@field data string|table|nil
--- The path of a state file, made where there is none: everything is kept in it across restarts. `data` fills a new
--- one; what a file holds already stays.
---@field state string?
---@field limits string? "platform" for the platform's own rate limits, or such as "60/min"; off without it
---@field retry_after boolean? a refused request is told after how many seconds to try again
---@field faults string|string[]|nil what goes wrong: "messages.create:drop-after-commit:10%"
---@field seed integer? what the chances of faults follow from; the same seed gives the same run
---@field deliver_anywhere boolean? webhooks go to any address; without it to loopback addresses alone
---@field now number|(fun(): number)|nil epoch seconds: a clock that stands still, or a clock; without it, the real one
--- Gets lines about trouble, with their level, "warn" or "error": a delivery that was not made, a fault of the twin
--- itself. Without it they go to the log, which is standard error.
---@field on_log (fun(level: string, line: string))?
---@field control_token string? of the control route /_twin/; "twin-control-token" without it
---@field host string? numeric address to listen on; 127.0.0.1 without it
---@field port integer? 0 or nil for any free one
local OPTIONS = {
    data = true, state = true, limits = true, retry_after = true, faults = true, seed = true, on_log = true,
    deliver_anywhere = true, now = true, control_token = true, host = true, port = true,
}

local function check_options(options)
    if type(options) ~= "table" then
        refuse("twin.start", "expected a table of options, got " .. core.got(options))
    end
    for name, value in pairs(options) do
        if not OPTIONS[name] then
            refuse("twin.start", ("unknown option '%s'"):format(tostring(name)))
        elseif name == "seed" and math.type(value) ~= "integer" then
            refuse("twin.start", "seed must be an integer, got " .. core.got(value))
        elseif name == "on_log" and type(value) ~= "function" then
            refuse("twin.start", "on_log must be a function, got " .. core.got(value))
        elseif name == "control_token" and (type(value) ~= "string" or value == "") then
            refuse("twin.start", "control_token must be a text that is not empty, got " .. core.got(value))
        end
    end
end

local function base_clock(now)
    if type(now) == "number" then
        return function() return now end
    elseif now ~= nil and type(now) ~= "function" then
        refuse("twin.start", "now must be a number of seconds or a function, got " .. core.got(now))
    end
    return now or core.time
end

--- The memory of a twin, without a server.
---@param options moonwire.twin.options|nil
---@return moonwire.twin.state
function twin.new(options)
    options = options or {}
    check_options(options)
    local base, router = base_clock(options.now), handler.router()
    local limited, problem = limits.new(options.limits)
    local faulty
    if limited then
        faulty, problem = faults.new(options.faults, router.rows, options.seed)
    end
    if problem then
        refuse("twin.start", problem)
    end
    local records, journal
    records, journal, problem = origin.open(options)
    if problem then
        refuse("twin.start", problem)
    end
    local made = state.new {
        store = records,
        journal = journal,
        router = router,
        limits = limited,
        retry_after = options.retry_after == true,
        faults = faulty,
        seed = options.seed or 1,
        say = options.on_log or core.log,
        control_token = options.control_token or "twin-control-token",
    }
    made.now = clock.of(made, base)
    made.outbox = outbox.new {
        deliver_anywhere = options.deliver_anywhere == true,
        say = made.say,
        log = function(entry)
            entry.time = made.now()
            made.log:delivery(entry)
        end,
    }
    return made
end

--- What answers a request, as core.server wants it. It never raises.
---@param made moonwire.twin.state
---@return fun(request: table): integer|nil, table|string, string|nil, table|nil
function twin.handler(made)
    return function(request)
        if control.owns(request.path) then
            return control.answer(made, request)
        end
        return pipeline.answer(made, request)
    end
end

--- A running twin.
---@class moonwire.twin.running
---@field url string "http://127.0.0.1:PORT"
---@field ooctopus table options for mw.ooctopus and mw.chatwoot: url, account, token, bot_token, platform_token; and
--- limits = false for a twin that has none, so that nobody waits for limits that are not there
---@field circuit table options for mw.circuit: url, token; limits likewise
---@field tokens { user: string?, bot: string?, platform: string?, circuit: string?, control: string }
---@field state moonwire.twin.state
---@field private server table
local running = {}
running.__index = running

--- Starts a twin on a loopback port. Raises an error of kind "invalid" that names the option at fault, or "network"
--- when it can't listen there. It can be held in a variable with <close>.
---@param options moonwire.twin.options|nil
---@return moonwire.twin.running
function twin.start(options)
    options = options or {}
    local made = twin.new(options)
    local serve = twin.handler(made)
    local listens, server = pcall(core.server, {
        host = options.host,
        port = options.port,
        handler = guard.is_loopback(options.host) and guard.wrap(serve) or serve,
    })
    if not listens then
        made:stop()
        error(server, 0)
    end
    local tokens, account = dump.tokens(made.store)
    tokens.control = made.control_token
    local pacing
    if made.limits:is_off() then
        pacing = false -- what is not limited needs no pacing
    end
    return setmetatable({
        url = server.url,
        tokens = tokens,
        ooctopus = {
            url = server.url,
            account = account,
            token = tokens.user,
            bot_token = tokens.bot,
            platform_token = tokens.platform,
            limits = pacing,
        },
        circuit = { url = server.url .. handler.PREFIX.circuit, token = tokens.circuit, limits = pacing },
        state = made,
        server = server,
    }, running)
end

--- The records of a state file, or of data, as text for a file: what `data` takes when it is the path of one. A state
--- file that a twin has open can't be read; that twin gives a snapshot. Raises an error of kind "invalid".
---@param options { data: string|table|nil, state: string|nil }
---@return string text JSON with a record a line
function twin.export(options)
    local text, problem = origin.export(options)
    return text or refuse("twin.export", problem)
end

local PROFILES = {
    ooctopus = { of = "ooctopus", service = "ooctopus" },
    chatwoot = { of = "ooctopus", service = "ooctopus", paths = "upstream" },
    circuit = { of = "circuit", service = "circuit" },
}

--- A client of this twin by the name of a profile. What mw.connect is for a script, this is for its spec:
---
---     mw.connect = function(name) return t:connect(name) end
---@param name "ooctopus"|"chatwoot"|"circuit"
---@return moonwire.client
function running:connect(name)
    local profile = PROFILES[name]
    if not profile then
        refuse("connect", ("a twin has no profile \"%s\"; there are ooctopus, chatwoot and circuit"):format(
            tostring(name)))
    end
    local options = { service = profile.service, paths = profile.paths }
    for key, value in pairs(self[profile.of]) do
        options[key] = value
    end
    return core.client(options)
end

--- The requests that came in, oldest first: the last 10,000. Requests to the control route are not among them.
---@return moonwire.twin.request[]
function running:log()
    return self.state.log:list_requests()
end

--- The deliveries that were made, or were not, oldest first: webhooks of both services. Waits until those that are
--- under way have ended.
---@return { n: integer, time: number, event: string, url: string, status: integer?, error: string?, kind: string? }[]
function running:deliveries()
    self.state.outbox:wait()
    return self.state.log:list_deliveries()
end

--- Forgets what is in the log.
function running:clear_log()
    self.state.log:clear()
end

--- Sets the twin's clock forward; it never goes back. Raises an error of kind "invalid" on what is no duration.
---@param span string|number "90s", "5m", "2h", "1d", or seconds
---@return number now epoch seconds, by the twin's clock
function running:advance(span)
    local now, problem = clock.advance(self.state, span)
    return now or refuse("advance", problem)
end

--- Sets what goes wrong from now on, in place of what did: OPERATION:KIND[:RATE]. OPERATION is as in "contacts.get",
--- "contacts.*", "*" or a documented id, with "circuit:" or "ooctopus:" before it for one service. KIND is drop, reset
--- (the connection ends and nothing has happened), drop-after-commit, reset-after-commit, truncate (it has happened),
--- html (as a proxy answers), status=503, delay=200ms. RATE is 10% or 1/3 (every third request).
---@param spec string|string[]|nil none for nil and {}
function running:fault(spec)
    local problem = control.set_faults(self.state, spec)
    if problem then
        error(core.error { kind = "invalid", operation = "fault", message = problem }, 0)
    end
end

--- All that the twin remembers, as a table that mw.json.encode can write: for t:restore, or as `data` of another twin.
---@return table
function running:snapshot()
    return dump.write(self.state.store)
end

--- Goes back to a snapshot, which is checked first: an error of kind "invalid" names the place that is wrong. The
--- clock goes with it; log, limits and faults stay.
---@param snapshot table
function running:restore(snapshot)
    local read, problem = dump.read(snapshot)
    if not read then
        refuse("restore", problem)
    end
    self.state:restore(read)
end

--- Makes something happen in Circuit, whose API has no operations for it: its webhooks hear of it.
---@param event { type: string, data: table, user: string? } "CONVERSATION.ADD_ITEM"; see circuit_events
---@return integer count how many webhooks hear of it
function running:circuit_event(event)
    local count, problem = circuit_events.emit(self.state, event)
    return count or refuse("circuit_event", problem)
end

--- Stops it. What waits for an answer finds the connection closed, deliveries that are under way are given up. Twice
--- is fine.
function running:stop()
    self.server:close()
    self.state:stop()
end

running.__close = running.stop

return twin

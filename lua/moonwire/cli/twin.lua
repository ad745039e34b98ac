--- Starts a twin for the command line. Owns what the options are called there, and the names of the settings that point
--- clients at it; knows nothing of the twin's inside. Runs on the twin's own thread.

local mw = require "moonwire"
local plain = require "moonwire.cli.plain"

local function last(values)
    return values and values[#values]
end

local function seed_of(text)
    local seed = text and math.tointeger(tonumber(text))
    if text and not seed then
        local message = ("'%s' is no seed; give a whole number"):format(text:sub(1, 40))
        error(mw.error { kind = "invalid", message = message }, 0)
    end
    return seed
end

local function start(settings, host, port)
    return require "moonwire.twin".start {
        host = host,
        port = port,
        data = last(settings.data),
        state = last(settings.state),
        limits = last(settings.limits),
        retry_after = settings["retry-after"] ~= nil,
        faults = settings.fault,
        seed = seed_of(last(settings.seed)),
        deliver_anywhere = settings["deliver-anywhere"] ~= nil,
    }
end

--- @param settings table<string, string[]> options by their names on the command line, in order
--- @param host string numeric address
--- @param port integer 0 for any free one
--- @return fun() close
--- @return table<string, string> settings by the names of the environment variables
return function(settings, host, port)
    local twin = plain(start, settings, host, port)
    local desk, circuit = twin.ooctopus, twin.circuit
    return function() twin:stop() end, {
        OOCTOPUS_URL = desk.url,
        OOCTOPUS_ACCOUNT_ID = desk.account and tostring(desk.account),
        OOCTOPUS_TOKEN = desk.token,
        OOCTOPUS_BOT_TOKEN = desk.bot_token,
        OOCTOPUS_PLATFORM_TOKEN = desk.platform_token,
        CIRCUIT_URL = circuit.url,
        CIRCUIT_TOKEN = circuit.token,
    }
end

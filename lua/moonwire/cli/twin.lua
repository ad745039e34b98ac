--- Starts a twin for the command line. Owns nothing but the names of the settings that point clients at it; knows
--- nothing of the twin's inside. Runs on the twin's own thread.

--- @param host string numeric address
--- @param port integer 0 for any free one
--- @param data "demo"|"empty"
--- @return fun() close
--- @return table<string, string> settings by the names of the environment variables
return function(host, port, data)
    local started, twin = pcall(require "moonwire.twin".start, { host = host, port = port, data = data })
    if not started then
        if type(twin) == "table" then
            twin.where = nil -- a line of the library says nothing to whoever typed the address
        end
        error(twin, 0)
    end
    local desk, circuit = twin.ooctopus, twin.circuit
    return twin.close, {
        OOCTOPUS_URL = desk.url,
        OOCTOPUS_ACCOUNT_ID = tostring(desk.account_id),
        OOCTOPUS_TOKEN = desk.tokens.user,
        OOCTOPUS_BOT_TOKEN = desk.tokens.bot,
        OOCTOPUS_PLATFORM_TOKEN = desk.tokens.platform,
        CIRCUIT_URL = circuit.url,
        CIRCUIT_TOKEN = circuit.token,
    }
end

--- moonwire: automate chat and support platforms. `local mw = require "moonwire"`.
---
---     local desk = mw.connect "ooctopus"                 -- or mw.ooctopus{ url =, account =, token = }
---     local contact = desk.contacts:get(12)              -- path parameters in path order
---     desk.contacts:update(12, { name = "Ada" })         -- then one table: query and body fields together
---     for c in desk.conversations:each{ status = "open" } do print(c.id) end
---
--- A call returns the decoded body (true where there is none) and the response: status, headers (names in lower case,
--- repeated ones joined by ", "), elapsed and waited (seconds), attempts, request_id. It raises an error object when
--- it fails. Integers stay integers over the whole 64-bit range, null is mw.null, arrays stay arrays; bytes of an
--- answer that are not UTF-8 are kept as they are.
local core = require "moonwire.core"

core.own()

require "moonwire.each"
local task = require "moonwire.task"

---@class moonwire.error
---@field kind string "invalid", "denied", "auth", "forbidden", "not_found", "conflict", "rejected", "rate_limited",
--- "server", "network", "timeout", "tls", "decode", "too_large", "ambiguous", "cancelled", "budget", "memory"
---@field message string one line
---@field operation string? "contacts:get"
---@field status integer? of the answer
---@field fields table? names of the fields that the server refused
---@field field string? the parameter at fault
---@field body any the server's answer, decoded, or as text, cut at 64 KiB
---@field retry_after number? seconds the server asked for
---@field attempts integer? how often the request went out
---@field sent "no"|"yes"|"unknown"|nil whether the request may have had an effect
---@field url string? redacted
---@field elapsed number? seconds
---@field where string? "script.lua:12: ", the code that made the call

---@class moonwire.client
---@field call fun(self, id: string, params?: table, options?: table): any, table any documented id, alias or
--- "module:method"; path parameters by name
---@field request fun(self, verb: string, path: string, params?: table, options?: table): any, table any path below the
--- base URL; params: query, body (JSON), form, token
---@field safe fun(self): moonwire.client a view whose methods return nil and the error instead of raising it (each
--- still raises)
---@field close fun(self) ends its calls; twice is fine
---@field stats fun(self): { requests: integer }

local mw = {
    version = core.version,
    null = core.null,
    array = core.array,
    spawn = core.spawn,
    sleep = core.sleep,
    all = task.all,
    map = task.map,
    connect = core.connect,
    error = core.error,
    is_error = core.is_error,
    operations = core.operations,
    now = core.now,
    time = core.time,
    json = { encode = core.json_encode, decode = core.json_decode },
}

--- A client's options with what the function's name settles.
local function with(options, name, settled)
    if type(options) ~= "table" then
        error(core.error {
            kind = "invalid",
            operation = name,
            message = ("%s: expected a table of options, got a %s"):format(name, type(options)),
        }, 0)
    end
    local result = {}
    for key, value in pairs(options) do
        result[key] = value
    end
    for key, value in pairs(settled) do
        result[key] = value
    end
    return core.client(result)
end

--- A client of the Ooctopus API, under the documented paths.
---@param options { url: string?, account: integer|string|nil, token: string?, bot_token: string?,
--- platform_token: string?, paths: "documented"|"upstream"|nil, timeout: number?, connect_timeout: number?,
--- stall_timeout: number?, max_body: integer?, concurrency: integer?, read_only: boolean?, max_calls: integer?,
--- ca_file: string?, insecure: boolean?, proxy: string?, user_agent: string? } times in seconds
---@return moonwire.client
function mw.ooctopus(options)
    return with(options, "ooctopus", { service = "ooctopus" })
end

--- The same under the paths of upstream Chatwoot.
---@return moonwire.client
function mw.chatwoot(options)
    return with(options, "chatwoot", { service = "ooctopus", paths = "upstream" })
end

--- A client of Circuit's webhooks; `token` is the OAuth token.
---@return moonwire.client
function mw.circuit(options)
    return with(options, "circuit", { service = "circuit" })
end

--- Log lines: mw.log(...) and mw.log.info(...), and debug, warn, error. Values are joined by tabs as print does; a
--- line stays a line (control characters are escaped), and tokens are struck out.
mw.log = setmetatable({}, {
    __call = function(_, ...)
        core.log("info", ...)
    end,
})
for _, level in ipairs { "debug", "info", "warn", "error" } do
    mw.log[level] = function(...)
        core.log(level, ...)
    end
end

return mw

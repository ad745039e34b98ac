--- Keeps web pages out of a twin that listens on loopback alone. A page can have its own name lead to 127.0.0.1 (DNS
-- rebinding): the browser then takes the twin for the page's own server and keeps nothing from it. The name is in the
-- Host header, which no page can change. Knows neither routes nor records.
local core = require "moonwire.core"

local guard = {}

local LONGEST_NAME = 100

--- Whether a server that listens on an address can be reached from this machine alone.
---@param address string|nil numeric; 127.0.0.1 without it
---@return boolean
function guard.is_loopback(address)
    return address == nil or tostring(address):find("^127%.") ~= nil or address == "::1"
end

-- Addresses, and names that can't be anybody else's.
local function is_ours(host)
    local name = host:lower():gsub(":%d*$", "")
    return name == "localhost" or name:find("%.localhost$") ~= nil or name:find("^%d+%.%d+%.%d+%.%d+$") ~= nil
        or name:find("^%[[%x:.]+%]$") ~= nil
end

--- A handler that refuses what was meant for another host, and leaves the rest to `serve`. Requests without a Host
--- header are not a browser's.
---@param serve fun(request: table): integer|nil, table|string, string|nil, table|nil
---@return fun(request: table): integer|nil, table|string, string|nil, table|nil
function guard.wrap(serve)
    return function(request)
        local host = request.headers.host
        if host == nil or is_ours(host) then
            return serve(request)
        end
        return 403, { ["content-type"] = "application/json; charset=utf-8" }, core.json_encode {
            error = ("This twin listens on this machine alone, and '%s' is no name for it; use 127.0.0.1 or localhost")
                :format((host:sub(1, LONGEST_NAME):gsub("[^%g ]", "?"))),
        }
    end
end

return guard

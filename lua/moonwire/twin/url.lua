--- Reading URLs and url-encoded text: segments, queries, forms. Pure functions.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"

local url = {}

local function from_hex(digits)
    return string.char(tonumber(digits, 16))
end

--- Undoes percent-encoding. A '%' that two hex digits don't follow ends the request with 400.
---@param text string
---@return string
function url.decode(text)
    if not text:find("%", 1, true) then
        return text
    end
    if text:gsub("%%%x%x", ""):find("%", 1, true) then
        errors.raise(400, "Bad percent-encoding in the request")
    end
    return (text:gsub("%%(%x%x)", from_hex))
end

--- The decoded name/value pairs of a query or a url-encoded form, in order. A '+' is a space.
---@param text string|nil
---@return { [1]: string, [2]: string }[]
function url.pairs(text)
    local out = {}
    for pair in (text or ""):gmatch("[^&]+") do
        local name, value = pair:match("^([^=]*)=?(.*)$")
        out[#out + 1] = { url.decode((name:gsub("%+", " "))), url.decode((value:gsub("%+", " "))) }
    end
    return out
end

--- The raw segments of a path and whether it ends with a slash: "/a/b/" gives { "a", "b" }, true.
---@param path string
---@return string[] segments, boolean slash
function url.segments(path)
    local slash = #path > 1 and path:sub(-1) == "/"
    local trimmed = slash and path:sub(2, -2) or path:sub(2)
    return trimmed ~= "" and core.str.split(trimmed, "/") or {}, slash
end

--- Whether `text` is an http or https URL with a host and no blanks or control characters.
---@param text string
---@return boolean
function url.is_http(text)
    local host = text:match("^[hH][tT][tT][pP][sS]?://([^/?#]+)")
    if not host or text:find("[%c%s]") then
        return false
    end
    host = host:gsub("^[^@]*@", ""):gsub(":%d*$", "")
    return host:find("^%[[%x:.]+%]$") ~= nil or host:find("^[%w\128-\255][%w%-._\128-\255]*$") ~= nil
end

return url

--- Reading URLs and url-encoded text: segments, queries, forms. Pure functions.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"

local url = {}

local LONGEST = 8192 -- bytes of a URL

local function from_hex(digits)
    return string.char(tonumber(digits, 16))
end

--- Ends the request with 400 unless `text` is UTF-8: no answer could hold it.
---@param text string
---@return string text
function url.check_text(text)
    if not utf8.len(text) then
        errors.raise(400, "The request holds text that is not UTF-8")
    end
    return text
end

--- Undoes percent-encoding. A '%' that two hex digits don't follow, and what is no UTF-8, ends the request with 400.
---@param text string
---@return string
function url.decode(text)
    if text:find("%", 1, true) then
        if text:gsub("%%%x%x", ""):find("%", 1, true) then
            errors.raise(400, "Bad percent-encoding in the request")
        end
        text = text:gsub("%%(%x%x)", from_hex)
    end
    return url.check_text(text)
end

--- Percent-encodes all but letters, digits and "-._~".
---@param text string
---@return string
function url.escape(text)
    return (text:gsub("[^%w%-._~]", function(char)
        return ("%%%02X"):format(char:byte())
    end))
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

--- Whether `text` is an http or https URL with a host and no blanks or control characters, of 8 KiB at most: what is
--- longer could not be posted to.
---@param text any what is no text is no URL
---@return boolean
function url.is_http(text)
    local host = type(text) == "string" and #text <= LONGEST and text:match("^[hH][tT][tT][pP][sS]?://([^/?#]+)")
    if not host or text:find("[%c%s]") then
        return false
    end
    host = host:gsub("^[^@]*@", ""):gsub(":%d*$", "")
    return host:find("^%[[%x:.]+%]$") ~= nil or host:find("^[%w\128-\255][%w%-._\128-\255]*$") ~= nil
end

return url

--- A small strict JSON reader for specs, exact for integers of 64 bits, so that what the code under test wrote is
--- not read by what the code under test reads with.

local json = {}

--- Stands for null.
json.null = setmetatable({}, { __tostring = function() return "null" end })

local array = { __name = "json array" }

local escapes = {
    ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local value

local function fail(text, at, what)
    error(("bad JSON at byte %d: %s in %q"):format(at, what, text:sub(math.max(1, at - 20), at + 20)), 0)
end

local function skip(text, at)
    return text:find("[^ \t\r\n]", at) or #text + 1
end

local function unescape(text, at, hex)
    local code = tonumber(hex, 16)
    if code >= 0xD800 and code <= 0xDBFF then
        local low = text:match("^\\u([dD][c-fC-F]%x%x)", at + 6)
        if not low then
            fail(text, at, "half a surrogate pair")
        end
        return utf8.char(0x10000 + (code - 0xD800) * 0x400 + tonumber(low, 16) - 0xDC00), at + 12
    end
    return utf8.char(code), at + 6
end

local function string_at(text, at)
    local parts = {}
    at = at + 1
    while true do
        local stop = text:find('[%c"\\]', at) or fail(text, at, "a string without an end")
        parts[#parts + 1] = text:sub(at, stop - 1)
        local c = text:sub(stop, stop)
        if c == '"' then
            return table.concat(parts), stop + 1
        elseif c == "\127" then
            parts[#parts + 1], at = c, stop + 1
        elseif c ~= "\\" then
            fail(text, stop, "a bare control character")
        elseif text:sub(stop + 1, stop + 1) == "u" then
            local hex = text:match("^%x%x%x%x", stop + 2) or fail(text, stop, "a bad \\u")
            parts[#parts + 1], at = unescape(text, stop, hex)
        else
            local plain = escapes[text:sub(stop + 1, stop + 1)] or fail(text, stop, "a bad escape")
            parts[#parts + 1], at = plain, stop + 2
        end
    end
end

local function number_at(text, at)
    local word = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at) or fail(text, at, "no value")
    local number = tonumber(word)
    if not number or word:find("^-?0%d") or word:find("%.$") or word:find("%.[eE]") then
        fail(text, at, "a bad number")
    end
    return number, at + #word
end

local function list_at(text, at, close, read)
    at = skip(text, at + 1)
    if text:sub(at, at) == close then
        return at + 1
    end
    while true do
        at = skip(text, read(at))
        local c = text:sub(at, at)
        if c == close then
            return at + 1
        elseif c ~= "," then
            fail(text, at, "neither ',' nor '" .. close .. "'")
        end
        at = skip(text, at + 1)
    end
end

local function array_at(text, at)
    local list = setmetatable({}, array)
    return list, list_at(text, at, "]", function(from)
        local item, behind = value(text, from)
        list[#list + 1] = item
        return behind
    end)
end

local function object_at(text, at)
    local object = {}
    return object, list_at(text, at, "}", function(from)
        if text:sub(from, from) ~= '"' then
            fail(text, from, "no name")
        end
        local name, behind = string_at(text, from)
        if object[name] ~= nil then
            fail(text, from, "a name twice")
        end
        behind = skip(text, behind)
        if text:sub(behind, behind) ~= ":" then
            fail(text, behind, "no ':'")
        end
        object[name], behind = value(text, skip(text, behind + 1))
        return behind
    end)
end

local words = { ["true"] = true, ["false"] = false, ["null"] = json.null }

function value(text, at)
    local c = text:sub(at, at)
    if c == "{" then
        return object_at(text, at)
    elseif c == "[" then
        return array_at(text, at)
    elseif c == '"' then
        return string_at(text, at)
    end
    local word = text:match("^%a+", at)
    if word and words[word] ~= nil then
        return words[word], at + #word
    end
    return number_at(text, at)
end

--- Reads one document; raises a string when it is not JSON.
function json.decode(text)
    local result, at = value(text, skip(text, 1))
    at = skip(text, at)
    if at <= #text then
        fail(text, at, "more behind the end")
    end
    return result
end

--- Whether a decoded value was written as an array.
function json.is_array(v)
    return getmetatable(v) == array
end

return json

--- How values look at the prompt. Owns the layout; knows nothing of reading, running or the terminal.
--- Runs in the session's Lua state.

local mw = require "moonwire"

local WIDTH <const> = 100 -- columns that a table may take on one line
local DEPTH <const> = 6 -- levels of nesting shown
local ITEMS <const> = 200 -- entries of one table shown
local BYTES <const> = 4000 -- of one string shown

local escapes = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

local function escape(character)
    return escapes[character] or string.format("\\x%02X", character:byte())
end

--- UTF-8 stays readable; control characters and stray bytes are escaped.
local function quote(text)
    local rest = ""
    if #text > BYTES then
        local cut = utf8.offset(text, 0, BYTES + 1) or BYTES + 1
        rest = (" --[[ %d more bytes ]]"):format(#text - cut + 1)
        text = text:sub(1, cut - 1)
    end
    text = text:gsub('[%c"\\\127]', escape)
    if not utf8.len(text) then
        text = text:gsub("[\128-\255]", escape)
    end
    return '"' .. text .. '"' .. rest
end

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
    until while]]):gmatch "%a+" do
    keywords[word] = true
end

local ranks = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
    local rank_a, rank_b = ranks[math.type(a) and "number" or type(a)] or 4, ranks[type(b)] or 4
    if rank_a ~= rank_b then
        return rank_a < rank_b
    elseif rank_a <= 2 then
        return a < b
    end
    return tostring(a) < tostring(b)
end

local render

local function render_key(key, seen, depth)
    if type(key) == "string" and key:find "^[%a_][%w_]*$" and not keywords[key] then
        return key
    end
    return "[" .. render(key, seen, depth) .. "]"
end

local function entries(value, seen, depth)
    local parts, length = {}, rawlen(value)
    for index = 1, math.min(length, ITEMS) do
        parts[index] = render(rawget(value, index), seen, depth)
    end
    local keys = {}
    for key in next, value do
        if not (math.type(key) == "integer" and key >= 1 and key <= length) then
            keys[#keys + 1] = key
        end
    end
    table.sort(keys, before)
    for index = 1, math.min(#keys, ITEMS - #parts) do
        local key = keys[index]
        parts[#parts + 1] = render_key(key, seen, depth) .. " = " .. render(rawget(value, key), seen, depth)
    end
    local hidden = length + #keys - #parts
    if hidden > 0 then
        parts[#parts + 1] = ("-- %d more"):format(hidden)
    end
    return parts, hidden > 0
end

local function lay_out(parts, depth, always_long)
    local line = table.concat(parts, ", ")
    if #parts == 0 then
        return "{}"
    elseif not always_long and #line + 4 * depth + 4 <= WIDTH and not line:find "\n" then
        return "{ " .. line .. " }"
    end
    local indent = ("    "):rep(depth + 1)
    return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n" .. ("    "):rep(depth) .. "}"
end

local function render_table(value, seen, depth)
    local meta = getmetatable(value)
    if type(meta) == "table" and rawget(meta, "__tostring") or type(meta) == "string" then
        return tostring(value)
    elseif seen[value] then
        return "<cycle>"
    elseif depth >= DEPTH then
        return next(value) == nil and "{}" or "{ ... }"
    end
    seen[value] = true
    local parts, hidden = entries(value, seen, depth + 1)
    seen[value] = nil
    return lay_out(parts, depth, hidden)
end

render = function(value, seen, depth)
    if value == mw.null then
        return "null"
    elseif type(value) == "string" then
        return quote(value)
    elseif type(value) == "table" then
        return render_table(value, seen, depth)
    end
    return tostring(value)
end

--- The second result of a call, which says how it went.
local function is_response(value)
    return type(value) == "table" and math.type(rawget(value, "status")) == "integer"
        and math.type(rawget(value, "elapsed")) == "float" and math.type(rawget(value, "attempts")) == "integer"
end

--- Formats the values of an expression, one below the other. The response of a call takes one line.
--- @param ... any
--- @return string
return function(...)
    local values = table.pack(...)
    local lines = {}
    for index = 1, values.n do
        local value = values[index]
        if values.n == 2 and index == 2 and is_response(value) then
            lines[index] = ("-- %d, %.1f ms"):format(value.status, (tonumber(value.elapsed) or 0) * 1000)
        else
            lines[index] = render(value, {}, 0)
        end
    end
    return table.concat(lines, "\n")
end

--- Reading request bodies: JSON, url-encoded forms and multipart, all to one table of fields.
-- Text fields of forms are turned into the types that the row lists; what the fields mean is not known here.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local url = require "moonwire.twin.url"

local body = {}

-- What is stored deeper than this could not be shown again inside an answer.
local MAX_DEPTH = 50

-- Puts one value where a name such as "template_params[name]" or "attachments[]" says.
local function place(fields, name, value)
    local key, rest = name:match("^([^%[%]]+)(.*)$")
    if not key or not (rest == "" or rest:gsub("%[[^%[%]]*%]", "") == "") then
        fields[name] = value
        return
    end
    local at, depth = fields, 0
    for inner in rest:gmatch("%[([^%[%]]*)%]") do
        depth = depth + 1
        if at[key] == nil then
            at[key] = {}
        end
        at = at[key]
        -- A table is a list (a[]=1) or an object (a[b]=1), never both.
        if type(at) ~= "table" or depth > MAX_DEPTH or next(at) ~= nil and (inner == "") ~= (at[1] ~= nil) then
            errors.raise(400, "Bad parameter name " .. name)
        end
        key = inner == "" and #at + 1 or inner
    end
    at[key] = value
end

local function header_parameter(value, name)
    return value:match(name .. '="([^"]*)"') or value:match(name .. "=([^;%s]+)")
end

local function read_part(part)
    local head, content = part:match("^(.-)\r\n\r\n(.*)$")
    if not head then
        errors.raise(400, "Bad multipart body")
    end
    url.check_text(head)
    local disposition, kind = "", nil
    for line in (head .. "\r\n"):gmatch("(.-)\r\n") do
        local header, value = line:match("^([%w%-]+):%s*(.*)$")
        header = header and header:lower()
        if header == "content-disposition" then
            disposition = value
        elseif header == "content-type" then
            kind = value
        end
    end
    local name = header_parameter(disposition, "[; ]name")
    if not name then
        errors.raise(400, "Bad multipart body")
    end
    local file = header_parameter(disposition, "filename")
    if file then
        return name, { name = file, type = kind or "application/octet-stream", size = #content }
    end
    return name, url.check_text(content)
end

local function read_multipart(text, boundary)
    local fields = {}
    local mark = "--" .. boundary
    if text:sub(1, #mark) ~= mark then
        errors.raise(400, "Bad multipart body")
    end
    local from = #mark + 1
    while text:sub(from, from + 1) ~= "--" do
        local stop = text:find("\r\n" .. mark, from, true)
        if not stop or text:sub(from, from + 1) ~= "\r\n" then
            errors.raise(400, "Bad multipart body")
        end
        place(fields, read_part(text:sub(from + 2, stop - 1)))
        from = stop + 2 + #mark
    end
    return fields
end

local function split(text, into)
    for item in text:gmatch("[^,]+") do
        into[#into + 1] = item
    end
end

local function is_deeper(value, limit)
    if type(value) ~= "table" then
        return false
    elseif limit == 0 then
        return true
    end
    for _, inner in pairs(value) do
        if is_deeper(inner, limit - 1) then
            return true
        end
    end
    return false
end

-- Clients send an object in a form as name[key]=value, or as JSON.
local function from_json(text)
    local ok, value = pcall(core.json_decode, text)
    if ok and is_deeper(value, MAX_DEPTH) then
        errors.raise(400, "The JSON you submitted is nested too deeply")
    end
    return ok and value or text
end

local from_text = {
    boolean = function(text)
        if text == "true" or text == "false" then
            return text == "true"
        end
        return text
    end,
    integer = function(text)
        return math.tointeger(tonumber(text)) or text
    end,
    number = function(text)
        return tonumber(text) or text
    end,
    object = from_json,
    array = from_json,
}

-- Forms carry text only: gives known fields their type, all the way down.
local function type_fields(fields, known)
    for _, field in ipairs(known or {}) do
        local value = fields[field.name]
        if type(value) == "string" and from_text[field.type] then
            fields[field.name] = from_text[field.type](value)
        elseif type(value) == "table" and field.fields then
            type_fields(value, field.fields)
        end
    end
    return fields
end

local function read_form(text, known)
    local names, csv = {}, {}
    for _, field in ipairs(known) do
        names[field.wire or field.name] = field.name
        csv[field.name] = field.type == "array"
    end
    local fields = {}
    for _, pair in ipairs(url.pairs(text)) do
        local name = names[pair[1]]
        if name and csv[name] then
            fields[name] = fields[name] or {}
            split(pair[2], fields[name])
        elseif name then
            fields[name] = pair[2]
        else
            place(fields, pair[1], pair[2])
        end
    end
    return type_fields(fields, known)
end

local function read_json(text)
    local ok, value = pcall(core.json_decode, url.check_text(text))
    if not ok then
        errors.raise(400, "There was an error in the JSON you submitted")
    end
    if type(value) ~= "table" or value[1] ~= nil then
        errors.raise(400, "The JSON you submitted is not an object")
    elseif is_deeper(value, MAX_DEPTH) then
        errors.raise(400, "The JSON you submitted is nested too deeply")
    end
    return value
end

--- Reads the body of a request by its Content-Type; JSON when there is none, an empty body has no fields.
--- A body that can't be read ends the request with 400.
---@param request table the server's request
---@param row table the operation
---@return table fields by their names in Lua
function body.read(request, row)
    local text = request.body or ""
    local known = row.body and row.body.fields or {}
    local content = request.headers["content-type"] or ""
    local kind = content:match("^%s*([^;%s]*)"):lower()
    if text == "" then
        return {}
    elseif kind == "multipart/form-data" then
        local boundary = header_parameter(content, "boundary")
        if not boundary then
            errors.raise(400, "Bad multipart body")
        end
        return type_fields(read_multipart(text, boundary), known)
    elseif kind == "application/x-www-form-urlencoded" then
        return read_form(text, known)
    end
    return read_json(text)
end

return body

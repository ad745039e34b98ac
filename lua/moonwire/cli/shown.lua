--- What a line of a plan shows (path, query, body) and what it sends (its arguments) have to be the same: a person
--- reads the one before saying yes to the other. Owns the comparison; knows nothing of placeholders or of sending.

local mw = require "moonwire"
local escape = require "moonwire.cli.escape"

local function bad(text, ...)
    error(mw.error { kind = "invalid", message = text:format(...) }, 0)
end

local function differs(what)
    bad("'%s' is not what its arguments make; take it out, or write the plan anew", what)
end

--- A value as it stands in a path, a query or a form.
local function text_of(value)
    if value == mw.null then
        return ""
    elseif type(value) ~= "number" then
        return tostring(value)
    elseif math.tointeger(value) then
        return tostring(math.tointeger(value))
    end
    local text
    for digits = 15, 17 do
        text = ("%." .. digits .. "g"):format(value)
        if tonumber(text) == value then
            break
        end
    end
    return text
end

--- Whether two values of JSON are one; an id may be a number here and a text there.
local function same(shown, sent)
    if type(shown) == "table" and type(sent) == "table" then
        for key, value in next, shown do
            if not same(value, rawget(sent, key)) then
                return false
            end
        end
        for key in next, sent do
            if rawget(shown, key) == nil then
                return false
            end
        end
        return true
    elseif type(shown) ~= type(sent) and type(shown) ~= "table" and type(sent) ~= "table" then
        return math.type(shown) == "integer" and tostring(shown) == sent
            or type(shown) == "string" and type(sent) == "number" and shown == text_of(sent)
    end
    return rawequal(shown, sent) or type(shown) == "number" and shown == sent
end

--- Adds "name=value" for a parameter; a list is one pair each, or one pair of all with commas.
local function add_pairs(list, name, value, commas)
    if type(value) ~= "table" then
        list[#list + 1] = escape(name) .. "=" .. escape(text_of(value))
        return
    end
    local texts = {}
    for index, item in ipairs(value) do
        texts[index] = escape(text_of(item))
    end
    if commas then
        list[#list + 1] = escape(name) .. "=" .. table.concat(texts, "%2C")
        return
    end
    for _, text in ipairs(texts) do
        list[#list + 1] = escape(name) .. "=" .. text
    end
end

--- Compares a query or a form with its pairs, in any order.
local function check_pairs(what, text, list)
    local shown = {}
    if type(text) ~= "string" then
        differs(what)
    end
    for pair in text:gmatch "[^&]+" do
        shown[#shown + 1] = pair
    end
    table.sort(shown)
    table.sort(list)
    if table.concat(shown, "&") ~= table.concat(list, "&") then
        differs(what)
    end
end

local function members(value)
    return type(value) == "table" and value or {}
end

--- The parameters that are fields of a list, under their names on the wire.
local function pairs_of(fields, params, extra, commas)
    local list, wire = {}, {}
    for _, field in ipairs(fields) do
        wire[field.name] = field.wire or field.name
    end
    for name, value in next, params do
        if wire[name] then
            add_pairs(list, wire[name], value, commas)
        end
    end
    for name, value in next, extra do
        add_pairs(list, name, value, commas)
    end
    return list
end

local function raw_pairs(object)
    local list = {}
    for name, value in next, members(object) do
        add_pairs(list, type(value) == "table" and name .. "[]" or name, value)
    end
    return list
end

--- The path of an operation. The account may stand in it alone: that one is sent to, whatever the profile has.
local function check_path(line, path)
    local row, texts = line.row, {}
    local account = row.takes_account and row.path_params[1].name
    for index, value in ipairs(line.path) do
        texts[row.path_params[index + (account and 1 or 0)].name] = escape(text_of(value))
    end
    local template = line.profile == "chatwoot" and row.upstream or row.path
    local form = template:gsub("[^%w{}]", "%%%0"):gsub("{(.-)}", function(name)
        local text = texts[name:gsub("%%", "")]
        return text and (text:gsub("%W", "%%%0")) or "(%d+)"
    end)
    local found = path:match("^" .. form .. "$")
    local chosen = line.options and line.options.account_id
    if not found or account and chosen ~= nil and text_of(chosen) ~= found then
        differs "path"
    elseif account then
        line.options = line.options or {}
        line.options.account_id = found
    end
end

local MARK <const> = "moonwire_once" -- by which a message that is made once is found again

--- The body without the mark that `once` adds as it is sent. The field that held nothing else goes with it.
local function unmarked(line, body)
    local name = line.options and line.options.once and line.row.once and line.row.once.marker
    local field = name and rawget(body, name)
    if type(field) ~= "table" or not tostring(rawget(field, MARK)):find "^%x+$" then
        return body
    end
    local rest, result = {}, {}
    for key, value in next, field do
        rest[key] = key ~= MARK and value or nil
    end
    for key, value in next, body do
        result[key] = value
    end
    result[name] = (next(rest) ~= nil or line.params[name] ~= nil) and rest or nil
    return result
end

local function check_json(line, body)
    local params, extra, row = line.params, members(line.params.extra), line.row
    local known = {}
    for _, field in ipairs(row.body.fields) do
        known[field.name] = true
    end
    if type(body) ~= "table" then
        differs "body"
    end
    body = unmarked(line, body)
    local sent = {}
    for name, value in next, params do
        local nothing = type(value) == "table" and next(value) == nil and rawget(body, name) == nil
        if known[name] and not nothing then
            sent[name] = value
        end
    end
    for name, value in next, extra do
        sent[name] = value
    end
    for index, field in ipairs(row.path_params) do -- a required field may be taken from the path
        if known[field.name] and sent[field.name] == nil and rawget(body, field.name) ~= nil then
            sent[field.name] = line.path[index - (row.takes_account and 1 or 0)]
        end
    end
    if not same(body, sent) then
        differs "body"
    end
end

local function check_body(line, body, whole)
    local kind = line.row.body and line.row.body.kind
    local none = body == nil or body == mw.null
    if #line.files > 0 or none and not (whole and kind) then
        if not none then
            differs "body"
        end
    elseif kind == "json" then
        check_json(line, body)
    elseif kind then
        check_pairs("body", none and "" or body,
            pairs_of(line.row.body.fields, line.params, members(line.params.extra), true))
    else
        differs "body"
    end
end

local function check_raw(line, value)
    local params = line.params
    local none = value.body == nil or value.body == mw.null
    if value.path ~= nil and value.path ~= line.path then
        differs "path"
    elseif params.form ~= nil and not (none and value.path == nil) then
        check_pairs("body", none and "" or value.body, raw_pairs(params.form))
    elseif params.form == nil and not none and not same(value.body, params.body) then
        -- A body that is one value stands in the plan as a text.
        local good, body = pcall(mw.json.decode, value.body)
        if not good or not same(body, params.body) then
            differs "body"
        end
    elseif none and value.path ~= nil and params.body ~= nil and params.body ~= mw.null then
        differs "body"
    end
end

--- Raises what a line shows and does not send. What it does not show at all is nobody's to compare.
---@param line moonwire.plan.line
---@param value table the line as it was decoded
return function(line, value)
    local row, whole = line.row, value.path ~= nil
    if whole and type(value.path) ~= "string" then
        bad "'path' must be a text"
    elseif not row then
        check_raw(line, value)
    else
        if whole then
            check_path(line, value.path)
        end
        check_body(line, value.body, whole)
    end
    if value.query ~= nil or whole then
        local query = value.query == nil and "" or value.query
        check_pairs("query", query, not row and raw_pairs(line.params.query)
            or pairs_of(row.query, line.params, row.body and {} or members(line.params.extra)))
    end
end

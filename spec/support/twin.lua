--- A twin without a server: its state, and clients that drive its handler request by request.

local assert = require "luassert"
local core = require "moonwire.core"
local twin = require "moonwire.twin"

local support = {}

local function errors_only(level, line)
    if level == "error" then
        core.log(level, line)
    end
end

--- What the clock of `support.state` says.
support.NOW = 1800000000

--- The state of a twin: demo data, a clock that stands still, and nobody who hears of trouble with deliveries, unless
--- `options` say otherwise. What the twin itself does wrong is shown.
---@param options? table as twin.new takes them
function support.state(options)
    local all = { data = "demo", now = function() return support.NOW + 0.5 end, on_log = errors_only }
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return twin.new(all)
end

--- A function that sends one request to a twin's handler. A table of fields goes as JSON, a text as it is; without
--- headers, the request has the token of the demo's administrator.
---@param state moonwire.twin.state
---@return function send `send(method, target, fields, headers)` gives status, decoded body or nil, raw body, headers
function support.client(state)
    local handler = twin.handler(state)
    return function(method, target, fields, headers)
        local path, query = target:match "^([^?]*)%??(.*)$"
        local body = fields or ""
        if type(fields) == "table" then
            body = core.json_encode(fields)
        end
        local status, sent, text = handler {
            method = method,
            target = target,
            path = path,
            query = query,
            headers = headers or { api_access_token = "twin-user-token" },
            body = body,
        }
        return status, text ~= "" and core.json_decode(text) or nil, text, sent
    end
end

--- Waits until the twin has posted what its webhooks wanted.
function support.settle(state)
    state.outbox:wait()
end

--- The headers of a request with a token; of Circuit for kind "oauth".
---@param token string|nil
---@param kind? string
function support.headers(token, kind)
    if kind == "oauth" then
        return { authorization = token and "Bearer " .. token }
    end
    return { api_access_token = token }
end

function support.ids(list)
    local out = {}
    for i, item in ipairs(list) do
        out[i] = item.id
    end
    return out
end

-- Documented, but only there when there is something to show.
local OPTIONAL = { assignee = true, attachment = true, sender = true }

local lua_types = {
    string = "string", integer = "number", number = "number", boolean = "boolean", array = "table", object = "table",
}

--- Complains unless `value` has the documented shape: every documented field is there, with its type.
---@param field table the shape, as rows have it
function support.assert_shape(field, value, path)
    if value == core.null then
        return
    end
    if field.type ~= "any" then
        assert.equal(lua_types[field.type], type(value), path .. " is not " .. field.type)
    end
    for _, inner in ipairs(field.fields or {}) do
        local at = path .. "." .. inner.name
        if value[inner.name] ~= nil then
            support.assert_shape(inner, value[inner.name], at)
        else
            assert.is_true(OPTIONAL[inner.name], at .. " is missing")
        end
    end
    for i, item in ipairs(field.item and value or {}) do
        support.assert_shape(field.item, item, ("%s[%d]"):format(path, i))
    end
    if field.values then
        local known = false
        for _, allowed in ipairs(field.values) do
            known = known or allowed == value
        end
        assert.is_true(known, ("%s is '%s'"):format(path, tostring(value)))
    end
end

--- The part of an answer that its documented shape speaks of: some are documented as the bare list.
---@param row table the operation
function support.documented_part(row, body)
    local shape = row.answer
    if shape.type == "array" and row.items then
        for name in row.items.at:gmatch "[^.]+" do
            body = body[name]
        end
    elseif row.items and not shape.fields[1].name:find "^payload" and not body.data then
        body = body.payload[1]
    end
    return body
end

return support

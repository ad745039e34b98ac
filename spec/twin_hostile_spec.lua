--- Twenty thousand hostile requests to the twin, the same ones every time: none is answered with 500, none raises, and
--- what they leave behind can be shown and kept.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local dump = require "moonwire.twin.dump"
local operations = require "spec.support.operations"
local twin = require "moonwire.twin"
local twin_client = require "spec.support.twin"

local REQUESTS = 20000
local FRESH = 1000 -- requests to one state

-- A generator of its own (Knuth's MMIX constants), so that nothing else moves it.
local seed = 20260302
local function below(n)
    seed = seed * 6364136223846793005 + 1442695040888963407
    return (seed >> 33) % n
end

local function one_of(list)
    return list[below(#list) + 1]
end

local function chance(percent)
    return below(100) < percent
end

local TEXTS = {
    "", " ", "x", "1", "-1", "0", "null", "true", "a\0b", "\255\254", "\xC3\x28", "\xED\xA0\x80", "\u{1F419}",
    "\u{202E}", "'; DROP TABLE contacts; --", "%00", "../../etc/passwd", "a|b", "1|2", "|", "%s%d", "(", "[", "^%",
    "\r\nX: y", "[]", "a@b", "@", "a@b\0", "+1", "+", "open", "resolved", "all", "agent", "content", "labels",
    "equal_to", "contact",
    "account", "http://", "http://[", "https://x.example/\n", "https://x.example", "2026-03-02", "1e999", "NaN", "{}",
    ("a"):rep(3000), ("é"):rep(70), ("("):rep(200), ("%"):rep(50), "nimbus-1-10", "vera", "bug", "api", "web_widget",
}

local NUMBERS = {
    "0", "1", "-1", "2", "35", "1.5", "-0", "1e3", "1e308", "1e999", "-1e999", "9007199254740993",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "0.1",
    "123456789012345678901234567890", "1800000000", "7", "60", "0e0", "1e-400",
}

local JUNK = {
    "", "{", "}", "[", "null", "true", "0", '"', '"x"', "{}", "[]", "[{}]", '{"a":}', '{"a":1,"a":2}', "\0",
    "{\0}", "\255", '{"a":"\\ud800"}', '{"a":"\\u0000"}', '{"":{"":[]}}', '{"a":NaN}', '{"a":1e999999}',
    "\xEF\xBB\xBF{}", "{}{}",
    ('{"a":'):rep(2000) .. "1" .. ("}"):rep(2000), ("["):rep(5000), '{"a":' .. ("["):rep(60) .. ("]"):rep(60) .. "}",
    '{"a":"' .. ("x"):rep(20000) .. '"}', "a=1&b[]=2&b[c]=3", "a[b][c][d]=1&a[b]=2", "%zz=1", "=&=&=", "&&&",
    "a[=1", "[]=1",
}

local KINDS = {
    "application/json", "application/json; charset=utf-16", "application/x-www-form-urlencoded", "text/plain", "",
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=b", "APPLICATION/JSON",
    'multipart/form-data; boundary="b"', "application/xml", "\255", ";",
    "multipart/form-data; boundary=" .. ("-"):rep(300),
}

local function quoted(text)
    -- Broken UTF-8 and control characters as they are, to see what becomes of them.
    return '"' .. text:gsub('[\\"]', "\\%0") .. '"'
end

-- What filters and rules look into.
local WORDS = {
    attribute_key = {
        "name", "email", "status", "labels", "content", "created_at", "last_activity_at", "assignee_id",
        "team_id", "size", "inbox_id", "message_type", "country_code", "priority", "display_id",
    },
    filter_operator = {
        "equal_to", "not_equal_to", "contains", "does_not_contain", "is_present", "is_not_present", "is_greater_than",
        "is_less_than", "days_before", "starts_with", "attribute_changed",
    },
    query_operator = { "and", "or", "AND", "OR" },
    action_name = {
        "assign_agent", "assign_team", "add_label", "remove_label", "send_message", "change_status",
        "resolve_conversation", "snooze_conversation", "mute_conversation", "add_private_note", "change_priority",
        "send_webhook_event", "send_email_to_team",
    },
}

local any

-- What a rule or a filter may be made of, more or less.
local function clause(depth)
    local parts = {}
    for _, name in ipairs { "attribute_key", "filter_operator", "query_operator", "action_name" } do
        local words = WORDS[name]
        if chance(85) then
            parts[#parts + 1] = quoted(name) .. ":" .. (chance(90) and quoted(one_of(words)) or any(depth))
        end
    end
    for _, name in ipairs { "values", "action_params" } do
        local value = any(depth)
        parts[#parts + 1] = quoted(name) .. ":" .. (chance(80) and "[" .. value .. "]" or value)
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function object(depth)
    local parts = {}
    for i = 1, below(4) do
        parts[i] = quoted(one_of(TEXTS)) .. ":" .. any(depth - 1)
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function array(depth, item)
    local parts = {}
    for i = 1, below(4) do
        parts[i] = item and chance(70) and item(depth - 1) or any(depth - 1)
    end
    return "[" .. table.concat(parts, ",") .. "]"
end

function any(depth)
    local kind = below(depth > 0 and 6 or 4)
    if kind == 0 then
        return one_of(NUMBERS)
    elseif kind == 1 or kind == 2 then
        return quoted(one_of(TEXTS))
    elseif kind == 3 then
        return one_of { "null", "true", "false", "{}", "[]" }
    end
    return kind == 4 and object(depth) or array(depth)
end

-- A value for a field, often of the right type.
local function value_of(field, depth)
    if chance(25) or depth == 0 then
        return any(depth)
    elseif field.values and chance(70) then
        return quoted(one_of(field.values))
    elseif field.type == "integer" or field.type == "number" then
        return one_of(NUMBERS)
    elseif field.type == "boolean" then
        return one_of { "true", "false" }
    elseif field.type == "array" then
        return array(depth, function(rest)
            return field.item and field.item.type ~= "object" and value_of(field.item, rest) or clause(rest)
        end)
    elseif field.type == "object" then
        if field.fields and #field.fields > 0 then
            local parts = {}
            for _, inner in ipairs(field.fields) do
                if chance(70) then
                    parts[#parts + 1] = quoted(inner.name) .. ":" .. value_of(inner, depth - 1)
                end
            end
            return "{" .. table.concat(parts, ",") .. "}"
        end
        return chance(50) and object(depth) or '{"payload":[' .. clause(depth - 1) .. "]}"
    end
    return quoted(one_of(TEXTS))
end

-- A good body with some of its fields made strange.
local function json_body(row)
    local parts, good = {}, operations.body(row)
    local kept, added = 60, 70 -- per cent of the fields
    if chance(50) then
        kept, added = 95, 10
    end
    for _, field in ipairs(row.body and row.body.fields or {}) do
        local keep = type(good) == "table" and good[field.name] ~= nil and chance(kept)
        if keep then
            parts[#parts + 1] = quoted(field.name) .. ":" .. core.json_encode(good[field.name])
        elseif chance(added) then
            parts[#parts + 1] = quoted(field.name) .. ":" .. value_of(field, 4)
        end
    end
    if chance(10) then
        parts[#parts + 1] = quoted(one_of(TEXTS)) .. ":" .. any(3)
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function escaped(text)
    return (text:gsub("[^%w]", function(char)
        return ("%%%02X"):format(char:byte())
    end))
end

local function form_body(row)
    local good = operations.body(row)
    local parts = { type(good) == "string" and chance(50) and good or nil }
    local added = parts[1] and 10 or 70
    for _, field in ipairs(row.body and row.body.fields or {}) do
        local name = field.wire or field.name
        if chance(added) then
            name = name .. one_of { "", "", "[]", "[a]", "[a][]", "[][a]", "[", "[a", "]" }
            parts[#parts + 1] = name .. "=" .. (chance(80) and escaped(one_of(TEXTS)) or one_of(TEXTS))
        end
    end
    return table.concat(parts, "&")
end

local function multipart_body(row)
    local parts = {}
    for _, field in ipairs(row.body and row.body.fields or {}) do
        local file = chance(20) and '; filename="' .. one_of(TEXTS) .. '"' or ""
        parts[#parts + 1] = ('--b\r\ncontent-disposition: form-data; name="%s%s"%s\r\n%s\r\n%s\r\n'):format(field.name,
            one_of { "", "[]", "[a]" }, file, chance(20) and "content-type: \255\r\n" or "", one_of(TEXTS))
    end
    return table.concat(parts) .. one_of { "--b--\r\n", "--b--", "--b", "" }
end

local function body_of(row)
    local kind = below(10)
    if kind == 0 then
        return one_of(JUNK), one_of(KINDS)
    elseif kind == 1 or row.service == "circuit" and kind < 7 then
        return form_body(row), "application/x-www-form-urlencoded"
    elseif kind == 2 then
        return multipart_body(row), one_of { "multipart/form-data; boundary=b", 'multipart/form-data; boundary="b"' }
    elseif kind == 3 then
        return json_body(row), one_of(KINDS)
    end
    local body = json_body(row)
    return chance(5) and body:sub(1, below(#body) + 1) or body, "application/json"
end

local function target_of(row)
    local values = {}
    for _, field in ipairs(row.path_params or {}) do
        if chance(20) then
            local strange = chance(50) and one_of(NUMBERS) or one_of(TEXTS)
            values[field.name] = (chance(80) and escaped(strange) or strange:gsub("[?%c ]", "")):gsub("%%", "%%%%")
        end
    end
    local target = operations.target(row, values, one_of { row.path, row.upstream })
    if chance(5) then
        local at = below(#target) + 1
        target = target:sub(1, at) .. one_of { "/", "//", "%", "%2F", "..", "\255", ";" } .. target:sub(at + 1)
    end
    local more = {}
    for _, field in ipairs(row.query or {}) do
        if chance(40) then
            local value = field.values and chance(60) and one_of(field.values) or chance(50) and one_of(NUMBERS)
                or one_of(TEXTS)
            more[#more + 1] = (field.wire or field.name) .. "=" .. (chance(90) and escaped(value) or value)
        end
    end
    if #more == 0 then
        return target
    end
    return target .. (target:find("?", 1, true) and "&" or "?") .. table.concat(more, "&")
end

local function request_of(row)
    local token = operations.TOKENS[operations.kind(row)]
    if chance(5) then
        token = one_of { "", "x", "\0", "twin-bot-token", ("t"):rep(5000) }
    end
    local headers = operations.headers(row, token)
    if chance(2) then
        headers.host = one_of(TEXTS)
    end
    local body = ""
    if row.body or chance(10) then
        body, headers["content-type"] = body_of(row)
    end
    local target = target_of(row)
    local path, query = target:match "^([^?]*)%??(.*)$"
    return {
        method = chance(97) and row.verb or one_of { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "", "\255" },
        target = target, path = path, query = query, headers = headers, body = body,
    }
end

describe("the twin among enemies", function()
    teardown(calls.quiet)

    -- What is deleted too often would leave nothing to attack.
    local function rare(row)
        return row.name == "platform.accounts.delete" or row.name == "platform.users.delete"
            or row.name == "agents.delete" or row.name == "platform.account_users.delete"
    end

    local function assert_kept(state)
        local text = core.json_encode(dump.write(state.store))
        local read, problem = dump.read(core.json_decode(text))
        assert.is_nil(problem)
        assert.equal(text, core.json_encode(dump.write(read)))
    end

    it("answers all of them, and keeps what can be shown", function()
        local rows = operations.rows()
        local state, handler
        local seen, served = {}, {}
        for i = 1, REQUESTS do
            if i % FRESH == 1 then
                if state then
                    assert_kept(state)
                    twin_client.settle(state)
                end
                state = operations.state()
                handler = twin.handler(state)
            end
            local row = one_of(rows)
            if rare(row) and chance(95) then
                row = one_of(rows)
            end
            local request = request_of(row)
            local ok, status, headers, text = pcall(handler, request)
            local what = ("request %d: %s %s %s"):format(i, request.method, request.target, request.body:sub(1, 2000))
            assert.is_true(ok, what .. ": " .. tostring(status))
            assert.is_true(math.type(status) == "integer" and status >= 200 and status < 500, what .. ": " .. status)
            if text ~= "" then
                assert.equal("application/json; charset=utf-8", headers["content-type"])
                core.json_decode(text)
            end
            seen[status] = (seen[status] or 0) + 1
            served[row.name] = served[row.name] or status < 300
        end
        assert_kept(state)
        twin_client.settle(state)
        -- Enough of them got through to do harm, and enough failed in every way.
        local least = { [200] = REQUESTS // 5, [400] = 500, [401] = 200, [404] = 500, [405] = 50, [422] = 500 }
        for status, count in pairs(least) do
            assert.is_true((seen[status] or 0) >= count, ("%d of %d"):format(seen[status] or 0, status))
        end
        for _, row in ipairs(rows) do
            assert.is_true(served[row.name], row.name .. " was never reached")
        end
    end)
end)

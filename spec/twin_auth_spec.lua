--- Every operation of the twin, from the rows: who may call it, what it refuses, and that a good call gets what the
--- documents promise.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local operations = require "spec.support.operations"
local twin_client = require "spec.support.twin"

local UNKNOWN_UUID = "c1a00001-7a11-4000-8000-0000000000ff"

-- What only administrators may do.
local GUARDED = {}
for name in ([[
    agent_bots.create agent_bots.update agent_bots.delete agents.create agents.update agents.delete
    automation_rules.create automation_rules.delete automation_rules.get automation_rules.list automation_rules.update
    contacts.delete
    inboxes.create inboxes.update inboxes.set_agent_bot inboxes.add_members inboxes.set_members inboxes.remove_members
    integrations.create_hook integrations.update_hook integrations.delete_hook
    reports.account_conversation_metrics reports.agent_conversation_metrics reports.summary reports.timeseries
    teams.create teams.update teams.delete teams.add_members teams.set_members teams.remove_members
    webhooks.create webhooks.update webhooks.delete webhooks.list
]]):gmatch "%S+" do
    GUARDED[name] = true
end

local function documents(row, status)
    for _, response in ipairs(row.responses) do
        if response.status == status then
            return true
        end
    end
    return false
end

describe("every operation of the twin", function()
    local rows = operations.rows()
    local state, send

    before_each(function()
        state, send = operations.state()
    end)
    after_each(function()
        twin_client.settle(state)
    end)
    teardown(calls.quiet)

    -- A call that is good but for what `other` says: token, target, body, verb.
    local function call(row, other)
        local token = operations.TOKENS[operations.kind(row)]
        if other.token ~= nil then
            token = other.token or nil
        end
        local headers = operations.headers(row, token)
        for name, value in pairs(other.headers or {}) do
            headers[name] = value
        end
        return send(other.verb or row.verb, other.target or operations.target(row), other.body or operations.body(row),
            headers)
    end

    local function expect(expected, row, other, what)
        local status, body = call(row, other)
        assert.equal(expected, status, ("%s %s: %s"):format(row.name, what, core.json_encode(body or {})))
        return body
    end

    -- Circuit words 422 as 400.
    local function invalid(row)
        return row.service == "circuit" and 400 or 422
    end

    it("is one of 115", function()
        assert.equal(115, #rows)
        for name in pairs(GUARDED) do
            local found = false
            for _, row in ipairs(rows) do
                found = found or row.name == name
            end
            assert.is_true(found, name)
        end
    end)

    it("answers a good call with a documented status and shape, on both of its paths", function()
        local shapes = 0
        for _, row in ipairs(rows) do
            for _, template in ipairs { row.path, row.upstream } do
                twin_client.settle(state)
                state, send = operations.state()
                local status, body, text = call(row, { target = operations.target(row, nil, template) })
                assert.is_true(status < 300 and documents(row, status),
                    ("%s: %d %s"):format(row.name, status, text))
                if row.answer then
                    twin_client.assert_shape(row.answer, twin_client.documented_part(row, body), row.name)
                    shapes = shapes + 1
                end
            end
        end
        -- Some have one path, seven have two.
        assert.is_true(shapes >= 85, tostring(shapes))
    end)

    it("asks for a token that it knows, of its own kinds", function()
        for _, row in ipairs(rows) do
            if #row.auth == 0 then
                assert.is_true(call(row, { token = false }) < 300, row.name)
            else
                expect(401, row, { token = false }, "without a token")
                expect(401, row, { token = "" }, "with an empty token")
                expect(401, row, { token = "twin-nobody-token" }, "with an unknown token")
                for kind, token in pairs(operations.TOKENS) do
                    local serves = false
                    for _, allowed in ipairs(row.auth) do
                        serves = serves or allowed == kind
                    end
                    if not serves then
                        expect(401, row, { token = token }, "with a token of kind " .. kind)
                    end
                end
            end
        end
    end)

    it("of an account keeps out whoever doesn't belong to it", function()
        local _, stranger = send("POST", "/platform/api/v1/users", { name = "S", email = "s@x.example" },
            { api_access_token = operations.TOKENS.platform })
        local _, bot = send("POST", "/platform/api/v1/agent_bots", { name = "S" },
            { api_access_token = operations.TOKENS.platform })
        for _, row in ipairs(rows) do
            if row.takes_account and row.service == "ooctopus" and not row.module:find "^platform%." then
                local expected = documents(row, 403) and 403 or 404
                expect(expected, row, { token = stranger.access_token }, "of a stranger")
                for _, id in ipairs { 2, 999 } do
                    expect(expected, row, { target = operations.target(row, { account_id = id }) }, "account " .. id)
                end
                for _, kind in ipairs(row.auth) do
                    if kind == "bot" then
                        expect(expected, row, { token = bot.access_token }, "of a bot that is on no inbox")
                    end
                end
            end
        end
    end)

    it("for administrators only refuses agents, and no other does", function()
        state.store:insert("tokens", { token = "agent-token", kind = "user", user_id = 2 })
        for _, row in ipairs(rows) do
            if operations.kind(row) == "user" then
                local status = call(row, { token = "agent-token" })
                if GUARDED[row.name] then
                    assert.equal(documents(row, 403) and 403 or 401, status, row.name)
                else
                    assert.is_true(status ~= 401 and status ~= 403, ("%s %d"):format(row.name, status))
                end
            end
        end
    end)

    it("that names something gets 404 for what isn't there", function()
        for _, row in ipairs(rows) do
            for _, field in ipairs(row.path_params or {}) do
                local own = field.name == "account_id" and not row.module:find "^platform%."
                if not own then
                    local id = row.service == "circuit" and UNKNOWN_UUID or "999999"
                    expect(404, row, { target = operations.target(row, { [field.name] = id }) }, field.name)
                end
                if field.type == "integer" then
                    for _, id in ipairs { "x", "-1", "1.5", "99999999999999999999", "%00", "0" } do
                        local status = call(row, { target = operations.target(row, { [field.name] = id }) })
                        assert.is_true(status == 404 or own and status == 403,
                            ("%s %s=%s: %d"):format(row.name, field.name, id, status))
                    end
                end
            end
        end
    end)

    it("refuses what is no JSON with 400", function()
        for _, row in ipairs(rows) do
            if row.body and row.body.kind == "json" then
                for _, text in ipairs { '{"name":', "[1]", "null", "{}x", "\0", '{"a":1,}', "{'a':1}" } do
                    expect(400, row, { body = text, headers = { ["content-type"] = "application/json" } }, text)
                end
            end
        end
    end)

    it("refuses fields of another type with 422, and changes nothing", function()
        local other = {
            string = { a = 1 }, boolean = "perhaps", array = "x", object = "x", integer = "x", number = "x",
        }
        for _, row in ipairs(rows) do
            for _, field in ipairs(row.body and row.body.kind == "json" and row.body.fields or {}) do
                if other[field.type] then
                    local fields = {}
                    for name, value in pairs(operations.body(row) or {}) do
                        fields[name] = value
                    end
                    fields[field.name] = other[field.type]
                    local body = expect(422, row, { body = fields }, field.name)
                    assert.same({ field.name }, body.attributes)
                    assert.equal("string", type(body.message))
                end
                if field.required then
                    local fields = {}
                    for name, value in pairs(operations.body(row)) do
                        fields[name] = name ~= field.name and value or nil
                    end
                    local status = call(row, { body = fields })
                    assert.equal(422, status, row.name .. " without " .. field.name)
                end
            end
            if row.service == "circuit" and row.body then
                expect(invalid(row), row, { body = "url=x&filter=&userIds=" }, "body")
            end
        end
    end)

    it("has its own verbs, and nothing below it", function()
        for _, row in ipairs(rows) do
            local target = operations.target(row)
            expect(405, row, { verb = "OPTIONS" }, "OPTIONS")
            expect(405, row, { verb = row.verb:lower() }, row.verb:lower())
            expect(404, row, { target = (target:gsub("%?.*", "")) .. "/no/such/thing" }, "below")
            expect(404, row, { target = "/x" .. target }, "elsewhere")
        end
    end)
end)

--- Dry runs: what changes something stays here, what reads leaves, and what is answered instead is plausible. The
--- server captures whatever arrives; which operations there are comes from the facts in spec/fixtures.

local mw = require "moonwire"

local arguments = require "spec.support.arguments"
local calls = require "spec.support.calls"
local facts = require "spec.support.facts"
local json = require "spec.support.json"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local FIRST = 8888000000000001

local server, folder, picture
local clients = {}

-- Filters are reads that travel as a POST: the facts know them by their name alone.
local function mutates(operation)
    return operation.verb ~= "GET" and operation.method ~= "filter"
end

local function open_clients(policy)
    local desk = {
        url = server:url "ok", account = 4711, policy = policy,
        token = "user-token", bot_token = "bot-token", platform_token = "platform-token",
    }
    return {
        ooctopus = mw.ooctopus(desk),
        chatwoot = mw.chatwoot(desk),
        circuit = mw.circuit { url = server:url "ok", token = "oauth-token", policy = policy },
    }
end

local function call(operation, made, client)
    local node = client or clients[operation.service]
    for name in operation.module:gmatch "[^.]+" do
        node = node[name]
    end
    local list = table.move(made.path, 1, #made.path, 1, {})
    list[#list + 1] = made.params
    return node[operation.method](node, table.unpack(list))
end

local function make(operation, mode)
    return arguments.make(operation, { mode = mode, null = mw.null, account = 4711, file = picture })
end

local function is_id(value, first)
    if type(value) == "string" then
        value = value:match "^placeholder%-(%d+)$"
    end
    value = math.tointeger(tonumber(value))
    return value ~= nil and value >= (first or FIRST)
end

-- Where a value is not of a documented shape, or nil. An id that nobody knows may be null.
local function mismatch(schema, value, at)
    local kind = schema.type
    if value == mw.null then
        return not at:find "_id$" and at .. " is null" or nil
    elseif kind == "object" or kind == "array" then
        if type(value) ~= "table" then
            return at .. " is no " .. kind
        end
        for name, inner in pairs(schema.properties or {}) do
            local problem = value[name] == nil and at .. "." .. name .. " is missing"
                or mismatch(inner, value[name], at .. "." .. name)
            if problem then
                return problem
            end
        end
        for index, item in ipairs(kind == "array" and value or {}) do
            local problem = mismatch(schema.items or {}, item, ("%s[%d]"):format(at, index))
            if problem then
                return problem
            end
        end
    elseif kind == "integer" or kind == "number" then
        return type(value) ~= "number" and at .. " is no number" or nil
    elseif kind == "string" or kind == "boolean" then
        return type(value) ~= kind and at .. " is no " .. kind or nil
    end
end

describe("a dry run", function()
    setup(function()
        server = raw.start()
        folder = process.folder()
        picture = process.write(folder .. "/picture.png", "\137PNG\r\n\26\n")
    end)

    teardown(function()
        server:stop()
        process.remove(folder)
        calls.quiet()
    end)

    before_each(function()
        server:clear()
        clients = open_clients { allow = { "*:*", "*:request" }, dry_run = true }
    end)

    after_each(function()
        for _, client in pairs(clients) do
            client:close()
        end
    end)

    describe("holds back", function()
        for _, operation in ipairs(facts.operations()) do
            if mutates(operation) then
                it(operation.service .. " " .. operation.name, function()
                    for _, mode in ipairs { "full", "required", "swapped", "files" } do
                        local body, response = call(operation, make(operation, mode))
                        assert.is_not_nil(body)
                        assert.equal(200, response.status)
                        assert.equal(0, response.attempts)
                        if operation.service == "ooctopus" then
                            call(operation, make(operation, mode), clients.chatwoot)
                        end
                    end
                    for _, client in pairs(clients) do
                        assert.equal(0, client:stats().requests)
                    end
                    assert.same({}, server:log())
                end)
            end
        end

        it("raw requests, and what is made by id", function()
            for _, verb in ipairs { "POST", "PUT", "PATCH", "DELETE" } do
                for _, client in pairs(clients) do
                    local params = verb ~= "DELETE" and { body = { title = "vip" } } or nil
                    local body, response = client:request(verb, "/api/v1/accounts/1/labels/7", params)
                    assert.equal(0, response.attempts)
                    assert.equal(verb == "DELETE" and true or "vip", verb == "DELETE" and body or body.title)
                end
            end
            clients.ooctopus:call("contactCreate", { inbox_id = 3, name = "Ada" })
            clients.ooctopus:call("contact_delete", { id = 3 })
            clients.ooctopus:request("POST", "/x", { form = { a = 1 }, token = "bot" })
            assert.same({}, server:log())
        end)

        it("what tasks do at once", function()
            local made = mw.map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(index)
                return clients.ooctopus.teams:create { name = "team " .. index }.id
            end, { concurrency = 8 })
            local seen = {}
            for _, id in ipairs(made) do
                assert.is_true(is_id(id))
                assert.is_nil(seen[id])
                seen[id] = true
            end
            assert.same({}, server:log())
        end)
    end)

    describe("lets through", function()
        for _, operation in ipairs(facts.operations()) do
            if not mutates(operation) then
                it(operation.service .. " " .. operation.name, function()
                    call(operation, make(operation, "full"))
                    local log = server:log()
                    assert.equal(1, #log)
                    assert.equal(operation.verb, log[1].method)
                end)
            end
        end

        it("raw reads", function()
            clients.ooctopus:request("GET", "/api/v1/accounts/1/labels", { query = { page = 2 } })
            assert.equal("/ok/api/v1/accounts/1/labels?page=2", server:log()[1].target)
        end)

        it("numbers that look like a placeholder and are none", function()
            local desk = clients.ooctopus
            desk.contacts:get(FIRST) -- none was made yet
            desk.teams:create { name = "night" }
            for _, id in ipairs { FIRST + 1, 18888000000000001, 88880000000000010, FIRST - 1 } do
                desk.contacts:get(id)
            end
            desk.contacts:search { q = "1" .. FIRST }
            assert.equal(6, #server:log())
        end)
    end)

    describe("holds back a read that refers to", function()
        local function held(make_call)
            local desk = clients.ooctopus
            local id = desk.teams:create { name = "night" }.id
            assert.is_true(is_id(id))
            local body, response = make_call(desk, id)
            assert.equal(0, response.attempts)
            assert.same({}, server:log())
            return body, id
        end

        it("it in the path", function()
            local team, id = held(function(desk, id) return desk.teams:get(id) end)
            assert.equal(id, team.id)
        end)

        it("it in the query", function()
            assert.same({}, held(function(desk, id)
                return desk.conversations:list { team_id = id }
            end).data.payload)
        end)

        it("it in a text", function()
            assert.same({}, held(function(desk, id)
                return desk.contacts:search { q = "team " .. id .. "!" }
            end).payload)
        end)

        it("it in a body", function()
            held(function(desk, id)
                return desk.contacts:filter { payload = { {
                    attribute_key = "team", filter_operator = "equal_to", values = { tostring(id) },
                    query_operator = "AND",
                } } }
            end)
        end)

        it("it in a raw path, a raw query", function()
            held(function(desk, id) return desk:request("GET", "/teams/" .. id) end)
            held(function(desk, id) return desk:request("GET", "/teams", { query = { ids = { 1, id } } }) end)
        end)

        it("it in a path with its digits percent-encoded", function()
            held(function(desk, id)
                return desk:request("GET", "/teams/%20" .. "%38" .. tostring(id):sub(2))
            end)
        end)

        it("it as text", function()
            local hook = { url = "https://a.example/", filter = { "CONVERSATION.CREATE" } }
            local id = clients.circuit.webhooks:add(hook).id
            assert.equal("placeholder-" .. FIRST, id)
            assert.equal(id, clients.circuit.webhooks:get(id).id)
            assert.same({}, server:log())
        end)
    end)

    describe("answers with", function()
        it("what was given, and ids that nothing has", function()
            local desk = clients.ooctopus
            local made = desk.contacts:create {
                inbox_id = 3, name = "Ada", email = "ada@lovelace.example",
                custom_attributes = { plan = "pro", seats = 3, tags = { "a" }, none = mw.array {} },
            }
            local contact = made.payload.contact
            assert.equal("Ada", contact.name)
            assert.equal("ada@lovelace.example", contact.email)
            assert.same({ plan = "pro", seats = 3, tags = { "a" }, none = {} }, contact.custom_attributes)
            assert.is_true(is_id(made.id))
            assert.equal("integer", math.type(made.id))
            assert.equal(made.id, contact.id)
            assert.is_true(is_id(contact.contact_inboxes[1].source_id))
            assert.equal(3, contact.contact_inboxes[1].inbox.id)

            local conversation = desk.conversations:create {
                inbox_id = "3", source_id = contact.contact_inboxes[1].source_id, contact_id = tostring(contact.id),
            }
            assert.is_true(is_id(conversation.id, made.id + 1))
            assert.equal(3, conversation.inbox_id)
            local message = desk.messages:create(conversation.id, { content = "Hello", private = true })
            assert.equal(conversation.id, message.conversation_id)
            assert.equal("Hello", message.content)
            assert.is_true(message.private)
            assert.equal("outgoing", message.message_type)
            assert.same({ "vip" }, desk.conversations:set_labels(conversation.id, { labels = { "vip" } }).payload)
            assert.is_true(desk.messages:delete(conversation.id, message.id))
            assert.is_true(desk.contacts:update(12, { name = "Bo" }))
            assert.equal(12, desk.teams:update(12, { name = "late" }).id)
            for _ in desk.messages:each(conversation.id) do
                error "a conversation that was never made has no messages"
            end
            assert.same({}, server:log())
        end)

        it("what the documents say, for each operation", function()
            local shapes, checked = {}, 0
            for _, entry in ipairs(json.decode(process.read "spec/fixtures/ooctopus.json").operations) do
                shapes[("%s:%s"):format(entry.module, entry.method)] = entry.response_schema
            end
            for _, operation in ipairs(facts.operations()) do
                local shape = operation.service == "ooctopus" and shapes[operation.name]
                if shape and shape ~= json.null and mutates(operation) then
                    assert.is_nil(mismatch(shape, call(operation, make(operation, "required")), operation.name))
                    checked = checked + 1
                end
            end
            assert.is_true(checked >= 30, checked .. " shapes")
        end)
    end)

    it("does not check less than a real one", function()
        local desk = clients.ooctopus
        calls.failing("invalid", desk.contacts.create, desk.contacts, { nmae = "Ada" })
        calls.failing("invalid", desk.contacts.delete, desk.contacts, "a/b")
    end)

    it("is denied what the policy denies", function()
        local desk = mw.ooctopus {
            url = server:url "ok", account = 1, token = "t", policy = { deny = { "ooctopus:teams.*" }, dry_run = true },
        }
        calls.failing("denied", desk.teams.create, desk.teams, { name = "x" })
        calls.failing("denied", desk.request, desk, "POST", "/x")
        desk:close()
    end)

    it("shows what the run would use of the budgets", function()
        local desk = mw.ooctopus {
            url = server:url "ok", account = 1, token = "t", policy = { max_writes = 2, dry_run = true },
        }
        desk.teams:create { name = "a" }
        desk.teams:create { name = "b" }
        calls.failing("budget", desk.teams.create, desk.teams, { name = "c" })
        desk:close()
    end)

    it("ends calls that are cancelled and clients that are closed as ever", function()
        local desk = clients.ooctopus
        local task = mw.spawn(function() return desk.teams:create { name = "a" } end)
        mw.sleep(0)
        desk:close()
        local good, err = pcall(task.wait, task)
        assert.is_true(good or mw.is_error(err, "cancelled"))
        calls.quiet()
    end)
end)

--- Plans: what a dry run writes down, and `moonwire apply`, which sends it. Two twins tell whether the detour ends
--- where the direct way does; a server that captures tells what left.

local mw = require "moonwire"

local arguments = require "spec.support.arguments"
local calls = require "spec.support.calls"
local facts = require "spec.support.facts"
local host = require "spec.support.host"
local json = require "spec.support.json"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local FIRST = 8888000000000001

-- A run whose script may call whatever there is.
local ALL = { "run", "--allow", "*:*", "--allow", "*:request" }

local folder

local function file(name, text)
    return process.write(folder .. "/" .. name, text)
end

local function run(flags, script, env)
    local words = table.move(flags, 1, #flags, #ALL + 1, table.move(ALL, 1, #ALL, 1, {}))
    words[#words + 1] = file("script.lua", script)
    return host.run(words, { env = env })
end

--- Writes the plan of a script, and returns its path and its decoded lines.
local function plan_of(script, env)
    local path = folder .. "/plan.jsonl"
    local output, errors, code = run({ "--plan", path }, script, env)
    assert.equal(0, code, errors)
    local lines = {}
    for line in process.read(path):gmatch "[^\n]+" do
        lines[#lines + 1] = json.decode(line)
    end
    return path, lines, errors, output
end

local function apply(path, env, ...)
    local words = { "apply", path, ... }
    return host.run(words, { env = env })
end

-- One line of a plan.
local function line_of(operation, params, more)
    local line = {
        operation = "ooctopus:" .. operation,
        profile = "ooctopus",
        arguments = { path = mw.array {}, params = params or {} },
        gives = {},
    }
    for name, value in pairs(more or {}) do
        line[name] = value
    end
    return mw.json.encode(line)
end

-- One with path parameters, and one for a raw request.
local function line_at(operation, path, params)
    return line_of(operation, nil, { arguments = { path = path, params = params or {} } })
end

local function raw_line(verb, path, params)
    return line_of("request", nil, { arguments = { verb = verb, path = path, params = params or {} } })
end

-- One that shows what a person reads, beside what is sent: teams:update(5, { name = "x" }).
local function showing(more, options)
    more.arguments = { path = { 5 }, params = { name = "x" }, options = options }
    return line_of("teams.update", nil, more)
end

-- One that gives ids.
local function giving(gives)
    return line_of("teams.create", { name = "x" }, { gives = gives })
end

-- Times differ between two runs; nothing else does.
local TIMES = { created_at = true, timestamp = true, creationTime = true, last_activity_at = true,
    contact_last_seen_at = true, agent_last_seen_at = true }

local function without_times(value)
    if type(value) ~= "table" then
        return value
    end
    local copy = {}
    for key, inner in pairs(value) do
        copy[key] = not TIMES[key] and without_times(inner) or nil
    end
    return copy
end

-- Where two states differ first, or nil.
local function difference(expected, got, where)
    if type(expected) ~= "table" or type(got) ~= "table" then
        return expected ~= got and ("%s: expected %s, got %s"):format(where, tostring(expected), tostring(got)) or nil
    end
    for _, keys in ipairs { expected, got } do
        for key in pairs(keys) do
            local found = difference(expected[key], got[key], ("%s.%s"):format(where, key))
            if found then
                return found
            end
        end
    end
end

-- Everything that a twin shows.
local function state_of(settings)
    local desk <close> = mw.ooctopus {
        url = settings.OOCTOPUS_URL, account = settings.OOCTOPUS_ACCOUNT_ID, token = settings.OOCTOPUS_TOKEN,
    }
    local circuit <close> = mw.circuit { url = settings.CIRCUIT_URL, token = settings.CIRCUIT_TOKEN }
    local state = {
        contacts = {}, conversations = {}, messages = {}, members = {},
        teams = desk.teams:list(), inboxes = desk.inboxes:list(), agents = desk.agents:list(),
        webhooks = desk.webhooks:list(), hooks = circuit.webhooks:list(),
        labels = desk:request("GET", "/api/v1/accounts/1/labels"),
    }
    for contact in desk.contacts:each { sort = "name" } do
        state.contacts[contact.id] = contact
    end
    for conversation in desk.conversations:each { status = "all" } do
        state.conversations[conversation.id] = conversation
        state.messages[conversation.id] = desk.messages:list(conversation.id)
    end
    for _, team in ipairs(state.teams) do
        state.members[team.id] = desk.teams:members(team.id)
    end
    return without_times(state)
end

-- A day at the desk: everything that is made is used again, as a number, as text, within a sentence and in a path.
local DAY = [[
    local mw = require "moonwire"
    local desk, circuit = mw.connect "ooctopus", mw.connect "circuit"
    local inbox = desk.inboxes:list().payload[1]
    local made = desk.contacts:create {
        inbox_id = inbox.id, name = "Ada Lovelace", email = "ada@lovelace.example",
        custom_attributes = { plan = "pro", seats = 9007199254740993, tags = { "a", "b" }, none = mw.array {},
            some = {}, half = 0.5, nothing = mw.null, text = "Größe \u{1F419} \"x\"\n\\" },
    }
    local contact = made.payload.contact
    local source = contact.contact_inboxes[1].source_id
    local conversation = desk.conversations:create {
        inbox_id = tostring(inbox.id), source_id = source, contact_id = tostring(contact.id),
        message = { content = "Welcome, number " .. contact.id .. "!" },
    }
    desk.contacts:update(contact.id, { name = "Ada King", custom_attributes = { conversation = conversation.id } })
    assert(desk.contacts:get(contact.id))
    for _ in desk.messages:each(conversation.id) do end
    desk.messages:create(conversation.id, {
        content = ("See #%d, (%s)."):format(conversation.id, source), private = true,
    })
    local message = desk.messages:create(conversation.id, { content = "wrong" })
    desk.messages:delete(conversation.id, message.id)
    desk.conversations:set_labels(conversation.id, { labels = { "vip", "contact-" .. contact.id } })
    local team = desk.teams:create { name = "night shift", description = "for " .. contact.id }
    desk.teams:add_members(team.id, { user_ids = { 1, 2 } })
    desk.teams:update(team.id, { description = "of team " .. team.id })
    desk.conversations:assign(conversation.id, { team_id = team.id })
    desk.conversations:toggle_status(conversation.id, { status = "resolved" })
    for conversation in desk.conversations:each { status = "open" } do
        if conversation.id % 5 == 0 then
            desk.messages:create(conversation.id, { content = "Good night from " .. team.id })
        end
    end
    local label = desk:request("POST", "/api/v1/accounts/1/labels", { body = { title = "team-" .. team.id } })
    assert(label.id)
    local hook = circuit.webhooks:add { url = "https://a.example/x", filter = { "CONVERSATION.CREATE" } }
    circuit.webhooks:update(hook.id, { url = "https://b.example/" .. hook.id })
    local web = desk.webhooks:create { url = "https://c.example/", subscriptions = { "message_created" } }
    desk.webhooks:update(web.id, { url = "https://c.example/" .. web.id, subscriptions = { "message_updated" } })
    desk.messages:create(3, { content = mw.json.encode { id = contact.id } })
    desk.contacts:delete(7)
]]

describe("a plan", function()
    local server

    setup(function()
        server = raw.start()
        folder = process.folder()
    end)

    teardown(function()
        server:stop()
        process.remove(folder)
        calls.quiet()
    end)

    before_each(function()
        server:clear()
    end)

    local function at(behaviour)
        return {
            OOCTOPUS_URL = server:url(behaviour), OOCTOPUS_ACCOUNT_ID = "1", OOCTOPUS_TOKEN = "canary-user-token",
            OOCTOPUS_BOT_TOKEN = "canary-bot-token", OOCTOPUS_PLATFORM_TOKEN = "canary-platform-token",
            CIRCUIT_URL = server:url(behaviour), CIRCUIT_TOKEN = "canary-oauth-token",
        }
    end

    it("that is applied leaves the desk as the direct run does", function()
        local direct, direct_settings = host.twin()
        finally(function() direct:stop() end)
        local detour, settings = host.twin()
        finally(function() direct:stop() detour:stop() end)
        local untouched = state_of(settings)
        assert.is_nil(difference(untouched, state_of(direct_settings), "twin"))

        local _, errors, code = run({}, DAY, direct_settings)
        assert.equal(0, code, errors)
        local path, lines = plan_of(DAY, settings)
        assert.is_nil(difference(untouched, state_of(settings), "dry"))
        local output, problems, applied = apply(path, settings)
        assert.equal("", problems)
        assert.equal(0, applied)
        assert.is_truthy(output:find(("^%d calls:\n"):format(#lines)))
        assert.is_truthy(output:find(("\n%d calls sent\n$"):format(#lines)))

        local expected = state_of(direct_settings)
        assert.is_truthy(difference(untouched, expected, "direct"))
        assert.is_nil(difference(expected, state_of(settings), "applied"))
        -- No placeholder is left anywhere.
        for _, list in pairs(state_of(settings).messages) do
            assert.is_nil(mw.json.encode(list):find(tostring(FIRST):sub(1, 12), 1, true))
        end
    end)

    it("holds each call: operation, path, body, in order", function()
        local _, lines, errors = plan_of([[
            local desk = require "moonwire".connect "ooctopus"
            local team = desk.teams:create { name = "night" }
            desk.teams:get(team.id)
            desk.conversations:list { status = "all" }
            desk.contacts:delete(4, nil, { account_id = 2, retries = 0 })
            desk:request("PUT", "/x%20y", { query = { a = "b c" }, body = { 1, 2 } })
        ]], at "ok")
        assert.is_truthy(errors:find("dry run: 4 calls held back", 1, true))
        assert.equal(4, #lines)
        assert.same({
            operation = "ooctopus:teams.create", verb = "POST", path = "/api/v1/accounts/1/teams",
            body = { name = "night" }, profile = "ooctopus",
            arguments = { path = {}, params = { name = "night" } }, gives = { id = FIRST },
        }, lines[1])
        assert.equal("ooctopus:teams.get", lines[2].operation)
        assert.equal("/api/v1/accounts/1/teams/" .. FIRST, lines[2].path)
        assert.same({ account_id = "2", retries = 0 }, lines[3].arguments.options)
        assert.equal("/api/v1/accounts/2/contacts/4", lines[3].path)
        assert.equal("ooctopus:request", lines[4].operation)
        assert.equal("/x%20y", lines[4].path)
        assert.equal("a=b%20c", lines[4].query)
        assert.same({ 1, 2 }, lines[4].body)
        local log = server:log()
        assert.equal(1, #log)
        assert.equal("GET", log[1].method)
    end)

    it("is its owner's alone, holds no token, and takes its name when it is whole", function()
        local path = file("plan.jsonl", "as it was\n")
        local _, errors, code = run({ "--plan", path }, [[
            local desk = require "moonwire".connect "ooctopus"
            desk.teams:create { name = "night" }
            error "later"
        ]], at "ok")
        assert.equal(1, code, errors)
        assert.equal("as it was\n", process.read(path))
        plan_of([[require "moonwire".connect "ooctopus".teams:create { name = "night" }]], at "ok")
        local mode = process.run { "stat", "-c", "%a", path }
        assert.equal("600\n", mode)
        assert.is_nil(process.read(path):find("canary", 1, true))
        local listing = process.run { "ls", folder }
        assert.equal("plan.jsonl\nscript.lua\n", listing)
    end)

    it("can't be written over a folder, a device or where there is no folder", function()
        for _, path in ipairs { folder, "/dev/null", folder .. "/none/plan" } do
            local _, errors, code = run({ "--plan", path }, "print 'ran'", at "ok")
            assert.equal(2, code)
            assert.is_truthy(errors:find("can't write the plan", 1, true))
        end
        assert.equal("character special file\n", (process.run { "stat", "-c", "%F", "/dev/null" }))
    end)

    it("sends what the direct run sends, byte for byte, for every operation", function()
        local cases = {}
        for _, operation in ipairs(facts.operations()) do
            for _, mode in ipairs { "full", "required", "swapped", "null" } do
                local fits = mode ~= "null" or operation.body and operation.body.kind == "json"
                if operation.verb ~= "GET" and operation.method ~= "filter" and fits then
                    local made = arguments.make(operation, { mode = mode, null = mw.null, account = 1 })
                    cases[#cases + 1] = {
                        service = operation.service, module = operation.module, method = operation.method,
                        path = mw.array(made.path), params = made.params,
                    }
                end
            end
        end
        local data = mw.json.encode(cases)
        local script = ([[
            local mw = require "moonwire"
            local clients = { ooctopus = mw.connect "ooctopus", circuit = mw.connect "circuit" }
            for _, case in ipairs(mw.json.decode(%s)) do
                local node = clients[case.service]
                for name in case.module:gmatch "[^.]+" do node = node[name] end
                local list = { table.unpack(case.path) }
                list[#list + 1] = case.params
                node[case.method](node, table.unpack(list))
            end
            clients.ooctopus:request("POST", "/a%%20b", { form = { a = { 1, "x y" }, b = "\u{e9}" }, token = "bot" })
            clients.ooctopus:request("PATCH", "/c", { body = mw.array {} })
            clients.ooctopus:request("PATCH", "/c", { body = {} })
            clients.ooctopus:request("PUT", "/c", { query = { a = 1.0, b = true } })
            clients.circuit:request("DELETE", "/d")
        ]]):format(("%q"):format(data):gsub("\\\n", "\\n"))

        local function seen()
            local list = {}
            for i, captured in ipairs(server:log()) do
                local token = captured:header "api_access_token" or captured:header "authorization"
                list[i] = ("%s %s %s %s\n%s"):format(captured.method, captured.target,
                    captured:header "content-type", token, captured.body)
            end
            server:clear()
            return list
        end

        local _, errors, code = run({}, script, at "ok")
        assert.equal(0, code, errors)
        local direct = seen()
        assert.equal(#cases + 5, #direct)
        local path = plan_of(script, at "ok")
        assert.same({}, seen())
        local _, problems, applied = apply(path, at "ok")
        assert.equal("", problems)
        assert.equal(0, applied)
        local sent = seen()
        assert.equal(#direct, #sent)
        for i, request in ipairs(direct) do
            assert.equal(request, sent[i])
        end
    end)

    it("may name files, which are sent from granted folders alone", function()
        local picture = file("picture.png", "\137PNG\r\n\26\n")
        local line = line_at("messages.create", { 1 }, { content = "x", attachments = { picture } })
        local path = file("plan.jsonl", line .. "\n")
        local _, errors, code = apply(path, at "ok")
        assert.equal(2, code)
        assert.is_truthy(errors:find("line 1: ", 1, true))
        assert.is_truthy(errors:find("--allow-read", 1, true))
        assert.same({}, server:log())

        _, errors, code = apply(path, at "ok", "--allow-read", folder)
        assert.equal("", errors)
        assert.equal(0, code)
        local sent = nil
        for _, part in ipairs(server:log()[1]:parts()) do
            sent = part.filename and part or sent
        end
        assert.equal("picture.png", sent.filename)
        assert.equal("\137PNG\r\n\26\n", sent.body)

        server:clear()
        os.remove(picture)
        assert(os.execute(("unset LD_PRELOAD; ln -s /etc/hostname %s"):format(process.quote(picture))))
        _, errors, code = apply(path, at "ok", "--allow-read", folder)
        assert.equal(2, code, errors)
        assert.same({}, server:log())
        os.remove(picture)
    end)

    it("sends no file that an id in its path leads to", function()
        local secret = file("secret.txt", "the canary of a file")
        local inner = folder .. "/granted"
        assert(os.execute(("unset LD_PRELOAD; mkdir %s"):format(process.quote(inner))))
        finally(function() process.remove(inner) os.remove(secret) end)
        process.write(("%s/%d"):format(inner, FIRST), "x")
        local body = '{"id":"../secret.txt"}'
        local behaviour = server:answer("leads", calls.answer("200 OK", { "Content-Type: application/json" }, body))
        local attached = { ("%s/%d"):format(inner, FIRST) }
        local line = line_at("messages.create", { 1 }, { content = "x", attachments = attached })
        local path = file("plan.jsonl", giving { id = FIRST } .. "\n" .. line)
        local _, errors, code = apply(path, at(behaviour), "--allow-read", inner)
        assert.equal(1, #server:log())
        assert.equal(8, code, errors)
        assert.is_truthy(errors:find("line 2 of 2, messages:create: ", 1, true), errors)
        assert.is_truthy(errors:find("line 1 was sent, line 2 was not sent", 1, true), errors)
    end)

    it("goes to the account that it shows", function()
        local path = plan_of([[
            local desk = require "moonwire".connect "ooctopus"
            desk.teams:update(5, { name = "x" })
        ]], at "ok")
        local elsewhere = at "ok"
        elsewhere.OOCTOPUS_ACCOUNT_ID = "2"
        local _, errors, code = apply(path, elsewhere)
        assert.equal("", errors)
        assert.equal(0, code)
        assert.equal("/ok/api/v1/accounts/1/teams/5", server:log()[1].target)
    end)

    describe("that is wrong is refused before anything is sent:", function()
        local good = line_of("teams.create", { name = "first" })
        local options = { path = mw.array {}, params = { name = "x" }, options = { proxy = "x" } }
        local wrong = {
            { "no JSON", "{", "not JSON" },
            { "no object", "[1]", "must be an object" },
            { "a value", "7", "must be an object" },
            { "no arguments", '{"operation":"ooctopus:teams.create","profile":"ooctopus"}', "'arguments' must be" },
            { "an unknown operation", line_of "teams.crate", "names no operation" },
            { "an unknown profile", line_of("teams.list", nil, { profile = "support" }), "'profile' must" },
            { "another service", line_of("teams.list", nil, { profile = "circuit" }), "no operation of the profile" },
            { "another verb", line_of("teams.create", { name = "x" }, { verb = "DELETE" }), "is a POST" },
            { "an unknown field", line_of("teams.create", { nmae = "x" }), "did you mean 'name'?" },
            { "a missing field", line_at("messages.create", { 1 }), "'content'" },
            { "a field of another type", line_of("teams.create", { name = { 1 } }), "'name'" },
            { "too few path parameters", line_of "teams.delete", "takes 1 path parameter" },
            { "too many path parameters", line_at("teams.create", { 1 }, { name = "x" }), "takes 0 path parameters" },
            { "a path parameter that climbs", line_at("teams.delete", { ".." }), "team_id" },
            { "a list of parameters", line_of("teams.create", { 1, 2 }), "not a list" },
            { "an unknown option", line_of("teams.create", nil, { arguments = options }), "unknown option 'proxy'" },
            { "a raw path that climbs", raw_line("POST", "/a/../b"), "path" },
            { "a raw path that is none", raw_line("POST", "a"), "path" },
            { "a raw path of two lines", raw_line("GET", "/a\r\nb"), "path" },
            { "an unknown verb", raw_line("TRACE", "/a"), "verb" },
            { "an id that no line gives", line_at("teams.delete", { FIRST }), "refers to " .. FIRST },
            { "such an id in a text", line_of("teams.create", { name = "see " .. FIRST }), "refers to " .. FIRST },
            { "such an id in a raw path", raw_line("GET", "/%20" .. FIRST), "refers to " .. FIRST },
            { "an id that it gives itself",
                line_of("teams.create", { name = "x" .. FIRST }, { gives = { id = FIRST } }), "refers to " .. FIRST },
            { "a given number that is no placeholder", giving { id = 5 }, "placeholders" },
            { "a place that is none", giving { ["a b"] = FIRST }, "places" },
            { "a path that it does not send", showing { path = "/api/v1/accounts/1/teams/9" }, "'path' is not what" },
            { "an account that it does not send to",
                showing({ path = "/api/v1/accounts/2/teams/5" }, { account_id = "1" }), "'path' is not what" },
            { "a body that it does not send", showing { body = { name = "y" } }, "'body' is not what" },
            { "a body with less than it sends", showing { body = {} }, "'body' is not what" },
            { "no body where it sends one", showing { path = "/api/v1/accounts/1/teams/5" }, "'body' is not what" },
            { "a query that it does not send", showing { query = "a=1" }, "'query' is not what" },
            { "a raw path that it does not send", line_of("request", nil, { path = "/x",
                arguments = { verb = "POST", path = "/y", params = {} } }), "'path' is not what" },
            { "a raw body that it does not send", line_of("request", nil, { body = { 1 },
                arguments = { verb = "POST", path = "/y", params = { body = { 2 } } } }), "'body' is not what" },
            { "a raw query that it does not show", line_of("request", nil, { path = "/y",
                arguments = { verb = "POST", path = "/y", params = { query = { a = 1 } } } }), "'query' is not what" },
            { "a raw form that it does not show", line_of("request", nil, { path = "/y",
                arguments = { verb = "POST", path = "/y", params = { form = { a = 1 } } } }), "'body' is not what" },
            { "a file that is not there", line_at("contacts.update", { 1 }, { avatar = "/nowhere/x.png" }),
                "/nowhere/x.png" },
        }
        for _, case in ipairs(wrong) do
            it(case[1], function()
                local path = file("plan.jsonl", good .. "\n\n" .. case[2] .. "\n" .. good .. "\n")
                local output, errors, code = apply(path, at "ok")
                assert.equal(2, code, errors)
                assert.equal("", output)
                local form = "^moonwire: apply: [^\n]*plan.jsonl: line 3: [^%c]*; nothing was sent\n$"
                assert.is_truthy(errors:find(form), errors)
                assert.is_truthy(errors:find(case[3], 1, true), errors)
                assert.same({}, server:log())
            end)
        end

        it("the same id from two lines", function()
            local line = giving { id = FIRST }
            local _, errors, code = apply(file("plan.jsonl", line .. "\n" .. line .. "\n"), at "ok")
            assert.equal(2, code)
            assert.is_truthy(errors:find("line 2: it gives " .. FIRST .. ", as line 1 does", 1, true), errors)
        end)

        it("nesting without end", function()
            local deep = ("["):rep(100000)
            local _, errors, code = apply(file("plan.jsonl", deep), at "ok")
            assert.equal(2, code)
            assert.is_truthy(errors:find("line 1: ", 1, true), errors)
        end)

        it("more lines than a plan has", function()
            local _, errors, code = apply(file("plan.jsonl", ("\n"):rep(100001) .. good), at "ok")
            assert.equal(2, code)
            assert.is_truthy(errors:find("at most 100000 lines", 1, true), errors)
        end)

        it("more bytes than a plan has", function()
            local path = file("plan.jsonl", "")
            process.run { "truncate", "-s", "65M", path }
            local _, errors, code = apply(path, at "ok")
            assert.equal(2, code)
            assert.is_truthy(errors:find("at most 64 MiB", 1, true), errors)
        end)

        it("no file", function()
            for _, path in ipairs { folder .. "/none", folder, "/dev/zero" } do
                local _, errors, code = apply(path, at "ok")
                assert.equal(2, code)
                assert.is_truthy(errors:find("can't read", 1, true), errors)
            end
        end)
    end)

    it("without a line says so", function()
        local output, errors, code = apply(file("plan.jsonl", ""), at "ok")
        assert.equal("the plan is empty: there is nothing to send\n", output)
        assert.equal("", errors)
        assert.equal(0, code)
    end)

    it("stops at the first failure and says what was done", function()
        local twin, settings = host.twin()
        finally(function() twin:stop() end)
        local before = state_of(settings)
        local lines = {
            line_of("teams.create", { name = "one" }),
            line_of("teams.create", { name = "two" }),
            line_of("contacts.create", { inbox_id = 999, name = "Nobody" }),
            line_of("teams.create", { name = "three" }),
            line_of("teams.create", { name = "four" }),
        }
        local output, errors, code = apply(file("plan.jsonl", table.concat(lines, "\n")), settings)
        assert.equal(4, code)
        assert.is_truthy(output:find("     4  ooctopus  teams:create\n", 1, true), output)
        assert.is_truthy(errors:find("^moonwire: apply: line 3 of 5, contacts:create: the server answered 404: [^;]+; "
            .. "lines 1 to 2 were sent, line 3 failed, lines 4 to 5 were not sent\n$"), errors)
        assert.equal(#before.teams + 2, #state_of(settings).teams)
    end)

    it("says when it is not known what became of a line", function()
        local lines = line_of("teams.create", { name = "one" }) .. "\n" .. line_of("teams.create", { name = "two" })
        local _, errors, code = apply(file("plan.jsonl", lines), at "close")
        assert.equal(7, code, errors)
        assert.is_truthy(errors:find("; line 1 may have been sent, line 2 was not sent\n", 1, true), errors)
        assert.equal(1, #server:log())
    end)

    it("stops before a line that needs an id which the answer did not hold", function()
        local lines = {
            giving { id = FIRST },
            line_of("teams.create", { name = "two" }),
            line_at("teams.delete", { FIRST }),
        }
        local _, errors, code = apply(file("plan.jsonl", table.concat(lines, "\n")), at "ok")
        assert.equal(6, code, errors)
        assert.is_truthy(errors:find("line 3 of 3, teams:delete: the answer to line 1 holds no id at 'id'; "
            .. "lines 1 to 2 were sent, line 3 was not sent\n", 1, true), errors)
        assert.equal(2, #server:log())
    end)

    it("takes an id from wherever the answer has it, and puts it everywhere", function()
        local body = '{"payload":{"contact":{"id":42,"inboxes":[{"source":"a/b c"}]}}}'
        local behaviour = server:answer("made", calls.answer("200 OK", { "Content-Type: application/json" }, body))
        local second = FIRST + 1
        local name = ("%d, x%dx, 1%d, placeholder-%d, %d%d"):format(FIRST, FIRST, FIRST, second, FIRST, second)
        local list = { FIRST, tostring(second), FIRST + 0.0, { ["k" .. FIRST] = true }, FIRST + 1000000 }
        local lines = {
            giving { id = FIRST, ["payload.contact.id"] = FIRST, ["payload.contact.inboxes[1].source"] = second },
            line_at("teams.update", { FIRST }, { name = name }),
            raw_line("POST", ("/t/%%20%d/placeholder-%d/"):format(FIRST, second), { body = list }),
        }
        local _, errors, code = apply(file("plan.jsonl", table.concat(lines, "\n")), at(behaviour))
        assert.equal("", errors)
        assert.equal(0, code)
        local log = server:log()
        assert.is_truthy(log[2].target:find "/teams/42$")
        assert.same({ name = ("42, x42x, 1%d, a/b c, %d%d"):format(FIRST, FIRST, second) }, json.decode(log[2].body))
        assert.is_truthy(log[3].target:find("/t/%2042/a%2Fb%20c/", 1, true), log[3].target)
        assert.same({ 42, "a/b c", 42, { k42 = true }, FIRST + 1000000 }, json.decode(log[3].body))
    end)

    it("is not sent where a setting is missing", function()
        local _, errors, code = apply(file("plan.jsonl", line_of("teams.create", { name = "one" })), {})
        assert.equal(1, code)
        assert.is_truthy(errors:find("OOCTOPUS_TOKEN, which is not set; nothing was sent", 1, true), errors)
    end)

    it("goes back to the profile that it came from", function()
        local path, lines = plan_of([[
            local desk = require "moonwire".connect "chatwoot"
            desk.teams:add_members(3, { user_ids = { 1 } })
        ]], at "ok")
        assert.equal("chatwoot", lines[1].profile)
        local _, errors, code = apply(path, at "ok")
        assert.equal("", errors)
        assert.equal(0, code)
        assert.equal("/ok" .. lines[1].path, server:log()[1].target)
        assert.is_truthy(lines[1].path:find "^/api/v1/accounts/1/teams/3/")
    end)

    it("is audited", function()
        local audit = folder .. "/audit"
        local lines = line_of("teams.create", { name = "one" }) .. "\n" .. line_at("teams.delete", { 3 })
        local _, errors, code = apply(file("plan.jsonl", lines), at "ok", "--audit", audit)
        assert.equal("", errors)
        assert.equal(0, code)
        local text = process.read(audit)
        os.remove(audit)
        local _, count = text:gsub("[^\n]+", "")
        assert.equal(4, count, text)
        assert.is_truthy(text:find("ooctopus:teams.delete", 1, true))
        assert.is_nil(text:find("canary", 1, true))
    end)

    it("is sent after a person has said yes", function()
        local path = file("plan.jsonl", line_of("teams.create", { name = "one" }))
        for _, case in ipairs { { "n", 1, 0 }, { "", 1, 0 }, { "Y", 0, 1 } } do
            server:clear()
            local terminal = host.terminal({ "apply", path }, at "ok")
            terminal:expect "1 call:"
            terminal:expect "ooctopus  teams:create"
            terminal:expect "Send this call? [y/N] "
            assert.same({}, server:log())
            terminal:send(case[1] .. "\r")
            terminal:expect(case[2] == 0 and "1 call sent" or "nothing was sent")
            assert.equal(case[2], terminal:finish())
            assert.equal(case[3], #server:log())
        end
        server:clear()
        local terminal = host.terminal({ "apply", "--yes", path }, at "ok")
        terminal:expect "1 call sent"
        assert.equal(0, terminal:finish())
        assert.equal(1, #server:log())
    end)

    it("makes with a key what is made once, however often it is applied", function()
        local program, settings = host.twin()
        finally(function() program:stop() end)
        settings.MOONWIRE_STATE = folder .. "/state"
        local path, lines = plan_of([[
            local desk = require "moonwire".connect "ooctopus"
            desk.messages:create(1, { content = "One" }, { once = "one" })
            desk.messages:create(1, { content = "Two", content_attributes = { from = "us" } }, { once = "two" })
            desk.contacts:create({ inbox_id = 4, name = "Ada", email = "ada.once@example.com" }, { once = "ada" })
        ]], settings)
        for _ = 1, 2 do
            local output, problems, code = apply(path, settings)
            assert.equal("", problems)
            assert.equal(0, code)
            assert.matches("\n3 calls sent\n$", output)
        end
        local client <close> = mw.ooctopus { url = settings.OOCTOPUS_URL, account = settings.OOCTOPUS_ACCOUNT_ID,
            token = settings.OOCTOPUS_TOKEN }
        local found = {}
        for message in client.messages:each(1) do
            if message.content == "One" or message.content == "Two" then
                found[#found + 1] = message.content
            end
        end
        table.sort(found)
        assert.same({ "One", "Two" }, found)

        for _, change in ipairs {
            function(line) line.body.content = "Other" end,
            function(line) line.body.content_attributes.more = 1 end,
            function(line) line.body.content_attributes.moonwire_once = { "x" } end,
            function(line) line.arguments.options.once = nil end,
        } do
            local line = json.decode(mw.json.encode(lines[1]))
            change(line)
            local _, problems, code = apply(file("changed.jsonl", mw.json.encode(line)), settings)
            assert.matches("line 1: 'body' is not what its arguments make", problems, 1, true)
            assert.equal(2, code)
        end
    end)

    it("says what was done when it is interrupted", function()
        local lines = line_of("teams.create", { name = "one" }) .. "\n" .. line_of("teams.create", { name = "two" })
        local errors_at = folder .. "/errors"
        local program = process.start({ host.binary, "apply", file("plan.jsonl", lines) },
            { ready = "2  ooctopus  teams:create", env = at "stall", errors = errors_at })
        local deadline = mw.now() + 20
        while #server:log() == 0 and mw.now() < deadline do
            process.run { "sleep", "0.02" }
        end
        program:signal "INT"
        assert.equal(130, program:wait(20))
        local errors = process.read(errors_at)
        os.remove(errors_at)
        assert.is_truthy(errors:find("interrupted at line 1, which may have been sent; nothing was sent before it",
            1, true), errors)
    end)
end)

--- The control route of a twin, and the snapshots that it gives and takes: what they hold, and what hostile ones do.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local dump = require "moonwire.twin.dump"
local process = require "spec.support.process"
local twin = require "moonwire.twin"
local twin_client = require "spec.support.twin"

local CONTACT = "/api/v1/accounts/1/contacts/1"

-- A twin, a client of its control route, and one of its desk.
local function start(options)
    local state = twin_client.state(options)
    local send = twin_client.client(state)
    local function ask(method, path, fields, token)
        local headers = { ["x-twin-token"] = token or "twin-control-token" }
        local status, body = send(method, "/_twin/" .. path, fields, headers)
        return status, body
    end
    return ask, send, state
end

local function name_of(send)
    return select(2, send("GET", CONTACT)).payload.contact.name
end

describe("the control route", function()
    teardown(calls.quiet)

    it("wants its own token", function()
        local ask, send = start { control_token = "sesame" }
        for _, token in ipairs { "", "sesam", "sesame ", "twin-user-token", "twin-control-token" } do
            local status, body = ask("GET", "", nil, token)
            assert.equal(401, status)
            assert.same({ error = "the control route needs its token, in the header X-Twin-Token" }, body)
        end
        assert.equal(401, (send("GET", "/_twin/")))
        assert.equal(401, (send("GET", "/_twin/nothing")))
        assert.equal(200, (ask("GET", "", nil, "sesame")))
        local refused = calls.failing("invalid", twin.new, { control_token = "" })
        assert.matches("control_token must be a text", refused.message)
    end)

    it("says what there is, and what there isn't", function()
        local ask = start()
        local _, all = ask("GET", "")
        local body = all
        assert.equal(0, body.requests)
        assert.equal(twin_client.NOW + 0.5, body.time)
        assert.equal("/_twin/", body.routes[1].path)
        for _, route in ipairs(all.routes) do
            _, body = ask(route.method, route.path:sub(8))
            assert.no_match("the control route has no", body.error or "")
            assert.equal(405, (ask("PATCH", route.path:sub(8))))
        end
        local status
        status, body = ask("GET", "nothing")
        assert.equal(404, status)
        assert.same({ error = "the control route has no GET /_twin/nothing; GET /_twin/ tells what there is" }, body)
    end)

    it("quotes what is no text, and cuts what is long, without harm", function()
        local ask = start()
        for _, case in ipairs {
            { 422, "POST", "clock", '{"\255":1}', "unknown field '?'; there is advance" },
            { 422, "POST", "clock", '{"advance":"\255"}', "'?' is no duration" },
            { 422, "POST", "clock", '{"a' .. ("é"):rep(60) .. '":1}', "unknown field 'a" .. ("??"):rep(49) .. "?'" },
            { 422, "POST", "faults", '{"faults":["contacts.get:\255"]}', "there is no kind '?'" },
            { 404, "POST", "snapshots/\255/restore", "", "there is no snapshot '?'" },
            { 404, "GET", "\255", nil, "the control route has no GET /_twin/?" },
        } do
            local status, body = ask(case[2], case[3], case[4])
            assert.equal(case[1], status)
            assert.truthy(body.error:find(case[5], 1, true), body.error)
        end
    end)

    it("keeps a log of requests, but not of its own", function()
        local ask, send = start { faults = "agents.list:status=503" }
        send("GET", CONTACT .. "?a=b")
        send("PUT", CONTACT, { name = "Ada" })
        send("GET", "/api/v1/accounts/1/agents")
        send("GET", "/nowhere")
        send("GET", "/rest/v2/webhooks", nil, { authorization = "Bearer twin-circuit-token" })
        send("GET", "/api/v1/accounts/%zz/contacts/1")
        send("POST", "/api/v1/accounts/1/contacts", ("x"):rep(5000))
        local _, log = ask("GET", "log")
        assert.same({ { path = CONTACT, query = "a=b", method = "GET", operation = "contacts.get", service = "ooctopus",
            account = 1, status = 200, n = 1, time = twin_client.NOW + 0.5, peer = "127.0.0.1", size = 0 } },
            { log.requests[1] })
        assert.equal('{"name":"Ada"}', log.requests[2].body)
        assert.equal("contacts.update", log.requests[2].operation)
        assert.same({ "agents.list:status=503" }, log.requests[3].faults)
        assert.same({ 404 }, { log.requests[4].status, log.requests[4].operation })
        assert.same({ "circuit", 200 }, { log.requests[5].service, log.requests[5].status })
        assert.equal(400, log.requests[6].status)
        assert.same({ 5000 }, { log.requests[7].size, log.requests[7].body })
        assert.equal(7, #log.requests)
        assert.no_match("twin%-%a+%-token", core.json_encode(log))
        send("GET", "/nowhere?x=1&api_access_token=twin-user-token&secret=&y=2")
        assert.equal("x=1&api_access_token=...&secret=...&y=2",
            select(2, ask("GET", "log?since=7")).requests[1].query)
        assert.equal(3, select(2, ask("GET", "log?since=2&limit=1")).requests[1].n)
        assert.equal(1, #select(2, ask("GET", "log?since=2&limit=1")).requests)
        assert.same({}, select(2, ask("GET", "log?since=99")).requests)
        assert.same({}, select(2, ask("GET", "log?since=9223372036854775807")).requests)
        assert.equal(8, #select(2, ask("GET", "log?limit=9223372036854775807")).requests)
        assert.equal(400, (ask("GET", "log?since=x")))
        assert.equal(400, (ask("GET", "log?since=%zz")))
        assert.equal(400, (ask("GET", "log?limit=-1")))
        assert.equal(200, (ask("DELETE", "log")))
        send("GET", CONTACT)
        _, log = ask("GET", "log")
        assert.same({ 9, 1 }, { log.requests[1].n, #log.requests })
    end)

    it("remembers the last 10,000 requests", function()
        local _, send, state = start()
        for _ = 1, 10050 do
            send("GET", "/nowhere")
        end
        local list = state.log:list_requests()
        assert.same({ 10000, 51, 10050 }, { #list, list[1].n, list[10000].n })
    end)

    it("switches faults", function()
        local ask, send = start { limits = "3/h", faults = "*:status=500" }
        assert.equal(500, (send("GET", CONTACT)))
        local _, body = ask("POST", "faults", { faults = { "contacts.get:status=502:1/2" } })
        assert.same({ { fault = "contacts.get:status=502:1/2", matched = 0, met = 0 } }, body.faults)
        assert.same({ 200, 502 }, { (send("GET", CONTACT)), (send("GET", CONTACT)) })
        assert.same({ { fault = "contacts.get:status=502:1/2", matched = 2, met = 1 } },
            select(2, ask("GET", "faults")).faults)
        assert.is_false((pcall(send, "GET", CONTACT))) -- what the limit says is no JSON
        local status
        status, body = ask("POST", "faults", { faults = "contacts.get:boom" })
        assert.equal(422, status)
        assert.matches("^fault 'contacts.get:boom': there is no kind 'boom'", body.error)
        assert.equal(1, #select(2, ask("GET", "faults")).faults)
        ask("DELETE", "faults")
        assert.same({}, select(2, ask("GET", "faults")).faults)
    end)

    it("advances the clock, and never turns it back", function()
        local ask, send = start()
        assert.equal(twin_client.NOW + 7200.5, select(2, ask("POST", "clock", { advance = "2h" })).time)
        assert.equal(twin_client.NOW + 7201, select(2, ask("POST", "clock", { advance = 0.5 })).time)
        local _, made = send("POST", "/api/v1/accounts/1/conversations/1/messages", { content = "late" })
        assert.equal(twin_client.NOW + 7201, made.created_at)
        for _, span in ipairs { "-1s", -1, "", "1w", "1e9", "2h ", "200y", 1e18, true, {}, "36501d", ("9"):rep(400) } do
            local status, body = ask("POST", "clock", { advance = span })
            assert.equal(422, status, tostring(span))
            assert.matches("^advance: '.*' is no duration; give one such as 200ms, 90s, 5m, 2h or 1d", body.error)
        end
        assert.equal(422, (ask("POST", "clock", {})))
        assert.equal(200, (ask("POST", "clock", { advance = "30000d" })))
        assert.matches("advanced too often", select(2, ask("POST", "clock", { advance = "30000d" })).error)
    end)

    it("takes snapshots and goes back to them", function()
        local ask, send = start()
        ask("POST", "clock", { advance = "1h" })
        local _, before = ask("GET", "snapshot")
        local name = name_of(send)
        assert.equal(200, (ask("POST", "snapshots", { name = "first" })))
        send("PUT", CONTACT, { name = "Somebody else" })
        send("DELETE", "/api/v1/accounts/1/contacts/2")
        ask("POST", "clock", { advance = "1h" })
        assert.equal("Somebody else", name_of(send))
        assert.equal(200, (ask("POST", "snapshots/first/restore")))
        assert.equal(name, name_of(send))
        assert.equal(twin_client.NOW + 3600.5, select(2, ask("GET", "")).time)
        assert.same(before, select(2, ask("GET", "snapshot")))
        send("PUT", CONTACT, { name = "Somebody else" })
        assert.equal(200, (ask("POST", "restore", before)))
        assert.equal(name, name_of(send))
        assert.equal(200, (ask("POST", "snapshots/first/restore")))
        assert.equal(404, (ask("POST", "snapshots/second/restore")))
        for _, wrong in ipairs { "", "a/b", "../x", ("x"):rep(101), 42, "a b" } do
            assert.equal(422, (ask("POST", "snapshots", { name = wrong })))
        end
        for i = 1, 15 do
            assert.equal(200, (ask("POST", "snapshots", { name = "s" .. i })))
        end
        assert.equal(422, (ask("POST", "snapshots", { name = "s16" })))
        assert.equal(200, (ask("POST", "snapshots", { name = "first" })))
    end)

    it("makes something happen in Circuit", function()
        local ask, send = start()
        send("POST", "/rest/v2/webhooks", "url=http%3A%2F%2F127.0.0.1%3A1%2F&filter=CONVERSATION.CREATE",
            { authorization = "Bearer twin-circuit-token", ["content-type"] = "application/x-www-form-urlencoded" })
        assert.same({ webhooks = 1 }, select(2, ask("POST", "circuit", { type = "CONVERSATION.CREATE",
            data = { convId = "x" } })))
        assert.equal(422, (ask("POST", "circuit", { type = "NOTHING", data = {} })))
        core.sleep(0.1)
        local delivery = select(2, ask("GET", "log")).deliveries[1]
        assert.equal("CONVERSATION.CREATE", delivery.event)
        assert.equal("network", delivery.kind)
    end)

    it("takes any body without harm", function()
        local ask, send, state = start()
        local before = core.json_encode(dump.write(state.store))
        local bodies = { "{", "[]", "null", "42", '"x"', "\0", "\255\254", ("["):rep(5000),
            '{"a":' .. ("1"):rep(9999) .. "}", '{"faults":null}', '{"faults":[null]}', '{"faults":[[]]}',
            '{"faults":{"a":1}}', '{"seed":1.5,"faults":[]}',
            '{"advance":null}', '{"advance":[]}', '{"name":{}}', '{"nope":1}', '{"type":[],"data":[]}', '{"format":1}',
            '{"format":"moonwire-twin","version":1,"tables":null}' }
        for _, path in ipairs { "faults", "clock", "restore", "snapshots", "circuit" } do
            for _, body in ipairs(bodies) do
                local status, answer = ask("POST", path, body)
                assert.is_true(status == 400 or status == 422, path .. " " .. body:sub(1, 40))
                assert.no_match("%c", answer.error)
            end
        end
        for _, path in ipairs { "/_twin/%zz", "/_twin/../", "/_twin//", "/_twin/snapshots//restore",
            "/_twin/snapshots/%/restore", "/_twin/" .. ("x"):rep(9000) } do
            assert.equal(404, (send("POST", path, nil, { ["x-twin-token"] = "twin-control-token" })))
        end
        assert.equal(before, core.json_encode(dump.write(state.store)))
    end)

    it("serves curl", function()
        local t <close> = twin.start { data = "empty" }
        local folder = process.folder()
        local line = "echo go; curl -q -sS --noproxy '*' --max-time 20 -H 'X-Twin-Token: twin-control-token' "
            .. "%s/_twin/snapshot -o %s/out; echo done >%s/done"
        local program = process.start({ "sh", "-c", line:format(t.url, folder, folder) }, { ready = "^go$" })
        while not process.read(folder .. "/done") do
            core.sleep(0.02)
        end
        local text = process.read(folder .. "/out")
        program:stop()
        process.remove(folder)
        assert.same(t:snapshot(), core.json_decode(text))
    end)
end)

describe("a snapshot", function()
    local function sample()
        return core.json_decode(core.json_encode(dump.write(twin_client.state().store)))
    end

    it("holds everything, whatever was done", function()
        local state = twin_client.state()
        local send = twin_client.client(state)
        send("POST", "/api/v1/accounts/1/contacts", { inbox_id = 4, name = "Ada", custom_attributes = {
            list = core.array {}, nested = { { a = 1 } }, text = "ü\0\n" } })
        send("POST", "/api/v1/accounts/1/conversations/1/labels", { labels = core.array {} })
        send("DELETE", "/api/v1/accounts/1/contacts/3")
        local written = dump.write(state.store)
        local read = assert(dump.read(core.json_decode(core.json_encode(written))))
        assert.equal(core.json_encode(written), core.json_encode(dump.write(read)))
        assert.equal(state.store:last_id "messages", read:last_id "messages")
        state.store = read
        assert.equal(404, (send("GET", "/api/v1/accounts/1/contacts/3")))
        assert.equal(42, select(2, send("POST", "/api/v1/accounts/1/contacts", { inbox_id = 4, name = "B" })).id)
    end)

    it("is the caller's own, and stays as it is", function()
        local t <close> = twin.start()
        local desk <close> = t:connect "ooctopus"
        local before = t:snapshot()
        local text = core.json_encode(before)
        desk.contacts:update(1, { name = "X", custom_attributes = { a = 1 } })
        desk.contacts:delete(2)
        assert.equal(text, core.json_encode(before))
        t:restore(before)
        desk.contacts:update(1, { name = "Y" })
        assert.equal(text, core.json_encode(before))
        assert.equal("Y", desk.contacts:get(1).payload.contact.name)
        local twice <close> = twin.start { data = before }
        assert.equal(text, core.json_encode(twice:snapshot()))
    end)

    -- What it says to a sample that somebody has tampered with.
    local function problem(tamper)
        local data = sample()
        data = tamper(data) or data
        local read, text = dump.read(data)
        assert.is_nil(read)
        assert.no_match("%c", text)
        return text
    end

    it("is refused with the place and what is wrong there", function()
        local cases = {
            { "^format: this is no data of a twin", function() return {} end },
            { "^format: this is no data of a twin", function() return core.array {} end },
            { "^version: 2 can't be read; this twin knows version 1", function(d) d.version = 2 end },
            { "^data: there is no 'more'", function(d) d.more = 1 end },
            { "^tables: is no object", function(d) d.tables = core.array {} end },
            { "^tables: there is no table 'ghosts'", function(d) d.tables.ghosts = core.array {} end },
            { "^tables.labels: is no list", function(d) d.tables.labels = { a = 1 } end },
            { "^tables.labels: is no list", function(d) d.tables.labels = "x" end },
            { "^tables.labels%[2%]: is no object", function(d) d.tables.labels[2] = 7 end },
            { "^tables.labels%[2%].id: is no whole", function(d) d.tables.labels[2].id = "2" end },
            { "^tables.labels%[2%].id: is no whole", function(d) d.tables.labels[2].id = 0 end },
            { "^tables.labels%[2%].id: is no whole", function(d) d.tables.labels[2].id = math.maxinteger end },
            { "^tables.labels%[2%].id: is no whole", function(d) d.tables.labels[2].id = 2.5 end },
            { "^tables.labels%[2%].id: 1 is there twice", function(d) d.tables.labels[2].id = 1 end },
            { "^tables.labels%[1%].title: is missing", function(d) d.tables.labels[1].title = nil end },
            { "^tables.labels%[1%].title: is missing", function(d) d.tables.labels[1].title = core.null end },
            { "^tables.labels%[1%].title: is no string", function(d) d.tables.labels[1].title = 5 end },
            { "^tables.labels%[1%]: there is no field 'colour'", function(d) d.tables.labels[1].colour = "x" end },
            { "^tables.labels%[1%]: there is no field '2'", function(d) d.tables.labels[1][2] = "x" end },
            { "^tables.labels%[2%]: another one has the same account_id and title",
                function(d) d.tables.labels[2].title = d.tables.labels[1].title:upper() end },
            { "^tables.tokens%[2%]: another one has the same token",
                function(d) d.tables.tokens[2].token = d.tables.tokens[1].token end },
            { "^tables.labels, id 1, account_id: there is no 9 in accounts",
                function(d) d.tables.labels[1].account_id = 9 end },
            { "^tables.conversations%[1%].labels%[2%]: is no string",
                function(d) d.tables.conversations[1].labels = { "a", {} } end },
            { "^tables.conversations%[1%].created_at: is no integer",
                function(d) d.tables.conversations[1].created_at = 1 << 60 end },
            { "^tables.conversations%[1%].created_at: is no integer",
                function(d) d.tables.conversations[1].created_at = 0 / 0 end },
            { "^tables.contacts%[1%].custom_attributes: is no object",
                function(d) d.tables.contacts[1].custom_attributes = core.array {} end },
            { "^tables.contacts%[1%].custom_attributes: nested deeper than 50 levels", function(d)
                local inner = {}
                for _ = 1, 60 do inner = { a = inner } end
                d.tables.contacts[1].custom_attributes = inner
            end },
            { "^tables.contacts%[1%].custom_attributes: nested deeper", function(d)
                local cycle = {}
                cycle.a = cycle
                d.tables.contacts[1].custom_attributes = cycle
            end },
            { "^tables.contacts%[1%].custom_attributes: a value is a function",
                function(d) d.tables.contacts[1].custom_attributes = { f = print } end },
            { "^tables.contacts%[1%].custom_attributes: a key is a boolean",
                function(d) d.tables.contacts[1].custom_attributes = { [true] = 1 } end },
            { "^tables.twin: there is more than one",
                function(d) d.tables.twin[2] = { id = 2, clock_offset = 0, uuids = 0 } end },
            { "^tables.twin%[1%].clock_offset: '%-1' is no duration",
                function(d) d.tables.twin[1].clock_offset = -1 end },
            { "^tables.twin%[1%].clock_offset: '1e%+15' is no duration",
                function(d) d.tables.twin[1].clock_offset = 1e15 end },
            { "^tables.twin%[1%].uuids: is less than 0", function(d) d.tables.twin[1].uuids = -1 end },
            { "^last_ids: is no object", function(d) d.last_ids = 4 end },
            { "^last_ids: there is no table 'x'", function(d) d.last_ids.x = 4 end },
            { "^last_ids.labels: is no whole number from 0", function(d) d.last_ids.labels = -4 end },
            { "^last_ids.labels: is no whole number from 0", function(d) d.last_ids.labels = math.maxinteger end },
        }
        for _, case in ipairs(cases) do
            assert.matches(case[1], problem(case[2]))
        end
        for _, value in ipairs { 0, "x", true, print } do
            assert.is_nil((dump.read(value)))
        end
    end)

    it("may leave out what the twin can tell itself", function()
        local data = sample()
        data.tables.twin, data.last_ids = nil, nil
        local read = assert(dump.read(data))
        assert.equal(1, read:count "twin")
        assert.equal(40, read:last_id "contacts")
        assert.equal(0, assert(dump.read { format = dump.FORMAT, version = 1, tables = {} }):count "contacts")
    end)

    it("never harms, whatever is wrong with it", function()
        local state = twin_client.state()
        local send = twin_client.client(state)
        local text = core.json_encode(dump.write(state.store))
        local seed = 12345
        local function draw(most)
            seed = (seed * 1103515245 + 12345) & 0x7fffffff
            return seed % most + 1
        end
        local words = { "null", "-1", "9007199254740993", "1e300", '"\\u0000"', "[]", "{}", "true", "[[[]]]", '""' }
        local taken = 0
        for _ = 1, 400 do
            local at = draw(#text)
            local first, last = text:find('%b""', at)
            if draw(2) == 1 then
                first, last = text:find(":%-?%d+", at)
                first = first and first + 1
            end
            local broken = first and text:sub(1, first - 1) .. words[draw(#words)] .. text:sub(last + 1)
                or text:sub(1, at)
            local decoded, data = pcall(core.json_decode, broken)
            local read, why = nil, "not JSON"
            if decoded then
                read, why = dump.read(data)
            end
            assert.is_true(read ~= nil or type(why) == "string")
            if read then
                taken = taken + 1
                state.store = read
                for _, path in ipairs { "/contacts", "/conversations", "/inboxes", "/agents", "/labels" } do
                    assert.is_true((send("GET", "/api/v1/accounts/1" .. path)) < 500)
                end
            end
        end
        assert.is_true(taken > 0 and taken < 400)
    end)
end)

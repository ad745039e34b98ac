--- A twin as people's own specs start it: in their process, on their loop, driven by real clients.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local mw = require "moonwire"
local twin = require "moonwire.twin"

describe("twin.start", function()
    after_each(calls.quiet)

    it("gives what its clients need", function()
        local t = twin.start()
        assert.same({ user = "twin-user-token", bot = "twin-bot-token", platform = "twin-platform-token",
            circuit = "twin-circuit-token", control = "twin-control-token" }, t.tokens)
        local desk <close> = mw.ooctopus(t.ooctopus)
        local upstream <close> = mw.chatwoot(t.ooctopus)
        local circuit <close> = mw.circuit(t.circuit)
        assert.equal("Ada Brandt", desk.profile:get().name)
        assert.equal("Ada Brandt", upstream.profile:get().name)
        assert.same({}, circuit.webhooks:list())
        for name, path in pairs { ooctopus = "/profile", chatwoot = "/api/v1/profile" } do
            local client <close> = t:connect(name)
            client.profile:get()
            assert.equal(path, t:log()[#t:log()].path)
        end
        assert.matches('no profile "other"; there are', calls.failing("invalid", t.connect, t, "other").message)
        t:stop()
        t:stop()
        calls.failing("network", desk.profile.get, desk.profile, nil, { retries = 0 })
    end)

    it("paces its clients only when it has limits", function()
        local t <close> = twin.start { data = "empty" }
        assert.same({ false, false }, { t.ooctopus.limits, t.circuit.limits })
        local told = 0
        mw.on_wait(function() told = told + 1 end)
        for _, desk in ipairs { t:connect "ooctopus", mw.ooctopus(t.ooctopus) } do
            assert.is_nil(desk:stats().lanes.all.allowed)
            mw.map({ n = 1600 }, function() desk.teams:list() end, { concurrency = 32 }) -- 3200, in one minute
            assert.equal(1600, desk:stats().requests)
            desk:close()
        end
        mw.on_wait(nil)
        assert.equal(0, told)
        local off <close> = twin.start { limits = "off" }
        assert.is_false(off.ooctopus.limits)
        local limited <close> = twin.start { limits = "platform" }
        local desk <close> = limited:connect "ooctopus"
        local lanes = desk:stats().lanes
        assert.same({ 3000, 100, 100 }, { lanes.all.allowed, lanes.search.allowed, lanes.reports.allowed })
    end)

    it("refuses options that it doesn't know, naming the caller's line", function()
        local refused = calls.failing("invalid", twin.start, { fault = {} })
        assert.equal("twin.start: unknown option 'fault'", refused.message)
        assert.matches("spec/twin_start_spec.lua:%d+: twin.start: expected a table of options, got a string",
            tostring(calls.failing("invalid", function() twin.start "demo" end)))
        for _, case in ipairs {
            { { data = "large" }, "there is no data 'large'; give demo, empty, a file.json, or a snapshot" },
            { { data = 5 }, "there is no data '5'" },
            { { data = {} }, "data: format: this is no data of a twin" },
            { { now = "noon" }, "now must be a number of seconds or a function, got a string" },
            { { limits = "many" }, "limits: 'many' is no limit; give off, platform, or" },
            { { faults = { "x" } }, "fault 'x': give OPERATION:KIND" },
            { { seed = 0.5 }, "seed must be an integer" },
        } do
            local message = calls.failing("invalid", twin.start, case[1]).message
            assert.equal("twin.start: " .. case[2], message:sub(1, 12 + #case[2]))
        end
        calls.failing("invalid", twin.start, { port = 70000 })
        local t <close> = twin.start()
        local port = math.tointeger(tonumber(t.url:match ":(%d+)$"))
        calls.failing("network", twin.start, { port = port })
    end)

    it("runs beside another one, each with a world of its own", function()
        local one <close> = twin.start { data = "empty" }
        local other <close> = twin.start { data = "demo" }
        local a <close> = one:connect "ooctopus"
        local b <close> = other:connect "ooctopus"
        a.teams:create { name = "night" }
        assert.equal(1, #a.teams:list())
        assert.equal(3, #b.teams:list())
        assert.same({ 2, 1 }, { #one:log(), #other:log() })
    end)

    it("has the clock that it is given", function()
        local t <close> = twin.start { now = 1800000000 }
        local desk <close> = t:connect "ooctopus"
        assert.equal(1800007200, t:advance "2h")
        assert.equal(1800007290, t:advance(90))
        assert.equal(1800007290, desk.messages:create(1, { content = "x" }).created_at)
        assert.equal(1800007290, t:log()[1].time)
        assert.matches("'soon' is no duration", calls.failing("invalid", t.advance, t, "soon").message)
        assert.equal(1800007290, t:advance(0))
        local at = 5
        local other <close> = twin.start { now = function() return at end }
        assert.equal(65, other:advance "1m")
        at = 10
        assert.equal(70, other:advance(0))
        local real <close> = twin.start()
        assert.is_true(math.abs(real:advance "1d" - 86400 - core.time()) < 60)
    end)

    it("starts from data that knows other tokens, or none", function()
        local first <close> = twin.start()
        local data = first:snapshot()
        for _, token in ipairs(data.tables.tokens) do
            token.token = "my-" .. token.kind
        end
        local t <close> = twin.start { data = data }
        assert.same({ "my-user", "my-oauth" }, { t.tokens.user, t.tokens.circuit })
        local desk <close> = t:connect "ooctopus"
        assert.equal("Ada Brandt", desk.profile:get().name)
        data.tables = {}
        local bare <close> = twin.start { data = data }
        assert.is_nil(bare.tokens.user)
        assert.is_nil(bare.ooctopus.account)
    end)

    it("delivers webhooks, runs rules, and tells how it went", function()
        local t <close> = twin.start()
        local desk <close> = t:connect "ooctopus"
        local got = {}
        local receiver <close> = core.server {
            handler = function(request)
                got[#got + 1] = core.json_decode(request.body).event
                return 200
            end,
        }
        desk.webhooks:create { url = receiver.url .. "/hook", subscriptions = { "conversation_updated" } }
        desk.automation_rules:create {
            name = "VIP", description = "", event_name = "message_created",
            conditions = { { attribute_key = "content", filter_operator = "contains", values = { "urgent" } } },
            actions = { { action_name = "add_label", action_params = { "vip" } } },
        }
        desk.messages:create(59, { content = "this is urgent" })
        assert.same({ "vip" }, desk.conversations:labels(59).payload)
        local deliveries = t:deliveries()
        assert.is_true(#deliveries >= 1)
        assert.equal(#deliveries, #got)
        assert.same({ "conversation_updated", 200, receiver.url .. "/hook", 1 },
            { deliveries[1].event, deliveries[1].status, deliveries[1].url, deliveries[1].n })
        t:clear_log()
        assert.same({}, t:deliveries())
        desk:safe().conversations:assign(1, { team_id = 99 }) -- refused: nothing has happened
        assert.same({}, t:deliveries())
    end)

    it("keeps to this machine unless it is told otherwise, and says so", function()
        local lines = {}
        local t <close> = twin.start { on_log = function(level, line) lines[#lines + 1] = level .. " " .. line end }
        local desk <close> = t:connect "ooctopus"
        desk.webhooks:create { url = "http://hooks.example/x", subscriptions = { "conversation_updated" } }
        desk.conversations:assign(60, { team_id = 1 })
        assert.equal("denied", t:deliveries()[1].kind)
        assert.same({ "warn twin: not delivered to http://hooks.example: not a loopback address; "
            .. "--deliver-anywhere allows it" }, lines)
        calls.failing("invalid", twin.start, { on_log = "stderr" })
        local far <close> = twin.start { deliver_anywhere = true }
        assert.is_true(far.state.outbox.anywhere)
        local circuit <close> = t:connect "circuit"
        circuit.webhooks:add { url = "http://hooks.example/x", filter = { "CONVERSATION.CREATE" } }
        assert.equal(1, t:circuit_event { type = "CONVERSATION.CREATE", data = {} })
        assert.equal("CONVERSATION.CREATE", t:deliveries()[2].event)
        assert.matches("has a type", calls.failing("invalid", t.circuit_event, t, {}).message)
    end)

    it("serves tasks, and code outside of them", function()
        local t <close> = twin.start { faults = "contacts.get:delay=20ms" }
        local desk <close> = t:connect "ooctopus"
        local names = mw.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function(id)
            return desk.contacts:get(id).payload.contact.name
        end)
        assert.equal(10, names.n)
        assert.equal(names[10], desk.contacts:get(10).payload.contact.name)
        assert.equal(11, #t:log())
    end)

    it("is let go while a request waits", function()
        local t = twin.start { faults = "*:delay=10m" }
        local desk = t:connect "ooctopus"
        local task = mw.spawn(function() return desk:safe().agents:list() end)
        while #t:log() == 0 do
            mw.sleep(0.01)
        end
        t:stop()
        local _, problem = task:wait()
        assert.is_true(mw.is_error(problem, "network"))
        desk:close()
    end)

    it("works in plain lua5.4", function()
        local output, errors, code = calls.child([[
            local mw = require "moonwire"
            local twin = require "moonwire.twin"
            local t = twin.start { data = "demo", now = 1800000000 }
            local desk = mw.ooctopus(t.ooctopus)
            desk.contacts:update(12, { name = "Ada" })
            t:advance "2h"
            t:fault "contacts.get:status=503"
            local _, problem = desk:safe().contacts:get(12, nil, { retries = 0 })
            t:fault {}
            print(desk.contacts:get(12).payload.contact.name, problem.status, #t:log(), t:log()[3].time)
            t:stop()
        ]])
        assert.equal("", errors)
        assert.equal("Ada\t503\t3\t1800007200\n", output:gsub("1800007200%.0", "1800007200"))
        assert.equal(0, code)
    end)
end)

--- Faults on purpose: how they are read, which requests they meet, and what a client sees of them over real sockets.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local faults = require "moonwire.twin.faults"
local twin = require "moonwire.twin"
local twin_client = require "spec.support.twin"

local ROWS = core.operations()
local BY_NAME = {}
for _, row in ipairs(ROWS) do
    BY_NAME[row.service .. ":" .. row.module .. "." .. row.method] = row
end

local function made(spec, seed)
    return assert(faults.new(spec, ROWS, seed))
end

-- Which of so many requests of an operation meet a fault: "10010..."
local function fates(of, count, name)
    local out = {}
    for i = 1, count do
        out[i] = of:draw(BY_NAME[name or "ooctopus:contacts.list"]) and 1 or 0
    end
    return table.concat(out)
end

describe("a fault", function()
    it("meets the operations that it names", function()
        local function meets(fault, name)
            return made(fault):draw(BY_NAME[name]) ~= nil
        end
        assert.is_true(meets("contacts.list:drop", "ooctopus:contacts.list"))
        assert.is_false(meets("contacts.list:drop", "ooctopus:contacts.get"))
        assert.is_true(meets("contacts.*:drop", "ooctopus:contacts.get"))
        assert.is_false(meets("contacts.*:drop", "ooctopus:conversations.get"))
        assert.is_true(meets("platform.*:drop", "ooctopus:platform.users.create"))
        assert.is_true(meets("*:drop", "circuit:webhooks.list"))
        assert.is_true(meets("contactDetails:drop", "ooctopus:contacts.get"))
        assert.is_true(meets("webhooks.list:drop", "ooctopus:webhooks.list"))
        assert.is_true(meets("webhooks.list:drop", "circuit:webhooks.list"))
        assert.is_false(meets("circuit:webhooks.list:drop", "ooctopus:webhooks.list"))
        assert.is_true(meets("circuit:*:drop", "circuit:webhooks.list"))
        assert.is_false(meets("ooctopus:*:drop", "circuit:webhooks.list"))
    end)

    it("strikes always, every nth time, or by chance", function()
        assert.equal("1111", fates(made "*:drop", 4))
        assert.equal("001001001", fates(made "*:drop:1/3", 9))
        assert.equal("1111", fates(made "*:drop:100%", 4))
        local struck = select(2, fates(made "*:drop:10%", 10000):gsub("1", ""))
        assert.is_true(struck > 850 and struck < 1150, struck .. " of 10000")
        struck = select(2, fates(made "*:drop:0.5%", 10000):gsub("1", ""))
        assert.is_true(struck > 20 and struck < 90, struck .. " of 10000")
    end)

    it("has the same fate in store for the nth request, by the seed alone", function()
        local first = fates(made("contacts.*:drop:30%", 7), 500)
        assert.equal(first, fates(made("contacts.*:drop:30%", 7), 500))
        assert.not_equal(first, fates(made("contacts.*:drop:30%", 8), 500))
        assert.equal(fates(made "*:drop:30%", 500), fates(made("*:drop:30%", 1), 500))
        -- Neither other faults nor other operations change it.
        local beside = made({ "*:delay=1ms:50%", "contacts.*:drop:30%", "agents.list:reset:10%" }, 7)
        local struck = {}
        for i = 1, 500 do
            beside:draw(BY_NAME["ooctopus:agents.list"])
            local fate = beside:draw(BY_NAME["ooctopus:contacts.list"])
            struck[i] = fate and fate.fault and 1 or 0
        end
        assert.equal(first, table.concat(struck))
    end)

    it("adds its delay to others'; of the rest the first one counts", function()
        local several = made { "*:delay=1s", "contacts.*:delay=500ms", "*:status=503", "*:drop" }
        local fate = several:draw(BY_NAME["ooctopus:contacts.list"])
        assert.equal(1.5, fate.delay)
        assert.equal("status", fate.fault.kind)
        assert.same({ "*:delay=1s", "contacts.*:delay=500ms", "*:status=503" }, fate.texts)
        assert.same({ fault = "*:drop", matched = 1, met = 0 }, several:status()[4])
        assert.same({ fault = "*:delay=1s", matched = 1, met = 1 }, several:status()[1])
    end)

    it("is read strictly", function()
        local function problem(text)
            local nothing, text_of = faults.new(text, ROWS)
            assert.is_nil(nothing)
            assert.no_match("%c", text_of)
            return text_of
        end
        local whole = "give OPERATION:KIND or OPERATION:KIND:RATE, such as messages.create:drop-after-commit:10%"
        for _, text in ipairs { "", "drop", ":", "*:", "*:drop:", ":drop", "*:drop:10%:x", "a b:drop",
            "circuit:drop" } do
            assert.equal(("fault '%s': %s"):format(text, whole), problem(text))
        end
        assert.equal("fault 'contact.get:drop': there is no operation 'contact.get'; give one as MODULE.METHOD, as "
            .. "MODULE.*, or * for all", problem "contact.get:drop")
        assert.matches("no operation 'con*'", problem "con*:drop", 1, true)
        assert.matches("no operation 'contacts.list'", problem "circuit:contacts.list:drop", 1, true)
        assert.matches("there is no kind 'explode'; give drop, drop-after-commit, reset", problem "*:explode", 1, true)
        assert.matches("there is no kind 'drop=1'", problem "*:drop=1", 1, true)
        for _, status in ipairs { "", "200", "399", "600", "5000", "abc", "-50" } do
            assert.matches(("'%s' is no status of a failure; give one from 400 to 599"):format(status),
                problem("*:status=" .. status), 1, true)
        end
        assert.matches("'soon' is no duration; give one such as 200ms", problem "*:delay=soon", 1, true)
        assert.matches("a delay is of 10 minutes at most", problem "*:delay=11m", 1, true)
        for _, rate in ipairs { "0%", "101%", "10", "1/0", "2/3", "1/-1", "%", "nan%", "1e1%" } do
            assert.matches(("'%s' is no rate; give a percentage such as 10%%, or 1/3 for every third request"):format(
                rate), problem("*:drop:" .. rate), 1, true)
        end
        assert.matches("text of 200 bytes at most", problem(("x"):rep(201)), 1, true)
        assert.matches("text of 200 bytes at most", problem { 42 }, 1, true)
        assert.equal("faults: expected a fault or a list of faults, got a number", problem(42))
        assert.equal("faults: expected a list of faults, got a table with other keys", problem { kind = "drop" })
        local many = {}
        for i = 1, 101 do many[i] = "*:drop" end
        assert.equal("faults: 101 are too many; 100 at most", problem(many))
        assert.matches("fault 'x': give OPERATION", calls.failing("invalid", twin.new, { faults = "x" }).message)
        assert.matches("seed must be an integer", calls.failing("invalid", twin.new, { seed = "x" }).message)
    end)
end)

describe("what a client meets", function()
    local once = { retries = 0 }
    local t, desk

    before_each(function()
        t = twin.start()
        desk = t:connect "ooctopus"
    end)
    after_each(function()
        desk:close()
        t:stop()
        calls.quiet()
    end)

    -- What becomes of a POST, and whether it happened.
    local function create(kinds)
        local before = t.state.store:count "contacts"
        local failed = calls.failing(kinds, desk.contacts.create, desk.contacts, { inbox_id = 4, name = "Ada" })
        return failed, t.state.store:count "contacts" - before
    end

    it("drop: closed before anything happened", function()
        t:fault "contacts.create:drop"
        local failed, happened = create "ambiguous"
        assert.equal("unknown", failed.sent)
        assert.equal(0, happened)
        assert.same({ "contacts.create:drop" }, t:log()[1].faults)
        assert.is_nil(t:log()[1].status)
    end)

    it("reset: the same by a reset", function()
        t:fault { "contacts.create:reset" }
        assert.equal(0, select(2, create "ambiguous"))
        t:fault "contacts.get:reset"
        assert.matches("reset", calls.failing("network", desk.contacts.get, desk.contacts, 1, nil, once).message)
    end)

    it("drop-after-commit and reset-after-commit: it has happened all the same", function()
        t:fault "contacts.create:drop-after-commit"
        assert.equal(1, select(2, create "ambiguous"))
        t:fault "contacts.create:reset-after-commit"
        assert.equal(1, select(2, create "ambiguous"))
    end)

    it("truncate: it has happened, and half of the answer arrives", function()
        t:fault "contacts.create:truncate"
        local failed, happened = create "ambiguous|network"
        assert.equal(1, happened)
        assert.equal(200, failed.status)
        t:fault "contacts.update:truncate"
        assert.is_true(desk.contacts:update(1, { name = "Ada" })) -- half of nothing
        assert.equal("Ada", desk.contacts:get(1).payload.contact.name)
    end)

    it("html: what a proxy says instead", function()
        t:fault "contacts.create:html"
        local failed, happened = create "decode|ambiguous"
        assert.matches("text/html", failed.message)
        assert.equal(0, happened)
    end)

    it("status: a failure of the server, worded as each service words it", function()
        t:fault "*:status=503"
        local failed, happened = create "server|ambiguous"
        assert.equal(503, failed.status)
        assert.equal(0, happened)
        assert.same({ error = "A fault of the twin: *:status=503" }, failed.body)
        local circuit <close> = t:connect "circuit"
        failed = calls.failing("server|ambiguous", circuit.webhooks.list, circuit.webhooks, nil, once)
        assert.equal(503, failed.status)
        assert.is_nil(failed.body)
    end)

    it("delay: it waits, and holds up nobody else", function()
        t:fault "contacts.get:delay=300ms"
        local order = {}
        local slow = core.spawn(function()
            desk.contacts:get(1)
            order[#order + 1] = "slow"
        end)
        local quick = core.spawn(function()
            desk.agents:list()
            order[#order + 1] = "quick"
        end)
        quick:wait()
        slow:wait()
        assert.same({ "quick", "slow" }, order)
    end)

    it("nothing any more once they are cleared", function()
        t:fault "*:drop"
        calls.failing("network", desk.agents.list, desk.agents, nil, once)
        for _, none in ipairs { {}, false } do
            t:fault "*:drop"
            t:fault(none or nil)
            assert.equal(6, #desk.agents:list())
        end
        assert.matches("there is no kind", calls.failing("invalid", t.fault, t, "*:explode").message)
        assert.equal(6, #desk.agents:list())
    end)

    it("the same in two runs with the same seed", function()
        local function run(seed)
            local state = twin_client.state { faults = "contacts.get:status=500:40%", seed = seed }
            local send, out = twin_client.client(state), {}
            for i = 1, 60 do
                out[i] = send("GET", "/api/v1/accounts/1/contacts/1")
            end
            return table.concat(out, " ")
        end
        assert.equal(run(3), run(3))
        assert.not_equal(run(3), run(4))
    end)
end)

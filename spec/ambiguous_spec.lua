--- A server that does its work and loses one answer in ten, or loses the request: what a client makes of a thousand
--- calls. By the server's own record nothing is done twice, nothing that was answered is missing, and the calls that
--- end as `ambiguous` are those whose answers were lost, no others.

local core = require "moonwire.core"
local mw = require "moonwire"
local twin = require "moonwire.twin"

local calls = require "spec.support.calls"

local COUNT = 1000

local function numbers(count)
    local list = {}
    for i = 1, count do
        list[i] = i
    end
    return list
end

describe("an answer that is lost", function()
    local t, desk

    before_each(function()
        t = twin.start()
        desk = t:connect "ooctopus"
    end)
    after_each(function()
        desk:close()
        t:stop()
    end)
    teardown(calls.quiet)

    -- Makes calls 1 to COUNT under a fault, 16 at once, and returns by number what each ended as: { kind or "ok",
    -- attempts }.
    local function make(fault, call)
        t:fault(fault)
        t:clear_log()
        local ends = mw.map(numbers(COUNT), function(n)
            local fine, result, response = pcall(call, n)
            if fine then
                return { "ok", response.attempts }
            end
            assert(mw.is_error(result), tostring(result))
            assert.equal("unknown", result.sent)
            return { result.kind, result.attempts }
        end, { concurrency = 16 })
        t:fault(nil)
        return ends
    end

    -- By number: how often a request for it came in, and how many of those got no answer.
    local function record(operation, number_of)
        local came, lost, total = {}, {}, 0
        for _, request in ipairs(t:log()) do
            assert.equal(operation, request.operation)
            local n = number_of(request)
            came[n] = (came[n] or 0) + 1
            lost[n] = (lost[n] or 0) + (request.status and 0 or 1)
            total = total + (request.status and 0 or 1)
        end
        return came, lost, total
    end

    local function by_content(request)
        return math.tointeger(core.json_decode(request.body).content:match "^no%. (%d+)$")
    end

    local function create(n)
        return desk.messages:create(60, { content = "no. " .. n })
    end

    -- How often each number stands in the conversation.
    local function said()
        local times = {}
        for message in desk.messages:each(60) do
            local n = math.tointeger((message.content or ""):match "^no%. (%d+)$")
            if n then
                times[n] = (times[n] or 0) + 1
            end
        end
        return times
    end

    for _, kind in ipairs { "drop-after-commit", "reset-after-commit" } do
        it(("(%s) makes no message twice, and each of them ambiguous"):format(kind), function()
            local ends = make(("messages.create:%s:10%%"):format(kind), create)
            local came, lost, total = record("messages.create", by_content)
            assert.is_true(total > 60 and total < 150, total)
            local times = said()
            for n = 1, COUNT do
                local wanted = lost[n] == 1 and "ambiguous" or "ok"
                assert.same({ n, wanted, 1, 1, 1 }, { n, ends[n][1], ends[n][2], came[n], times[n] })
            end
        end)
    end

    it("with the request leaves no message, and is ambiguous, too", function()
        local ends = make("messages.create:drop:10%", create)
        local came, lost, total = record("messages.create", by_content)
        assert.is_true(total > 60 and total < 150, total)
        local times = said()
        for n = 1, COUNT do
            local dropped = lost[n] == 1
            assert.same({ n, dropped and "ambiguous" or "ok", 1, 1, dropped and 0 or 1 },
                { n, ends[n][1], ends[n][2], came[n], times[n] or 0 })
        end
    end)

    it("of a PUT is asked for again until it comes", function()
        local ends = make("contacts.update:drop-after-commit:10%", function(n)
            return desk.contacts:update(n % 40 + 1, { custom_attributes = { seen = n } }, { retries = 20 })
        end)
        local came, lost, total = record("contacts.update", function(request)
            return core.json_decode(request.body).custom_attributes.seen
        end)
        assert.is_true(total > 60 and total < 180, total)
        for n = 1, COUNT do
            assert.same({ n, "ok", lost[n] + 1, came[n] }, { n, ends[n][1], ends[n][2], came[n] })
        end
    end)

    it("of a PATCH leaves open what it did, which it did once", function()
        local ends = make("teams.update:drop-after-commit:10%", function(n)
            return desk.teams:update(2, { description = "no. " .. n })
        end)
        local came, lost, total = record("teams.update", function(request)
            return math.tointeger(core.json_decode(request.body).description:match "%d+")
        end)
        assert.is_true(total > 60 and total < 150, total)
        for n = 1, COUNT do
            assert.same({ n, lost[n] == 1 and "ambiguous" or "ok", 1, 1 }, { n, ends[n][1], ends[n][2], came[n] })
        end
    end)

    it("of a DELETE makes its repetition find nothing, and the error tells that it may be its own work", function()
        t:fault "contacts.delete:drop-after-commit:1/2"
        assert.is_true((desk.contacts:delete(1)))
        local err = calls.failing("not_found", desk.contacts.delete, desk.contacts, 2)
        assert.same({ "unknown", 2, 404 }, { err.sent, err.attempts, err.status })
        t:fault(nil)
        assert.equal("yes", calls.failing("not_found", desk.contacts.delete, desk.contacts, 2).sent)
        assert.equal("yes", calls.failing("not_found", desk.contacts.get, desk.contacts, 2).sent)
    end)
end)

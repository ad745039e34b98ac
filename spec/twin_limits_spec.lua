--- The twin's rate limits: fixed windows of its own clock, counted by address, account and token.
local calls = require "spec.support.calls"
local limits = require "moonwire.twin.limits"
local mw = require "moonwire"
local twin = require "moonwire.twin"
local twin_client = require "spec.support.twin"

-- A twin whose clock says what the table says.
local function desk(options)
    local clock = { at = 1800000000 } -- the begin of a minute and of an hour
    options.now = function() return clock.at end
    local handler = twin.handler(twin.new(options))
    return function(path, more)
        more = more or {}
        local target, query = path:match "^([^?]*)%??(.*)$"
        local status, headers, body = handler {
            method = "GET", path = target, query = query, body = "", peer = more.peer,
            headers = { api_access_token = more.token or "twin-user-token" },
        }
        return status, headers, body
    end, clock
end

local function times(count, send, ...)
    local status
    for _ = 1, count do
        status = send(...)
    end
    return status
end

local AGENTS = "/api/v1/accounts/1/agents"
local SEARCH = "/api/v1/accounts/1/contacts/search?q=ada"
local REPORTS = "/api/v2/accounts/1/reports/summary?metric=conversations_count&type=account&since=1&until=2"

describe("limits", function()
    teardown(calls.quiet)

    it("are off unless they are asked for", function()
        local send = desk {}
        assert.equal(200, times(3200, send, AGENTS))
    end)

    it("refuse in plain text, without a header, until the window ends", function()
        local send, clock = desk { limits = "3/min" }
        clock.at = 1800000059.5
        assert.equal(200, times(3, send, AGENTS))
        local status, headers, body = send(AGENTS)
        assert.equal(429, status)
        assert.equal("Retry later\n", body)
        assert.equal("text/plain", headers["content-type"])
        assert.is_nil(headers["retry-after"])
        clock.at = 1800000060
        assert.equal(200, times(3, send, AGENTS))
        assert.equal(429, (send(AGENTS)))
    end)

    it("say when to try again if they are told to", function()
        local send, clock = desk { limits = "1/h", retry_after = true }
        clock.at = 1800000000 + 3600 - 90.25
        send(AGENTS)
        assert.equal("91", select(2, send(AGENTS))["retry-after"])
        clock.at = 1800000000 + 3599.9
        assert.equal("1", select(2, send(AGENTS))["retry-after"])
        send, clock = desk { limits = "2/s", retry_after = true }
        assert.equal(429, times(3, send, AGENTS))
        clock.at = clock.at + 1
        assert.equal(200, (send(AGENTS)))
    end)

    it("count each address for itself, and what no operation has as well", function()
        local send = desk { limits = "2/min" }
        assert.equal(404, times(2, send, "/nowhere", { peer = "127.0.0.1" }))
        assert.equal(429, (send(AGENTS, { peer = "127.0.0.1" })))
        assert.equal(429, (send(AGENTS)))
        assert.equal(200, (send(AGENTS, { peer = "127.0.0.2" })))
    end)

    it("keep a refused request from happening, and from counting", function()
        local state = twin_client.state { limits = "1/min" }
        local handler = twin.handler(state)
        local function create()
            return (handler {
                method = "POST", path = "/api/v1/accounts/1/labels", query = "", headers = {
                    api_access_token = "twin-user-token" }, body = '{"title":"late"}',
            })
        end
        assert.equal(200, create())
        local labels = state.store:count "labels"
        assert.equal(429, create())
        assert.equal(labels, state.store:count "labels")
        assert.is_true(state.log:list_requests()[2].limited)
        assert.equal(429, state.log:list_requests()[2].status)
    end)

    describe("of the platform", function()
        it("let 3000 a minute through for an address, whatever they ask", function()
            local send = desk { limits = "platform" }
            assert.equal(404, times(2999, send, "/nowhere"))
            assert.equal(200, (send(AGENTS)))
            assert.equal(429, (send(AGENTS)))
            assert.equal(401, (send("/rest/v2/webhooks"))) -- Circuit is another server
        end)

        it("let 100 searches a minute through for an account", function()
            local send = desk { limits = "platform" }
            assert.equal(200, times(100, send, SEARCH))
            assert.equal(429, (send(SEARCH, { peer = "127.0.0.9" })))
            assert.equal(200, (send(AGENTS)))
            assert.equal(404, (send((SEARCH:gsub("accounts/1", "accounts/2"))))) -- refused, but not by a limit
        end)

        it("let 100 reports a minute through for a user, and 1000 for an account", function()
            local send = desk { limits = "platform" }
            assert.equal(200, times(100, send, REPORTS))
            assert.equal(429, (send(REPORTS)))
            for user = 2, 10 do
                assert.equal(401, times(100, send, REPORTS, { token = "token-" .. user }))
            end
            assert.equal(429, (send(REPORTS, { token = "token-11" })))
        end)
    end)

    it("are read strictly", function()
        for _, text in ipairs { "", "60", "60/", "/min", "0/min", "-1/min", "60/day", "1.5/min", "platforms",
            "99999999999999999999/min", " 60/min" } do
            local made, problem = limits.new(text)
            assert.is_nil(made)
            assert.equal(("limits: '%s' is no limit; give off, platform, or a number of requests for each address such "
                .. "as 60/min (or /s, /h)"):format(text), problem)
        end
        assert.is_nil((limits.new {}))
        assert.matches("limits: '60' is no limit", calls.failing("invalid", twin.new, { limits = "60" }).message)
    end)

    it("remember a bounded number of callers, and none of the last window", function()
        local one = limits.new "platform"
        local request = { service = "ooctopus", lane = "reports", peer = "p", account = 1 }
        for i = 1, 10100 do
            request.peer, request.token = "p" .. i, ("t%d"):format(i) .. ("x"):rep(1000)
            one:refuse(request, 60)
        end
        local function kept(counter)
            local count, longest = 0, 0
            for key in pairs(counter.counts) do
                count, longest = count + 1, math.max(longest, #key)
            end
            return count, longest
        end
        assert.equal(10001, (kept(one.counters[1])))
        local count, longest = kept(one.counters[3])
        assert.is_true(count <= 10001 and longest <= 128)
        one:refuse(request, 120)
        assert.equal(1, (kept(one.counters[1])))
    end)

    it("are met by real clients", function()
        local t <close> = twin.start { limits = "2/h", retry_after = true }
        local client <close> = t:connect "ooctopus"
        client.agents:list()
        client.agents:list()
        local refused = calls.failing("rate_limited", client.agents.list, client.agents, nil, { retries = 0 })
        assert.equal(429, refused.status)
        assert.is_true(refused.retry_after >= 1 and refused.retry_after <= 3600)
        t:advance "1h"
        -- The client goes by its own clock, and the server's word holds for all that keep to the same limit.
        local again = calls.failing("rate_limited", client.agents.list, client.agents)
        assert.equal("no", again.sent)
        t.ooctopus.limits = { all = "2/s" }
        local other <close> = t:connect "ooctopus"
        assert.equal(6, #other.agents:list())
        assert.is_true(mw.is_error(refused, "rate_limited"))
    end)
end)

--- What a twin keeps off: pages of the web, webhooks that lead back to it, requests made to be slow, data made to be
--- evaluated by a shell.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local dump = require "moonwire.twin.dump"
local host = require "spec.support.host"
local process = require "spec.support.process"
local support = require "spec.support.twin"
local twin = require "moonwire.twin"

local ACCOUNT = "/api/v1/accounts/1"
local HOOKS = "/rest/v2/webhooks"

-- How many thousand steps of the Lua VM a function takes.
local function steps_of(f)
    local count = 0
    debug.sethook(function() count = count + 1 end, "", 1000)
    f()
    debug.sethook()
    return count
end

describe("a twin", function()
    after_each(calls.quiet)

    -- Status and body of a request to a twin in a process of its own that says it is for `name`.
    local function asked_as(settings, name, path)
        local output = process.run { "curl", "--silent", "--max-time", "20", "--write-out", "\n%{http_code}",
            "--header", "Host:" .. name, "--header", "X-Twin-Token: twin-control-token",
            "--header", "api_access_token: twin-user-token", settings.OOCTOPUS_URL .. path }
        local body, status = output:match "^(.*)\n(%d+)$"
        return math.tointeger(tonumber(status)), body
    end

    it("on loopback is nobody's but this machine's, whatever a name is said to lead to", function()
        local program, settings = host.twin()
        local refused = {}
        for _, name in ipairs {
            "evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "1.2.3",
            "localhostx",
        } do
            for _, path in ipairs { ACCOUNT .. "/labels", "/_twin/", "/nothing" } do
                local status, body = asked_as(settings, name, path)
                table.insert(refused, { name, status, body })
            end
        end
        local taken = {}
        local own = settings.OOCTOPUS_URL:match "//(.*)$"
        for _, name in ipairs { own, "localhost", "LOCALHOST:80", "desk.localhost", "[::1]:80", "127.8.8.8" } do
            taken[name] = asked_as(settings, name, ACCOUNT .. "/labels")
        end
        assert.equal(0, program:stop())
        assert.equal(18, #refused)
        for _, one in ipairs(refused) do
            assert.equal(403, one[2], one[1])
            assert.equal(("This twin listens on this machine alone, and '%s' is no name for it; use 127.0.0.1 or "
                .. "localhost"):format(one[1]), core.json_decode(one[3]).error)
        end
        assert.same({ [own] = 200, localhost = 200, ["LOCALHOST:80"] = 200, ["desk.localhost"] = 200,
            ["[::1]:80"] = 200, ["127.8.8.8"] = 200 }, taken)
    end)

    it("that listens for others takes requests under any name", function()
        local program, settings = host.twin("--listen", "0.0.0.0:0")
        local status = asked_as(settings, "desk.example", ACCOUNT .. "/labels")
        assert.equal(0, program:stop())
        assert.equal(200, status)
        calls.failing("invalid", twin.start, { host = "127.x" })
    end)

    it("posts nothing for what its own webhooks do to it", function()
        local t <close> = twin.start()
        local desk <close> = t:connect "ooctopus"
        local inbox = desk.inboxes:create { name = "site", channel = { type = "api", webhook_url = "" } }
        local function visit(path, fields)
            local status, body = core.post { url = t.url .. "/public/api/v1/inboxes/" .. inbox.inbox_identifier .. path,
                headers = { ["Content-Type"] = "application/json" }, body = core.json_encode(fields) }
            assert.equal(200, status)
            return core.json_decode(body)
        end
        local contact = "/contacts/" .. visit("/contacts", { name = "Vera" }).source_id
        local messages = contact .. "/conversations/" .. visit(contact .. "/conversations", {}).id .. "/messages"
        for i = 1, 2 do
            desk.webhooks:create {
                url = ("%s/public/api/v1/inboxes/%s%s?%d"):format(t.url, inbox.inbox_identifier, messages, i),
                subscriptions = { "message_created" },
            }
        end
        visit(messages, { content = "Hello" })
        local statuses = {}
        while t.state.outbox.working > 0 and #t.state.log:list_deliveries() < 10 do
            core.sleep(0.005)
        end
        for i, delivery in ipairs(t.state.log:list_deliveries()) do
            statuses[i] = delivery.status
        end
        assert.same({ 200, 200 }, statuses)
        local page = desk.messages:list(t.state.store:last_id "conversations")
        assert.equal(3, #page.payload)
    end)

    it("posts nothing once it is stopped", function()
        local state = support.state()
        local send = support.client(state)
        assert.equal(200, (send("POST", ACCOUNT .. "/webhooks",
            { url = "http://127.0.0.1:9/", subscriptions = { "message_created" } })))
        state:stop()
        assert.equal(200, (send("POST", ACCOUNT .. "/conversations/1/messages", { content = "Hello" })))
        support.settle(state)
        assert.same({}, state.log:list_deliveries())
    end)

    it("spends on a list of labels what grows with its length", function()
        local function cost(count)
            local send = support.client(support.state())
            local labels = {}
            for i = 1, count do
                labels[i] = "label-" .. i
            end
            return steps_of(function()
                local status, answer = send("POST", ACCOUNT .. "/conversations/1/labels", { labels = labels })
                assert.equal(200, status)
                assert.same(labels, answer.payload)
            end)
        end
        local once = cost(2000)
        assert.is_true(once > 0)
        assert.is_true(cost(8000) < 8 * once)
    end)

    it("takes as many event filters as a webhook may have use for, and URLs that can be posted to", function()
        local state = support.state()
        local send = support.client(state)
        local headers = support.headers("twin-circuit-token", "oauth")
        headers["content-type"] = "application/x-www-form-urlencoded"
        local function hook(count)
            return (send("POST", HOOKS, "url=https://x.example&filter=" .. ("USER.*,"):rep(count):sub(1, -2), headers))
        end
        assert.equal(201, hook(50))
        assert.equal(403, hook(51))
        local url = "https://x.example/"
        for length, status in pairs { [8192] = 200, [8193] = 422 } do
            assert.equal(status, (send("POST", ACCOUNT .. "/webhooks",
                { url = url .. ("a"):rep(length - #url), subscriptions = { "message_created" } })))
        end
    end)

    it("shows messages whose sender is nothing it knows", function()
        local data = dump.write(support.state().store)
        for _, message in ipairs(data.tables.messages) do
            message.sender_type = "robot"
        end
        local status, answer = support.client(support.state { data = data })("GET", ACCOUNT .. "/conversations")
        assert.equal(200, status)
        assert.is_nil(answer.data.payload[1].messages[1].sender)
    end)

    it("prints settings that a shell takes for nothing else, whatever data they are from", function()
        local folder = process.folder()
        local data = process.write(folder .. "/data.json", (twin.export { data = "demo" }:gsub(
            "twin%-user%-token", "x'; touch " .. folder .. "/made; '")))
        local program = host.start({ "twin", "--data", data }, "^export CIRCUIT_TOKEN")
        local output = process.run { "sh", "-c", table.concat(program.lines, "\n") .. '\nprintf %s "$OOCTOPUS_TOKEN"' }
        assert.equal(0, program:stop())
        local made = process.read(folder .. "/made")
        process.remove(folder)
        assert.equal("x'; touch " .. folder .. "/made; '", output)
        assert.is_nil(made)
    end)
end)

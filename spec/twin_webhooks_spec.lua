--- Webhooks of the desk: what is posted where, over real sockets, and what becomes of deliveries that fail.

local core = require "moonwire.core"
local mw = require "moonwire"
local outbox = require "moonwire.twin.outbox"
local twin = require "moonwire.twin"

local calls = require "spec.support.calls"
local process = require "spec.support.process"
local support = require "spec.support.twin"

local ACCOUNT = "/api/v1/accounts/1"
local EVENTS = {
    "conversation_created", "conversation_status_changed", "conversation_updated", "message_created",
    "message_updated", "contact_created", "contact_updated",
}

describe("webhooks of the twin", function()
    local state, send, log, said, servers, released

    -- A server that keeps what is posted to it, in `got`; `answer` may say something else than 200.
    local function receiver(answer)
        local one = { got = {} }
        one.server = core.server {
            handler = function(request)
                table.insert(one.got, {
                    method = request.method,
                    path = request.path,
                    headers = request.headers,
                    text = request.body,
                    body = core.json_decode(request.body),
                })
                if answer then
                    return answer(request)
                end
                return 200
            end,
        }
        one.url = one.server.url .. "/hook"
        servers[#servers + 1] = one.server
        return one
    end

    -- One that doesn't answer until `released`.
    local function hanging()
        return receiver(function()
            while not released do
                core.sleep(0.005)
            end
            return 200
        end)
    end

    local function new_outbox(options)
        options = options or {}
        options.log = function(entry) log[#log + 1] = entry end
        options.say = function(_, line) said[#said + 1] = line end
        state.outbox = outbox.new(options)
    end

    before_each(function()
        servers, log, said, released = {}, {}, {}, false
        state = support.state { on_log = function(_, line) said[#said + 1] = line end }
        send = support.client(state)
        new_outbox()
    end)

    after_each(function()
        state.outbox:stop()
        for _, server in ipairs(servers) do
            server:close()
        end
        released = true
        while core.live() > 0 do
            core.sleep(0.005)
        end
    end)
    teardown(calls.quiet)

    local function ask(method, path, fields)
        local status, body, text = send(method, ACCOUNT .. path, fields)
        assert.is_true(status >= 200 and status < 300, status .. " " .. text)
        return body
    end

    local function subscribe(url, events)
        return ask("POST", "/webhooks", { url = url, subscriptions = core.array(events or EVENTS) })
    end

    local function events_of(one)
        local names = {}
        for i, post in ipairs(one.got) do
            names[i] = post.body.event
        end
        return names
    end

    -- What is posted because of `f`, by event.
    local function posted(f, events)
        local hook = receiver()
        subscribe(hook.url, events)
        f()
        state.outbox:wait()
        local by_event = {}
        for _, post in ipairs(hook.got) do
            assert.is_nil(by_event[post.body.event], "twice: " .. post.body.event)
            by_event[post.body.event] = post.body
        end
        return by_event, hook
    end

    -- A conversation of the demo desk that is open.
    local function open_conversation()
        return ask("GET", "/conversations?status=open").data.payload[1]
    end

    -- An API inbox with a callback, and a conversation in it; of contact 3.
    local function api_conversation(url)
        local inbox = ask("POST", "/inboxes", { name = "App", channel = { type = "api", webhook_url = url } })
        local conversation = ask("POST", "/conversations", { inbox_id = inbox.id, source_id = "app-3", contact_id = 3 })
        return inbox, conversation
    end

    describe("what is posted", function()
        it("is a message, with who wrote it, its inbox, its account and its conversation", function()
            local conversation, message = open_conversation(), nil
            local by_event, hook = posted(function()
                message = ask("POST", ("/conversations/%d/messages"):format(conversation.id), {
                    content = "Hello <b>\u{1F6B2}</b>", content_attributes = { in_reply_to = 7 },
                })
            end, { "message_created" })
            local data = by_event.message_created
            assert.same({ "message_created" }, events_of(hook))
            assert.equal(message.id, data.id)
            assert.equal("Hello <b>\u{1F6B2}</b>", data.content)
            assert.equal("text", data.content_type)
            assert.same({ in_reply_to = 7 }, data.content_attributes)
            assert.equal("outgoing", data.message_type)
            assert.is_false(data.private)
            assert.equal("2027-01-15T08:00:00.000Z", data.created_at)
            assert.same({ id = 1, name = state.store:get("accounts", 1).name }, data.account)
            assert.equal(conversation.inbox_id, data.inbox.id)
            assert.equal("string", type(data.inbox.name))
            assert.same({ id = 1, name = "Ada Brandt", email = "ada@nimbus-bikes.example", type = "user" }, data.sender)
            local inner = data.conversation
            assert.equal(conversation.id, inner.id)
            assert.equal("open", inner.status)
            assert.equal(conversation.meta.channel, inner.channel)
            assert.equal(conversation.meta.sender.id, inner.meta.sender.id)
            assert.equal("contact", inner.meta.sender.type)
            assert.same(conversation.labels, inner.labels)
            assert.equal(0, inner.unread_count)
            assert.equal(support.NOW, inner.last_activity_at)
            assert.equal(conversation.meta.sender.id, inner.contact_inbox.contact_id)
            assert.equal(message.id, inner.messages[1].id)
            assert.equal(1, inner.messages[1].message_type)
            assert.equal("User", inner.messages[1].sender_type)
            assert.equal(support.NOW, inner.messages[1].created_at)
            assert.is_nil(data.changed_attributes)
        end)

        it("shows a contact, a bot and nobody as senders", function()
            local _, conversation = api_conversation()
            local path = ("/conversations/%d/messages"):format(conversation.id)
            local by_event = posted(function()
                ask("POST", path, { content = "Hi", message_type = "incoming" })
            end)
            local sender = by_event.message_created.sender
            local contact = ask("GET", "/contacts/3").payload
            assert.equal(3, sender.id)
            assert.equal(contact.name, sender.name)
            assert.equal(contact.email, sender.email)
            assert.same({ id = 1, name = state.store:get("accounts", 1).name }, sender.account)
            assert.equal("incoming", by_event.message_created.message_type)
            assert.equal(1, by_event.message_created.conversation.unread_count)
            by_event = posted(function()
                local status = send("POST", ACCOUNT .. "/conversations/1/messages", { content = "beep" },
                    { api_access_token = "twin-bot-token" })
                assert.equal(200, status)
            end)
            assert.equal("agent_bot", by_event.message_created.sender.type)
            assert.equal("AgentBot", by_event.message_created.conversation.messages[1].sender_type)
        end)

        it("is a changed message, and a deleted one is a changed one", function()
            local conversation = open_conversation()
            local path = ("/conversations/%d/messages"):format(conversation.id)
            local message = ask("POST", path, { content = "Oops" })
            local by_event = posted(function()
                ask("DELETE", path .. "/" .. message.id)
            end)
            assert.equal(message.id, by_event.message_updated.id)
            assert.equal("This message was deleted", by_event.message_updated.content)
            assert.same({ deleted = true }, by_event.message_updated.content_attributes)
        end)

        it("is a conversation that is new, has another status, another assignee, other labels", function()
            local conversation
            local by_event = posted(function()
                conversation = select(2, api_conversation())
            end)
            local data = by_event.conversation_created
            assert.equal(conversation.id, data.id)
            assert.equal("open", data.status)
            assert.same({}, data.messages)
            assert.same({}, data.custom_attributes)
            assert.equal("Channel::Api", data.channel)
            assert.equal("app-3", data.contact_inbox.source_id)
            assert.equal(core.null, data.meta.assignee)
            assert.equal(core.null, data.meta.team)
            assert.equal(core.null, data.first_reply_created_at)
            assert.is_true(core.is_array(data.labels))
            assert.is_nil(data.changed_attributes)

            local path = "/conversations/" .. conversation.id
            by_event = posted(function()
                ask("POST", path .. "/toggle_status", { status = "resolved" })
            end)
            local change = { { status = { previous_value = "open", current_value = "resolved" } } }
            assert.same(change, by_event.conversation_status_changed.changed_attributes)
            assert.equal("resolved", by_event.conversation_status_changed.status)
            assert.same(change, by_event.conversation_updated.changed_attributes)

            by_event = posted(function()
                ask("POST", path .. "/assignments", { assignee_id = 2 })
            end)
            assert.same({ { assignee_id = { previous_value = core.null, current_value = 2 } } },
                by_event.conversation_updated.changed_attributes)
            assert.equal("Jonas Keller", by_event.conversation_updated.meta.assignee.name)
            assert.is_nil(by_event.conversation_status_changed)

            by_event = posted(function()
                ask("POST", path .. "/labels", { labels = { "vip" } })
            end)
            assert.same({ { label_list = { previous_value = {}, current_value = { "vip" } } } },
                by_event.conversation_updated.changed_attributes)
        end)

        it("is a contact that is new or changed, and nothing when nothing has changed", function()
            local made
            local by_event = posted(function()
                made = ask("POST", "/contacts", { inbox_id = 1, name = "Zoë", email = "zoe@mail.example" })
            end, { "contact_created", "contact_updated" })
            local data = by_event.contact_created
            local id = made.payload.contact and made.payload.contact.id or made.payload.id
            assert.equal(id, data.id)
            assert.equal("Zoë", data.name)
            assert.equal("zoe@mail.example", data.email)
            assert.equal(core.null, data.phone_number)
            assert.equal(1, data.account.id)
            assert.is_nil(by_event.contact_updated)
            by_event = posted(function()
                ask("PUT", "/contacts/" .. id, { name = "Zoë B", custom_attributes = { plan = "pro" } })
            end)
            assert.same({
                { custom_attributes = { previous_value = {}, current_value = { plan = "pro" } } },
                { name = { previous_value = "Zoë", current_value = "Zoë B" } },
            }, by_event.contact_updated.changed_attributes)
            by_event = posted(function()
                ask("PUT", "/contacts/" .. id, { name = "Zoë B", custom_attributes = { plan = "pro" } })
            end)
            assert.same({}, by_event)
        end)

        it("goes to those who have subscribed to it, of this account", function()
            local hook, other = receiver(), receiver()
            subscribe(hook.url, { "conversation_updated" })
            state.store:insert("accounts", { name = "Elsewhere", created_at = 1 })
            state.store:insert("webhooks", { account_id = 2, url = other.url, subscriptions = EVENTS })
            local path = "/conversations/" .. open_conversation().id
            ask("POST", path .. "/messages", { content = "Hello" })
            ask("POST", path .. "/toggle_status", { status = "pending" })
            state.outbox:wait()
            assert.same({ "conversation_updated" }, events_of(hook))
            assert.same({}, other.got)
        end)

        it("tells how things were, whatever becomes of the records", function()
            local hook = receiver()
            subscribe(hook.url, { "message_created", "contact_created" })
            local made = ask("POST", "/contacts", { inbox_id = 1, name = "Short-lived" })
            local id = made.payload.contact and made.payload.contact.id or made.payload.id
            local inbox = ask("POST", "/inboxes", { name = "App", channel = { type = "api" } })
            local conversation = ask("POST", "/conversations",
                { inbox_id = inbox.id, source_id = "s", contact_id = id })
            ask("POST", ("/conversations/%d/messages"):format(conversation.id), { content = "Bye" })
            ask("DELETE", "/contacts/" .. id)
            assert.is_nil(state.store:get("conversations", conversation.id))
            state.outbox:wait()
            assert.same({ "contact_created", "message_created" }, events_of(hook))
            assert.equal("Short-lived", hook.got[2].body.conversation.meta.sender.name)
        end)
    end)

    describe("other places", function()
        it("are the callback of an API inbox, signed with the inbox's secret", function()
            local hook = receiver()
            local inbox, conversation = api_conversation(hook.url)
            local path = "/conversations/" .. conversation.id
            ask("POST", path .. "/messages", { content = "Hello", private = true })
            ask("POST", path .. "/toggle_status", { status = "resolved" })
            ask("PUT", "/contacts/3", { name = "Other" })
            ask("POST", ("/conversations/%d/messages"):format(open_conversation().id), { content = "elsewhere" })
            state.outbox:wait()
            assert.same({ "conversation_created", "message_created", "conversation_status_changed",
                "conversation_updated" }, events_of(hook))
            assert.is_true(hook.got[2].body.private)
            local secret = state.store:get("inboxes", inbox.id).secret
            local headers = hook.got[1].headers
            assert.equal("sha256=" .. core.hmac_sha256(secret, headers["x-chatwoot-timestamp"] .. "."
                .. hook.got[1].text), headers["x-chatwoot-signature"])
        end)

        it("are the bot of an inbox, which hears of messages and of what is opened and resolved", function()
            local hook = receiver()
            local bot = state.store:insert("agent_bots", { name = "Robo", description = "", outgoing_url = hook.url })
            local inbox, conversation = api_conversation()
            state.store:update("inboxes", state.store:get("inboxes", inbox.id), { agent_bot_id = bot.id })
            local path = "/conversations/" .. conversation.id
            ask("POST", path .. "/messages", { content = "Hello" })
            for _, status in ipairs { "resolved", "pending", "open" } do
                ask("POST", path .. "/toggle_status", { status = status })
            end
            state.outbox:wait()
            assert.same({ "message_created", "conversation_resolved", "conversation_opened" }, events_of(hook))
            assert.equal(conversation.id, hook.got[2].body.id)
            assert.is_nil(hook.got[1].headers["x-chatwoot-signature"])
            state.store:update("agent_bots", bot, { outgoing_url = "" })
            ask("POST", path .. "/messages", { content = "Hello" })
            state.outbox:wait()
            assert.equal(3, #hook.got)
        end)

        it("are the URL that a rule posts to, and webhooks hear of what the rule does", function()
            local hook, other = receiver(), receiver()
            ask("POST", "/automation_rules", {
                name = "Tell", description = "", event_name = "message_created", active = true,
                conditions = {
                    { attribute_key = "content", filter_operator = "contains", values = { "refund" },
                        query_operator = core.null },
                },
                actions = {
                    { action_name = "send_webhook_event", action_params = { hook.url } },
                    { action_name = "add_label", action_params = { "refund-wanted" } },
                },
            })
            subscribe(other.url, { "message_created", "conversation_updated" })
            local _, conversation = api_conversation()
            ask("POST", ("/conversations/%d/messages"):format(conversation.id), { content = "A refund, please" })
            state.outbox:wait()
            assert.same({ "automation_event.message_created" }, events_of(hook))
            assert.equal(conversation.id, hook.got[1].body.id)
            assert.equal("A refund, please", hook.got[1].body.messages[1].content)
            assert.is_nil(hook.got[1].headers["x-chatwoot-signature"])
            assert.is_nil(hook.got[1].body.changed_attributes)
            assert.same({ "message_created", "conversation_updated" }, events_of(other))
            assert.same({ "refund-wanted" }, other.got[2].body.labels)
        end)

        it("are reached through the public API, too", function()
            local hook = receiver()
            subscribe(hook.url)
            local inbox, conversation = api_conversation()
            local path = ("/public/api/v1/inboxes/%s/contacts/app-3/conversations/%d/messages"):format(
                inbox.inbox_identifier, conversation.id)
            assert.equal(200, (send("POST", path, { content = "Hi" }, {})))
            state.outbox:wait()
            assert.same({ "conversation_created", "message_created" }, events_of(hook))
            assert.equal("incoming", hook.got[2].body.message_type)
        end)
    end)

    describe("a delivery", function()
        local function hello()
            ask("POST", ("/conversations/%d/messages"):format(open_conversation().id), { content = "Hello" })
        end

        it("is JSON, numbered, and signed with the secret that the webhook shows", function()
            local hook = receiver()
            local made = subscribe(hook.url, { "message_created" })
            assert.equal("twin-webhook-secret-", made.secret:sub(1, 20))
            hello()
            hello()
            state.outbox:wait()
            local seen = {}
            for _, post in ipairs(hook.got) do
                local headers = post.headers
                assert.equal("POST", post.method)
                assert.equal("/hook", post.path)
                assert.equal("application/json", headers["content-type"])
                assert.is_truthy(headers["x-chatwoot-delivery"]:find "^%x+%-%x+%-%x+%-%x+%-%x+$")
                assert.is_nil(seen[headers["x-chatwoot-delivery"]])
                seen[headers["x-chatwoot-delivery"]] = true
                assert.is_true(math.abs(core.time() - tonumber(headers["x-chatwoot-timestamp"])) < 600)
                local output, _, code = process.run({ "openssl", "dgst", "-sha256", "-hmac", made.secret },
                    { input = headers["x-chatwoot-timestamp"] .. "." .. post.text })
                assert.equal(0, code)
                assert.equal("sha256=" .. output:match "(%x+)%s*$", headers["x-chatwoot-signature"])
            end
            assert.equal(2, #hook.got)
            assert.equal(2, #log)
            assert.equal(200, log[1].status)
            assert.equal("message_created", log[1].event)
            assert.equal(hook.url, log[1].url)
            assert.is_nil(log[1].error)
        end)

        it("keeps the secret when the webhook is changed", function()
            local made = subscribe("http://localhost:9/a")
            local changed = ask("PATCH", "/webhooks/" .. made.id, { url = "http://localhost:9/b", secret = "mine" })
            assert.equal(made.secret, changed.secret)
            assert.equal(made.secret, ask("GET", "/webhooks").payload.webhooks[1].secret)
        end)

        it("is made once when the answer is an error or a redirect", function()
            for _, status in ipairs { 500, 404, 302 } do
                local hook = receiver(function() return status, { location = servers[1].url .. "/hook" } end)
                local made = subscribe(hook.url, { "message_created" })
                hello()
                state.outbox:wait()
                assert.equal(1, #hook.got)
                local entry = log[#log]
                assert.equal(status, entry.status)
                assert.equal("status", entry.kind)
                assert.equal("answered " .. status, entry.error)
                ask("DELETE", "/webhooks/" .. made.id)
            end
            assert.equal(3, #log)
        end)

        it("is made once when the connection is reset, when nobody listens and when nobody answers", function()
            new_outbox { timeout = 0.3 }
            local reset, silent, gone = receiver(function() return nil, "reset" end), hanging(), receiver()
            gone.server:close()
            for _, hook in ipairs { reset, silent, gone } do
                subscribe(hook.url, { "message_created" })
            end
            hello()
            state.outbox:wait()
            assert.equal(1, #reset.got)
            assert.equal(1, #silent.got)
            assert.equal(3, #log)
            local kinds = {}
            for _, entry in ipairs(log) do
                kinds[entry.url] = entry.kind
                assert.equal("string", type(entry.error))
                assert.is_nil(entry.status)
            end
            assert.equal("network", kinds[reset.url])
            assert.equal("timeout", kinds[silent.url])
            assert.equal("network", kinds[gone.url])
        end)

        it("is not made for a request that fails, nor for one that can't be kept", function()
            local hook = receiver()
            subscribe(hook.url)
            assert.equal(422, (send("POST", ACCOUNT .. "/conversations/1/messages", {})))
            assert.equal(404, (send("POST", ACCOUNT .. "/conversations/999999/messages", { content = "x" })))
            -- The state file is the last step before the answer: when it fails, all that went before is taken back.
            state.journal = { save = function() error "disk full" end }
            local uuids = state.store:first("twin").uuids
            assert.equal(500, (send("POST", ACCOUNT .. "/conversations/1/messages", { content = "x" })))
            assert.equal(1, #said)
            assert.matches("^twin: POST .* failed: .*disk full$", said[1])
            state.journal = nil
            state.outbox:wait()
            assert.same({}, hook.got)
            assert.same({}, log)
            assert.equal(uuids, state.store:first("twin").uuids)
        end)
    end)

    it("go on when the log fails", function()
        local hook, failed = receiver(), false
        state.outbox = outbox.new {
            log = function()
                if not failed then
                    failed = true
                    error "no log"
                end
            end,
            say = function(_, line) said[#said + 1] = line end,
        }
        local posts = {}
        for i = 1, 40 do
            posts[i] = { url = hook.url, event = "e", body = "{}" }
        end
        state.outbox:send(posts)
        state.outbox:wait()
        assert.equal(40, #hook.got)
        assert.equal(1, #said)
        assert.matches("^twin: the delivery of e failed: .*no log$", said[1])
    end)

    describe("a receiver that hangs", function()
        it("delays no answer of the API", function()
            local t <close> = twin.start { data = "demo" }
            state = t.state
            new_outbox()
            local hook = hanging()
            local desk = mw.ooctopus(t.ooctopus)
            desk.webhooks:create { url = hook.url, subscriptions = { "message_created" } }
            for i = 1, 50 do
                desk.messages:create(1, { content = "message " .. i })
            end
            assert.same({}, log) -- all 50 calls are answered, and not one delivery is
            released = true
            state.outbox:wait()
            assert.equal(50, #hook.got)
            assert.equal(50, #log)
            desk:close()
        end)

        it("is given up by stop, with all that waits for it", function()
            local hook = hanging()
            local posts = {}
            for i = 1, 100 do
                posts[i] = { url = hook.url, event = "e", body = "{}" }
            end
            state.outbox:send(posts)
            while #hook.got < 32 do
                core.sleep(0.005)
            end
            state.outbox:stop()
            assert.equal(32, #hook.got)
            assert.equal(32, #log)
            for _, entry in ipairs(log) do
                assert.equal("cancelled", entry.kind)
            end
            state.outbox:wait()
            state.outbox:stop()
        end)
    end)

    describe("many deliveries", function()
        it("all arrive, each once, never more than 32 at a time", function()
            local now, most, bodies = 0, 0, {}
            local hook = receiver(function(request)
                now = now + 1
                most = math.max(most, now)
                core.sleep(0.001)
                now = now - 1
                bodies[request.body] = (bodies[request.body] or 0) + 1
                return 200
            end)
            subscribe(hook.url, { "message_created" })
            for i = 1, 1000 do
                ask("POST", "/conversations/1/messages", { content = "message " .. i })
            end
            state.outbox:wait()
            assert.equal(1000, #hook.got)
            assert.equal(1000, #log)
            for _, count in pairs(bodies) do
                assert.equal(1, count)
            end
            assert.is_true(most <= 32 and most > 1, "at a time: " .. most)
        end)

        it("are dropped beyond what the queue takes, by number and by bytes", function()
            local hook = receiver()
            local posts = {}
            for i = 1, 10005 do
                posts[i] = { url = hook.url, event = "e", body = "{}" }
            end
            state.outbox:send(posts)
            assert.equal(5, #log)
            assert.equal("budget", log[1].kind)
            state.outbox:stop()
            log = {}
            new_outbox()
            local large, few = ("x"):rep(1 << 20), {}
            for i = 1, 66 do
                few[i] = { url = hook.url, event = "e", body = large }
            end
            state.outbox:send(few)
            assert.equal(2, #log)
            state.outbox:stop()
        end)
    end)

    describe("other machines", function()
        local function hello_to(url)
            local made = subscribe(url, { "message_created" })
            ask("POST", "/conversations/1/messages", { content = "Hello" })
            state.outbox:wait()
            ask("DELETE", "/webhooks/" .. made.id)
            return log[#log]
        end

        it("get nothing, and are not even looked up", function()
            for i, url in ipairs {
                "https://x.example/hook", "http://10.1.2.3/hook", "http://0.0.0.0:9/", "http://[::ffff:127.0.0.1]:9/",
                "http://127.0.0.1.x.example/", "http://localhost.x.example:80/", "http://127.0.0.1@x.example/",
                "http://x.example:80#@127.0.0.1/", "http://2130706433:9/",
            } do
                local entry = hello_to(url)
                assert.equal(i, #log)
                assert.equal("denied", entry.kind, url)
                assert.equal(url, entry.url)
                assert.is_truthy(entry.error:find "not a loopback address; %-%-deliver%-anywhere allows it$")
            end
            local endless = "http://127.0.0." .. ("0"):rep(1000) .. "1.x.example/"
            assert.equal("denied", hello_to(endless).kind)
            assert.is_true(#log[#log].error < 400)
        end)

        it("get it with deliver_anywhere", function()
            local hook = receiver()
            local url = hook.url:gsub("127%.0%.0%.1", "0.0.0.0") -- leads here, and is no loopback address
            assert.equal("denied", hello_to(url).kind)
            new_outbox { deliver_anywhere = true }
            assert.equal(200, hello_to(url).status)
            assert.equal(1, #hook.got)
        end)

        it("are not reached by a name that is said to be this machine, by an address in brackets they are", function()
            local hook = receiver()
            for _, host in ipairs { "localhost", "LOCALHOST", "127.0.0.1" } do
                assert.equal(200, hello_to((hook.url:gsub("127%.0%.0%.1", host))).status, host)
            end
            assert.equal("network", hello_to("http://[::1]:1/hook").kind)
        end)

        it("are warned about once, as are other troubles until they are over", function()
            local output, errors, code = calls.child [[
                local core = require "moonwire.core"
                local outbox = require "moonwire.twin.outbox"
                local status = 500
                local server = core.server { handler = function() return status end }
                local one = outbox.new()
                local function send(url)
                    one:send { { url = url, event = "message_created", body = "{}" } }
                    one:wait()
                end
                for _ = 1, 3 do
                    send "https://x.example/secret"
                    send(server.url .. "/secret?token=secret")
                end
                status = 200
                send(server.url)
                status = 503
                send(server.url)
                one:stop()
                server:close()
                print(core.live())
            ]]
            assert.equal(0, code, errors)
            assert.equal("0\n", output)
            local lines = {}
            for line in errors:gmatch "[^\n]+" do
                lines[#lines + 1] = line:gsub("127%.0%.0%.1:%d+", "HERE")
            end
            assert.same({
                "warn: twin: not delivered to https://x.example: not a loopback address; --deliver-anywhere allows it",
                "warn: twin: message_created was not delivered to http://HERE: answered 500",
                "warn: twin: message_created was not delivered to http://HERE: answered 503",
            }, lines)
        end)
    end)

    it("that lead to the twin itself end there", function()
        local t <close> = twin.start { data = "demo" }
        state = t.state
        new_outbox()
        local desk = mw.ooctopus(t.ooctopus)
        desk.webhooks:create {
            url = t.url .. "/api/v1/accounts/1/conversations/1/messages", subscriptions = { "message_created" },
        }
        desk.messages:create(1, { content = "Hello" })
        state.outbox:wait()
        assert.equal(1, #log)
        assert.equal(401, log[1].status)
        desk:close()
    end)
end)

--- The public client API of the twin: what a visitor of an API inbox does, and what agents see of it.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local twin_client = require "spec.support.twin"

local ACCOUNT = "/api/v1/accounts/1"
local INBOX = "/public/api/v1/inboxes/nimbus-dealers"
local CONTACTS = INBOX .. "/contacts"

describe("the twin's public API", function()
    local state, send

    before_each(function()
        state = twin_client.state()
        send = twin_client.client(state)
    end)
    teardown(calls.quiet)

    -- As a visitor: without any token.
    local function visit(method, path, fields)
        return send(method, path, fields, {})
    end

    local function good(method, path, fields)
        local status, body = visit(method, path, fields)
        assert.equal(200, status, core.json_encode(body or {}))
        return body
    end

    -- As an agent.
    local function get(path)
        local status, body = send("GET", path:find("^/public") and path or ACCOUNT .. path)
        assert.equal(200, status)
        return body
    end

    local function path_of(contact, conversation, message)
        local path = CONTACTS .. "/" .. contact.source_id
        if conversation then
            path = path .. "/conversations/" .. conversation.id .. "/messages"
        end
        return message and path .. "/" .. message.id or path
    end

    local function visitor()
        return good("POST", CONTACTS, { name = "Vera", email = "vera@mail.example", identifier = "shop-7" })
    end

    local function talking()
        local contact = visitor()
        return contact, good("POST", path_of(contact) .. "/conversations")
    end

    describe("contacts", function()
        it("are made in the inbox's account, with a source and a pubsub token", function()
            local made = good("POST", CONTACTS, {
                name = "Vera", email = "vera@mail.example", identifier = "shop-7", phone_number = "+4930555",
                avatar_url = "https://x.example/v.png", custom_attributes = { plan = "gold" },
            })
            assert.equal(41, made.id)
            assert.equal("Vera", made.name)
            assert.equal("vera@mail.example", made.email)
            assert.is_truthy(#made.source_id > 0 and #made.pubsub_token > 0)
            assert.same(made, good("GET", path_of(made)))
            local shown = get("/contacts/41").payload.contact
            assert.equal("shop-7", shown.identifier)
            assert.equal("+4930555", shown.phone_number)
            assert.equal("gold", shown.custom_attributes.plan)
            assert.equal("https://x.example/v.png", shown.thumbnail)
            assert.equal(1, #shown.contact_inboxes)
            assert.equal(made.source_id, shown.contact_inboxes[1].source_id)
            assert.equal(4, shown.contact_inboxes[1].inbox.id)
        end)

        it("have a name, whoever they are", function()
            assert.equal("visitor-41", good("POST", CONTACTS).name)
            assert.equal(core.null, good("POST", CONTACTS, { name = core.null }).email)
        end)

        it("are found again by identifier, e-mail or phone, each time by another source", function()
            local seen = {}
            for _, fields in ipairs {
                { identifier = "nimbus-1001" }, { email = "Olivia.Hart@mail.example" },
                { phone_number = "+442079460101", name = "Somebody else" },
            } do
                local made = good("POST", CONTACTS, fields)
                assert.equal(1, made.id)
                assert.equal("Olivia Hart", made.name)
                assert.is_nil(seen[made.source_id])
                seen[made.source_id] = true
            end
            assert.equal(40, get("/contacts").meta.count)
        end)

        it("come back by a source that they name", function()
            local made = good("POST", CONTACTS, { source_id = "till 1/b", name = "Till" })
            assert.equal("till 1/b", made.source_id)
            assert.equal(made.id, good("POST", CONTACTS, { source_id = "till 1/b", name = "Other" }).id)
            assert.equal("Till", good("GET", CONTACTS .. "/till%201%2Fb").name)
            -- One that the twin would have counted next.
            local number = state.store:last_id("contact_inboxes")
            good("POST", CONTACTS, { source_id = ("twin-visitor-%d"):format(number + 2), name = "Early" })
            assert.not_equal("Early", good("POST", CONTACTS).name)
        end)

        it("are changed by whoever knows the source", function()
            local made = visitor()
            local changed = good("PATCH", path_of(made), { name = "Vera B.", email = "vb@mail.example" })
            assert.equal("Vera B.", changed.name)
            assert.equal("vb@mail.example", changed.email)
            assert.equal(made.source_id, changed.source_id)
            assert.equal("Vera B.", get("/contacts/" .. made.id).payload.contact.name)
            local status, body = visit("PATCH", path_of(made), { email = "anna.schreiber@post.example" })
            assert.equal(422, status)
            assert.same({ "email" }, body.attributes)
        end)

        it("are refused where they don't fit", function()
            local bad = { email = "no address", phone_number = "0049", custom_attributes = "x", name = 5 }
            for name, value in pairs(bad) do
                local status, body = visit("POST", CONTACTS, { [name] = value })
                assert.equal(422, status, name)
                assert.same({ name }, body.attributes)
            end
            assert.equal(40, get("/contacts").meta.count)
        end)
    end)

    describe("conversations and messages", function()
        it("are the agents' as well", function()
            local contact, conversation = talking()
            assert.equal("4", conversation.inbox_id)
            assert.same({}, conversation.messages)
            assert.equal(contact.id, conversation.contact.id)
            local said = good("POST", path_of(contact, conversation), { content = "Hello?", echo_id = "e-1" })
            assert.equal("e-1", said.echo_id)
            assert.equal("incoming", said.message_type)
            assert.equal(tostring(twin_client.NOW), said.created_at)
            assert.equal(tostring(conversation.id), said.conversation_id)
            assert.equal("{}", said.content_attributes)
            assert.equal("Vera", said.sender.name)
            local shown = get("/conversations").data.payload[1]
            assert.equal(conversation.id, shown.id)
            assert.equal(1, shown.unread_count)
            assert.equal("Hello?", shown.messages[1].content)
            assert.equal("Vera", shown.meta.sender.name)
            assert.equal(200, (send("POST", ACCOUNT .. "/conversations/" .. conversation.id .. "/messages",
                { content = "Hi Vera" })))
            local list = get(path_of(contact, conversation))
            assert.same({ "Hello?", "Hi Vera" }, { list[1].content, list[2].content })
            assert.equal("outgoing", list[2].message_type)
        end)

        it("are listed for a user's token only, of the inbox's account", function()
            local contact, conversation = talking()
            for _, path in ipairs { path_of(contact) .. "/conversations", path_of(contact, conversation) } do
                assert.equal(401, (visit("GET", path)))
                assert.equal(401, (send("GET", path, nil, { api_access_token = "twin-platform-token" })))
                assert.equal(200, (send("GET", path)))
                state.store:insert("tokens", { token = "stranger", kind = "user",
                    user_id = state.store:insert("users",
                        { name = "S", email = path, custom_attributes = {}, created_at = 0 }).id })
                assert.equal(404, (send("GET", path, nil, { api_access_token = "stranger" })))
                state.store:remove("tokens", state.store:first("tokens", "token", "stranger"))
            end
            local list = get(path_of(contact) .. "/conversations")
            assert.same({ conversation.id }, twin_client.ids(list))
        end)

        it("hide private notes", function()
            local contact, conversation = talking()
            local path = ACCOUNT .. "/conversations/" .. conversation.id .. "/messages"
            local _, note = send("POST", path, { content = "a difficult one", private = true })
            assert.same({}, get(path_of(contact, conversation)))
            assert.same({}, get(path_of(contact) .. "/conversations")[1].messages)
            assert.equal(404, (visit("PATCH", path_of(contact, conversation, note), { submitted_values = {} })))
        end)

        it("take what a visitor submits", function()
            local contact, conversation = talking()
            local path = ACCOUNT .. "/conversations/" .. conversation.id .. "/messages"
            local _, card = send("POST", path, { content = "How was it?", content_type = "input_select",
                content_attributes = { items = { { title = "Good", value = "1" } } } })
            local changed = good("PATCH", path_of(contact, conversation, card),
                { submitted_values = { title = "Good", value = "1" } })
            local attributes = core.json_decode(changed.content_attributes)
            assert.equal("Good", attributes.submitted_values.title)
            assert.equal("1", attributes.items[1].value)
            local _, list = send("GET", path)
            assert.equal("Good", list.payload[1].content_attributes.submitted_values.title)
            assert.equal(422, (visit("PATCH", path_of(contact, conversation, card), { submitted_values = "Good" })))
            assert.equal(tostring(card.id), good("PATCH", path_of(contact, conversation, card)).id)
        end)

        it("come back to the agents when a visitor answers", function()
            local contact, conversation = talking()
            local path = ACCOUNT .. "/conversations/" .. conversation.id
            for _, status in ipairs { "resolved", "snoozed" } do
                send("POST", path .. "/toggle_status", { status = status })
                good("POST", path_of(contact, conversation), { content = "Still there?" })
                assert.equal("open", select(2, send("GET", path)).status)
            end
            -- Where a bot answers, it is the bot's turn.
            assert.equal(204, (send("POST", ACCOUNT .. "/inboxes/4/set_agent_bot", { agent_bot = 1 })))
            send("POST", path .. "/toggle_status", { status = "resolved" })
            good("POST", path_of(contact, conversation), { content = "Hello?" })
            assert.equal("pending", select(2, send("GET", path)).status)
            assert.equal("pending", good("POST", path_of(contact) .. "/conversations").status)
        end)

        it("page 20 messages, the latest", function()
            local contact, conversation = talking()
            for i = 1, 25 do
                good("POST", path_of(contact, conversation), { content = tostring(i) })
            end
            local list = get(path_of(contact, conversation))
            assert.equal(20, #list)
            assert.equal("6", list[1].content)
            assert.equal("25", list[20].content)
        end)
    end)

    describe("strangers", function()
        it("find nothing that isn't theirs", function()
            local contact, conversation = talking()
            local other = good("POST", CONTACTS, { name = "Other" })
            local said = good("POST", path_of(contact, conversation), { content = "mine" })
            assert.equal(404, (visit("POST", path_of(other, conversation), { content = "x" })))
            assert.equal(404, (visit("PATCH", path_of(other, conversation, said), { submitted_values = {} })))
            local theirs = good("POST", path_of(other) .. "/conversations")
            assert.equal(404, (visit("PATCH", path_of(other, theirs, said), { submitted_values = {} })))
            assert.equal(404, (visit("PATCH", path_of(other, theirs, { id = 999999 }), { submitted_values = {} })))
            assert.equal(404, (visit("GET", CONTACTS .. "/nobody")))
            assert.equal(404, (visit("POST", CONTACTS .. "/nobody/conversations")))
            -- The same contact under what another inbox calls it.
            assert.equal(404, (visit("GET", CONTACTS .. "/nimbus-1-10")))
        end)

        it("know an inbox by its identifier alone, letter by letter", function()
            for _, name in ipairs { "nobody", "NIMBUS-DEALERS", "twin-website-1", "1", "%00", "4|nimbus" } do
                assert.equal(404, (visit("POST", "/public/api/v1/inboxes/" .. name .. "/contacts", { name = "x" })))
            end
            local _, inbox = send("POST", ACCOUNT .. "/inboxes", { name = "Shop", channel = { type = "api" } })
            assert.equal(200, (visit("POST", "/public/api/v1/inboxes/" .. inbox.inbox_identifier .. "/contacts",
                { name = "x" })))
        end)
    end)
end)

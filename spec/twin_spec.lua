--- The twin of Ooctopus: its handler driven request by request, then a whole twin behind real sockets.
local core = require "moonwire.core"
local dump = require "moonwire.twin.dump"
local calls = require "spec.support.calls"
local process = require "spec.support.process"
local twin_client = require "spec.support.twin"
local twin = require "moonwire.twin"

local ACCOUNT = "/api/v1/accounts/1"

local ids = twin_client.ids

describe("the twin's desk", function()
    local state, send

    before_each(function()
        state = twin_client.state()
        send = twin_client.client(state)
    end)
    teardown(calls.quiet)

    local function get(path)
        local status, body = send("GET", ACCOUNT .. path)
        assert.equal(200, status)
        return body
    end

    local function post(path, fields)
        local status, body = send("POST", ACCOUNT .. path, fields)
        assert.equal(200, status, core.json_encode(body or {}))
        return body
    end

    describe("demo data", function()
        it("has 60 conversations on 3 pages, in 4 inboxes, of 40 contacts", function()
            local seen, inboxes, count = {}, {}, 0
            for page, size in ipairs { 25, 25, 10, 0 } do
                local list = get("/conversations?page=" .. page).data.payload
                assert.equal(size, #list)
                for _, conversation in ipairs(list) do
                    assert.is_nil(seen[conversation.id])
                    seen[conversation.id] = true
                    inboxes[conversation.inbox_id] = true
                    count = count + 1
                end
            end
            assert.equal(60, count)
            assert.equal(4, #inboxes)
            assert.equal(40, get("/contacts").meta.count)
            assert.equal(6, #get "/agents")
            assert.equal(3, #get "/teams")
            assert.equal(11, #get("/labels").payload)
        end)

        it("is the same every time, whatever the clock says", function()
            local other = twin_client.client(twin.new { data = "demo", now = function() return 0 end })
            for _, path in ipairs { "/conversations?page=2", "/contacts?page=3", "/conversations/35/messages" } do
                local _, first = send("GET", ACCOUNT .. path)
                local _, second = other("GET", ACCOUNT .. path)
                assert.same(first, second)
            end
        end)

        it("holds together: every conversation has a contact that its inbox reaches", function()
            for id = 1, 60 do
                local conversation = get("/conversations/" .. id)
                local contact = get("/contacts/" .. conversation.meta.sender.id).payload.contact
                local reached = false
                for _, link in ipairs(contact.contact_inboxes) do
                    reached = reached or link.inbox.id == conversation.inbox_id
                end
                assert.is_true(reached, "conversation " .. id)
                assert.equal(id, conversation.messages[1].conversation_id)
            end
        end)

        it("may be left out", function()
            local empty = twin_client.client(twin.new { data = "empty" })
            local _, list = empty("GET", ACCOUNT .. "/conversations?status=all")
            assert.same({}, list.data.payload)
            assert.equal(1, #select(2, empty("GET", ACCOUNT .. "/agents")))
            local refused = calls.failing("invalid", twin.new, { data = "large" })
            assert.equal("twin.start: there is no data 'large'; give demo, empty, a file.json, or a snapshot",
                refused.message)
        end)
    end)

    describe("conversations", function()
        it("are narrowed by whose they are, and counted", function()
            local meta = get("/conversations").data.meta
            assert.equal(60, meta.all_count)
            assert.equal(60, meta.assigned_count + meta.unassigned_count)
            assert.equal(1, meta.mine_count)
            for kind, count in pairs { me = 1, assigned = 12, unassigned = 48 } do
                local found = 0
                for page = 1, 3 do
                    local list = get(("/conversations?assignee_type=%s&page=%d"):format(kind, page)).data.payload
                    found = found + #list
                    for _, conversation in ipairs(list) do
                        assert.equal(kind ~= "unassigned", conversation.meta.assignee ~= nil)
                    end
                end
                assert.equal(count, found)
            end
        end)

        it("are narrowed by inbox, team, labels, text and status together", function()
            local dealer = get("/conversations?inbox_id=4&labels%5B%5D=order&labels[]=shipping").data
            assert.same({ 49, 5, 1 }, ids(dealer.payload))
            assert.same({ 49, 19, 8, 5, 1 }, ids(get("/conversations?team_id=3").data.payload))
            assert.same({ 35 }, ids(get("/conversations?q=SENSOR%20am+Hinterrad").data.payload))
            assert.same({}, get("/conversations?status=resolved").data.payload)
            post("/conversations/35/toggle_status", { status = "resolved" })
            assert.same({ 35 }, ids(get("/conversations?status=resolved").data.payload))
            assert.equal(59, get("/conversations/meta").meta.all_count)
            assert.equal(60, get("/conversations/meta?status=all").meta.all_count)
        end)

        it("refuse a filter that is none", function()
            assert.equal(400, (send("GET", ACCOUNT .. "/conversations?status=closed")))
            assert.equal(400, (send("GET", ACCOUNT .. "/conversations?page=two")))
            assert.equal(200, (send("GET", ACCOUNT .. "/conversations?page=")))
        end)

        it("are assigned to a team and an agent, and given back", function()
            assert.equal("technical", post("/conversations/60/assignments", { team_id = 2 }).name)
            assert.equal("Jonas Keller", post("/conversations/60/assignments", { assignee_id = "2" }).name)
            local meta = get("/conversations/60").meta
            assert.equal("technical", meta.team.name)
            assert.equal("Jonas Keller", meta.assignee.name)
            local status, _, text = send("POST", ACCOUNT .. "/conversations/60/assignments",
                { assignee_id = core.null })
            assert.equal(200, status)
            assert.equal("null", text)
            meta = get("/conversations/60").meta
            assert.is_nil(meta.assignee)
            assert.equal("technical", meta.team.name)
            assert.equal(404, (send("POST", ACCOUNT .. "/conversations/60/assignments", { team_id = 99 })))
            assert.equal(404, (send("POST", ACCOUNT .. "/conversations/99/assignments", { team_id = 1 })))
        end)

        it("have their labels replaced as a whole", function()
            assert.same({ "vip" }, get("/conversations/40/labels").payload)
            assert.same({ "order", "bug" }, post("/conversations/40/labels", { labels = { "order", "bug", "bug" } })
                .payload)
            assert.same({ "order", "bug" }, get("/conversations/40").labels)
            local _, _, text = send("POST", ACCOUNT .. "/conversations/40/labels", { labels = core.array {} })
            assert.equal('{"payload":[]}', text)
        end)

        it("begin with a contact of the inbox, and with a message", function()
            local made = post("/conversations", {
                source_id = "nimbus-1-10",
                inbox_id = "1",
                team_id = "2",
                message = { content = "Hello Anna" },
            })
            assert.equal(61, made.id)
            assert.equal("Anna Schreiber", made.meta.sender.name)
            assert.equal("technical", made.meta.team.name)
            assert.equal("Hello Anna", get("/conversations/61/messages").payload[1].content)
            assert.equal(61, get("/conversations").data.payload[1].id)
            assert.equal(404, (send("POST", ACCOUNT .. "/conversations", { source_id = "x", inbox_id = "1" })))
            local other = post("/conversations", { source_id = "new", inbox_id = 2, contact_id = 10 })
            assert.equal("Anna Schreiber", other.meta.sender.name)
            assert.same(other.id, post("/conversations", { source_id = "new", inbox_id = 2 }).id - 1)
        end)
    end)

    describe("messages", function()
        it("come 20 at a time, the latest first page, each in order", function()
            local latest = get("/conversations/35/messages").payload
            assert.equal(20, #latest)
            local older = get("/conversations/35/messages?before=" .. latest[1].id).payload
            assert.equal(6, #older)
            assert.equal("Hallo, mein Rad piept nach dem Einschalten dreimal.", older[1].content)
            assert.is_true(older[6].id < latest[1].id)
            for i = 2, #latest do
                assert.is_true(latest[i - 1].id < latest[i].id)
            end
            assert.same({}, get("/conversations/35/messages?before=" .. older[1].id).payload)
        end)

        it("are written as answers and as private notes, in the name of the token", function()
            local note = post("/conversations/60/messages", { content = "spare wheel?", private = true })
            assert.is_true(note.private)
            assert.equal("outgoing", note.message_type)
            assert.equal("Ada Brandt", note.sender.name)
            assert.equal(1800000000, note.created_at)
            local status, sent = send("POST", ACCOUNT .. "/conversations/60/messages",
                { content = "beep" }, { ["api-access-token"] = "twin-bot-token" })
            assert.equal(200, status)
            assert.equal("agent_bot", sent.sender.type)
            local list = get("/conversations/60/messages").payload
            assert.same({ note.id, sent.id }, { list[#list - 1].id, list[#list].id })
        end)

        it("are no longer than 150,000 characters, whoever writes them", function()
            local longest = ("\u{e9}"):rep(150000)
            local door = "/public/api/v1/inboxes/nimbus-dealers/contacts"
            local _, visitor = send("POST", door, {}, {})
            local conversations = ("%s/%s/conversations"):format(door, visitor.source_id)
            local _, opened = send("POST", conversations, {}, {})
            local ways = {
                { "/conversations/60/messages", function(text) return { content = text } end },
                { "/conversations", function(text)
                    return { source_id = "nimbus-1-10", inbox_id = 1, message = { content = text } }
                end },
                { ("%s/%d/messages"):format(conversations, opened.id), function(text) return { content = text } end },
            }
            for _, way in ipairs(ways) do
                local target = way[1]:find "^/public" and way[1] or ACCOUNT .. way[1]
                assert.equal(200, (send("POST", target, way[2](longest))), target)
                local status, body = send("POST", target, way[2](longest .. "!"))
                assert.equal(422, status)
                assert.same({ "content" }, body.attributes)
            end
        end)

        it("are the contact's own words only where a program carries them", function()
            local words = { content = "Hello?", message_type = "incoming" }
            local status, body = send("POST", ACCOUNT .. "/conversations/2/messages", words)
            assert.equal(422, status)
            assert.same({ error = "Incoming messages are only allowed in Api inboxes" }, body)
            local said = post("/conversations/1/messages", words)
            assert.equal("incoming", said.message_type)
            assert.equal("contact", said.sender.type)
        end)

        it("carry attachments that come as multipart", function()
            local parts = table.concat({
                '--b0u"', 'Content-Disposition: form-data; name="content"', "", "see here",
                '--b0u"', 'Content-Disposition: form-data; name="private"', "", "true",
                '--b0u"', 'Content-Disposition: form-data; name="attachments[]"; filename="a b.png"',
                "Content-Type: image/png", "", "\137PNG\r\n--b0\0", '--b0u"',
                'content-disposition: form-data; name="attachments[]"; filename="empty.txt"', "", "", '--b0u"--', "",
            }, "\r\n"):gsub('b0u"', "b0u")
            local status, sent = send("POST", ACCOUNT .. "/conversations/60/messages", parts, {
                api_access_token = "twin-user-token",
                ["content-type"] = "multipart/form-data; boundary=b0u",
            })
            assert.equal(200, status)
            assert.equal("see here", sent.content)
            assert.is_true(sent.private)
            assert.same({
                { id = 1, file_name = "a b.png", file_type = "image/png", file_size = 11 },
                { id = 2, file_name = "empty.txt", file_type = "application/octet-stream", file_size = 0 },
            }, sent.attachments)
        end)

        it("stay as deleted where they were, and only in their conversation", function()
            local list = get("/conversations/35/messages").payload
            local path = "/messages/" .. list[20].id
            assert.equal(404, (send("DELETE", ACCOUNT .. "/conversations/34" .. path)))
            local status, _, text = send("DELETE", ACCOUNT .. "/conversations/35" .. path)
            assert.equal(200, status)
            assert.equal("", text)
            local last = get("/conversations/35").messages[1]
            assert.equal(list[20].id, last.id)
            assert.equal("This message was deleted", last.content)
            assert.is_true(last.content_attributes.deleted)
            assert.equal(404, (send("DELETE", ACCOUNT .. "/conversations/35/messages/999999")))
        end)
    end)

    describe("contacts", function()
        it("come 15 a page, sorted as asked", function()
            local seen = {}
            for page, size in ipairs { 15, 15, 10, 0 } do
                local list = get("/contacts?sort=-email&page=" .. page).payload
                assert.equal(size, #list)
                for _, contact in ipairs(list) do
                    seen[#seen + 1] = contact.payload.contact.email
                end
            end
            for i = 2, #seen do
                assert.is_true(seen[i - 1] > seen[i])
            end
            assert.equal(400, (send("GET", ACCOUNT .. "/contacts?sort=age")))
        end)

        it("are searched by name, e-mail, phone and identifier", function()
            assert.same({ 10 }, ids(get("/contacts/search?q=anna.SCHREIBER%40").payload))
            assert.same({ 8 }, ids(get("/contacts/search?q=%D9%84%D9%8A%D9%84%D9%89").payload))
            assert.same({ 20 }, ids(get("/contacts/search?q=%2B35315550101").payload))
            assert.equal(422, (send("GET", ACCOUNT .. "/contacts/search")))
        end)

        it("are created, changed and deleted with their conversations", function()
            local made = post("/contacts", { inbox_id = 1, name = "New", email = "new@mail.example" })
            assert.equal(41, made.id)
            assert.equal("new@mail.example", made.payload.contact.email)
            assert.equal(1, #made.payload.contact.contact_inboxes)
            local status, _, text = send("PUT", ACCOUNT .. "/contacts/41",
                { email = core.null, custom_attributes = { plan = "gold" } })
            assert.equal(204, status)
            assert.equal("", text)
            local contact = get("/contacts/41").payload.contact
            assert.equal(core.null, contact.email)
            assert.equal("gold", contact.custom_attributes.plan)
            assert.equal(1, #get("/contacts/39/conversations").payload)
            assert.equal(200, (send("DELETE", ACCOUNT .. "/contacts/39")))
            assert.equal(404, (send("GET", ACCOUNT .. "/contacts/39")))
            assert.equal(404, (send("GET", ACCOUNT .. "/conversations/26")))
            assert.equal(59, get("/conversations").data.meta.all_count)
        end)

        it("may be called by a number in an inbox", function()
            assert.equal("20", post("/contacts/1/contact_inboxes", { inbox_id = 4, source_id = 20 }).source_id)
            local again = { inbox_id = 4, source_id = "20" }
            assert.equal(422, (send("POST", ACCOUNT .. "/contacts/2/contact_inboxes", again)))
            assert.is_truthy(dump.read(dump.write(state.store)))
        end)

        it("are refused as records are: message and attributes", function()
            local status, body = send("POST", ACCOUNT .. "/contacts",
                { inbox_id = 1, email = "olivia.hart@mail.example" })
            assert.equal(422, status)
            assert.same({ message = "Email has already been taken", attributes = { "email" } }, body)
            for _, number in ipairs { "0049 30", "+0491511234", "+1", "+1234567890123456" } do
                status, body = send("PUT", ACCOUNT .. "/contacts/2", { phone_number = number })
                assert.equal(422, status, number)
                assert.same({ "phone_number" }, body.attributes)
            end
            assert.equal(204, (send("PUT", ACCOUNT .. "/contacts/2", { phone_number = "+123456789012345" })))
            assert.equal(204, (send("PUT", ACCOUNT .. "/contacts/1", { email = "olivia.hart@mail.example" })))
        end)
    end)

    describe("teams, inboxes and agents", function()
        it("know their members, on the documented and on the upstream path", function()
            local status, body = send("GET", "/accounts/1/teams/2/team_members")
            assert.equal(200, status)
            assert.same({ 3, 4 }, ids(body))
            assert.same({ 3, 4, 1 }, ids(post("/teams/2/team_members", { user_ids = { 1, 4 } })))
            assert.equal(200, (send("DELETE", ACCOUNT .. "/teams/2/team_members", { user_ids = { 3 } })))
            assert.same({ 4, 1 }, ids(get "/teams/2/team_members"))
            assert.same({ 6 }, ids(select(2, send("PATCH", ACCOUNT .. "/teams/2/team_members", { user_ids = { 6 } }))))
            assert.equal(422, (send("PATCH", ACCOUNT .. "/teams/2/team_members", { user_ids = { 60 } })))
            assert.same({ 5, 4 }, ids(select(2, send("PATCH", ACCOUNT .. "/inbox_members",
                { inbox_id = "4", user_ids = { 5, 4 } }))))
            assert.equal(200, (send("DELETE", ACCOUNT .. "/inbox_members/4", { inbox_id = "4", user_ids = { 5 } })))
            assert.equal(200, (send("DELETE", ACCOUNT .. "/inbox_members", { inbox_id = "4", user_ids = { 3 } })))
            assert.same({ 4 }, ids(get("/inbox_members/4").payload))
        end)

        it("lose an agent everywhere when it goes", function()
            assert.equal(200, (send("DELETE", ACCOUNT .. "/agents/3")))
            assert.same({ 4 }, ids(get "/teams/2/team_members"))
            assert.is_nil(get("/conversations/2").meta.assignee)
            assert.equal(404, (send("DELETE", ACCOUNT .. "/agents/3")))
            local made = post("/agents", { name = "Kim", email = "Kim@nimbus-bikes.example", role = "agent" })
            assert.equal(7, made.id)
            assert.equal("kim@nimbus-bikes.example", made.email)
            assert.equal(422, (send("POST", ACCOUNT .. "/agents",
                { name = "Kim", email = "kim@nimbus-bikes.example", role = "agent" })))
        end)

        it("make, rename and drop teams", function()
            assert.equal(4, post("/teams", { name = "Fleet" }).id)
            assert.equal(422, (send("PATCH", ACCOUNT .. "/teams/4", { name = "Sales" })))
            assert.equal("fleet 2", select(2, send("PATCH", ACCOUNT .. "/teams/4", { name = "Fleet 2" })).name)
            assert.equal(200, (send("DELETE", ACCOUNT .. "/teams/2")))
            assert.is_nil(get("/conversations/2").meta.team)
        end)

        it("tell inbox 2 from the list of inboxes", function()
            assert.equal("Support e-mail", get("/inboxes/2").name)
            assert.equal(4, #get("/inboxes").payload)
        end)

        it("leave out of an inbox what is null", function()
            local made = post("/inboxes", { name = "App", channel = {
                type = "api", webhook_url = core.null, welcome_title = core.null, greeting_enabled = false,
            } })
            assert.equal("", made.welcome_title)
            assert.is_nil(made.webhook_url)
            assert.is_false(made.greeting_enabled)
            local function change(channel)
                return send("PATCH", ("%s/inboxes/%d"):format(ACCOUNT, made.id),
                    { enable_auto_assignment = true, channel = channel })
            end
            local _, changed = change { webhook_url = "http://127.0.0.1:9/" }
            assert.equal("http://127.0.0.1:9/", changed.webhook_url)
            _, changed = change { webhook_url = core.null }
            assert.is_nil(changed.webhook_url)
            for name, wrong in pairs { webhook_url = "ftp://x", greeting_message = 1, greeting_enabled = "yes" } do
                local status, body = change { [name] = wrong }
                assert.equal(422, status)
                assert.same({ name }, body.attributes)
            end
        end)

        it("show who asks", function()
            for _, path in ipairs { "/profile", "/api/v1/profile" } do
                local status, body = send("GET", path)
                assert.equal(200, status)
                assert.equal("Nimbus Bikes", body.accounts[1].name)
            end
        end)

        it("register webhooks", function()
            local made = post("/webhooks", { url = "https://x.example/hook", subscriptions = { "message_created" } })
            assert.equal("https://x.example/hook", made.url)
            assert.equal(1, #get("/webhooks").payload.webhooks)
            assert.equal(422, (send("POST", ACCOUNT .. "/webhooks", { url = "https://x.example/hook" })))
            assert.equal(422, (send("POST", ACCOUNT .. "/webhooks", { url = "ftp://x.example" })))
            assert.equal(422, (send("POST", ACCOUNT .. "/webhooks",
                { url = "https://y.example", subscriptions = { "everything" } })))
            assert.equal(422, (send("POST", ACCOUNT .. "/webhooks",
                { url = "https://y.example", subscriptions = core.array {} })))
            assert.equal(8, #post("/webhooks", { url = "https://y.example" }).subscriptions)
            assert.equal(200, (send("DELETE", ACCOUNT .. "/webhooks/1")))
            assert.equal(404, (send("PATCH", ACCOUNT .. "/webhooks/1", { url = "https://z.example" })))
        end)
    end)

    describe("tokens", function()
        local function as(token, method, path)
            return send(method or "GET", path or ACCOUNT .. "/agents", nil, { api_access_token = token })
        end

        it("are asked for, known, and of the right kind", function()
            assert.equal(401, (as(nil)))
            assert.equal(401, (as ""))
            assert.equal(401, (as "twin-user-tokens"))
            assert.equal(401, (as "twin-bot-token"))
            assert.equal(401, (as "twin-platform-token"))
            assert.equal(401, (as "twin-circuit-token"))
            assert.equal(200, (as "twin-user-token"))
            local status, body = as "wrong"
            assert.equal(401, status)
            assert.same({ error = "Invalid Access Token" }, body)
            assert.equal(401, (as("twin-user-token", "GET", "/platform/api/v1/agent_bots")))
            assert.equal(200, (as("twin-platform-token", "GET", "/platform/api/v1/agent_bots")))
            assert.equal(404, (as(nil, "GET", "/public/api/v1/inboxes/x/contacts/y")))
        end)

        it("open the twin's account only", function()
            assert.equal(403, (as("twin-user-token", "GET", "/api/v1/accounts/2/agents")))
            assert.equal(404, (as("twin-user-token", "GET", "/api/v1/accounts/2/teams")))
        end)
    end)

    describe("routes", function()
        it("are there for every operation, under both of its paths", function()
            local count = 0
            for _, row in ipairs(core.operations "ooctopus") do
                local token = row.auth[1] and ("twin-%s-token"):format(row.auth[1])
                for _, template in ipairs { row.path, row.upstream } do
                    local path = template:gsub("{account_id}", "1"):gsub("{.-}", "999999")
                    local status = send(row.verb, path, nil, { api_access_token = token })
                    assert.is_true(status < 500 and status ~= 405 and status ~= 401,
                        ("%s %s: %d"):format(row.verb, path, status))
                end
                count = count + 1
            end
            assert.equal(107, count)
        end)

        it("are 404 where there is none and 405 for another verb", function()
            assert.equal(404, (send("GET", "/api/v1/nothing")))
            assert.equal(404, (send("GET", "/")))
            assert.equal(404, (send("GET", "")))
            assert.equal(404, (send("GET", "//api/v1/accounts/1/agents")))
            assert.equal(405, (send("PUT", ACCOUNT .. "/agents")))
        end)

        it("take percent-encoded segments and a slash too many", function()
            assert.equal(200, (send("GET", ACCOUNT .. "/%61gents/")))
            assert.equal(404, (send("GET", ACCOUNT .. "/contacts/1%2F")))
            assert.equal(404, (send("GET", ACCOUNT .. "/contacts/0x1")))
            assert.equal(404, (send("GET", ACCOUNT .. "/contacts/99999999999999999999")))
            assert.equal(400, (send("GET", ACCOUNT .. "/contacts/%zz")))
            assert.equal(400, (send("GET", ACCOUNT .. "/contacts?page=%")))
            assert.equal(200, (send("PATCH", ACCOUNT .. "/inboxes/1", { enable_auto_assignment = true })))
        end)
    end)

    describe("bodies", function()
        local function create(body)
            return send("POST", ACCOUNT .. "/agents", body)
        end

        it("that can't be read are 400", function()
            assert.equal(400, (create '{"name":'))
            assert.equal(400, (create "[1]"))
            assert.equal(400, (create "7"))
            assert.equal(400, (send("POST", ACCOUNT .. "/agents", "x",
                { api_access_token = "twin-user-token", ["content-type"] = "multipart/form-data" })))
            assert.equal(400, (send("POST", ACCOUNT .. "/agents", "x",
                { api_access_token = "twin-user-token", ["content-type"] = "multipart/form-data; boundary=y" })))
        end)

        it("are held against the row's fields", function()
            local cases = {
                { { name = "A", role = "agent" }, "email" },
                { { email = "a@b", name = core.null, role = "agent" }, "name" },
                { { email = 5, name = "A", role = "agent" }, "email" },
                { { email = "a@b", name = "A", role = "king" }, "role" },
                { { email = "a@b", name = "A", role = "agent", auto_offline = "yes" }, "auto_offline" },
            }
            for _, case in ipairs(cases) do
                local status, body = create(case[1])
                assert.equal(422, status)
                assert.same({ case[2] }, body.attributes)
            end
            assert.equal(422, (send("PATCH", ACCOUNT .. "/teams/1/team_members", { user_ids = { true } })))
            assert.equal(422, (send("POST", ACCOUNT .. "/inboxes", { name = "x", channel = { type = "fax" } })))
        end)

        it("leave nothing behind that can't be shown again", function()
            local function update(body, kind)
                return (send("PUT", ACCOUNT .. "/contacts/1", body, {
                    api_access_token = "twin-user-token",
                    ["content-type"] = kind or "application/json",
                }))
            end
            local FORM = "application/x-www-form-urlencoded"
            assert.equal(204, update('{"custom_attributes":{"a":' .. ('{"b":'):rep(47) .. "1" .. ("}"):rep(49)))
            assert.equal(400, update('{"custom_attributes":{"a":' .. ('{"b":'):rep(49) .. "1" .. ("}"):rep(51)))
            assert.equal(204, update("custom_attributes[list][]=1&custom_attributes[list][]=2", FORM))
            assert.equal(400, update("custom_attributes[c][]=1&custom_attributes[c][d]=2", FORM))
            assert.equal(400, update("custom_attributes[c][d]=1&custom_attributes[c][]=2", FORM))
            assert.equal(400, update("custom_attributes=1&custom_attributes[c]=2", FORM))
            assert.equal(400, update("custom_attributes" .. ("[a]"):rep(60) .. "=1", FORM))
            for _, number in ipairs { "1e999", "-1e999", "NaN", "Infinity", "9223372036854775807", "1e300" } do
                update('{"custom_attributes":{"n":' .. number .. "}}")
                assert.equal(1, get("/contacts/1").id)
            end
            assert.same({ "1", "2" }, get("/contacts/1").payload.contact.custom_attributes.list)
        end)

        it("never bring the twin down", function()
            local nested = ("["):rep(300) .. ("]"):rep(300)
            for _, row in ipairs(core.operations "ooctopus") do
                for _, body in ipairs {
                    '{"a":' .. nested .. "}", '{"payload":[null,1,"x",{}],"labels":[1]}', "\0", "{}",
                    '{"inbox_id":{},"user_ids":[[]],"contact_id":1.5,"custom_attributes":[[]],"content":"x"}',
                    '{"name":"\\u0000","email":"\\u0000@x","role":"agent","title":"","url":"http://"}',
                } do
                    local path = row.path:gsub("{.-}", "1")
                    local target = path .. "?q=%00&page=-9223372036854775808"
                    local status = send(row.verb, target, body, {
                        api_access_token = ("twin-%s-token"):format(row.auth[1]),
                    })
                    assert.is_true(status < 500, ("%s %s %d %s"):format(row.verb, path, status, body))
                end
            end
        end)
    end)
end)

describe("a running twin", function()
    after_each(calls.quiet)

    it("answers real clients of both services", function()
        local mw = require "moonwire"
        local running = twin.start { data = "demo" }
        local desk <close> = mw.ooctopus {
            url = running.ooctopus.url,
            account = running.ooctopus.account,
            token = running.tokens.user,
        }
        local circuit <close> = mw.circuit { url = running.circuit.url, token = running.circuit.token }
        local count = 0
        for _ in desk.conversations:each { status = "open" } do
            count = count + 1
        end
        assert.equal(60, count)
        local contact = desk.contacts:create { inbox_id = 1, name = "Über & Söhne", email = "ü+x@mail.example" }
        assert.equal("Über & Söhne", desk.contacts:search { q = "ü+x@" }.payload[1].name)
        assert.is_true(desk.contacts:update(contact.id, { name = "Neu" }))
        assert.equal("Neu", desk.contacts:get(contact.id).payload.contact.name)
        assert.is_true(desk.contacts:delete(contact.id))
        local folder = process.folder()
        local path = process.write(folder .. "/wheel photo.png", "\137PNG\r\n\0--x")
        local sent = desk.messages:create(60, { content = "see", private = true, attachments = { path, path } })
        process.remove(folder)
        assert.equal(2, #sent.attachments)
        assert.is_true(sent.private)
        assert.same({ id = 1, file_name = "wheel photo.png", file_type = "image/png", file_size = 10 }, sent.attachment)
        local missing = select(2, desk:safe().contacts:get(contact.id))
        assert.equal("not_found", missing.kind)
        local hook = circuit.webhooks:add { url = "https://x.example/a?b=c&d", filter = { "CONVERSATION.CREATE" } }
        assert.equal("https://x.example/a?b=c&d", hook.url)
        assert.same({ hook }, circuit.webhooks:list())
        assert.is_true(circuit.webhooks:remove(hook.id))
        running:stop()
        assert.is_truthy(select(2, desk:safe().contacts:get(1, nil, { retries = 0 })))
    end)
end)

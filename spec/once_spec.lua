--- `once`: what is made with a key is made once, whatever becomes of the answer, the call or the process.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local host = require "spec.support.host"
local mw = require "moonwire"
local process = require "spec.support.process"
local twin = require "moonwire.twin"

local folder, journal, t, desk

-- A client of the twin with a journal.
local function connect(options)
    local all = {}
    for _, source in ipairs { t.ooctopus, { journal = journal }, options or {} } do
        for name, value in pairs(source) do
            all[name] = value
        end
    end
    return mw.ooctopus(all)
end

local function open()
    folder = process.folder()
    journal = folder .. "/journal.db"
    t = twin.start()
    desk = connect()
end

local function close()
    desk:close()
    t:stop()
    process.remove(folder)
    calls.quiet()
end

-- How many requests of an operation the twin has had.
local function asked(operation)
    local count = 0
    for _, entry in ipairs(t:log()) do
        count = count + (entry.operation == operation and 1 or 0)
    end
    return count
end

local function stored(kind)
    return t.state.store:count(kind)
end

-- What can be made once: the call, and where the twin keeps it.
local made = {
    {
        name = "messages.create", kind = "messages", find = "messages.list",
        call = function(client, key, more)
            return client.messages:create(1, { content = "Welcome!" .. (more or "") }, { once = key })
        end,
        id = function(body) return body.id end,
    },
    {
        name = "contacts.create", kind = "contacts", find = "contacts.filter", label = "by identifier",
        call = function(client, key, more)
            return client.contacts:create({ inbox_id = 4, name = "Ada" .. (more or ""), identifier = "CRM-" .. key,
                email = key .. "@Example.com" }, { once = key })
        end,
        id = function(body) return body.payload.contact.id end,
    },
    {
        name = "contacts.create", kind = "contacts", find = "contacts.filter", label = "by email",
        call = function(client, key, more)
            return client.contacts:create({ inbox_id = 4, name = "Ada" .. (more or ""),
                email = key .. "@Example.com" }, { once = key })
        end,
        id = function(body) return body.payload.contact.id end,
    },
    {
        name = "teams.create", kind = "teams", find = "teams.list",
        call = function(client, key, more)
            return client.teams:create({ name = "Night " .. key, description = more or "shift" }, { once = key })
        end,
        id = function(body) return body.id end,
    },
    {
        name = "canned_responses.create", kind = "canned_responses", find = "canned_responses.list",
        call = function(client, key, more)
            return client.canned_responses:create({ short_code = key, content = more or "Hello" }, { once = key })
        end,
        id = function(body) return body.id end,
    },
    {
        name = "custom_attributes.create", kind = "custom_attributes", find = "custom_attributes.list",
        call = function(client, key, more)
            return client.custom_attributes:create({ attribute_key = key, attribute_display_name = more or "Plan",
                attribute_model = 1 }, { once = key })
        end,
        id = function(body) return body.id end,
    },
    {
        name = "agents.create", kind = "users", find = "agents.list",
        call = function(client, key, more)
            return client.agents:create({ name = more or "Grace", email = key .. "@Example.com", role = "agent" },
                { once = key })
        end,
        id = function(body) return body.id end,
    },
    {
        name = "webhooks.create", kind = "webhooks", find = "webhooks.list",
        call = function(client, key, more)
            return client.webhooks:create({ url = "http://127.0.0.1:9/" .. key,
                subscriptions = { more and "message_updated" or "message_created" } }, { once = key })
        end,
        id = function(body) return body.id end,
    },
    {
        name = "platform.account_users.create", kind = "account_users", find = "platform.account_users.list",
        call = function(client, key, more)
            local user = client.platform.users:create { name = key, email = key .. "@example.com" }
            return client.platform.account_users:create(1, { user_id = user.id, role = more or "agent" },
                { once = key })
        end,
        id = function(body) return body.user_id end,
    },
}

for _, row in ipairs(made) do
    describe("once: " .. row.name .. (row.label and ", " .. row.label or ""), function()
        before_each(open)
        after_each(close)

        it("makes one, and gives it again without sending anything", function()
            local before = stored(row.kind)
            local first, response = row.call(desk, "a-1")
            assert.equal("sent", response.once)
            assert.equal(1, response.attempts)
            local again, response_again = row.call(desk, "a-1")
            assert.same(first, again)
            assert.equal("done", response_again.once)
            assert.equal(0, response_again.attempts)
            assert.equal(200, response_again.status)
            assert.equal(before + 1, stored(row.kind))
            assert.equal(1, asked(row.name))
            assert.equal(0, asked(row.find))
        end)

        it("finds what an attempt without an answer has made", function()
            local before = stored(row.kind)
            t:fault(row.name .. ":drop-after-commit")
            local body, response = row.call(desk, "a-1")
            assert.equal("found", response.once)
            assert.equal(1, response.attempts)
            assert.equal(before + 1, stored(row.kind))
            t:fault(nil)
            local again, response_again = row.call(desk, "a-1")
            assert.same(body, again)
            assert.equal("done", response_again.once)
            local other, response_other = row.call(desk, "b-2")
            assert.equal("sent", response_other.once)
            assert.equal("number", math.type(row.id(body)) and "number")
            assert.not_equal(row.id(other), row.id(body))
            assert.equal(2, asked(row.name))
        end)

        it("finds it in the next call, with another client", function()
            local before = stored(row.kind)
            t:fault(row.name .. ":reset-after-commit")
            local hasty <close> = connect { retries = 0 }
            calls.failing("ambiguous", row.call, hasty, "a-1")
            local _, response = row.call(desk, "a-1")
            assert.equal("found", response.once)
            assert.equal(0, response.attempts)
            assert.equal(before + 1, stored(row.kind))
            assert.equal(1, asked(row.name))
        end)

        it("refuses a key that was given to something else", function()
            row.call(desk, "a-1")
            local failed = calls.failing("invalid", row.call, desk, "a-1", "!")
            assert.matches("the key 'a%-1' was used before for something else", failed.message)
            assert.equal("no", failed.sent)
            assert.equal(1, asked(row.name))
        end)
    end)
end

describe("once", function()
    before_each(open)
    after_each(close)

    local function create(key, options, client)
        local all = { once = key }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        return (client or desk).messages:create(1, { content = "Hi" }, all)
    end

    it("sends again what is not there", function()
        local before = stored "messages"
        t:fault "messages.create:drop:1/2"
        create "even"
        local _, response = create "odd"
        assert.equal("sent", response.once)
        assert.equal(2, response.attempts)
        assert.equal(before + 2, stored "messages")
        -- It is believed by a look that begins a while after the attempt.
        assert.is_true(response.waited >= 2)
        assert.is_true(asked "messages.list" >= 2)
    end)

    it("sends again what an earlier call did not get there", function()
        local before = stored "messages"
        t:fault "messages.create:drop"
        calls.failing("ambiguous", create, "a", { retries = 0 })
        t:fault(nil)
        local body, response = create "a"
        assert.equal("sent", response.once)
        assert.equal(before + 1, stored "messages")
        assert.equal(body.id, (create "a").id)
    end)

    it("looks within the timeout of its call", function()
        t:fault "messages.create:drop"
        calls.failing("ambiguous", create, "a", { retries = 0 })
        t:fault(nil)
        for i = 1, 200 do
            desk.messages:create(1, { content = "later " .. i })
        end
        t:fault "messages.list:delay=300ms"
        local before = stored "messages"
        calls.failing("timeout", create, "a", { timeout = 1 })
        assert.is_true(asked "messages.list" < 10)
        t:fault(nil)
        assert.equal("sent", select(2, create "a").once)
        assert.equal(before + 1, stored "messages")
    end)

    it("does not begin what the timeout would cut short", function()
        local before = stored "messages"
        t:fault "messages.create:drop"
        calls.failing("ambiguous", create, "a", { retries = 0 })
        t:fault(nil)
        local failed = calls.failing("timeout", create, "a", { timeout = 1 })
        assert.matches("no time is left to send it; call again with the same key", failed.message, 1, true)
        assert.equal("no", failed.sent)
        assert.equal(1, asked "messages.create")
        assert.equal("sent", select(2, create "a").once)
        assert.equal(before + 1, stored "messages")
    end)

    it("has time for looks that wait for their turn", function()
        t:fault "messages.create:drop:1/2"
        local paced <close> = connect { limits = { all = "2/4s" }, timeout = 3 }
        create("even", {}, paced)
        local _, response = create("odd", {}, paced)
        assert.equal("sent", response.once)
        assert.is_true(response.waited > 3)
    end)

    it("waits for what was sent late, after a long time in the queue", function()
        local before = stored "messages"
        local slow <close> = connect { limits = { write = "1/4s" }, retries = 0 }
        slow.messages:create(1, { content = "first" })
        t:fault "messages.create:delay=1s"
        calls.failing("ambiguous", create, "a", { timeout = 0.3 }, slow)
        t:fault(nil)
        assert.equal("found", select(2, create "a").once)
        assert.equal(before + 2, stored "messages")
    end)

    it("ends as ambiguous when the retries are used up, and stays an intent", function()
        local before = stored "messages"
        t:fault "messages.create:drop-after-commit"
        local failed = calls.failing("ambiguous", create, "a", { retries = 0 })
        assert.equal("unknown", failed.sent)
        assert.equal(before + 1, stored "messages")
        t:fault(nil)
        assert.equal("found", select(2, create "a").once)
        assert.equal(before + 1, stored "messages")
    end)

    it("looks again when the server says that it exists", function()
        local team = { name = "Night" }
        t:fault "teams.create:drop"
        local hasty <close> = connect { retries = 0 }
        calls.failing("ambiguous", hasty.teams.create, hasty.teams, team, { once = "a" })
        t:fault "teams.create:delay=300ms"
        local task = mw.spawn(desk.teams.create, desk.teams, team, { once = "a" })
        while asked "teams.create" < 2 do
            mw.sleep(0.05)
        end
        -- What the server was still at work on.
        t.state.store:insert("teams", { account_id = 1, name = "night", description = "", allow_auto_assign = true })
        local body, response = task:wait()
        assert.equal("found", response.once)
        assert.equal("night", body.name)
        -- Nothing was in the dark here, so it is somebody else's.
        t:fault(nil)
        calls.failing("rejected", desk.teams.create, desk.teams, team, { once = "b" })
    end)

    it("stays an intent when that look fails", function()
        local team = { name = "Night" }
        t:fault "teams.create:drop"
        local hasty <close> = connect { retries = 0 }
        calls.failing("ambiguous", hasty.teams.create, hasty.teams, team, { once = "a" })
        t:fault "teams.create:delay=300ms"
        local task = mw.spawn(desk.teams.create, desk.teams, team, { once = "a" })
        while asked "teams.create" < 2 do
            mw.sleep(0.05)
        end
        t.state.store:insert("teams", { account_id = 1, name = "night", description = "", allow_auto_assign = true })
        t:fault "teams.list:status=500"
        calls.failing("server", task.wait, task)
        t:fault(nil)
        assert.equal("found", select(2, desk.teams:create(team, { once = "a" })).once)
    end)

    it("behind a gateway that fails, looks as well", function()
        t:fault "messages.create:status=502"
        calls.failing("ambiguous", create, "a", { retries = 0 })
        t:fault(nil)
        assert.equal("sent", select(2, create "a").once)
        assert.is_true(asked "messages.list" > 0)
    end)

    it("takes the intent out when it is certain that nothing was made", function()
        local function refused(key)
            return desk.messages:create(999, { content = "Hi" }, { once = key })
        end
        calls.failing("not_found", refused, "a")
        assert.equal("sent", select(2, create "a").once) -- the key is free for something else
        assert.equal(0, asked "messages.list")
        local nowhere <close> = connect { url = "http://127.0.0.1:9", retries = 0 }
        assert.equal("no", calls.failing("network", create, "b", {}, nowhere).sent)
        assert.equal("no", calls.failing("network", create, "b", {}, nowhere).sent)
    end)

    it("keeps it when the server failed, or answered with something else", function()
        t:fault "messages.create:status=500"
        calls.failing("server", create, "a")
        t:fault "messages.create:html"
        calls.failing("decode|ambiguous", create, "b")
        t:fault(nil)
        local before = stored "messages"
        create "a"
        create "b"
        assert.equal(before + 2, stored "messages")
        assert.is_true(asked "messages.list" >= 2)
    end)

    it("looks through older pages, up to the time of the intent", function()
        t:fault "messages.create:drop-after-commit"
        calls.failing("ambiguous", create, "a", { retries = 0 })
        t:fault(nil)
        for i = 1, 50 do
            desk.messages:create(1, { content = "later " .. i })
        end
        local before = stored "messages"
        assert.equal("found", select(2, create "a").once)
        assert.equal(before, stored "messages")
        assert.equal(3, asked "messages.list")
    end)

    it("keeps the mark apart from what the caller puts beside it", function()
        t:fault "messages.create:drop-after-commit"
        local body, response = desk.messages:create(1, { content = "Hi", content_attributes = { plan = "gold" } },
            { once = "a" })
        assert.equal("found", response.once)
        assert.equal("gold", body.content_attributes.plan)
        assert.equal("string", type(body.content_attributes.moonwire_once))
        local failed = calls.failing("invalid", desk.messages.create, desk.messages, 1,
            { content = "Hi", content_attributes = { moonwire_once = "x" } }, { once = "b" })
        assert.matches("`once` keeps a mark in 'content_attributes', which must be a table without 'moonwire_once'",
            failed.message, 1, true)
    end)

    it("tells accounts apart, not the ways of naming one", function()
        create "a"
        assert.equal("done", select(2, create("a", { account_id = 1 })).once)
        assert.matches("something else", calls.failing("invalid", create, "a", { account_id = 2 }).message)
    end)

    it("takes parameters in any order", function()
        local fields = { { "content", "Hi" }, { "private", true }, { "message_type", "outgoing" },
            { "content_attributes", { a = 1, b = { 1, 2 } } } }
        for round = 1, 4 do
            local params = {}
            for i = 1, #fields do
                local field = fields[(i + round) % #fields + 1]
                params[field[1]] = field[2]
            end
            local _, response = desk.messages:create(1, params, { once = "a" })
            assert.equal(round == 1 and "sent" or "done", response.once)
        end
    end)

    it("compares as the server does", function()
        t:fault "*:drop-after-commit:1/1000000"
        desk.teams:create { name = "Équipe Ü" }
        local hasty <close> = connect { retries = 0 }
        t:fault "agents.create:drop-after-commit"
        calls.failing("ambiguous", hasty.agents.create, hasty.agents,
            { name = "G", email = "Grace@EXAMPLE.com", role = "agent" }, { once = "a" })
        local agent, response = desk.agents:create({ name = "G", email = "Grace@EXAMPLE.com", role = "agent" },
            { once = "a" })
        assert.equal("found", response.once)
        assert.equal("grace@example.com", agent.email)
    end)

    it("takes keys of 1 to 200 bytes without control characters", function()
        for _, key in ipairs { "", ("x"):rep(201), "a\nb", "a\127", "\xff" } do
            assert.matches("`once` must be a key of 1 to 200 bytes, UTF-8 without control characters",
                calls.failing("invalid", create, key).message, 1, true)
        end
        for _, key in ipairs { 7, true, {} } do
            assert.matches("option 'once' must be a string", calls.failing("invalid", create, key).message, 1, true)
        end
        assert.equal("sent", select(2, create(("ä"):rep(100))).once)
        assert.equal("done", select(2, create(("ä"):rep(100))).once)
    end)

    it("wants a journal", function()
        local plain <close> = t:connect "ooctopus"
        local failed = calls.failing("invalid", create, "a", {}, plain)
        assert.matches('`once` needs a file that remembers what was made: give the client one (journal = "PATH")',
            failed.message, 1, true)
        assert.equal(0, asked "messages.create")
        assert.matches("option 'journal' must be the path of a file",
            calls.failing("invalid", connect, { journal = "" }).message, 1, true)
        local forgetful <close> = connect { journal = ":memory:" }
        assert.equal("sent", select(2, create("a", {}, forgetful)).once)
        assert.equal("done", select(2, create("a", {}, forgetful)).once)
    end)

    it("says what a journal is not", function()
        process.write(journal, "not a journal, though it is long enough to be one: " .. ("x"):rep(100))
        local failed = calls.failing("invalid", create, "a")
        assert.matches("can't open '.*/journal.db': it is not a journal; give another file", failed.message)
        assert.equal("no", failed.sent)
        assert.equal(0, asked "messages.create")
    end)

    it("refuses what the policy does not let it look for, before anything is sent", function()
        local narrow <close> = connect { policy = { allow = { "ooctopus:messages.create" } } }
        local failed = calls.failing("denied", create, "a", {}, narrow)
        assert.matches("messages:create: `once` has to look whether it is there; messages:list", failed.message, 1,
            true)
        assert.equal(0, #t:log())
        local wide <close> = connect { policy = { allow = { "ooctopus:messages.create", "ooctopus:messages.list" } } }
        assert.equal("sent", select(2, create("a", {}, wide)).once)
        local bot <close> = mw.ooctopus { url = t.ooctopus.url, account = 1, bot_token = t.tokens.bot,
            journal = journal }
        assert.matches("`once` has to look whether it is there; messages:list: needs a token of kind user",
            calls.failing("invalid", create, "b", {}, bot).message, 1, true)
    end)

    it("counts its looks, and ends where the budget does", function()
        t:fault "messages.create:drop-after-commit"
        local poor <close> = connect { policy = { max_calls = 1 } }
        local failed = calls.failing("ambiguous", create, "a", {}, poor)
        assert.matches("a look with messages:list failed: .*budget", failed.message)
        assert.equal("found", select(2, create "a").once)
    end)

    it("is checked in a dry run, and no more", function()
        local dry <close> = connect { policy = { dry_run = true } }
        local _, response = create("a", {}, dry)
        assert.is_nil(response.once)
        assert.equal(0, #t:log())
        assert.equal("sent", select(2, create "a").once)
        assert.matches("`once` needs something", calls.failing("invalid", dry.conversations.create, dry.conversations,
            { source_id = "x", inbox_id = "4" }, { once = "a" }).message)
    end)

    it("lets one of two calls with the same key go", function()
        t:fault "messages.create:delay=100ms"
        local before = stored "messages"
        local first = mw.spawn(create, "a")
        mw.sleep(0.02)
        local other <close> = connect()
        for _, client in ipairs { desk, other } do
            local failed = calls.failing("invalid", create, "a", {}, client)
            assert.matches("another call with the key 'a' is under way; wait until it has ended", failed.message)
        end
        assert.equal("sent", select(2, first:wait()).once)
        assert.equal("done", select(2, create("a", {}, other)).once)
        assert.equal(before + 1, stored "messages")
    end)

    it("is ended by a cancel, in whatever it does", function()
        t:fault { "messages.list:delay=500ms", "messages.create:drop-after-commit" }
        for _, wait in ipairs { 0, 0.05, 0.3 } do
            local task = mw.spawn(create, "key " .. wait)
            mw.sleep(wait)
            task:cancel()
            calls.failing("cancelled|ambiguous", task.wait, task)
        end
        local task = mw.spawn(pcall, create, "last")
        mw.sleep(0.3)
        desk:close()
        assert.is_false((task:wait()))
        desk = connect()
        mw.sleep(0.6) -- the twin's own waits
    end)

    it("makes exactly 1,000 messages where every tenth answer is lost", function()
        local before = stored "messages"
        t:fault "messages.create:drop-after-commit:10%"
        local numbers = {}
        for i = 1, 1000 do
            numbers[i] = i
        end
        local found, ids = 0, {}
        local function one(i)
            local body, response = desk.messages:create(1 + i % 8, { content = "No. " .. i }, { once = "no-" .. i })
            ids[body.id] = true
            found = found + (response.once == "found" and 1 or 0)
        end
        mw.map(numbers, one, { concurrency = 16 })
        assert.equal(before + 1000, stored "messages")
        assert.equal(1000, asked "messages.create")
        local distinct = 0
        for _ in pairs(ids) do
            distinct = distinct + 1
        end
        assert.equal(1000, distinct)
        assert.is_true(found > 50, found .. " were found")
    end)
end)

describe("once, over all operations", function()
    before_each(open)
    after_each(close)

    it("has a way, or refuses", function()
        local ways = {}
        for _, row in ipairs(made) do
            ways[row.name] = true
        end
        local refusing = 0
        for _, row in ipairs(core.operations "ooctopus") do
            local name = row.module .. "." .. row.method
            assert.equal(ways[name] or false, row.once ~= nil, name)
            if not row.once then
                local params = { extra = { x = 1 } }
                for _, field in ipairs(row.path_params) do
                    if field.name ~= "account_id" or not row.takes_account then
                        params[field.name] = 1
                    end
                end
                for _, field in ipairs(row.body and row.body.fields or {}) do
                    if field.required then
                        params[field.name] = ({ string = field.values and field.values[1] or "1", integer = 1,
                            number = 1, boolean = true, array = { 1 }, object = { content = "x" } })[field.type]
                    end
                end
                for _, field in ipairs(row.query) do
                    if field.required then
                        params[field.name] = field.values and field.values[1] or "1"
                    end
                end
                local failed = calls.failing("invalid", desk.call, desk, row.id, params, { once = "a" })
                assert.matches("`once` needs something to find the object by, and this operation has nothing",
                    failed.message, 1, true)
                refusing = refusing + 1
            end
        end
        assert.equal(0, #t:log())
        assert.is_true(refusing > 90)
        assert.matches("POST /x: `once` is for operations",
            calls.failing("invalid", desk.request, desk, "POST", "/x", {}, { once = "a" }).message, 1, true)
    end)

    it("needs the field that it finds by", function()
        local failed = calls.failing("invalid", desk.contacts.create, desk.contacts, { inbox_id = 4, email = "" },
            { once = "a" })
        assert.equal("contacts:create: `once` finds the object again by its identifier or email: give one",
            failed.message)
        assert.equal(0, #t:log())
    end)
end)

describe("once, in processes", function()
    local MESSAGES <const> = 30

    local script = [[
        local mw = require "moonwire"
        local desk = mw.connect "ooctopus"
        for i = 1, ]] .. MESSAGES .. [[ do
            print("message " .. i)
            desk.messages:create(1, { content = "No. " .. i }, { once = "no-" .. i })
        end
        print "all"
    ]]

    local function contents(client)
        local list = {}
        for message in client.messages:each(1) do
            if message.content:find "^No%. " then
                list[#list + 1] = message.content
            end
        end
        table.sort(list)
        return list
    end

    local function expected()
        local list = {}
        for i = 1, MESSAGES do
            list[i] = "No. " .. i
        end
        table.sort(list)
        return list
    end

    for _, flag in ipairs { "--sandbox=on", "--sandbox=off" } do
        it("survives kill -9 between request and answer, 20 times, with " .. flag, function()
            local place = process.folder()
            local path = process.write(place .. "/script.lua", script)
            local program, env = host.twin("--fault", "messages.create:delay=60ms")
            env.XDG_STATE_HOME = place .. "/state"
            local words = { "run", "--allow=*:*", path }
            if flag == "--sandbox=off" then
                table.insert(words, 2, flag)
            end
            for round = 1, 20 do
                local run = host.start(words, "^message " .. round .. "$", env, "/dev/null")
                os.execute(("unset LD_PRELOAD; sleep 0.0%d"):format(round % 9))
                run:signal "KILL"
                assert.equal(128 + 9, run:wait())
            end
            local output, errors, code = host.run(words, { env = env })
            assert.equal("", (errors:gsub("moonwire: run: sandbox off[^\n]*\n", "")))
            assert.equal(0, code)
            assert.matches("\nall\n$", output)
            local client <close> = mw.ooctopus { url = env.OOCTOPUS_URL, account = env.OOCTOPUS_ACCOUNT_ID,
                token = env.OOCTOPUS_TOKEN }
            assert.same(expected(), contents(client))
            program:stop()
            process.remove(place)
        end)
    end

    it("is made by one of several that race for it", function()
        local place = process.folder()
        local program, env = host.twin("--fault", "messages.create:delay=5ms")
        env.XDG_STATE_HOME = place .. "/state"
        local path = process.write(place .. "/script.lua", script:gsub("desk%.messages:create(%b())", [[
            for _ = 1, 500 do
                local made, err = desk:safe().messages:create%1
                if made then break end
                if not err.message:find "is under way" then error(err) end
                mw.sleep(0.01)
            end]]))
        local runs = {}
        for i = 1, 4 do
            runs[i] = host.start({ "run", "--allow=*:*", path }, "^message 1$", env)
        end
        for _, run in ipairs(runs) do
            assert.equal(0, run:wait(60))
        end
        local client <close> = mw.ooctopus { url = env.OOCTOPUS_URL, account = env.OOCTOPUS_ACCOUNT_ID,
            token = env.OOCTOPUS_TOKEN }
        assert.same(expected(), contents(client))
        program:stop()
        process.remove(place)
    end)

    it("forgets with the twin that a run has for itself", function()
        local place = process.folder()
        local text = [[
            local mw = require "moonwire"
            local desk = mw.connect "ooctopus"
            for _ = 1, 2 do
                local _, response = desk.messages:create(1, { content = "Hi" }, { once = "hi" })
                print(response.once, response.attempts)
            end
        ]]
        for _ = 1, 2 do
            local output, errors = host.allowed(text, { flags = { "--twin" }, env = { XDG_STATE_HOME = place } })
            assert.equal("", errors)
            assert.equal("sent\t1\ndone\t0\n", output)
        end
        assert.is_nil(process.read(place .. "/moonwire/journal.db"))
        process.remove(place)
    end)
end)

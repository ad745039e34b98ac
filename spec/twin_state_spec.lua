--- What a twin keeps in a state file: every change of every operation, whatever ends the process, and nothing of what
--- failed. Real files, real processes; the file's own rules are in documents_spec.lua.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local dump = require "moonwire.twin.dump"
local host = require "spec.support.host"
local mw = require "moonwire"
local operations = require "spec.support.operations"
local process = require "spec.support.process"
local twin = require "moonwire.twin"
local twin_client = require "spec.support.twin"

local folder, path, program

local function start(...)
    program = host.start({ "twin", "--state", path, ... }, "^export CIRCUIT_TOKEN=", nil, folder .. "/errors")
    return host.settings(program)
end

local function stop()
    assert.equal(0, program:stop())
end

-- What is in a folder besides what the spec itself puts there.
local function names()
    local output = process.run({ "ls", "-A", folder }):gsub("errors\n", "")
    return (output:gsub("\n", " "))
end

local function desk_of(settings)
    return mw.ooctopus { url = settings.OOCTOPUS_URL, account = 1, token = settings.OOCTOPUS_TOKEN,
        retries = 0 }
end

local function circuit_of(settings)
    return mw.circuit { url = settings.CIRCUIT_URL, token = settings.CIRCUIT_TOKEN, retries = 0 }
end

-- Asks the control route; a body makes it a POST.
local function control(settings, route, body)
    local words = { "curl", "--silent", "--show-error", "--fail-with-body", "--header",
        "X-Twin-Token: twin-control-token", settings.OOCTOPUS_URL .. "/_twin/" .. route }
    if body then
        table.move({ "--data-binary", "@-" }, 1, 2, #words + 1, words)
    end
    local output, errors, code = process.run(words, { input = body })
    assert(code == 0, errors .. output)
    return output
end

-- The records as text of the same form, wherever they come from.
local function snapshot(settings)
    return twin.export { data = core.json_decode(control(settings, "snapshot")) }
end

local function export(...)
    local output, errors, code = host.run { "twin", "export", ... }
    assert(code == 0, errors)
    assert.equal("", errors)
    return output
end

local function records(text)
    return core.json_decode(text).tables
end

-- Two states, without a page of either when they differ.
local function assert_same(expected, found)
    if expected ~= found then
        local line, lines = 0, found:gmatch "[^\n]*"
        for text in expected:gmatch "[^\n]*" do
            line = line + 1
            local other = lines()
            assert(text == other, ("line %d is\n%s\nand was\n%s"):format(line, other, text))
        end
        error "there is more than there was"
    end
end

local function dump_of(state)
    return twin.export { data = dump.write(state.store) }
end

local function refused(message, code, ...)
    local _, errors, found = host.run { "twin", ... }
    local text = errors:match "^moonwire: twin: ([^\n]*)\n$"
    assert(text and text:find(message, 1, true), errors)
    assert.equal(code, found)
end

describe("a state file", function()
    before_each(function()
        folder = process.folder()
        path = folder .. "/x.state"
    end)
    after_each(function()
        if program then
            program:stop()
            program = nil
        end
        process.remove(folder)
        calls.quiet()
    end)

    it("has what each operation changes", function()
        -- What reads by POST, and what changes by GET.
        local other = { ["contacts.filter"] = true, ["conversations.filter"] = true,
            ["platform.users.sso_link"] = true }
        -- Where a good call would find everything as it wants it already.
        local bodies = {
            ["agents.update"] = { role = "administrator" },
            ["automation_rules.update"] = { name = "Bills" },
            ["custom_filters.update"] = { name = "Anna and others" },
            ["inboxes.add_members"] = { inbox_id = "4", user_ids = { 3 } },
            ["inboxes.set_agent_bot"] = { agent_bot = core.null },
            ["platform.accounts.update"] = { name = "Other" },
        }
        local count = 0
        for _, row in ipairs(operations.rows()) do
            local state, send = operations.state { state = path }
            local before = dump_of(state)
            local status, body = send(row.verb, operations.target(row), bodies[row.name] or operations.body(row),
                operations.headers(row, operations.TOKENS[operations.kind(row)]))
            assert(status < 300, ("%s: %d %s"):format(row.name, status, core.json_encode(body or {})))
            local after = dump_of(state)
            state:stop()
            local again = twin.new { state = path }
            assert_same(after, dump_of(again))
            again:stop()
            os.remove(path)
            local changes = (row.verb ~= "GET") ~= (other[row.name] or false)
            assert.equal(changes, before ~= after, row.name)
            count = count + (changes and 1 or 0)
        end
        assert.is_true(count > 60)
    end)

    it("is there again after a restart, with all that a client has done", function()
        local settings = start()
        local output, errors, code = host.allowed({ "spec/interop/moonwire_side.lua", "spec/interop/calls.json",
            "ooctopus" },
            { env = settings, flags = { "--allow-read=spec/interop", "--allow-env=OOCTOPUS_ACCOUNT_ID" } })
        assert(code == 0, output .. errors)
        assert.matches("107 of 107 operations passed", output)
        do
            local circuit <close> = circuit_of(settings)
            circuit.webhooks:add { url = "http://127.0.0.1:9/a", filter = { "CONVERSATION.CREATE" } }
        end
        control(settings, "clock", '{"advance": "2h"}')
        local before = snapshot(settings)
        stop()
        assert.equal("x.state ", names())
        assert_same(before, export("--state", path))
        settings = start("--data", "empty") -- which fills a new file only
        assert_same(before, snapshot(settings))
        local now = core.json_decode(control(settings, "")).time
        assert.is_true(math.abs(now - 7200 - core.time()) < 60)
        stop()
        assert_same(before, export("--state", path))
    end)

    it("is filled by --data when it is new", function()
        local settings = start("--data", "empty")
        assert_same(export("--data", "empty"), snapshot(settings))
        stop()
        assert_same(export("--data", "empty"), export("--state", path))
        local other = process.write(folder .. "/data.json", export("--data", "demo"))
        os.remove(path)
        start("--data", other)
        stop()
        assert_same(export(), export("--state", path))
        process.write(other, export("--state", path))
        assert_same(export(), export("--data", other))
    end)

    it("gives no number twice, whatever was removed", function()
        local settings = start()
        local added = { url = "http://127.0.0.1:9/", filter = { "CONVERSATION.CREATE" } }
        local id, hook
        do
            local desk <close> = desk_of(settings)
            local circuit <close> = circuit_of(settings)
            id = desk.teams:create({ name = "night" }).id
            desk.teams:delete(id)
            hook = circuit.webhooks:add(added).id
            circuit.webhooks:remove(hook)
        end
        stop()
        settings = start()
        local desk <close> = desk_of(settings)
        local circuit <close> = circuit_of(settings)
        assert.equal(id + 1, desk.teams:create({ name = "day" }).id)
        assert.not_equal(hook, circuit.webhooks:add(added).id)
    end)

    it("keeps a restored snapshot, also without what it lacks", function()
        local settings = start()
        local before = control(settings, "snapshot")
        do
            local desk <close> = desk_of(settings)
            desk.contacts:delete(1)
            desk.teams:create { name = "night" }
        end
        control(settings, "restore", before)
        stop()
        assert_same(export(), export("--state", path))
        settings = start()
        control(settings, "restore", export("--data", "empty"))
        stop()
        assert_same(export("--data", "empty"), export("--state", path))
    end)

    it("is not touched by a snapshot that is wrong", function()
        local settings = start("--data", "empty")
        for _, body in ipairs { "", "{", "[]", '{"format":"moonwire-twin","version":1,"tables":{"\255":[]}}',
            '{"format":"moonwire-twin","version":1,"tables":{"teams":[{"id":1,"account_id":9,"name":"x"}]}}',
            export():gsub('"contact_id":1,', '"contact_id":99,') } do
            local output = process.run({ "curl", "--silent", "--write-out", "\n%{http_code}", "--header",
                "X-Twin-Token: twin-control-token", "--data-binary", "@-", settings.OOCTOPUS_URL .. "/_twin/restore" },
                { input = body })
            local text, status = output:match "^(.*)\n(%d+)$"
            assert.is_true(status == "400" or status == "422", output)
            assert.is_string(core.json_decode(text).error)
        end
        assert_same(export("--data", "empty"), snapshot(settings))
        stop()
        assert_same(export("--data", "empty"), export("--state", path))
    end)

    it("lets one twin in at a time", function()
        start()
        local busy = ("can't open '%s': it is in use by another process"):format(path)
        refused("can't start the twin: " .. busy, 2, "--state", path)
        refused(busy, 2, "export", "--state", path)
        stop()
        local one <close> = twin.start { state = path }
        local message = calls.failing("invalid", twin.start, { state = path }).message
        assert.truthy(message:find(busy, 1, true), message)
        refused(busy, 2, "--state", path)
        assert.equal(200, (twin_client.client(one.state)("GET", "/api/v1/accounts/1/contacts/1")))
    end)

    it("is closed by stop, and by a start that fails", function()
        local t = twin.start { state = path }
        local desk = t:connect "ooctopus"
        desk.contacts:update(1, { name = "Ada" })
        t:advance "1d"
        desk:close()
        local url = t.url
        t:stop()
        assert.equal("x.state ", names())
        calls.failing("network", twin.start, { state = path, port = math.tointeger(tonumber(url:match "%d+$")),
            host = "192.0.2.1" })
        local again <close> = twin.start { state = path, now = 1800000000 }
        assert.equal(1800086400, again:advance(0))
        assert.equal("Ada", again.state.store:get("contacts", 1).name)
    end)

    -- Writes until the twin is gone; notes what was acknowledged.
    local function write(desk, noted, round, writer)
        local n = 0
        local function acknowledged(kind, id, value)
            local key = kind .. id
            assert(not noted.given[key], key .. " was given out twice")
            noted.given[key] = true
            noted[kind][id] = value
        end
        while true do
            n = n + 1
            local name = ("kept %d-%d-%d"):format(round, writer, n)
            local made = desk.contacts:create { inbox_id = 1, name = name }
            if not made then
                return
            end
            local id = made.payload.contact.id
            acknowledged("contacts", id, name)
            local inbox = made.payload.contact_inbox
            local opened = desk.conversations:create { inbox_id = 1, contact_id = id, source_id = inbox.source_id,
                message = { content = name } }
            if not opened then
                return
            end
            acknowledged("conversations", opened.id, name)
            noted.contacts[id] = nil -- what a change without an answer has done is not known
            if not desk.contacts:update(id, { name = name .. " again" }) then
                return
            end
            noted.contacts[id] = name .. " again"
            local team = desk.teams:create { name = name }
            if team then
                acknowledged("teams", team.id, false)
                noted.teams[team.id] = nil
                if desk.teams:delete(team.id) then
                    noted.teams[team.id] = false
                end
            end
        end
    end

    local function by(list, field)
        local found = {}
        for _, record in ipairs(list) do
            found[record[field]] = record
        end
        return found
    end

    local function check(tables, noted)
        local contacts, links = by(tables.contacts, "id"), by(tables.contact_inboxes, "contact_id")
        local conversations, said = by(tables.conversations, "id"), by(tables.messages, "conversation_id")
        local teams = by(tables.teams, "id")
        for id, name in pairs(noted.contacts) do
            assert.equal(name, contacts[id] and contacts[id].name)
        end
        for id, content in pairs(noted.conversations) do
            assert.is_truthy(conversations[id])
            assert.equal(content, said[id].content)
        end
        for id in pairs(noted.teams) do
            assert.is_nil(teams[id])
        end
        for id, contact in pairs(contacts) do
            assert(links[id] or not contact.name:find "^kept", "a contact without its inbox")
        end
        for id in pairs(conversations) do
            assert(said[id], "a conversation without its message")
        end
    end

    it("has every write that was acknowledged, each of them whole, after twenty kills", function()
        local noted = { contacts = {}, conversations = {}, teams = {}, given = {} }
        for round = 1, 20 do
            local desk <close> = desk_of(start())
            local killed = mw.spawn(function()
                mw.sleep(0.005 + round * 7 % 20 / 200)
                program:signal "KILL"
            end)
            mw.map({ 1, 2, 3, 4, 5, 6 }, function(writer)
                write(desk:safe(), noted, round, writer)
            end)
            killed:wait()
            assert.equal(128 + 9, program:wait())
            check(records(export("--state", path)), noted)
        end
        assert.is_truthy(next(noted.contacts) and next(noted.conversations) and next(noted.teams))
        local settings = start()
        local before = snapshot(settings)
        check(records(before), noted)
        stop()
        assert.equal("x.state ", names())
        assert_same(before, export("--state", path))
    end)

    it("and the memory have nothing of a write that fails", function()
        local errors = folder .. "/errors"
        program = process.start({ "sh", "-c", "trap '' XFSZ; ulimit -S -f 1200; exec \"$0\" twin --state \"$1\"",
            host.binary, path }, { ready = "^export CIRCUIT_TOKEN=", errors = errors })
        local settings = host.settings(program)
        local desk <close> = desk_of(settings)
        local text, sent, failure = ("x"):rep(30000), 0, nil
        while not failure and sent < 1000 do
            sent = sent + 1
            local made, problem = desk:safe().contacts:create { inbox_id = 1, name = "c" .. sent,
                custom_attributes = { text = text } }
            failure = not made and problem
        end
        assert.equal(500, failure.status, tostring(failure))
        assert.matches("Internal error in the twin", failure.message)
        assert.matches("POST /api/v1/accounts/1/contacts failed: .*can't write '", process.read(errors))
        local before = snapshot(settings)
        assert.equal(40 + sent - 1, #records(before).contacts)
        assert.equal(0, #desk.contacts:search({ q = "c" .. sent }).payload)
        -- Nor is a snapshot taken that can't be kept.
        local _, _, code = process.run({ "curl", "--silent", "--fail", "--header", "X-Twin-Token: twin-control-token",
            "--data-binary", "@-", settings.OOCTOPUS_URL .. "/_twin/restore" }, { input = export("--data", "demo") })
        assert.equal(22, code)
        assert_same(before, snapshot(settings))
        process.run { "prlimit", "--pid", tostring(program.pid), "--fsize=unlimited" }
        local made = desk.contacts:create { inbox_id = 1, name = "c" .. sent }
        assert.equal(40 + sent, made.payload.contact.id) -- the number was not used up
        before = snapshot(settings)
        stop()
        assert_same(before, export("--state", path))
    end)

    describe("that is wrong is refused, and stays as it is:", function()
        local function edit(changes)
            local file <close> = core.documents { path = path }
            file:write(changes)
        end

        -- SQLite counts in two places of the header how often the file was opened to be written.
        local function content()
            local bytes = process.read(path)
            return #bytes < 100 and bytes or bytes:sub(1, 24) .. bytes:sub(29, 92) .. bytes:sub(97)
        end

        local function untouched(verb, message)
            local before, prefix = content(), ("can't %s '%s': "):format(verb, path)
            for _, words in ipairs { { "--state", path }, { "export", "--state", path } } do
                refused(message, 2, table.unpack(words))
                refused(prefix, 2, table.unpack(words))
            end
            local raised = calls.failing("invalid", twin.start, { state = path }).message
            assert.truthy(raised:find(prefix, 1, true) and raised:find(message, 1, true), raised)
            assert(before == content(), "the file is another one")
            assert.equal("x.state ", names())
        end

        it("another program's, or damaged", function()
            for _, bytes in ipairs { "x", ("text\n"):rep(5000), "SQLite format 3\0" } do
                process.write(path, bytes)
                untouched("open", "it is not a file of documents")
            end
            os.remove(path)
            start()
            stop()
            local bytes = process.read(path)
            process.write(path, bytes:sub(1, 8192) .. ("\7"):rep(#bytes - 8192))
            untouched("read", "it is damaged; put a copy in its place")
        end)

        for _, case in ipairs {
            { { "contacts", "1", "{" }, "its contacts 1 is no JSON" },
            { { "contacts", "1", "null" }, "its contacts 1 holds another id" },
            { { "contacts", "1", '{"id":2}' }, "its contacts 1 holds another id" },
            { { "a\nb", "1", "{" }, "its a?b 1 is no JSON" },
            { { "accounts", "1", '{"id":1,"name":5,"created_at":1}' }, "tables.accounts[1].name: is no string" },
            { { "accounts", "1", '{"id":1,"name":"x"}' }, "tables.accounts[1].created_at: is missing" },
            { { "accounts", "1", '{"id":1,"name":"x","created_at":1,"b":2}' },
                "tables.accounts[1]: there is no field 'b'" },
            { { "accounts", "1", false }, ": there is no 1 in accounts" },
            { { "things", "1", '{"id":1}' }, "tables: there is no table 'things'" },
            { { "last_id", "contacts", '"x"' }, "last_ids.contacts: is no whole number from 0" },
            { { "last_id", "things", "1" }, "last_ids: there is no table 'things'" },
            { { "twin", "1", '{"id":1,"clock_offset":-5,"uuids":0}' }, "tables.twin[1].clock_offset: " },
            { { "contacts", "1", ("["):rep(5000) }, "its contacts 1 is no JSON" },
        } do
            it(("a document of %s that was changed by hand: %s"):format(case[1][1]:gsub("%c", "?"), case[2]), function()
                start()
                stop()
                edit { case[1] }
                untouched("read", case[2])
            end)
        end
    end)

    it("can be empty, as a kill before the first write leaves it", function()
        core.documents({ path = path }):close()
        refused(("there is nothing in '%s'"):format(path), 2, "export", "--state", path)
        start("--data", "empty")
        stop()
        assert_same(export("--data", "empty"), export("--state", path))
    end)
end)

describe("data from a file", function()
    local file

    before_each(function()
        folder = process.folder()
        file, path = folder .. "/data.json", folder .. "/x.state"
    end)
    after_each(function()
        process.remove(folder)
        calls.quiet()
    end)

    local function wrap(tables)
        return '{"format":"moonwire-twin","version":1,"tables":' .. tables .. "}"
    end

    for _, case in ipairs {
        { "", "not JSON" },
        { "x", "not JSON" },
        { "[]", "format: this is no data of a twin" },
        { "null", "format: this is no data of a twin" },
        { '{"format":"moonwire-twin","version":2,"tables":{}}', "version: 2 can't be read" },
        { wrap "[]", "tables: is no object" },
        { wrap '{"t\255":[]}', "tables: there is no table 't?'" },
        { wrap '{"accounts":{"1":{}}}', "tables.accounts: is no list" },
        { wrap '{"accounts":[1]}', "tables.accounts[1]: is no object" },
        { wrap '{"accounts":[{"id":1e300,"name":"x","created_at":1}]}', "tables.accounts[1].id: is no whole number" },
        { wrap '{"accounts":[{"id":9223372036854775807,"name":"x","created_at":1}]}', "id: is no whole number" },
        { wrap '{"accounts":[{"id":1,"name":"x","created_at":9007199254740994}]}', "created_at: is no integer" },
        { wrap '{"accounts":[{"id":1,"name":"x","created_at":1},{"id":1,"name":"x","created_at":1}]}',
            "1 is there twice" },
        { wrap '{"teams":[{"id":1,"account_id":5,"name":"x","description":"","allow_auto_assign":true}]}',
            "tables.teams, id 1, account_id: there is no 5 in accounts" },
        { wrap('{"accounts":' .. ("["):rep(100000) .. ("]"):rep(100000) .. "}"), "nested deeper than 100 levels" },
        { wrap '{"twin":[{"id":1,"clock_offset":1e15,"uuids":0}]}', "tables.twin[1].clock_offset" },
        { wrap '{"accounts":[{"id":1,"name":"\\ud800","created_at":1}]}', "not JSON" },
        { wrap '{"accounts":[{"id":1,"name":"\255","created_at":1}]}', "tables.accounts[1].name: is not UTF-8" },
        { wrap '{"accounts":[{"id":1,"name":"x","created_at":1}]}' .. "x", "not JSON" },
    } do
        local shown = case[1]:sub(1, 90):gsub("[^ -~]", "?")
        it(("is refused where it is wrong: %s (%s)"):format(case[2], shown), function()
            process.write(file, case[1])
            local message = ("can't read '%s': "):format(file)
            refused(message, 2, "export", "--data", file)
            refused(case[2], 2, "export", "--data", file)
            refused("can't start the twin: " .. message, 2, "--data", file, "--state", path)
            -- A new state file that could not be filled is as good as none.
            refused(("there is nothing in '%s'"):format(path), 2, "export", "--state", path)
        end)
    end

    it("may be large", function()
        local zeros = process.run({ "truncate", "--size=100M", file })
        assert.equal("", zeros)
        refused(("can't read '%s': not JSON"):format(file), 2, "--data", file)
        local big = assert(io.open(file, "wb"))
        big:write '{"format":"moonwire-twin","version":1,"tables":{"accounts":['
        for i = 1, 20000 do
            big:write(i > 1 and "," or "", ('{"id":%d,"name":"%s","created_at":1}'):format(i, ("x"):rep(300)))
        end
        big:write "]}}"
        big:close()
        assert.equal(20000, #records(export("--data", file)).accounts)
    end)

    it("has to be a regular file", function()
        refused("No such file or directory", 2, "--data", file)
        process.run { "mkfifo", file }
        refused("it is no regular file", 2, "--data", file)
    end)
end)

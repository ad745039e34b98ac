--- --audit: what was decided and what was sent, as JSON lines, through the real program and against real servers.

local host = require "spec.support.host"
local json = require "spec.support.json"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local SCRIPT = [[
local mw = require "moonwire"
local desk = mw.connect "ooctopus"
desk.contacts:list({ page = 2 })
desk.contacts:create({ inbox_id = 1, name = "Secret Agent" })
print(pcall(desk.contacts.get, desk.contacts, 999999))
print(pcall(desk.contacts.delete, desk.contacts, 1))
]]

describe("the audit", function()
    local twin, settings, folder, script, audit

    setup(function()
        twin, settings = host.twin()
    end)

    teardown(function()
        twin:stop()
    end)

    before_each(function()
        folder = process.folder()
        audit = folder .. "/audit.jsonl"
        script = process.write(folder .. "/job.lua", SCRIPT)
    end)

    after_each(function()
        process.remove(folder)
    end)

    local function run(flags, env)
        local arguments = { "run", "--audit", audit, table.unpack(flags or {}) }
        arguments[#arguments + 1] = script
        return host.run(arguments, { env = env or settings })
    end

    local function lines()
        local list = {}
        for line in process.read(audit):gmatch "([^\n]*)\n" do
            list[#list + 1] = json.decode(line)
        end
        return list
    end

    --- "decision list allow", "sent list 200 ok", ...
    local function short()
        local list = {}
        for index, line in ipairs(lines()) do
            local what = line.event == "sent" and line.status .. " " .. line.code or line.decision
            list[index] = ("%s %s %s"):format(line.event, line.operation:match "[^.:]+$", what)
        end
        return table.concat(list, "\n")
    end

    it("has a line for each decision and each call that was sent", function()
        local before = os.time()
        local _, errors, code = run { "--deny", "ooctopus:contacts.delete" }
        assert.equal("", errors)
        assert.equal(0, code)
        assert.equal("decision list allow\nsent list 200 ok\ndecision create allow\nsent create 200 ok\n"
            .. "decision get allow\nsent get 404 not_found\ndecision delete deny", short())
        local list = lines()
        for _, line in ipairs(list) do
            local year, month, day, hour, minute, second, part =
                line.time:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)%.(%d%d%d)Z$"
            assert.is_truthy(part, line.time)
            local time = os.time { year = year, month = month, day = day, hour = hour, min = minute, sec = second }
            -- os.time reads its table as local time; the specs run in UTC.
            assert.is_true(time >= before and time <= os.time(), line.time)
            assert.equal(script, line.script)
            assert.equal("1", line.account)
            assert.is_nil(line.body)
        end
        assert.equal("ooctopus:contacts.list", list[1].operation)
        assert.equal("GET", list[1].verb)
        assert.equal("/api/v1/accounts/1/contacts", list[1].path)
        assert.equal("page=2", list[1].query)
        assert.is_true(list[2].ms >= 0)
        assert.equal(1, list[2].attempts)
        assert.is_nil(list[2].decision)
        assert.equal("/api/v1/accounts/1/contacts/1", list[7].path)
        assert.matches("forbids ooctopus:contacts.delete, by deny 'ooctopus:contacts.delete'", list[7].reason, 1, true)
        local text = process.read(audit)
        assert.is_nil(text:find("Secret Agent", 1, true))
    end)

    it("is appended to, and its owner's alone", function()
        run { "--deny", "*:*" }
        local first = process.read(audit)
        assert.is_true(#first > 0)
        run { "--deny", "*:*" }
        assert.equal(first, process.read(audit):sub(1, #first))
        assert.equal(2, #lines())
        local pipe = assert(io.popen("stat -c %a " .. process.quote(audit)))
        assert.equal("600", pipe:read "l")
        pipe:close()
    end)

    it("has bodies where they are asked for", function()
        local _, _, code = run { "--audit-bodies", "--deny", "*:request" }
        assert.equal(0, code)
        local found
        for _, line in ipairs(lines()) do
            found = found or line.body
        end
        assert.same({ inbox_id = 1, name = "Secret Agent" }, json.decode(found))
    end)

    it("tells what was held back and what a budget refused", function()
        process.write(script, SCRIPT:gsub("\nprint.*", "\n"))
        local _, errors, code = run { "--dry-run", "--deny", "*:request" }
        assert.matches("dry run: 1 call held back", errors, 1, true)
        assert.equal(0, code)
        assert.equal("decision list allow\nsent list 200 ok\ndecision create hold", short())
        os.remove(audit)
        _, _, code = run { "--max-calls", "1" }
        assert.equal(9, code)
        assert.equal("decision list allow\nsent list 200 ok\ndecision create budget", short())
    end)

    it("holds no token, no value that looks secret, and stays JSON", function()
        local token = settings.OOCTOPUS_TOKEN
        assert.is_true(#token >= 8)
        process.write(script, ([[
            local mw = require "moonwire"
            local desk = mw.connect "ooctopus"
            pcall(desk.contacts.search, desk.contacts, { q = "%s" })
            pcall(desk.contacts.create, desk.contacts, { inbox_id = 1, name = "%s \"\n\0\u{20AC}" })
            pcall(desk.request, desk, "GET", "/api/v1/x/%s", { query = { session_key = "hidden", plain = "shown" } })
        ]]):format(token, token, token))
        local _, errors, code = run { "--audit-bodies", "--allow", "*:*", "--allow", "*:request" }
        assert.equal("", errors)
        assert.equal(0, code)
        local text = process.read(audit)
        for name, value in pairs(settings) do
            if name:find "TOKEN" then
                assert.is_nil(text:find(value, 1, true), name)
            end
        end
        assert.is_nil(text:find("hidden", 1, true))
        assert.is_truthy(text:find("shown", 1, true))
        assert.is_true(#lines() >= 5)
    end)

    it("ends the run when it can't be written, and nothing more is sent", function()
        local server = raw.start()
        finally(function() server:stop() end)
        audit = "/dev/full"
        process.write(script, [[
            local mw = require "moonwire"
            local desk = mw.connect "ooctopus"
            for i = 1, 50 do pcall(desk.contacts.get, desk.contacts, i) end
            print "went on"
        ]])
        local _, errors, code = run({ "--read-only" }, {
            OOCTOPUS_URL = server:url "ok", OOCTOPUS_ACCOUNT_ID = "1",
            OOCTOPUS_TOKEN = "a-token-of-this-spec" })
        assert.equal("moonwire: run: can't write the audit to '/dev/full': No space left on device; "
            .. "without it nothing may be sent\n", errors)
        assert.equal(1, code)
        assert.is_true(#server:log() <= 1)
    end)

    it("is not filled by calls that are refused", function()
        process.write(script, [[
            local mw = require "moonwire"
            local desk = mw.connect "ooctopus"
            for i = 1, 20000 do pcall(desk.contacts.get, desk.contacts, i) end
            print "went on"
        ]])
        local output, errors, code = run({ "--deny=*:*" }, { OOCTOPUS_URL = "http://127.0.0.1:1",
            OOCTOPUS_ACCOUNT_ID = "1", OOCTOPUS_TOKEN = "a-token-of-this-spec" })
        assert.equal("", output)
        assert.equal("moonwire: run: more than 10000 calls were refused, which would fill the audit: "
            .. "the run is ended\n", errors)
        assert.equal(1, code)
        assert.equal(10000, #lines())
    end)

    it("must be where it can be written", function()
        local good = audit
        audit = folder .. "/none/audit"
        local output, errors, code = run()
        assert.equal("", output)
        assert.matches("--audit: can't write the audit to '" .. audit .. "': No such file", errors, 1, true)
        assert.equal(2, code)
        assert.is_nil(process.read(good))
    end)
end)

--- The options of `moonwire twin`: each does what it says, to a client over a socket, and says what is wrong with it.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local host = require "spec.support.host"
local mw = require "moonwire"
local process = require "spec.support.process"

local program

local function start(...)
    local settings
    program, settings = host.twin(...)
    return settings
end

local function desk_of(settings)
    return mw.ooctopus { url = settings.OOCTOPUS_URL, account = 1, token = settings.OOCTOPUS_TOKEN,
        retries = 0 }
end

-- Status, headers and body of one request, as curl got them; no status when no answer came.
local function curl(settings, path)
    local output = process.run { "curl", "--silent", "--include", "--header",
        "api_access_token: " .. settings.OOCTOPUS_TOKEN, settings.OOCTOPUS_URL .. path }
    local head, body = output:match "^(.-)\r\n\r\n(.*)$"
    return head and math.tointeger(tonumber(head:match "^HTTP/1.1 (%d+)")), head, body
end

-- A letter for each of `count` requests of one after the other: + answered, - not.
local function fates(settings, count)
    local desk <close> = desk_of(settings)
    local out = {}
    for i = 1, count do
        out[i] = pcall(desk.contacts.create, desk.contacts, { inbox_id = 1, name = "c" .. i }) and "+" or "-"
    end
    return table.concat(out)
end

describe("moonwire twin", function()
    after_each(function()
        if program then
            assert.equal(0, program:stop())
            program = nil
        end
        calls.quiet()
    end)

    it("has a manual of all its options", function()
        local output, errors, code = host.run { "twin", "--help" }
        assert.same({ "", 0 }, { errors, code })
        for _, option in ipairs { "--listen HOST:PORT", "--data DATA", "--state FILE", "--limits LIMITS",
            "--retry-after", "--fault FAULT", "--seed N", "--deliver-anywhere", "--lua-dir DIR" } do
            assert.truthy(output:find("\n  " .. option .. " ", 1, true), option)
        end
        assert.truthy(output:find("moonwire twin [OPTIONS] [export]", 1, true))
    end)

    it("has no limits unless --limits sets some", function()
        local settings = start()
        for _ = 1, 5 do
            assert.equal(200, (curl(settings, "/api/v1/accounts/1/agents")))
        end
        program:stop()
        settings = start("--limits", "3/h")
        local statuses, head, body = {}, nil, nil
        for i = 1, 5 do
            statuses[i], head, body = curl(settings, "/api/v1/accounts/1/agents")
        end
        -- An hour may end meanwhile.
        assert.matches("^200 200 200 429 429$", table.concat(statuses, " "))
        assert.equal("Retry later\n", body)
        assert.no_match("[Rr]etry%-[Aa]fter", head)
        assert.matches("[Cc]ontent%-[Tt]ype: text/plain", head)
    end)

    it("says with --retry-after when to come again, and counts searches apart with --limits=platform", function()
        local settings = start("--limits=platform", "--retry-after")
        local words = { "curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code} ", "--header",
            "api_access_token: " .. settings.OOCTOPUS_TOKEN }
        for _ = 1, 101 do
            words[#words + 1] = settings.OOCTOPUS_URL .. "/api/v1/accounts/1/contacts/search?q=a"
        end
        assert.truthy(process.run(words):find "429", "101 searches in a minute")
        local status, head = curl(settings, "/api/v1/accounts/1/contacts/search?q=a")
        local seconds = tonumber(head:match "[Rr]etry%-[Aa]fter: (%d+)")
        assert.equal(429, status)
        assert.is_true(seconds >= 1 and seconds <= 60)
        assert.equal(200, (curl(settings, "/api/v1/accounts/1/contacts")))
    end)

    it("fails as each --fault says", function()
        local settings = start("--fault", "agents.list:status=503", "--fault=teams.list:html", "--fault",
            "contacts.get:truncate", "--fault", "contacts.create:drop-after-commit:1/2",
            "--fault", "inboxes.list:reset", "--fault", "circuit:webhooks.list:drop")
        local status, _, body = curl(settings, "/api/v1/accounts/1/agents")
        local head
        assert.equal(503, status)
        assert.matches("agents.list:status=503", body)
        status, head, body = curl(settings, "/api/v1/accounts/1/teams")
        assert.equal(200, status)
        assert.matches("text/html", head)
        assert.matches("^<html>", body)
        status, head, body = curl(settings, "/api/v1/accounts/1/contacts/1")
        assert.equal(200, status)
        assert.equal(tonumber(head:match "[Cc]ontent%-[Ll]ength: (%d+)") // 2, #body)
        assert.is_nil((curl(settings, "/api/v1/accounts/1/inboxes")))
        local circuit <close> = mw.circuit { url = settings.CIRCUIT_URL, token = settings.CIRCUIT_TOKEN }
        calls.failing("network", circuit.webhooks.list, circuit.webhooks)
        local desk <close> = desk_of(settings)
        desk.contacts:create { inbox_id = 1, name = "first" }
        calls.failing("ambiguous", desk.contacts.create, desk.contacts, { inbox_id = 1, name = "second" })
        assert.equal(1, #desk.contacts:search({ q = "second" }).payload)
        assert.equal(200, (curl(settings, "/api/v1/accounts/1/labels")))
    end)

    it("hits the same requests with the same --seed, and others with another", function()
        local seen = {}
        for i, seed in ipairs { "7", "7", "8", "-9223372036854775808" } do
            seen[i] = fates(start("--fault", "contacts.create:status=500:30%", "--seed", seed), 60)
            program:stop()
        end
        assert.equal(seen[1], seen[2])
        assert.not_equal(seen[1], seen[3])
        assert.not_equal(seen[1], seen[4])
        assert.matches("%-", seen[1])
        assert.matches("%+", seen[1])
        local default = fates(start("--fault", "contacts.create:status=500:30%"), 60)
        program:stop()
        assert.equal(default, fates(start("--fault", "contacts.create:status=500:30%", "--seed=1"), 60))
    end)

    it("posts webhooks to this machine alone, and with --deliver-anywhere to others", function()
        -- A documentation address: nobody is there, and the twin is not asked to wait for it.
        local far = "http://192.0.2.1:9/hook"
        local folder = process.folder()
        finally(function() process.remove(folder) end)
        local function deliver(...)
            program = host.start({ "twin", ... }, "^export CIRCUIT_TOKEN=", nil, folder .. "/errors")
            local settings = host.settings(program)
            do
                local desk <close> = desk_of(settings)
                desk.webhooks:create { url = far, subscriptions = { "conversation_updated" } }
                desk.conversations:assign(60, { team_id = 1 })
            end
            local deliveries
            for _ = 1, 500 do
                local log = process.run { "curl", "--silent", "--header", "X-Twin-Token: twin-control-token",
                    settings.OOCTOPUS_URL .. "/_twin/log" }
                deliveries = core.json_decode(log).deliveries
                if deliveries[1] then
                    break
                end
                mw.sleep(0.02)
            end
            assert.equal(0, program:stop())
            return deliveries[1]
        end
        local one = deliver()
        assert.same({ "denied", far }, { one.kind, one.url })
        assert.matches("not delivered to http://192.0.2.1:9: not a loopback address; %-%-deliver%-anywhere allows it",
            process.read(folder .. "/errors"))
        one = deliver "--deliver-anywhere"
        assert.is_true(one.kind == "network" or one.kind == "timeout", one.kind)
    end)

    for _, case in ipairs {
        { { "--limits", "many" }, "limits: 'many' is no limit; give off, platform, or" },
        { { "--limits=" }, "limits: '' is no limit" },
        { { "--limits", "0/min" }, "limits: '0/min' is no limit" },
        { { "--fault", "x" }, "fault 'x': give OPERATION:KIND" },
        { { "--fault", "contacts.nope:drop" }, "there is no operation 'contacts.nope'" },
        { { "--fault", "contacts.get:explode" }, "there is no kind 'explode'" },
        { { "--fault", "contacts.get:drop:200%" }, "'200%' is no rate" },
        { { "--fault", "contacts.get:drop", "--fault", "contacts.get:status=200" }, "'200' is no status of a failure" },
        { { "--seed", "x" }, "'x' is no seed; give a whole number" },
        { { "--seed", "1.5" }, "'1.5' is no seed" },
        { { "--seed", "9223372036854775808" }, "'9223372036854775808' is no seed" },
        { { "--data", "large" }, "there is no data 'large'; give demo, empty" },
        { { "--data", "none.json" }, "can't read 'none.json': No such file or directory" },
        { { "--state", "/none/x" }, "can't make '/none/x': No such file or directory" },
        { { "--state=" }, "give a path" },
        { { "--listen", "here" }, "moonwire: twin: " },
        { { "--listen", ":99999" }, "is no address; give HOST:PORT" },
        { { "--retry-after=5" }, "option --retry-after takes no value" },
        { { "--deliver-anywhere=yes" }, "option --deliver-anywhere takes no value" },
        { { "--state" }, "option --state needs a value: FILE" },
        { { "--fualt", "x" }, "--fualt" },
        { { "import" }, "'import' is nothing a twin does; there is export" },
        { { "export", "x" }, "'x' is one argument too many" },
        { { "export", "--limits=platform" }, "export takes --state or --data, not --limits" },
        { { "export", "--data", "large" }, "there is no data 'large'" },
        { { "export", "--state", "/none/x" }, "can't open '/none/x': No such file or directory" },
    } do
        it("refuses " .. table.concat(case[1], " "), function()
            local output, errors, code = host.run { "twin", table.unpack(case[1]) }
            assert.same({ "", 2 }, { output, code }, errors)
            assert.matches("^moonwire: twin: [^\n]*\n$", errors)
            assert.truthy(errors:find(case[2], 1, true), errors)
        end)
    end

    it("refuses more settings than it can hold", function()
        local words = { "twin" }
        for i = 1, 65 do
            words[i + 1] = "--fault=contacts.get:delay=1ms"
        end
        local _, errors, code = host.run(words)
        assert.same({ "moonwire: twin: more than 64 settings\n", 2 }, { errors, code })
        words[#words] = nil
        local settings
        program = host.start(words, "^export CIRCUIT_TOKEN=")
        settings = host.settings(program)
        assert.equal(200, (curl(settings, "/api/v1/accounts/1/contacts/1")))
    end)

    it("fails when an export can't be written", function()
        local function to(where)
            return process.run { "sh", "-c", ("%s twin export %s"):format(process.quote(host.binary), where) }
        end
        local output, errors, code = to ">/dev/full"
        assert.equal(1, code)
        assert.equal("", output)
        assert.matches("^moonwire: can't write to standard output: No space left on device\n$", errors)
        output, errors, code = to ">&-"
        assert.equal("", output)
        assert.equal(1, code)
        assert.equal("moonwire: can't write to standard output: Bad file descriptor\n", errors)
        -- As any filter whose reader has gone; what a shell makes of it is its own affair.
        output = process.run { "bash", "-c", ("%s twin export | true; echo ${PIPESTATUS[0]}"):format(
            process.quote(host.binary)) }
        assert.equal(tostring(128 + 13) .. "\n", output)
    end)
end)

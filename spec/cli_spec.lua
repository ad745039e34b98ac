--- The command line: commands, options, `arg`, exit codes, and what a script can and can't see.

local cjson = require "cjson"
local mw = require "moonwire"

local host = require "spec.support.host"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local run, script, trusted = host.run, host.allowed, host.trusted

local function one_line(text)
    local _, count = text:gsub("\n", "")
    assert.equal(1, count, text)
    assert.matches("^moonwire: ", text)
end

describe("the command line", function()
    it("says how it is used when nothing is asked", function()
        local output, errors, code = run {}
        assert.equal("", output)
        assert.equal(2, code)
        assert.matches("^Usage: moonwire COMMAND", errors)
    end)

    it("prints its manual, with every command and every exit code", function()
        local output, errors, code = run { "help" }
        assert.equal("", errors)
        assert.equal(0, code)
        for _, command in ipairs { "run", "repl", "twin", "ops", "version", "help" } do
            assert.matches("\n  " .. command .. " ", output)
        end
        for _, number in ipairs { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 21, 22, 23, 24, 25, 26, 27, 130 } do
            assert.matches(("\n +%d  %%a"):format(number), output)
        end
        assert.equal(output, (run { "--help" }))
        assert.equal(output, (run { "-h" }))
    end)

    it("has --help for every command, the same as help COMMAND", function()
        for _, command in ipairs { "run", "repl", "twin", "ops", "version", "help" } do
            local output, errors, code = run { command, "--help" }
            assert.equal("", errors)
            assert.equal(0, code)
            assert.matches("Usage: moonwire " .. command, output, 1, true)
            assert.matches("--help", output, 1, true)
            assert.equal(output, (run { "help", command }))
        end
    end)

    it("refuses what it does not know in one line that says what may have been meant", function()
        for _, case in ipairs {
            { { "rum" }, "unknown command 'rum' (did you mean 'run'?)" },
            { { "--verson" }, "unknown option '--verson'" },
            { { "help", "rpl" }, "did you mean 'repl'?" },
            { { "run", "--twim", "x.lua" }, "run: unknown option '--twim' (did you mean '--twin'?)" },
            { { "ops", "--jsn" }, "did you mean '--json'?" },
            { { "run", "--lua-dir" }, "option --lua-dir needs a value" },
            { { "run", "--twin=yes", "x.lua" }, "option --twin takes no value" },
            { { "run" }, "run: no SCRIPT given" },
            { { "version", "now" }, "'now' is one argument too many" },
            { { "ops", "a", "b" }, "'b' is one argument too many" },
            { { "run", "no/such.lua" }, "can't open 'no/such.lua': No such file" },
            { { "run", "spec" }, "can't run 'spec': it is a folder" },
            { { "run", "--lua-dir", "no/such", "examples/first_script.lua" },
                "run: no library in 'no/such': can't read no/such/moonwire/init.lua; check --lua-dir" },
            { { "repl", "--lua-dir=spec" }, "repl: no library in 'spec'" },
            { { "twin", "--lua-dir", "spec" }, "twin: no library in 'spec'" },
            { { "twin", "--listen", "127.0.0.1:99999" }, "is no address" },
            { { "twin", "--data", "full" }, "no data 'full'" },
            { { "twin", "--listen", "localhost:0" }, "can't start the twin: can't listen on 'localhost'" },
        } do
            local output, errors, code = run(case[1])
            assert.equal("", output)
            assert.equal(2, code, errors)
            one_line(errors)
            assert.matches(case[2], errors, 1, true)
        end
    end)

    it("fails when its output can't be written", function()
        local _, how, code = os.execute(("unset LD_PRELOAD; %s ops >/dev/full 2>/dev/null"):format(
            process.quote(host.binary)))
        assert.equal("exit", how)
        assert.equal(1, code)
    end)

    it("gives the number of a standard stream that came closed to nothing else", function()
        local text = process.quote(process.write(os.tmpname(), "print(1)"))
        for _, command in ipairs { "ops", "twin export", "run --twin " .. text, "run --sandbox=off " .. text } do
            for _, closed in ipairs { ">&-", "<&- >&-", "<&- >&- 2>&-" } do
                local _, how, code = os.execute(("unset LD_PRELOAD; exec 2>/dev/null; %s %s %s"):format(
                    process.quote(host.binary), command, closed))
                assert.same({ "exit", 1 }, { how, code }, command .. " " .. closed)
            end
            local _, how, code = os.execute(("unset LD_PRELOAD; %s %s <&- >/dev/null 2>&1"):format(
                process.quote(host.binary), command))
            assert.same({ "exit", 0 }, { how, code }, command)
        end
        os.execute("unset LD_PRELOAD; rm " .. text)
    end)

    it("ends like any filter when nobody reads on", function()
        local path = process.write(os.tmpname(), "while true do print(1) end")
        local output, _, code = process.run { "bash", "-c", ("%s run %s | head -n 1; exit ${PIPESTATUS[0]}"):format(
            process.quote(host.binary), path) }
        os.remove(path)
        assert.equal("1\n", output)
        assert.equal(128 + 13, code)
    end)
end)

describe("moonwire version", function()
    it("prints the version, and with --verbose what is in use", function()
        local output, _, code = run { "version" }
        assert.equal(0, code)
        assert.matches("^moonwire %d+%.%d+%.%d+\n$", output)
        assert.equal(output, (run { "--version" }))
        local long = run({ "version", "--verbose" }, { env = { HTTPS_PROXY = "http://user:hidden@127.0.0.1:3128" } })
        for _, name in ipairs { "Lua +5%.4%.", "libcurl +%d", "TLS +%a", "libuv +1%.", "proxy .*3128" } do
            assert.matches("\n +" .. name, long)
        end
        assert.no_match("hidden", long)
        assert.matches("\n +proxy +none\n", (run { "version", "--verbose" }))
    end)
end)

describe("moonwire ops", function()
    local documented = {}
    for _, name in ipairs { "ooctopus", "circuit" } do
        local facts = cjson.decode(process.read("spec/fixtures/" .. name .. ".json"))
        for _, operation in ipairs(facts.operations or facts) do
            documented[("%s/%s:%s"):format(name, operation.module, operation.method)] = operation
        end
    end

    it("prints 115 rows as JSON", function()
        local output, errors, code = run { "ops", "--json" }
        assert.equal("", errors)
        assert.equal(0, code)
        local rows = cjson.decode(output)
        assert.equal(115, #rows)
        local once = {}
        for _, row in ipairs(mw.operations()) do
            once[row.service .. row.id] = row.once
        end
        for _, row in ipairs(rows) do
            local way = once[row.service .. row.id]
            assert.same(way and { find = way.find, by = way.by, marker = way.marker or cjson.null } or cjson.null,
                row.once)
            local fact = documented[("%s/%s:%s"):format(row.service, row.module, row.method)]
            assert.is_table(fact, row.id)
            assert.equal(fact.http, row.verb)
            assert.equal(fact.id, row.id)
            assert.equal(#fact.path_params, #row.path_params)
            local count = 0
            for _, field in ipairs(row.query) do
                count = count + (field.beyond and 0 or 1)
            end
            assert.equal(#(fact.query or {}), count)
        end
    end)

    it("shows one operation with its parameters, fields and paging", function()
        local function show(...)
            local output, errors, code = run { "ops", ... }
            assert.equal("", errors)
            assert.equal(0, code)
            return output
        end
        assert.equal([[
ooctopus/contacts:search  GET  /api/v1/accounts/{account_id}/contacts/search  user
  Search Contacts
  path
    account_id  integer  the client's own
  query
    q     string
    sort  string  one of name, email, phone_number, last_activity_at, -name, -email, -phone_number, -last_activity_at
    page  integer  default 1
  a list in pages: each{...} goes through all of them, 15 to a page
]], show "contacts:search")
        local create = show "ooctopus/messages:create"
        assert.matches("\n    conversation_id +integer +required\n", create)
        assert.matches("\n  body\n    content +string +required\n", create)
        assert.matches("\n    template_params +object\n      name +string\n", create)
        assert.matches("\n    message_type +string +one of outgoing, incoming\n", create)
        -- A name that is a part of others means that operation.
        assert.matches("^ooctopus/conversations:list ", show "conversations:list")
        assert.is_nil(show("conversations:list"):find("public", 1, true))
    end)

    it("shows what every operation takes with --fields", function()
        local output, seen = run { "ops", "--fields" }, 0
        for block in (output .. "\n"):gmatch "(.-)\n\n" do
            local fact = documented[block:match "^%S+"]
            assert.is_table(fact, block)
            seen = seen + 1
            for _, part in ipairs { fact.path_params or {}, fact.query or {} } do
                for _, field in ipairs(part) do
                    assert.matches("\n    " .. field.name:gsub("%[%]$", ""):gsub("%p", "%%%0") .. " ", block)
                end
            end
        end
        assert.equal(115, seen)
    end)

    it("prints name, verb, path and tokens in columns", function()
        local output = run { "ops" }
        local count, column = 0, nil
        for line in output:gmatch "[^\n]+" do
            local name, verb, at, tokens = line:match "^(%S+) +(%u+) +()/%S+ +(%S+)$"
            assert.is_string(name, line)
            assert.equal(documented[name].http, verb)
            assert.matches("^[%a,-]+$", tokens)
            column = column or at
            assert.equal(column, at)
            count = count + 1
        end
        assert.equal(115, count)
    end)

    it("takes a part of the name or a glob", function()
        local function names(pattern)
            local list = {}
            for name in (run { "ops", pattern }):gmatch "(%w+/[^\n ]+) [^\n]*\n" do
                list[#list + 1] = name
            end
            return list
        end
        assert.same({ "ooctopus/contacts:get" }, names "ooctopus/contacts:get")
        assert.same({ "ooctopus/webhooks:list", "circuit/webhooks:list" }, names "webhooks:list")
        assert.equal(8, #names "circuit/*")
        for _, name in ipairs(names "*:list") do
            assert.matches(":list$", name)
        end
        local output, errors, code = run { "ops", "nothing*" }
        assert.equal("", output)
        assert.equal(4, code)
        one_line(errors)
        assert.equal("[\n]\n", (run { "ops", "--json", "nothing" }))
    end)
end)

describe("moonwire run", function()
    local folder
    before_each(function()
        folder = process.folder()
    end)
    after_each(function()
        process.remove(folder)
    end)

    it("gives a script its arguments as lua does", function()
        local path = process.write(folder .. "/args.lua", "#!/usr/bin/env moonwire\n"
            .. "print(arg[0], arg[1], arg[2], #arg, arg[-4], select('#', ...), ...)")
        local output, errors, code = trusted { path, "--one", "two words" }
        assert.equal("", errors)
        assert.equal(0, code)
        assert.equal(path .. "\t--one\ttwo words\t2\trun\t2\t--one\ttwo words\n", output)
    end)

    it("takes a byte-order mark and a first line that begins with #, as lua does", function()
        local mark, first = "\xEF\xBB\xBF", "#!/usr/bin/env moonwire\n"
        for _, start in ipairs { mark, first, mark .. first } do
            local path = process.write(folder .. "/start.lua", start .. "print(debug.getinfo(1, 'l').currentline)")
            local output, errors, code = trusted { path }
            assert.equal("", errors)
            assert.equal(start:find "#" and "2\n" or "1\n", output)
            assert.equal(0, code)
            assert.equal(output, (process.run { "lua5.4", path }))
        end
    end)

    it("reads a script from a pipe with a name", function()
        local output, errors, code = process.run { "bash", "-c", process.quote(host.binary)
            .. " run '--allow=*:*' <(echo 'print(1)')" }
        assert.equal("", errors)
        assert.equal("1\n", output)
        assert.equal(0, code)
    end)

    it("reads a script from standard input", function()
        local output, _, code = script("print(arg[0], ...)", { arguments = { "7", "8" } })
        assert.equal("-\t7\t8\n", output)
        assert.equal(0, code)
    end)

    it("finds modules in the script's folder first", function()
        process.write(folder .. "/helper.lua", "return 'of the folder'")
        local path = process.write(folder .. "/main.lua", "print((require 'helper'))")
        assert.equal("of the folder\n", (trusted { path }))
    end)

    it("does not let the script's folder shadow the library", function()
        os.execute("mkdir " .. process.quote(folder .. "/moonwire"))
        process.write(folder .. "/moonwire/init.lua", "return 'shadow'")
        process.write(folder .. "/moonwire.lua", "return 'shadow'")
        local path = process.write(folder .. "/main.lua", "print(type(require 'moonwire'))")
        for _, how in ipairs { script, trusted } do
            assert.equal("table\n", (how { path }))
        end
    end)

    it("reads the library from the folder that is asked for", function()
        os.execute("mkdir -p " .. process.quote(folder .. "/option/moonwire") .. " "
            .. process.quote(folder .. "/variable/moonwire/deep"))
        process.write(folder .. "/option/moonwire/init.lua", "return 'by option'")
        process.write(folder .. "/variable/moonwire/init.lua", "return 'by variable'")
        process.write(folder .. "/variable/moonwire/deep/er.lua", "return 'deeper'")
        local env = { MOONWIRE_LUA_DIR = folder .. "/variable" }
        local text = "print(require 'moonwire', pcall(require, 'moonwire.deep.er'))"
        assert.matches("^by variable\ttrue\tdeeper", (trusted(text, { env = env })))
        local output = trusted(text, { env = env, flags = { "--lua-dir", folder .. "/option" } })
        assert.matches("^by option\tfalse\t", output)
        assert.matches("option/moonwire/deep/er.lua", output, 1, true)
        assert.matches("no module 'moonwire.nothing'", select(2, trusted "require 'moonwire.nothing'"), 1, true)
    end)

    it("prints a script's error with its line and a traceback", function()
        local path = process.write(folder .. "/wrong.lua", "local function inner()\n  error 'it broke'\nend\ninner()\n")
        local output, errors, code = trusted { path }
        assert.equal("", output)
        assert.equal(1, code)
        assert.equal(path .. ":2: it broke", errors:match "^[^\n]*")
        assert.matches("\nstack traceback:\n", errors, 1, true)
        assert.matches(path .. ":4: in main chunk", errors, 1, true)
    end)

    it("prints what is no string, and a syntax error without a traceback", function()
        local _, errors, code = trusted "error(setmetatable({}, { __tostring = function() return 'a value' end }))"
        assert.matches("^a value\n", errors)
        assert.equal(1, code)
        _, errors, code = trusted "x = = 1"
        assert.matches("^stdin:1: unexpected symbol near '='\n$", errors)
        assert.equal(1, code)
        for text, expected in pairs {
            ["error()"] = "(error object is a nil value)", ["error({ code = 3 })"] = "(error object is a table value)",
            ["require 'moonwire'.spawn(error, {})"] = "(error object is a table value)", ["error(7)"] = "7",
        } do
            _, errors, code = trusted(text)
            assert.equal(expected, errors:match "^[^\n]*")
            assert.equal(1, code)
        end
    end)

    it("refuses compiled code, which could break the program", function()
        local path = process.write(folder .. "/code.luac", string.dump(function() end))
        for _, how in ipairs { script, trusted } do
            local _, errors, code = how { path }
            assert.matches("attempt to load a binary chunk", errors, 1, true)
            assert.equal(1, code)
        end
    end)

    it("ends as os.exit says", function()
        for _, case in ipairs { { "7", 7 }, { "true", 0 }, { "false", 1 }, { "5, true", 5 }, { "", 0 } } do
            local output, _, code = trusted(("io.write 'kept' os.exit(%s)"):format(case[1]))
            assert.equal("kept", output)
            assert.equal(case[2], code)
        end
    end)

    it("waits for the tasks that a script leaves behind, and for their failures", function()
        local output, _, code = trusted [[
            local mw = require "moonwire"
            mw.spawn(function() mw.sleep(0.05) print "task" end)
            print "script"]]
        assert.equal("script\ntask\n", output)
        assert.equal(0, code)
        local _, errors
        _, errors, code = trusted [[
            local mw = require "moonwire"
            mw.spawn(function() mw.sleep(0.01) error "lost" end)]]
        assert.matches("^stdin:2: lost\n", errors)
        assert.equal(1, code)
    end)
end)

describe("tokens", function()
    local server
    setup(function()
        server = raw.start()
    end)
    teardown(function()
        server:stop()
    end)

    it("reach the server and not the script", function()
        local output, errors, code = trusted([[
            local function read(path)
                local file = io.open(path, "rb") -- only root may open what belongs to a process that is not dumpable
                return file and file:read "a" or ""
            end
            for _, name in ipairs { "OOCTOPUS_TOKEN", "OOCTOPUS_BOT_TOKEN", "OOCTOPUS_PLATFORM_TOKEN",
                "CIRCUIT_TOKEN" } do
                assert(os.getenv(name) == nil, name)
            end
            assert(os.getenv "OOCTOPUS_ACCOUNT_ID" == "3")
            assert(not read("/proc/self/environ"):find("secret", 1, true), "in /proc")
            assert(not io.popen("env"):read("a"):find("secret", 1, true), "in a child's environment")
            local mw = require "moonwire"
            local desk, circuit = mw.connect "ooctopus", mw.connect "circuit"
            desk.contacts:get(1)
            circuit:request("GET", "/webhooks")
            print(tostring(desk):find "secret", tostring(circuit):find "secret")]], {
            env = {
                OOCTOPUS_URL = server:url "ok", OOCTOPUS_ACCOUNT_ID = "3", OOCTOPUS_TOKEN = "user-secret",
                OOCTOPUS_BOT_TOKEN = "bot-secret", OOCTOPUS_PLATFORM_TOKEN = "platform-secret",
                CIRCUIT_URL = server:url "ok", CIRCUIT_TOKEN = "circuit-secret",
            },
        })
        assert.equal("", errors)
        assert.equal(0, code)
        assert.equal("nil\tnil\n", output)
        local log = server:log()
        assert.equal("user-secret", log[1]:header "api_access_token")
        assert.matches("/accounts/3/contacts/1", log[1].target, 1, true)
        assert.equal("Bearer circuit-secret", log[2]:header "authorization")
    end)
end)

describe("a process that keeps tokens", function()
    it("shows its memory to root alone", function()
        -- Where another user gets at it: the folder for temporary files may be its owner's alone.
        local command = "folder=$(mktemp -d -p /tmp) && trap 'rm -rf \"$folder\"' EXIT && cp "
            .. process.quote(host.binary) .. " $folder/moonwire"
            .. " && echo \"print(io.open('/proc/self/mem', 'rb') ~= nil)\" >$folder/script.lua"
            .. " && chmod -R a+rX $folder && HOME=$folder $as $folder/moonwire run --sandbox=off $folder/script.lua"
        local root = process.run { "id", "-u" } == "0\n"
        local function readable(token)
            return (process.run({ "bash", "-c", command }, { env = { OOCTOPUS_TOKEN = token,
                as = root and "setpriv --reuid=65534 --regid=65534 --clear-groups" or "" } }))
        end
        assert.equal("true\n", readable(false))
        assert.equal("false\n", readable "secret")
    end)
end)

describe("exit codes", function()
    local server
    setup(function()
        server = raw.start()
    end)
    teardown(function()
        server:stop()
    end)

    local get, create = "desk.contacts:get(1)", "desk.teams:create{ name = 'a' }"
    for _, case in ipairs {
        { "200", "ok", get, 0 },
        { "401", "status/401", get, 3 },
        { "403", "status/403", get, 3 },
        { "404", "status/404", get, 4 },
        { "409", "status/409", create, 4 },
        { "422", "status/422", create, 4 },
        { "429", "status/429", get, 5 },
        { "500 for a read", "status/500", get, 6 },
        { "a reset", "reset", get, 6 },
        { "no JSON", "html", get, 6 },
        { "503 for a write", "status/503", create, 7 },
        { "a connection cut during a write", "close", create, 7 },
        { "an error that the script catches", "status/404", "pcall(desk.contacts.get, desk.contacts, 1)", 0 },
        { "an unknown field", "ok", "desk.contacts:get(1, { nmae = 2 })", 1 },
        { "a write of a read-only client", "ok", create, 8, "read_only = true" },
        { "one call too many", "ok", get .. " " .. get, 9, "max_calls = 1" },
        { "a call in a task", "status/404", "mw.spawn(function() desk.contacts:get(1) end)", 4 },
        { "an error raised again", "status/429", "local ok, e = pcall(function() " .. get .. " end) error(e, 0)", 5 },
    } do
        it(("%d for %s"):format(case[4], case[1]), function()
            local _, errors, code = trusted(([[
                local mw = require "moonwire"
                local desk = mw.ooctopus{ url = %q, account = 1, token = "hidden-token", retries = 0, %s }
                %s]]):format(server:url(case[2]), case[5] or "", case[3]))
            assert.equal(case[4], code, errors)
            assert.no_match("hidden", errors)
            if code ~= 0 then
                assert.matches("^stdin:3: ", errors)
            end
        end)
    end

    it("6 for a refused connection", function()
        local closed = raw.start()
        local url = closed:url "ok"
        closed:stop()
        local _, errors, code = trusted(([[
            local mw = require "moonwire"
            mw.ooctopus{ url = %q, account = 1, token = "t", retries = 0 }.contacts:get(1)]]):format(url))
        assert.equal(6, code, errors)
    end)
end)

describe("the twin of the command line", function()
    it("runs a script against a twin of its own", function()
        local output, errors, code = script([[
            local mw = require "moonwire"
            local desk, circuit = mw.connect "ooctopus", mw.connect "circuit"
            local count = 0
            for conversation in desk.conversations:each{ status = "open" } do count = count + 1 end
            print(count > 0, #desk.teams:list() > 0, circuit.webhooks ~= nil)]], { flags = { "--twin" } })
        assert.equal("", errors)
        assert.equal("true\ttrue\ttrue\n", output)
        assert.equal(0, code)
    end)

    it("ends with the script's failure all the same", function()
        local _, errors, code = script("require 'moonwire'.connect 'ooctopus'.contacts:get(99999999)",
            { flags = { "--twin" } })
        assert.equal(4, code, errors)
        assert.matches("^stdin:1: contacts:get: ", errors)
        assert.equal(3, select(3, trusted("os.exit(3)", { flags = { "--twin" } })))
    end)

    it("serves other processes until it is told to stop", function()
        for _, name in ipairs { "TERM", "INT" } do
            local program, settings = host.twin()
            local output, errors, code = script(
                "print(#require 'moonwire'.connect 'ooctopus'.agents:list() > 0)", { env = settings })
            assert.equal("", errors)
            assert.equal("true\n", output)
            assert.equal(0, code)
            program:signal(name)
            assert.equal(0, program:wait())
        end
    end)

    it("can be empty, and listens where it is told to", function()
        local program, settings = host.twin("--data", "empty", "--listen", "127.0.0.1:0")
        assert.matches("^http://127%.0%.0%.1:%d+", settings.OOCTOPUS_URL)
        local text = [[
            local desk, count = require "moonwire".connect "ooctopus", 0
            for _ in desk.conversations:each() do count = count + 1 end
            print(count)]]
        assert.equal("0\n", (script(text, { env = settings })))
        local port = settings.OOCTOPUS_URL:match ":(%d+)"
        local _, errors, code = run { "twin", "--listen", "127.0.0.1:" .. port }
        assert.equal(6, code)
        one_line(errors)
        assert.equal(0, program:stop())
    end)
end)

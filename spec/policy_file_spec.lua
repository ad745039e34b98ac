--- Policy files, the options that go with them, and the configuration: through the real program, against a real twin.

local host = require "spec.support.host"
local process = require "spec.support.process"

local LIST = 'local mw = require "moonwire"\nlocal desk = mw.connect "ooctopus"\n'
local READ = LIST .. 'print(#desk.contacts:list().payload > 0)\n'
local WRITE = LIST .. 'print(desk.contacts:create({ inbox_id = 1, name = "Ada" }).payload.contact.name)\n'
local RAW = LIST .. 'print(#desk:request("GET", "/api/v1/accounts/1/labels").payload > 0)\n'

describe("a policy", function()
    local twin, settings, folder, script

    setup(function()
        twin, settings = host.twin()
    end)

    teardown(function()
        twin:stop()
    end)

    before_each(function()
        folder = process.folder()
        script = folder .. "/job.lua"
    end)

    after_each(function()
        process.remove(folder)
    end)

    --- Runs `text` as job.lua, with `policy` beside it as job.policy.lua.
    local function run(text, policy, flags, env)
        process.write(script, text)
        if policy then
            process.write(folder .. "/job.policy.lua", policy)
        else
            os.remove(folder .. "/job.policy.lua")
        end
        local arguments = { "run", table.unpack(flags or {}) }
        arguments[#arguments + 1] = script
        local all = { HOME = folder, XDG_CONFIG_HOME = false, MOONWIRE_CONFIG = false }
        for _, values in ipairs { settings, env or {} } do
            for name, value in pairs(values) do
                all[name] = value
            end
        end
        return host.run(arguments, { env = all })
    end

    local function passes(text, policy, flags, env)
        local output, errors, code = run(text, policy, flags, env)
        assert.equal("", errors)
        assert.equal(0, code)
        return output
    end

    --- The run ends with `code`, says `what` in its first line and has printed nothing.
    local function fails(code, what, text, policy, flags, env)
        local output, errors, got = run(text, policy, flags, env)
        local line = errors:match "^[^\n]*"
        assert.is_truthy(line:find(what, 1, true), ("%q lacks %q"):format(errors, what))
        assert.equal(code, got)
        assert.equal("", output)
    end

    local function refused(what, ...)
        fails(2, what, ...)
    end

    local function denied(what, ...)
        fails(8, what, ...)
    end

    it("is missed in one line, and everything but raw requests goes", function()
        local output, errors, code = run(READ)
        assert.equal(("moonwire: run: no policy: %s may use every operation of the profiles that it connects; "
            .. "`moonwire learn %s` writes one\n"):format(script, script), errors)
        assert.equal("true\n", output)
        assert.equal(0, code)
        output, errors = host.script("print(1)")
        assert.equal("1\n", output)
        assert.matches("^moonwire: run: no policy: the script may use [^\n]+\n$", errors)
        output, errors, code = run(RAW)
        assert.equal("", output)
        assert.matches("no pattern of the policy allows ooctopus:request", errors, 1, true)
        assert.equal(8, code)
    end)

    it("is found beside the script", function()
        local policy = 'return { allow = { "ooctopus:contacts.list" } }'
        assert.equal("true\n", passes(READ, policy))
        denied("no pattern of the policy allows ooctopus:contacts.create", WRITE, policy)
        denied("no pattern of the policy allows ooctopus:contacts.list", READ, "return { allow = {} }")
        assert.equal("true\n", passes(READ, "return {}"))
        assert.equal("Ada\n", passes(WRITE, "return {}"))
        denied("no pattern of the policy allows ooctopus:request", RAW, "return {}")
        denied("forbids ooctopus:contacts.create, by deny '*:write'", WRITE, 'return { deny = { "*:write" } }')
        denied("read-only", WRITE, "return { read_only = true }")
        denied("only accounts 7, 8, and this call names account 1", READ, 'return { accounts = { 7, "8" } }')
        denied("only inbox 2, and this call names inbox 1", WRITE, "return { inboxes = 2 }")
    end)

    it("that nobody named takes away and gives nothing", function()
        local function asks(what, policy)
            refused(("job.policy.lua, found beside the script, asks for %s: --policy %s/job.policy.lua grants it")
                :format(what, folder), 'print "ran"', policy)
            assert.equal("ran\n", passes('print "ran"', policy, { "--policy", folder .. "/job.policy.lua" }))
        end
        asks(("read = '%s/.'"):format(folder), 'return { read = { "." } }')
        asks(("write = '%s'"):format(folder), ('return { write = %q }'):format(folder))
        asks("env = 'HOME'", 'return { env = { "HOME" } }')
        asks("allow = 'ooctopus:request'", 'return { allow = { "*:*", "ooctopus:request" } }')
        asks("memory above the usual", 'return { memory = "65M" }')
        asks("cpu above the usual", "return { cpu = 30.5 }")
        asks("tasks above the usual", "return { tasks = 10001 }")
        asks("output above the usual", 'return { output = "11M" }')
        asks("source above the usual", 'return { source = "2M" }')
        assert.equal("ran\n", passes('print "ran"',
            'return { memory = "32M", cpu = 1, wall = "1m", tasks = 10, output = "1k", source = 1000, max_calls = 1 }'))
    end)

    it("sets budgets, which options replace", function()
        local twice = READ .. READ:gsub(".-\n.-\n", "", 1)
        local _, errors, code = run(twice, "return { max_calls = 1 }")
        assert.matches("the budget of 1 call is used up", errors, 1, true)
        assert.equal(9, code)
        assert.equal("true\ntrue\n", passes(twice, "return { max_calls = 1 }", { "--max-calls", "2" }))
        _, _, code = run(WRITE, "return { max_writes = 0 }")
        assert.equal(23, code)
        _, _, code = run(WRITE, nil, { "--max-bytes", "10" })
        assert.equal(24, code)
        _, errors, code = run("while true do end", "return { cpu = 0.2 }")
        assert.matches("the CPU time of 0.2 s is used up", errors, 1, true)
        assert.equal(21, code)
        _, _, code = run("print(('x'):rep(1000))", "return { output = 100 }")
        assert.equal(25, code)
        _, _, code = run("--" .. ("x"):rep(1000), "return { source = 100 }")
        assert.equal(27, code)
    end)

    for _, case in ipairs {
        { "memory", 20, "--memory", "memory", "16M", "the memory of 16 MiB is used up",
            "local t = {} for i = 1, 1 << 40 do t[i] = { i } end" },
        { "CPU time", 21, "--cpu", "cpu", "0.3", "the CPU time of 0.3 s is used up", "while true do end" },
        { "wall time", 22, "--wall", "wall", "300ms", "the wall time of 0.3 s is used up",
            'require "moonwire".sleep(60)' },
        { "calls", 9, "--max-calls", "max_calls", "2", "the budget of 2 calls is used up", READ:rep(3) },
        { "writes", 23, "--max-writes", "max_writes", "2", "the budget of 2 writes is used up", WRITE:rep(3) },
        { "bytes sent", 24, "--max-bytes", "max_bytes", "10", "the budget of 10 bytes sent is used up", READ },
        { "output", 25, "--output", "output", "1k", "the output of 1 KiB is used up", "while true do print 'x' end" },
        { "tasks", 26, "--max-tasks", "tasks", "2", "the budget of 2 tasks is used up",
            'local mw = require "moonwire" for _ = 1, 3 do mw.spawn(mw.sleep, 1) end' },
        { "source", 27, "--max-source", "source", "1k", "the source of 1 KiB is used up", "--" .. ("x"):rep(1024) },
    } do
        local name, exit, option, entry, value, what, text = table.unpack(case)
        it("bounds " .. name .. ", by its option and by its entry", function()
            local written = ("{ %s = %s }"):format(entry, tonumber(value) or ("%q"):format(value))
            for _, way in ipairs { { "{}", { option, value } }, { written } } do
                local _, errors, code = run(text, way[1], way[2])
                assert.is_truthy(errors:match "^[^\n]*":find(what, 1, true), errors)
                assert.equal(exit, code)
            end
        end)
    end

    it("is completed by options", function()
        local policy = 'return { allow = { "ooctopus:contacts.list" }, accounts = { 7 } }'
        denied("account 1", READ, policy)
        assert.equal("true\n", passes(READ, policy, { "--account", "1" }))
        denied("no pattern of the policy allows", WRITE, policy, { "--account=1" })
        assert.equal("Ada\n", passes(WRITE, policy, { "--account=1", "--allow", "ooctopus:contacts.create" }))
        denied("forbids ooctopus:contacts.list", READ, policy, { "--account=1", "--deny", "*:read" })
        denied("no pattern of the policy allows", WRITE, "return { max_calls = 5 }", { "--allow", "*:read" })
        denied("read-only", WRITE, nil, { "--read-only" })
        denied("no pattern of the policy allows ooctopus:contacts.create", WRITE, nil, { "--allow", "*:read" })
        denied("inbox 1", WRITE, nil, { "--inbox", "2", "--inbox", "3" })
        assert.equal("Ada\n", passes(WRITE, nil, { "--inbox", "2", "--inbox", "1" }))
        denied("no pattern of the policy allows ooctopus:request", RAW, nil, { "--allow", "*:*" })
        assert.equal("true\n", passes(RAW, nil, { "--allow", "*:*", "--allow", "ooctopus:request" }))
    end)

    it("says what is wrong with it, and where", function()
        local path = folder .. "/job.policy.lua"
        refused(path .. ":2: 'os' is no data; a policy holds texts, numbers, booleans and tables", "",
            "return {\n  allow = { os.getenv 'HOME' } }")
        refused(path .. ": unknown entry 'alow' (did you mean 'allow'?)", "", "{ alow = {} }")
        refused(path .. ": 'allow' must be a list of texts", "", "{ allow = { 1 } }")
        refused(path .. ": 'allow' must be a list, { ... }", "", "{ allow = true }")
        refused(path .. ": 'read_only' must be true or false", "", "{ read_only = 1 }")
        refused(path .. ": 'memory' must be a size such as 64M", "", "{ memory = 'much' }")
        refused(path .. ": 'cpu' must be more than 0", "", "{ cpu = 0 }")
        refused(path .. ": 'max_calls' must be a whole number", "", "{ max_calls = -1 }")
        refused(path .. ": a policy has named entries", "", "{ 'ooctopus:*' }")
        refused("(did you mean 'ooctopus:contacts.*'?)", "", "{ allow = 'ooctopus:contact.*' }")
        refused(path .. ": the policy can't hold account 'one'", "", "{ accounts = { 'one' } }")
        refused("can't read '" .. folder .. "/none.lua': No such file", "", "{}", { "--policy", folder .. "/none.lua" })
        refused("can't grant the folder '" .. folder .. "/none': No such file", "", "{ read = 'none' }",
            { "--policy", path })
    end)

    it("is refused with options that make no sense", function()
        refused("--memory must be a size such as 64M, not 'x'", "", nil, { "--memory", "x" })
        refused("--cpu must be more than 0, not '0'", "", nil, { "--cpu=0" })
        refused("--max-calls must be a whole number, not '1.5'", "", nil, { "--max-calls=1.5" })
        refused("--allow: ", "", nil, { "--allow", "nothing:*" })
        refused("--allow-read: can't grant the folder '/none': No such file", "", nil, { "--allow-read", "/none" })
        refused("--audit-bodies needs --audit FILE", "", nil, { "--audit-bodies" })
        refused("--allow-env: OOCTOPUS_TOKEN holds a token", "", nil, { "--allow-env", "OOCTOPUS_TOKEN" })
        refused("--allow-env: CIRCUIT_TOKEN holds a token", "", nil, { "--allow-env=CIRCUIT_TOKEN" })
        refused("OOCTOPUS_PLATFORM_TOKEN holds a token", "", "{ env = 'OOCTOPUS_PLATFORM_TOKEN' }",
            { "--policy", folder .. "/job.policy.lua" })
    end)

    it("grants variables by name", function()
        local text = 'local mw = require "moonwire"\nprint(mw.env.COLOUR, mw.env.NONE)\nprint(mw.env.HOME)\n'
        local env = { COLOUR = "blue=green", NONE = false }
        local flags = { "--allow-env", "COLOUR", "--allow-env", "NONE", "--read-only" }
        local output, errors, code = run(text, nil, flags, env)
        assert.equal("blue=green\tnil\n", output)
        assert.matches("the variable 'HOME' is not granted; --allow-env HOME grants it", errors, 1, true)
        assert.equal(8, code)
        assert.equal("blue=green\tnil\n" .. folder .. "\n",
            passes(text, "{ env = { 'COLOUR', 'NONE', 'HOME' } }", { "--policy", folder .. "/job.policy.lua" }, env))
    end)

    it("is required where the configuration says so", function()
        local config = process.write(folder .. "/config.lua", "return { require_policy = true }")
        local env = { MOONWIRE_CONFIG = config }
        denied("no policy for " .. script .. ", and " .. config .. " requires one", READ, nil, nil, env)
        assert.equal("true\n", passes(READ, nil, { "--allow", "*:read" }, env))
        assert.equal("true\n", passes(READ, "{}", nil, env))
        assert(os.execute("unset LD_PRELOAD; mkdir -p " .. process.quote(folder .. "/.config/moonwire")
            .. " " .. process.quote(folder .. "/xdg/moonwire")))
        process.write(folder .. "/.config/moonwire/config.lua", "{ require_policy = true }")
        denied(".config/moonwire/config.lua requires one", READ)
        process.write(folder .. "/xdg/moonwire/config.lua", "{ require_policy = false }")
        local output, _, code = run(READ, nil, nil, { XDG_CONFIG_HOME = folder .. "/xdg" })
        assert.equal("true\n", output)
        assert.equal(0, code)
        refused("can't read '" .. folder .. "/none': No such file", READ, nil, nil,
            { MOONWIRE_CONFIG = folder .. "/none" })
        process.write(config, "return { require_polcy = true }")
        refused("unknown entry 'require_polcy' (did you mean 'require_policy'?)", READ, nil, nil, env)
        process.write(config, "return { require_policy = 1 }")
        refused("'require_policy' must be true or false", READ, nil, nil, env)
    end)

    it("leaves a plan after a dry run that went well", function()
        local plan = folder .. "/plan"
        local _, errors, code = run(WRITE .. READ, "{}", { "--plan", plan })
        assert.equal("moonwire: run: dry run: 1 call held back; `moonwire apply " .. plan .. "` sends it\n", errors)
        assert.equal(0, code)
        local text = process.read(plan)
        assert.matches('"operation":"ooctopus:contacts.create"', text, 1, true)
        assert.matches('"profile":"ooctopus"', text, 1, true)
        assert.equal(1, select(2, text:gsub("\n", "")))
        os.remove(plan)
        _, errors, code = run(WRITE .. "error 'late'\n", "{}", { "--plan", plan })
        assert.matches("1 call held back; the run failed, so " .. plan .. " is not written", errors, 1, true)
        assert.equal(1, code)
        _, errors, code = run(WRITE .. 'mw.connect "chatwoot"\n', "{}", { "--plan", plan })
        assert.matches("two profiles of one service", errors, 1, true)
        assert.equal(1, code)
        assert.is_nil(process.read(plan))
        _, errors, code = run(WRITE, "{}", { "--dry-run" })
        assert.equal("moonwire: run: dry run: 1 call held back, nothing was changed\n", errors)
        assert.equal(0, code)
    end)

    it("holds without a sandbox and with the layers that there are: budgets, dry run and audit too", function()
        local audit = folder .. "/audit"
        for _, mode in ipairs { "--sandbox=off", "--sandbox=best-effort" } do
            local _, errors, code = run(WRITE, nil, { mode, "--deny", "*:write" })
            assert.matches("by deny '*:write'", errors, 1, true)
            assert.equal(8, code)
            _, errors, code = run(READ, "return { max_calls = 0 }", { mode })
            assert.matches("the budget of 0 calls is used up", errors, 1, true)
            assert.equal(9, code)
            os.remove(audit)
            _, errors, code = run(WRITE .. READ, "{}", { mode, "--dry-run", "--audit", audit })
            assert.matches("dry run: 1 call held back, nothing was changed", errors, 1, true)
            assert.equal(0, code)
            local lines = process.read(audit)
            assert.equal(3, select(2, lines:gsub("\n", "")), lines)
            assert.matches('"ooctopus:contacts.create"[^\n]*"decision":"hold"}\n', lines)
            assert.matches('"sent","operation":"ooctopus:contacts.list"[^\n]*"status":200', lines)
        end
    end)

    it("holds at the prompt too", function()
        local output, errors, code = host.run({ "repl", "--allow", "ooctopus:contacts.list" }, { env = settings,
            input = 'desk = mw.connect "ooctopus"\n#desk.contacts:list().payload > 0\ndesk.teams:list()\n' })
        assert.equal("true\n", output)
        assert.matches("no pattern of the policy allows ooctopus:teams.list", errors, 1, true)
        assert.equal(1, code)
        local write = 'desk = mw.connect "ooctopus"\ndesk.contacts:create({ inbox_id = 1, name = "Ada" })\n'
        local _
        for _, case in ipairs {
            { "read-only", "--read-only" }, { "by deny '*:write'", "--deny", "*:write" },
            { "only account 7,", "--account", "7" }, { "only inbox 2,", "--inbox", "2" },
            { "the budget of 0 calls", "--max-calls", "0" }, { "the budget of 0 writes", "--max-writes", "0" },
            { "the budget of 1 byte", "--max-bytes", "1" },
            { "read-only", "--policy", process.write(folder .. "/given.lua", "return { read_only = true }") },
        } do
            _, errors, code = host.run({ "repl", table.unpack(case, 2) }, { env = settings, input = write })
            assert.matches(case[1], errors, 1, true)
            assert.equal(1, code)
        end
        local plan, audit = folder .. "/plan", folder .. "/audit"
        _, errors, code = host.run({ "repl", "--plan", plan, "--audit", audit }, { env = settings, input = write })
        assert.matches("repl: dry run: 1 call held back", errors, 1, true)
        assert.equal(0, code)
        assert.matches('"operation":"ooctopus:contacts.create"', process.read(plan), 1, true)
        assert.matches('"decision":"hold"', process.read(audit), 1, true)
    end)
end)

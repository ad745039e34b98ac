--- `moonwire run`: a script in its worker, from start to exit code; and the broker, against workers that break every
--- promise.

local host = require "spec.support.host"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local two = host.build .. "/bin/test/mw_two_scripts"
local script, allowed = host.script, host.allowed

local function count(text, pattern)
    return select(2, text:gsub(pattern, ""))
end

--- What is below /proc of the workers of a broker.
local function workers_of(pid)
    local list = {}
    for _ = 1, 500 do
        local text = process.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""
        for word in text:gmatch "%d+" do
            list[#list + 1] = math.tointeger(tonumber(word))
        end
        if #list > 0 then
            return list
        end
        process.run { "sleep", "0.01" }
    end
    error "no worker was started"
end

--- Whether a process is gone within `seconds`.
local function gone(pid, seconds)
    for _ = 1, seconds * 50 do
        local stat = process.read(("/proc/%d/stat"):format(pid))
        if not stat or stat:find "%) Z " then
            return true
        end
        process.run { "sleep", "0.02" }
    end
    return false
end

describe("a script in its worker", function()
    local folder
    before_each(function()
        folder = process.folder()
    end)
    after_each(function()
        process.remove(folder)
    end)

    it("prints, and ends well", function()
        local output, errors, code = allowed "print('hello', 1, 1.5, nil, true)"
        assert.equal("", errors)
        assert.equal("hello\t1\t1.5\tnil\ttrue\n", output)
        assert.equal(0, code)
    end)

    it("says in one line that there is no policy", function()
        local output, errors, code = script "print 'x'"
        assert.equal("x\n", output)
        assert.equal(0, code)
        assert.equal(1, count(errors, "\n"))
        assert.matches("^moonwire: run: no policy: ", errors)
    end)

    it("gets its arguments, in `...` and in arg", function()
        local path = process.write(folder .. "/args.lua", "#!/usr/bin/env moonwire\n"
            .. "print(arg[0], arg[1], arg[2], #arg, select('#', ...), ...)")
        local output, errors, code = allowed { path, "--one", "two words" }
        assert.equal("", errors)
        assert.equal(path .. "\t--one\ttwo words\t2\t2\t--one\ttwo words\n", output)
        assert.equal(0, code)
    end)

    it("fails with the text that it has without a sandbox", function()
        for _, text in ipairs {
            "local function inner()\n  error 'it broke'\nend\ninner()\n",
            "error { code = 3 }",
            "error()",
            "error(setmetatable({}, { __tostring = function() return 'a value' end }))",
            "x = = 1",
            "local t = nil; t.x = 1",
            "require('moonwire').connect('nowhere')",
            "local mw = require 'moonwire' mw.spawn(function() error 'in a task' end)",
            "local co = coroutine.wrap(function() error 'in a coroutine' end) co()",
        } do
            local path = process.write(folder .. "/wrong.lua", text)
            local _, inside, code = allowed { path }
            local _, outside, expected = host.trusted { path }
            assert.equal(expected, code)
            -- What stands at the bottom of a traceback is the host, not the script.
            assert.equal(outside:match "^.-\n", inside:match "^.-\n")
            assert.equal(count(outside, "\n\t[^\n]*wrong%.lua:"), count(inside, "\n\t[^\n]*wrong%.lua:"), inside)
        end
    end)

    it("is cut in pieces where a line is long, and comes out whole", function()
        local output, errors, code = allowed [[
            print(("x"):rep(300000))
            print "behind"
            for i = 1, 20000 do print(i) end]]
        assert.equal("", errors)
        assert.equal(0, code)
        local expected = { ("x"):rep(300000), "behind" }
        for i = 1, 20000 do
            expected[#expected + 1] = tostring(i)
        end
        assert.is_true(output == table.concat(expected, "\n") .. "\n", "the output is not whole")
    end)

    it("logs to standard error, in order with the rest", function()
        local output, errors = process.run({ "bash", "-c", process.quote(host.binary)
            .. " run '--allow=*:*' - 2>&1" }, { input = [[
                local log = require "moonwire".log
                print "one"
                log.info("two", 2)
                print "three"
                log.error "four"
                error("five", 0)]] })
        assert.equal("", errors)
        assert.matches("^one\ninfo: two\t2\nthree\nerror: four\nfive\nstack", output)
    end)

    it("finds modules beside it, and nowhere else", function()
        process.run { "mkdir", "-p", folder .. "/lib/deep" }
        process.write(folder .. "/helper.lua", "return { of = 'the folder', name = ..., at = select(2, ...) }")
        process.write(folder .. "/lib/deep/er.lua", "#!shebang\nreturn debug == nil and 'deeper'")
        process.write(folder .. "/wrong.lua", "error 'in the module'")
        process.write(folder .. "/outside.lua", "return 'outside'")
        process.run { "ln", "-s", "/etc/passwd", folder .. "/link.lua" }
        local path = process.write(folder .. "/main.lua", [[
            local helper = require "helper"
            print(helper.of, helper.name, helper.at, require "helper" == helper, (require "lib.deep.er"))
            for _, name in ipairs { "wrong", "nothing", "link", "../etc/passwd", "a..b", "", ".a", "a.", "a/b",
                ("a"):rep(500) } do
                print(pcall(require, name))
            end]])
        local output, errors, code = allowed { path }
        assert.equal("", errors)
        assert.equal(0, code)
        local lines = {}
        for line in output:gmatch "[^\n]+" do
            lines[#lines + 1] = line
        end
        assert.equal(("the folder\thelper\t%s/helper.lua\ttrue\tdeeper"):format(folder), lines[1])
        assert.matches("^false\t.*wrong%.lua:1: in the module", lines[2])
        for i = 3, #lines do
            if lines[i]:find "^false" then
                assert.no_match("root:", lines[i])
            end
        end
        assert.equal(10, count(output, "\nfalse\t"))
        assert.matches("module 'nothing' not found", output, 1, true)
    end)

    it("finds no modules when it comes from standard input", function()
        local _, errors, code = allowed "require 'helper'"
        assert.matches("module 'helper' not found", errors, 1, true)
        assert.equal(1, code)
    end)

    it("reads and writes files where that is granted", function()
        process.run { "mkdir", folder .. "/in", folder .. "/out" }
        process.write(folder .. "/in/a.txt", "first\nsecond\n")
        process.write(folder .. "/secret.txt", "secret")
        local text = [[
            local mw = require "moonwire"
            local folder = ...
            print(pcall(mw.fs.read, folder .. "/in/a.txt"))
            print(pcall(mw.fs.read, folder .. "/secret.txt"))
            print(pcall(mw.fs.write, folder .. "/out/b.txt", ("y"):rep(600000)))
            print(pcall(mw.fs.append, folder .. "/out/b.txt", "z"))
            print(pcall(mw.fs.write, folder .. "/in/a.txt", "over"))]]
        local output, errors, code = allowed(text, { arguments = { folder },
            flags = { "--allow-read", folder .. "/in", "--allow-write", folder .. "/out" } })
        assert.equal("", errors)
        assert.equal(0, code)
        assert.matches("^true\tfirst\nsecond\n\nfalse\t", output)
        assert.no_match("secret\n", output)
        assert.equal(("y"):rep(600000) .. "z", process.read(folder .. "/out/b.txt"))
        assert.equal("first\nsecond\n", process.read(folder .. "/in/a.txt"))
        output = allowed(text, { arguments = { folder } })
        assert.equal(5, count(output, "false\t"))
        assert.equal(5, count(output, "denied"))
    end)

    it("sees the variables that are granted, and no others", function()
        local text = [[
            local env = require "moonwire".env
            print(env.GREETING, pcall(function() return env.OTHER end))]]
        local output = allowed(text, { env = { GREETING = "hello=you", OTHER = "hidden" },
            flags = { "--allow-env", "GREETING" } })
        assert.matches("^hello=you\tfalse\t", output)
        assert.no_match("hidden", output)
    end)

    it("waits for its tasks, and a failure of one is its own", function()
        local output, _, code = allowed [[
            local mw = require "moonwire"
            mw.spawn(function() mw.sleep(0.05) print "task" end)
            print "script"]]
        assert.equal("script\ntask\n", output)
        assert.equal(0, code)
    end)

    it("runs without a sandbox when that is asked for, and says so", function()
        local output, errors, code = script("print(type(io), type(os.getenv))", { flags = { "--sandbox=off" } })
        assert.equal("table\tfunction\n", output)
        assert.matches("moonwire: run: sandbox off: the script runs with all that you may do; "
            .. "only its calls are checked\n", errors, 1, true)
        assert.equal(0, code)
        output = script("print(type(io), type(os.getenv))", { flags = { "--sandbox=best-effort" } })
        assert.equal("nil\tnil\n", output)
    end)

    it("refuses options that make no sense", function()
        for _, flags in ipairs { { "--sandbox=maybe" }, { "--cpu=fast" }, { "--memory", "64X" }, { "--output=-1" },
            { "--max-calls=1.5" }, { "--wall=1d" }, { "--max-tasks" , "many" },
            { "--sandbox=off", "--cpu=1" }, { "--allow-read=.", "--sandbox=off" } } do
            local output, errors, code = script("print 1", { flags = flags })
            assert.equal("", output)
            assert.equal(2, code, errors)
            assert.equal(1, count(errors, "\n"))
        end
    end)
end)

describe("a call from a worker", function()
    local server
    setup(function()
        server = raw.start()
    end)
    teardown(function()
        server:stop()
    end)

    local function settings(behaviour)
        return { OOCTOPUS_URL = server:url(behaviour), OOCTOPUS_ACCOUNT_ID = "1", OOCTOPUS_TOKEN = "hidden-token",
            CIRCUIT_URL = server:url(behaviour), CIRCUIT_TOKEN = "hidden-too" }
    end
    local get, create = "desk.contacts:get(1, nil, { retries = 0 })", "desk.teams:create{ name = 'a' }"

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
        { "a write when reads are allowed", "ok", create, 8, "--read-only" },
        { "an operation that is denied", "ok", get, 8, "--deny=ooctopus:contacts.*" },
        { "one call too many", "ok", get .. " " .. get, 9, "--max-calls=1" },
        { "one write too many", "ok", create .. create, 23, "--max-writes=1" },
        { "too many bytes", "ok", create, 24, "--max-bytes=10" },
        { "a call in a task", "status/404", "mw.spawn(function() desk.contacts:get(1) end)", 4 },
        { "an error raised again", "status/429", "local ok, e = pcall(function() " .. get .. " end) error(e, 0)", 5 },
    } do
        it(("ends with %d for %s"):format(case[4], case[1]), function()
            local _, errors, code = allowed(([[
                local mw = require "moonwire"
                local desk = mw.connect "ooctopus"
                %s]]):format(case[3]), { env = settings(case[2]), flags = { case[5] } })
            assert.equal(case[4], code, errors)
            assert.no_match("hidden", errors)
            if code ~= 0 then
                assert.matches("^stdin:3: ", errors)
            end
        end)
    end

    it("carries the tokens, which the script never sees", function()
        server:clear()
        local output, errors, code = allowed([[
            local mw = require "moonwire"
            local desk, circuit = mw.connect "ooctopus", mw.connect "circuit"
            desk.contacts:get(1)
            circuit.webhooks:list()
            print(tostring(desk), tostring(circuit))]], { env = settings "ok" })
        assert.equal("", errors)
        assert.equal(0, code)
        assert.matches("ooctopus at http://127.0.0.1:%d+/ok, account 1%)\t.*circuit at http", output)
        assert.no_match("hidden", output)
        local log = server:log()
        assert.equal("hidden-token", log[1]:header "api_access_token")
        assert.equal("Bearer hidden-too", log[2]:header "authorization")
    end)

    it("names the variable that is missing, and the profiles there are", function()
        local output = allowed([[
            local mw = require "moonwire"
            for _, name in ipairs { "ooctopus", "chatwoot", "circuit", "nonsense" } do
                print(select(2, pcall(mw.connect, name)))
            end]], { env = { OOCTOPUS_URL = server:url "ok" } })
        local lines = {}
        for line in output:gmatch "[^\n]+" do
            lines[#lines + 1] = line
        end
        assert.matches('"ooctopus" needs the environment variable OOCTOPUS_TOKEN, which is not set', lines[1], 1, true)
        assert.matches('"chatwoot" needs the environment variable OOCTOPUS_TOKEN', lines[2], 1, true)
        assert.matches('"circuit" needs the environment variable CIRCUIT_TOKEN', lines[3], 1, true)
        assert.matches('no profile "nonsense"; there are ooctopus, chatwoot, circuit', lines[4], 1, true)
        local _, errors = allowed("require 'moonwire'.connect 'ooctopus'",
            { env = { OOCTOPUS_URL = "gopher://x", OOCTOPUS_TOKEN = "hidden" } })
        assert.matches("OOCTOPUS_URL", errors, 1, true)
        assert.no_match("hidden", errors)
    end)

    it("is cancelled when the script ends", function()
        server:clear()
        local _, errors, code = allowed([[
            local mw = require "moonwire"
            local desk = mw.connect "ooctopus"
            for _ = 1, 100 do mw.spawn(function() desk.contacts:get(1) end) end
            mw.sleep(0.2)
            error "enough"]], { env = settings "stall" })
        assert.matches("enough", errors, 1, true)
        assert.equal(1, code)
    end)

    it("does triage on a twin", function()
        local output, errors, code = allowed { "--twin", "scripts/triage.lua" }
        assert.equal("", errors)
        assert.equal(0, code)
        assert.matches("\nconversations triaged: 46, requests: 235, pages read: 2, seconds: ", output)
    end)
end)

describe("a budget", function()
    local function fails(text, flags, code, ...)
        local output, errors, found = allowed(text, { flags = flags })
        assert.equal(code, found, errors)
        for _, pattern in ipairs { ... } do
            assert.matches(pattern, errors)
        end
        return output, errors
    end

    it("of CPU time ends a script with its line and a traceback", function()
        fails("local n = 0\nwhile true do n = n + 1 end", { "--cpu=0.3" }, 21,
            "^stdin:2: budget: the CPU time of 0%.3 s is used up; %-%-cpu raises it\n", "stack traceback:")
    end)

    it("of CPU time kills what can't be ended, and says where it was", function()
        local _, errors = fails("print 'begun'\nstring.find(('a'):rep(100), ('a*'):rep(12) .. 'b')",
            { "--cpu=0.3" }, 21)
        assert.equal(1, count(errors, "\n"))
        assert.matches("^moonwire: run: the CPU time of 0%.3 s is used up %(killed at 0%.%d+ s%); last line stdin:2\n$",
            errors)
    end)

    it("names the last call and the last line of what is killed", function()
        local stuck = "require 'moonwire'.connect 'ooctopus'.agents:list()\nlocal a = ('a'):rep(100)\n"
            .. "string.find(a, ('a*'):rep(12) .. 'b')"
        for flag, case in pairs { ["--cpu=0.3"] = { "CPU", 21 }, ["--wall=0.5"] = { "wall", 22 } } do
            local _, errors, code = allowed(stuck, { flags = { "--twin", flag } })
            assert.matches(("^moonwire: run: the %s time of 0%%.%%d s is used up %%(killed at %%S+ s%%); "
                .. "last call agents:list, last line stdin:3\n$"):format(case[1]), errors)
            assert.equal(case[2], code)
        end
    end)

    it("of memory and of output ends what no error reaches, without waiting for that of CPU time", function()
        local dead = "local function spin() while true do end end\ncoroutine.wrap(function()\n"
            .. "local x <close> = setmetatable({}, { __close = spin })\n%s\nend)()"
        for flag, case in pairs {
            ["--memory=16M"] = { "local t = {} for i = 1, 1 << 40 do t[i] = { i } end", 20, "memory of 16 MiB" },
            ["--output=1k"] = { "while true do print 'a line' end", 25, "output of 1 KiB" },
        } do
            local _, errors, code = allowed(dead:format(case[1]), { flags = { flag, "--cpu=20" } })
            assert.matches("^moonwire: run: the " .. case[3] .. " is used up %(killed at %d%.%d+ s%); "
                .. "last line stdin:%d\n$", errors)
            assert.equal(case[2], code)
        end
    end)

    it("of CPU time is not touched by waiting", function()
        local output, errors, code = allowed("require 'moonwire'.sleep(0.5) print 'woke'", { flags = { "--cpu=0.4" } })
        assert.equal("", errors)
        assert.equal("woke\n", output)
        assert.equal(0, code)
    end)

    it("of wall time ends waiting too", function()
        fails("require 'moonwire'.sleep(60)", { "--wall=0.3" }, 22, "the wall time of 0%.3 s is used up")
    end)

    it("of memory ends a script that fills it", function()
        fails("local t = {}\nfor i = 1, 1 << 40 do t[i] = { i } end", { "--memory=16M" }, 20, "memory")
    end)

    it("of memory ends a script that asks for more at once, unless it catches that", function()
        fails("local s = ('x'):rep(100 << 20)", { "--memory=16M" }, 20,
            "^stdin:1: not enough memory %(the script may use 16 MiB%)")
        assert.equal("false\n", (script("print((pcall(string.rep, 'x', 100 << 20)))", { flags = { "--memory=16M" } })))
    end)

    it("of output cuts it there", function()
        local output = fails("while true do print '0123456789' end", { "--output=10k" }, 25,
            "output of 10 KiB is used up")
        assert.equal(10240 // 11 * 11, #output)
    end)

    it("of output counts what is logged", function()
        fails("local log = require 'moonwire'.log while true do log.info 'a line' end", { "--output=10k" }, 25)
    end)

    it("of tasks", function()
        fails("local mw = require 'moonwire' for _ = 1, 20 do mw.spawn(mw.sleep, 1) end", { "--max-tasks=10" }, 26,
            "the budget of 10 tasks is used up")
    end)

    it("of source holds for the script and for what it loads", function()
        local _, errors = fails("--" .. ("x"):rep(2000), { "--max-source=1k" }, 27)
        assert.equal(1, count(errors, "\n"))
        assert.matches("the source of 1 KiB is used up", errors, 1, true)
        local folder = process.folder()
        process.write(folder .. "/large.lua", "--" .. ("x"):rep(2000))
        local path = process.write(folder .. "/main.lua", "require 'large'")
        local _, why, code = allowed { "--max-source=1k", path }
        process.remove(folder)
        assert.equal(27, code, why)
        assert.matches("module 'large'", why, 1, true)
    end)
end)

describe("standard output", function()
    local folder
    before_each(function()
        folder = process.folder()
    end)
    after_each(function()
        process.remove(folder)
    end)

    it("that nobody reads holds up the printing script, not its end by the budget", function()
        local path = process.write(folder .. "/flood.lua", "while true do print(('x'):rep(1000)) end")
        -- The reader begins a second later: until then the pipe is full.
        local errors = folder .. "/errors"
        local output, _, code = process.run { "bash", "-c", ("%s run '--allow=*:*' --output=1M %s 2>%s | "
            .. "(sleep 1; wc -c); exit ${PIPESTATUS[0]}"):format(process.quote(host.binary), path, errors) }
        assert.equal(25, code, process.read(errors))
        assert.equal(("%d\n"):format(1048576 // 1001 * 1001), output)
    end)

    it("that is closed ends the run quietly", function()
        local path = process.write(folder .. "/flood.lua", "while true do print(1) end")
        local output, errors, code = process.run { "bash", "-c",
            ("%s run '--allow=*:*' %s | head -n 1; exit ${PIPESTATUS[0]}"):format(process.quote(host.binary), path) }
        assert.equal("1\n", output)
        assert.equal("", errors)
        assert.equal(128 + 13, code)
    end)

    it("that can't be written is a failure", function()
        local path = process.write(folder .. "/one.lua", "print(1)")
        local _, errors, code = process.run { "bash", "-c", ("%s run '--allow=*:*' %s >/dev/full"):format(
            process.quote(host.binary), path) }
        assert.equal(1, code)
        assert.equal("moonwire: can't write to standard output: No space left on device\n", errors)
    end)
end)

describe("the end of a worker", function()
    local folder
    before_each(function()
        folder = process.folder()
    end)
    after_each(function()
        process.remove(folder)
    end)

    local function start(text)
        local path = process.write(folder .. "/script.lua", text)
        return process.start({ host.binary, "run", "--allow=*:*", path },
            { ready = "^ready$", errors = folder .. "/errors" })
    end

    for name, number in pairs { SEGV = 11, BUS = 7, ABRT = 6, KILL = 9 } do
        it("by SIG" .. name .. " is a crash, in one line", function()
            local program = start "print 'ready' require 'moonwire'.sleep(60)"
            local worker = workers_of(program.pid)[1]
            os.execute(("unset LD_PRELOAD; kill -%s %d"):format(name, worker))
            assert.equal(10, program:wait())
            local errors = process.read(folder .. "/errors")
            assert.equal(1, count(errors, "\n"))
            assert.matches(("^moonwire: run: worker crashed %%(signal %d%%)"):format(number), errors)
        end)
    end

    for _, name in ipairs { "TERM", "KILL", "HUP" } do
        it("follows a broker that gets SIG" .. name, function()
            local program = start "print 'ready' require 'moonwire'.sleep(0.01) while true do end"
            local worker = workers_of(program.pid)[1]
            program:signal(name)
            assert.is_nil((program:wait(5) or 129) < 128 or nil)
            assert.is_true(gone(worker, 1), "the worker outlives its broker")
        end)
    end

    it("follows Ctrl-C, whatever it does", function()
        for _, text in ipairs { "while true do pcall(function() while true do end end) end",
            "string.find(('a'):rep(5000), ('.-'):rep(20) .. 'b')", "require 'moonwire'.sleep(1000)" } do
            local program = start("print 'ready' require 'moonwire'.sleep(0.01) " .. text)
            local worker = workers_of(program.pid)[1]
            process.run { "sleep", "0.1" }
            program:signal "INT"
            assert.equal(130, program:wait(5))
            assert.equal("moonwire: interrupted\n", process.read(folder .. "/errors"))
            assert.is_true(gone(worker, 1), "the worker outlives its broker")
        end
    end)
end)

describe("a worker that has been taken over", function()
    local folder, path
    setup(function()
        folder = process.folder()
        path = process.write(folder .. "/script.lua", "error 'never run'")
    end)
    teardown(function()
        process.remove(folder)
    end)

    local function fake(name)
        local output, errors, code = process.run { "timeout", "30", two, "--fake", name, "--output", "10k",
            "--cpu", "0.5", "--wall", "3", path }
        assert.equal(0, code, errors)
        local last = output:match "== 1 ([^\n]*)\n"
        return {
            exit = math.tointeger(tonumber(last:match "exit=(%d+)")), kind = last:match "kind=(%S*)",
            budget = last:match "budget=(%S*)", message = last:match "message=(.*)$",
            seconds = tonumber(last:match "seconds=(%S+)"), output = output, errors = errors,
        }
    end

    for name, problem in pairs {
        garbage = "byte 4: version 47",
        early = "byte 12: a frame before the greeting",
        twice = "a second greeting",
        unpacked = "byte 12: ",
        unknown = "a frame of an unknown type",
        stream = "output to a stream that does not exist",
        flood = "more output than the window holds",
        large = "more output than the window holds",
        level = "a log line of no level",
        call = "byte ",
        ask = "without 'name'",
        file = "something unknown to do with a file",
        handle = "a number out of bounds",
        ends = "a frame after the end",
        after = "a frame after the end",
        budget = "an end without sense",
    } do
        it("breaks the protocol: " .. name, function()
            local run = fake(name)
            assert.equal("protocol", run.kind, run.message)
            assert.equal(11, run.exit)
            assert.matches("^the worker broke the protocol: byte %d+: ", run.message)
            assert.matches(problem, run.message, 1, true)
        end)
    end

    it("without its layers is refused", function()
        local run = fake "bare"
        assert.equal("sandbox", run.kind)
        assert.equal(12, run.exit)
        assert.matches("lacks no_new_privs, .*seccomp.*%-%-sandbox=best%-effort", run.message)
    end)

    it("can't end as what only the broker finds", function()
        local run = fake "claim"
        assert.equal("script", run.kind)
        assert.equal(1, run.exit)
    end)

    it("can't write control characters or lines of its own into the log", function()
        local run = fake "lines"
        assert.equal("info: one?error: two?[2J???\n", run.errors)
        assert.equal(0, run.exit)
    end)

    it("prints no more than the budget allows", function()
        local run = fake "overdone"
        assert.equal("output", run.budget)
        assert.equal(25, run.exit)
        assert.equal(10240, #run.output:match "^(.-)== 1")
        assert.matches("^the output of 10 KiB is used up %(killed at ", run.message)
    end)

    it("uses no more time than the budgets allow", function()
        local run = fake "spin"
        assert.equal("cpu", run.budget)
        assert.equal(21, run.exit)
        for _, name in ipairs { "sleeps", "asks" } do
            run = fake(name)
            assert.equal("wall", run.budget)
            assert.equal(22, run.exit)
        end
    end)

    it("is seen to crash, and to leave", function()
        for name, message in pairs {
            crash = "worker crashed (signal 11)",
            forbidden = "worker killed for a forbidden system call (signal 31)",
            leaves = "worker ended without a word (exit 3): fatal: ?[31mno more",
            nothing = "worker ended without a word (exit 0)",
            cut = "worker ended without a word (exit 0)",
            deaf = "worker crashed (signal 9)",
        } do
            local run = fake(name)
            assert.equal("crash", run.kind)
            assert.equal(10, run.exit)
            assert.equal(message, run.message)
        end
    end)

    it("that does not go at its end is ended", function()
        local run = fake "lingers"
        assert.equal(0, run.exit)
        assert.is_true(run.seconds < 2)
    end)
end)

describe("two scripts in one broker", function()
    local folder, server
    setup(function()
        folder = process.folder()
        server = raw.start()
    end)
    teardown(function()
        server:stop()
        process.remove(folder)
    end)

    local function run(first, second)
        local output, errors, code = process.run({ two, "--cpu", "0.4",
            process.write(folder .. "/first.lua", first), process.write(folder .. "/second.lua", second) },
            { env = { OOCTOPUS_URL = server:url "ok", OOCTOPUS_ACCOUNT_ID = "1", OOCTOPUS_TOKEN = "hidden-token" } })
        assert.equal(0, code, errors)
        return output, errors
    end

    it("print whole lines", function()
        local text = "for i = 1, 3000 do print(('%s'):rep(i %% 200)) end"
        local output = run(text:format "a", text:format "b")
        local lines = 0
        for line in output:gmatch "([^\n]*)\n" do
            if not line:find "^==" then
                assert.is_true(line:find "^a*$" ~= nil or line:find "^b*$" ~= nil, line)
                lines = lines + 1
            end
        end
        assert.equal(6000, lines)
    end)

    it("know nothing of each other", function()
        local output = run("string.format = function() return 'pwn' end x = 1 print(string.format('%d', 2))",
            "require 'moonwire'.sleep(0.2) print(x, string.format('%d', 3))")
        assert.matches("pwn\n", output, 1, true)
        assert.matches("nil\t3\n", output, 1, true)
    end)

    it("end by themselves: what ends one leaves the other alone", function()
        local output = run("while true do pcall(function() while true do end end) end", [[
            local mw = require "moonwire"
            local desk = mw.connect "ooctopus"
            local calls, stop = 0, mw.now() + 1
            while mw.now() < stop do
                desk.agents:list()
                calls = calls + 1
                mw.sleep(0.01)
            end
            print(calls > 10)]])
        assert.matches("true\n", output, 1, true)
        assert.matches("\n== 1 exit=21 kind=budget budget=cpu ", output, 1, true)
        assert.matches("\n== 2 exit=0 kind= ", output, 1, true)
    end)
end)

-- What a script must not be able to do: escapes and bombs, each run in a broker beside a neighbour that goes on
-- working. For every row: the run ends as it must, within its budget and 300 ms; the neighbour never waits more than
-- 50 ms; the broker stays small.

local mw = require "moonwire"

local host = require "spec.support.host"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local sanitized = host.build:find "sanitize" ~= nil
local CPU = 0.5 -- seconds, of a script
local BROKER = (sanitized and 400 or 60) * 1024 -- KiB of memory
local SPIN = "local function spin() while true do end end\n"
-- Fills the heap to the brim without ending the run.
local FILL = "local heap = {} pcall(function() for i = 1, 1 << 40 do heap[i] = { i } end end)\n"

local NEIGHBOUR = [[
local mw = require "moonwire"
local desk = mw.connect "ooctopus"
local worst, calls = 0, 0
local stop = mw.now() + tonumber((...))
desk.agents:list()
repeat
    local began = mw.now()
    desk.agents:list()
    mw.sleep(0.002)
    worst, calls = math.max(worst, mw.now() - began - 0.002), calls + 1
until mw.now() > stop
print(("worst %d us in %d calls"):format(worst * 1e6 // 1, calls))
]]

-- id, script, and how it may end: kinds of budgets, "error" (exit code 1), "done" (0), "crash" (10). `shows` and
-- `hides`: patterns that its output must and must not have. `cpu`, `memory`: its budgets, else 0.5 s and 64 MiB.
local rows = {
    { "A01 a loop that swallows every error", "while true do pcall(function() while true do end end) end", "cpu" },
    { "A02 an error handler that spins", SPIN .. "xpcall(spin, spin)", "cpu" },
    { "A04 a variable to be closed that spins", SPIN .. [[
        coroutine.wrap(function()
            local x <close> = setmetatable({}, { __close = spin })
            spin()
        end)()]], "cpu" },
    { "A06 a finalizer", SPIN .. "setmetatable({}, { __gc = spin })", "error", shows = "__gc" },
    { "A10 load with a function", SPIN .. "while true do load(spin) end", "error", shows = "text" },
    { "A11 coroutines that spin", SPIN .. "while true do coroutine.resume(coroutine.create(spin)) end", "cpu" },
    { "A14 nested pcall", [[
        local function nest(depth)
            if depth == 0 then while true do end end
            while true do pcall(nest, depth - 1) end
        end
        nest(180)]], "cpu" },
    { "A15 the debug library", "print(debug) debug.sethook()", "error", shows = "^nil\n" },
    { "A16 an error that reads like a budget", [[
        for _ = 1, 1000 do pcall(error, "budget exceeded") end
        pcall(error, "the CPU time of 30 s is used up")
        print "ended"]], "done", shows = "^ended\n" },
    { "B01 a pattern that backtracks", 'print(string.find(("a"):rep(100), ("a*"):rep(12) .. "b"))', "cpu" },
    { "B03 a lazy pattern", 'string.find(("a"):rep(200000), ".-b")', "cpu", "done" },
    { "B05 brackets that don't close", 'string.find(("("):rep(100000), "%b()")', "cpu", "done" },
    { "B07 a trim by pattern", 'string.gsub((" "):rep(30000) .. "x", "%s+$", "")', "cpu", "done" },
    { "B07 the native trim", [[
        local mw = require "moonwire"
        local text, best = (" "):rep(30000) .. "x", 1
        for _ = 1, 20 do
            local began = os.clock()
            assert(mw.str.trim(text) == "x" and mw.str.trim("x" .. (" "):rep(30000)) == "x")
            best = math.min(best, os.clock() - began)
        end
        assert(best < 0.001, best)]], "done" },
    { "B09 nothing, repeated", 'string.rep("", 1 << 40)', "cpu" },
    { "B11 a table that lies about its length",
        "table.insert(setmetatable({}, { __len = function() return 1 << 40 end }), 1, 0)", "cpu" },
    { "B14 a concatenation of what is not there",
        'table.concat(setmetatable({}, { __index = rawlen }), "", 1, 1 << 40)', "cpu", "memory" },
    { "B15 large strings", 'local s = ("x"):rep(20e6) while true do local y = s .. "a" end', "cpu", "memory" },
    { "B18 a full heap and large strings", FILL .. 'while true do pcall(string.rep, "x", 1 << 30) end',
        "cpu", "memory" },
    { "B19 a chain of ephemerons", [==[
        local order, keys, chain = {}, {}, setmetatable({}, { __mode = "k" })
        for i = 1, 40000 do order[i], keys[i] = i, {} end
        for i = #order, 2, -1 do
            local j = math.random(i)
            order[i], order[j] = order[j], order[i]
        end
        for i = 1, #order - 1 do chain[keys[order[i]]] = keys[order[i + 1]] end
        local first = keys[order[1]]
        keys, order = nil, nil
        collectgarbage()
        print(first ~= nil)]==], "cpu", "done" },
    { "B23 labels without end", [[
        local text = {}
        for i = 1, 32000 do text[i] = "::l" .. i .. "::" end
        print((load(table.concat(text, " "))))]], "cpu", "done", "error", "memory" },
    { "B24 a chunk of 24 MB", 'local f, why = load(("x=1;"):rep(6e6)) print(f, why) assert(f)',
        "error", "source", shows = "1 MiB" },
    { "B28 a substitution that spins", SPIN .. 'string.gsub(("a"):rep(1e6), "a", spin)', "cpu" },
    { "B29 a million results", [[
        print(pcall(table.unpack, {}, 1, 1e6 - 100))
        print(pcall(string.byte, ("x"):rep(2e6), 1, -1))]], "error", "done", "memory" },
    { "C01 a string of 8 GiB", 'local s = ("x"):rep(1 << 33)', "error", shows = "too large" },
    { "C01 a string larger than the budget, caught", [[
        print(pcall(string.rep, "x", 1 << 27))
        print "goes on"]], "done", shows = "^false\tnot enough memory\ngoes on" },
    { "C02 a string that doubles", 'local s = "x" while true do s = s .. s end', "memory", "error" },
    { "C04 a full heap, caught", FILL .. "while true do pcall(function() heap[#heap + 1] = {} end) end", "memory" },
    { "C05 a stopped collector", [[
        print(pcall(collectgarbage, "stop"))
        local t = {}
        while true do t[#t + 1] = {} end]], "memory", shows = "^false" },
    { "C06 recursion", "local function f() return 1 + f() end f()", "error", "memory" },
    { "C06 recursion through pcall", "local function f() return pcall(f) and 1 end f() error 'back'",
        "error", "memory", "cpu" },
    { "C06 recursion through gsub", 'local function f() return ("a"):gsub("a", f) end f()', "error", "memory" },
    { "C06 recursion through coroutines", "local function f() return coroutine.wrap(f)() end f()", "error", "memory" },
    { "C08 a pack of 2 GB", 'print(pcall(string.pack, "c2000000000", "")) error "goes on"', "error", shows = "^false" },
    { "C08 a pack of 2 GB that nobody catches", 'string.pack("c2000000000", "")', "memory", shows = "not enough" },
    { "C08 an unpack of nonsense", 'string.unpack("s8", ("\\255"):rep(8))', "error" },
    { "D01 bytecode", [[
        print(string.dump)
        local f, why = load("\27Lua\x54\x00\x19\x93\r\n\x1a\n\4\8\8")
        print(f, why)
        error "refused"]], "error", shows = "^nil\nnil\t.*binary chunk" },
    { "D01 bytecode with a byte changed", [[
        for byte = 0, 255 do
            local f, why = load("\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8" .. string.char(byte), "x", "b")
            assert(f == nil and why:find "binary", why)
        end]], "done" },
    { "D02 coroutines that close each other", [[
        local last
        for _ = 1, 30000 do
            local previous = last
            last = coroutine.create(function()
                local x <close> = setmetatable({}, { __close = function()
                    if previous then coroutine.close(previous) end
                end })
                coroutine.yield()
            end)
            coroutine.resume(last)
        end
        print(coroutine.close(last))]], "error", "crash", "done", "memory", "cpu", cpu = 2 },
    { "D03 a weak metatable at the limit", [[
        local function try()
            local mt = setmetatable({ __newindex = {} }, { __mode = "v" })
            local t = setmetatable({}, mt)
            local hold = {}
            for i = 1, 1 << 40 do
                t[i] = { i }
                hold[#hold + 1] = { i }
            end
        end
        while true do pcall(try) end]], "memory", "cpu", "crash", "error" },
    { "E01 load sees the same libraries", [[
        local other = load("return os")()
        print(other == os, other.getenv, other.execute, other.exit, load("return io")(), load("return debug")())
        local keys = {}
        for key in pairs(os) do keys[#keys + 1] = key end
        table.sort(keys)
        print(table.concat(keys, " "))]], "done",
        shows = "^true\tnil\tnil\tnil\tnil\tnil\nclock date difftime time\n" },
    { "E02 everything that can be reached", [[
        local mw = require "moonwire"
        local seen, names = {}, {}
        local function walk(value, path, depth)
            if type(value) ~= "table" and type(value) ~= "userdata" and type(value) ~= "function"
                and type(value) ~= "thread" or seen[value] or depth > 12 then return end
            seen[value] = true
            names[#names + 1] = path
            local meta = getmetatable(value)
            if type(meta) == "table" then walk(meta, path .. ".<meta>", depth + 1) end
            if type(value) == "table" then
                for key, member in next, value do
                    walk(key, path .. ".<key>", depth + 1)
                    walk(member, path .. "." .. (type(key) == "string" and key or type(key)), depth + 1)
                end
            end
        end
        local _, problem = pcall(mw.connect, "nowhere")
        walk(_G, "_G", 0)
        walk("", "string", 0)
        walk(getmetatable(""), "string.<meta>", 0)
        walk(problem, "error", 0)
        walk(mw, "mw", 0)
        walk(mw.connect "ooctopus", "desk", 0)
        walk(mw.spawn(print), "task", 0)
        walk(package, "package", 0)
        for _, name in ipairs(names) do print(name) end]], "done",
        hides = { "%.io%f[%W]", "_G%.debug", "sethook", "traceback", "upvalue", "getlocal", "package",
            "getenv", "execute", "tmpname", "popen", "%f[%w]dump%f[%W]",
            "loadfile", "dofile", "rename", "%f[%w]exit%f[%W]", "setlocale", "searchers", "loadlib",
            "_LOADED", "_PRELOAD", "core%f[%W]" } },
    { "E03 poisoned libraries", [[
        string.format = function() return "pwn" end
        string.rep, table.concat, tostring, print = string.format, string.format, string.format, print
        getmetatable("").__index = nil
        print(string.format "x")]], "done", "error" },
    { "E05 addresses", [[
        print(print, {}, coroutine.create(print), require "moonwire", (require "moonwire").connect "ooctopus")
        print(tostring(print), ("%s"):format({}), tostring(io), tostring(string))
        print(pcall(string.format, "%p", {}))
        print(pcall(error, {}), select(2, pcall(error, setmetatable({}, { __name = "x" }))))
        print(#tostring(mw))
        for _, class in ipairs { "spawn", "sleep" } do print((require "moonwire")[class]) end
        print(select(2, pcall(function() return {} .. {} end)), select(2, pcall(function() return {} + 1 end)))]],
        "done", hides = { "0x%x%x", "%x%x%x%x%x%x%x%x%x" } },
    { "E06 the outside", [[
        for _, name in ipairs { "getenv", "execute", "remove", "rename", "exit", "setlocale", "tmpname" } do
            assert(os[name] == nil, name)
        end
        assert(io == nil and debug == nil and package == nil and dofile == nil and loadfile == nil)
        for _, name in ipairs { "os", "io", "debug", "package", "../../etc/passwd", "/etc/passwd", "moonwire.core",
            "a..b", "", "\0", "cjson" } do
            local ok, why = pcall(require, name)
            assert(not ok, name)
            print(why)
        end]], "done", hides = { "root:" } },
    { "H01 a frame of its own", [[
        print(io, debug, package, require == nil)
        print(pcall(require, "ffi"))
        error "no way to descriptor 3"]], "error", shows = "^nil\tnil\tnil\tfalse\nfalse" },
    { "H02 10,001 tasks", [[
        local mw = require "moonwire"
        for _ = 1, 10001 do mw.spawn(function() mw.sleep(3600) end) end]], "tasks", "memory",
        cpu = 2 },
    { "H02 100,000 timers", [[
        local mw = require "moonwire"
        for _ = 1, 100000 do pcall(mw.spawn, mw.sleep, 3600) end
        error "none left"]], "error", "memory", "cpu" },
}

local exits = { done = 0, error = 1, crash = 10, memory = 20, cpu = 21, wall = 22, output = 25, tasks = 26,
    source = 27 }

describe("the corpus", function()
    local server, folder

    setup(function()
        server = raw.start()
        folder = process.folder()
        process.write(folder .. "/neighbour.lua", NEIGHBOUR)
    end)

    teardown(function()
        server:stop()
        process.remove(folder)
    end)

    -- Runs a script in one broker with a neighbour: what the script wrote, how both ended, and the broker's memory.
    local function beside(script, options)
        process.write(folder .. "/script.lua", script)
        local words = { host.build .. "/bin/test/mw_two_scripts", "--cpu", tostring(options.cpu or CPU) }
        for _, word in ipairs(options.flags or {}) do
            words[#words + 1] = word
        end
        local time = tostring(options.seconds or (options.cpu or CPU) + 0.4)
        for _, word in ipairs { folder .. "/script.lua", folder .. "/neighbour.lua", time } do
            words[#words + 1] = word
        end
        local all, errors, code = process.run(words, { env = { OOCTOPUS_URL = server:url "ok",
            OOCTOPUS_ACCOUNT_ID = "1", OOCTOPUS_TOKEN = "canary-token-0123456789" } })
        assert.are.equal(0, code, errors)
        local runs = {}
        for number, exit, kind, budget, seconds, cpu, message in all:gmatch
            "\n== (%d) exit=(%d+) kind=(%S*) budget=(.-) seconds=(%S+) cpu=(%S+) message=([^\n]*)" do
            runs[tonumber(number)] = { exit = tonumber(exit), kind = kind, budget = budget, message = message,
                seconds = tonumber(seconds), cpu = tonumber(cpu) }
        end
        local worst = tonumber(all:match "worst (%d+) us in %d+ calls")
        local memory = tonumber(all:match "== broker memory=(%d+)")
        runs[1].memory = tonumber(all:match "== workers memory=(%d+)")
        local output = all:gsub("worst %d+ us in %d+ calls\n", ""):gsub("\n?== .*", "")
        assert(runs[1] and runs[2] and memory, all .. errors)
        return output, runs[1], runs[2], worst, memory
    end

    -- What every row holds: an end that is one of `ends`, in time, and a neighbour that has noticed nothing.
    local function check(run, neighbour, worst, memory, ends, cpu)
        local code = false
        for _, name in ipairs(ends) do
            code = code or exits[name] == run.exit
        end
        assert(code, ("ended with %d (%s): %s"):format(run.exit, run.kind, run.message))
        assert(run.cpu <= cpu + 0.3, ("used %.2f s of CPU, %.2f beyond its budget"):format(run.cpu, run.cpu - cpu))
        -- The clock runs on while others have the processor.
        assert(run.seconds <= cpu + 1, ("took %.2f s"):format(run.seconds))
        assert.are.equal(0, neighbour.exit, neighbour.message)
        assert(worst, "the neighbour has not said how long it waited")
        assert(worst <= 50000, ("the neighbour waited %.1f ms"):format(worst / 1000))
        assert(memory < BROKER, ("the broker took %d KiB"):format(memory))
    end

    for _, row in ipairs(rows) do
        it(row[1], function()
            local output, run, neighbour, worst, memory = beside(row[2], row)
            check(run, neighbour, worst, memory, { table.unpack(row, 3) }, row.cpu or CPU)
            local seen = output .. "\n" .. run.message
            if row.shows then
                assert(seen:find(row.shows), seen)
            end
            for _, pattern in ipairs(row.hides or {}) do
                assert(not seen:find(pattern), pattern .. " in: " .. (seen:match("[^\n]*" .. pattern) or ""))
            end
            assert(run.exit == 0 or run.message ~= "", "it ended without a message")
        end)
    end

    it("B26 endless print into a full pipe", function()
        process.write(folder .. "/script.lua", 'while true do print(("x"):rep(99)) end')
        local command = ("unset LD_PRELOAD; %s --output 1M %s %s 1.2 | (sleep 0.8; cat) >%s"):format(host.build
            .. "/bin/test/mw_two_scripts", folder .. "/script.lua", folder .. "/neighbour.lua", folder .. "/piped")
        assert(os.execute(("export OOCTOPUS_URL=%s OOCTOPUS_ACCOUNT_ID=1 OOCTOPUS_TOKEN=t0ken-0123456789; %s"):format(
            server:url "ok", command)))
        local all = process.read(folder .. "/piped")
        local worst = tonumber(all:match "worst (%d+) us in %d+ calls")
        assert(worst and worst <= 50000, all:sub(-600))
        assert.is_truthy(all:find "\n== 1 exit=25 kind=budget budget=output")
        local _, lines = all:gsub(("x"):rep(99) .. "\n", "")
        assert.is_true(lines > 10000 and lines <= (1 << 20) // 100, lines .. " lines")
    end)

    it("C10 millions of small strings", function()
        local _, run, neighbour, worst, memory = beside([[
            local t = {}
            for i = 1, 1 << 40 do t[i] = ("%010d"):format(i) end]], { cpu = 20, flags = { "--memory", "64M" },
                seconds = 1 })
        check(run, neighbour, worst, memory, { "memory" }, 20)
        if not sanitized then -- there each string carries more of the sanitizer's than of its own
            assert(run.memory <= 1.4 * 65536, ("the worker took %d KiB"):format(run.memory))
            assert(run.memory >= 0.8 * 65536, ("the worker took %d KiB alone"):format(run.memory))
        end
    end)

    it("E10 modules that are no modules", function()
        process.write(folder .. "/itself.lua", 'return require "itself"')
        process.write(folder .. "/ping.lua", 'return require "pong"')
        process.write(folder .. "/pong.lua", 'return require "ping"')
        process.write(folder .. "/large.lua", "-- " .. ("x"):rep(2 << 20))
        process.write(folder .. "/broken.lua", "return (")
        process.write(folder .. "/bytes.lua", string.dump(load "return 1"))
        local outside = process.folder()
        process.write(outside .. "/secret.lua", "return 'secret'")
        assert(os.execute(("cd %s && ln -s %s/secret.lua link.lua && mkfifo pipe.lua && mkdir folder.lua"):format(
            folder, outside)))
        local output, run, neighbour, worst, memory = beside([[
            for _, name in ipairs { "itself", "ping", "large", "link", "broken", "bytes", "pipe", "folder", "absent",
                "..secret", "x/../secret" } do
                local ok, why = pcall(require, name)
                assert(not ok, name)
                print(name .. ": " .. tostring(why))
            end]], {})
        process.remove(outside)
        check(run, neighbour, worst, memory, { "done" }, CPU)
        assert.is_truthy(output:find "itself: [^\n]*loop")
        assert.is_truthy(output:find "ping: [^\n]*loop")
        assert.is_truthy(output:find "large: [^\n]*1 MiB")
        assert.is_truthy(output:find "broken: [^\n]*\n[^\n]*broken.lua:1:")
        assert.is_truthy(output:find "bytes: [^\n]*\n?[^\n]*binary")
        assert.is_nil(output:find "'secret'")
        process.write(folder .. "/looping.lua", "while true do end")
        local _, looping, other, wait, broker = beside('pcall(require, "looping")', {})
        check(looping, other, wait, broker, { "cpu" }, CPU)
    end)

    it("H02 an answer of 32 MiB for a script of 16 MiB", function()
        local output, errors, code = host.script([[
            local mw = require "moonwire"
            local ok, problem = pcall(function() return mw.connect("ooctopus").agents:list() end)
            print(ok, problem.kind)]], { flags = { "--memory=16M" }, env = { OOCTOPUS_URL = server:url "big/33554432",
                OOCTOPUS_ACCOUNT_ID = "1", OOCTOPUS_TOKEN = "t0ken-0123456789" } })
        assert(code == 0 and output == "false\ttoo_large\n" or code == exits.memory, output .. errors)
    end)

    it("H03 an end with 100 calls in flight", function()
        local output, errors, code = host.script([[
            local mw = require "moonwire"
            local desk = mw.connect "ooctopus"
            for _ = 1, 100 do mw.spawn(function() desk.agents:list() end) end
            mw.sleep(0.2)
            print(("%.6f"):format(mw.time()))
            error "that's it"]], { env = { OOCTOPUS_URL = server:url "stall", OOCTOPUS_ACCOUNT_ID = "1",
                OOCTOPUS_TOKEN = "t0ken-0123456789" } })
        local took = mw.time() - tonumber(output)
        assert.are.equal(1, code, errors)
        assert.is_truthy(errors:find "that's it")
        assert(took <= 0.2, ("it took %.0f ms"):format(took * 1000))
    end)

    for _, signal in ipairs { "TERM", "KILL" } do
        it("H04 a broker that gets SIG" .. signal, function()
            process.write(folder .. "/script.lua",
                'print "ready" while true do pcall(function() while true do end end) end')
            local program = host.start({ "run", "--allow=*:*", folder .. "/script.lua" }, "^ready$")
            local worker = tonumber(process.read(("/proc/%d/task/%d/children"):format(program.pid, program.pid)))
            local function runs()
                local stat = process.read(("/proc/%d/stat"):format(worker))
                return stat ~= nil and not stat:find "%) [ZX]"
            end
            assert.is_true(runs())
            program:signal(signal)
            local rounds = 0
            while rounds < 50 and runs() do
                os.execute "unset LD_PRELOAD; sleep 0.02"
                rounds = rounds + 1
            end
            program:stop()
            assert(rounds < 50, "the worker has outlived its broker by a second")
        end)
    end
end)

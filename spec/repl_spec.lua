--- The prompt: piped, and as a person sees it in a terminal.

local mw = require "moonwire"

local calls = require "spec.support.calls"
local host = require "spec.support.host"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

--- Pipes lines into a session.
---@return string output, string errors, integer code
local function pipe(lines, ...)
    return host.run({ "repl", ... }, { input = lines })
end

describe("the prompt, piped", function()
    it("prints the values of expressions, without banner or prompt", function()
        local output, errors, code = pipe '1 + 1\n"a\\"b\\n"\nnil, false, 1.0\nx = 5\nx\nmw.null\n'
        assert.equal("", errors)
        assert.equal('2\n"a\\"b\\n"\nnil\nfalse\n1.0\n5\nnull\n', output)
        assert.equal(0, code)
    end)

    it("lays nested tables out, with sorted keys", function()
        local output = pipe '{ b = { 1, 2 }, a = "x", ["a b"] = true, [10] = 0, [{}] = 1 } == nil\n{}\n'
            .. ""
        assert.equal("false\n{}\n", output)
        output = pipe '{ b = { 1, 2 }, a = "x", ["a b"] = true, [10] = 0, ["end"] = 1 }'
        assert.equal('{ [10] = 0, a = "x", ["a b"] = true, b = { 1, 2 }, ["end"] = 1 }\n', output)
        output = pipe 'long = ("x"):rep(60)\n{ one = long, two = { long, { three = long } } }\n'
        local x = ("x"):rep(60)
        assert.equal(('{\n    one = "%s",\n    two = {\n        "%s",\n        { three = "%s" }\n    }\n}\n'):format(
            x, x, x), output)
    end)

    it("stops at cycles, depth and length", function()
        local output = pipe 't = {} t.t = t\nt\n'
        assert.equal("{ t = <cycle> }\n", output)
        output = pipe 't = {} for i = 1, 50 do t = { t } end\nt\n'
        assert.matches("{ ... }", output, 1, true)
        output = pipe 't = {} for i = 1, 1000 do t[i] = i end\nt\n'
        assert.matches("-- 800 more\n}", output, 1, true)
        output = pipe '("x"):rep(10000)\n'
        assert.matches("6000 more bytes", output, 1, true)
    end)

    it("keeps UTF-8 and escapes what is none", function()
        local output = pipe '"hä 🙂"\n"\\255\\0"\n'
        assert.equal('"hä 🙂"\n"\\xFF\\x00"\n', output)
    end)

    it("reads on until an entry is whole", function()
        local output, errors = pipe("for i = 1, 2 do\n    print(i)\nend\n"
            .. "function f(a,\n    b)\nreturn a + b\nend\nf(1,\n2)\n")
        assert.equal("", errors)
        assert.equal("1\n2\n3\n", output)
    end)

    it("survives errors", function()
        local output, errors, code = pipe 'error "boo"\nx = = 1\nnothing.field\nerror()\n7\n'
        assert.equal("7\n", output)
        assert.equal(1, code) -- nobody was there to see them
        assert.matches("^stdin:1: boo\nstdin:1: unexpected symbol", errors)
        assert.matches("attempt to index a nil value", errors, 1, true)
        assert.no_match("traceback", errors)
    end)

    it("shows a traceback where more than the entry was involved", function()
        local _, errors = pipe 'f = load("error \'deep\'", "=lib")\nf()\n'
        assert.matches("^lib:1: deep\nstack traceback:\n", errors)
    end)

    it("goes on with an expression on the next line", function()
        local output, errors, code = pipe "1 +\n2\nx =\n7\nx\n"
        assert.equal("", errors)
        assert.equal("3\n7\n", output)
        assert.equal(0, code)
    end)

    it("takes an entry to its end, NUL or not", function()
        local output = pipe '#"a\0b"\n'
        assert.equal("3\n", output)
    end)

    it("fails when tasks are left that wait for each other", function()
        local _, errors, code = pipe(
            "a = mw.spawn(function() b:wait() end) b = mw.spawn(function() a:wait() end)\n")
        assert.matches("nothing is left that could end", errors, 1, true)
        assert.equal(1, code)
    end)

    it("says so when the input ends within an entry", function()
        local output, errors, code = pipe "print(1\n"
        assert.equal("", output)
        assert.matches("^stdin:1: .* near <eof>\n$", errors)
        assert.equal(1, code)
    end)

    it("has mw, and with a twin desk and circuit", function()
        local output, errors = pipe("type(mw.connect)\ndesk\n")
        assert.equal("", errors)
        assert.equal('"function"\nnil\n', output)
        output, errors = pipe("#desk.agents:list() > 0\ntype(circuit.webhooks)\ndesk.contacts:get(99999999)\n"
            .. "select(2, desk.agents:list()).status\n(desk.teams:list())[1].id\n", "--twin")
        assert.matches("^stdin:1: contacts:get: .*404", errors)
        assert.matches('^true\n"%a+"\n200\n%d+\n$', output)
    end)

    it("shows how a call went in one line", function()
        local output = pipe("desk.teams:list()\n", "--twin")
        assert.matches("^{\n.*}\n%-%- 200, [%d.]+ ms\n$", output)
    end)

    it("prints an error that is no text as lua does", function()
        local _, errors = pipe "error({ code = 3 })\n"
        assert.equal("(error object is a table value)\n", errors)
    end)

    it("knows help, exit and quit, unless they are the names of something", function()
        local output, errors, code = pipe "help\nhelp()\n"
        assert.equal("", errors)
        assert.equal(0, code)
        local first, second, rest = output:match "^([^\n]+)\n([^\n]+)\n(.*)$"
        assert.matches("moonwire ops", first, 1, true)
        assert.equal(first, second)
        assert.equal("", rest)
        for _, word in ipairs { "exit", "quit", "exit()", "quit() " } do
            output, errors, code = pipe("1\n" .. word .. "\n2\n")
            assert.equal("1\n", output)
            assert.equal("", errors)
            assert.equal(0, code)
        end
        assert.equal('"mine"\n2\n', (pipe "exit = 'mine'\nexit\n2\n"))
    end)

    it("goes on while tasks run, and waits for them at the end", function()
        local output, errors, code = pipe("t = mw.spawn(function() mw.sleep(0.1) print 'task' return 5 end)\n"
            .. "u = mw.spawn(function() mw.sleep(0.3) print 'last' end)\nprint 'next'\nnothing.field\nt:wait()\n")
        assert.equal("next\ntask\n5\nlast\n", output)
        assert.matches("^stdin:1: attempt to index a nil value", errors)
        assert.equal(1, code)
        output, errors, code = pipe "t = mw.spawn(error, 'lost')\n1\n"
        assert.equal("1\n", output)
        assert.equal("lost\n", errors)
        assert.equal(1, code)
    end)

    it("ends as os.exit says, and refuses arguments", function()
        assert.equal(4, select(3, pipe "os.exit(4)\n"))
        assert.equal(2, select(3, host.run { "repl", "x" }))
    end)

    it("fails when reading fails", function()
        local _, how, code = os.execute(("unset LD_PRELOAD; %s repl </ 2>/dev/null"):format(
            process.quote(host.binary)))
        assert.equal("exit", how)
        assert.equal(1, code)
    end)
end)

describe("the prompt, in a terminal", function()
    local home, terminal

    before_each(function()
        home = process.folder()
        terminal = host.terminal({ "repl" }, { XDG_STATE_HOME = home .. "/state", HOME = home })
        terminal:expect "Ctrl-D leaves.\n"
        terminal:expect "> "
    end)
    after_each(function()
        terminal:send "\3\4" -- also where a test has left a line half typed
        assert.equal(0, terminal:finish())
        process.remove(home)
    end)
    teardown(calls.quiet)

    it("shows a banner of two lines, edits, and prints", function()
        local screen = terminal:screen()
        assert.matches('\n?moonwire %d[%d.]+, Lua 5%.4[%d.]*; to connect: [^\n]*mw.connect[^\n]*%-%-twin\n[^\n]*\n> $',
            screen)
        terminal:try("1 + 1", "\n2\n> ")
        terminal:send "40 + 3\b2\r"
        terminal:expect "\n42\n> "
    end)

    it("takes an entry over several lines", function()
        terminal:try("for i = 1, 2 do", "\n>> ")
        terminal:try("print(i * 10)", "\n>> ")
        terminal:try("end", "\n10\n20\n> ")
    end)

    it("ends the running call on Ctrl-C, and goes on", function()
        terminal:try("print 'go' while true do end", "\ngo\n")
        terminal:send "\3"
        terminal:expect "interrupted\n> "
        terminal:try("mw.sleep(print 'wait' or 1000)", "\nwait\n")
        terminal:send "\3"
        terminal:expect "interrupted\n> "
        terminal:try("2 + 3", "\n5\n> ")
    end)

    it("ends a call that is not answered on Ctrl-C, and goes on", function()
        local server = raw.start()
        finally(function() server:stop() end)
        terminal:try(("u, n, t = %q, 1, 't'"):format(server:url "stall"), "\n> ")
        terminal:try("stuck = mw.ooctopus{ url = u, account = n, token = t }", "\n> ")
        terminal:send "stuck.contacts:get(1)\r"
        local deadline = mw.now() + 20
        while #server:log() == 0 do
            assert(mw.now() < deadline, "the call did not arrive")
        end
        local began = mw.now()
        terminal:send "\3"
        terminal:expect "interrupted\n> "
        assert.is_true(mw.now() - began < 5) -- a call may take 60 s
        terminal:try("5 + 6", "\n11\n> ")
        assert.equal(1, #server:log())
    end)

    it("rests after Ctrl-C until somebody types", function()
        terminal:try("mw.sleep(0.1)", "\n> ")
        terminal:try("print 'go' while true do end", "\ngo\n")
        terminal:send "\3"
        terminal:expect "interrupted\n> "
        terminal:try("pid = io.open('/proc/self/stat'):read 'n' print('pid ' .. pid)", "\npid ")
        terminal:expect "\n> "
        local pid = terminal:screen():match "\npid (%d+)"
        local function ticks()
            local fields = {}
            for field in process.read("/proc/" .. pid .. "/stat"):match("^.*%) (.*)$"):gmatch "%S+" do
                fields[#fields + 1] = field
            end
            return tonumber(fields[12]) + tonumber(fields[13]) -- user and system, in hundredths of a second
        end
        local before = ticks()
        mw.sleep(1)
        assert.is_true(ticks() - before < 20)
    end)

    it("lets tasks go on while a line is typed", function()
        terminal:try("t = mw.spawn(function() mw.sleep(0.3) print 'tick' mw.sleep(0.3) return 7 end)", "\n> ")
        terminal:send "1 + "
        terminal:expect "1 + tick\n> 1 + "
        terminal:send "41\r"
        terminal:expect "\n42\n> "
        terminal:try("t:wait()", "\n7\n> ")
        terminal:send "mw.spawn(function() error 'lost' end) == nil\r"
        terminal:expect "stdin:1: lost\n> "
    end)

    it("ends a task that computes on Ctrl-C, and leaves the others alone", function()
        terminal:try("t = mw.spawn(function() mw.sleep(0.5) return 'kept' end)", "\n> ")
        terminal:try("u = mw.spawn(function() print 'go' while true do pcall(print) end end)", "go\n")
        terminal:send "\3"
        terminal:expect "interrupted\n> "
        terminal:try("u:status(), t:wait()", '\n"failed"\n"kept"\n> ')
    end)

    it("leaves a line, and an entry, on Ctrl-C", function()
        terminal:send "nonsense("
        terminal:expect "nonsense("
        terminal:send "\3"
        terminal:expect "^C\n> "
        terminal:try("print(", "\n>> ")
        terminal:send "\3"
        terminal:expect "^C\n> "
        terminal:try("6 + 1", "\n7\n> ")
    end)

    it("keeps a history for its owner alone, without tokens", function()
        terminal:try("3 * 33", "\n99\n> ")
        terminal:try("token = 'abc'", "\n> ")
        local path = home .. "/state/moonwire/history"
        local text = process.read(path)
        assert.matches("3", text, 1, true)
        assert.no_match("abc", text)
        local pipe_of = io.popen("stat -c %a " .. process.quote(path))
        assert.equal("600", pipe_of:read "l")
        pipe_of:close()
        terminal:send "\27[A\27[A\r"
        terminal:expect "3 * 33"
        terminal:expect "\n99\n> "
    end)
end)

describe("the history", function()
    it("is not made by a pipe", function()
        local home = process.folder()
        host.run({ "repl" }, { input = "1\n", env = { XDG_STATE_HOME = home .. "/state" } })
        assert.is_nil(process.read(home .. "/state/moonwire/history"))
        process.remove(home)
    end)

    it("lasts from one session to the next", function()
        local home = process.folder()
        local env = { XDG_STATE_HOME = home .. "/state" }
        for _, step in ipairs { "11 * 11\r", "\27[A\r" } do
            local terminal = host.terminal({ "repl" }, env)
            terminal:expect "> "
            terminal:send(step)
            terminal:expect "\n121\n> "
            terminal:send "\4"
            assert.equal(0, terminal:finish())
        end
        process.remove(home)
    end)
end)

describe("the terminal", function()
    it("is given back as it was when the prompt ends in the middle of a line", function()
        local home = process.folder()
        finally(function() process.remove(home) end)
        local terminal = host.terminal({ "repl" }, { HOME = home, XDG_STATE_HOME = home },
            "stty -a | grep -oE -e '-?(icanon|echo)\\b' | tr '\\n' ' '; echo end")
        terminal:expect "> "
        terminal:send "mw.spawn(function() mw.sleep(0.2) os.exit(3) end)\rhalf a line"
        terminal:expect "icanon echo end"
        assert.equal(0, terminal:finish())
        assert.no_match("-icanon", terminal:screen(), 1, true)
    end)
end)

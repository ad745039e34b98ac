--- Ctrl-C: whatever a script is doing, it ends soon and with code 130, and what it has printed is not lost.

local mw = require "moonwire"

local calls = require "spec.support.calls"
local host = require "spec.support.host"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

-- Seconds; many times what it takes, as a machine may be busy. No script here would end by itself within ten.
local SOON = 2

describe("SIGINT", function()
    local server, folder
    setup(function()
        server = raw.start()
        folder = process.folder()
    end)
    teardown(function()
        server:stop()
        process.remove(folder)
        calls.quiet()
    end)

    --- Whether the program's main thread sleeps, and the processor time that it has taken, in hundredths of a second.
    local function state_of(program)
        local stat = assert(process.read(("/proc/%d/stat"):format(program.pid)))
        local fields = {}
        for field in stat:match("^.*%) (.*)$"):gmatch "%S+" do
            fields[#fields + 1] = field
        end
        return fields[1] == "S", tonumber(fields[12]) + tonumber(fields[13])
    end

    --- Waits until the script, which has printed its line, is in what comes behind it: it sleeps, or has been running
    --- on for a while.
    local function wait_until_within(program)
        local _, before = state_of(program)
        local deadline = mw.now() + 20
        repeat
            assert(mw.now() < deadline, "the script neither sleeps nor runs")
            process.run { "sleep", "0.01" }
            local sleeps, taken = state_of(program)
        until sleeps or taken >= before + 5
    end

    --- Interrupts, and waits no longer than the program may take.
    ---@return string output what came since it was ready
    ---@return integer? code nil when it had to be killed
    ---@return number seconds
    local function interrupt(program)
        local began = mw.now()
        program:signal "INT"
        while program:alive() and mw.now() - began < SOON do
            process.run { "sleep", "0.01" }
        end
        local seconds = mw.now() - began
        local ended = not program:alive()
        if not ended then
            program:signal "KILL"
        end
        local output = program.output:read "a"
        local code = program:wait()
        return output, ended and code or nil, seconds
    end

    -- What runs after the line "ready"; %q becomes the URL of a server that never answers.
    local cases = {
        ["a loop"] = "while true do end",
        ["a loop that catches every error"] = "while true do pcall(function() while true do end end) end",
        ["a coroutine"] = "coroutine.wrap(function() while true do end end)()",
        ["a coroutine that catches every error"] =
            "coroutine.wrap(function() while true do pcall(function() while true do end end) end end)()",
        ["a pattern that backtracks for ever"] = "string.find(('a'):rep(5000), ('.-'):rep(20) .. 'b')",
        ["a finalizer"] = "setmetatable({}, { __gc = function() while true do end end }) collectgarbage()",
        ["a sleep"] = "mw.sleep(1000)",
        ["tasks that wait"] = "mw.spawn(mw.sleep, 1000) mw.spawn(mw.sleep, 2000)",
        ["a task that catches every error"] = "mw.spawn(function() while true do pcall(mw.sleep, 1000) end end)",
        ["a call that is not answered"] = "mw.ooctopus{ url = %q, account = 1, token = 't' }.contacts:get(1)",
        ["a command of the shell"] = "os.execute 'exec setpriv --pdeathsig KILL sleep 60' print 'went on'",
        ["reading from a pipe that stays silent"] = "io.popen('exec setpriv --pdeathsig KILL sleep 60'):read('a')",
    }
    for name, code in pairs(cases) do
        it("ends " .. name, function()
            server:clear()
            local text = "local mw = require 'moonwire' print 'ready' io.stdout:flush() io.write 'printed since' "
                .. code:gsub("%%q", ("%q"):format(server:url "stall"))
            local path = process.write(folder .. "/script.lua", text)
            local errors = folder .. "/errors"
            local program = process.start({ host.binary, "run", "--sandbox=off", path },
                { ready = "^ready$", errors = errors })
            wait_until_within(program)
            local deadline = mw.now() + 20
            while code:find("%q", 1, true) and #server:log() == 0 do
                assert(mw.now() < deadline, "the script's call did not arrive")
            end
            local output, status, seconds = interrupt(program)
            assert.is_true(seconds < SOON, ("still running after %.2f s"):format(seconds))
            assert.equal("printed since", output)
            assert.equal(130, status)
            assert.matches("\nmoonwire: interrupted\n$", process.read(errors))
        end)
    end

    it("ends a script on a twin of its own", function()
        local path = process.write(folder .. "/twin.lua", "require 'moonwire'.connect 'ooctopus'.agents:list() "
            .. "print 'ready' io.stdout:flush() while true do end")
        local program = process.start({ host.binary, "run", "--sandbox=off", "--twin", path },
            { ready = "^ready$", errors = folder .. "/errors" })
        wait_until_within(program)
        local _, status, seconds = interrupt(program)
        assert.is_true(seconds < SOON, ("still running after %.2f s"):format(seconds))
        assert.equal(130, status)
    end)
end)

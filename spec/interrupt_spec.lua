--- Ctrl-C: whatever a script is doing, it ends with code 130, and what it has printed is not lost.

local host = require "spec.support.host"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

describe("SIGINT", function()
    local server, folder
    setup(function()
        server = raw.start()
        folder = process.folder()
    end)
    teardown(function()
        server:stop()
        process.remove(folder)
    end)

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
        ["reading from a pipe that stays silent"] = "io.popen('exec sleep 3'):read('a')",
    }
    for name, code in pairs(cases) do
        it("ends " .. name, function()
            local text = "local mw = require 'moonwire' print 'ready' io.stdout:flush() io.write 'printed since' "
                .. code:gsub("%%q", ("%q"):format(server:url "stall"))
            local path = process.write(folder .. "/script.lua", text)
            local errors = folder .. "/errors"
            local program = process.start({ host.binary, "run", path }, { ready = "^ready$", errors = errors })
            os.execute "unset LD_PRELOAD; sleep 0.1"
            program:signal "INT"
            assert.equal("printed since", program.output:read "a")
            assert.equal(130, program:wait())
            assert.equal("moonwire: interrupted\n", process.read(errors))
        end)
    end

    it("ends a script on a twin of its own", function()
        local path = process.write(folder .. "/twin.lua", "require 'moonwire'.connect 'ooctopus'.agents:list() "
            .. "print 'ready' io.stdout:flush() while true do end")
        local program = process.start({ host.binary, "run", "--twin", path },
            { ready = "^ready$", errors = folder .. "/errors" })
        program:signal "INT"
        assert.equal(130, program:wait())
    end)
end)

--- The embedding API, through the example program and through programs that the spec compiles.

local host = require "spec.support.host"
local process = require "spec.support.process"

local embed = host.build .. "/bin/test/embed"

describe("examples/embed.c", function()
    local twin, settings
    setup(function()
        twin, settings = host.twin()
    end)
    teardown(function()
        twin:stop()
    end)

    it("includes the embedding header alone", function()
        for name in process.read("examples/embed.c"):gmatch '#include "([^"]+)"' do
            assert.equal("moonwire.h", name)
        end
    end)

    it("lists the open conversations of a desk", function()
        local output, errors, code = process.run {
            embed, settings.OOCTOPUS_URL, settings.OOCTOPUS_TOKEN, settings.OOCTOPUS_ACCOUNT_ID }
        assert.equal("", errors)
        assert.equal(0, code)
        local expected = host.script([[
            local desk = require "moonwire".connect "ooctopus"
            for conversation in desk.conversations:each{ status = "open" } do
                print(conversation.id, conversation.meta.sender.name)
            end]], { env = settings })
        assert.matches("^%d+\t%S", output)
        assert.equal(expected, output)
    end)

    it("prints the error's text, without the token", function()
        local output, errors, code = process.run { embed, settings.OOCTOPUS_URL, "wrong-token", "1" }
        assert.equal("", output)
        assert.equal(1, code)
        assert.matches("^list:3: conversations:list: auth %(401%)", errors)
        assert.matches("\nstack traceback:\n", errors, 1, true)
        assert.no_match("wrong-token", errors)
    end)

    it("says what is wrong with a client before it runs anything", function()
        local _, errors, code = process.run { embed, "no url", "t", "1" }
        assert.equal(1, code)
        assert.matches("^embed: ", errors)
        assert.equal(2, select(3, process.run { embed }))
    end)
end)

describe("examples/runner.c", function()
    local runner = host.build .. "/bin/test/runner"
    local folder
    setup(function()
        folder = process.folder()
    end)
    teardown(function()
        process.remove(folder)
    end)

    local function script(name, text)
        return process.write(folder .. "/" .. name .. ".lua", text)
    end

    it("runs scripts one after the other on one host, also after a failure", function()
        local first = script("first", "seen = 'first' print(arg[0], (...), require 'shared')")
        script("shared", "return 'of the folder'")
        local wrong = script("wrong", "error(require 'moonwire'.error{ kind = 'denied', message = 'no' })")
        local gone = folder .. "/gone.lua"
        local last = script("last", "print(seen) require 'moonwire'.log.warn 'careful'")
        local output, errors, code = process.run { runner, first, wrong, gone, last }
        assert.equal("", errors)
        assert.equal(1, code)
        assert.matches("^" .. first:gsub("%p", "%%%0") .. "\t[^\n]*runner\tof the folder\t", output)
        assert.matches(wrong .. " failed (denied): ", output, 1, true)
        assert.matches(gone .. " failed (script): cannot open", output, 1, true)
        assert.matches("\nfirst\nlog 1 [warn] careful\n", output, 1, true)
        assert.matches("\n2 of 4 failed, error now ''\n$", output)
    end)

    it("ends the running script on request and goes on with the next", function()
        local stuck = script("stuck", "print 'ready' io.stdout:flush() "
            .. "while true do pcall(function() while true do end end) end")
        local after = script("after", "print 'after'")
        local program = process.start({ runner, stuck, after }, { ready = "^ready$" })
        program:signal "INT"
        local output = program.output:read "a"
        assert.equal(1, program:wait())
        assert.matches("stuck.lua failed (cancelled): ", output, 1, true)
        assert.matches("\nafter\n1 of 2 failed, error now ''\n$", output)
    end)
end)

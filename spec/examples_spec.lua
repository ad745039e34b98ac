--- The examples that are specs themselves, run as their first lines say.
local host = require "spec.support.host"
local process = require "spec.support.process"

describe("examples/spec_of_a_script.lua", function()
    local function run(folder)
        return process.run({ "lua5.4", "tools/busted.lua", "--ignore-lua", "--output=TAP",
            folder and folder .. "/spec.lua" or "examples/spec_of_a_script.lua" },
            { keep_preload = true, env = { MOONWIRE_BUILD = host.build } })
    end

    it("is run by busted, and passes", function()
        local output, errors, code = run()
        assert.equal("", errors)
        assert.equal(0, code, output)
        assert.equal(5, select(2, output:gsub("%f[^\n\0]ok %d", "")))
    end)

    it("would notice if the script did something else", function()
        local folder = process.folder()
        finally(function() process.remove(folder) end)
        local script = process.read "scripts/triage.lua"
        -- Labels alone, no team; and what it should leave alone is touched.
        local idle, found = script:gsub("desk%.conversations:assign%b()", "desk:stats()")
        assert.equal(1, found)
        process.write(folder .. "/triage.lua", idle)
        local spec = process.read("examples/spec_of_a_script.lua"):gsub('"scripts/triage%.lua", "t"',
            ("%q, \"t\""):format(folder .. "/triage.lua"))
        process.write(folder .. "/spec.lua", spec)
        local output, _, code = run(folder)
        assert.not_equal(0, code)
        assert.matches("not ok %d+ %- scripts/triage.lua gives every open conversation a team", output)
    end)
end)

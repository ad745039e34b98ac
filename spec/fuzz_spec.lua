-- Hostile bytes for the decoders between broker and worker: sound frames, changed at random, from a fixed seed.
-- `tools/fuzz` looks for more, for as long as it is told to.

local build = os.getenv "MOONWIRE_BUILD" or "."

describe("the frames between broker and worker", function()
    it("may hold anything", function()
        local pipe = assert(io.popen("unset LD_PRELOAD; exec " .. build .. "/bin/test/mw_fuzz 20000 1 2>&1", "r"))
        local said = pipe:read "a"
        local ok, how, code = pipe:close()
        assert.are.equal("20000 rounds\n", said)
        assert.is_true(ok, ("%s %s"):format(how, code))
    end)
end)

--- The platform's limits, met by four processes at once that share what they may send: nothing of it reaches a script.
--- A twin with a fast clock has the platform's own windows, ten times as short; tools/bench has the real minute.

local host = require "spec.support.host"
local process = require "spec.support.process"

local SPEED = 10
local PROCESSES = 4
local CALLS = 10000

describe("the platform's limits", function()
    local folder, twin, address

    setup(function()
        folder = process.folder()
        twin = process.start({ "lua5.4", "spec/support/fast_twin.lua", tostring(SPEED) },
            { ready = "^http://", keep_preload = true, env = {
                LUA_PATH = "lua/?.lua;lua/?/init.lua;;",
                LUA_CPATH = host.build .. "/lib/?.so;;",
            } })
        address = twin.lines[#twin.lines]
    end)

    teardown(function()
        if twin then
            twin:stop()
        end
        process.remove(folder)
    end)

    it("are kept by four processes together, and no script meets one", function()
        local window = 60 // SPEED .. "s"
        local env = {
            OOCTOPUS_URL = address,
            OOCTOPUS_ACCOUNT_ID = "1",
            OOCTOPUS_TOKEN = "twin-user-token",
            OOCTOPUS_LIMITS = ("all=3000/%s,search=100/%s,reports=100/%s,shared=%s/limits"):format(window, window,
                window, folder),
        }
        local commands = {}
        for i = 0, PROCESSES - 1 do
            commands[i + 1] = ("%s run --allow='*:*' --cpu 600 tools/bench_mixed.lua %d %d >%s 2>%s &"):format(
                host.binary, CALLS // PROCESSES, i * CALLS // PROCESSES, folder .. "/out" .. i, folder .. "/err" .. i)
        end
        local _, _, code = process.run({ "sh", "-c", table.concat(commands, " ") .. " wait" }, { env = env })
        assert.equal(0, code)
        local answered, refused, limited, failed = 0, 0, 0, 0
        for i = 0, PROCESSES - 1 do
            local said = process.read(folder .. "/out" .. i)
            local a, r, l, f = said:match "(%d+) (%d+) (%d+) (%d+)"
            assert.is_truthy(a, said .. process.read(folder .. "/err" .. i))
            answered, refused, limited, failed = answered + a, refused + r, limited + l, failed + f
        end
        assert.equal(CALLS, answered)
        assert.equal(0, limited)
        assert.equal(0, failed)
        assert.is_true(refused <= CALLS // 100, refused .. " answers were 429")
    end)
end)

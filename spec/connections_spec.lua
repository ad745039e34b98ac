-- Connections that are kept between calls: descriptors are used again, and nothing is left of those that end.
local calls = require "spec.support.calls"
local core = require "moonwire.core"
local mw = require "moonwire"
local raw = require "spec.support.raw"

--- How many descriptors this process has open.
local function descriptors()
    local count = 0
    for _ in io.popen("ls /proc/$PPID/fd"):lines() do
        count = count + 1
    end
    return count
end

describe("connections", function()
    local server

    setup(function()
        server = raw.start()
    end)

    teardown(function()
        server:stop()
        assert.equal(0, core.live())
    end)

    local function desk(behaviour)
        return mw.ooctopus { url = server:url(behaviour), account = 1, token = "user-token" }
    end

    --- So many tasks make so many calls each, with a rest after each, and see `result`.
    local function work(client, result, tasks, rounds)
        local list = {}
        for i = 1, tasks do
            list[i] = i
        end
        mw.map(list, function()
            for _ = 1, rounds do
                assert.same(result, (client:request("GET", "/anything")))
                mw.sleep(0.005)
            end
        end, { concurrency = tasks })
    end

    it("that the server closes while they rest give their descriptors to others", function()
        local answer = calls.answer("200 OK", {}, '{"short":true}')
        local short <close> = desk(server:answer("short", answer, "close"))
        local long <close> = desk "ok"
        work(short, { short = true }, 8, 3) -- libcurl and its resolver are warm
        work(long, { ok = true }, 8, 1)
        local before = descriptors()
        local tasks = {}
        for i = 1, 8 do
            tasks[i] = mw.spawn(work, i % 2 == 0 and short or long, { [i % 2 == 0 and "short" or "ok"] = true }, 4, 10)
        end
        mw.all(tasks)
        assert.is_true(descriptors() <= before + 32)
    end)

    it("that rest keep no loop alive, and end with it", function()
        local client = desk "ok"
        work(client, { ok = true }, 20, 2)
        assert.equal(0, core.live())
        client:close()
        assert.equal(0, core.live())
    end)
end)

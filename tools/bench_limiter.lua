-- bench_limiter.lua: the parts of `tools/bench limiter`.
--   serve              a server that notes when requests come; prints its address
--   run URL RATE K     calls as fast as the limit RATE ("50/s") lets them, for K windows; prints by the server's notes
--                      what was sent of what may be, and the most requests of any fixed and of any sliding window
local core = require "moonwire.core"
local mw = require "moonwire"

local function serve()
    local times = {}
    local server <close> = core.server { -- luacheck: ignore
        host = "127.0.0.1",
        port = 0,
        handler = function(request)
            if request.path == "/times" then
                local noted = times
                times = {}
                return 200, {}, core.json_encode(core.array(noted))
            end
            times[#times + 1] = core.now()
            return 200, {}, "{}"
        end,
    }
    print(server.url)
    io.stdout:flush()
    server:serve()
end

-- The most times within any half-open window of that length, and within any that begins at a multiple of it.
local function most(times, window)
    local sliding, fixed, first, counts = 0, 0, 1, {}
    for i, at in ipairs(times) do
        while at - times[first] >= window do
            first = first + 1
        end
        sliding = math.max(sliding, i - first + 1)
        local index = at // window
        counts[index] = (counts[index] or 0) + 1
        fixed = math.max(fixed, counts[index])
    end
    return fixed, sliding
end

local SECONDS = { s = 1, min = 60 }

local function run(url, rate, windows)
    local count, unit = rate:match "^(%d+)/(%a+)$"
    count, windows = math.tointeger(count), math.tointeger(windows)
    local window = SECONDS[unit]
    local watch <close> = mw.ooctopus { url = url, account = 1, token = "watch", limits = false } -- luacheck: ignore
    local desk <close> = mw.ooctopus { url = url, account = 1, token = "bench", limits = { all = rate } } -- luacheck: ignore
    mw.on_wait(function() end)
    watch:request("GET", "/times")
    local list = {}
    for i = 1, count * windows + 1 do -- the last one begins the window after them
        list[i] = i
    end
    mw.map(list, function()
        desk:request("GET", "/api/v1/accounts/1/labels")
    end, { concurrency = 32 })
    local times = watch:request("GET", "/times")
    table.sort(times)
    local fixed, sliding = most(times, window)
    local seconds = times[#times] - times[1]
    print(("%.4f %d %d %d"):format((#times - 1) / (count / window * seconds), count, fixed, sliding))
end

local parts = { serve = serve, run = run }
parts[(...)](select(2, ...))

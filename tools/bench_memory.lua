-- bench_memory.lua calls CALLS: makes CALLS calls with 32 in flight and says so after a tenth of them and at the
-- end, for tools/bench to look at the process.
-- bench_memory.lua tasks COUNT: prints the bytes of memory per task when COUNT tasks wait at once, asleep, in a call;
-- for lua5.4, because it looks at its own process.
local mw = require "moonwire"

local what, count = ...
count = tonumber(count)
local desk = mw.connect "ooctopus"

local function calls()
    local left, done = count, 0
    local function work()
        while left > 0 do
            left = left - 1
            desk.contacts:get(12)
            done = done + 1
            if done == count // 10 or done == count then
                print(done)
            end
        end
    end
    local tasks = {}
    for i = 1, 32 do
        tasks[i] = work
    end
    mw.all(tasks)
    mw.sleep(1) -- still there to be looked at
end

local function resident()
    for line in io.lines "/proc/self/status" do
        local found = line:match "^VmRSS:%s*(%d+) kB"
        if found then
            return tonumber(found) * 1024
        end
    end
end

-- The bytes per task while all wait.
local function waiting(wait)
    local tasks = {}
    collectgarbage()
    local before = resident()
    for i = 1, count do
        tasks[i] = mw.spawn(wait)
    end
    mw.sleep(0)
    local bytes = (resident() - before) / count
    for i = 1, count do
        tasks[i]:wait()
    end
    return bytes
end

if what == "calls" then
    calls()
else
    desk.contacts:get(12)
    local asleep = waiting(function() mw.sleep(2) end)
    local calling = waiting(function() desk.contacts:get(12) end)
    print(("%.0f %.0f"):format(asleep, calling))
end

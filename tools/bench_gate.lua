-- bench_gate.lua: CALLS calls with 32 in flight, each answered with the same JSON; prints calls per second of the
-- second half, when connections and memory are warm. `tools/bench gate` runs it in a worker and in one process.
local mw = require "moonwire"

local calls, in_flight = tonumber((...)), 32
local desk = mw.connect "ooctopus"
local left, half, began = calls, calls // 2, nil

local function work()
    while left > 0 do
        left = left - 1
        if left == half then
            began = mw.now()
        end
        assert(#desk.agents:list() > 0)
    end
end

local tasks = {}
for i = 1, in_flight do
    tasks[i] = work
end
mw.all(tasks)
print(("%.0f"):format(half / (mw.now() - began)))

-- bench_calls.lua CALLS small|page [IN_FLIGHT]: CALLS calls with 32 in flight, or as many as said, each answered with
-- the same JSON; prints calls per second of the second half, when connections and memory are warm. tools/bench runs it
-- in a worker and in one process, and names the answer that nginx gives.
local mw = require "moonwire"

local calls, answer, in_flight = ...
calls, in_flight = tonumber(calls), tonumber(in_flight or 32)
local desk = mw.connect "ooctopus"
local left, half, began = calls, calls // 2, nil

local function call()
    if answer == "small" then
        assert(desk.contacts:get(12).payload.id == 12)
    else
        assert(#desk.conversations:list().data.payload == 25)
    end
end

local function work()
    while left > 0 do
        left = left - 1
        if left == half then
            began = mw.now()
        end
        call()
    end
end

local tasks = {}
for i = 1, in_flight do
    tasks[i] = work
end
mw.all(tasks)
print(("%.0f"):format(half / (mw.now() - began)))

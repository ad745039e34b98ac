-- bench_mixed.lua CALLS FIRST: CALLS calls of all lanes, 16 at once, against the demo data of a twin; prints one line:
-- calls that were answered, requests that the server refused with 429, and calls that ended as rate_limited or failed
-- otherwise. FIRST numbers the first call, so that several processes between them make one mix.
local mw = require "moonwire"

local calls, first = ...
calls, first = math.tointeger(calls), math.tointeger(first)
local desk = mw.connect "ooctopus"

-- Of 100 calls: as many search and report as a limit of 100 a minute lets through beside 3000 others.
local mix = {
    { 45, function(n) return desk.contacts:get(n % 3 + 1) end },
    { 20, function(n) return desk.conversations:get(n % 3 + 1) end },
    { 11, function(n) return desk.messages:list(n % 3 + 1) end },
    { 20, function(n) return desk.messages:create(n % 3 + 1, { content = "call " .. n, private = true }) end },
    { 2, function() return desk.contacts:search { q = "a" } end },
    { 2, function() return desk.reports:account_conversation_metrics { type = "account" } end },
}

local by_number = {}
for _, share in ipairs(mix) do
    for _ = 1, share[1] do
        by_number[#by_number + 1] = share[2]
    end
end

local answered, limited, failed = 0, 0, {}
local list = {}
for i = 1, calls do
    list[i] = first + i - 1
end

mw.map(list, function(n)
    local ok, err = pcall(by_number[n * 37 % 100 + 1], n)
    if ok then
        answered = answered + 1
    elseif err.kind == "rate_limited" then
        limited = limited + 1
    else
        failed[#failed + 1] = tostring(err)
    end
end, { concurrency = 16 })

local refused = 0
for _, lane in pairs(desk:stats().lanes) do
    refused = refused + lane.refused
end
print(("%d %d %d %d"):format(answered, refused, limited, #failed))
assert(#failed == 0, failed[1])

-- Drives the calls of calls.json with moonwire, in its sandbox, and compares each answer with what was written: what
-- sdk_side.js does with a client of others. usage: moonwire run ... moonwire_side.lua CALLS.json PROFILE
-- Prints a line for each failure, then "N of N operations passed"; fails when one failed.
local mw = require "moonwire"

local desk = mw.connect(arg[2]):safe()
local calls = mw.json.decode(mw.fs.read(arg[1]))
local kept = {}

local function known(name)
    return kept[name] == nil and error("nothing was kept as $" .. name, 0) or kept[name]
end

-- The same with every "$name" replaced by what was kept under it.
local function filled(value)
    if type(value) == "table" then
        local out = value[1] ~= nil and mw.array {} or {}
        for key, inner in pairs(value) do
            out[key] = filled(inner)
        end
        return next(value) == nil and value or out
    elseif type(value) ~= "string" then
        return value
    end
    local whole = value:match "^%$([%w_]+)$"
    return whole and known(whole) or (value:gsub("%$([%w_]+)", function(name) return tostring(known(name)) end))
end

local function pick(list, name, wanted)
    for _, item in ipairs(list) do
        if tostring(item[name]) == wanted then
            return item
        end
    end
end

-- One step into a value: into a list by the number of an element (from 0) or "length", else into an object.
local function step_into(value, step)
    if step == "length" then
        return #value
    end
    return value[step:find "^%d+$" and math.tointeger(step) + 1 or step]
end

-- The value at a path such as "payload[id=12].messages.0.content", nil where there is none.
local function at(value, path)
    local from = 1
    while from <= #path and type(value) == "table" do
        local name, wanted, stop = path:match("^%[([^=]+)=([^%]]*)%]%.?()", from)
        if name then
            value = pick(value, name, wanted)
        else
            local step
            step, stop = path:match("^([^.%[]+)%.?()", from)
            value = step_into(value, step)
        end
        from = stop
    end
    if from > #path and value ~= mw.null then
        return value
    end
end

-- One line for each value that is not as it should be.
local function compare(call, answer)
    local wrong = {}
    for name, path in pairs(call.keep or {}) do
        kept[name] = at(answer, path)
        wrong[#wrong + 1] = kept[name] == nil and path .. " is missing" or nil
    end
    for path, value in pairs(call.is or {}) do
        local place, wanted = filled(path), filled(value)
        local found = at(answer, place)
        if found ~= wanted then
            found = found == nil and "missing" or mw.json.encode(found)
            wrong[#wrong + 1] = ("%s is %s, not %s"):format(place, found, mw.json.encode(wanted))
        end
    end
    for _, path in ipairs(call.gone or {}) do
        local found = at(answer, filled(path))
        wrong[#wrong + 1] = found ~= nil and ("%s is still there: %s"):format(path, mw.json.encode(found)) or nil
    end
    return wrong
end

-- What the documents don't list goes out as a plain request.
local function send_beyond(beyond, args)
    local path = beyond.path:gsub("{([%w_]+)}", function(name)
        local value = name == "account_id" and mw.env.OOCTOPUS_ACCOUNT_ID or args[name]
        args[name] = nil
        return tostring(value)
    end)
    return desk:request(beyond.verb, path, { body = args })
end

local function send(call)
    local args = filled(call.args or {})
    if call.beyond then
        return send_beyond(call.beyond, args)
    end
    return desk:call(call.op:gsub("%.([^.]*)$", ":%1"), args, { unchecked = call.unchecked })
end

local function problems_of(call)
    local answer, failure = send(call)
    if answer == nil then
        return failure.status and failure.status == call.status and {} or { tostring(failure) }
    end
    return call.status and { ("was answered, not refused with %d"):format(call.status) } or compare(call, answer)
end

local all, failed = {}, {}
for index, call in ipairs(calls) do
    if not call.beyond then
        all[call.op] = true
    end
    local ran, problems = pcall(problems_of, call)
    for _, problem in ipairs(ran and problems or { tostring(problems) }) do
        failed[call.op] = true
        print(("call %d, %s: %s"):format(index, call.op, problem))
    end
end
local total, passed = 0, 0
for _, operation in ipairs(mw.operations "ooctopus") do
    local name = operation.module .. "." .. operation.method
    total = total + 1
    passed = passed + (all[name] and not failed[name] and 1 or 0)
    if not all[name] then
        print(name .. ": calls.json has no call of it")
    end
end
print(("%d of %d operations passed"):format(passed, total))
assert(passed == total and not next(failed), "moonwire and the twin do not agree")

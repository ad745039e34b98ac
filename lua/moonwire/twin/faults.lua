--- Faults on purpose: "messages.create:drop-after-commit:10%". Reads them, and says which request meets which. Knows
--- the operations' names; how a fault looks on the wire is the pipeline's business.
--
-- The fate of the nth request that a fault matches follows from the seed, the fault's text and n alone, so a run
-- repeats exactly, whatever other faults there are.
local duration = require "moonwire.twin.duration"

local faults = {}
faults.__index = faults

local MOST_FAULTS = 100
local LONGEST_FAULT = 200 -- bytes of text
local LONGEST_DELAY = 600 -- seconds

-- Kinds that stand alone; `delay` and `status` take a value.
local PLAIN = {
    drop = true, ["drop-after-commit"] = true, reset = true, ["reset-after-commit"] = true, truncate = true,
    html = true,
}

local USAGE = {
    whole = "give OPERATION:KIND or OPERATION:KIND:RATE, such as messages.create:drop-after-commit:10%",
    kind = "give drop, drop-after-commit, reset, reset-after-commit, truncate, html, delay=200ms or status=503",
    rate = "give a percentage such as 10%, or 1/3 for every third request",
}

-- ---- reading ----

-- A kind and its value, or nil and a problem.
local function read_kind(text)
    local name, value = text:match("^([%a-]+)=?(.*)$")
    if PLAIN[text] then
        return { kind = text }
    elseif name == "delay" then
        local seconds, problem = duration.read(value)
        if not seconds then
            return nil, problem
        elseif seconds > LONGEST_DELAY then
            return nil, "a delay is of 10 minutes at most"
        end
        return { kind = "delay", seconds = seconds }
    elseif name == "status" then
        local status = value:find("^%d%d%d$") and math.tointeger(tonumber(value))
        if not status or status < 400 or status > 599 then
            return nil, ("'%s' is no status of a failure; give one from 400 to 599"):format(value)
        end
        return { kind = "status", status = status }
    end
    return nil, ("there is no kind '%s'; %s"):format(text, USAGE.kind)
end

-- Sets the rate of a fault, or gives a problem.
local function read_rate(fault, text)
    local percent = tonumber(text:match("^(%d+%.?%d*)%%$"))
    local every = math.tointeger(tonumber(text:match("^1/(%d+)$")))
    if percent and percent > 0 and percent <= 100 then
        fault.chance = percent / 100
    elseif every and every >= 1 and every <= 1000000 then
        fault.every = every
    else
        return ("'%s' is no rate; %s"):format(text, USAGE.rate)
    end
end

local function name_of(row)
    return row.module .. "." .. row.method
end

-- "contacts.get", "contacts.*", "*", or a documented id.
local function matches(fault, row)
    if fault.service and fault.service ~= row.service then
        return false
    elseif fault.prefix then
        return name_of(row):sub(1, #fault.prefix) == fault.prefix
    end
    return fault.operation == name_of(row) or fault.operation == row.id or fault.operation == row.alias
end

local function read_one(text, rows)
    if type(text) ~= "string" or #text > LONGEST_FAULT then
        return nil, ("a fault is text of %d bytes at most"):format(LONGEST_FAULT)
    end
    local service, rest = text:match("^(ooctopus):(.*)$")
    if not service then
        service, rest = text:match("^(circuit):(.*)$")
    end
    local operation, kind, rate = (rest or text):match("^([%w_.*]+):([^:]+):?([^:]*)$")
    if not operation or text:sub(-1) == ":" then
        return nil, USAGE.whole
    end
    local fault, problem = read_kind(kind)
    if fault and rate ~= "" then
        problem = read_rate(fault, rate)
    end
    if problem then
        return nil, problem
    end
    fault.text, fault.service, fault.operation = text, service, operation
    fault.prefix = operation == "*" and "" or operation:match("^([^*]+%.)%*$")
    fault.matched, fault.met = 0, 0
    for _, row in ipairs(rows) do
        if matches(fault, row) then
            return fault
        end
    end
    return nil, ("there is no operation '%s'; give one as MODULE.METHOD, as MODULE.*, or * for all"):format(operation)
end

-- ---- fate ----

-- The finalizer of SplitMix64: every bit of the result depends on every bit of `n`.
local function mix(n)
    n = (n ~ (n >> 30)) * 0xbf58476d1ce4e5b9
    n = (n ~ (n >> 27)) * 0x94d049bb133111eb
    return n ~ (n >> 31)
end

-- FNV-1a.
local function hash(text)
    local sum = 0xcbf29ce484222325
    for i = 1, #text do
        sum = (sum ~ text:byte(i)) * 0x100000001b3
    end
    return sum
end

-- Whether the nth request that the fault matches meets it.
local function strikes(fault, seed, n)
    if fault.every then
        return n % fault.every == 0
    elseif fault.chance then
        local bits = mix(mix(seed ~ hash(fault.text)) + n * 0x9e3779b97f4a7c15)
        return (bits >> 11) < fault.chance * 2.0 ^ 53
    end
    return true
end

---@class moonwire.twin.faults

--- The faults of a specification.
---@param spec string|string[]|nil one fault or a list of them: OPERATION:KIND[:RATE]; none without it
---@param rows table[] the operations there are
---@param seed integer|nil what rates in percent follow from
---@return moonwire.twin.faults|nil
---@return string|nil problem
function faults.new(spec, rows, seed)
    local list = {}
    if type(spec) == "string" then
        spec = { spec }
    elseif spec ~= nil and type(spec) ~= "table" then
        return nil, "faults: expected a fault or a list of faults, got a " .. type(spec)
    elseif spec and next(spec) ~= nil and #spec == 0 then
        return nil, "faults: expected a list of faults, got a table with other keys"
    end
    if #(spec or {}) > MOST_FAULTS then
        return nil, ("faults: %d are too many; %d at most"):format(#spec, MOST_FAULTS)
    end
    for i, text in ipairs(spec or {}) do
        local fault, problem = read_one(text, rows)
        if not fault then
            return nil, ("fault '%s': %s"):format(tostring(text):sub(1, LONGEST_FAULT), problem)
        end
        list[i] = fault
    end
    return setmetatable({ list = list, seed = seed or 1 }, faults)
end

--- What a request of an operation meets: how long it waits (delays add up), and the first other fault.
---@param row table
---@return { delay: number, fault: { kind: string, text: string, status: integer|nil }|nil, texts: string[] }|nil
function faults:draw(row)
    local fate
    for _, fault in ipairs(self.list) do
        if matches(fault, row) then
            fault.matched = fault.matched + 1
            local met = strikes(fault, self.seed, fault.matched)
            if met and (fault.kind == "delay" or not (fate and fate.fault)) then
                fate = fate or { delay = 0, texts = {} }
                fault.met = fault.met + 1
                fate.texts[#fate.texts + 1] = fault.text
                fate.delay = fate.delay + (fault.seconds or 0)
                fate.fault = fate.fault or fault.kind ~= "delay" and fault or nil
            end
        end
    end
    return fate
end

--- What there is and how often it has struck.
---@return { fault: string, matched: integer, met: integer }[]
function faults:status()
    local out = {}
    for i, fault in ipairs(self.list) do
        out[i] = { fault = fault.text, matched = fault.matched, met = fault.met }
    end
    return out
end

return faults

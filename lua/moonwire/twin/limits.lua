--- The platform's rate limits: fixed windows, epoch seconds divided by the period. Knows requests by what they are
--- counted by (address, account, token, lane), no operation by name.
local limits = {}
limits.__index = limits

-- What counts towards a limit, as rows: requests of a lane (all without one) by what they have in common. Circuit is
-- another server with limits of its own, which nobody has documented.
local PLATFORM = {
    { service = "ooctopus", by = "peer", most = 3000, period = 60 },
    { service = "ooctopus", lane = "search", by = "account", most = 100, period = 60 },
    { service = "ooctopus", lane = "reports", by = "token", most = 100, period = 60 },
    { service = "ooctopus", lane = "reports", by = "account", most = 1000, period = 60 },
}

local PERIODS = { s = 1, m = 60, min = 60, h = 3600 }
local MOST = 1000000000
local LONGEST_KEY = 128
local MOST_KEYS = 10000 -- of one window; whoever comes later is counted together

local USAGE = "give off, platform, or a number of requests for each address such as 60/min (or /s, /h)"

-- The rules of a specification, or nil and what is wrong with it.
local function rules_of(spec)
    if spec == nil or spec == false or spec == "off" then
        return {}
    elseif spec == "platform" then
        return PLATFORM
    elseif type(spec) == "string" then
        local digits, unit = spec:match("^(%d+)/(%a+)$")
        local most = digits and math.tointeger(tonumber(digits))
        if most and most >= 1 and most <= MOST and PERIODS[unit] then
            return { { by = "peer", most = most, period = PERIODS[unit] } }
        end
    end
    return nil, ("limits: '%s' is no limit; %s"):format(tostring(spec):sub(1, 40), USAGE)
end

---@class moonwire.twin.limits

--- The limits of a specification.
---@param spec string|false|nil "platform", "60/min", or "off" and nil for none
---@return moonwire.twin.limits|nil
---@return string|nil problem
function limits.new(spec)
    local rules, problem = rules_of(spec)
    if not rules then
        return nil, problem
    end
    local counters = {}
    for i, rule in ipairs(rules) do
        counters[i] = { rule = rule, window = nil, keys = 0, counts = {} }
    end
    return setmetatable({ counters = counters }, limits)
end

--- Whether it lets everything through.
---@return boolean
function limits:is_off()
    return #self.counters == 0
end

-- Counts one request; a window that is over is forgotten.
local function count(counter, key, window)
    if counter.window ~= window then
        counter.window, counter.keys, counter.counts = window, 0, {}
    end
    key = key:sub(1, LONGEST_KEY)
    if not counter.counts[key] then
        if counter.keys >= MOST_KEYS then
            key = ""
        end
        counter.keys = counter.keys + (counter.counts[key] and 0 or 1)
    end
    local counted = (counter.counts[key] or 0) + 1
    counter.counts[key] = counted
    return counted
end

local function concerns(rule, request)
    return (not rule.service or rule.service == request.service) and (not rule.lane or rule.lane == request.lane)
        and request[rule.by] ~= nil
end

--- Counts a request. The first limit that it goes beyond refuses it; the others don't count it then.
---@param request { service: string, lane: string|nil, peer: string, account: integer|nil, token: string|nil }
---@param now number epoch seconds
---@return integer|nil seconds until the window ends, when the request is refused
function limits:refuse(request, now)
    for _, counter in ipairs(self.counters) do
        local rule = counter.rule
        if concerns(rule, request) then
            local window = now // rule.period
            if count(counter, tostring(request[rule.by]), window) > rule.most then
                return math.max(1, math.ceil((window + 1) * rule.period - now))
            end
        end
    end
end

return limits

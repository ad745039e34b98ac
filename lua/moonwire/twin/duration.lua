--- Spans of time as people write them: "90s", "5m", "2h", "1d", "200ms", or a number of seconds. Pure.
local duration = {}

local SECONDS = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }
local LONGEST = 100 * 365 * 86400 -- what a clock can be advanced by without leaving sensible dates

--- Seconds of a span.
---@param span any text with a unit, or a number of seconds
---@return number|nil seconds from 0 to a hundred years
---@return string|nil problem one line that names what was given and what would do
function duration.read(span)
    local seconds
    if type(span) == "number" then
        seconds = span
    elseif type(span) == "string" then
        local digits, unit = span:match("^(%d+%.?%d*)(%a*)$")
        local factor = digits and SECONDS[unit == "" and "s" or unit]
        seconds = factor and tonumber(digits) * factor
    end
    if not seconds or not (seconds >= 0 and seconds <= LONGEST) then
        return nil, ("'%s' is no duration; give one such as 200ms, 90s, 5m, 2h or 1d, of 100 years at most"):format(
            tostring(span):sub(1, 40))
    end
    return seconds
end

return duration

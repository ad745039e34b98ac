--- Days and times in text, in UTC: whole days since 1970-01-01, "2026-03-01", "2026-03-01T10:20:30.000Z". Pure
-- functions.
local dates = {}

local DAY = 86400

-- Counts in years that begin in March, so that the leap day is the last of its year; 400 years have 146097 days.
local function days_before(year, month, day)
    local shifted = month <= 2 and year - 1 or year
    local era = shifted // 400
    local year_of_era = shifted - era * 400
    local day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    local day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146097 + day_of_era - 719468
end

local function civil(days)
    local shifted = days + 719468
    local era = shifted // 146097
    local day_of_era = shifted - era * 146097
    local year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    local day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    local shifted_month = (5 * day_of_year + 2) // 153
    local month = (shifted_month + 2) % 12 + 1
    local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
    return year, month, day_of_year - (153 * shifted_month + 2) // 5 + 1
end

--- The day that a time is in.
---@param seconds number epoch seconds
---@return integer days since 1970-01-01
function dates.day(seconds)
    return math.floor(seconds / DAY)
end

--- The day that a text begins with: "2026-03-01", also with a time behind it.
---@param text string
---@return integer|nil days since 1970-01-01; nil when there is no such day
function dates.parse_day(text)
    local year, month, day, rest = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.?)")
    if not year or rest:find("%d") then
        return nil
    end
    local wanted = { math.tointeger(tonumber(year)), math.tointeger(tonumber(month)), math.tointeger(tonumber(day)) }
    if wanted[2] < 1 or wanted[2] > 12 then
        return nil
    end
    local days = days_before(table.unpack(wanted))
    local _, _, same = civil(days)
    return same == wanted[3] and days or nil -- February 30 is none
end

--- A time as the service writes it.
---@param seconds integer epoch seconds
---@return string "2026-03-01T10:20:30.000Z"
function dates.iso(seconds)
    local days = dates.day(seconds)
    local year, month, day = civil(days)
    local rest = math.floor(seconds) - days * DAY
    return ("%04d-%02d-%02dT%02d:%02d:%02d.000Z"):format(year, month, day, rest // 3600, rest // 60 % 60, rest % 60)
end

return dates

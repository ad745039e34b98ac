--- The twin's virtual clock: a given one and what it was advanced by. The shift is a record, so that it is kept with
--- everything else. Knows no requests.
local duration = require "moonwire.twin.duration"

local clock = {}

local function record_of(state)
    return state.store:first("twin")
end

--- The time of a twin as a function.
---@param state moonwire.twin.state
---@param base fun(): number the clock it counts from, in epoch seconds
---@return fun(): number
function clock.of(state, base)
    return function()
        return base() + record_of(state).clock_offset
    end
end

--- Sets the clock forward. Nothing else happens by it; what is counted from the time (limits, reports) sees it.
---@param state moonwire.twin.state
---@param span string|number "2h"; see duration.read
---@return number|nil now epoch seconds
---@return string|nil problem
function clock.advance(state, span)
    local seconds, problem = duration.read(span)
    if not seconds then
        return nil, problem
    end
    local record = record_of(state)
    local offset
    offset, problem = duration.read(record.clock_offset + seconds)
    if not offset then
        return nil, "the clock was advanced too often already: " .. problem
    end
    state:change(function(store)
        store:update("twin", record, { clock_offset = offset })
    end)
    return state.now()
end

return clock

--- `moonwire twin export`: the records of a state file, or of data, as text. Knows nothing of what they mean.
local plain = require "moonwire.cli.plain"

--- @param settings { data: string[]|nil, state: string[]|nil } the last of each counts
--- @return string text JSON, a record a line
return function(settings)
    local data, state = settings.data, settings.state
    return plain(require "moonwire.twin".export, { data = data and data[#data], state = state and state[#state] })
end

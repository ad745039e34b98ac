--- What a handler gets: one checked request.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"

---@class moonwire.twin.call
---@field state moonwire.twin.state
---@field store moonwire.twin.store
---@field row table the operation
---@field identity table who asks
---@field params table<string, any> path parameters
---@field query table<string, any> query parameters by their names in Lua
---@field fields table<string, any> checked body fields
local call = {}
call.__index = call

---@return moonwire.twin.call
function call.new(fields)
    return setmetatable(fields, call)
end

--- A body field, nil where it was left out or sent as null.
---@param name string
---@return any
function call:given(name)
    local value = self.fields[name]
    if value == core.null then
        return nil
    end
    return value
end

--- The record with an id (a number or digits); ends the request with 404 when there is none.
---@param name string the store's table
---@param id any
---@param what string|nil for the message: "Contact"
---@return table record
function call:find(name, id, what)
    local record = self.store:get(name, math.tointeger(tonumber(id)))
    if not record then
        errors.not_found(what)
    end
    return record
end

--- The time for a record's stamps, in whole epoch seconds.
---@return integer
function call:now()
    return math.floor(self.state.now())
end

return call

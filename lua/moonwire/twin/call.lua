--- What a handler gets: one checked request, and what it may do with the twin's state.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"

---@class moonwire.twin.call
---@field state moonwire.twin.state
---@field store moonwire.twin.store
---@field row table the operation
---@field account table|nil the account of the path
---@field identity { kind: string, id: integer|string|nil, role: string|nil } who asks; kind "public" without a token
---@field params table<string, any> path parameters
---@field query table<string, any> query parameters by their names in Lua
---@field fields table<string, any> checked body fields
---@field host string|nil what the client calls the twin: its Host header
---@field events moonwire.twin.event[] what has happened, in order
local call = {}
call.__index = call

---@class moonwire.twin.event
---@field name string "conversation_created", "message_created", ... as webhooks call them
---@field account table
---@field conversation table|nil records, as the event's name says
---@field message table|nil
---@field contact table|nil
---@field changed table<string, { [1]: any, [2]: any }>|nil of an update: before and after, by field
---@field by_rule boolean|nil an automation rule did it; rules don't answer to it
---@field url string|nil of "automation_webhook": where the rule has it posted
---@field rule table|nil the same event's rule
---@field identity table who did it

---@return moonwire.twin.call
function call.new(fields)
    fields.events = fields.events or {}
    return setmetatable(fields, call)
end

--- The same request in the name of the desk itself: what automation rules do. Its events go to the same list.
---@return moonwire.twin.call
function call:as_system()
    return call.new {
        state = self.state, store = self.store, row = self.row, account = self.account,
        identity = { kind = "system" }, by_rule = true,
        params = {}, query = {}, fields = {}, events = self.events,
    }
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

--- The record with an id (a number or digits); ends the request with 404 when there is none, or when it belongs to
--- another account.
---@param name string the store's table
---@param id any
---@param what string|nil for the message: "Contact"
---@return table record
function call:find(name, id, what)
    local record = self.store:get(name, math.tointeger(tonumber(id)))
    if not record or self.account and record.account_id and record.account_id ~= self.account.id then
        errors.not_found(what)
    end
    return record
end

--- The time for a record's stamps, in whole epoch seconds.
---@return integer
function call:now()
    return math.floor(self.state.now())
end

--- Says that something has happened: rules and webhooks get to know once the handler is through.
---@param name string as webhooks call it
---@param about { conversation: table|nil, message: table|nil, contact: table|nil, changed: table|nil }
function call:emit(name, about)
    about.name = name
    about.account = self.account
    about.identity = self.identity
    about.by_rule = self.by_rule
    self.events[#self.events + 1] = about
end

return call

--- What a running twin is made of, and the changes that come from no request: the clock, a restored snapshot. Knows
--- no HTTP.
local core = require "moonwire.core"
local log = require "moonwire.twin.log"
local schema = require "moonwire.twin.schema"

---@class moonwire.twin.state
---@field store moonwire.twin.store replaced as a whole by `restore`; nobody keeps it from one request to the next
---@field router moonwire.twin.router
---@field now fun(): number epoch seconds, by the virtual clock
---@field log moonwire.twin.log
---@field limits moonwire.twin.limits
---@field faults moonwire.twin.faults
---@field seed integer of the faults
---@field control_token string
---@field snapshots table<string, table> by name, as dump.write makes them
---@field say fun(level: string, line: string) where lines about trouble go
---@field outbox moonwire.twin.outbox
---@field journal moonwire.twin.journal|nil what keeps the records in a file
---@field requests integer served so far
---@field naps table<moonwire.task, true> requests that wait as a fault wants it
---@field stopped boolean
local state = {}
state.__index = state

--- A state of the given parts; what is not given starts out empty.
---@return moonwire.twin.state
function state.new(parts)
    parts.log, parts.snapshots, parts.requests = log.new(), {}, 0
    parts.naps, parts.stopped = {}, false
    return setmetatable(parts, state)
end

--- Changes records outside of any request, as one transaction: when it fails, or can't be kept, it is taken back and
--- the error raised.
---@param f fun(store: moonwire.twin.store)
function state:change(f)
    self.store:begin()
    local ok, problem = pcall(function()
        f(self.store)
        self:save()
    end)
    if not ok then
        self.store:rollback()
        error(problem, 0)
    end
end

--- Puts what has changed since the transaction began into the file, if there is one. Raises what goes wrong there.
function state:save()
    if self.journal then
        self.journal:save(self.store, self.store:changed())
    end
end

-- Every record of either store, as it is in the new one.
local function difference(old, new)
    local changed = {}
    for name in pairs(schema) do
        changed[name] = {}
        for record in old:each(name) do
            changed[name][record.id] = false
        end
        for record in new:each(name) do
            changed[name][record.id] = record
        end
    end
    return changed
end

--- Takes another store, and with it another past. Raises what goes wrong with the file; it is as before then.
---@param store moonwire.twin.store
function state:restore(store)
    if self.journal then
        self.journal:save(store, difference(self.store, store))
    end
    self.store = store
end

--- Waits, unless the twin is stopped meanwhile.
---@param seconds number
---@return boolean finished
function state:nap(seconds)
    local nap = core.spawn(function()
        core.sleep(seconds)
    end)
    self.naps[nap] = true
    pcall(nap.wait, nap)
    self.naps[nap] = nil
    return not self.stopped
end

--- Gives up what waits, requests and deliveries, and closes the file, if there is one. Twice is fine.
function state:stop()
    self.stopped = true
    for nap in pairs(self.naps) do
        nap:cancel()
    end
    self.outbox:stop()
    if self.journal then
        self.journal:close()
    end
end

return state

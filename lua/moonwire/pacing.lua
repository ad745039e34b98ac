--- Pacing: how fast a client goes, what it says of that, and who hears of waits. The limits themselves are the core's.
local core = require "moonwire.core"

core.own()

--- The limits of a client's lanes, where the built-in ones do not fit. A lane is a group of operations that share one
--- limit on the server (`lane` of a moonwire.operation). A limit is a rate such as "3000/min", "50/s", "100/10s" or
--- "5000/h", `false` for none, or a table of both a rate and a cap. What is left out is as it is built in: for
--- ooctopus 3000/min in all for a host, searches 100/min for an account, reports 100/min for a token and 1000/min for
--- an account. A request that could go is never held back; who has to wait leaves in order, reads before writes.
---
---     limits = { all = "600/min", search = false, write = { rate = "10/s", concurrency = 4 } }
---@class moonwire.limits
---@field all moonwire.limit? of everything together
---@field search moonwire.limit? counts towards `all`
---@field reports moonwire.limit? counts towards `all`
---@field write moonwire.limit? whatever changes something; counts towards `all`
---@field upload moonwire.limit? what may carry files; counts towards `write`
--- With this the processes that name the same file share their lanes, as far as they go to the same host with the same
--- token. true: the file limits.db in $MOONWIRE_STATE, else $XDG_STATE_HOME/moonwire, else ~/.local/state/moonwire.
---@field shared boolean|string|nil

---@alias moonwire.limit string|false|moonwire.lane_limit

---@class moonwire.lane_limit
---@field rate string|false|nil
---@field concurrency integer? requests in flight at once; default: as the client has it

--- What `client:stats()` gives. Of a sandboxed script: of the client behind its profile.
---@class moonwire.stats
---@field requests integer that went out so far, each attempt counts
---@field lanes table<string, moonwire.lane_stats> by the names of the lanes; a request counts in its own alone

---@class moonwire.lane_stats
---@field sent integer requests that went out, each attempt counts
---@field waiting integer calls that wait for their turn now
---@field running integer requests in flight now
---@field waited number seconds that calls have waited for their turn, all together
---@field refused integer answers 429
---@field allowed integer? requests that a window has room for: the limit, or what refusals have taught; nil: no limit

--- What a handler of `mw.on_wait` gets.
---@class moonwire.wait
---@field service "ooctopus"|"circuit"
---@field lane string "search": the lane whose limit it is; calls of other lanes may wait for it, too
--- The limit is used up; the server has answered 429; as many requests as may are in flight elsewhere; nobody waits,
--- but the file of `shared` can't be used any more, and the process goes on with limits of its own: told once.
---@field reason "limit"|"refused"|"concurrency"|"unshared"
---@field seconds number until the last one of those that wait for it has gone, as far as can be told
---@field waiting integer calls that wait for it, of all lanes
---@field allowed integer? requests in a window; nil: the lane has no limit
---@field window number? its length in seconds, with `allowed`
--- The line for people: "waiting 34 s for the limit of the lane search (100/min); 12 calls are queued", or what is
--- wrong with the shared file.
---@field text string

return {
    on_wait = core.on_wait,
}

--- What came in and what went out: the last requests and deliveries of a twin. Tokens are not in it, as headers are
--- not. Knows no records.
local log = {}
log.__index = log

local MOST_ENTRIES = 10000
local LONGEST_TEXT = 1024 -- bytes of a path or a query
local LONGEST_BODY = 4096 -- bytes; of a longer one there is only the size

---@class moonwire.twin.request a line of the log
---@field n integer 1 for the first request of the twin
---@field time number by the twin's clock
---@field method string
---@field path string as sent, cut at 1 KiB
---@field query string as sent, cut at 1 KiB
---@field operation string|nil "contacts.get"; nil when no operation has that path
---@field service string|nil "ooctopus" or "circuit"
---@field account integer|nil of the path
---@field peer string address of the client
---@field size integer bytes of the body
---@field body string|nil up to 4 KiB; not of uploads
---@field status integer|nil what was answered; nil when the connection ended without an answer
---@field limited boolean|nil refused by a limit
---@field faults string[]|nil the faults it met, as they were given

-- A queue that forgets its oldest entry when it is full.
local function new_ring()
    return { first = 1, last = 0 }
end

local function push(ring, entry)
    ring.last = ring.last + 1
    entry.n = ring.last
    ring[ring.last] = entry
    if ring.last - ring.first >= MOST_ENTRIES then
        ring[ring.first] = nil
        ring.first = ring.first + 1
    end
    return entry
end

local function list(ring, since, most)
    local out = {}
    local first = math.max(ring.first, math.min(since or 0, ring.last) + 1)
    for n = first, math.min(ring.last, first + math.min(most or MOST_ENTRIES, MOST_ENTRIES) - 1) do
        local copy = {}
        for key, value in pairs(ring[n]) do
            copy[key] = value
        end
        out[#out + 1] = copy
    end
    return out
end

---@class moonwire.twin.log

--- An empty log.
---@return moonwire.twin.log
function log.new()
    return setmetatable({ requests = new_ring(), deliveries = new_ring() }, log)
end

-- The values of parameters that are named like secrets are not kept.
local function without_secret(pair)
    local name = pair:match("^[^=]*"):lower()
    for _, word in ipairs { "token", "secret", "password" } do
        if name:find(word, 1, true) then
            return pair:sub(1, #name) .. "=..."
        end
    end
end

local function query_of(request)
    return ((request.query or ""):sub(1, LONGEST_TEXT):gsub("[^&]+", without_secret))
end

local function body_of(request)
    local kind = request.headers["content-type"] or ""
    if request.body and #request.body > 0 and #request.body <= LONGEST_BODY and utf8.len(request.body)
        and not kind:lower():find("multipart/", 1, true) then
        return request.body
    end
end

--- Notes a request that has come in; the caller adds to the entry what comes of it.
---@param request table the server's request
---@param now number
---@return moonwire.twin.request entry
function log:request(request, now)
    return push(self.requests, {
        time = now,
        method = request.method,
        path = request.path:sub(1, LONGEST_TEXT),
        query = query_of(request),
        peer = request.peer or "127.0.0.1",
        size = #(request.body or ""),
        body = body_of(request),
    })
end

--- Notes the outcome of a delivery: a webhook that was posted, or wasn't.
---@param entry table JSON values: url, event, status, ...
function log:delivery(entry)
    push(self.deliveries, entry)
end

--- Requests in the order they came in; copies.
---@param since integer|nil only those behind this number
---@param most integer|nil how many
---@return moonwire.twin.request[]
function log:list_requests(since, most)
    return list(self.requests, since, most)
end

--- The same for deliveries.
---@return table[]
function log:list_deliveries(since, most)
    return list(self.deliveries, since, most)
end

--- Forgets all entries. Numbers go on.
function log:clear()
    for _, ring in ipairs { self.requests, self.deliveries } do
        for n = ring.first, ring.last do
            ring[n] = nil
        end
        ring.first = ring.last + 1
    end
end

return log

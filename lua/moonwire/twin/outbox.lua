--- The twin's outgoing post: turns the events of a request into deliveries, and sends them beside everything else.
-- Each is posted once, as the platform does: no second try, whatever comes back. Nothing in here delays or fails a
-- request. Knows no shapes of payloads and no rules about who hears of what.
local core = require "moonwire.core"
local payloads = require "moonwire.twin.payloads"
local signature = require "moonwire.twin.signature"
local subscribers = require "moonwire.twin.subscribers"
local uuid = require "moonwire.twin.uuid"

core.own() -- what can't be posted is not this file's fault

local TIMEOUT = 5 -- seconds, the platform's
local MOST_UNDER_WAY = 32
local MOST_QUEUED = 10000
local MOST_BYTES = 64 << 20 -- of the bodies that are queued
local MOST_TARGETS = 1000 -- whose trouble is remembered, so that it is told once
local LONGEST_TARGET = 200 -- bytes

---@class moonwire.twin.post
---@field url string
---@field event string for the log
---@field body string
---@field delivery string|nil its number, a UUID; signed and numbered only with one
---@field secret string|nil

---@class moonwire.twin.outbox
local outbox = {}
outbox.__index = outbox

--- An outbox. `deliver_anywhere`: also to addresses that are not of this machine. `timeout`: seconds for a delivery.
--- `log` is told the outcome of each: { event, url, delivery, status, error, kind, elapsed }; `status` when there was
--- an answer, `error` and `kind` (of moonwire.error, or "status") when it was not delivered, `elapsed` in seconds.
--- `say` gets lines about trouble, with their level; they go to the host's log without it.
---@param options { deliver_anywhere: boolean|nil, timeout: number|nil, log: fun(entry: table)|nil,
--- say: fun(level: string, line: string)|nil }|nil
---@return moonwire.twin.outbox
function outbox.new(options)
    options = options or {}
    return setmetatable({
        anywhere = options.deliver_anywhere or false,
        timeout = options.timeout or TIMEOUT,
        log = options.log or function() end,
        say = options.say or core.log,
        queue = {}, first = 1, last = 0, bytes = 0,
        workers = {}, working = 0,
        troubled = {}, troubled_count = 0,
        stopped = false,
    }, outbox)
end

-- ---- what is sent ----

local function posts_of(store, event, posts)
    local targets = subscribers.of(store, event)
    local payload = targets[1] and payloads.of(store, event)
    if not payload then
        return
    end
    local bodies = {} -- by the event's name: the same bytes for all that hear of it under that name
    for _, target in ipairs(targets) do
        if not bodies[target.event] then
            payload.event = target.event
            bodies[target.event] = core.json_encode(payload)
        end
        posts[#posts + 1] = {
            url = target.url,
            event = target.event,
            body = bodies[target.event],
            secret = target.secret,
            delivery = uuid.next(store),
        }
    end
end

--- The deliveries that the events of a request cause, for `send` once it is committed. They hold bytes, not records:
--- what becomes of the records later doesn't change them. Part of the request's transaction, as it counts UUIDs.
---@param call moonwire.twin.call
---@return moonwire.twin.post[]
function outbox:plan(call)
    local posts = {}
    for _, event in ipairs(call.events) do
        local ok, problem = pcall(posts_of, call.store, event, posts)
        if not ok then
            self.say("error", ("twin: %s can't be posted: %s"):format(event.name, tostring(problem)))
        end
    end
    return posts
end

-- ---- how it went ----

-- "http://host:port", without a user.
local function origin_of(url)
    local scheme, authority = url:match("^(%a+://)([^/?#]*)")
    return scheme and scheme .. authority:gsub("^.*@", "") or ""
end

-- What log lines call a target: without the path, which may hold secrets, and no longer than a line should be.
local function target_of(url)
    local origin = origin_of(url)
    return #origin <= LONGEST_TARGET and origin or origin:sub(1, LONGEST_TARGET) .. "..."
end

-- Says a target's first trouble only.
local function warn(self, target, text)
    if self.troubled[target] then
        return
    end
    if self.troubled_count >= MOST_TARGETS then
        self.troubled, self.troubled_count = {}, 0
    end
    self.troubled[target] = true
    self.troubled_count = self.troubled_count + 1
    self.say("warn", "twin: " .. text)
end

local function note(self, post, outcome)
    outcome.event, outcome.url, outcome.delivery = post.event, post.url, post.delivery
    self.log(outcome)
end

local function refuse(self, post, kind, target, text)
    warn(self, target, text)
    note(self, post, { error = text, kind = kind })
end

local function not_loopback(self, post)
    local target = target_of(post.url)
    refuse(self, post, "denied", target,
        ("not delivered to %s: not a loopback address; --deliver-anywhere allows it"):format(target))
end

-- Whether a URL names this machine. Other names are not even looked up; what a name leads to is checked once more when
-- the connection is made.
local function is_loopback(url)
    local host = origin_of(url):lower():match("^https?://(.+)$") or ""
    host = host:gsub(":%d*$", "")
    return host == "localhost" or host:find("%.localhost$") ~= nil or host:find("^127%.%d+%.%d+%.%d+$") ~= nil
        or host == "[::1]"
end

-- ---- sending ----

local function transmit(self, post)
    local headers = {}
    if post.delivery then
        headers = signature.headers(post.delivery, post.secret, post.body, math.floor(core.time()))
    end
    headers["Content-Type"] = "application/json"
    headers["Accept"] = "application/json"
    return (core.post {
        url = post.url,
        headers = headers,
        body = post.body,
        timeout = self.timeout,
        loopback = not self.anywhere,
    })
end

-- What is wrong with an answer, or with what was raised instead of one: a text and a kind, or nothing.
local function trouble(ok, answer)
    if not ok and core.is_error(answer) then
        return (answer.message:gsub("^POST %S+: ", "")), answer.kind
    elseif not ok then
        return tostring(answer), "error"
    elseif answer < 200 or answer >= 300 then
        return "answered " .. answer, "status"
    end
end

local function deliver(self, post)
    local started, target = core.now(), target_of(post.url)
    local ok, answer = pcall(transmit, self, post)
    local text, kind = trouble(ok, answer)
    if kind == "denied" then
        return not_loopback(self, post)
    elseif kind and kind ~= "cancelled" then
        warn(self, target, ("%s was not delivered to %s: %s"):format(post.event, target, text))
    elseif not kind and self.troubled[target] then
        self.troubled[target] = nil
        self.troubled_count = self.troubled_count - 1
    end
    note(self, post, { status = ok and answer or nil, error = text, kind = kind, elapsed = core.now() - started })
end

local function take(self)
    local post = self.queue[self.first]
    if post then
        self.queue[self.first] = nil
        self.first = self.first + 1
        self.bytes = self.bytes - #post.body
    end
    return post
end

local function work(self, worker)
    local post = take(self)
    while post do
        local ok, problem = pcall(deliver, self, post)
        if not ok then
            self.say("error", ("twin: the delivery of %s failed: %s"):format(post.event, tostring(problem)))
        end
        post = take(self)
    end
    self.workers[worker] = nil
    self.working = self.working - 1
end

-- As many workers as there is work for.
local function hire(self)
    for _ = 1, math.min(self.last - self.first + 1, MOST_UNDER_WAY - self.working) do
        local worker = {}
        self.working = self.working + 1
        self.workers[worker] = core.spawn(work, self, worker)
    end
end

local function put(self, post)
    if not self.anywhere and not is_loopback(post.url) then
        not_loopback(self, post)
    elseif self.last - self.first + 1 >= MOST_QUEUED or self.bytes + #post.body > MOST_BYTES then
        refuse(self, post, "budget", "the queue", post.event .. " was dropped: too many deliveries are waiting")
    else
        self.last = self.last + 1
        self.queue[self.last] = post
        self.bytes = self.bytes + #post.body
    end
end

--- Sends in the background, in order, up to 32 at a time. Returns at once. What doesn't fit into the queue (10,000
--- deliveries, 64 MiB) is dropped, with a warning; after `stop` everything is, without one.
---@param posts moonwire.twin.post[]
function outbox:send(posts)
    for _, post in ipairs(self.stopped and {} or posts) do
        put(self, post)
    end
    hire(self)
end

local function tasks_of(self)
    local tasks = {}
    for _, task in pairs(self.workers) do
        tasks[#tasks + 1] = task
    end
    return tasks
end

--- Waits until nothing is under way.
function outbox:wait()
    while self.working > 0 do
        core.join(tasks_of(self))
    end
end

--- Gives up what is under way and what is queued, for good, and waits until it has ended.
function outbox:stop()
    self.stopped = true
    self.queue, self.first, self.last, self.bytes = {}, 1, 0, 0
    local tasks = tasks_of(self)
    for _, task in ipairs(tasks) do
        task:cancel()
    end
    for _, task in ipairs(tasks) do
        pcall(task.wait, task)
    end
    self.workers, self.working = {}, 0
end

return outbox

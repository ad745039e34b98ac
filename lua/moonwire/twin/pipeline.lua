--- The way of a request through the twin: counted, held against the limits, met by faults, served, logged. Knows what
--- limits and faults look like on the wire; what an operation does is the handler's business.
local handler = require "moonwire.twin.handler"

local pipeline = {}

local HTML = "<html>\n<head><title>Welcome</title></head>\n<body><h1>It works</h1></body>\n</html>\n"

-- What a fault does before the operation is reached. Those that aren't here let it through.
local BEFORE = {
    drop = function()
        return nil, "drop"
    end,
    reset = function()
        return nil, "reset"
    end,
    html = function(_, _, _, headers)
        headers["content-type"] = "text/html"
        return 200, headers, HTML
    end,
    status = function(state, fault, request, headers)
        local status, result = handler.word(request, {
            status = fault.status,
            body = { error = "A fault of the twin: " .. fault.text },
        })
        return handler.write(state, request, status, result, headers)
    end,
}

-- What a fault does to an answer whose changes are kept.
local AFTER = {
    ["drop-after-commit"] = function()
        return nil, "drop"
    end,
    ["reset-after-commit"] = function()
        return nil, "reset"
    end,
    truncate = function(status, headers, body)
        return status, headers, body, { cut = #body // 2 }
    end,
}

-- What the limits count a request by.
local function traits(found, request, entry)
    local row = found.route and found.route.row
    local headers = request.headers
    return {
        service = entry.service,
        lane = row and row.lane,
        peer = entry.peer,
        account = entry.account,
        token = headers["api_access_token"] or headers["api-access-token"] or headers["authorization"],
    }
end

local function note(state, request, found)
    local entry = state.log:request(request, state.now())
    local row = found.route and found.route.row
    entry.service = handler.service_of(request.path)
    entry.operation = row and row.module .. "." .. row.method
    entry.account = found.route and found.account
    return entry
end

local function too_many(state, seconds, headers)
    headers["content-type"] = "text/plain"
    if state.retry_after then
        headers["retry-after"] = tostring(seconds)
    end
    return 429, headers, "Retry later\n"
end

local function answer(state, request, found, entry, headers)
    local seconds = state.limits:refuse(traits(found, request, entry), state.now())
    if seconds then
        entry.limited = true
        return too_many(state, seconds, headers)
    end
    local fate = found.route and state.faults:draw(found.route.row)
    local fault = fate and fate.fault
    if fate then
        entry.faults = fate.texts
        if fate.delay > 0 and not state:nap(fate.delay) then
            return nil, "drop"
        end
    end
    if fault and BEFORE[fault.kind] then
        return BEFORE[fault.kind](state, fault, request, headers)
    end
    local status, result, posts = handler.serve(state, request, found)
    state.outbox:send(posts or {})
    local body
    status, headers, body = handler.write(state, request, status, result, headers)
    if fault then
        return AFTER[fault.kind](status, headers, body)
    end
    return status, headers, body
end

--- Answers a request, as core.server wants a handler to. Never raises. Waits only where a fault says so, before
--- anything has happened.
---@param state moonwire.twin.state
---@param request table the server's request
---@return integer|nil status, table|string headers, string|nil body, table|nil more
function pipeline.answer(state, request)
    state.requests = state.requests + 1
    local headers = { ["x-request-id"] = ("twin-%d"):format(state.requests) }
    local found = handler.find(state, request)
    local entry = note(state, request, found)
    local status, sent, body, more = answer(state, request, found, entry, headers)
    entry.status = status
    return status, sent, body, more
end

return pipeline

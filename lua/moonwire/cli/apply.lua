--- `moonwire apply`: sends what a dry run held back, line by line. Owns the order of things: check all, show, ask,
--- send, stop at the first failure. What a line may hold is plan.lua's; files and the terminal are the host's.

local mw = require "moonwire"
local plan = require "moonwire.cli.plan"

local MOST_KINDS <const> = 40 -- of calls, in the summary

---@class moonwire.cli.apply.host
---@field say fun(line: string) a line to standard output
---@field ask fun(question: string): boolean true: go on; without a person to ask, too
---@field may_read fun(path: string): boolean?, string? whether a file may be sent, or why not
---@field sending fun(number: integer, done: string) line `number` leaves now, and what was done before it

local function call(client, line, path, params, options)
    if not line.row then
        return client:request(line.verb, path, params, options)
    end
    local module = client
    for name in line.row.module:gmatch "[^.]+" do
        module = module[name]
    end
    local arguments, count = table.move(path, 1, #path, 1, {}), #path
    arguments[count + 1], arguments[count + 2] = params, options
    return module[line.row.method](module, table.unpack(arguments, 1, count + 2))
end

local function same(id)
    return id
end

--- Clients that let nothing through: what they refuse as "denied" fits its row.
local function checkers()
    local nothing = { allow = {} }
    local desk = {
        url = "http://127.0.0.1:9", account = 1, policy = nothing,
        token = "none", bot_token = "none", platform_token = "none",
    }
    return {
        ooctopus = mw.ooctopus(desk),
        chatwoot = mw.chatwoot(desk),
        circuit = mw.circuit { url = "http://127.0.0.1:9", token = "none", policy = nothing },
    }
end

local function check_with(clients, host)
    return function(line)
        for _, path in ipairs(line.files) do
            local good, problem = host.may_read(path)
            if not good then
                error(mw.error { kind = "denied", message = problem }, 0)
            end
        end
        local sent, err = pcall(call, clients[line.profile], line, plan.arguments(line, same))
        assert(not sent, "a client that allows nothing has sent something")
        if not mw.is_error(err, "denied") then
            error(err, 0)
        end
    end
end

local function counted(count, what)
    return ("%d %s%s"):format(count, what, count == 1 and "" or "s")
end

local function summary(lines)
    local counts, kinds = {}, {}
    for _, line in ipairs(lines) do
        local kind = ("%-9s %s"):format(line.profile, line.name)
        if not counts[kind] then
            kinds[#kinds + 1] = kind
        end
        counts[kind] = (counts[kind] or 0) + 1
    end
    local text = { counted(#lines, "call") .. ":" }
    for index = 1, math.min(#kinds, MOST_KINDS) do
        text[#text + 1] = ("%6d  %s"):format(counts[kinds[index]], kinds[index])
    end
    if #kinds > MOST_KINDS then
        text[#text + 1] = ("        and %d kinds more"):format(#kinds - MOST_KINDS)
    end
    return table.concat(text, "\n")
end

--- "lines 1 to 3 were sent". The numbers are those in the file.
local function span(lines, first, last, what)
    if first > last then
        return nil
    elseif first == last then
        return ("line %d was %s"):format(lines[first].number, what)
    end
    return ("lines %d to %d were %s"):format(lines[first].number, lines[last].number, what)
end

local function done(lines, index)
    return span(lines, 1, index - 1, "sent") or "nothing was sent before it"
end

local states = { no = "was not sent", yes = "failed" }

local function failure(lines, index, err)
    local line = lines[index]
    local parts = { ("line %d %s"):format(line.number, states[err.sent or "no"] or "may have been sent") }
    if index > 1 then
        table.insert(parts, 1, span(lines, 1, index - 1, "sent"))
    end
    parts[#parts + 1] = span(lines, index + 1, #lines, "not sent")
    local status = err.status and err.status > 0 and ("the server answered %d: "):format(err.status) or ""
    local message = err.message
    if message:sub(1, #line.name + 2) == line.name .. ": " then
        message = message:sub(#line.name + 3)
    end
    return ("line %d of %d, %s: %s%s; %s"):format(index, #lines, line.name, status, message,
        table.concat(parts, ", "))
end

--- Remembers the ids that an answer gives. One that it does not hold matters only if a later line needs it.
local function take_ids(line, answer, ids, missing)
    for _, gives in ipairs(line.gives) do
        local value = plan.at(answer, gives.place)
        if value ~= nil and ids[gives.id] == nil then
            ids[gives.id] = value
        end
        missing[gives.id] = ("the answer to line %d holds no id at '%s'"):format(line.number, gives.place)
    end
end

--- Sends one line.
local function send(client, line, ids, missing, host)
    local path, params, options = plan.arguments(line, function(id)
        if ids[id] == nil then
            error(mw.error { kind = "decode", message = missing[id], sent = "no" }, 0)
        end
        return ids[id]
    end)
    for _, file in ipairs(plan.files(line.row, params)) do -- an id in a path may lead elsewhere
        local good, problem = host.may_read(file)
        if not good then
            error(mw.error { kind = "denied", message = problem, sent = "no" }, 0)
        end
    end
    take_ids(line, (call(client, line, path, params, options)), ids, missing)
end

local function connect(lines)
    local clients = {}
    for _, line in ipairs(lines) do
        clients[line.profile] = clients[line.profile] or mw.connect(line.profile)
    end
    return clients
end

--- @param text string of the plan
--- @param host moonwire.cli.apply.host
--- @return string kind of the failure, "usage" for a bad plan, "" when all is done
--- @return string message
return function(text, host)
    local checked = checkers()
    local lines, problem = plan.read(text, check_with(checked, host))
    for _, client in pairs(checked) do
        client:close()
    end
    if not lines then
        return "usage", problem .. "; nothing was sent"
    elseif #lines == 0 then
        host.say "the plan is empty: there is nothing to send"
        return "", ""
    end
    local connected, clients = pcall(connect, lines)
    if not connected then
        return mw.is_error(clients) and clients.kind or "script",
            (mw.is_error(clients) and clients.message or tostring(clients)) .. "; nothing was sent"
    end
    host.say(summary(lines))
    if not host.ask(("Send %s? [y/N] "):format(#lines == 1 and "this call" or "these " .. counted(#lines, "call"))) then
        return "declined", "nothing was sent"
    end
    local ids, missing = {}, {}
    for index, line in ipairs(lines) do
        host.sending(line.number, done(lines, index))
        local sent, err = pcall(send, clients[line.profile], line, ids, missing, host)
        if not sent and not mw.is_error(err) then
            error(err, 0)
        elseif not sent then
            return err.kind, failure(lines, index, err)
        end
    end
    host.say(counted(#lines, "call") .. " sent")
    return "", ""
end

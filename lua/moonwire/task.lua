--- Tasks: functions that run concurrently on one thread, each until it waits for something.
local core = require "moonwire.core"

core.own()

--- A function that runs beside others; `mw.spawn` makes one. In the sandbox of `moonwire run` so many may live at once
--- as --max-tasks says (10,000); one more is an error of kind "budget".
---@class moonwire.task
--- Waits until the task has ended; gives the results of its function or raises its error. Any number of tasks may wait
--- for one. A task that waits for itself is an error of kind "invalid".
---@field wait fun(self): ...
--- Asks it to end: its wait, or its next one, raises an error of kind "cancelled" inside of it, so that it may clean
--- up. A call that it waits for is cancelled wherever it is (in a queue, between two attempts, on the wire), and `sent`
--- of the error says whether the request went out. Returns at once; false when it has ended already.
---@field cancel fun(self): boolean
---@field status fun(self): "running"|"done"|"failed"|"cancelled"

local M = {}

--- Runs `f(...)` and returns its results, or raises its error as it is; but when so many seconds (0 to 1e9, with
--- fractions) have passed, everything inside ends: each wait of f (`mw.sleep`, calls and pages of `each`, `task:wait`,
--- `mw.all`, `mw.map`) and of tasks that were spawned inside, at any depth, raises an error of kind "timeout" with the
--- message "deadline: 5 s have passed", at once and again at each later wait. So mw.deadline ends with that error even
--- when f catches it and returns.
---
--- Calls are cancelled: not another byte of them goes out. Where a request that changes something has gone out already,
--- the error is of kind "ambiguous" instead, since nobody knows whether it took effect; `sent` says what is known.
--- Clean-ups (`<close>`) inside run as ever, but can't wait any more: what has to talk to a server at the end belongs
--- outside.
---
--- Deadlines may be nested: an inner one does not outlast the outer one, whose error then passes through it. When f
--- ends in time the deadline is over, also for tasks that f has left running. Tasks that it has ended count as
--- cancelled and not as failed. Code that computes and waits for nothing is not ended by it (the budgets of
--- `moonwire run` do that), nor are files, which are read and written at once.
---
---     local ok, problem = pcall(mw.deadline, 5, function()
---         return mw.map(ids, function(id) return desk.contacts:get(id) end)
---     end)
---@type fun(seconds: number, f: (fun(...: any): ...), ...: any): ...
M.deadline = core.deadline

local CONCURRENCY <const> = 8 -- of map, unless the call says otherwise

--- Cancels what still runs of `tasks` when the variable that holds the result goes out of scope.
local function guard(tasks)
    return setmetatable({}, {
        __metatable = false,
        __close = function()
            for i = 1, #tasks do
                tasks[i]:cancel()
            end
        end,
    })
end

--- Waits for all tasks. The first failure cancels the others, waits until they have ended, and is raised.
local function join(tasks)
    local failed = core.join(tasks)
    if not failed then
        return
    end
    for i = 1, #tasks do
        tasks[i]:cancel()
    end
    for i = 1, #tasks do
        if i ~= failed then
            pcall(tasks[i].wait, tasks[i])
        end
    end
    tasks[failed]:wait()
end

local function invalid(operation, message)
    error(core.error { kind = "invalid", operation = operation, message = operation .. ": " .. message }, 0)
end

local NAMED <const> = 5 -- keys that a message names

--- The length of a list, which may have holes when it says its length in `n`, as `table.pack` and the results of `all`
--- and `map` do. A table with other keys is refused: to go over it would silently do nothing.
local function length_of(list, operation, expected)
    if type(list) ~= "table" then
        invalid(operation, ("expected %s, got %s"):format(expected, core.got(list)))
    elseif math.type(list.n) == "integer" and list.n >= 0 then
        return list.n
    elseif next(list) ~= nil and list[1] == nil then
        local names = {}
        for key in pairs(list) do
            names[#names + 1] = tostring(key)
        end
        table.sort(names)
        local more = #names > NAMED and "..." or nil
        invalid(operation, ("expected %s, got a table with the key%s %s"):format(expected, #names == 1 and "" or "s",
            table.concat(names, ", ", 1, math.min(#names, NAMED)) .. (more and ", " .. more or "")))
    end
    return #list
end

--- Runs functions (or waits for tasks) concurrently and returns the first result of each, in order.
--- The first failure cancels the rest and is raised.
---@param list (fun(): any | moonwire.task)[]
---@return { n: integer, [integer]: any } results with their number in `n`, since a result may be nil
function M.all(list)
    local count = length_of(list, "all", "a list of functions or tasks")
    for i = 1, count do
        if type(list[i]) ~= "function" and not core.is_task(list[i]) then
            invalid("all", ("item %d must be a function or a task, got %s"):format(i, core.got(list[i])))
        end
    end
    local tasks = {}
    local cleanup <close> = guard(tasks) -- luacheck: ignore
    for i = 1, count do
        tasks[i] = type(list[i]) == "function" and core.spawn(list[i]) or list[i]
    end
    join(tasks)
    local results = { n = #tasks }
    for i = 1, #tasks do
        results[i] = (tasks[i]:wait())
    end
    return results
end

--- How many at a time, from the options of `map`.
local function read_concurrency(options)
    if options == nil then
        return CONCURRENCY
    elseif type(options) ~= "table" then
        invalid("map", "expected a table of options, as { concurrency = 8 }, got " .. core.got(options))
    end
    for name in pairs(options) do
        if name ~= "concurrency" then
            invalid("map", ("unknown option '%s'; there is concurrency"):format(tostring(name)))
        end
    end
    local concurrency = options.concurrency
    if concurrency == nil then
        return CONCURRENCY
    elseif math.type(concurrency) ~= "integer" or concurrency < 1 then
        invalid("map", "option 'concurrency' must be an integer above 0")
    end
    return concurrency
end

--- Calls `f(item, index)` for every item, up to `concurrency` at a time, and returns the first results in the order
--- of the list. The first failure cancels the rest and is raised.
---@param list any[]
---@param f fun(item: any, index: integer): any
---@param options? { concurrency?: integer } default 8
---@return { n: integer, [integer]: any } results with their number in `n`, since a result may be nil
function M.map(list, f, options)
    local count, index = length_of(list, "map", "a list"), 0
    if type(f) ~= "function" then
        invalid("map", "expected a function, got " .. core.got(f))
    end
    local concurrency = read_concurrency(options)
    local results = { n = count }
    local function work()
        while index < count do
            index = index + 1
            local mine = index
            results[mine] = (f(list[mine], mine))
        end
    end
    local tasks = {}
    local cleanup <close> = guard(tasks) -- luacheck: ignore
    for i = 1, math.min(concurrency, count) do
        tasks[i] = core.spawn(work)
    end
    join(tasks)
    return results
end

return M

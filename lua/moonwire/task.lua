--- Tasks: functions that run concurrently on one thread, each until it waits for something.
local core = require "moonwire.core"

core.own()

---@class moonwire.task
---@field wait fun(self): ... results of the task's function; raises its error. Any number of tasks may wait.
---@field cancel fun(self): boolean ends the task's wait with an error of kind "cancelled"; false when it has ended
---@field status fun(self): "running"|"done"|"failed"|"cancelled"

local M = {}

--- Cancels what still runs of `tasks` when the variable that holds the result goes out of scope.
local function guard(tasks)
    return setmetatable({}, {
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

--- Runs functions (or waits for tasks) concurrently and returns the first result of each, in order.
--- The first failure cancels the rest and is raised.
---@param list (fun(): any | moonwire.task)[]
---@return table results with their number in `n`, since a result may be nil
function M.all(list)
    if type(list) ~= "table" then
        invalid("all", "expected a list of functions or tasks, got a " .. type(list))
    end
    for i = 1, #list do
        if type(list[i]) ~= "function" and not core.is_task(list[i]) then
            invalid("all", ("item %d must be a function or a task, got a %s"):format(i, type(list[i])))
        end
    end
    local tasks = {}
    local cleanup <close> = guard(tasks) -- luacheck: ignore
    for i = 1, #list do
        tasks[i] = type(list[i]) == "function" and core.spawn(list[i]) or list[i]
    end
    join(tasks)
    local results = { n = #tasks }
    for i = 1, #tasks do
        results[i] = (tasks[i]:wait())
    end
    return results
end

--- Calls `f(item, index)` for every item, up to `concurrency` at a time, and returns the first results in the order
--- of the list. The first failure cancels the rest and is raised.
---@param list any[]
---@param f fun(item: any, index: integer): any
---@param options? { concurrency?: integer } default 8
---@return table results with their number in `n`
function M.map(list, f, options)
    if type(list) ~= "table" then
        invalid("map", "expected a list, got a " .. type(list))
    elseif type(f) ~= "function" then
        invalid("map", "expected a function, got a " .. type(f))
    end
    for name in pairs(options or {}) do
        if name ~= "concurrency" then
            invalid("map", ("unknown option '%s'; there is concurrency"):format(name))
        end
    end
    local concurrency = options and options.concurrency or 8
    if math.type(concurrency) ~= "integer" or concurrency < 1 then
        invalid("map", "option 'concurrency' must be an integer above 0")
    end
    local count, index = #list, 0
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

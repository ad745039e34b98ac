--- `module:each(...)`: every item of a list, page by page, the next page fetched only when it is asked for.
---
--- What a list is, where it sits in the answer and how to page comes from the operation's row. The platforms promise
--- no "has more" field, so a short or an empty page ends a list, and so does a page that brings nothing new (a server
--- that ignores the page parameter would answer for ever). A short page is no end while the answer counts more items
--- than came so far: then the server's pages are smaller than the documented ones.
---
--- Must not know how a call is sent, nor which operations there are.
local core = require "moonwire.core"

core.own()

--- The list in an answer: at "data.payload", or the answer itself for "". The second result is the table around it.
local function find_items(answer, info)
    local list, around = answer, nil
    for _, key in ipairs(info.at ~= "" and core.str.split(info.at, ".") or {}) do
        list, around = type(list) == "table" and list[key] or nil, list
    end
    if type(list) == "table" and (next(list) == nil or list[1] ~= nil) then
        return list, around
    end
    error(core.error {
        kind = "decode",
        operation = info.name,
        message = ("the answer holds no list%s"):format(info.at ~= "" and " at '" .. info.at .. "'" or ""),
        body = answer,
        sent = "yes",
    }, 0)
end

--- How many items the list has in all, as the answer counts them in `meta` beside it, or 0. A count that a parameter
--- names is the list's own (assignee_type = "unassigned": unassigned_count). Else the count may be of more than the
--- parameters let through: that costs an empty page, no more.
local function total_of(around, params)
    local meta = type(around) == "table" and around.meta
    if type(meta) ~= "table" then
        return 0
    end
    local total
    for _, value in pairs(params) do
        local own = type(value) == "string" and tonumber(meta[value .. "_count"])
        total = own and math.min(own, total or own) or total
    end
    return total or math.max(tonumber(meta.count) or 0, tonumber(meta.all_count) or 0)
end

--- What tells items apart, or nil for items without an id.
local function id_of(item)
    if type(item) == "table" then
        return item.id ~= core.null and item.id or nil
    end
end

--- The items of `list` that were not seen yet, in order. Items without an id can't be told apart one by one: a page
--- of them counts as seen when it equals the one before.
local function fresh(list, state)
    local new, ids = {}, false
    for i = 1, #list do
        local id = id_of(list[i])
        ids = ids or id ~= nil
        if id == nil or not state.seen[id] then
            new[#new + 1] = list[i]
        end
        if id ~= nil then
            state.seen[id] = true
        end
    end
    if not ids and state.info.page_by and #list > 0 then
        local text = core.json_encode(list)
        if text == state.last then
            return {}
        end
        state.last = text
    end
    return new
end

--- The least id of a list, which the next page ends before.
local function least_id(list)
    local least
    for i = 1, #list do
        local id = id_of(list[i])
        if math.type(id) and (not least or id < least) then
            least = id
        end
    end
    return least
end

local function reverse(list)
    for i = 1, #list // 2 do
        list[i], list[#list - i + 1] = list[#list - i + 1], list[i]
    end
end

--- Sets the parameters of the next page, or ends the list. `total`: the items that the answer counts.
local function advance(state, list, new, total)
    local info = state.info
    state.count = state.count + #new
    local short = info.page_size and #list < info.page_size and total <= state.count
    if not info.page_by or #new == 0 or short then
        state.over = true
    elseif info.page_by == "page" then
        state.params.page = state.params.page + 1
    else
        local least = least_id(list)
        state.over = least == nil
        state.params[info.page_by] = least
    end
end

--- Fetches the next page into state.items.
local function fetch(state)
    local answer, failure = state.call(table.unpack(state.args, 1, state.args.n))
    if answer == nil then
        error(failure, 0) -- a safe view returns its errors; an iterator can only raise them
    end
    local list, around = {}, nil
    if answer ~= true then
        list, around = find_items(answer, state.info)
    end
    local new = fresh(list, state)
    advance(state, list, new, total_of(around, state.params))
    if state.info.page_by == "before" then
        reverse(new) -- a page is in ascending order; the pages go back in time
    end
    state.items, state.index = new, 0
end

--- The next item of the pages, or nil at their end.
local function next_listed(state)
    while state.index >= #state.items do
        if state.over then
            return nil
        end
        fetch(state)
    end
    state.index = state.index + 1
    return state.items[state.index]
end

--- Reads the ids of all that is listed, or of the first `max`. Goes on where a page failed before.
local function read_ids(state)
    local ids = state.ids
    while #ids < state.max do
        local item = next_listed(state)
        if item == nil then
            break
        elseif id_of(item) == nil then
            error(core.error {
                kind = "decode",
                operation = state.info.name,
                message = "the answer holds an item without an id",
                body = item,
                sent = "yes",
            }, 0)
        end
        ids[#ids + 1] = id_of(item)
    end
end

--- The item with this id as it is now, or nil when it is gone.
local function get_item(state, id)
    local path = state.info.path_params
    local args = table.move(state.args, 1, path, 1, {})
    args[path + 1], args[path + 3] = id, state.args[path + 2]
    local ok, answer, failure = pcall(state.get, table.unpack(args, 1, path + 3))
    if ok and answer ~= nil then
        local inner = type(answer) == "table" and answer.payload -- single items may be wrapped
        return id_of(inner) == id and inner or answer
    end
    failure = ok and failure or answer -- a safe view returns it
    if not core.is_error(failure, "not_found") then
        error(failure, 0)
    end
end

--- The next item of a snapshot that is still there, or nil at its end.
local function next_kept(state)
    if not state.read then
        read_ids(state)
        state.read = true
    end
    while state.at < #state.ids do
        local item = get_item(state, state.ids[state.at + 1])
        state.at = state.at + 1
        if item ~= nil then
            return item
        end
    end
end

--- The next item for the loop, or nil at the end.
local function step(state)
    if state.given >= state.max then
        return nil
    end
    local ok, item = pcall(state.next, state)
    if ok then
        state.given = state.given + (item ~= nil and 1 or 0)
        return item
    elseif state.given > 0 and core.is_error(item) then
        item.partial = true
    end
    error(item, 0)
end

local function copy(params)
    local result = {}
    for key, value in pairs(params) do
        result[key] = value
    end
    return result
end

local function refuse(info, field, problem)
    error(core.error {
        kind = "invalid",
        operation = info.name,
        field = field,
        sent = "no",
        message = ("%s: %s"):format(info.name, problem),
    }, 0)
end

--- Takes `max` and `snapshot` out of the parameters: they are for `each`, and never sent.
local function take_own(info, params)
    local max, snapshot = params.max, params.snapshot
    params.max, params.snapshot = nil, nil
    if max ~= nil and (math.type(max) ~= "integer" or max < 0) then
        refuse(info, "max", "max must be an integer from 0 on, got " .. (math.type(max) and max or core.got(max)))
    elseif snapshot ~= nil and type(snapshot) ~= "boolean" then
        refuse(info, "snapshot", "snapshot must be a boolean, got " .. core.got(snapshot))
    elseif snapshot and not info.has_get then
        refuse(info, "snapshot", ("a snapshot gets each item by its id, and %s has no operation 'get' for these")
            :format(info.module))
    end
    return max or math.huge, snapshot or false
end

--- Iterates over every item of a list: `for contact in desk.contacts:each{ sort = "name" } do`. The first argument
--- may name another method that lists ("search"), then come the path parameters, the parameters and the options as for
--- a call; without a name the module's `list` is meant. `page` among the parameters is the page to start with.
--- A page is fetched when its first item is asked for, so leaving the loop early saves the rest. Items come once each;
--- of lists that page back in time (messages) the newest comes first.
---
--- Two more parameters are for `each` alone, and are not sent:
---
--- `max`, an integer: the loop ends after so many items, and no page is fetched beyond them.
---
--- `snapshot = true`: the ids of all pages are read first (with `max`, of the first so many items), then each item is
--- fetched by the module's `get` when its turn comes, as it is by then; one that is gone is left out. For loops that
--- change what the list is narrowed by: whoever resolves the open conversations page by page makes the rest move up,
--- so that the next page begins behind items that never came. It costs a request for each item.
---
--- Raises an error of kind "invalid" at once where the module or the method lists nothing, or changes something, and
--- for a snapshot where the module has no `get` for what is listed; on the way whatever a request raises, on a safe
--- view too. `partial` of that error is true when items came before it, and the loop has seen a part of the list. Asked
--- again, the iterator tries that request again.
---@param module moonwire.module
---@param ... any [method,] path parameters..., parameters, options
---@return fun(): any iterator
local function each(module, ...)
    local info, named = core.listing(module, (...))
    local args = table.pack(select(named and 2 or 1, ...))
    local at = info.path_params + 1
    local params = args[at]
    if params ~= nil and type(params) ~= "table" or args.n > at + 1 then
        refuse(info, nil, ("each expects %d path parameter%s and a table of parameters"):format(info.path_params,
            info.path_params == 1 and "" or "s"))
    end
    params = copy(params or {})
    local max, snapshot = take_own(info, params)
    if info.page_by == "page" and params.page == nil then
        params.page = 1
    end
    args[at], args.n = params, math.max(args.n, at)
    local method, get = module[info.method], snapshot and module.get
    local state = {
        info = info,
        params = params,
        args = args,
        call = function(...) return method(module, ...) end,
        get = function(...) return get(module, ...) end,
        next = snapshot and next_kept or next_listed,
        max = max,
        given = 0, -- items to the loop
        -- of the pages
        seen = {},
        count = 0, -- of items that came
        items = {},
        index = 0,
        over = false,
        -- of a snapshot
        ids = {},
        read = false, -- all of them
        at = 0,
    }
    return function()
        return step(state)
    end
end

core.set_each(each)

return each

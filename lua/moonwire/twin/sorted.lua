--- A sorted list of ids that stays quick when it is long: blocks of a few hundred entries, each with its sort key.
-- Inserting, removing and finding a position cost the logarithm of the number of blocks plus one block. Knows
-- nothing of records. Entries are in the order of (key, id); the keys of one list are all numbers or all strings.
local sorted = {}
sorted.__index = sorted

local BLOCK = 256 -- entries of a block that was split
local FULL = 2 * BLOCK -- a block of more is split

local function new_block()
    return { keys = {}, ids = {} }
end

---@class moonwire.twin.sorted
---@field count integer entries

--- An empty list.
---@return moonwire.twin.sorted
function sorted.new()
    return setmetatable({ blocks = { new_block() }, count = 0 }, sorted)
end

local function is_before(key, id, other_key, other_id)
    if key ~= other_key then
        return key < other_key
    end
    return id < other_id
end

-- The first block whose last entry is not before (key, id); the last block when there is none.
local function block_of(blocks, key, id)
    local low, high = 1, #blocks
    while low < high do
        local middle = (low + high) // 2
        local keys, ids = blocks[middle].keys, blocks[middle].ids
        if #ids > 0 and is_before(keys[#ids], ids[#ids], key, id) then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end

-- The first place in a block whose entry is not before (key, id).
local function place_in(block, key, id)
    local keys, ids = block.keys, block.ids
    local low, high = 1, #ids + 1
    while low < high do
        local middle = (low + high) // 2
        if is_before(keys[middle], ids[middle], key, id) then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end

local function split(blocks, at)
    local left, right = blocks[at], new_block()
    table.move(left.keys, BLOCK + 1, #left.keys, 1, right.keys)
    table.move(left.ids, BLOCK + 1, #left.ids, 1, right.ids)
    for i = #left.ids, BLOCK + 1, -1 do
        left.keys[i], left.ids[i] = nil, nil
    end
    table.insert(blocks, at + 1, right)
end

-- Most entries are newer than all others: puts such a one at the end, without a search. A full block stays full then,
-- as nothing will come between.
local function append(blocks, key, id)
    local block = blocks[#blocks]
    local count = #block.ids
    if count > 0 and not is_before(block.keys[count], block.ids[count], key, id) then
        return false
    elseif count == FULL then
        block, count = new_block(), 0
        blocks[#blocks + 1] = block
    end
    block.keys[count + 1], block.ids[count + 1] = key, id
    return true
end

--- Adds an entry; it must not be there yet.
---@param key number|string
---@param id integer
function sorted:add(key, id)
    self.count = self.count + 1
    if append(self.blocks, key, id) then
        return
    end
    local at = block_of(self.blocks, key, id)
    local block = self.blocks[at]
    local place = place_in(block, key, id)
    table.insert(block.keys, place, key)
    table.insert(block.ids, place, id)
    if #block.ids > FULL then
        split(self.blocks, at)
    end
end

--- Removes an entry; one that isn't there does nothing.
---@param key number|string
---@param id integer
function sorted:remove(key, id)
    local at = block_of(self.blocks, key, id)
    local block = self.blocks[at]
    local place = place_in(block, key, id)
    if block.ids[place] ~= id or block.keys[place] ~= key then
        return
    end
    table.remove(block.keys, place)
    table.remove(block.ids, place)
    self.count = self.count - 1
    if #block.ids == 0 and #self.blocks > 1 then
        table.remove(self.blocks, at)
    end
end

-- Block and place of the nth entry, counted from the nearer end.
local function locate(self, n)
    local blocks = self.blocks
    if n <= self.count // 2 then
        for at, block in ipairs(blocks) do
            if n <= #block.ids then
                return at, n
            end
            n = n - #block.ids
        end
    end
    local after = self.count - n
    for at = #blocks, 1, -1 do
        local size = #blocks[at].ids
        if after < size then
            return at, size - after
        end
        after = after - size
    end
end

-- The ids from a place on; a place just outside its block means the neighbour's nearest.
local function walk(blocks, at, place, descending)
    local step = descending and -1 or 1
    return function()
        local block = blocks[at]
        if block and not block.ids[place] then
            at = at + step
            block = blocks[at]
            place = block and (descending and #block.ids or 1)
        end
        if not block then
            return nil
        end
        local id = block.ids[place]
        place = place + step
        return id
    end
end

--- The id of the first entry, or with `descending` of the last; nil when there is none.
---@param descending boolean|nil
---@return integer|nil
function sorted:first(descending)
    local block = self.blocks[descending and #self.blocks or 1]
    return block.ids[descending and #block.ids or 1]
end

--- The ids in order, as an iterator; the list must not change meanwhile.
---@param from integer|nil the first entry's place, counted in the order of the walk; 1 without it
---@param descending boolean|nil from the last entry to the first
---@return fun(): integer|nil
function sorted:ids(from, descending)
    from = from or 1
    if from > self.count then
        return function() end
    end
    local at, place = locate(self, descending and self.count - from + 1 or from)
    return walk(self.blocks, at, place, descending)
end

--- The ids from a key on, as an iterator; the list must not change meanwhile. Ascending: entries whose key is `key`
--- or comes after it; descending: those whose key comes before it, the nearest first.
---@param key number|string
---@param descending boolean|nil
---@return fun(): integer|nil
function sorted:ids_from(key, descending)
    local at = block_of(self.blocks, key, 0) -- no id is below 1
    local place = place_in(self.blocks[at], key, 0)
    return walk(self.blocks, at, descending and place - 1 or place, descending)
end

return sorted

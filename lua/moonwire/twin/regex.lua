--- Regular expressions as webhook filters use them: literals, classes, groups, alternatives, repetition.
-- A pattern is matched by sets of positions, each worked out once, so no pattern is slow whatever it nests.
local regex = {}

local MAX_PATTERN = 256 -- bytes

local CLASSES = {
    d = "%d", D = "%D", w = "[%w_]", W = "[^%w_]", s = "%s", S = "%S",
}

local parse_alternatives

local function fail(text)
    error({ regex = text }, 0)
end

-- A node is a function: from a text and a position to the set of positions where a match may end. What it found
-- for a position is kept in `memo` while one text is matched.
local function node(step)
    local key = {}
    return function(text, at, memo)
        local known = memo[key]
        if not known then
            known = {}
            memo[key] = known
        end
        if not known[at] then
            known[at] = step(text, at, memo)
        end
        return known[at]
    end
end

local function one(accept)
    return node(function(text, at)
        local char = text:sub(at, at)
        return char ~= "" and accept(char) and { [at + 1] = true } or {}
    end)
end

local function all_from(set, inner, text, memo)
    local out = {}
    for at in pairs(set) do
        for stop in pairs(inner(text, at, memo)) do
            out[stop] = true
        end
    end
    return out
end

local function sequence(parts)
    return node(function(text, at, memo)
        local set = { [at] = true }
        for _, part in ipairs(parts) do
            set = all_from(set, part, text, memo)
        end
        return set
    end)
end

local function either(choices)
    return node(function(text, at, memo)
        local out = {}
        for _, choice in ipairs(choices) do
            for stop in pairs(choice(text, at, memo)) do
                out[stop] = true
            end
        end
        return out
    end)
end

local function repeated(inner, least, most)
    return node(function(text, at, memo)
        local set = { [at] = true }
        -- Positions only grow, so beyond the text's length nothing new can come.
        for _ = 1, math.min(least, #text + 1) do
            set = all_from(set, inner, text, memo)
        end
        local out = set
        for _ = 1, math.min(most - least, #text + 1) do
            local more, grown = all_from(set, inner, text, memo), {}
            for stop in pairs(more) do
                if not out[stop] then
                    grown[stop] = true
                end
            end
            if not next(grown) then
                break
            end
            local joined = {}
            for stop in pairs(out) do
                joined[stop] = true
            end
            for stop in pairs(grown) do
                joined[stop] = true
            end
            out, set = joined, grown
        end
        return out
    end)
end

local function escape(state)
    local char = state.text:sub(state.at, state.at)
    state.at = state.at + 1
    if CLASSES[char] then
        local class = CLASSES[char]
        return function(c)
            return c:find("^" .. class) ~= nil
        end, nil
    elseif char == "" or char:find("%w") then
        fail("unknown escape")
    end
    return function(c)
        return c == char
    end, char
end

-- One member of a [class]: what it accepts and, if it is a single character, that character.
local function class_member(state)
    local char = state.text:sub(state.at, state.at)
    state.at = state.at + 1
    if char == "" then
        fail("class without end")
    elseif char == "\\" then
        return escape(state)
    end
    return function(c)
        return c == char
    end, char
end

local function parse_class(state)
    local negated = state.text:sub(state.at, state.at) == "^"
    state.at = state.at + (negated and 1 or 0)
    local members = {}
    while state.text:sub(state.at, state.at) ~= "]" or #members == 0 do
        local accept, low = class_member(state)
        if low and state.text:find("^%-[^%]]", state.at) then
            state.at = state.at + 1
            local _, high = class_member(state)
            if not high or high < low then
                fail("bad range")
            end
            accept = function(c)
                return c >= low and c <= high
            end
        end
        members[#members + 1] = accept
    end
    state.at = state.at + 1
    return one(function(c)
        for _, accept in ipairs(members) do
            if accept(c) then
                return not negated
            end
        end
        return negated
    end)
end

local function parse_group(state)
    if state.text:sub(state.at, state.at + 1) == "?:" then
        state.at = state.at + 2
    end
    local inner = parse_alternatives(state)
    if state.text:sub(state.at, state.at) ~= ")" then
        fail("group without end")
    end
    state.at = state.at + 1
    return inner
end

local function anchor(at_start)
    return node(function(text, at)
        return at == (at_start and 1 or #text + 1) and { [at] = true } or {}
    end)
end

local function parse_atom(state)
    local char = state.text:sub(state.at, state.at)
    state.at = state.at + 1
    if char == "(" then
        return parse_group(state)
    elseif char == "[" then
        return parse_class(state)
    elseif char == "." then
        return one(function()
            return true
        end)
    elseif char == "^" or char == "$" then
        return anchor(char == "^")
    elseif char == "\\" then
        return one((escape(state)))
    elseif char:find("[*+?{]") then
        fail("nothing to repeat")
    end
    return one(function(c)
        return c == char
    end)
end

local REPEATS = { ["*"] = { 0, math.huge }, ["+"] = { 1, math.huge }, ["?"] = { 0, 1 } }

local function parse_repeat(state, atom)
    local char = state.text:sub(state.at, state.at)
    local least, most
    if REPEATS[char] then
        least, most = table.unpack(REPEATS[char])
        state.at = state.at + 1
    elseif char == "{" then
        local low, comma, high, stop = state.text:match("^{(%d+)(,?)(%d*)}()", state.at)
        if not low then
            fail("bad repetition")
        end
        least = tonumber(low)
        most = comma == "" and least or high == "" and math.huge or tonumber(high)
        if most < least then
            fail("bad repetition")
        end
        state.at = stop
    else
        return atom
    end
    -- A lazy or possessive mark changes which match is found, not whether there is one from start to end.
    if state.text:find("^[?+]", state.at) then
        state.at = state.at + 1
    end
    return repeated(atom, least, most)
end

function parse_alternatives(state)
    local choices, parts = {}, {}
    while state.at <= #state.text and state.text:sub(state.at, state.at) ~= ")" do
        if state.text:sub(state.at, state.at) == "|" then
            state.at = state.at + 1
            choices[#choices + 1] = sequence(parts)
            parts = {}
        else
            parts[#parts + 1] = parse_repeat(state, parse_atom(state))
        end
    end
    choices[#choices + 1] = sequence(parts)
    return either(choices)
end

--- Reads a pattern. Nil when it is not a valid regular expression, or too long.
---@param pattern string
---@return (fun(text: string): boolean)|nil matches whether the whole of a text matches
function regex.compile(pattern)
    if #pattern > MAX_PATTERN then
        return nil
    end
    local state = { text = pattern, at = 1 }
    local ok, start = pcall(parse_alternatives, state)
    if not ok and type(start) ~= "table" then
        error(start, 0)
    elseif not ok or state.at <= #pattern then
        return nil
    end
    return function(text)
        return start(text, 1, {})[#text + 1] == true
    end
end

return regex

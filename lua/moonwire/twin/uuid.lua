--- UUIDs of the twin: counted, not drawn, so that two runs of a twin give the same answers.
local uuid = {}

local PATTERN = {}
for i, length in ipairs { 8, 4, 4, 4, 12 } do
    PATTERN[i] = ("%x"):rep(length)
end
PATTERN = "^" .. table.concat(PATTERN, "%-") .. "$"

--- Whether a text is one, in letters of either case.
---@param text string
---@return boolean
function uuid.is(text)
    return text:find(PATTERN) ~= nil
end

--- The next one. How many there were is part of the store, and of the transaction.
---@param store moonwire.twin.store
---@return string
function uuid.next(store)
    local twin = store:first("twin")
    store:update("twin", twin, { uuids = twin.uuids + 1 })
    return ("%08x-7a11-4000-8000-%012x"):format(0xc1a00000 + twin.uuids, twin.uuids)
end

return uuid

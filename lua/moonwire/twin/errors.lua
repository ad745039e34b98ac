--- The error answers of both services: what a handler raises and how the answer looks on the wire.
-- Knows rows by what they document, nothing of routes or records.
local errors = {}

local failure = {}
failure.__index = failure

--- Ends the request with a status and a text, sent as `{"error": text}` (Circuit sends no body).
---@param status integer
---@param text string
function errors.raise(status, text)
    error(setmetatable({ status = status, body = { error = text } }, failure), 0)
end

--- Ends the request the way a record that fails its validation does: 422 with message and attributes.
---@param text string
---@param attributes string[] the fields at fault
function errors.invalid(text, attributes)
    error(setmetatable({ status = 422, body = { message = text, attributes = attributes } },
        failure), 0)
end

--- The usual 404.
---@param what string|nil "Contact"; "Resource" without it
function errors.not_found(what)
    errors.raise(404, (what or "Resource") .. " could not be found")
end

--- Whether the documents of an operation list a status.
---@param row table the operation
---@param status integer
---@return boolean
function errors.documents(row, status)
    for _, response in ipairs(row.responses) do
        if response.status == status then
            return true
        end
    end
    return false
end

--- Whether `value` came from one of the functions above and not from a bug.
---@param value any
---@return boolean
function errors.is(value)
    return getmetatable(value) == failure
end

return errors

--- The headers of a delivery, by which its receiver knows that it is genuine and which one it is. Knows no events.
local core = require "moonwire.core"

local signature = {}

--- X-Chatwoot-Delivery and, with a secret, X-Chatwoot-Timestamp and X-Chatwoot-Signature: "sha256=" and the
--- HMAC-SHA256 of timestamp, "." and body, in hexadecimal.
---@param delivery string
---@param secret string|nil
---@param body string
---@param now integer epoch seconds; receivers hold it against their own clock, so not the twin's
---@return table<string, string>
function signature.headers(delivery, secret, body, now)
    local headers = { ["X-Chatwoot-Delivery"] = delivery }
    if secret and secret ~= "" then
        local timestamp = tostring(now)
        headers["X-Chatwoot-Timestamp"] = timestamp
        headers["X-Chatwoot-Signature"] = "sha256=" .. core.hmac_sha256(secret, timestamp .. "." .. body)
    end
    return headers
end

--- Whether a request is a delivery.
---@param headers table<string, string> of a request that came in, names in lower case
---@return boolean
function signature.is_delivery(headers)
    return headers["x-chatwoot-delivery"] ~= nil
end

return signature

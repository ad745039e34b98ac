--- The module `canned_responses`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"

local canned = {}

local function show(response)
    return {
        id = response.id,
        account_id = response.account_id,
        short_code = response.short_code,
        content = response.content,
    }
end

local function response_of(call)
    return call:find("canned_responses", call.params.id, "Canned response")
end

-- What the body says; what it leaves out stays as it is in `response`.
local function described(call, response)
    local content = call.fields.content == nil and response.content or call:given("content")
    local short_code = call.fields.short_code == nil and response.short_code or call:given("short_code")
    if not content or content == "" then
        errors.invalid("Content can't be blank", { "content" })
    elseif not short_code or short_code == "" then
        errors.invalid("Short code can't be blank", { "short_code" })
    end
    local other = call.store:find("canned_responses", "short_code", call.account.id, short_code)
    if other and other.id ~= response.id then
        errors.invalid("Short code has already been taken", { "short_code" })
    end
    return { content = content, short_code = short_code }
end

function canned.list(call)
    return core.array(lists.map(call.store:list("canned_responses", "account_id", call.account.id), show))
end

function canned.create(call)
    local response = described(call, {})
    response.account_id = call.account.id
    return show(call.store:insert("canned_responses", response))
end

function canned.update(call)
    local response = response_of(call)
    return show(call.store:update("canned_responses", response, described(call, response)))
end

function canned.delete(call)
    call.store:remove("canned_responses", response_of(call))
end

return canned

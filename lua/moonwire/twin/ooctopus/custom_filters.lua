--- The module `custom_filters`: questions that a user keeps. Everybody sees their own.
local core = require "moonwire.core"
local dates = require "moonwire.twin.dates"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"

local filters = {}

local TYPES = { "conversation", "contact", "report" }
local MAX = 1000 -- of a user in an account

local function show(record)
    return {
        id = record.id,
        name = record.name,
        type = record.type,
        filter_type = record.type,
        query = record.query,
        created_at = dates.iso(record.created_at),
        updated_at = dates.iso(record.updated_at),
    }
end

local function own(call, kind)
    local out = {}
    for record in call.store:each("custom_filters", "user_id", call.identity.id) do
        if record.account_id == call.account.id and (not kind or record.type == kind) then
            out[#out + 1] = record
        end
    end
    return out
end

local function filter_of(call)
    local record = call:find("custom_filters", call.params.custom_filter_id, "Custom filter")
    if record.user_id ~= call.identity.id then
        errors.not_found("Custom filter")
    end
    return record
end

-- What the body says; what it leaves out stays as it is in `record`. Servers read `filter_type`, the documents say
-- `type` and, as a query parameter, `filter_type` again.
local function described(call, record)
    local name = call.fields.name == nil and record.name or call:given("name")
    if not name or name == "" then
        errors.invalid("Name can't be blank", { "name" })
    end
    local kind = call:given("type") or call:given("filter_type") or call.query.filter_type or record.type
        or "conversation"
    if not lists.has(TYPES, kind) then
        errors.invalid("Filter type is not included in the list", { "filter_type" })
    end
    return {
        name = name,
        type = kind,
        query = call:given("query") or record.query or {},
        updated_at = call:now(),
    }
end

function filters.list(call)
    return core.array(lists.map(own(call, call.query.filter_type or "conversation"), show))
end

function filters.create(call)
    local record = described(call, {})
    if #own(call) >= MAX then
        errors.invalid(("Limit reached. The maximum number of allowed custom filters for a user per account is %d.")
            :format(MAX), { "account_id" })
    end
    record.account_id, record.user_id, record.created_at = call.account.id, call.identity.id, call:now()
    return show(call.store:insert("custom_filters", record))
end

function filters.get(call)
    return show(filter_of(call))
end

function filters.update(call)
    local record = filter_of(call)
    return show(call.store:update("custom_filters", record, described(call, record)))
end

function filters.delete(call)
    call.store:remove("custom_filters", filter_of(call))
end

return filters

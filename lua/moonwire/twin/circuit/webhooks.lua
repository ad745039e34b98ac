--- The module `webhooks` of Circuit: all eight operations. A webhook belongs to the user of the token.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local events = require "moonwire.twin.circuit_events"
local lists = require "moonwire.twin.lists"
local url = require "moonwire.twin.url"
local uuid = require "moonwire.twin.uuid"

local circuit = {}

local TABLE = "circuit_webhooks"
local MAX_WEBHOOKS = 20 -- of one user
local MAX_USERS = 50 -- of one presence webhook
local MAX_FILTERS = 50 -- of one other webhook: each may be a regular expression

local function view(webhook)
    return {
        id = webhook.uuid,
        url = webhook.url,
        filter = core.array(webhook.filter),
        subscriptionIds = core.array(webhook.subscriptions),
        type = "MANUAL",
        userId = webhook.user_uuid,
        creationTime = webhook.created_ms,
    }
end

local function find(call)
    local id = call.params.id
    if not uuid.is(id) then
        errors.raise(400, "id is not a UUID")
    end
    local webhook = call.store:find(TABLE, "uuid", id)
    if not webhook or webhook.user_uuid ~= call.identity.id then
        errors.not_found("Webhook")
    end
    return webhook
end

local function check_url(value)
    if value and not url.is_http(value) then
        errors.raise(400, "invalid URL")
    end
end

local function check_filter(filter)
    if filter and #filter == 0 then
        errors.raise(400, "invalid event filter")
    elseif filter and #filter > MAX_FILTERS then
        errors.raise(403, "too many event filters")
    end
    for _, item in ipairs(filter or {}) do
        if not events.is_filter(item) then
            errors.raise(400, "unsupported event filter")
        end
    end
end

local function check_users(ids)
    if ids and #ids == 0 then
        errors.raise(400, "invalid userIds")
    end
    for _, id in ipairs(ids or {}) do
        if not uuid.is(id) then
            errors.raise(400, "invalid userIds")
        end
    end
    if ids and #ids > MAX_USERS then
        errors.raise(403, "too many userIds")
    end
end

local function subscriptions(call, count)
    local out = {}
    for i = 1, count do
        out[i] = uuid.next(call.store)
    end
    return out
end

local function check(call)
    check_url(call.fields.url)
    check_filter(call.fields.filter)
    check_users(call.fields.user_ids)
end

local function check_any(call)
    for _, field in ipairs(call.row.body.fields) do
        if call:given(field.name) ~= nil then
            return
        end
    end
    errors.raise(400, "no input parameter")
end

local function add(call, presence)
    check(call)
    if call.store:count(TABLE, "user", call.identity.id) >= MAX_WEBHOOKS then
        errors.raise(403, "too many webHooks")
    end
    local fields = call.fields
    return view(call.store:insert(TABLE, {
        uuid = uuid.next(call.store),
        url = fields.url,
        presence = presence,
        filter = fields.filter or {},
        user_ids = fields.user_ids or {},
        subscriptions = subscriptions(call, #(fields.filter or fields.user_ids)),
        user_uuid = call.identity.id,
        created_ms = math.floor(call.state.now() * 1000),
    }))
end

local function update(call, presence)
    local webhook = find(call)
    if call.row.at_least_one then
        check_any(call)
    end
    check(call)
    if webhook.presence ~= presence then
        errors.not_found("Webhook")
    end
    local fields = call.fields
    local watched = fields.filter or fields.user_ids
    return view(call.store:update(TABLE, webhook, {
        url = fields.url,
        filter = fields.filter,
        user_ids = fields.user_ids,
        subscriptions = watched and subscriptions(call, #watched) or nil,
    }))
end

function circuit.list(call)
    return core.array(lists.map(call.store:list(TABLE, "user", call.identity.id), view))
end

function circuit.get(call)
    return view(find(call))
end

function circuit.add(call)
    return add(call, false)
end

function circuit.add_presence(call)
    return add(call, true)
end

function circuit.update(call)
    return update(call, false)
end

function circuit.update_presence(call)
    return update(call, true)
end

function circuit.remove(call)
    call.store:remove(TABLE, find(call))
end

function circuit.remove_all(call)
    for _, webhook in ipairs(call.store:list(TABLE, "user", call.identity.id)) do
        call.store:remove(TABLE, webhook)
    end
end

return circuit

--- What happens in Circuit, told to its webhooks. The service's own API has webhooks and nothing else, so events come
-- from whoever drives the twin:
--
--     circuit_events.emit(state, { type = "CONVERSATION.ADD_ITEM", data = { itemId = "...", convId = "...",
--         creatorId = "...", text = { content = "Hello" } } })
--     circuit_events.emit(state, { type = "USER.USER_PRESENCE_CHANGE", data = { userId = UUID, state = "BUSY" } })
--
-- A webhook that hears of it gets `{ type, webhookId, item = data }`; what `item` is called depends on the event, see
-- the rows below (`item`, `presenceState` and `submitFormData` as receivers of Circuit's webhooks read them). Circuit
-- signs nothing.
local core = require "moonwire.core"
local lists = require "moonwire.twin.lists"
local regex = require "moonwire.twin.regex"
local uuid = require "moonwire.twin.uuid"

local circuit_events = {}

local TABLE = "circuit_webhooks"
local PRESENCE = "USER.USER_PRESENCE_CHANGE"

-- Event, and what its payload calls the data.
local EVENTS = {
    { "CONVERSATION.CREATE", "conversation" },
    { "CONVERSATION.UPDATE", "conversation" },
    { "CONVERSATION.ADD_ITEM", "item" },
    { "CONVERSATION.UPDATE_ITEM", "item" },
    { "USER.INCOMING_CALL", "call" },
    { "USER.USER_UPDATED", "user" },
    { "USER.USER_SETTING_UPDATED", "userSettings" },
    { "USER.SUBMIT_FORM_DATA", "submitFormData" },
}

local FIELD = { [PRESENCE] = "presenceState" }
for _, row in ipairs(EVENTS) do
    FIELD[row[1]] = row[2]
end

local function matches(filter, event)
    if filter == event then
        return true
    end
    local found = regex.compile(filter)
    return found ~= nil and found(event)
end

--- Whether a filter of a webhook, a name or a regular expression, is one that some event matches.
---@param filter string
---@return boolean
function circuit_events.is_filter(filter)
    for _, row in ipairs(EVENTS) do
        if matches(filter, row[1]) then
            return true
        end
    end
    return false
end

local function has_match(filters, event)
    for _, filter in ipairs(filters) do
        if matches(filter, event) then
            return true
        end
    end
    return false
end

-- UUIDs are the same in letters of either case.
local function watches(webhook, user)
    return lists.has(lists.map(webhook.user_ids, string.lower), user:lower())
end

local function hears(webhook, event)
    if event.user and webhook.user_uuid:lower() ~= event.user:lower() then
        return false
    elseif event.type == PRESENCE then
        return webhook.presence and watches(webhook, event.data.userId)
    end
    return not webhook.presence and has_match(webhook.filter, event.type)
end

local function is_uuid(value)
    return type(value) == "string" and uuid.is(value)
end

local function known_events()
    local names = lists.map(EVENTS, function(row) return row[1] end)
    names[#names + 1] = PRESENCE
    return table.concat(names, ", ")
end

-- What is wrong with an event that came from outside.
local function problem_of(event)
    if type(event) ~= "table" or not FIELD[event.type] then
        return "a Circuit event has a type: one of " .. known_events()
    elseif type(event.data) ~= "table" or event.data[1] ~= nil then
        return "a Circuit event has data: an object"
    elseif event.user ~= nil and not is_uuid(event.user) then
        return "the user of a Circuit event is a UUID: of whom the webhooks are that hear of it"
    elseif event.type == PRESENCE and not is_uuid(event.data.userId) then
        return "a change of presence has a data.userId: the UUID of whose presence it is"
    end
end

--- Tells an event to the webhooks whose filter it matches, one of presence to those that watch its `data.userId`. With
--- `user`, only to the webhooks of that user. Each is posted to once, in the background; see the outbox.
---@param state moonwire.twin.state with its `outbox`
---@param event { type: string, data: table, user: string|nil } as it came, unchecked
---@return integer|nil count how many webhooks hear of it
---@return string|nil problem what is wrong with the event, one line; nothing was posted
function circuit_events.emit(state, event)
    local problem = problem_of(event)
    if problem then
        return nil, problem
    end
    local posts = {}
    for webhook in state.store:each(TABLE) do
        if hears(webhook, event) then
            local payload = { type = event.type, webhookId = webhook.uuid, [FIELD[event.type]] = event.data }
            local encoded, body = pcall(core.json_encode, payload)
            if not encoded then
                return nil, "the data of a Circuit event can't be written as JSON: " .. tostring(body)
            end
            posts[#posts + 1] = { url = webhook.url, event = event.type, body = body }
        end
    end
    state.outbox:send(posts)
    return #posts
end

return circuit_events

--- The payloads of webhooks: the events of a request as the platform words them. Who gets them is not known here.
--
-- A payload tells how things are when the request is through, as the platform's do: it words them in the background.
local core = require "moonwire.core"
local posted = require "moonwire.twin.views.posted"

local payloads = {}

local or_null = posted.or_null

local function alike(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
        return a == b
    end
    for key, value in pairs(a) do
        if not alike(value, b[key]) then
            return false
        end
    end
    for key in pairs(b) do
        if a[key] == nil then
            return false
        end
    end
    return true
end

-- Where the platform's name of a field is not the record's.
local FIELD = { labels = "label_list", thumbnail = "avatar_url" }

-- What an update has changed, as a list of `{ FIELD = { previous_value, current_value } }`; nil when that is nothing.
local function changed_attributes(changed)
    local names, out = {}, {}
    for name, values in pairs(changed or {}) do
        if not alike(values[1], values[2]) then
            names[#names + 1] = name
        end
    end
    table.sort(names)
    for i, name in ipairs(names) do
        out[i] = {
            [FIELD[name] or name] = {
                previous_value = or_null(changed[name][1]),
                current_value = or_null(changed[name][2]),
            },
        }
    end
    return out[1] and core.array(out)
end

-- The platform posts what people write, not what the desk notes about itself.
local function of_message(store, event)
    if event.message.message_type ~= "activity" then
        return posted.message(store, event.message, event.conversation)
    end
end

local function of_conversation(store, event)
    local out = posted.conversation(store, event.conversation)
    out.changed_attributes = changed_attributes(event.changed)
    return out
end

local function of_contact(store, event)
    return posted.contact(store, event.contact)
end

-- An update that changes nothing is told to nobody.
local function of_contact_update(store, event)
    local changed = changed_attributes(event.changed)
    local out = changed and posted.contact(store, event.contact)
    if out then
        out.changed_attributes = changed
    end
    return out
end

local SHAPES = {
    message_created = of_message,
    message_updated = of_message,
    conversation_created = of_conversation,
    conversation_status_changed = of_conversation,
    conversation_updated = of_conversation,
    automation_webhook = of_conversation,
    contact_created = of_contact,
    contact_updated = of_contact_update,
}

-- Whether the records of an event are still there at the end of the request.
local function stands(store, event)
    for field, name in pairs { message = "messages", conversation = "conversations", contact = "contacts" } do
        local record = event[field]
        if record and store:get(name, record.id) ~= record then
            return false
        end
    end
    return true
end

--- The payload of an event, without its name; nil when there is nothing to post.
---@param store moonwire.twin.store
---@param event moonwire.twin.event
---@return table|nil
function payloads.of(store, event)
    local shape = SHAPES[event.name]
    return shape and stands(store, event) and shape(store, event) or nil
end

return payloads

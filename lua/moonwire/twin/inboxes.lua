--- The module `inboxes`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local members = require "moonwire.twin.members"
local views = require "moonwire.twin.views"

local inboxes = {}

local CHANNEL = { "website_url", "welcome_title", "welcome_tagline", "widget_color" }

function inboxes.list(call)
    return { payload = core.array(lists.map(call.store:all("inboxes"), views.inbox)) }
end

function inboxes.get(call)
    return views.inbox(call:find("inboxes", call.params.id, "Inbox"))
end

local function set_channel(inbox, channel)
    for _, name in ipairs(CHANNEL) do
        if type(channel[name]) == "string" then
            inbox[name] = channel[name]
        end
    end
end

function inboxes.create(call)
    local name = call:given("name")
    local channel = call:given("channel")
    if not name or name == "" then
        errors.invalid("Name can't be blank", { "name" })
    elseif not channel or not channel.website_url then
        errors.invalid("Website url can't be blank", { "website_url" })
    end
    local inbox = call.store:insert("inboxes", {
        name = name,
        channel_type = "Channel::WebWidget",
        enable_auto_assignment = true,
        members = {},
    })
    inbox.website_token = ("twin-website-%d"):format(inbox.id)
    set_channel(inbox, channel)
    return views.inbox(inbox)
end

function inboxes.update(call)
    local inbox = call:find("inboxes", call.params.id, "Inbox")
    inbox.name = call:given("name") or inbox.name
    inbox.enable_auto_assignment = call.fields.enable_auto_assignment
    set_channel(inbox, call:given("channel") or {})
    return views.inbox(inbox)
end

-- The documents name the inbox in the path of some of these operations and in the body of others.
local function inbox_of(call)
    return call:find("inboxes", call.params.inbox_id or call.fields.inbox_id, "Inbox")
end

function inboxes.members(call)
    return { payload = members.list(call, inbox_of(call)) }
end

function inboxes.add_members(call)
    return members.add(call, inbox_of(call))
end

function inboxes.set_members(call)
    return members.set(call, inbox_of(call))
end

function inboxes.remove_members(call)
    return members.remove(call, inbox_of(call))
end

return inboxes

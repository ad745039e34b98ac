--- The module `inboxes`.
local bots = require "moonwire.twin.bots"
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local members = require "moonwire.twin.members"
local url = require "moonwire.twin.url"
local view = require "moonwire.twin.views.inbox"

local inboxes = {
    administrators = { "create", "update", "delete", "set_agent_bot", "add_members", "set_members", "remove_members" },
}

--- Rows beyond the documented operations: every desk can delete an inbox. Scripts reach it through `request`.
inboxes.rows = {
    {
        service = "ooctopus",
        module = "inboxes",
        method = "delete",
        verb = "DELETE",
        path = "/api/v1/accounts/{account_id}/inboxes/{id}",
        auth = { "user" },
        path_params = {
            { name = "account_id", type = "integer", required = true },
            { name = "id", type = "integer", required = true },
        },
        query = {},
        responses = {
            { status = 200, meaning = "Success" }, { status = 403, meaning = "Access denied" },
            { status = 404, meaning = "Inbox not found" },
        },
    },
}

-- The fields of a channel that inboxes show, with their types.
local SHOWN = {
    website_url = "string", welcome_title = "string", welcome_tagline = "string", widget_color = "string",
    greeting_enabled = "boolean", greeting_message = "string", webhook_url = "string",
}

local function inbox_of(call)
    return call:find("inboxes", call.params.id, "Inbox")
end

function inboxes.list(call)
    return { payload = core.array(lists.map(call.store:list("inboxes", "account_id", call.account.id), view)) }
end

function inboxes.get(call)
    return view(inbox_of(call))
end

local function check_channel(channel)
    for name, kind in pairs(SHOWN) do
        local value = channel[name]
        if value ~= nil and value ~= core.null and type(value) ~= kind then
            errors.invalid(("%s is not of type %s"):format(name, kind), { name })
        end
    end
    local target = channel.webhook_url
    if type(target) == "string" and target ~= "" and not url.is_http(target) then
        errors.invalid("Webhook url is invalid", { "webhook_url" })
    end
end

-- What the body says of the channel, as changes of the record.
local function channel_changes(call)
    local channel, changes = call:given("channel") or {}, {}
    check_channel(channel)
    for name in pairs(SHOWN) do
        changes[name] = channel[name]
    end
    return changes
end

local function avatar_of(call)
    local avatar = call:given("avatar")
    return type(avatar) == "table" and avatar.name and "/avatars/" .. avatar.name or nil
end

-- What each kind of channel starts with. The documents know the widget; the public client API needs the other.
local KINDS = {
    web_widget = function(inbox)
        if type(inbox.website_url) ~= "string" or inbox.website_url == "" then
            errors.invalid("Website url can't be blank", { "website_url" })
        end
        inbox.channel_type = "Channel::WebWidget"
        inbox.website_token = ("twin-website-%d"):format(inbox.id)
    end,
    api = function(inbox)
        inbox.channel_type = "Channel::Api"
        inbox.identifier = ("twin-inbox-%d"):format(inbox.id)
        inbox.secret = ("twin-inbox-secret-%d"):format(inbox.id)
    end,
}

function inboxes.create(call)
    local name = call:given("name")
    if not name or name == "" then
        errors.invalid("Name can't be blank", { "name" })
    end
    local inbox = {
        id = call.store:last_id("inboxes") + 1,
        account_id = call.account.id,
        name = name,
        enable_auto_assignment = true,
        avatar_url = avatar_of(call),
    }
    for field, value in pairs(channel_changes(call)) do
        if value ~= core.null then
            inbox[field] = value
        end
    end
    local kind = (call:given("channel") or {}).type or "web_widget"
    if not KINDS[kind] then
        errors.invalid("Channel.type is not included in the list", { "channel.type" })
    end
    KINDS[kind](inbox)
    return view(call.store:insert("inboxes", inbox))
end

function inboxes.update(call)
    local inbox = inbox_of(call)
    local changes = channel_changes(call)
    changes.name = call:given("name")
    changes.enable_auto_assignment = call.fields.enable_auto_assignment
    changes.avatar_url = avatar_of(call)
    return view(call.store:update("inboxes", inbox, changes))
end

-- Its contacts stay; what was held through it is gone.
function inboxes.delete(call)
    call.store:remove("inboxes", inbox_of(call))
end

-- The documents promise an answer without a body: it says whether there is a bot.
function inboxes.agent_bot(call)
    bots.find(call, inbox_of(call).agent_bot_id)
end

function inboxes.set_agent_bot(call)
    local inbox, bot_id = inbox_of(call), call:given("agent_bot")
    call.store:update("inboxes", inbox, { agent_bot_id = bot_id and bots.find(call, bot_id).id or core.null })
end

-- The documents name the inbox in the path of some of these operations and in the body of others.
local function owner_of(call)
    return call:find("inboxes", call.params.inbox_id or call.fields.inbox_id, "Inbox")
end

function inboxes.members(call)
    return { payload = members.list(call, "inboxes", owner_of(call)) }
end

function inboxes.add_members(call)
    return members.add(call, "inboxes", owner_of(call))
end

function inboxes.set_members(call)
    return members.set(call, "inboxes", owner_of(call))
end

function inboxes.remove_members(call)
    return members.remove(call, "inboxes", owner_of(call))
end

return inboxes

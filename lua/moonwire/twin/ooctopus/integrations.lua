--- The module `integrations`: the apps a desk can be connected with, and the connections (hooks) themselves. They are
-- kept and shown; the twin talks to none of these services.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"

local integrations = { administrators = { "create_hook", "update_hook", "delete_hook" } }

-- `of` says whether a hook serves the whole account or one inbox, `many` whether there may be more than one, `needs`
-- the settings without which a hook is refused.
local APPS = {
    { id = "webhook", name = "Webhooks", of = "account", many = true, needs = {},
        description = "Sends the events of your desk to an address of yours." },
    { id = "slack", name = "Slack", of = "account", many = false, needs = {},
        description = "Brings conversations into a Slack channel, and the answers back." },
    { id = "dialogflow", name = "Dialogflow", of = "inbox", many = true, needs = { "project_id", "credentials" },
        description = "Lets a Dialogflow bot answer before your agents do." },
    { id = "dyte", name = "Dyte", of = "account", many = false, needs = { "organization_id", "api_key" },
        description = "Starts audio and video calls from a conversation." },
    { id = "google_translate", name = "Google Translate", of = "account", many = false,
        needs = { "project_id", "credentials" },
        description = "Translates messages for your agents." },
    { id = "openai", name = "OpenAI", of = "account", many = false, needs = { "api_key" },
        description = "Suggests answers and summarizes conversations." },
}

local function app_of(id)
    for _, app in ipairs(APPS) do
        if app.id == id then
            return app
        end
    end
end

-- The documents type ids as strings here, and `hook_type` as a boolean: whether the hook is of the whole account.
local function show(hook)
    return {
        id = tostring(hook.id),
        app_id = hook.app_id,
        inbox_id = hook.inbox_id and tostring(hook.inbox_id) or core.null,
        account_id = tostring(hook.account_id),
        status = hook.status,
        hook_type = hook.inbox_id == nil,
        settings = hook.settings,
    }
end

local function hooks_of(call, app)
    local out = {}
    for hook in call.store:each("hooks", "account_id", call.account.id) do
        if hook.app_id == app.id then
            out[#out + 1] = hook
        end
    end
    return out
end

function integrations.apps(call)
    return {
        payload = core.array(lists.map(APPS, function(app)
            local hooks = hooks_of(call, app)
            return {
                id = app.id,
                name = app.name,
                description = app.description,
                hook_type = app.of,
                enabled = #hooks > 0,
                allow_multiple_hooks = app.many,
                hooks = core.array(lists.map(hooks, show)),
            }
        end)),
    }
end

-- A hook from a file may be of an app that the twin doesn't know: nothing is asked of it.
local function check_settings(app, settings)
    for _, name in ipairs(app and app.needs or {}) do
        local value = settings[name]
        if value == nil or value == core.null or value == "" then
            errors.invalid(("Settings of %s need %s"):format(app.id, name), { "settings." .. name })
        end
    end
    return settings
end

function integrations.create_hook(call)
    local app = app_of(call:given("app_id"))
    if not app then
        errors.invalid("App is not one of the integrations", { "app_id" })
    end
    local inbox_id = call:given("inbox_id")
    local inbox = inbox_id and inbox_id ~= "" and call:find("inboxes", inbox_id, "Inbox")
    if app.of == "inbox" and not inbox then
        errors.invalid("Inbox can't be blank", { "inbox_id" })
    elseif not app.many and #hooks_of(call, app) > 0 then
        errors.invalid("App has already been taken", { "app_id" })
    end
    return show(call.store:insert("hooks", {
        account_id = call.account.id,
        app_id = app.id,
        inbox_id = app.of == "inbox" and inbox.id or nil,
        settings = check_settings(app, call:given("settings") or {}),
        status = true,
    }))
end

local function hook_of(call)
    return call:find("hooks", call.params.hook_id, "Hook")
end

function integrations.update_hook(call)
    local hook = hook_of(call)
    local settings = call:given("settings")
    return show(call.store:update("hooks", hook, {
        settings = settings and check_settings(app_of(hook.app_id), settings),
    }))
end

function integrations.delete_hook(call)
    call.store:remove("hooks", hook_of(call))
end

return integrations

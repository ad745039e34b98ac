--- The module `webhooks`: registration of the desk's webhooks. As on recent servers each has a secret from its creation
-- on, which signs what is posted to it and which every answer shows; there is no way to choose it.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local url = require "moonwire.twin.url"

local webhooks = { administrators = { "list", "create", "update", "delete" } }

-- The documents leave out the last two when they say what to send, and have them where they say what comes back. The
-- twin has no website widget that could trigger `webwidget_triggered`: it may be subscribed to, and never happens.
local EVENTS = {
    "conversation_created", "conversation_status_changed", "conversation_updated", "message_created",
    "message_updated", "webwidget_triggered", "contact_created", "contact_updated",
}

local function show(webhook)
    return {
        id = webhook.id,
        url = webhook.url,
        subscriptions = core.array(webhook.subscriptions),
        account_id = webhook.account_id,
        secret = webhook.secret,
    }
end

local function check_url(call, target, own_id)
    if type(target) ~= "string" or not url.is_http(target) then
        errors.invalid("Url is invalid", { "url" })
    end
    local other = call.store:find("webhooks", "url", call.account.id, target)
    if other and other.id ~= own_id then
        errors.invalid("Url has already been taken", { "url" })
    end
    return target
end

local function check_subscriptions(call)
    local wanted = call:given("subscriptions")
    if wanted and #wanted == 0 then
        errors.invalid("Subscriptions are invalid", { "subscriptions" })
    end
    for i, event in ipairs(wanted or {}) do
        if not lists.has(EVENTS, event) then
            local at = ("subscriptions[%d]"):format(i)
            errors.invalid("S" .. at:sub(2) .. " is not included in the list", { at })
        end
    end
    return wanted
end

function webhooks.list(call)
    local found = call.store:list("webhooks", "account_id", call.account.id)
    return { payload = { webhooks = core.array(lists.map(found, show)) } }
end

function webhooks.create(call)
    local target, subscriptions = check_url(call, call.fields.url), check_subscriptions(call)
    return show(call.store:insert("webhooks", {
        account_id = call.account.id,
        url = target,
        subscriptions = subscriptions or EVENTS, -- as on the platform, who names none hears of all
        secret = ("twin-webhook-secret-%d"):format(call.store:last_id("webhooks") + 1),
    }))
end

function webhooks.update(call)
    local webhook = call:find("webhooks", call.params.webhook_id, "Webhook")
    return show(call.store:update("webhooks", webhook, {
        url = call.fields.url ~= nil and check_url(call, call.fields.url, webhook.id) or nil,
        subscriptions = check_subscriptions(call),
    }))
end

function webhooks.delete(call)
    call.store:remove("webhooks", call:find("webhooks", call.params.webhook_id, "Webhook"))
end

return webhooks

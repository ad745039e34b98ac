--- The module `webhooks`: registration of the desk's webhooks.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local url = require "moonwire.twin.url"
local views = require "moonwire.twin.views"

local webhooks = {}

local function check_url(call, target, own_id)
    if type(target) ~= "string" or not url.is_http(target) then
        errors.invalid("Url is invalid", { "url" })
    end
    local other = call.store:find("webhooks", "url", target)
    if other and other.id ~= own_id then
        errors.invalid("Url has already been taken", { "url" })
    end
    return target
end

function webhooks.list(call)
    return { payload = { webhooks = core.array(lists.map(call.store:all("webhooks"), views.webhook)) } }
end

function webhooks.create(call)
    return views.webhook(call.store:insert("webhooks", {
        url = check_url(call, call.fields.url),
        subscriptions = call:given("subscriptions") or {},
        account_id = call.state.account.id,
    }))
end

function webhooks.update(call)
    local webhook = call:find("webhooks", call.params.webhook_id, "Webhook")
    if call.fields.url ~= nil then
        webhook.url = check_url(call, call.fields.url, webhook.id)
    end
    webhook.subscriptions = call:given("subscriptions") or webhook.subscriptions
    return views.webhook(webhook)
end

function webhooks.delete(call)
    local webhook = call:find("webhooks", call.params.webhook_id, "Webhook")
    call.store:remove("webhooks", webhook.id)
end

return webhooks

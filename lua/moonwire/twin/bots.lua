--- Agent bots: of an account, or of the platform and then for every account. Knows records, no routes.
local errors = require "moonwire.twin.errors"
local url = require "moonwire.twin.url"
local view = require "moonwire.twin.views.person"

local bots = {}

local function check(call)
    local target = call:given("outgoing_url")
    if target and target ~= "" and not url.is_http(target) then
        errors.invalid("Outgoing url is invalid", { "outgoing_url" })
    end
end

--- The bots that an account may use: its own and those of the platform.
---@param call moonwire.twin.call
---@return table[]
function bots.accessible(call)
    local own = call.store:list("agent_bots", "owner", call.account.id)
    return table.move(call.store:list("agent_bots", "owner", 0), 1, call.store:count("agent_bots", "owner", 0),
        #own + 1, own)
end

--- A bot that the account may use; ends the request with 404 when there is none.
---@param call moonwire.twin.call
---@param id any
---@return table bot
function bots.find(call, id)
    return call:find("agent_bots", id, "Agent bot")
end

--- A bot that belongs to the account, or without an account to the platform; ends the request with 404 when there
--- is none.
---@param call moonwire.twin.call
---@return table bot
function bots.own(call)
    local bot = bots.find(call, call.params.id)
    if bot.account_id ~= (call.account and call.account.id) then
        errors.not_found("Agent bot")
    end
    return bot
end

--- Makes the bot that the body describes. The answer holds its access token, which is shown nowhere else.
---@param call moonwire.twin.call
---@return table answer
function bots.create(call)
    check(call)
    local bot = call.store:insert("agent_bots", {
        account_id = call.account and call.account.id,
        name = call:given("name") or "",
        description = call:given("description") or "",
        outgoing_url = call:given("outgoing_url") or "",
    })
    local token = call.store:insert("tokens", {
        token = ("twin-bot-%d-token"):format(bot.id),
        kind = "bot",
        bot_id = bot.id,
    })
    local out = view.bot(bot)
    out.access_token = token.token
    return out
end

--- Changes a bot to what the body says.
---@param call moonwire.twin.call
---@param bot table
---@return table answer
function bots.update(call, bot)
    check(call)
    return view.bot(call.store:update("agent_bots", bot, {
        name = call:given("name"),
        description = call:given("description"),
        outgoing_url = call:given("outgoing_url"),
    }))
end

return bots

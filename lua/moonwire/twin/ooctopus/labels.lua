--- The account's labels. The documents don't list these two operations, every desk has them; so their rows
-- stand here, in the shape of the documented ones, and scripts reach them through `request`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"

local labels = { administrators = { "create" } }

local function row(method, verb, fields)
    return {
        service = "ooctopus",
        module = "labels",
        method = method,
        verb = verb,
        path = "/api/v1/accounts/{account_id}/labels",
        auth = { "user" },
        path_params = { { name = "account_id", type = "integer", required = true } },
        query = {},
        body = fields and { kind = "json", fields = fields },
        responses = { { status = 200, meaning = "Success" }, { status = 401, meaning = "Unauthorized" } },
    }
end

--- Rows beyond the documented operations.
labels.rows = {
    row("list", "GET"),
    row("create", "POST", {
        { name = "title", type = "string", required = true },
        { name = "description", type = "string" },
        { name = "color", type = "string" },
        { name = "show_on_sidebar", type = "boolean" },
    }),
}

local function show(label)
    return {
        id = label.id,
        title = label.title,
        description = label.description,
        color = label.color,
        show_on_sidebar = label.show_on_sidebar,
    }
end

function labels.list(call)
    return { payload = core.array(lists.map(call.store:list("labels", "account_id", call.account.id), show)) }
end

function labels.create(call)
    local title = call.fields.title:lower()
    if title == "" or title:find("[%s,]") then
        errors.invalid("Title is invalid", { "title" })
    elseif call.store:find("labels", "title", call.account.id, title) then
        errors.invalid("Title has already been taken", { "title" })
    end
    return show(call.store:insert("labels", {
        account_id = call.account.id,
        title = title,
        description = call:given("description") or "",
        color = call:given("color") or "#1f93ff",
        show_on_sidebar = call:given("show_on_sidebar") ~= false,
    }))
end

return labels

--- The module `contacts`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local views = require "moonwire.twin.views"

local contacts = {}

local PAGE = 15
local UNIQUE = { "email", "phone_number", "identifier" }

local FORMAT = {
    email = "^[^@%s]+@[^@%s]+$",
    phone_number = "^%+%d+$",
    identifier = ".",
}

local LABEL = { email = "Email", phone_number = "Phone number", identifier = "Identifier" }

-- "-name" sorts down by name; whoever lacks the field comes last; ties go by id so that pages are stable.
local function sorted(list, sort)
    local descending, field = sort:match("^(%-?)(.+)$")
    descending = descending == "-"
    local function key(contact)
        local value = contact[field]
        return type(value) == "string" and value:lower() or value
    end
    table.sort(list, function(a, b)
        local left, right = key(a), key(b)
        if left == right then
            return a.id < b.id
        elseif left == nil or right == nil then
            return right == nil
        elseif descending then
            return left > right
        end
        return left < right
    end)
    return list
end

local function answer(call, list)
    local page = call.query.page or 1
    sorted(list, call.query.sort or "-last_activity_at")
    return {
        meta = { count = #list, current_page = page },
        payload = core.array(lists.map(lists.page(list, page, PAGE), function(contact)
            return views.contact(contact, call.store)
        end)),
    }
end

function contacts.list(call)
    return answer(call, table.move(call.store:all("contacts"), 1, #call.store:all("contacts"), 1, {}))
end

function contacts.search(call)
    local q = call.query.q
    if not q then
        errors.raise(422, "Specify search string with parameter q")
    end
    return answer(call, call.store:where("contacts", function(contact)
        return lists.mentions(contact.name, q) or lists.mentions(contact.email, q)
            or lists.mentions(contact.phone_number, q) or lists.mentions(contact.identifier, q)
    end))
end

function contacts.get(call)
    return views.contact_show(call:find("contacts", call.params.id, "Contact"), call.store)
end

local function check_fields(call, own_id)
    for _, name in ipairs(UNIQUE) do
        local value = call:given(name)
        if value and value ~= "" then
            if not value:find(FORMAT[name]) then
                errors.invalid(LABEL[name] .. " is invalid", { name })
            end
            local other = call.store:find("contacts", name, value)
            if other and other.id ~= own_id then
                errors.invalid(LABEL[name] .. " has already been taken", { name })
            end
        end
    end
end

local function set_fields(call, contact)
    for _, name in ipairs { "name", "email", "phone_number", "identifier", "avatar_url" } do
        local value = call.fields[name]
        if value == core.null or value == "" then
            contact[name] = name == "name" and "" or nil
        elseif value ~= nil then
            contact[name] = value
        end
    end
    local avatar = call:given("avatar")
    contact.thumbnail = type(avatar) == "table" and "/avatars/" .. avatar.name or contact.avatar_url
        or contact.thumbnail
    for name, value in pairs(call:given("custom_attributes") or {}) do
        contact.custom_attributes[name] = value
    end
end

function contacts.create(call)
    local inbox = call:find("inboxes", call.fields.inbox_id, "Inbox")
    check_fields(call)
    local contact = {
        name = "",
        additional_attributes = {},
        custom_attributes = {},
        inboxes = {},
        created_at = call:now(),
        last_activity_at = call:now(),
    }
    set_fields(call, contact)
    call.store:insert("contacts", contact)
    contact.inboxes[1] = {
        inbox_id = inbox.id,
        source_id = ("twin-source-%d-%d"):format(inbox.id, contact.id),
    }
    local out = views.contact_show(contact, call.store)
    out.payload.contact_inbox = out.payload.contact_inboxes[1]
    return out
end

function contacts.update(call)
    local contact = call:find("contacts", call.params.id, "Contact")
    check_fields(call, contact.id)
    set_fields(call, contact)
end

function contacts.delete(call)
    local contact = call:find("contacts", call.params.id, "Contact")
    call.store:remove_where("messages", function(message)
        local conversation = call.store:get("conversations", message.conversation_id)
        return conversation.contact_id == contact.id
    end)
    call.store:remove_where("conversations", function(conversation)
        return conversation.contact_id == contact.id
    end)
    call.store:remove("contacts", contact.id)
end

function contacts.conversations(call)
    local contact = call:find("contacts", call.params.id, "Contact")
    local found = call.store:where("conversations", function(conversation)
        return conversation.contact_id == contact.id
    end)
    return {
        payload = core.array(lists.map(found, function(conversation)
            return views.conversation(conversation, call.state, call.identity.id)
        end)),
    }
end

function contacts.contactable_inboxes(call)
    local contact = call:find("contacts", call.params.id, "Contact")
    return { payload = views.contact_inboxes(contact, call.store) }
end

function contacts.create_contact_inbox(call)
    local contact = call:find("contacts", call.params.id, "Contact")
    local inbox = call:find("inboxes", call.fields.inbox_id, "Inbox")
    local link = {
        inbox_id = inbox.id,
        source_id = call:given("source_id") or ("twin-source-%d-%d"):format(inbox.id, contact.id),
    }
    for _, other in ipairs(call.store:all("contacts")) do
        for _, taken in ipairs(other.inboxes) do
            if taken.source_id == link.source_id and taken.inbox_id == link.inbox_id then
                errors.invalid("Source has already been taken", { "source_id" })
            end
        end
    end
    contact.inboxes[#contact.inboxes + 1] = link
    return { source_id = link.source_id, inbox = views.inbox(inbox) }
end

return contacts

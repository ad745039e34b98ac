--- The module `contacts`.
local core = require "moonwire.core"
local contact_fields = require "moonwire.twin.contact_fields"
local conversation_view = require "moonwire.twin.views.conversation"
local errors = require "moonwire.twin.errors"
local filter = require "moonwire.twin.filter"
local filter_attributes = require "moonwire.twin.filter_attributes"
local lists = require "moonwire.twin.lists"
local talk = require "moonwire.twin.talk"
local view = require "moonwire.twin.views.contact"

local contacts = { administrators = { "delete" } }

local PAGE = 15

local function contact_of(call)
    return call:find("contacts", call.params.id, "Contact")
end

-- The contacts from a place on, in the order that was asked for: whoever lacks the field comes last.
local function in_order(call, from)
    local descending, field = (call.query.sort or "-last_activity_at"):match("^(%-?)(.+)$")
    local store, index, account_id = call.store, "by_" .. field, call.account.id
    local having = store:count("contacts", index, account_id)
    local next_having = store:each("contacts", index, account_id, descending == "-", from)
    local next_lacking = store:each("contacts", index, account_id .. "|", false, math.max(from - having, 1))
    return function()
        return next_having() or next_lacking()
    end
end

local function answer(call, page, count, items)
    return {
        meta = { count = count, current_page = page },
        payload = core.array(lists.map(items, function(contact)
            return view.item(call.store, contact)
        end)),
    }
end

function contacts.list(call)
    local page = math.max(call.query.page or 1, 1)
    local items = {}
    for contact in in_order(call, (page - 1) * PAGE + 1) do
        items[#items + 1] = contact
        if #items == PAGE then
            break
        end
    end
    return answer(call, page, call.store:count("contacts", "account_id", call.account.id), items)
end

-- One page of those for which `keep(contact)` holds.
local function matching(call, keep)
    local page = math.max(call.query.page or 1, 1)
    local before, count, items = (page - 1) * PAGE, 0, {}
    for contact in in_order(call, 1) do
        if keep(contact) then
            count = count + 1
            if count > before and #items < PAGE then
                items[#items + 1] = contact
            end
        end
    end
    return answer(call, page, count, items)
end

function contacts.search(call)
    local q = call.query.q
    if not q then
        errors.raise(422, "Specify search string with parameter q")
    end
    q = core.str.trim(q)
    return matching(call, function(contact)
        return lists.mentions(contact.name, q) or lists.mentions(contact.email, q)
            or lists.mentions(contact.phone_number, q) or lists.mentions(contact.identifier, q)
    end)
end

function contacts.filter(call)
    local fits = filter.new(filter_attributes.contacts, filter.conditions(call), filter.context(call))
    return matching(call, function(contact)
        return fits { contact = contact }
    end)
end

function contacts.get(call)
    return view.show(call.store, contact_of(call))
end

function contacts.create(call)
    local inbox = call:find("inboxes", call.fields.inbox_id, "Inbox")
    local contact = contact_fields.create(call)
    talk.link(call, contact, inbox)
    call:emit("contact_created", { contact = contact })
    local out = view.show(call.store, contact)
    out.payload.contact_inbox = out.payload.contact_inboxes[1]
    return out
end

function contacts.update(call)
    contact_fields.update(call, contact_of(call))
end

function contacts.delete(call)
    call.store:remove("contacts", contact_of(call))
end

function contacts.conversations(call)
    local found = call.store:list("conversations", "contact_id", contact_of(call).id)
    return {
        payload = core.array(lists.map(found, function(conversation)
            return conversation_view.conversation(call.store, conversation, call.identity.id)
        end)),
    }
end

function contacts.contactable_inboxes(call)
    return { payload = view.links(call.store, contact_of(call)) }
end

function contacts.create_contact_inbox(call)
    local contact = contact_of(call)
    local inbox = call:find("inboxes", call.fields.inbox_id, "Inbox")
    local source_id = call:given("source_id")
    source_id = source_id and tostring(source_id) -- ids may come as numbers
    if source_id and call.store:first("contact_inboxes", "source", inbox.id .. "|" .. source_id) then
        errors.invalid("Source has already been taken", { "source_id" })
    end
    return view.link(call.store, talk.link(call, contact, inbox, source_id))
end

return contacts

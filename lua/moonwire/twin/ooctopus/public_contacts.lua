--- The module `public.contacts`: visitors of an API inbox, who are contacts of its account.
local contact_fields = require "moonwire.twin.contact_fields"
local talk = require "moonwire.twin.talk"
local view = require "moonwire.twin.views.public"
local visitors = require "moonwire.twin.visitors"

local contacts = {}

-- Somebody whom the account knows by one of these comes back; the body changes nothing then, as on the platform.
local function known(call)
    for _, name in ipairs { "identifier", "email", "phone_number" } do
        local value = call:given(name)
        local contact = value and value ~= "" and call.store:find("contacts", name, call.account.id, value)
        if contact then
            return contact
        end
    end
end

local function create(call)
    local contact = contact_fields.create(call)
    if contact.name == "" then
        call.store:update("contacts", contact, { name = ("visitor-%d"):format(contact.id) })
    end
    call:emit("contact_created", { contact = contact })
    return contact
end

-- Counted, and not one that an inbox has been told already.
local function new_source_id(store, inbox)
    local number = store:last_id("contact_inboxes")
    local source_id
    repeat
        number = number + 1
        source_id = ("twin-visitor-%d"):format(number)
    until not visitors.find(store, inbox, source_id)
    return source_id
end

-- Each visit is a contact_inbox of its own, unless the body names one (`source_id`; the documents leave it out).
function contacts.create(call)
    local inbox = visitors.inbox(call)
    local wanted = call:given("source_id")
    local source_id = type(wanted) == "string" and wanted ~= "" and wanted or new_source_id(call.store, inbox)
    local link = visitors.find(call.store, inbox, source_id)
        or talk.link(call, known(call) or create(call), inbox, source_id)
    return view.contact(call.store, link)
end

function contacts.get(call)
    return view.contact(call.store, visitors.link(call))
end

function contacts.update(call)
    local link = visitors.link(call)
    contact_fields.update(call, call.store:get("contacts", link.contact_id))
    return view.contact(call.store, link)
end

return contacts

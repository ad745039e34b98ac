--- Contacts as the service shows them. Where servers are known to send more than the documents say (the flat fields),
-- the view has both, so that scripts written against either work.
local core = require "moonwire.core"
local inbox_view = require "moonwire.twin.views.inbox"

local view = {}

--- The contact alone.
---@return table
function view.fields(contact)
    return {
        id = contact.id,
        name = contact.name,
        email = contact.email or core.null,
        phone_number = contact.phone_number or core.null,
        identifier = contact.identifier or core.null,
        thumbnail = contact.thumbnail or "",
        availability_status = "offline",
        additional_attributes = contact.additional_attributes,
        custom_attributes = contact.custom_attributes,
        created_at = contact.created_at,
        last_activity_at = contact.last_activity_at,
    }
end

--- What connects a contact with an inbox.
---@param store moonwire.twin.store
---@param link table the contact_inbox
---@return table
function view.link(store, link)
    return { source_id = link.source_id, inbox = inbox_view(store:get("inboxes", link.inbox_id)) }
end

--- The inboxes a contact can be reached through.
---@param store moonwire.twin.store
---@return table[]
function view.links(store, contact)
    local out = {}
    for link in store:each("contact_inboxes", "contact_id", contact.id) do
        out[#out + 1] = view.link(store, link)
    end
    return core.array(out)
end

--- A contact as one item of a list.
---@param store moonwire.twin.store
---@return table
function view.item(store, contact)
    local out = view.fields(contact)
    local inner = view.fields(contact)
    inner.contact_inboxes = view.links(store, contact)
    out.payload = { contact = inner }
    return out
end

--- A contact as the answer to a question for it.
---@param store moonwire.twin.store
---@return table
function view.show(store, contact)
    local out = view.fields(contact)
    out.contact = view.fields(contact)
    out.contact_inboxes = view.links(store, contact)
    out.contact.contact_inboxes = out.contact_inboxes
    return { id = contact.id, availability_status = "offline", payload = out }
end

return view

--- What contacts, conversations and messages can be filtered by: the attributes as rows, and the custom ones that an
-- account defines. Data; `filter` evaluates it.
local core = require "moonwire.core"

local EQUALITY = { "equal_to", "not_equal_to" }
local PRESENCE = { "equal_to", "not_equal_to", "is_present", "is_not_present" }
local TEXT = { "equal_to", "not_equal_to", "contains", "does_not_contain" }
local PHONE = { "equal_to", "not_equal_to", "contains", "does_not_contain", "starts_with" }
local DATE = { "is_greater_than", "is_less_than", "days_before" }
local ANY = {
    "equal_to", "not_equal_to", "contains", "does_not_contain", "is_present", "is_not_present", "is_greater_than",
    "is_less_than", "days_before", "starts_with",
}

-- A row is { key, kind, operators, field = where it differs from the key, place = the object that holds it, default =
-- what a record without it has, all = what the value "all" stands for }. The kind says what equality means: "folded"
-- text ignores letter case, a "date" is a whole day. Of campaigns, labels of contacts and blocked contacts the twin
-- has none; asking for them is no error.

local CONVERSATION = {
    { "status", "text", EQUALITY, all = { "open", "resolved", "pending", "snoozed" } },
    { "assignee_id", "number", PRESENCE },
    { "inbox_id", "number", PRESENCE },
    { "team_id", "number", PRESENCE },
    { "priority", "text", EQUALITY },
    { "display_id", "number", TEXT, field = "id" },
    { "campaign_id", "number", PRESENCE },
    { "labels", "labels", PRESENCE },
    { "browser_language", "text", EQUALITY, place = "additional_attributes" },
    { "conversation_language", "text", EQUALITY, place = "additional_attributes" },
    { "country_code", "text", EQUALITY, place = "additional_attributes" },
    { "referer", "text", TEXT, place = "additional_attributes" },
    { "created_at", "date", DATE },
    { "last_activity_at", "date", DATE },
    { "mail_subject", "text", TEXT, place = "additional_attributes" },
}

local CONTACT = {
    { "name", "folded", TEXT },
    { "phone_number", "phone", PHONE },
    { "email", "folded", TEXT },
    { "identifier", "folded", EQUALITY },
    { "country_code", "folded", EQUALITY, place = "additional_attributes" },
    { "city", "folded", TEXT, place = "additional_attributes" },
    { "company", "folded", TEXT, place = "additional_attributes" },
    { "labels", "labels", PRESENCE },
    { "created_at", "date", DATE },
    { "last_activity_at", "date", DATE },
    { "blocked", "boolean", EQUALITY, default = false },
}

local MESSAGE = {
    { "message_type", "text", EQUALITY },
    { "content", "folded", TEXT },
    { "private_note", "boolean", EQUALITY, field = "private" },
}

local function add(set, rows, of, wanted)
    for _, row in ipairs(rows) do
        local key = row[1]
        if not set.rows[key] and (not wanted or wanted[key]) then
            set.rows[key] = {
                key = key, kind = row[2], operators = row[3], of = of, field = row.field or key, place = row.place,
                all = row.all, default = row.default,
            }
            set.keys[#set.keys + 1] = key
        end
    end
end

-- What a rule may look at. Where a conversation and its contact both have an attribute, it is the conversation's.
local OF_RULES = {}
for _, key in ipairs {
    "content", "email", "country_code", "status", "message_type", "browser_language", "assignee_id", "team_id",
    "referer", "city", "company", "inbox_id", "mail_subject", "phone_number", "priority", "conversation_language",
    "labels", "private_note",
} do
    OF_RULES[key] = true
end

local MODEL = { conversation = 0, contact = 1 }

-- attribute_display_type, from 0: text, number, currency, percent, link, date, list, checkbox.
local KINDS = { "folded", "number", "number", "number", "folded", "date", "folded", "boolean" }

---@class moonwire.twin.filter_attributes
---@field rows table<string, table> standard attributes by key
---@field keys string[] their keys in order
---@field custom string[] whose custom attributes count as well: "contact", "conversation"
---@field first_only boolean|nil equality holds against the first value alone, as the platform does for contacts
---@field changes boolean|nil conditions may ask for what an update has changed
local contacts = { rows = {}, keys = {}, custom = { "contact" }, first_only = true }
add(contacts, CONTACT, "contact")

local conversations = { rows = {}, keys = {}, custom = { "conversation" } }
add(conversations, CONVERSATION, "conversation")

local rules = { rows = {}, keys = {}, custom = { "conversation", "contact" }, changes = true }
add(rules, CONVERSATION, "conversation", OF_RULES)
add(rules, CONTACT, "contact", OF_RULES)
add(rules, MESSAGE, "message", OF_RULES)

local attributes = { contacts = contacts, conversations = conversations, rules = rules }

--- The attribute with a key: a standard one, or one that the account defines.
---@param set moonwire.twin.filter_attributes
---@param store moonwire.twin.store
---@param account_id integer
---@param key any
---@param owner string|nil "contact_attribute" or "conversation_attribute", where both may define the key
---@return table|nil row
function attributes.find(set, store, account_id, key, owner)
    if type(key) ~= "string" then
        return nil
    elseif set.rows[key] then
        return set.rows[key]
    end
    for _, of in ipairs(set.custom) do
        local named = owner == nil or owner == "" or owner == core.null or owner == of .. "_attribute"
        local definition = named and store:find("custom_attributes", "key", account_id, MODEL[of], key)
        if definition and definition.attribute_key == key then
            return {
                key = key, kind = KINDS[definition.attribute_display_type + 1] or "folded", operators = ANY, of = of,
                field = key, place = "custom_attributes", custom = true,
            }
        end
    end
end

return attributes

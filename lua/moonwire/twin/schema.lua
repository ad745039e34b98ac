--- What the twin remembers: its tables as rows. Data only; the store keeps it, `check` holds files against it.
--
-- A field is { name, type } with a type of JSON ("array:string" holds strings), "?" behind it when it may be missing.
-- `ref` names the table whose record it points to, and `gone` what happens to this record when that one is removed:
-- "cascade" removes it too, "clear" forgets the reference. Each reference is an index of its own name. Ids are
-- integers, times whole epoch seconds.
--
-- An index is { name, fields, group, sort }: `group(record)` gives the key of its group, a list of keys, or nil for
-- none; `sort(record)` what the group is in the order of, the id without it. `fields` is all that both look at. In an
-- index that is `unique`, a group has one record.

local function ref(name, table_name, gone, optional)
    return { name, optional and "integer?" or "integer", ref = table_name, gone = gone }
end

local ACCOUNT = ref("account_id", "accounts", "cascade")

-- Groups by several fields: by("account_id", "email") gives "1|ada@x.example"; nil where one is missing. Letter case
-- doesn't count.
local function by(...)
    local fields = { ... }
    return function(record)
        local parts = {}
        for i, field in ipairs(fields) do
            if record[field] == nil then
                return nil
            end
            parts[i] = tostring(record[field]):lower()
        end
        return table.concat(parts, "|")
    end
end

local function unique(...)
    return { fields = { ... }, group = by(...), unique = true }
end

-- The records of each group in the order of their making.
local function in_time(...)
    return {
        fields = { "created_at", ... },
        group = by(...),
        sort = function(record) return record.created_at end,
    }
end

-- The contacts of an account in the order of a field, and those that lack it under "ID|".
local function in_order_of(field)
    return {
        fields = { "account_id", field },
        group = function(record)
            return record[field] and record.account_id or record.account_id .. "|"
        end,
        sort = function(record)
            local value = record[field] or ""
            return type(value) == "string" and value:lower() or value
        end,
    }
end

-- Conversations by everything that lists narrow them by without a search: "account|status|assignee|inbox", where
-- each of the last three may be "*", and nobody's assignee is "0".
local function list_groups(record)
    local out = {}
    for _, status in ipairs { record.status, "*" } do
        for _, assignee in ipairs { record.assignee_id or 0, "*" } do
            for _, inbox in ipairs { record.inbox_id, "*" } do
                out[#out + 1] = ("%d|%s|%s|%s"):format(record.account_id, status, assignee, inbox)
            end
        end
    end
    return out
end

local TABLES = {
    -- One record: the clock's shift in seconds, and how many UUIDs were given out.
    twin = { fields = { { "clock_offset", "number" }, { "uuids", "integer" } } },
    accounts = { fields = { { "name", "string" }, { "created_at", "integer" } } },
    -- Who may enter accounts. Access tokens are records of `tokens`.
    users = {
        fields = {
            { "name", "string" }, { "email", "string" }, { "display_name", "string?" },
            { "custom_attributes", "object" }, { "created_at", "integer" },
            { "sso_links", "integer?" }, -- how many were given out
        },
        indexes = { email = unique "email" },
    },
    -- An agent: a user in an account.
    account_users = {
        fields = {
            ACCOUNT, ref("user_id", "users", "cascade"),
            { "role", "string" }, { "availability_status", "string" }, { "auto_offline", "boolean" },
        },
        indexes = { member = unique("account_id", "user_id") },
    },
    -- kind: "user", "bot", "platform" or "oauth"; owner_id: a user or a bot; uuid: a user of Circuit.
    tokens = {
        fields = {
            { "token", "string" }, { "kind", "string" },
            ref("user_id", "users", "cascade", true), ref("bot_id", "agent_bots", "cascade", true),
            { "uuid", "string?" },
        },
        indexes = { token = { fields = { "token" }, group = function(record) return record.token end, unique = true } },
    },
    -- Without an account: of the platform, for every account.
    agent_bots = {
        fields = {
            ref("account_id", "accounts", "cascade", true), { "name", "string" }, { "description", "string" },
            { "outgoing_url", "string" }, { "secret", "string?" },
        },
        indexes = {
            owner = { fields = { "account_id" }, group = function(record) return record.account_id or 0 end },
        },
    },
    teams = {
        fields = {
            ACCOUNT, { "name", "string" }, { "description", "string" }, { "allow_auto_assign", "boolean" },
        },
        indexes = { name = unique("account_id", "name") },
    },
    team_members = {
        fields = { ref("team_id", "teams", "cascade"), ref("user_id", "users", "cascade") },
        indexes = { member = unique("team_id", "user_id") },
    },
    -- channel_type: "Channel::Api", "Channel::WebWidget", ...; `channel` holds what its kind has besides.
    inboxes = {
        fields = {
            ACCOUNT, { "name", "string" }, { "channel_type", "string" }, { "identifier", "string?" },
            { "enable_auto_assignment", "boolean" }, { "avatar_url", "string?" }, { "website_url", "string?" },
            { "website_token", "string?" }, { "widget_color", "string?" }, { "welcome_title", "string?" },
            { "welcome_tagline", "string?" }, { "greeting_enabled", "boolean?" }, { "greeting_message", "string?" },
            { "webhook_url", "string?" }, { "secret", "string?" }, { "channel", "object?" },
            ref("agent_bot_id", "agent_bots", "clear", true),
        },
        indexes = { identifier = unique "identifier" },
    },
    inbox_members = {
        fields = { ref("inbox_id", "inboxes", "cascade"), ref("user_id", "users", "cascade") },
        indexes = { member = unique("inbox_id", "user_id") },
    },
    labels = {
        fields = {
            ACCOUNT, { "title", "string" }, { "description", "string" }, { "color", "string" },
            { "show_on_sidebar", "boolean" },
        },
        indexes = { title = unique("account_id", "title") },
    },
    contacts = {
        fields = {
            ACCOUNT, { "name", "string" }, { "email", "string?" }, { "phone_number", "string?" },
            { "identifier", "string?" }, { "thumbnail", "string?" }, { "additional_attributes", "object" },
            { "custom_attributes", "object" }, { "created_at", "integer" }, { "last_activity_at", "integer" },
        },
        indexes = {
            email = unique("account_id", "email"),
            phone_number = unique("account_id", "phone_number"),
            identifier = unique("account_id", "identifier"),
            by_name = in_order_of "name",
            by_email = in_order_of "email",
            by_phone_number = in_order_of "phone_number",
            by_last_activity_at = in_order_of "last_activity_at",
        },
    },
    -- What connects a contact with an inbox. `source_id` is what the inbox calls the contact, and its identifier in
    -- the public API.
    contact_inboxes = {
        fields = {
            ref("contact_id", "contacts", "cascade"), ref("inbox_id", "inboxes", "cascade"),
            { "source_id", "string" }, { "pubsub_token", "string" }, { "created_at", "integer" },
        },
        indexes = {
            source = {
                fields = { "inbox_id", "source_id" }, unique = true,
                group = function(record) return record.inbox_id .. "|" .. record.source_id end,
            },
        },
    },
    conversations = {
        fields = {
            ACCOUNT, ref("inbox_id", "inboxes", "cascade"), ref("contact_id", "contacts", "cascade"),
            ref("contact_inbox_id", "contact_inboxes", "cascade"),
            ref("assignee_id", "users", "clear", true), ref("team_id", "teams", "clear", true),
            { "status", "string" }, { "labels", "array:string" }, { "additional_attributes", "object" },
            { "custom_attributes", "object" }, { "created_at", "integer" }, { "last_activity_at", "integer" },
            { "contact_last_seen_at", "integer" }, { "agent_last_seen_at", "integer" },
            { "first_reply_at", "integer?" }, { "priority", "string?" },
            { "waiting_since", "integer?" }, -- the oldest message of the contact that nobody has answered
        },
        indexes = {
            lists = {
                fields = { "account_id", "status", "assignee_id", "inbox_id", "last_activity_at" },
                group = list_groups,
                sort = function(record) return record.last_activity_at end,
            },
            time = in_time "account_id",
        },
    },
    -- sender_type: "contact", "user", "bot" or "system" (rules and the desk itself).
    messages = {
        fields = {
            ACCOUNT, ref("conversation_id", "conversations", "cascade"), { "inbox_id", "integer" },
            { "content", "string" }, { "content_type", "string" }, { "content_attributes", "object" },
            { "message_type", "string" }, { "private", "boolean" }, { "attachments", "array:object" },
            { "sender_type", "string" }, { "sender_id", "integer?" }, { "echo_id", "string?" },
            { "status", "string?" }, { "created_at", "integer" },
        },
        indexes = {
            time = in_time "account_id",
        },
    },
    -- What reports are counted from. name: "first_response" or "conversation_resolved"; value: seconds it took.
    reporting_events = {
        fields = {
            ACCOUNT, ref("conversation_id", "conversations", "cascade"), { "name", "string" }, { "value", "number" },
            { "inbox_id", "integer" }, { "user_id", "integer?" }, { "team_id", "integer?" },
            { "created_at", "integer" },
        },
        indexes = {
            time = in_time("account_id", "name"),
        },
    },
    webhooks = {
        fields = { ACCOUNT, { "url", "string" }, { "subscriptions", "array:string" }, { "secret", "string?" } },
        indexes = { url = unique("account_id", "url") },
    },
    automation_rules = {
        fields = {
            ACCOUNT, { "name", "string" }, { "description", "string" }, { "event_name", "string" },
            { "active", "boolean" }, { "conditions", "array:object" }, { "actions", "array:object" },
            { "created_at", "integer" },
        },
    },
    canned_responses = {
        fields = { ACCOUNT, { "short_code", "string" }, { "content", "string" } },
        indexes = { short_code = unique("account_id", "short_code") },
    },
    -- attribute_model: 0 conversation, 1 contact; attribute_display_type: 0 text, 1 number, ... 7 checkbox.
    custom_attributes = {
        fields = {
            ACCOUNT, { "attribute_display_name", "string" }, { "attribute_display_type", "integer" },
            { "attribute_description", "string" }, { "attribute_key", "string" }, { "attribute_values", "array" },
            { "attribute_model", "integer" }, { "default_value", "string?" },
        },
        indexes = { key = unique("account_id", "attribute_model", "attribute_key") },
    },
    custom_filters = {
        fields = {
            ACCOUNT, ref("user_id", "users", "cascade"), { "name", "string" }, { "type", "string" },
            { "query", "object" }, { "created_at", "integer" }, { "updated_at", "integer" },
        },
    },
    hooks = {
        fields = {
            ACCOUNT, { "app_id", "string" }, ref("inbox_id", "inboxes", "cascade", true), { "settings", "object" },
            { "status", "boolean" },
        },
    },
    -- Of Circuit. A webhook belongs to a user of Circuit, who is a UUID.
    circuit_webhooks = {
        fields = {
            { "uuid", "string" }, { "user_uuid", "string" }, { "url", "string" }, { "presence", "boolean" },
            { "filter", "array:string" }, { "user_ids", "array:string" }, { "subscriptions", "array:string" },
            { "created_ms", "integer" },
        },
        indexes = { uuid = unique "uuid", user = { fields = { "user_uuid" }, group = by "user_uuid" } },
    },
}

local function id_of(record)
    return record.id
end

-- Each reference is an index, and known to the table it points to.
for _, shape in pairs(TABLES) do
    shape.indexes = shape.indexes or {}
    shape.referred = {}
end
for name, shape in pairs(TABLES) do
    for _, field in ipairs(shape.fields) do
        local field_name = field[1]
        if field.ref then
            shape.indexes[field_name] = {
                fields = { field_name },
                group = function(record) return record[field_name] end,
            }
            table.insert(TABLES[field.ref].referred, { table = name, field = field_name, gone = field.gone })
        end
    end
    for _, index in pairs(shape.indexes) do
        index.sort = index.sort or id_of
    end
end
-- The same order in every run: what is removed first decides about what is posted first.
for _, shape in pairs(TABLES) do
    table.sort(shape.referred, function(a, b)
        return a.table .. a.field < b.table .. b.field
    end)
end

return TABLES

--- The module `conversations`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local messages = require "moonwire.twin.messages"
local views = require "moonwire.twin.views"

local conversations = {}

local PAGE = 25

local function conversation_of(call)
    return call:find("conversations", call.params.conversation_id, "Conversation")
end

local function show(call, conversation)
    return views.conversation(conversation, call.state, call.identity.id)
end

local function mentions(conversation, q)
    for _, message in ipairs(conversation.messages) do
        if lists.mentions(message.content, q) then
            return true
        end
    end
    return false
end

local function has_any(labels, wanted)
    for _, label in ipairs(wanted) do
        if lists.has(labels, label) then
            return true
        end
    end
    return false
end

-- Everything a list can be narrowed by but whose it is: that is counted, too.
local function narrowed(call)
    local query = call.query
    local status = query.status or "open"
    return call.store:where("conversations", function(conversation)
        return (status == "all" or conversation.status == status)
            and (not query.inbox_id or conversation.inbox_id == query.inbox_id)
            and (not query.team_id or conversation.team_id == query.team_id)
            and (not query.labels or has_any(conversation.labels, query.labels))
            and (not query.q or mentions(conversation, query.q))
    end)
end

local belongs = {
    all = function()
        return true
    end,
    me = function(conversation, user_id)
        return conversation.assignee_id == user_id
    end,
    assigned = function(conversation)
        return conversation.assignee_id ~= nil
    end,
    unassigned = function(conversation)
        return conversation.assignee_id == nil
    end,
}

local function count(list, kind, user_id)
    local n = 0
    for _, conversation in ipairs(list) do
        if belongs[kind](conversation, user_id) then
            n = n + 1
        end
    end
    return n
end

local function counts(call, list)
    local user_id = call.identity.id
    return {
        mine_count = count(list, "me", user_id),
        assigned_count = count(list, "assigned", user_id),
        unassigned_count = count(list, "unassigned", user_id),
        all_count = #list,
    }
end

function conversations.list(call)
    local all = narrowed(call)
    local kept = {}
    local keep = belongs[call.query.assignee_type or "all"]
    for _, conversation in ipairs(all) do
        if keep(conversation, call.identity.id) then
            kept[#kept + 1] = conversation
        end
    end
    table.sort(kept, function(a, b)
        if a.last_activity_at ~= b.last_activity_at then
            return a.last_activity_at > b.last_activity_at
        end
        return a.id > b.id
    end)
    return {
        data = {
            meta = counts(call, all),
            payload = core.array(lists.map(lists.page(kept, call.query.page, PAGE),
                function(conversation)
                    return show(call, conversation)
                end)),
        },
    }
end

function conversations.counts(call)
    return { meta = counts(call, narrowed(call)) }
end

function conversations.get(call)
    return show(call, conversation_of(call))
end

-- The contact behind a source id, or the one that is named and can then be reached through that source.
local function contact_for(call, inbox, source_id)
    for _, contact in ipairs(call.store:all("contacts")) do
        for _, link in ipairs(contact.inboxes) do
            if link.inbox_id == inbox.id and link.source_id == source_id then
                return contact
            end
        end
    end
    local contact = call:find("contacts", call:given("contact_id"), "Contact")
    contact.inboxes[#contact.inboxes + 1] = { inbox_id = inbox.id, source_id = source_id }
    return contact
end

local function id_of(call, name, kind, what)
    local value = call:given(name)
    return value and call:find(kind, value, what).id or nil
end

function conversations.create(call)
    local fields = call.fields
    local inbox = call:find("inboxes", fields.inbox_id, "Inbox")
    local assignee_id = id_of(call, "assignee_id", "agents", "Agent")
    local team_id = id_of(call, "team_id", "teams", "Team")
    local conversation = call.store:insert("conversations", {
        account_id = call.state.account.id,
        inbox_id = inbox.id,
        contact_id = contact_for(call, inbox, tostring(fields.source_id)).id,
        status = call:given("status") or "open",
        assignee_id = assignee_id,
        team_id = team_id,
        labels = {},
        messages = {},
        additional_attributes = call:given("additional_attributes") or {},
        custom_attributes = call:given("custom_attributes") or {},
        created_at = call:now(),
        last_activity_at = call:now(),
        contact_last_seen_at = 0,
        agent_last_seen_at = 0,
    })
    local message = call:given("message")
    if message then
        messages.add(call, conversation, { content = message.content })
    end
    return show(call, conversation)
end

function conversations.toggle_status(call)
    local conversation = conversation_of(call)
    conversation.status = call.fields.status
    return {
        meta = {},
        payload = {
            success = true,
            current_status = conversation.status,
            conversation_id = conversation.id,
        },
    }
end

function conversations.assign(call)
    local conversation = conversation_of(call)
    local agent = id_of(call, "assignee_id", "agents", "Agent")
    local team = id_of(call, "team_id", "teams", "Team")
    local out = core.null
    if call.fields.team_id ~= nil then
        conversation.team_id = team
        out = team and views.team(call.store:get("teams", team), call.identity.id) or out
    end
    if call.fields.assignee_id ~= nil then
        conversation.assignee_id = agent
        out = agent and views.user(call.store:get("agents", agent), call.state.account) or out
    end
    return out
end

function conversations.labels(call)
    return { payload = core.array(conversation_of(call).labels) }
end

function conversations.set_labels(call)
    local conversation = conversation_of(call)
    for _, label in ipairs(call:given("labels") or {}) do
        if label == "" or label:find(",", 1, true) then
            errors.invalid("Labels are invalid", { "labels" })
        end
    end
    conversation.labels = {}
    lists.add(conversation.labels, call:given("labels") or {})
    return { payload = core.array(conversation.labels) }
end

return conversations

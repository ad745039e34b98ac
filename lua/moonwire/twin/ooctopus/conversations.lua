--- The module `conversations`.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local filter = require "moonwire.twin.filter"
local filter_attributes = require "moonwire.twin.filter_attributes"
local lists = require "moonwire.twin.lists"
local people = require "moonwire.twin.people"
local person = require "moonwire.twin.views.person"
local talk = require "moonwire.twin.talk"
local view = require "moonwire.twin.views.conversation"

local conversations = {}

local PAGE = 25

local function conversation_of(call)
    return call:find("conversations", call.params.conversation_id, "Conversation")
end

local function show(call, conversation)
    return view.conversation(call.store, conversation, call.identity.id)
end

local function mentions(store, conversation, q)
    for message in store:each("messages", "conversation_id", conversation.id) do
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

-- What the index doesn't know: a function that says whether a conversation is wanted, nil when all are.
local function picky(call)
    local query = call.query
    if not (query.team_id or query.labels or query.q) then
        return nil
    end
    return function(conversation)
        return (not query.team_id or conversation.team_id == query.team_id)
            and (not query.labels or has_any(conversation.labels, query.labels))
            and (not query.q or mentions(call.store, conversation, query.q))
    end
end

-- The group of the index `lists` for what was asked, of all assignees or of one.
local function group_of(call, assignee)
    local query = call.query
    local status = query.status or "open"
    return ("%d|%s|%s|%s"):format(call.account.id, status == "all" and "*" or status, assignee, query.inbox_id or "*")
end

-- Whose conversations each type means; "assigned" is all without nobody's.
local function assignees(call)
    return { all = "*", me = tostring(call.identity.id), unassigned = "0" }
end

local function count(call, assignee, keep)
    local group = group_of(call, assignee)
    if not keep then
        return call.store:count("conversations", "lists", group)
    end
    local n = 0
    for conversation in call.store:each("conversations", "lists", group) do
        n = n + (keep(conversation) and 1 or 0)
    end
    return n
end

local function counts(call)
    local keep, whose = picky(call), assignees(call)
    local all, unassigned = count(call, whose.all, keep), count(call, whose.unassigned, keep)
    return {
        mine_count = count(call, whose.me, keep),
        assigned_count = all - unassigned,
        unassigned_count = unassigned,
        all_count = all,
    }
end

-- One page, the latest activity first.
local function page_of(call)
    local kind = call.query.assignee_type or "all"
    local keep = picky(call)
    if kind == "assigned" then
        local other = keep
        keep = function(conversation)
            return conversation.assignee_id ~= nil and (not other or other(conversation))
        end
    end
    local group = group_of(call, assignees(call)[kind] or "*")
    local before = (math.max(call.query.page or 1, 1) - 1) * PAGE
    if not keep then
        return call.store:list("conversations", "lists", group, true, before + 1, PAGE)
    end
    local out = {}
    for conversation in call.store:each("conversations", "lists", group, true) do
        if keep(conversation) then
            before = before - 1
            if before < 0 then
                out[#out + 1] = conversation
            end
        end
        if #out == PAGE then
            break
        end
    end
    return out
end

function conversations.list(call)
    return {
        data = {
            meta = counts(call),
            payload = core.array(lists.map(page_of(call), function(conversation)
                return show(call, conversation)
            end)),
        },
    }
end

function conversations.counts(call)
    return { meta = counts(call) }
end

-- Servers have counts and list side by side, the documents have both in `data`: here they are in either place.
function conversations.filter(call)
    local fits = filter.new(filter_attributes.conversations, filter.conditions(call), filter.context(call))
    local before = (math.max(call.query.page or 1, 1) - 1) * PAGE
    local meta = { mine_count = 0, assigned_count = 0, unassigned_count = 0, all_count = 0 }
    local found = core.array {}
    for conversation in call.store:each("conversations", "lists", call.account.id .. "|*|*|*", true) do
        if fits { conversation = conversation } then
            local assignee = conversation.assignee_id
            local whose = assignee and "assigned_count" or "unassigned_count"
            meta[whose] = meta[whose] + 1
            meta.all_count = meta.all_count + 1
            if assignee and call.identity.kind == "user" and assignee == call.identity.id then
                meta.mine_count = meta.mine_count + 1
            end
            if meta.all_count > before and #found < PAGE then
                found[#found + 1] = show(call, conversation)
            end
        end
    end
    return { meta = meta, payload = found, data = { meta = meta, payload = found } }
end

function conversations.get(call)
    return show(call, conversation_of(call))
end

-- The contact behind a source id, or the one that is named and can then be reached through that source.
local function link_for(call, inbox, source_id)
    local known = call.store:first("contact_inboxes", "source", inbox.id .. "|" .. source_id)
    if known then
        return known
    end
    local contact = call:find("contacts", call:given("contact_id"), "Contact")
    return talk.link(call, contact, inbox, source_id)
end

local function agent_id(call)
    local value = call:given("assignee_id")
    local user = value and people.agent(call.store, call.account.id, value)
    if value and not user then
        errors.not_found("Agent")
    end
    return user and user.id
end

local function team_id(call)
    local value = call:given("team_id")
    return value and call:find("teams", value, "Team").id or nil
end

function conversations.create(call)
    local fields = call.fields
    local inbox = call:find("inboxes", fields.inbox_id, "Inbox")
    local assignee, team = agent_id(call), team_id(call)
    local message = call:given("message")
    local content = message and talk.check_content(message.content)
    local conversation = talk.open(call, link_for(call, inbox, tostring(fields.source_id)), {
        status = call:given("status"),
        assignee_id = assignee,
        team_id = team,
        additional_attributes = call:given("additional_attributes"),
        custom_attributes = call:given("custom_attributes"),
    })
    if message then
        talk.say(call, conversation, { content = content })
    end
    return show(call, conversation)
end

function conversations.toggle_status(call)
    local conversation = conversation_of(call)
    talk.set_status(call, conversation, call.fields.status)
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
    local agent, team = agent_id(call), team_id(call)
    local out = core.null
    if call.fields.team_id ~= nil then
        talk.assign_team(call, conversation, team)
        out = team and view.team(call.store, call.store:get("teams", team), call.identity.id) or out
    end
    if call.fields.assignee_id ~= nil then
        talk.assign_agent(call, conversation, agent)
        out = agent and person.user(call.store, call.store:get("users", agent), call.account.id) or out
    end
    return out
end

function conversations.labels(call)
    return { payload = core.array(conversation_of(call).labels) }
end

function conversations.set_labels(call)
    local conversation = conversation_of(call)
    local labels = {}
    for _, label in ipairs(call:given("labels") or {}) do
        if label == "" or label:find(",", 1, true) then
            errors.invalid("Labels are invalid", { "labels" })
        end
    end
    lists.add(labels, call:given("labels") or {})
    talk.set_labels(call, conversation, labels)
    return { payload = core.array(labels) }
end

return conversations

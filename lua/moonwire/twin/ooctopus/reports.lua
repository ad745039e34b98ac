--- The module `reports`: figures counted from the stored conversations, messages and reporting events, never kept.
-- Days are those of UTC.
local core = require "moonwire.core"
local errors = require "moonwire.twin.errors"
local lists = require "moonwire.twin.lists"
local people = require "moonwire.twin.people"

local reports = {
    administrators = { "timeseries", "summary", "account_conversation_metrics", "agent_conversation_metrics" },
}

local DAY = 86400

-- A series has an entry for each day: a century of them is enough for `since=0`, and no more than the twin can send.
local MAX_DAYS = 36600

-- ---- what is counted ----

-- By metric: the table, what of it counts, and whether the metric is the mean of its values instead of their number.
local METRICS = {
    conversations_count = { from = "conversations" },
    incoming_messages_count = { from = "messages", only = "incoming" },
    outgoing_messages_count = { from = "messages", only = "outgoing" },
    avg_first_response_time = { from = "reporting_events", event = "first_response", mean = true },
    avg_resolution_time = { from = "reporting_events", event = "conversation_resolved", mean = true },
    resolutions_count = { from = "reporting_events", event = "conversation_resolved" },
}

local function everything()
    return true
end

-- A scope that only the conversation knows about: its messages and events follow it.
local function of_conversations(call, belongs)
    local function follows(record)
        return belongs(call.store:get("conversations", record.conversation_id))
    end
    return { conversations = belongs, messages = follows, reporting_events = follows }
end

-- What each type of report narrows the figures to: for each table a function that says whether a record belongs.
local SCOPES = {
    account = function()
        return { conversations = everything, messages = everything, reporting_events = everything }
    end,
    inbox = function(call, id)
        local inbox_id = call:find("inboxes", id, "Inbox").id
        local function here(record)
            return record.inbox_id == inbox_id
        end
        return { conversations = here, messages = here, reporting_events = here }
    end,
    -- An agent's messages are those the agent wrote: as on the platform, none of them is incoming.
    agent = function(call, id)
        local user = people.agent(call.store, call.account.id, id) or errors.not_found("Agent")
        return {
            conversations = function(record) return record.assignee_id == user.id end,
            messages = function(record) return record.sender_type == "user" and record.sender_id == user.id end,
            reporting_events = function(record) return record.user_id == user.id end,
        }
    end,
    team = function(call, id)
        local team_id = call:find("teams", id, "Team").id
        return of_conversations(call, function(record) return record.team_id == team_id end)
    end,
    label = function(call, id)
        local title = call:find("labels", id, "Label").title
        return of_conversations(call, function(record) return lists.has(record.labels, title) end)
    end,
}

local function scope_of(call)
    return SCOPES[call.query.type](call, call.query.id)
end

-- Calls `add(created_at, value)` for each record that counts and was made from `since` on and before `till`.
local function gather(call, metric, scope, since, till, add)
    local belongs = scope[metric.from]
    local group = metric.event and call.account.id .. "|" .. metric.event or tostring(call.account.id)
    for record in call.store:each_from(metric.from, "time", group, since) do
        if record.created_at >= till then
            break
        elseif (not metric.only or record.message_type == metric.only) and belongs(record) then
            add(record.created_at, record.value)
        end
    end
end

-- ---- windows ----

local function seconds(call, name)
    local text = call.query[name]
    local whole = text and text:match("^(%d+)%.?%d*$")
    if text and (not whole or #whole > 12) then
        errors.invalid(name .. " is not a time in epoch seconds", { name })
    end
    return math.tointeger(tonumber(whole))
end

-- From `since` on and before `till`; without these, everything there is.
local function window(call)
    return seconds(call, "since") or call.account.created_at, seconds(call, "until") or call:now() + 1
end

local function mean_text(sum, count)
    return ("%.1f"):format(count > 0 and sum / count or 0)
end

-- ---- the answers ----

function reports.timeseries(call)
    local metric, scope = METRICS[call.query.metric], scope_of(call)
    local since, till = window(call)
    local first = since // DAY
    local days = till > since and (till - 1) // DAY - first + 1 or 0
    if days > MAX_DAYS then
        errors.invalid(("The report covers %d days (maximum is %d)"):format(days, MAX_DAYS), { "since", "until" })
    end
    local counts, sums = {}, {}
    gather(call, metric, scope, since, till, function(at, value)
        local day = at // DAY
        counts[day] = (counts[day] or 0) + 1
        sums[day] = (sums[day] or 0) + (value or 0)
    end)
    local out = {}
    for day = first, first + days - 1 do
        local count = counts[day] or 0
        out[#out + 1] = {
            value = metric.mean and mean_text(sums[day] or 0, count) or tostring(count),
            timestamp = day * DAY,
            count = metric.mean and count or nil,
        }
    end
    return core.array(out)
end

local function summary_of(call, scope, since, till)
    local out = {}
    for name, metric in pairs(METRICS) do
        local count, sum = 0, 0
        gather(call, metric, scope, since, till, function(_, value)
            count, sum = count + 1, sum + (value or 0)
        end)
        out[name] = metric.mean and mean_text(sum, count) or count
    end
    return out
end

function reports.summary(call)
    local scope = scope_of(call)
    local since, till = window(call)
    local out = summary_of(call, scope, since, till)
    out.previous = summary_of(call, scope, since - (till - since), since)
    return out
end

-- Open conversations in a group of the lists, and how many of them wait for an answer.
local function live(call, assignee)
    local group = ("%d|open|%s|*"):format(call.account.id, assignee)
    local unattended = 0
    for conversation in call.store:each("conversations", "lists", group) do
        if not conversation.first_reply_at or conversation.waiting_since then
            unattended = unattended + 1
        end
    end
    return { open = call.store:count("conversations", "lists", group), unattended = unattended }
end

function reports.account_conversation_metrics(call)
    local out = live(call, "*")
    out.unassigned = call.store:count("conversations", "lists", ("%d|open|0|*"):format(call.account.id))
    return out
end

function reports.agent_conversation_metrics(call)
    local members = call.store:list("account_users", "account_id", call.account.id)
    if call.query.user_id then
        local _, member = people.agent(call.store, call.account.id, call.query.user_id)
        members = { member or errors.not_found("Agent") }
    end
    return core.array(lists.map(members, function(member)
        local user = call.store:get("users", member.user_id)
        return {
            id = user.id,
            name = user.name,
            email = user.email,
            thumbnail = "",
            availability = member.availability_status,
            metric = live(call, tostring(user.id)),
        }
    end))
end

return reports

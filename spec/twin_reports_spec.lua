--- Reports counted from what is stored, and the integrations of an account.
local core = require "moonwire.core"
local support = require "spec.support.twin"

local REPORTS = "/api/v2/accounts/1/reports"
local DESK = "/api/v1/accounts/1"
local DAY = 86400

-- A Tuesday, 09:00 UTC.
local NOON = 1772442000 + DAY + 3 * 3600

--- An empty desk with two agents, an inbox, a team and a label, whose clock a test moves: `clock.now`.
local function desk()
    local clock = { now = NOON }
    local state = support.state { data = "empty", now = function() return clock.now end }
    local send = support.client(state)
    assert.equal(200, (send("POST", DESK .. "/agents", { name = "Jo", email = "jo@x.example", role = "agent" })))
    for _, name in ipairs { "first", "second" } do
        state.store:insert("inboxes", {
            account_id = 1, name = name, channel_type = "Channel::Api", enable_auto_assignment = false,
        })
    end
    state.store:insert("contacts", {
        account_id = 1, name = "Ada", additional_attributes = {}, custom_attributes = {},
        created_at = NOON, last_activity_at = NOON,
    })
    state.store:insert("labels", {
        account_id = 1, title = "vip", description = "", color = "#000000", show_on_sidebar = true,
    })
    assert.equal(200, (send("POST", DESK .. "/teams", { name = "support" })))
    return clock, send, state
end

local function must(status, body, text)
    assert.equal(200, status, text)
    return body
end

-- A conversation as it goes: asked at `at`, answered after `first` seconds, resolved after `resolved`.
local function talk(clock, send, at, fields, first, resolved)
    clock.now = at
    fields.source_id, fields.contact_id = fields.source_id or "ada-" .. fields.inbox_id, "1"
    local id = must(send("POST", DESK .. "/conversations", fields)).id
    must(send("POST", DESK .. "/conversations/" .. id .. "/messages", { content = "?", message_type = "incoming" }))
    if first then
        clock.now = at + first
        must(send("POST", DESK .. "/conversations/" .. id .. "/messages", { content = "!" }))
    end
    if resolved then
        clock.now = at + resolved
        must(send("POST", DESK .. "/conversations/" .. id .. "/toggle_status", { status = "resolved" }))
    end
    return id
end

--- Three conversations: two yesterday in the first inbox, one today in the second.
local function busy_desk()
    local clock, send, state = desk()
    local answered = talk(clock, send, NOON - DAY, { inbox_id = "1", assignee_id = "1", team_id = "1" }, 60, 600)
    local labelled = talk(clock, send, NOON - DAY + 3600, { inbox_id = "1", assignee_id = "2" }, 120)
    local open = talk(clock, send, NOON, { inbox_id = "2" })
    must(send("POST", DESK .. "/conversations/" .. labelled .. "/labels", { labels = { "vip" } }))
    clock.now = NOON + 60
    return send, state, { answered = answered, labelled = labelled, open = open }
end

local function window(since, till)
    return ("&since=%d&until=%d"):format(since, till)
end

local function values(series)
    local out = {}
    for i, point in ipairs(series) do
        out[i] = point.value
    end
    return out
end

describe("the twin's reports", function()
    it("give each day its number, with the days of nothing between", function()
        local send = busy_desk()
        local span = window(NOON - 3 * DAY, NOON + 60)
        local expected = {
            conversations_count = { "0", "0", "2", "1" },
            incoming_messages_count = { "0", "0", "2", "1" },
            outgoing_messages_count = { "0", "0", "2", "0" },
            avg_first_response_time = { "0.0", "0.0", "90.0", "0.0" },
            avg_resolution_time = { "0.0", "0.0", "600.0", "0.0" },
            resolutions_count = { "0", "0", "1", "0" },
        }
        for metric, series in pairs(expected) do
            local body = must(send("GET", REPORTS .. "?type=account&metric=" .. metric .. span))
            assert.same(series, values(body), metric)
            for i, point in ipairs(body) do
                assert.equal((NOON // DAY - 4 + i) * DAY, point.timestamp)
            end
        end
    end)

    it("count from the first second of a window to the one before its last", function()
        local send = busy_desk()
        local function count(since, till)
            return must(send("GET", REPORTS .. "/summary?type=account" .. window(since, till))).conversations_count
        end
        assert.equal(1, count(NOON, NOON + 1))
        assert.equal(0, count(NOON + 1, NOON + DAY))
        assert.equal(0, count(NOON - 10, NOON))
        assert.equal(0, count(NOON + 1, NOON))
        assert.same({}, must(send("GET", REPORTS .. "?metric=conversations_count&type=account" .. window(9, 9))))
    end)

    it("narrow to an agent, an inbox, a team or a label", function()
        local send = busy_desk()
        local function summary(type_, id)
            local body = must(send("GET", ("%s/summary?type=%s&id=%s%s"):format(REPORTS, type_, id,
                window(NOON - 2 * DAY, NOON + 60))))
            return {
                body.conversations_count, body.incoming_messages_count, body.outgoing_messages_count,
                body.avg_first_response_time, body.avg_resolution_time, body.resolutions_count,
            }
        end
        assert.same({ 3, 3, 2, "90.0", "600.0", 1 }, summary("account", ""))
        assert.same({ 2, 2, 2, "90.0", "600.0", 1 }, summary("inbox", 1))
        assert.same({ 1, 1, 0, "0.0", "0.0", 0 }, summary("inbox", 2))
        assert.same({ 1, 1, 1, "60.0", "600.0", 1 }, summary("team", 1))
        assert.same({ 1, 1, 1, "120.0", "0.0", 0 }, summary("label", 1))
        -- Whoever holds the token wrote both answers; an agent's conversations are the assigned ones.
        assert.same({ 1, 0, 2, "60.0", "600.0", 1 }, summary("agent", 1))
        assert.same({ 1, 0, 0, "120.0", "0.0", 0 }, summary("agent", 2))
    end)

    it("put the window of the same length before into `previous`", function()
        local send = busy_desk()
        local body = must(send("GET", REPORTS .. "/summary?type=account" .. window(NOON - 3600, NOON + DAY - 3600)))
        assert.equal(1, body.conversations_count)
        assert.same({
            conversations_count = 2, incoming_messages_count = 2, outgoing_messages_count = 2,
            avg_first_response_time = "90.0", avg_resolution_time = "600.0", resolutions_count = 1,
        }, body.previous)
    end)

    it("cover everything without a window, and are counted anew each time", function()
        local send, _, ids = busy_desk()
        assert.equal(3, must(send("GET", REPORTS .. "/summary?type=account")).conversations_count)
        must(send("POST", DESK .. "/conversations/" .. ids.open .. "/toggle_status", { status = "resolved" }))
        local body = must(send("GET", REPORTS .. "/summary?type=account"))
        assert.equal(2, body.resolutions_count)
        assert.equal("330.0", body.avg_resolution_time)
        local series = must(send("GET", REPORTS .. "?metric=resolutions_count&type=account"))
        assert.equal("1", series[#series].value)
        assert.equal("1", series[#series - 1].value)
        assert.equal("0", series[1].value)
    end)

    it("say how many conversations are open, unattended and unassigned", function()
        local send, _, ids = busy_desk()
        local function now()
            return must(send("GET", REPORTS .. "/conversations?type=account"))
        end
        assert.same({ open = 2, unattended = 1, unassigned = 1 }, now())
        must(send("POST", DESK .. "/conversations/" .. ids.open .. "/messages", { content = "!" }))
        assert.same({ open = 2, unattended = 0, unassigned = 1 }, now())
        -- Answered once, and asked again.
        must(send("POST", DESK .. "/conversations/" .. ids.open .. "/messages",
            { content = "?", message_type = "incoming" }))
        assert.same({ open = 2, unattended = 1, unassigned = 1 }, now())
    end)

    it("say so for each agent, on the path with a closing slash", function()
        local send = busy_desk()
        local body = must(send("GET", REPORTS .. "/conversations/?type=agent"))
        assert.equal(2, #body)
        assert.same({
            id = 2, name = "Jo", email = "jo@x.example", thumbnail = "", availability = "offline",
            metric = { open = 1, unattended = 0 },
        }, body[2])
        assert.same({ body[1] }, must(send("GET", REPORTS .. "/conversations/?type=agent&user_id=1")))
        assert.equal(404, (send("GET", REPORTS .. "/conversations/?type=agent&user_id=99")))
    end)

    it("are for administrators only", function()
        local send = busy_desk()
        local jo = { api_access_token = "twin-user-2-token" }
        for _, path in ipairs {
            "?metric=resolutions_count&type=account", "/summary?type=account", "/conversations?type=account",
            "/conversations/?type=agent",
        } do
            assert.equal(403, (send("GET", REPORTS .. path, nil, jo)), path)
            assert.equal(401, (send("GET", REPORTS .. path, nil, {})), path)
        end
    end)

    it("answer 404 for who is not there, and 422 for what can't be", function()
        local send = busy_desk()
        for _, type_ in ipairs { "agent", "inbox", "team", "label" } do
            for _, id in ipairs { "", "&id=99", "&id=ada", "&id=-1", "&id=1e99" } do
                assert.equal(404, (send("GET", REPORTS .. "/summary?type=" .. type_ .. id)), type_ .. id)
            end
        end
        for _, query in ipairs {
            "", "?type=account", "?type=planet&metric=resolutions_count", "?type=account&metric=happiness",
            "?type=account&metric=resolutions_count&since=yesterday",
            "?type=account&metric=resolutions_count&until=9999999999999999",
            "?type=account&metric=resolutions_count&since=-5",
            "?type=account&metric=resolutions_count&since=0&until=999999999999",
        } do
            local status, _, text = send("GET", REPORTS .. query)
            assert.equal(422, status, query .. ": " .. text)
        end
    end)

    it("take `since=0` and fractions of a second", function()
        local send = busy_desk()
        local body = must(send("GET", ("%s?type=account&metric=conversations_count&since=0&until=%d.75"):format(
            REPORTS, NOON + 1)))
        assert.equal(NOON // DAY + 1, #body)
        assert.equal("1", body[#body].value)
        assert.equal(0, body[1].timestamp)
    end)

    it("don't look at all messages for a short window", function()
        local send, state = busy_desk()
        local function steps()
            local count = 0
            debug.sethook(function() count = count + 1 end, "", 100)
            must(send("GET", REPORTS .. "/summary?type=account" .. window(NOON - 100, NOON + 100)))
            debug.sethook()
            return count
        end
        local few = steps()
        for i = 1, 20000 do
            state.store:insert("messages", {
                account_id = 1, conversation_id = 1, inbox_id = 1, content = "", content_type = "text",
                content_attributes = {}, message_type = "incoming", private = false, attachments = {},
                sender_type = "contact", sender_id = 1, created_at = 1000 + i,
            })
        end
        local many = steps()
        assert.is_true(many < few * 1.5, ("%d steps beside %d"):format(many, few))
    end)

    it("show something for the demo desk", function()
        local send = support.client(support.state())
        local body = must(send("GET", REPORTS .. "/summary?type=account"))
        assert.equal(60, body.conversations_count)
        assert.is_true(body.incoming_messages_count > 60)
        assert.is_true(body.outgoing_messages_count > 20)
        assert.is_true(tonumber(body.avg_first_response_time) > 0)
        assert.is_true(tonumber(body.avg_resolution_time) > tonumber(body.avg_first_response_time))
        assert.equal(3, body.resolutions_count)
        assert.equal(0, body.previous.conversations_count)
        local live = must(send("GET", REPORTS .. "/conversations?type=account"))
        assert.equal(60, live.open)
        assert.is_true(live.unattended > 0 and live.unattended < 60)
        assert.is_true(live.unassigned > 0 and live.unassigned < 60)
    end)
end)

describe("the twin's integrations", function()
    local HOOKS = DESK .. "/integrations/hooks"

    local function apps(send)
        local out = {}
        for _, app in ipairs(must(send("GET", DESK .. "/integrations/apps")).payload) do
            out[app.id] = app
        end
        return out
    end

    it("are a list of apps without hooks at first", function()
        local _, send = desk()
        local known = apps(send)
        for _, id in ipairs { "webhook", "slack", "dialogflow", "dyte", "google_translate", "openai" } do
            assert.is_false(known[id].enabled)
            assert.same({}, known[id].hooks)
            assert.is_string(known[id].description)
        end
        assert.equal("inbox", known.dialogflow.hook_type)
        assert.is_true(known.dialogflow.allow_multiple_hooks)
    end)

    it("make, show, change and delete a hook", function()
        local _, send = desk()
        local made = must(send("POST", HOOKS, {
            app_id = "dialogflow", inbox_id = "2", settings = { project_id = "p", credentials = { key = "k" } },
        }))
        assert.same({
            id = "1", app_id = "dialogflow", inbox_id = "2", account_id = "1", status = true, hook_type = false,
            settings = { project_id = "p", credentials = { key = "k" } },
        }, made)
        local known = apps(send)
        assert.is_true(known.dialogflow.enabled)
        assert.same({ made }, known.dialogflow.hooks)
        assert.same({}, known.slack.hooks)
        local changed = must(send("PATCH", HOOKS .. "/1", { settings = { project_id = "q", credentials = "c" } }))
        assert.same({ project_id = "q", credentials = "c" }, changed.settings)
        assert.same({ changed }, apps(send).dialogflow.hooks)
        assert.same(changed, must(send("PATCH", HOOKS .. "/1", {})))
        assert.equal(200, (send("DELETE", HOOKS .. "/1")))
        assert.same({}, apps(send).dialogflow.hooks)
        assert.equal(404, (send("DELETE", HOOKS .. "/1")))
        assert.equal(404, (send("PATCH", HOOKS .. "/1", { settings = {} })))
    end)

    it("are of the account where the app is", function()
        local _, send = desk()
        local hook = must(send("POST", HOOKS, { app_id = "slack", inbox_id = "1" }))
        assert.is_true(hook.hook_type)
        assert.equal(core.null, hook.inbox_id)
        local status, body = send("POST", HOOKS, { app_id = "slack" })
        assert.equal(422, status)
        assert.same({ "app_id" }, body.attributes)
    end)

    it("go with their inbox", function()
        local _, send, state = desk()
        must(send("POST", HOOKS, {
            app_id = "dialogflow", inbox_id = "2", settings = { project_id = "p", credentials = {} },
        }))
        state.store:remove("inboxes", state.store:get("inboxes", 2))
        assert.same({}, apps(send).dialogflow.hooks)
    end)

    it("refuse what can't be connected", function()
        local _, send = desk()
        local full = { project_id = "p", credentials = {} }
        for at, fields in pairs {
            app_id = { app_id = "carrier_pigeon" },
            inbox_id = { app_id = "dialogflow", settings = full },
            ["settings.credentials"] = { app_id = "dialogflow", inbox_id = "1", settings = { project_id = "p" } },
            ["settings.api_key"] = { app_id = "openai" },
        } do
            local status, body = send("POST", HOOKS, fields)
            assert.equal(422, status)
            assert.same({ at }, body.attributes)
        end
        assert.equal(422, (send("POST", HOOKS, {})))
        assert.equal(422, (send("POST", HOOKS, { app_id = "slack", settings = "none" })))
        assert.equal(404, (send("POST", HOOKS, { app_id = "dialogflow", inbox_id = "99", settings = full })))
        assert.equal(404, (send("POST", HOOKS, { app_id = "dialogflow", inbox_id = "x1", settings = full })))
    end)

    it("are changed by administrators only", function()
        local _, send = desk()
        must(send("POST", HOOKS, { app_id = "slack" }))
        local jo = { api_access_token = "twin-user-2-token" }
        assert.equal(200, (send("GET", DESK .. "/integrations/apps", nil, jo)))
        assert.equal(401, (send("POST", HOOKS, { app_id = "openai", settings = { api_key = "k" } }, jo)))
        assert.equal(401, (send("PATCH", HOOKS .. "/1", { settings = {} }, jo)))
        assert.equal(401, (send("DELETE", HOOKS .. "/1", nil, jo)))
    end)
end)

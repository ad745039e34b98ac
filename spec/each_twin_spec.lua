-- each over the twin and real sockets: every list there is, at the sizes where paging goes wrong, gives what is there
-- once and in order; `max`, snapshots, and pages that fail on purpose.
local core = require "moonwire.core"
local mw = require "moonwire"
local twin = require "moonwire.twin"

local calls = require "spec.support.calls"

local DAY = 86400
local BEGAN = 1700000000
local MANY = 10000
local USUAL_PAGE = 25 -- the sizes to try where a row says none
local ACCOUNT, USER = 1, 1 -- of a twin with data = "empty"

local function range(first, last, step)
    local list = {}
    for i = first, last, step do
        list[#list + 1] = i
    end
    return list
end

local function upward(first, last)
    return range(first, last, 1)
end

local function downward(first, last)
    return range(first, last, -1)
end

-- ---- records: each function makes one, the i-th ----

local make = {}

function make.contacts(store, i)
    return store:insert("contacts", {
        account_id = ACCOUNT, name = "Customer " .. i, email = ("customer%d@mail.example"):format(i),
        additional_attributes = {}, custom_attributes = {}, created_at = BEGAN + i, last_activity_at = BEGAN + i,
    })
end

function make.inboxes(store, i)
    return store:insert("inboxes", {
        account_id = ACCOUNT, name = "Inbox " .. i, channel_type = "Channel::Api", identifier = "inbox-" .. i,
        enable_auto_assignment = false,
    })
end

-- A way to the first contact, through the first inbox unless told.
function make.contact_inboxes(store, i, inbox)
    return store:insert("contact_inboxes", {
        contact_id = 1, inbox_id = inbox and inbox.id or 1, source_id = "source-" .. i, pubsub_token = "token-" .. i,
        created_at = BEGAN,
    })
end

function make.conversations(store, i)
    return store:insert("conversations", {
        account_id = ACCOUNT, inbox_id = 1, contact_id = 1, contact_inbox_id = 1, status = "open", labels = {},
        additional_attributes = {}, custom_attributes = {}, created_at = BEGAN + i, last_activity_at = BEGAN + i,
        contact_last_seen_at = 0, agent_last_seen_at = 0,
    })
end

function make.messages(store, i)
    return store:insert("messages", {
        account_id = ACCOUNT, conversation_id = 1, inbox_id = 1, content = "message " .. i, content_type = "text",
        content_attributes = {}, message_type = "incoming", private = false, attachments = {},
        sender_type = "contact", sender_id = 1, created_at = BEGAN + i,
    })
end

function make.agent_bots(store, i)
    return store:insert("agent_bots", {
        account_id = i % 2 == 1 and ACCOUNT or nil, name = "Bot " .. i, description = "", outgoing_url = "",
    })
end

function make.users(store, i)
    return store:insert("users", {
        name = "Agent " .. i, email = ("agent%d@mail.example"):format(i), custom_attributes = {}, created_at = BEGAN,
    })
end

function make.account_users(store, i)
    return store:insert("account_users", {
        account_id = ACCOUNT, user_id = make.users(store, i).id, role = "agent", availability_status = "offline",
        auto_offline = true,
    })
end

function make.teams(store, i)
    return store:insert("teams", {
        account_id = ACCOUNT, name = "team " .. i, description = "", allow_auto_assign = false,
    })
end

function make.automation_rules(store, i)
    return store:insert("automation_rules", {
        account_id = ACCOUNT, name = "Rule " .. i, description = "", event_name = "message_created", active = false,
        conditions = {}, actions = {}, created_at = BEGAN,
    })
end

function make.canned_responses(store, i)
    return store:insert("canned_responses", { account_id = ACCOUNT, short_code = "code" .. i, content = "text" })
end

function make.custom_attributes(store, i)
    return store:insert("custom_attributes", {
        account_id = ACCOUNT, attribute_display_name = "Attribute " .. i, attribute_display_type = 0,
        attribute_description = "", attribute_key = "attribute_" .. i, attribute_values = {}, attribute_model = 1,
    })
end

function make.custom_filters(store, i)
    return store:insert("custom_filters", {
        account_id = ACCOUNT, user_id = USER, name = "Filter " .. i, type = "contact", query = {}, created_at = BEGAN,
        updated_at = BEGAN,
    })
end

function make.webhooks(store, i)
    return store:insert("webhooks", {
        account_id = ACCOUNT, url = ("http://127.0.0.1:9/%d"):format(i), subscriptions = { "message_created" },
    })
end

function make.circuit_webhooks(store, i)
    return store:insert("circuit_webhooks", {
        uuid = ("00000000-0000-4000-8000-%012d"):format(i), url = "http://127.0.0.1:9/", presence = false,
        user_uuid = store:first("tokens", "token", "twin-circuit-token").uuid, filter = {}, user_ids = {},
        subscriptions = {}, created_ms = BEGAN * 1000,
    })
end

-- ---- lists ----

-- Fills one table, beyond `there` records that it has already; what is listed are the ids from 1 on.
local function plain(name, there)
    return function(store, count)
        for i = (there or 0) + 1, count do
            make[name](store, i)
        end
        return upward(1, count)
    end
end

-- The same, and the latest first.
local function latest_first(name)
    return function(store, count)
        plain(name)(store, count)
        return downward(count, 1)
    end
end

-- One inbox with one contact, and so many conversations or messages of theirs.
local function talk(fill)
    return function(store, count)
        make.inboxes(store, 1)
        make.contacts(store, 1)
        make.contact_inboxes(store, 1)
        return fill(store, count)
    end
end

local function with_conversation(fill)
    return talk(function(store, count)
        make.conversations(store, 1)
        return fill(store, count)
    end)
end

-- Agents who belong to the one team or inbox.
local function members(owners, links, key)
    return function(store, count)
        make[owners](store, 1)
        local ids = {}
        for i = 1, count do
            ids[i] = make.account_users(store, i).user_id
            store:insert(links, { [key] = 1, user_id = ids[i] })
        end
        return ids
    end
end

-- The bots that there are already serve nobody here.
local function bots(keep_own)
    return function(store, count)
        for _, bot in ipairs(store:list "agent_bots") do
            store:remove("agent_bots", bot)
        end
        local own, others = {}, {}
        for i = 1, keep_own and count or 2 * count do
            local bot = make.agent_bots(store, i)
            table.insert(bot.account_id and own or others, bot.id)
        end
        return keep_own and table.move(others, 1, #others, #own + 1, own) or others
    end
end

local function by_id(item)
    return item.id
end

local CONDITIONS = { payload = { { attribute_key = "name", filter_operator = "contains", values = { "Customer" } } } }
local OPEN = { payload = { { attribute_key = "status", filter_operator = "equal_to", values = { "open" } } } }

--- For each row that lists: `fill(store, count)` makes that many and gives their keys in the order in which they are
--- listed; arguments of `each` behind the method; `key(item)`, the id without it; `least`: so many there always are;
--- `most`: no list is longer; `sizes` where the list can't be made.
local LISTS = {
    ["ooctopus:agent_bots.list"] = { fill = bots(true) },
    ["ooctopus:agents.list"] = { fill = plain("account_users", 1), least = 1 },
    ["ooctopus:automation_rules.list"] = { fill = plain "automation_rules" },
    ["ooctopus:canned_responses.list"] = { fill = plain "canned_responses" },
    ["ooctopus:contacts.contactable_inboxes"] = {
        fill = function(store, count)
            make.contacts(store, 1)
            local keys = {}
            for i = 1, count do
                keys[i] = make.contact_inboxes(store, i, make.inboxes(store, i)).source_id
            end
            return keys
        end,
        1, key = function(item) return item.source_id end,
    },
    ["ooctopus:contacts.conversations"] = { fill = talk(plain "conversations"), 1 },
    ["ooctopus:contacts.filter"] = { fill = latest_first "contacts", CONDITIONS },
    ["ooctopus:contacts.list"] = { fill = latest_first "contacts" },
    ["ooctopus:contacts.search"] = { fill = latest_first "contacts", { q = "customer" } },
    ["ooctopus:conversations.filter"] = { fill = talk(latest_first "conversations"), OPEN },
    ["ooctopus:conversations.labels"] = {
        fill = with_conversation(function(store, count)
            local labels = {}
            for i = 1, count do
                labels[i] = "label-" .. i
            end
            store:update("conversations", store:get("conversations", 1), { labels = labels })
            return labels
        end),
        1, key = function(item) return item end,
    },
    ["ooctopus:conversations.list"] = { fill = talk(latest_first "conversations") },
    ["ooctopus:custom_attributes.list"] = { fill = plain "custom_attributes", { attribute_model = "1" } },
    ["ooctopus:custom_filters.list"] = { fill = plain "custom_filters", { filter_type = "contact" } },
    ["ooctopus:inboxes.list"] = { fill = plain "inboxes" },
    ["ooctopus:inboxes.members"] = { fill = members("inboxes", "inbox_members", "inbox_id"), 1 },
    ["ooctopus:integrations.apps"] = {
        fill = function()
            return { "webhook", "slack", "dialogflow", "dyte", "google_translate", "openai" }
        end,
        sizes = { 6 },
    },
    ["ooctopus:messages.list"] = { fill = with_conversation(latest_first "messages"), 1 },
    ["ooctopus:platform.account_users.list"] = { fill = plain("account_users", 1), ACCOUNT, least = 1 },
    ["ooctopus:platform.agent_bots.list"] = { fill = bots(false) },
    ["ooctopus:public.conversations.list"] = { fill = talk(plain "conversations"), "inbox-1", "source-1" },
    -- What visitors read is the end of the talk, and the documents have no way back from there.
    ["ooctopus:public.messages.list"] = {
        fill = with_conversation(plain "messages"), "inbox-1", "source-1", 1, most = 20,
    },
    ["ooctopus:reports.agent_conversation_metrics"] = {
        fill = plain("account_users", 1), { type = "agent" }, least = 1,
    },
    ["ooctopus:reports.timeseries"] = {
        fill = function(_, count)
            local days = {}
            for i = 1, count do
                days[i] = (BEGAN // DAY + i - 1) * DAY
            end
            return days
        end,
        arguments = function(count)
            return {
                type = "account", metric = "conversations_count", since = tostring(BEGAN // DAY * DAY),
                ["until"] = tostring((BEGAN // DAY + count) * DAY),
            }
        end,
        key = function(item) return item.timestamp end,
    },
    ["ooctopus:teams.list"] = { fill = plain "teams" },
    ["ooctopus:teams.members"] = { fill = members("teams", "team_members", "team_id"), 1 },
    ["ooctopus:webhooks.list"] = { fill = plain "webhooks" },
    ["circuit:webhooks.list"] = {
        fill = function(store, count)
            local ids = {}
            for i = 1, count do
                ids[i] = make.circuit_webhooks(store, i).uuid
            end
            return ids
        end,
    },
}

local function name_of(row)
    return ("%s:%s.%s"):format(row.service, row.module, row.method)
end

local function module_of(client, path)
    for _, name in ipairs(core.str.split(path, ".")) do
        client = client[name]
    end
    return client
end

-- A twin with `count` records of a list, and the keys that are to come.
local function filled(case, count, options)
    options = options or {}
    options.data = "empty"
    local t = twin.start(options)
    local keys = case.fill(t.state.store, count)
    t.state.store:begin()
    return t, keys
end

local function sizes_of(row, case)
    if case.sizes then
        return case.sizes
    end
    local page, out = row.items.page_size or USUAL_PAGE, {}
    for _, size in ipairs { 0, 1, page - 1, page, page + 1, row.items.page_by and MANY or nil } do
        if size >= (case.least or 0) and size <= (case.most or size) then
            out[#out + 1] = size
        end
    end
    return out
end

local function lists()
    local out = {}
    for _, row in ipairs(core.operations()) do
        if row.items and not row.mutates then
            out[#out + 1] = row
        end
    end
    return out
end

-- How many requests of an operation the twin has seen.
local function requests(t, operation)
    local count = 0
    for _, entry in ipairs(t:log()) do
        count = count + (entry.operation == operation and 1 or 0)
    end
    return count
end

describe("each over the twin", function()
    teardown(calls.quiet)

    it("has a case for every list, and no other", function()
        local found = {}
        for _, row in ipairs(lists()) do
            found[name_of(row)] = true
            assert.is_table(LISTS[name_of(row)], name_of(row))
        end
        for name in pairs(LISTS) do
            assert.is_true(found[name], name)
        end
    end)

    for _, row in ipairs(lists()) do
        local case = LISTS[name_of(row)] or { sizes = {} }
        for _, size in ipairs(sizes_of(row, case)) do
            it(("gives %d of %s once and in order"):format(size, name_of(row)), function()
                local t, expected = filled(case, size)
                local client = t:connect(row.service)
                local arguments = case.arguments and { case.arguments(size) } or case
                local key, keys, seen = case.key or by_id, {}, {}
                for item in module_of(client, row.module):each(row.method, table.unpack(arguments)) do
                    local id = key(item)
                    assert.is_nil(seen[id], id)
                    seen[id] = true
                    keys[#keys + 1] = id
                end
                client:close()
                t:stop()
                assert.equal(size, #expected)
                assert.equal(table.concat(expected, " "), table.concat(keys, " "))
            end)
        end
    end

    it("goes back through messages from `before` on", function()
        local t = filled(LISTS["ooctopus:messages.list"], 50)
        local desk, ids = t:connect "ooctopus", {}
        for message in desk.messages:each(1, { before = 42 }) do
            ids[#ids + 1] = message.id
        end
        assert.same(downward(41, 1), ids)
        assert.equal(3, requests(t, "messages.list"))
        desk:close()
        t:stop()
    end)
end)

describe("what each takes for itself", function()
    local t, desk

    -- A twin and a client of it; `options` may hold faults.
    local function start(name, count, options)
        t = filled(LISTS[name], count, options)
        desk = t:connect "ooctopus"
    end

    after_each(function()
        if t then
            desk:close()
            t:stop()
            t, desk = nil, nil
        end
    end)

    teardown(calls.quiet)

    local function ids_of(iterator)
        local ids = {}
        for item in iterator do
            ids[#ids + 1] = item.id
        end
        return ids
    end

    it("has names that no operation uses", function()
        local own = { max = true, snapshot = true }
        for _, row in ipairs(core.operations()) do
            for _, list in ipairs { row.path_params, row.query, row.body and row.body.fields or {} } do
                for _, field in ipairs(list) do
                    assert.is_nil(own[field.name], name_of(row))
                end
            end
        end
    end)

    for _, case in ipairs { { 0, 0 }, { 1, 1 }, { 14, 1 }, { 15, 1 }, { 16, 2 }, { 30, 2 }, { 40, 3 }, { 41, 3 } } do
        it(("ends after max = %d of 40, having fetched %d pages"):format(case[1], case[2]), function()
            start("ooctopus:contacts.list", 40)
            local next_contact = desk.contacts:each { max = case[1] }
            local count = math.min(case[1], 40)
            assert.same(downward(40, 41 - count), ids_of(next_contact))
            assert.is_nil(next_contact())
            assert.equal(case[2], requests(t, "contacts.list"))
        end)
    end

    it("is not sent", function()
        start("ooctopus:contacts.list", 3)
        local params = { max = 2, snapshot = true, sort = "name" }
        assert.equal(2, #ids_of(desk.contacts:each(params)))
        assert.same({ max = 2, snapshot = true, sort = "name" }, params)
        assert.same({ "page=1&sort=name", "" }, { t:log()[1].query, t:log()[2].query })
    end)

    -- Resolves what a loop over the open conversations lists; gives how many are open after it.
    local function resolve_all(params)
        start("ooctopus:conversations.list", 60)
        for conversation in desk.conversations:each(params) do
            assert.equal("open", conversation.status)
            desk.conversations:toggle_status(conversation.id, { status = "resolved" })
        end
        return desk.conversations:counts({ status = "open" }).meta.all_count
    end

    it("lets a loop that resolves what it lists skip nothing with a snapshot", function()
        assert.equal(0, resolve_all { status = "open", snapshot = true })
        assert.equal(60, requests(t, "conversations.get"))
        assert.equal(60, requests(t, "conversations.toggle_status"))
    end)

    it("can't without: the second page begins behind what has moved up", function()
        assert.is_true(resolve_all { status = "open" } >= 25)
    end)

    it("gives the items of a snapshot in the order of the list, each as it is when its turn comes", function()
        start("ooctopus:contacts.list", 40)
        local next_contact = desk.contacts:each { snapshot = true }
        assert.equal(40, next_contact().id)
        assert.equal(3, requests(t, "contacts.list"))
        desk.contacts:update(39, { name = "Ada" })
        local second = next_contact()
        assert.same({ 39, "Ada" }, { second.id, second.name })
        assert.same(downward(38, 1), ids_of(next_contact))
        assert.equal(40, requests(t, "contacts.get"))
    end)

    it("leaves out of a snapshot what is gone", function()
        for _, kind in ipairs { "raising", "safe" } do
            start("ooctopus:contacts.list", 20)
            local next_contact = (kind == "safe" and desk:safe() or desk).contacts:each { snapshot = true }
            assert.equal(20, next_contact().id)
            desk.contacts:delete(19)
            desk.contacts:delete(17)
            assert.equal(18, next_contact().id)
            assert.equal(16, next_contact().id)
            desk:close()
            t:stop()
        end
        t, desk = nil, nil
    end)

    it("reads for a snapshot no more pages than max needs", function()
        start("ooctopus:contacts.list", 40)
        assert.same(downward(40, 26), ids_of(desk.contacts:each { snapshot = true, max = 15 }))
        assert.equal(1, requests(t, "contacts.list"))
        assert.equal(15, requests(t, "contacts.get"))
    end)

    it("takes the path parameters and options of the list to `get`", function()
        start("ooctopus:teams.list", 3, {})
        local _, failure = pcall(desk.teams:each({ snapshot = true }, { account_id = 7 }))
        assert.matches("/accounts/7/teams", failure.url, 1, true)
        assert.same({ 1, 2, 3 }, ids_of(desk.teams:each({ snapshot = true }, { account_id = 1 })))
        assert.equal(3, requests(t, "teams.get"))
    end)

    for _, row in ipairs(lists()) do
        it(("makes a snapshot of %s, or says why not"):format(name_of(row)), function()
            local case = LISTS[name_of(row)]
            local size = case.sizes and case.sizes[1] or 3
            local expected
            t, expected = filled(case, size)
            desk = t:connect(row.service)
            local module = module_of(desk, row.module)
            local arguments = table.pack(table.unpack(case.arguments and { case.arguments(size) } or case))
            local paths = #row.path_params - (row.takes_account and 1 or 0)
            local params = { snapshot = true }
            for name, value in pairs(arguments[paths + 1] or {}) do
                params[name] = value
            end
            arguments[paths + 1] = params
            local made, result = pcall(module.each, module, row.method, table.unpack(arguments, 1, paths + 1))
            if made then
                assert.same(expected, ids_of(result))
            else
                assert.is_true(mw.is_error(result, "invalid"), tostring(result))
                assert.equal("snapshot", result.field)
                assert.matches(("%s:%s: a snapshot gets each item by its id, and %s has no operation 'get' for these")
                    :format(row.module, row.method, row.module), result.message, 1, true)
                assert.equal(0, #t:log())
            end
            local has_get = false
            for _, other in ipairs(mw.operations(row.service)) do
                has_get = has_get or other.module == row.module and other.method == "get"
                    and #other.path_params == #row.path_params + 1
            end
            assert.equal(has_get, made)
        end)
    end

    for _, case in ipairs {
        { "a max of no integer", { max = 1.5 }, "max", "contacts:list: max must be an integer from 0 on, got 1.5" },
        { "a max below 0", { max = -1 }, "max", "contacts:list: max must be an integer from 0 on, got -1" },
        { "a max that is text", { max = "3" }, "max", "contacts:list: max must be an integer from 0 on, got a string" },
        { "a snapshot that is no boolean", { snapshot = 1 }, "snapshot",
            "contacts:list: snapshot must be a boolean" },
    } do
        it("refuses " .. case[1], function()
            start("ooctopus:contacts.list", 1)
            local failure = calls.failing("invalid", desk.contacts.each, desk.contacts, case[2])
            assert.equal(case[3], failure.field)
            assert.matches(case[4], failure.message, 1, true)
            assert.equal(0, #t:log())
        end)
    end
end)

describe("a request of each that fails", function()
    local t, desk

    local function start(faults)
        t = filled(LISTS["ooctopus:contacts.list"], 40, { faults = faults })
        desk = t:connect "ooctopus"
    end

    after_each(function()
        desk:close()
        t:stop()
    end)

    teardown(calls.quiet)

    -- The ids that came, and the error behind them.
    local function collect(iterator)
        local ids = {}
        local ok, failure = pcall(function()
            for item in iterator do
                ids[#ids + 1] = item.id
            end
        end)
        return ids, not ok and failure or nil
    end

    it("raises after the items before it, as partial", function()
        for _, safe in ipairs { false, true } do
            start "contacts.list:status=500:1/3"
            local next_contact = (safe and desk:safe() or desk).contacts:each({}, { retries = 0 })
            local ids, failure = collect(next_contact)
            assert.same(downward(40, 11), ids)
            assert.is_true(mw.is_error(failure, "server"), tostring(failure))
            assert.equal("contacts:list", failure.operation)
            assert.equal(500, failure.status)
            assert.is_true(failure.partial)
            assert.matches("^[^\n]*contacts:list: server %(500%)[^\n]*$", tostring(failure))
            assert.same(downward(10, 1), (collect(next_contact)))
            if not safe then
                desk:close()
                t:stop()
            end
        end
    end)

    it("is not partial when nothing came before it", function()
        start "contacts.list:status=500"
        local ids, failure = collect(desk.contacts:each({}, { retries = 0 }))
        assert.same({}, ids)
        assert.is_true(mw.is_error(failure, "server"))
        assert.is_nil(failure.partial)
    end)

    it("gives a snapshot no item while its pages are incomplete, and lets it go on from there", function()
        start "contacts.list:status=500:1/3"
        local next_contact = desk.contacts:each({ snapshot = true }, { retries = 0 })
        local ids, failure = collect(next_contact)
        assert.same({}, ids)
        assert.is_true(mw.is_error(failure, "server"))
        assert.is_nil(failure.partial)
        assert.same(downward(40, 1), (collect(next_contact)))
        assert.equal(4, requests(t, "contacts.list"))
    end)

    it("raises for an item of a snapshot, and gives that one when asked again", function()
        start "contacts.get:status=500:1/3"
        local next_contact = desk.contacts:each({ snapshot = true, max = 5 }, { retries = 0 })
        local ids, failure = collect(next_contact)
        assert.same({ 40, 39 }, ids)
        assert.is_true(mw.is_error(failure, "server"))
        assert.equal("contacts:get", failure.operation)
        assert.is_true(failure.partial)
        ids, failure = collect(next_contact)
        assert.same({ 38, 37 }, ids)
        assert.is_true(failure.partial)
        assert.same({ 36 }, (collect(next_contact)))
    end)
end)

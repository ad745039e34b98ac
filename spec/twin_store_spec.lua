--- The twin's memory: sorted lists and the store held against naive models, transactions, and what they cost.
local core = require "moonwire.core"
local schema = require "moonwire.twin.schema"
local sorted = require "moonwire.twin.sorted"
local store = require "moonwire.twin.store"
local support = require "spec.support.twin"

-- A generator of its own, so that every run meets the same operations.
local function numbers(seed)
    local state = seed
    return function(limit)
        state = (state * 6364136223846793005 + 1442695040888963407)
        return (state >> 33) % limit + 1
    end
end

local function drained(next_id, limit)
    local out = {}
    for id in next_id do
        out[#out + 1] = id
        if #out == limit then
            break
        end
    end
    return out
end

-- ---- the naive model of a sorted list: one array, searched from its start ----

local function model_place(model, key, id)
    for i, entry in ipairs(model) do
        if entry[1] > key or entry[1] == key and entry[2] >= id then
            return i
        end
    end
    return #model + 1
end

local function model_ids(model, from, descending, limit)
    local out = {}
    local at = descending and #model - from + 1 or from
    while model[at] and #out < limit do
        out[#out + 1] = model[at][2]
        at = at + (descending and -1 or 1)
    end
    return out
end

local function model_from(model, key, descending, limit)
    local at = model_place(model, key, 0)
    return descending and model_ids(model, #model - at + 2, true, limit) or model_ids(model, at, false, limit)
end

local KEYS = {
    integers = function(n) return n end,
    floats = function(n) return n / 4 end,
    texts = function(n) return ("key %03d"):format(n) end,
}

describe("a sorted list", function()
    for kind, key_of in pairs(KEYS) do
        it("does what a naive list does, with " .. kind .. " as keys, over 50,000 operations", function()
            local draw, list, model, keys = numbers(20260302), sorted.new(), {}, {}
            local longest = 0
            for step = 1, 50000 do
                -- Grows first, then shrinks to nothing, then grows again.
                local wanted = draw(100) <= (step // 12500 % 2 == 0 and 65 or 30)
                local id = draw(3000)
                if wanted and not keys[id] then
                    keys[id] = key_of(draw(200))
                    list:add(keys[id], id)
                    table.insert(model, model_place(model, keys[id], id), { keys[id], id })
                elseif not wanted and keys[id] then
                    list:remove(keys[id], id)
                    table.remove(model, model_place(model, keys[id], id))
                    keys[id] = nil
                elseif not wanted then
                    list:remove(key_of(draw(200)), id) -- isn't there: does nothing
                end
                longest = math.max(longest, #model)
                if step % 100 == 0 then
                    assert.equal(#model, list.count)
                    local descending, from, key = draw(2) == 1, draw(#model + 3), key_of(draw(204) - 2)
                    assert.same(model_ids(model, from, descending, 30), drained(list:ids(from, descending), 30))
                    assert.same(model_from(model, key, descending, 30), drained(list:ids_from(key, descending), 30))
                end
                if step % 5000 == 0 then
                    assert.same(model_ids(model, 1, false, math.huge), drained(list:ids()))
                    assert.same(model_ids(model, 1, true, math.huge), drained(list:ids(1, true)))
                end
            end
            assert.is_true(longest > 1000, "the list never had more than a few blocks")
        end)
    end

    it("is empty from any place and key when it is empty", function()
        local list = sorted.new()
        list:add(5, 1)
        list:remove(5, 1)
        assert.same({}, drained(list:ids()))
        assert.same({}, drained(list:ids(1, true)))
        assert.same({}, drained(list:ids_from(5)))
        assert.same({}, drained(list:ids_from(5, true)))
    end)
end)

-- ---- the store ----

--- Everything that a store holds, by every way in: records, every group of every index in order, ids to come.
local function picture(memory)
    local out = {}
    for name, shape in pairs(schema) do
        local records, groups = {}, {}
        for record in memory:each(name) do
            local copy = {}
            for field, value in pairs(record) do
                copy[field] = value
            end
            records[#records + 1] = copy
            for index, how in pairs(shape.indexes) do
                local group = how.group(record)
                for _, key in ipairs(type(group) == "table" and group or { group }) do
                    groups[index .. "=" .. tostring(key)] = { index, key }
                end
            end
        end
        for key, at in pairs(groups) do
            local ids = {}
            for record in memory:each(name, at[1], at[2]) do
                ids[#ids + 1] = record.id
            end
            groups[key] = { ids = ids, count = memory:count(name, at[1], at[2]) }
        end
        out[name] = { records = records, groups = groups, last = memory:last_id(name) }
    end
    return out
end

--- A store with an account, an inbox, and contacts with one conversation each.
local function desk(contacts)
    local memory = store.new()
    memory:insert("accounts", { name = "Desk", created_at = 1 })
    memory:insert("inboxes", {
        account_id = 1, name = "API", channel_type = "Channel::Api", enable_auto_assignment = false,
    })
    for i = 1, contacts do
        memory:insert("contacts", {
            account_id = 1, name = "Contact " .. i, email = ("Contact%d@mail.example"):format(i),
            additional_attributes = {}, custom_attributes = {}, created_at = i, last_activity_at = i,
        })
        memory:insert("contact_inboxes", {
            contact_id = i, inbox_id = 1, source_id = "source-" .. i, pubsub_token = "token", created_at = i,
        })
        memory:insert("conversations", {
            account_id = 1, inbox_id = 1, contact_id = i, contact_inbox_id = i, status = "open", labels = {},
            additional_attributes = {}, custom_attributes = {}, created_at = i, last_activity_at = i,
            contact_last_seen_at = 0, agent_last_seen_at = 0,
        })
    end
    memory:begin()
    return memory
end

local STATUSES = { "open", "resolved", "pending", "snoozed" }

-- One random change of a conversation or a contact.
local function change(memory, draw)
    local count, what = memory:count("conversations"), draw(10)
    local conversation = memory:list("conversations", nil, nil, false, draw(count), 1)[1]
    if what <= 4 then
        memory:update("conversations", conversation, { status = STATUSES[draw(4)], last_activity_at = draw(500) })
    elseif what <= 7 then
        local assignee = draw(4)
        memory:update("conversations", conversation, { assignee_id = assignee == 4 and core.null or assignee })
    elseif what == 8 or what == 9 and count > 300 then
        memory:remove("conversations", conversation)
    else
        local copy = {}
        for field, value in pairs(conversation) do
            copy[field] = value
        end
        copy.id = nil
        memory:insert("conversations", copy)
    end
end

-- A group of the index `lists`, by looking at every record.
local function naive_list(memory, status, assignee)
    local out = {}
    for record in memory:each("conversations") do
        local right_status = status == "*" or record.status == status
        if right_status and (assignee == "*" or (record.assignee_id or 0) == assignee) then
            out[#out + 1] = record
        end
    end
    table.sort(out, function(a, b)
        if a.last_activity_at ~= b.last_activity_at then
            return a.last_activity_at > b.last_activity_at
        end
        return a.id > b.id
    end)
    return out
end

describe("the store", function()
    it("keeps its lists true over 50,000 operations, a third of them rolled back", function()
        local memory, draw = desk(300), numbers(7)
        for step = 1, 50000 // 5 do
            memory:begin()
            local before = step % 500 == 0 and picture(memory) or nil
            for _ = 1, 5 do
                change(memory, draw)
            end
            if before or draw(3) == 1 then
                memory:rollback()
            end
            if before then
                assert.same(before, picture(memory))
            elseif step % 100 == 0 then
                local status, assignee = ({ "*", table.unpack(STATUSES) })[draw(5)], ({ "*", 0, 1, 2, 3 })[draw(5)]
                local group = ("1|%s|%s|1"):format(status, assignee)
                local naive = naive_list(memory, status, assignee)
                assert.equal(#naive, memory:count("conversations", "lists", group))
                assert.same(support.ids(naive), support.ids(memory:list("conversations", "lists", group, true)))
                assert.equal(naive[1], memory:first("conversations", "lists", group, true))
                local from = draw(#naive + 2)
                assert.same({ table.unpack(naive, from, from + 24) },
                    memory:list("conversations", "lists", group, true, from, 25))
            end
        end
    end)

    it("takes back inserts, updates, clears and removals exactly, and ids with them", function()
        local memory = desk(20)
        memory:update("conversations", memory:get("conversations", 3), { assignee_id = 1, team_id = 2 })
        memory:begin()
        local before = picture(memory)
        memory:update("conversations", memory:get("conversations", 3), { assignee_id = core.null, status = "resolved" })
        memory:insert("labels", {
            account_id = 1, title = "vip", description = "", color = "#000000", show_on_sidebar = true,
        })
        memory:remove("contacts", memory:get("contacts", 7))
        memory:remove("inboxes", memory:get("inboxes", 1))
        assert.equal(0, memory:count("conversations"))
        memory:rollback()
        assert.same(before, picture(memory))
        assert.equal(1, memory:insert("labels", {
            account_id = 1, title = "vip", description = "", color = "#000000", show_on_sidebar = true,
        }).id)
    end)

    it("never gives an id twice once a change has stayed", function()
        local memory = desk(2)
        memory:remove("contacts", memory:get("contacts", 2))
        memory:begin()
        assert.equal(3, memory:insert("contacts", {
            account_id = 1, name = "New", additional_attributes = {}, custom_attributes = {},
            created_at = 1, last_activity_at = 1,
        }).id)
        assert.equal(9, memory:last_id("contacts", 9))
        assert.equal(9, memory:last_id("contacts", 4))
    end)

    it("removes what belongs to a record, and clears what only pointed to it", function()
        local memory = desk(5)
        memory:insert("users", { name = "Ada", email = "ada@x.example", custom_attributes = {}, created_at = 1 })
        memory:update("conversations", memory:get("conversations", 2), { assignee_id = 1 })
        memory:remove("users", memory:get("users", 1))
        assert.is_nil(memory:get("conversations", 2).assignee_id)
        assert.equal(5, memory:count("conversations", "lists", "1|open|0|*"))
        assert.is_nil(memory:find("users", "email", "ada@x.example"))
        memory:remove("contacts", memory:get("contacts", 2))
        assert.is_nil(memory:get("conversations", 2))
        assert.equal(4, memory:count("contact_inboxes"))
        assert.equal(4, memory:count("conversations", "lists", "1|open|*|1"))
        memory:remove("accounts", memory:get("accounts", 1))
        for _, name in ipairs { "accounts", "inboxes", "contacts", "contact_inboxes", "conversations" } do
            assert.equal(0, memory:count(name), name)
        end
    end)

    it("answers its questions for groups of none, one and many alike", function()
        local memory = desk(3)
        local groups = { [0] = 99, [1] = 2 }
        for many, contact in pairs(groups) do
            assert.equal(many, memory:count("conversations", "contact_id", contact))
            assert.equal(many, #memory:list("conversations", "contact_id", contact))
            assert.equal(many, #memory:list("conversations", "contact_id", contact, true))
            assert.same({}, memory:list("conversations", "contact_id", contact, false, 2))
            assert.same({}, memory:list("conversations", "contact_id", contact, false, 1, 0))
        end
        assert.is_nil(memory:first("conversations", "contact_id", 99))
        assert.equal(2, memory:first("conversations", "contact_id", 2, true).id)
        assert.equal(3, memory:find("contacts", "email", 1, "CONTACT3@mail.example").id)
        assert.is_nil(memory:find("contacts", "email", 2, "contact3@mail.example"))
        assert.equal(3, #memory:list("contacts"))
        assert.is_nil(memory:get("contacts", nil))
        -- One alone, from a key on: the same as in a list of many.
        local function from(contact, key, descending)
            local out = {}
            for record in memory:each_from("conversations", "contact_id", contact, key, descending) do
                out[#out + 1] = record.id
            end
            return out
        end
        assert.same({ 2 }, from(2, 2))
        assert.same({}, from(2, 3))
        assert.same({}, from(2, 2, true))
        assert.same({ 2 }, from(2, 3, true))
        assert.same({}, from(99, 1))
        -- A second one joins, and leaves again.
        memory:update("conversations", memory:get("conversations", 3), { contact_id = 2 })
        assert.same({ 2, 3 }, support.ids(memory:list("conversations", "contact_id", 2)))
        assert.same({ 3 }, from(2, 3))
        assert.same({ 2 }, from(2, 3, true))
        memory:remove("conversations", memory:get("conversations", 2))
        assert.same({ 3 }, support.ids(memory:list("conversations", "contact_id", 2)))
        memory:remove("conversations", memory:get("conversations", 3))
        assert.equal(0, memory:count("conversations", "contact_id", 2))
    end)

    it("tells what has changed since the beginning of a transaction", function()
        local memory = desk(3)
        assert.same({}, memory:changed())
        local contact = memory:update("contacts", memory:get("contacts", 1), { name = "Ada" })
        memory:remove("conversations", memory:get("conversations", 2))
        assert.same({ contacts = { contact }, conversations = { [2] = false } }, memory:changed())
        memory:begin()
        assert.same({}, memory:changed())
    end)
end)

describe("a request to the twin", function()
    it("leaves nothing behind when it fails in the middle", function()
        local lines = {}
        local state = support.state { on_log = function(_, line) lines[#lines + 1] = line end }
        local send = support.client(state)
        local before = picture(state.store)
        local insert, said = state.store.insert, 0
        -- The store gives out at the second insert of a request: the message of a new conversation.
        state.store.insert = function(self, name, record)
            said = said + (name == "messages" and 1 or 0)
            assert(name ~= "messages", "no room for messages")
            return insert(self, name, record)
        end
        local status = send("POST", "/api/v1/accounts/1/conversations", {
            inbox_id = "4", source_id = "fresh", contact_id = "1", message = { content = "hello" },
        })
        state.store.insert = nil
        assert.equal(500, status)
        assert.equal(1, #lines)
        assert.matches("^twin: POST /api/v1/accounts/1/conversations failed: .*no room for messages$", lines[1])
        assert.equal(1, said)
        assert.same(before, picture(state.store))
        assert.equal(200, (send("POST", "/api/v1/accounts/1/conversations", {
            inbox_id = "4", source_id = "fresh", contact_id = "1", message = { content = "hello" },
        })))
    end)
end)

describe("a conversation of 10,000 messages", function()
    it("is paged back without looking at the newer ones", function()
        local state = support.state()
        local send = support.client(state)
        local first
        for i = 1, 10000 do
            local message = state.store:insert("messages", {
                account_id = 1, conversation_id = 60, inbox_id = 1, content = tostring(i), content_type = "text",
                content_attributes = {}, message_type = "incoming", private = false, attachments = {},
                sender_type = "contact", sender_id = 1, created_at = i,
            })
            first = first or message.id
        end
        -- Counts the steps of a page: instructions of the VM, in hundreds.
        local function page(before)
            local steps = 0
            debug.sethook(function() steps = steps + 1 end, "", 100)
            local _, body = send("GET", "/api/v1/accounts/1/conversations/60/messages"
                .. (before and "?before=" .. before or ""))
            debug.sethook()
            return body.payload, steps
        end
        state.store:insert("messages", {
            account_id = 1, conversation_id = 60, inbox_id = 1, content = "answer", content_type = "text",
            content_attributes = {}, message_type = "outgoing", private = false, attachments = {},
            sender_type = "user", sender_id = 1, created_at = 10001,
        })
        local newest, cost = page()
        assert.equal("answer", newest[20].content)
        local oldest, cost_of_last = page(first + 20)
        assert.equal("1", oldest[1].content)
        assert.equal("20", oldest[20].content)
        assert.is_true(cost_of_last < cost * 1.2, ("%d steps beside %d"):format(cost_of_last, cost))
    end)
end)

-- bench_twin.lua: the parts of `tools/bench twin`.
--   pages COUNT        page 1 of COUNT conversations from the handler alone; prints the median in microseconds
--   serve COUNT        a twin with COUNT conversations; prints its address, the seconds and MiB that they took
--   load URL WHAT N    N requests of one kind, 8 in flight; prints requests per second of the second half
--   latency URL N      N requests for page 1, one after the other; prints the median in microseconds
local core = require "moonwire.core"

local LIST = "/api/v1/accounts/1/conversations"
local TOKEN = { api_access_token = "twin-user-token" }

local function insert_conversation(store, i)
    local at = 1700000000 + i * 60
    store:insert("contacts", {
        account_id = 1, name = "Customer " .. i, email = ("customer%d@mail.example"):format(i),
        phone_number = ("+49%09d"):format(i), identifier = "customer-" .. i, additional_attributes = { city = "Lyon" },
        custom_attributes = { plan = "pro" }, created_at = at, last_activity_at = at,
    })
    store:insert("contact_inboxes", {
        contact_id = i, inbox_id = i % 5 + 1, source_id = "source-" .. i, pubsub_token = "token-" .. i,
        created_at = at,
    })
    local status = i % 4 == 0 and "resolved" or "open"
    store:insert("conversations", {
        account_id = 1, inbox_id = i % 5 + 1, contact_id = i, contact_inbox_id = i, status = status,
        assignee_id = i % 3 == 0 and 1 or nil, labels = { "billing" }, additional_attributes = {},
        custom_attributes = {}, created_at = at, last_activity_at = at, contact_last_seen_at = at,
        agent_last_seen_at = 0, waiting_since = at,
    })
    store:insert("messages", {
        account_id = 1, conversation_id = i, inbox_id = i % 5 + 1, content = "Where is my order " .. i .. "?",
        content_type = "text", content_attributes = {}, message_type = "incoming", private = false,
        attachments = {}, sender_type = "contact", sender_id = i, created_at = at,
    })
end

local function filled(count)
    local state = require "moonwire.twin".new { data = "empty" }
    for i = 1, 5 do
        state.store:insert("inboxes", {
            account_id = 1, name = "Inbox " .. i, channel_type = "Channel::Api", enable_auto_assignment = false,
        })
    end
    for i = 1, count do
        insert_conversation(state.store, i)
        state.store:begin()
    end
    return state
end

local function median(times)
    table.sort(times)
    return times[#times // 2 + 1]
end

-- The first answers meet the garbage of the filling; a script that runs on doesn't.
local WARM_UP = 5000

local function pages(count)
    local answer = require "moonwire.twin".handler(filled(tonumber(count)))
    local request = { method = "GET", target = LIST, path = LIST, query = "", headers = TOKEN, body = "" }
    local times = {}
    for i = 1, 2 * WARM_UP do
        local began = core.now()
        assert(answer(request) == 200)
        times[i > WARM_UP and i - WARM_UP or 1] = core.now() - began
    end
    print(("%.0f"):format(median(times) * 1e6))
end

local function resident_mib()
    for line in io.lines "/proc/self/status" do
        local kib = line:match "^VmRSS:%s+(%d+)"
        if kib then
            return kib / 1024
        end
    end
end

local function serve(count)
    local before, began = resident_mib(), core.now()
    local state = filled(tonumber(count))
    local took = core.now() - began
    collectgarbage()
    local server = core.server { handler = require "moonwire.twin".handler(state) }
    print(("%s %.1f %.0f"):format(server.url, took, resident_mib() - before))
    io.stdout:flush()
    require "moonwire".sleep(3600)
end

local KINDS = {
    get = function(desk) return desk.contacts:get(1).payload end,
    list = function(desk) return desk.conversations:list().data end,
    create = function(desk) return desk.messages:create(1, { content = "hello" }).id end,
}

local function connect(url)
    return require "moonwire".ooctopus { url = url, account = 1, token = TOKEN.api_access_token }
end

local function load_twin(url, kind, count)
    local mw, left = require "moonwire", tonumber(count)
    local desk, ask = connect(url), KINDS[kind]
    local half, began = left // 2, nil
    local tasks = {}
    for i = 1, 8 do
        tasks[i] = function()
            while left > 0 do
                left = left - 1
                if left == half then
                    began = mw.now()
                end
                assert(ask(desk))
            end
        end
    end
    mw.all(tasks)
    print(("%.0f"):format(half / (mw.now() - began)))
end

local function latency(url, count)
    local mw = require "moonwire"
    local desk, times = connect(url), {}
    for i = 1, WARM_UP + tonumber(count) do
        local began = mw.now()
        assert(desk.conversations:list().data)
        times[i > WARM_UP and i - WARM_UP or 1] = mw.now() - began
    end
    print(("%.0f"):format(median(times) * 1e6))
end

local PARTS = { pages = pages, serve = serve, load = load_twin, latency = latency }
PARTS[(...)](select(2, ...))

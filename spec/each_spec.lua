-- each: every item once, page by page, lazily, and where it stops. The pages come from an HTTP server in this process.
local core = require "moonwire.core"
local mw = require "moonwire"

local calls = require "spec.support.calls"

--- More pages than any list here has: what goes on behind its end fails soon.
local MOST_PAGES = 20

--- Items with the ids first..last.
local function items(first, last)
    local list = mw.array {}
    for id = first, last, first <= last and 1 or -1 do
        list[#list + 1] = { id = id }
    end
    return list
end

describe("each", function()
    local server, desk, circuit, answer, targets

    setup(function()
        server = core.server {
            handler = function(request)
                targets[#targets + 1] = request.target
                if #targets > MOST_PAGES then
                    return 400, nil, '{"error":"too many pages"}'
                end
                local body, status = answer(request, tonumber((request.query or ""):match "page=(%d+)"))
                return status or 200, nil, type(body) == "string" and body or mw.json.encode(body)
            end,
        }
        desk = mw.ooctopus { url = server.url, account = 1, token = "user-token" }
        circuit = mw.circuit { url = server.url, token = "user-token" }
    end)

    teardown(function()
        desk:close()
        circuit:close()
        server:close()
        calls.quiet()
    end)

    before_each(function()
        targets = {}
    end)

    --- The ids that come, as text, and the error that ends them.
    local function collect(...)
        local ids = {}
        local arguments = table.pack(...)
        local ok, failure = pcall(function()
            local module = arguments[1]
            for item in module:each(table.unpack(arguments, 2, arguments.n)) do
                ids[#ids + 1] = type(item) == "table" and item.id or item
            end
        end)
        return table.concat(ids, " "), not ok and failure or nil
    end

    local function range(first, last)
        local ids = {}
        for id = first, last, first <= last and 1 or -1 do
            ids[#ids + 1] = id
        end
        return table.concat(ids, " ")
    end

    --- Pages of `size` items out of `count`, and empty ones behind them.
    local function paged(size, count)
        return function(_, page)
            if (page - 1) * size >= count then
                return { payload = mw.array {} }
            end
            return { payload = items((page - 1) * size + 1, math.min(page * size, count)) }
        end
    end

    it("stops at a short page", function()
        answer = paged(15, 34)
        local ids, failure = collect(desk.contacts)
        assert.is_nil(failure)
        assert.equal(range(1, 34), ids)
        assert.same({
            "/api/v1/accounts/1/contacts?page=1", "/api/v1/accounts/1/contacts?page=2",
            "/api/v1/accounts/1/contacts?page=3",
        }, targets)
    end)

    it("stops at an empty page", function()
        answer = function(_, page)
            return { payload = page <= 2 and items(page * 15 - 14, page * 15) or mw.array {} }
        end
        assert.equal(range(1, 30), (collect(desk.contacts)))
        assert.equal(3, #targets)
    end)

    it("stops at once when there is nothing", function()
        answer = function() return { payload = mw.array {} } end
        assert.equal("", (collect(desk.contacts)))
        assert.equal(1, #targets)
    end)

    it("stops when the server ignores the page", function()
        answer = function() return { payload = items(1, 15) } end
        assert.equal(range(1, 15), (collect(desk.contacts)))
        assert.equal(2, #targets)
    end)

    it("goes on past pages of unknown size until one is empty", function()
        answer = function(_, page)
            return { payload = page < 4 and items(page, page) or mw.array {} }
        end
        assert.equal("1 2 3", (collect(desk.automation_rules)))
        assert.equal(4, #targets)
    end)

    it("gives an item once when the list shifts between pages", function()
        answer = function(_, page)
            return { payload = page == 1 and items(1, 15) or page == 2 and items(14, 28) or items(29, 30) }
        end
        assert.equal(range(1, 30), (collect(desk.contacts)))
    end)

    it("gives items without an id, and stops when a page of them repeats", function()
        answer = function()
            local list = {}
            for i = 1, 15 do
                list[i] = "text " .. i % 3
            end
            return { payload = list }
        end
        local texts = collect(desk.contacts)
        assert.equal(15, select(2, texts:gsub("text", "")))
        assert.equal(2, #targets)
    end)

    it("takes null for no id", function()
        answer = function()
            return '[{"id":null,"name":"a"},{"id":null,"name":"b"},{"id":3,"name":"c"}]'
        end
        local names = {}
        for agent in desk.agents:each() do
            names[#names + 1] = agent.name
        end
        assert.same({ "a", "b", "c" }, names)
    end)

    it("makes no snapshot of items without an id", function()
        answer = function() return '[{"id":1,"name":"a"},{"id":null,"name":"b"}]' end
        local ids, failure = collect(desk.teams, { snapshot = true })
        assert.equal("", ids)
        assert.is_true(mw.is_error(failure, "decode"))
        assert.matches("teams:list: decode: the answer holds an item without an id", tostring(failure), 1, true)
        assert.same({ name = "b", id = mw.null }, failure.body)
        assert.equal(1, #targets)
    end)

    it("gives the items of a snapshot as `get` answers them, wrapped in `payload` or not", function()
        answer = function(request)
            if request.path:find "/contacts/2$" then
                return { payload = { id = 2, name = "wrapped" } }
            elseif request.path:find "/contacts/1$" then
                return { id = 1, name = "bare", payload = mw.array {} }
            end
            return { payload = items(1, 2) }
        end
        local names = {}
        for contact in desk.contacts:each { snapshot = true } do
            names[#names + 1] = contact.id .. " " .. contact.name
        end
        assert.same({ "1 bare", "2 wrapped" }, names)
    end)

    it("fetches the next page only when it is asked for", function()
        answer = paged(15, 100)
        local next_item = desk.contacts:each()
        assert.equal(0, #targets)
        for _ = 1, 15 do
            next_item()
        end
        assert.equal(1, #targets)
        assert.equal(16, next_item().id)
        assert.equal(2, #targets)
    end)

    it("raises a failing page after what came before, and again when asked again", function()
        answer = function(_, page)
            if page == 2 then
                return { error = "broken page" }, 500
            end
            return { payload = items(1, 15) }
        end
        local ids = {}
        local next_item = desk.contacts:each()
        for i = 1, 15 do
            ids[i] = next_item().id
        end
        assert.equal(range(1, 15), table.concat(ids, " "))
        for _ = 1, 2 do
            local ok, failure = pcall(next_item)
            assert.is_false(ok)
            assert.is_true(mw.is_error(failure, "server"), tostring(failure))
            assert.equal("contacts:list", failure.operation)
        end
        local page = "/api/v1/accounts/1/contacts?page="
        assert.same({ page .. 1, page .. 2, page .. 2 }, targets)
        answer = paged(15, 20)
        assert.equal(16, next_item().id)
        assert.same({ page .. 1, page .. 2, page .. 2, page .. 2 }, targets)
    end)

    it("raises on a safe view as well", function()
        answer = function() return { error = "gone" }, 404 end
        local _, failure = collect(desk:safe().contacts)
        assert.is_true(mw.is_error(failure, "not_found"))
    end)

    it("refuses an answer without the list", function()
        answer = function() return { data = {} } end
        local _, failure = collect(desk.contacts)
        assert.is_true(mw.is_error(failure, "decode"))
        assert.matches("contacts:list: decode: the answer holds no list at 'payload'", tostring(failure), 1, true)
        answer = function() return { payload = { id = 1 } } end
        _, failure = collect(desk.contacts)
        assert.is_true(mw.is_error(failure, "decode"))
    end)

    --- Pages of `size` items out of `count`, which the answer says beside them.
    local function counted(size, count, name, deep)
        return function(_, page)
            local list = items((page - 1) * size + 1, math.min(page * size, count))
            local around = { meta = { [name] = count, current_page = page }, payload = list }
            return deep and { data = around } or around
        end
    end

    it("goes on past short pages while the answer counts more than came", function()
        answer = counted(10, 34, "count")
        assert.equal(range(1, 34), (collect(desk.contacts)))
        assert.equal(4, #targets)
        targets = {}
        answer = counted(7, 21, "all_count", true)
        assert.equal(range(1, 21), (collect(desk.conversations)))
        assert.equal(3, #targets)
        targets = {}
        answer = function(_, page)
            return { meta = { count = "12" }, payload = items(page * 6 - 5, math.min(page * 6, 12)) }
        end
        assert.equal(range(1, 12), (collect(desk.contacts, "search", { q = "a" })))
        assert.equal(2, #targets)
    end)

    it("goes by the count that a parameter names", function()
        answer = function(_, page)
            return { data = { meta = { all_count = 90, unassigned_count = 30, mine_count = 2 },
                payload = items(page * 25 - 24, math.min(page * 25, 30)) } }
        end
        assert.equal(range(1, 30), (collect(desk.conversations, { status = "all", assignee_type = "unassigned" })))
        assert.equal(2, #targets)
    end)

    it("stops at an empty page and at one without news, whatever the answer counts", function()
        answer = function(_, page)
            return { meta = { count = 1000 }, payload = page <= 2 and items(page * 5 - 4, page * 5) or mw.array {} }
        end
        assert.equal(range(1, 10), (collect(desk.contacts)))
        assert.equal(3, #targets)
        targets = {}
        answer = function() return { meta = { count = 1000 }, payload = items(1, 5) } end
        assert.equal(range(1, 5), (collect(desk.contacts)))
        assert.equal(2, #targets)
        targets = {}
        for _, meta in ipairs { "text", { count = {} }, { count = mw.null }, mw.null } do
            answer = function() return { meta = meta, payload = items(1, 5) } end
            assert.equal(range(1, 5), (collect(desk.contacts)))
        end
        assert.equal(4, #targets)
    end)

    it("passes parameters and options on with every page, and starts where it is told", function()
        answer = paged(15, 40)
        local params = { sort = "name", page = 2 }
        assert.equal(range(16, 40), (collect(desk.contacts, params, { account_id = 7 })))
        assert.same({
            "/api/v1/accounts/7/contacts?page=2&sort=name", "/api/v1/accounts/7/contacts?page=3&sort=name",
        }, targets)
        assert.same({ sort = "name", page = 2 }, params)
    end)

    it("works over another method that lists", function()
        answer = paged(15, 20)
        assert.equal(range(1, 20), (collect(desk.contacts, "search", { q = "a" })))
        assert.matches("/contacts/search%?page=1&q=a$", targets[1])
    end)

    it("finds the list deeper in the answer", function()
        answer = function(_, page)
            return { data = { meta = {}, payload = items(page * 25 - 24, page == 3 and 60 or page * 25) } }
        end
        assert.equal(range(1, 60), (collect(desk.conversations, { status = "open" })))
        assert.equal(3, #targets)
    end)

    it("takes the answer itself for the list where the facts say so", function()
        answer = function() return items(1, 3) end
        assert.equal("1 2 3", (collect(desk.agents)))
        assert.equal("1 2 3", (collect(circuit.webhooks)))
        assert.equal(2, #targets)
    end)

    it("takes a string for the path parameter where one belongs", function()
        answer = function() return items(1, 2) end
        assert.equal("1 2", (collect(desk.public.conversations, "inbox-key", "contact-key")))
        assert.matches("/inboxes/inbox%-key/contacts/contact%-key/conversations$", targets[1])
        answer = function() return { payload = items(1, 2) } end
        assert.equal("2 1", (collect(desk.messages, "12")))
    end)

    it("goes back in time through messages, newest first, with path parameters", function()
        answer = function(request)
            local before = tonumber((request.query or ""):match "before=(%d+)") or 51
            return { payload = items(math.max(1, before - 20), before - 1) }
        end
        assert.equal(range(50, 1), (collect(desk.messages, 12)))
        assert.same({
            "/api/v1/accounts/1/conversations/12/messages",
            "/api/v1/accounts/1/conversations/12/messages?before=31",
            "/api/v1/accounts/1/conversations/12/messages?before=11",
        }, targets)
    end)

    it("waits inside of tasks without holding up others", function()
        answer = paged(15, 40)
        local results = mw.map({ 1, 2, 3 }, function() return (collect(desk.contacts)) end)
        for i = 1, 3 do
            assert.equal(range(1, 40), results[i])
        end
    end)

    for _, case in ipairs {
        { "a module without a list of its own",
            "each: reports has no operation 'list'; name one of agent_conversation_metrics, timeseries",
            function() desk.reports:each() end },
        { "a module without lists", "each: profile has no lists", function() desk.profile:each() end },
        { "a method that changes something and answers with a list",
            "each: inboxes:add_members changes something; each works over list, members",
            function() desk.inboxes:each("add_members", { inbox_id = "1", user_ids = { 1 } }) end },
        { "a misspelt method", "contacts has no operation 'serach' (did you mean 'search'?)",
            function() desk.contacts:each("serach", { q = "x" }) end },
        { "a misspelt method where a number belongs", "messages has no operation 'lst' (did you mean 'list'?)",
            function() desk.messages:each("lst", 12) end },
        { "an unknown method of a module without lists", "profile has no operation 'x'; there are get",
            function() desk.profile:each("x") end },
        { "a method that gives no list", "contacts:get is not a list; each works over",
            function() desk.contacts:each("get", 1) end },
        { "a dot for a colon", "call it with a colon", function() desk.contacts.each { q = "x" } end },
        { "too many arguments", "each expects 0 path parameters and a table of parameters",
            function() desk.contacts:each({}, {}, {}) end },
        { "a missing path parameter", "messages:list: missing path parameter 'conversation_id'",
            function() desk.messages:each()() end },
        { "an unknown parameter", "contacts:list: unknown field 'srot' (did you mean 'sort'?)",
            function() desk.contacts:each { srot = "name" } () end },
    } do
        it("refuses " .. case[1], function()
            local ok, failure = pcall(case[3])
            assert.is_false(ok)
            assert.is_true(mw.is_error(failure, "invalid"), tostring(failure))
            assert.matches(case[2], failure.message, 1, true)
            assert.equal(0, #targets)
        end)
    end
end)

--- What a policy lets through: each operation, and random policies against an evaluator that knows nothing but the
--- facts in spec/fixtures. The programs that decide are the core's own gates; what arrives is seen by a raw server.

local mw = require "moonwire"

local arguments = require "spec.support.arguments"
local calls = require "spec.support.calls"
local facts = require "spec.support.facts"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local failing = calls.failing
local operations = facts.operations()
local build = os.getenv "MOONWIRE_BUILD" or "."

-- ---- the reference: what mw/policy.h promises, of the facts alone ----

local reference = {}

local function holds(list, value)
    return ("\0" .. table.concat(list, "\0") .. "\0"):find("\0" .. value .. "\0", 1, true) ~= nil
end

local function is_write(call)
    return call.verb ~= "GET" and not (call.operation and call.operation.method == "filter")
end

function reference.fits(pattern, call)
    local service, what = pattern:match "^([^:]+):(.+)$"
    if service ~= "*" and service ~= call.service then
        return false
    elseif what == "request" or not call.operation then
        return what == "request" and not call.operation
    elseif what == "read" or what == "write" then
        return (what == "write") == is_write(call)
    end
    local glob = what:gsub("[^%w*]", "%%%0"):gsub("%*", ".*")
    return (call.operation.module .. "." .. call.operation.method):find("^" .. glob .. "$") ~= nil
end

local function any_fits(patterns, call)
    for _, pattern in ipairs(patterns) do
        if reference.fits(pattern, call) then
            return true
        end
    end
    return false
end

-- The accounts of a path, or nil when it climbs.
local function accounts_in(path)
    local list, after = {}, false
    for segment in path:gmatch "[^/]+" do
        if segment == "." or segment == ".." then
            return nil
        elseif after then
            list[#list + 1] = segment
        end
        after = segment:lower() == "accounts"
    end
    return list
end

local function decoded(path)
    local plain = path:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    return plain == path and path or decoded(plain)
end

local function accounts_of(call, account)
    if call.operation then
        local own = call.operation.takes_account and (call.account or account)
        return { own or call.names.account, call.names.extra_account }
    end
    local written, read = accounts_in(call.path), accounts_in(decoded(call.path))
    if not written or not read or #written == 0 then
        return { "none" }
    end
    return table.move(read, 1, #read, #written + 1, written)
end

function reference.decide(policy, call, account)
    local used = policy.used
    if any_fits(policy.deny, call) or not any_fits(policy.allow, call) or (policy.read_only and is_write(call)) then
        return "deny"
    end
    if #policy.accounts > 0 then
        for _, one in pairs(accounts_of(call, account)) do
            if not holds(policy.accounts, one) then
                return "deny"
            end
        end
    end
    if #policy.inboxes > 0 then
        if not call.operation or (call.names.can_inbox and #call.names.inboxes == 0) then
            return "deny"
        end
        for _, one in ipairs(call.names.inboxes) do
            if not holds(policy.inboxes, one) then
                return "deny"
            end
        end
    end
    if call.operation and call.operation.takes_account and not (call.account or account) then
        return "invalid"
    end
    local write = is_write(call) and 1 or 0
    if used.calls + 1 > policy.max_calls or used.writes + write > policy.max_writes then
        return "budget"
    end
    used.calls, used.writes = used.calls + 1, used.writes + write
    return "allow"
end

-- ---- random policies and calls ----

local seed = math.tointeger(tonumber(os.getenv "MOONWIRE_SEED")) or os.time()

local function pick(list)
    return list[math.random(#list)]
end

local function chance(percent)
    return math.random(100) <= percent
end

local by_service = { ooctopus = {}, circuit = {} }
for _, operation in ipairs(operations) do
    table.insert(by_service[operation.service], operation)
end

local function random_pattern()
    local operation = pick(operations)
    local what = pick {
        "*", "*", "read", "write", "request", "request", "*.*", operation.module .. ".*", operation.module .. ".*",
        operation.module .. "." .. operation.method, operation.module .. "." .. operation.method,
        "*." .. operation.method, operation.module:sub(1, 3) .. "*", "*" .. operation.method:sub(-2),
        operation.module:sub(1, 2) .. "*" .. operation.method:sub(-1), "*.*t*e*", operation.module .. ".*e*",
    }
    return pick { operation.service, operation.service, "*" } .. ":" .. what
end

local function random_list(most, make)
    local list = {}
    for i = 1, math.random(0, most) do
        list[i] = make()
    end
    return list
end

local function random_policy()
    local policy = {
        allow = random_list(4, random_pattern),
        deny = chance(40) and random_list(2, random_pattern) or {},
        accounts = chance(40) and random_list(2, function() return pick { "1", "2", "12" } end) or {},
        inboxes = chance(40) and random_list(3, function() return pick { "3", "4", "34", "key-a" } end) or {},
        read_only = chance(15),
        max_calls = chance(30) and math.random(0, 6) or math.huge,
        max_writes = chance(30) and math.random(0, 2) or math.huge,
        used = { calls = 0, writes = 0 },
    }
    if chance(50) then
        table.insert(policy.allow, "*:*")
    end
    return policy
end

-- A text of one value for the program, and what it names.
local function random_id(type)
    local id = pick { "3", "4", "5", "34" }
    return (type == "number" and pick { "i", "n" } or pick { "i", "s", "n" }) .. id, id
end

local plain_values = {
    string = "sx", integer = "i7", number = "i7", boolean = "bt", array = "e", object = "e", any = "e",
}

-- What the parameter of this name names, by the way the documents of the platform use names.
local function what_it_names(operation, field, place)
    if field.name == "account_id" then
        return "account"
    elseif field.name == "inbox_id" or field.name == "inbox_identifier" then
        return "inbox"
    elseif field.name == "id" and place == "path" and operation.module == "inboxes" then
        return "inbox"
    elseif field.name == "id" and place == "query" and operation.module == "reports" then
        return "subject"
    end
end

local function add_field(call, words, field, place)
    local names = what_it_names(call.operation, field, place)
    local mark = place == "path" and "/" or field.name .. "="
    call.names.can_inbox = call.names.can_inbox or names == "inbox" or names == "subject"
    if not (place == "path" or field.required or chance(names and 60 or 10)) or field.type == "file" then
        return
    end
    local value, id = plain_values[field.type], nil
    if field.name == "inbox_identifier" then
        id = pick { "key-a", "key-b" }
        value = "s" .. id
    elseif names then
        value, id = random_id(field.type)
    elseif field.type == "string" and (field.enum or field.known) then
        id = pick(field.enum or field.known)
        value = "s" .. id
    end
    if names == "account" then
        id = pick { "1", "2", "3" }
        value, call.names.account = pick { "i", "s" } .. id, id
    elseif names == "inbox" then
        table.insert(call.names.inboxes, id)
    elseif names == "subject" then
        call.names.subject = id
    elseif place == "query" and field.name == "type" then
        call.names.type = id
    end
    words[#words + 1] = mark .. value
end

local extras = {
    { "+inbox_id=i3", inbox = "3" }, { "+inbox_id=s4", inbox = "4" }, { "+[inbox_id]=i5", inbox = "5" },
    { "+inbox_id[]=i4", inbox = "4" }, { "+inbox_ids=a3", inbox = "a list" }, { "+inbox_id=s3x", inbox = "3x" },
    { "+account_id=i1", account = "1" }, { "+account_id=s2", account = "2" }, { "+sort_by=sname" },
}

local function add_extra(call, words)
    local extra = pick(extras)
    local name = extra[1]:match "^%+%[?([%w_]+)"
    for _, field in ipairs(call.known) do
        if field.name == name then
            return
        end
    end
    if extra[1]:find("=a", 1, true) and call.operation.body and call.operation.body.kind == "form" then
        return
    end
    call.names.extra_account = extra.account
    table.insert(call.names.inboxes, extra.inbox)
    words[#words + 1] = extra[1]
end

local function random_call()
    local operation = chance(85) and pick(by_service.ooctopus) or pick(by_service.circuit)
    local call = { service = operation.service, operation = operation, verb = operation.verb, names = { inboxes = {} } }
    local words = { "call", operation.service, operation.module, operation.method }
    for i, field in ipairs(operation.path_params) do
        if i > 1 or not operation.takes_account then
            add_field(call, words, field, "path")
        end
    end
    call.known = table.move(operation.query, 1, #operation.query, 1, {})
    for _, field in ipairs(operation.query) do
        add_field(call, words, field, "query")
    end
    for i, field in ipairs(operation.body and operation.body.fields or {}) do
        table.insert(call.known, field)
        add_field(call, words, operation.at_least_one and i == 1
            and setmetatable({ required = true }, { __index = field }) or field, "body")
    end
    if call.names.subject and call.names.type == "inbox" then
        table.insert(call.names.inboxes, call.names.subject)
    end
    if chance(10) then
        add_extra(call, words)
    end
    if operation.takes_account and chance(30) then
        call.account = pick { "1", "2", "3" }
        words[#words + 1] = "@" .. call.account
    end
    return call, table.concat(words, "\t")
end

local raw_paths = {
    "/api/v1/accounts/1/labels", "/api/v1/accounts/2/labels", "/accounts/1", "/accounts/12/", "/api/v1/profile",
    "/api/v1/accounts/1/accounts/2", "/api/v1/accounts/%31/x", "/api/v1/accounts/1/x%2Faccounts%2F2", "/accounts/01",
    "/api/v1/%61ccounts/2/x/accounts/1", "/api/v1/accounts//1", "/accounts", "/webhooks", "/x%2Faccounts%2F1",
    "/accounts/1/%252e%252e/2", "/api/v1/accounts/1/x%25252Faccounts%25252F2",
    "/accounts/1/accounts", "/Accounts/2/accounts/1",
}

local function random_raw()
    local call = { service = pick { "ooctopus", "ooctopus", "circuit" }, verb = pick { "GET", "POST", "DELETE" },
        path = pick(raw_paths) }
    return call, table.concat({ "raw", call.service, call.verb, call.path }, "\t")
end

local function lines_of(policy, account)
    local lines = { "policy" }
    for word, name in pairs { allow = "allow", deny = "deny", account = "accounts", inbox = "inboxes" } do
        for _, one in ipairs(policy[name]) do
            lines[#lines + 1] = word .. "\t" .. one
        end
    end
    if policy.read_only then
        lines[#lines + 1] = "read_only"
    end
    for _, limit in ipairs { "calls", "writes" } do
        if policy["max_" .. limit] ~= math.huge then
            lines[#lines + 1] = ("limit\t%s\t%d"):format(limit, policy["max_" .. limit])
        end
    end
    lines[#lines + 1] = "clients\t" .. (account or "-")
    return lines
end

local function check(lines)
    local output, errors, code = process.run({ build .. "/bin/test/policy_check" },
        { input = table.concat(lines, "\n") .. "\n" })
    assert.equal(0, code, errors)
    local decisions = {}
    for line in output:gmatch "[^\n]+" do
        decisions[#decisions + 1] = line
    end
    return decisions
end

-- A pattern that fits nothing is refused, so it is none.
local function fits_some(pattern)
    local service, what = pattern:match "^([^:]+):(.+)$"
    if what == "request" then
        return true
    end
    for _, operation in ipairs(operations) do
        if (service == "*" or service == operation.service)
            and reference.fits(pattern, {
                service = operation.service, operation = operation, verb = operation.verb,
            }) then
            return true
        end
    end
    return false
end

describe("random policies", function()
    local policies, each = 10000, 10

    it("decide as the reference does, 100,000 times", function()
        math.randomseed(seed)
        local lines, expected, asked = {}, {}, {}
        for _ = 1, policies do
            local policy = random_policy()
            for _, name in ipairs { "allow", "deny" } do
                local list = {}
                for _, pattern in ipairs(policy[name]) do
                    list[#list + 1] = fits_some(pattern) and pattern or nil
                end
                policy[name] = list
            end
            local account = chance(90) and pick { "1", "2" } or nil
            local own = lines_of(policy, account)
            table.move(own, 1, #own, #lines + 1, lines)
            for _ = 1, each do
                local call, line = (chance(12) and random_raw or random_call)()
                lines[#lines + 1] = line
                expected[#expected + 1] = reference.decide(policy, call, account)
                asked[#asked + 1] = { policy = own, line = line }
            end
        end
        local decisions, seen = check(lines), {}
        assert.equal(policies * each, #decisions)
        for i, decision in ipairs(decisions) do
            local word = decision:match "^%a+"
            seen[word] = (seen[word] or 0) + 1
            if word ~= expected[i] then
                error(("seed %d: expected %s, got %q for\n%s\n%s"):format(seed, expected[i], decision,
                    table.concat(asked[i].policy, "\n"), asked[i].line))
            end
        end
        for _, word in ipairs { "allow", "deny", "budget", "invalid" } do
            assert.is_true((seen[word] or 0) > 500, ("seed %d: only %d %s"):format(seed, seen[word] or 0, word))
        end
    end)
end)

-- ---- each operation ----

local account = 4711

local function client_for(operation, url, policy)
    if operation.service == "circuit" then
        return mw.circuit { url = url, token = "oauth-token", policy = policy }
    end
    return mw.ooctopus {
        url = url, account = account, token = "user-token", bot_token = "bot-token", platform_token = "platform-token",
        policy = policy,
    }
end

local function call(client, operation)
    local made = arguments.make(operation, { mode = "required", null = mw.null, account = account })
    if operation.at_least_one then
        made = arguments.make(operation, { mode = "full", null = mw.null, account = account })
    end
    return client:call(operation.id, arguments.merged(made))
end

describe("each operation", function()
    local server

    setup(function() server = raw.start() end)
    teardown(function()
        server:stop()
        calls.quiet()
    end)

    it("is denied by an empty list before a byte is sent", function()
        server:clear()
        local denied = 0
        for _, operation in ipairs(operations) do
            local name = ("%s:%s.%s"):format(operation.service, operation.module, operation.method)
            local client <close> = client_for(operation, server:url "ok", { allow = {} })
            local err = failing("denied", call, client, operation)
            assert.equal("no", err.sent)
            local told = ("no pattern of the policy allows %s; --allow '%s'"):format(name, name)
            assert.truthy(tostring(err):find(told, 1, true))
            assert.equal(0, client:stats().requests)
            denied = denied + 1
        end
        assert.equal(115, denied)
        assert.equal(0, #server:log())
    end)

    it("is allowed by its own pattern alone, and by no other's", function()
        for i, operation in ipairs(operations) do
            server:clear()
            local pattern = ("%s:%s.%s"):format(operation.service, operation.module, operation.method)
            local client <close> = client_for(operation, server:url "ok", { allow = { pattern } })
            call(client, operation)
            assert.equal(1, #server:log(), pattern)
            assert.equal(operation.verb, server:log()[1].method, pattern)
            local other = operations[i % #operations + 1]
            if other.service == operation.service then
                failing("denied", call, client, other)
                assert.equal(1, #server:log(), pattern)
            end
        end
    end)

    it("names its accounts and inboxes, as the facts say", function()
        local function asked(operation, place, name, value)
            local words = { "call", operation.service, operation.module, operation.method }
            for i, field in ipairs(operation.path_params) do
                if i > 1 or not operation.takes_account then
                    local same = place == "body" and name == "inbox_id"
                        and what_it_names(operation, field, "path") == "inbox"
                    words[#words + 1] = "/" .. ((same or place == "path" and name == field.name) and value
                        or plain_values[field.type])
                elseif place == "path" and name == field.name then
                    words[#words + 1] = "@" .. value:sub(2)
                end
            end
            for at, list in pairs { query = operation.query, body = operation.body and operation.body.fields or {} } do
                for i, field in ipairs(list) do
                    local plain = field.enum and "s" .. field.enum[1] or plain_values[field.type]
                    if place == at and name == field.name then
                        words[#words + 1] = name .. "=" .. value
                    elseif place ~= at and what_it_names(operation, field, at) == "inbox" and field.required then
                        words[#words + 1] = field.name .. "=" .. value -- path and body name the same
                    elseif field.name == "type" and what_it_names(operation, { name = name }, place) == "subject" then
                        words[#words + 1] = "type=sinbox"
                    elseif field.required or (operation.at_least_one and i == 1) then
                        words[#words + 1] = field.name .. "=" .. plain
                    end
                end
            end
            return table.concat(words, "\t")
        end
        local start = {
            account = { "policy", "allow\t*:*", "account\t31", "clients\t31" },
            inbox = { "policy", "allow\t*:*", "inbox\t31", "inbox\tkey-31", "clients\t1" },
        }
        start.subject = start.inbox
        local lines, cases, free = {}, {}, {}
        local counts = { account = 0, inbox = 0, subject = 0 }
        for _, operation in ipairs(operations) do
            local named = {}
            local body = operation.body and operation.body.fields or {}
            for place, list in pairs { path = operation.path_params, query = operation.query, body = body } do
                for _, field in ipairs(list) do
                    local names = what_it_names(operation, field, place)
                    if names then
                        named[names == "account" and "account" or "inbox"] = true
                        counts[names] = counts[names] + 1
                        table.move(start[names], 1, #start[names], #lines + 1, lines)
                        local kind = field.type == "string" and (place == "path" and "skey-" or "s") or "i"
                        for _, case in ipairs { { "31", "allow" }, { "32", "deny" } } do
                            lines[#lines + 1] = asked(operation, place, field.name, kind .. case[1])
                            cases[#cases + 1] = { lines[#lines], case[2] }
                        end
                    end
                end
            end
            for _, names in ipairs { "account", "inbox" } do
                if not named[names] then
                    free[names] = (free[names] or 0) + 1
                    table.move(start[names], 1, #start[names], #lines + 1, lines)
                    lines[#lines + 1] = asked(operation)
                    cases[#cases + 1] = { lines[#lines], "allow" }
                end
            end
        end
        for i, decision in ipairs(check(lines)) do
            assert.equal(cases[i][2], decision:match "^%a+", cases[i][1] .. ": " .. decision)
        end
        assert.same({ account = 87, inbox = 23, subject = 2 }, counts)
        assert.same({ account = 28, inbox = 91 }, free)
    end)

    it("takes no time to be decided", function()
        local lines = { "policy", "deny\tooctopus:conversations.*", "allow\t*:read", "account\t1", "inbox\t3",
            "clients\t1", "bench\t100000\tcall\tooctopus\tconversations\tlist\tinbox_id=i3" }
        local nanoseconds = tonumber(check(lines)[1])
        assert.is_true(nanoseconds < 50000, nanoseconds .. " ns")
    end)
end)

describe("a policy of a script", function()
    local server

    setup(function() server = raw.start() end)
    before_each(function() server:clear() end)
    teardown(function()
        server:stop()
        calls.quiet()
    end)

    local function desk(policy, options)
        local all = { url = server:url "ok", account = 1, token = "user-token", policy = policy }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        return mw.ooctopus(all)
    end

    local function refused(policy)
        return tostring(failing("invalid", desk, policy))
    end

    it("is data that is checked", function()
        for _, case in ipairs {
            { { alow = {} }, "unknown option 'alow' (did you mean 'allow'?)" },
            { { allow = "ooctopus:*" }, "option 'allow' must be a table, got a string" },
            { { allow = { 1 } }, "an element of 'allow' must be a pattern, got a number" },
            { { allow = { x = "ooctopus:*" } }, "'allow' must be a list" },
            { { allow = { "ooctopus:conversation.*" } }, "did you mean 'ooctopus:conversations.*'?" },
            { { deny = { "octopus:*" } }, "there is no service 'octopus' (did you mean 'ooctopus'?)" },
            { { allow = { "contacts.*" } }, "is no pattern: write SERVICE:WHAT" },
            { { allow = { "ooctopus:contacts.gte" } }, "did you mean 'ooctopus:contacts.get'?" },
            { { allow = { "circuit:nothing_like_it" } }, "no operation fits 'circuit:nothing_like_it'" },
            { { accounts = { "one" } }, "account 'one': an account is its id" },
            { { accounts = { -1 } }, "account '-1'" },
            { { inboxes = { "03" } }, "inbox '03'" },
            { { inboxes = { true } }, "an element of 'inboxes' must be an id" },
            { { max_calls = 0 }, "option 'max_calls' must be an integer above 0" },
        } do
            local text = refused(case[1])
            assert.truthy(text:find(case[2], 1, true), text)
        end
    end)

    it("allows what it says and names what it does not", function()
        local client <close> = desk { allow = { "ooctopus:contacts.*", "*:read" }, deny = { "*:*.delete" } }
        client.contacts:get(1)
        client.contacts:update(1, { name = "Ada" })
        client.teams:list()
        local err = failing("denied", function() client.contacts:delete(1) end)
        assert.truthy(tostring(err):find("forbids ooctopus:contacts.delete, by deny '*:*.delete'", 1, true))
        failing("denied", function() client.teams:update(1, { name = "x" }) end)
        err = failing("denied", function() client:request("GET", "/api/v1/accounts/1/labels") end)
        assert.truthy(tostring(err):find("--allow 'ooctopus:request'", 1, true))
        assert.equal(3, #server:log())
    end)

    it("without a list of patterns allows every operation, and no raw request", function()
        local client <close> = desk {}
        client.contacts:delete(1)
        failing("denied", function() client:request("GET", "/api/v1/x") end)
        assert.equal(1, #server:log())
    end)

    it("keeps to its accounts, whichever way one is named", function()
        local client <close> = desk({ accounts = { 1, "3" }, allow = { "*:*", "*:request" } }, { platform_token = "p" })
        client.contacts:get(1)
        client.contacts:get(1, nil, { account_id = 3 })
        client.platform.accounts:get(1)
        client:request("GET", "/api/v1/accounts/1/labels")
        local seen = #server:log()
        for _, bad in ipairs {
            function() client.contacts:get(1, nil, { account_id = 2 }) end,
            function() client.platform.accounts:get(2) end,
            function() client.platform.accounts:get("13") end,
            function() client.profile:get { extra = { account_id = 2 } } end,
            function() client:request("GET", "/api/v1/accounts/2/labels") end,
            function() client:request("GET", "/api/v1/accounts/%32/labels") end,
            function() client:request("GET", "/api/v1/profile") end,
            function() client:request("GET", "/api/v1/profile%2Faccounts%2F1") end,
        } do
            assert.equal("no", failing("denied", bad).sent)
        end
        local err = failing("denied", function() client.contacts:get(1, nil, { account_id = 2 }) end)
        assert.truthy(tostring(err):find("policy allows only accounts 1, 3, and this call names account 2", 1, true))
        assert.equal(seen, #server:log())
    end)

    it("keeps to its inboxes, and does not leave one open", function()
        local client <close> = desk { inboxes = { 3, "key-a" }, allow = { "*:*", "*:request" } }
        client.conversations:list { inbox_id = 3 }
        client.conversations:list { inbox_id = "3" }
        client.contacts:create { inbox_id = 3.0, name = "Ada" }
        client.inboxes:get(3)
        client.public.contacts:create("key-a", { name = "Ada" })
        client.reports:summary { type = "inbox", id = 3 }
        client.contacts:get(12)
        client.inboxes:remove_members(3, { user_ids = { 1 } })
        local seen = #server:log()
        assert.equal(8, seen)
        for _, bad in ipairs {
            function() client.conversations:list() end,
            function() client.conversations:list { inbox_id = 4 } end,
            function() client.conversations:list { inbox_id = 3, extra = { ["[inbox_id]"] = 4 } } end,
            function() client.contacts:create { inbox_id = "3x", extra = {} } end,
            function() client.contacts:create({ inbox_id = { 3, 4 } }, { unchecked = true }) end,
            function() client.contacts:create({ inbox_id = "3 " }, { unchecked = true }) end,
            function() client.contacts:update(1, { name = "x", extra = { inbox_id = 4 } }) end,
            function() client.inboxes:update(4, { enable_auto_assignment = true }) end,
            function() client.inboxes:remove_members(3, { inbox_id = 4, user_ids = { 1 } }) end,
            function() client.public.contacts:create("key-b", { name = "Ada" }) end,
            function() client.reports:summary { type = "inbox", id = 4 } end,
            function() client.reports:summary { type = "inbox" } end,
            function() client.reports:summary { type = "account" } end,
            function() client.reports:summary { type = "agent", id = 3 } end,
            function() client.reports:summary { type = "inbox", id = 3, extra = { ["[id]"] = 4 } } end,
            function() client.reports:summary { type = "inbox", id = 3, extra = { ["[type]"] = "agent" } } end,
            function() client.contacts:create { inbox_id = 3, extra = { ["["] = { inbox_id = 4 } } } end,
            function() client:request("GET", "/api/v1/accounts/1/inboxes/3") end,
        } do
            assert.equal("no", failing("denied|invalid", bad).sent)
        end
        local err = failing("denied", function() client.conversations:list() end)
        assert.truthy(tostring(err):find(
            "the policy allows only inboxes 3, key-a, and this call names none; give inbox_id", 1, true), tostring(err))
        assert.equal(seen, #server:log())
    end)

    it("counts calls, writes and bytes", function()
        for _, case in ipairs {
            { { max_calls = 2 }, "calls", "contacts:get: budget: the budget of 2 calls is used up", "get", 2 },
            { { max_writes = 2 }, "writes", "contacts:delete: budget: the budget of 2 writes is used up", "delete", 2 },
            -- "/api/v1/accounts/1/contacts/1" has 29 bytes
            { { max_bytes = 60 }, "bytes sent", "budget of 60 bytes sent is used up", "get", 2 },
            { { max_bytes = 58 }, "bytes sent", "58 so far, and this call has 29", "get", 2 },
            { { max_bytes = 57 }, "bytes sent", "29 so far, and this call has 29", "get", 1 },
        } do
            server:clear()
            local client <close> = desk(case[1])
            for _ = 1, case[5] do
                client.contacts[case[4]](client.contacts, 1)
            end
            local err = failing("budget", function() client.contacts[case[4]](client.contacts, 1) end)
            assert.truthy(tostring(err):find(case[3], 1, true), tostring(err))
            assert.equal(case[2], err.budget)
            assert.equal(case[5], #server:log())
            if case[2] == "writes" then
                client.contacts:get(1)
            end
        end
    end)

    it("is read-only, beside a client that is", function()
        for _, client in ipairs { desk { read_only = true }, desk({ max_calls = 1 }, { read_only = true }) } do
            local err = failing("denied", function() client.contacts:delete(1) end)
            assert.matches("the %a+ is read%-only$", tostring(err))
            client.contacts:get(1)
            client:close()
        end
        assert.equal(2, #server:log())
    end)
end)

--- Every documented operation on a real socket: what arrives at a server that knows nothing of the rows is compared
--- with what the facts in spec/fixtures say has to arrive.

local mw = require "moonwire"

local arguments = require "spec.support.arguments"
local calls = require "spec.support.calls"
local facts = require "spec.support.facts"
local json = require "spec.support.json"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local operations = facts.operations()
local account = 4711

local tokens = {
    user = "user-token-1f0e",
    bot = "bot-token-2a9c",
    platform = "platform-token-3b8d",
    oauth = "oauth-token-4c7b",
}

-- The order in which a client with all tokens picks one.
local preference = { "user", "bot", "platform", "oauth" }

-- Anything else on the wire would tell the server what it has no business to know.
local allowed_headers = {
    host = true,
    accept = true,
    ["accept-encoding"] = true,
    ["user-agent"] = true,
    ["content-type"] = true,
    ["content-length"] = true,
    api_access_token = true,
    authorization = true,
}

local server, folder, picture
local clients = {}

local function open_clients()
    local desk = {
        url = server:url("ok"),
        account = account,
        token = tokens.user,
        bot_token = tokens.bot,
        platform_token = tokens.platform,
    }
    clients.documented = mw.ooctopus(desk)
    clients.upstream = mw.chatwoot(desk)
    clients.circuit = mw.circuit { url = server:url("ok"), token = tokens.oauth }
end

local function client_for(operation, paths)
    return operation.service == "circuit" and clients.circuit or clients[paths]
end

local function module_of(client, operation)
    local node = client
    for name in operation.module:gmatch("[^.]+") do
        node = node[name]
    end
    return node
end

-- The three ways to reach an operation.
local ways = {
    method = function(client, operation, made)
        local module = module_of(client, operation)
        local list = table.move(made.path, 1, #made.path, 1, {})
        local count = #list
        if next(made.params) then
            count = count + 1
            list[count] = made.params
        end
        return module[operation.method](module, table.unpack(list, 1, count))
    end,
    id = function(client, operation, made)
        return client:call(operation.id, arguments.merged(made))
    end,
    alias = function(client, operation, made)
        return client:call(operation.alias, arguments.merged(made))
    end,
}

---@class spec.proof
---@field made spec.arguments
---@field captured? spec.captured
---@field error? any

-- Calls a list of operations one after the other, then looks at what came in.
---@return table<spec.operation, spec.proof>
local function run(list, mode, way, paths)
    server:clear()
    local proofs = {}
    for _, operation in ipairs(list) do
        local made = arguments.make(operation, {
            mode = mode, null = mw.null, account = account, file = picture,
        })
        local proof = { made = made, paths = paths }
        local fine, result, response = pcall(ways[way], client_for(operation, paths), operation, made)
        if fine then
            proof.result, proof.response = result, response
        else
            proof.error = result
        end
        proofs[operation] = proof
    end
    local log, at = server:log(), 0
    for _, operation in ipairs(list) do
        if not proofs[operation].error then
            at = at + 1
            proofs[operation].captured = log[at]
        end
    end
    proofs.extra = #log - at
    return proofs
end

local function select_operations(test)
    local list = {}
    for _, operation in ipairs(operations) do
        if test(operation) then
            list[#list + 1] = operation
        end
    end
    return list
end

local function has_file(operation)
    for _, field in ipairs(operation.body and operation.body.fields or {}) do
        if field.type == "file" then
            return true
        end
    end
    return false
end

local function sends_json(operation)
    return operation.body ~= nil and operation.body.kind == "json"
end

local function everything()
    return true
end

local runs = {
    { name = "all parameters", mode = "full", way = "method", paths = "documented", of = everything },
    { name = "required parameters", mode = "required", way = "method", paths = "documented", of = everything },
    { name = "ids of the other type", mode = "swapped", way = "method", paths = "documented", of = everything },
    { name = "by id", mode = "full", way = "id", paths = "documented", of = everything },
    { name = "by alias", mode = "full", way = "alias", paths = "documented", of = everything },
    { name = "upstream paths", mode = "full", way = "method", paths = "upstream", of = everything },
    { name = "nulls", mode = "null", way = "method", paths = "documented", of = sends_json },
    { name = "files", mode = "files", way = "method", paths = "documented", of = has_file },
}

local function sorted_pairs(list, encode)
    local words = {}
    for i, pair in ipairs(list) do
        words[i] = encode(pair.name) .. "=" .. encode(pair.value)
    end
    return words
end

-- The order of different names is nobody's promise; that of a repeated one is.
local function by_name(words)
    local groups, names = {}, {}
    for _, word in ipairs(words) do
        local name = word:match("^[^=]*")
        if not groups[name] then
            groups[name] = {}
            names[#names + 1] = name
        end
        table.insert(groups[name], word)
    end
    table.sort(names)
    local list = {}
    for _, name in ipairs(names) do
        list[#list + 1] = table.concat(groups[name], "&")
    end
    return table.concat(list, "&")
end

local function split_pairs(text)
    local words = {}
    for word in (text or ""):gmatch("[^&]+") do
        words[#words + 1] = word
    end
    return words
end

local function check_target(operation, proof, say)
    local template = proof.paths == "upstream" and operation.upstream or operation.path
    local path, query = proof.captured:split()
    assert.equal("/ok" .. facts.fill(template, proof.made.texts), path, say)
    if #proof.made.query == 0 then
        assert.is_nil(query, say)
    else
        local expected = sorted_pairs(proof.made.query, facts.escape)
        assert.equal(by_name(expected), by_name(split_pairs(query)), say)
    end
end

local function expected_token(operation)
    for _, kind in ipairs(preference) do
        if operation.auth[kind] then
            return tokens[kind]
        end
    end
    return nil
end

local function check_headers(operation, captured, say)
    local seen = {}
    for _, header in ipairs(captured.headers) do
        assert.is_true(allowed_headers[header.name] or false, say .. ": header " .. header.name)
        assert.is_nil(seen[header.name], say .. ": header twice: " .. header.name)
        seen[header.name] = header.value
    end
    assert.equal("127.0.0.1:" .. server.port, seen.host, say)
    assert.equal("moonwire/" .. mw.version, seen["user-agent"], say)
    assert.truthy(seen.accept:find("application/json", 1, true), say)
    local token = expected_token(operation)
    if operation.service == "circuit" then
        assert.equal("Bearer " .. token, seen.authorization, say)
        assert.is_nil(seen.api_access_token, say)
    else
        assert.equal(token, seen.api_access_token, say)
        assert.is_nil(seen.authorization, say)
    end
    -- A token is in its header and nowhere else.
    for _, secret in pairs(tokens) do
        local _, times = (captured.head .. captured.body):gsub(secret:gsub("%-", "%%-"), "")
        assert.equal(secret == token and 1 or 0, times, say)
    end
end

local function check_form(proof, say)
    local body = proof.captured.body:gsub("+", "%%20")
    local expected = sorted_pairs(proof.made.body, facts.escape)
    assert.equal(by_name(expected), by_name(split_pairs(body)), say)
    assert.equal("application/x-www-form-urlencoded", proof.captured:header("content-type"), say)
end

local function check_json(proof, say)
    assert.equal("application/json", proof.captured:header("content-type"), say)
    local fine, body = pcall(json.decode, proof.captured.body)
    assert.is_true(fine, say .. ": " .. tostring(body))
    assert.is_nil(arguments.difference(proof.made.body, body), say)
end

local function check_parts(proof, say)
    assert.truthy(proof.captured:header("content-type"):find("^multipart/form%-data; *boundary="), say)
    local form = arguments.form_of(proof.made.body, picture)
    local files = 0
    for _, part in ipairs(proof.captured:parts()) do
        if part.filename then
            files = files + 1
            assert.equal("avatar", part.name, say)
            assert.equal("a picture.png", part.filename, say)
            assert.equal("image/png", part.type, say)
            assert.equal(process.read(picture), part.body, say)
        else
            assert.is_table(form[part.name], say .. ": part " .. tostring(part.name))
            assert.equal(table.remove(form[part.name], 1), part.body, say)
        end
    end
    assert.equal(1, files, say)
    for name, rest in pairs(form) do
        assert.equal(0, #rest, say .. ": not sent: " .. name)
    end
end

local function check_body(operation, proof, mode, say)
    local captured = proof.captured
    assert.is_true(captured.complete, say)
    if not operation.body then
        assert.equal("", captured.body, say)
        assert.is_nil(captured:header("content-type"), say)
    elseif operation.body.kind == "form" then
        check_form(proof, say)
    elseif mode == "files" then
        check_parts(proof, say)
    else
        check_json(proof, say)
    end
end

local function prove(operation, proof, mode, say)
    assert.is_nil(proof.error and tostring(proof.error), say)
    local captured = assert(proof.captured, say .. ": nothing arrived")
    assert.equal(operation.verb, captured.method, say)
    check_target(operation, proof, say)
    check_headers(operation, captured, say)
    check_body(operation, proof, mode, say)
    assert.same({ ok = true }, proof.result, say)
    assert.equal(200, proof.response.status, say)
    assert.equal(1, proof.response.attempts, say)
end

describe("on the wire", function()
    local proved = 0

    setup(function()
        server = raw.start()
        folder = process.folder()
        local bytes = {}
        for i = 0, 1023 do
            bytes[#bytes + 1] = string.char(i % 256)
        end
        picture = process.write(folder .. "/a picture.png", "\137PNG\r\n\26\n" .. table.concat(bytes))
        open_clients()
        for _, entry in ipairs(runs) do
            entry.proofs = run(select_operations(entry.of), entry.mode, entry.way, entry.paths)
        end
    end)

    teardown(function()
        for _, client in pairs(clients) do
            client:close()
        end
        server:stop()
        process.remove(folder)
        calls.quiet()
    end)

    for _, operation in ipairs(operations) do
        it(("is as documented: %s %s"):format(operation.service, operation.name), function()
            for _, entry in ipairs(runs) do
                local proof = entry.proofs[operation]
                if proof then
                    prove(operation, proof, entry.mode, operation.name .. ", " .. entry.name)
                end
            end
            proved = proved + 1
        end)
    end

    it("carries each call once", function()
        for _, entry in ipairs(runs) do
            assert.equal(0, entry.proofs.extra, entry.name)
        end
    end)

    it("uses both paths of the seven that the documents dispute", function()
        local disputed = select_operations(function(operation) return operation.disputed end)
        assert.equal(7, #disputed)
        local slips = 0
        for _, operation in ipairs(disputed) do
            local both = {}
            for _, paths in ipairs { "documented", "upstream" } do
                local proof = run({ operation }, "required", "method", paths)[operation]
                both[paths] = assert(proof.captured, operation.name):split()
            end
            if operation.documented ~= operation.path then
                slips = slips + 1
                assert.equal(both.upstream, both.documented)
            else
                assert.not_equal(both.upstream, both.documented)
            end
        end
        assert.equal(1, slips)
    end)

    it("takes the path setting by name", function()
        local client = mw.ooctopus { url = server:url("ok"), token = tokens.user, paths = "upstream" }
        server:clear()
        client.profile:get()
        assert.equal("/ok/api/v1/profile", server:log()[1].target)
        client:close()
    end)

    it("has proved all 115", function()
        assert.equal(115, #operations)
        assert.equal(115, proved)
        print("115 of 115 operations proved on the wire")
    end)
end)

-- Tokens that must never be seen: canaries are planted as the tokens of every profile, a server hands them back in
-- every shape it can, scripts fail and log in every way there is, and then everything that was written, shown or kept
-- is searched: standard output, standard error, plans, audit files, learnt policies, the command lines and environments
-- of both processes, and every readable page of the worker's memory.

local host = require "spec.support.host"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local CANARIES = {
    OOCTOPUS_TOKEN = "cAnArY-user-5f3b1e77",
    OOCTOPUS_BOT_TOKEN = "cAnArY-bot-9d20c4aa",
    OOCTOPUS_PLATFORM_TOKEN = "cAnArY-platform-e81b63f0",
    CIRCUIT_TOKEN = "cAnArY-oauth-27ac90dd",
}
local TOKEN = CANARIES.OOCTOPUS_TOKEN
-- What none of them may leave behind: the words that each token alone has.
local MARKS = { "5f3b1e77", "9d20c4aa", "e81b63f0", "27ac90dd" }

-- Everything that a script can do with an answer that holds the token.
local TELL = [[
local mw = require "moonwire"
local desk = mw.connect "ooctopus"
local function tell(...)
    print(...)
    mw.log.info(...)
    mw.log.error(...)
    for i = 1, select("#", ...) do
        local value = select(i, ...)
        if type(value) == "table" then
            for key, member in pairs(value) do
                if type(member) == "table" then print(key, mw.json.encode(member)) else print(key, member) end
            end
        end
    end
end
local calls = {
    function() return desk.agents:list(nil, { timeout = 0.3 }) end,
    function() return desk.contacts:update(1, { name = "Ada" }, { timeout = 0.3 }) end,
    function() return desk.messages:create(1, { content = "hello" }, { timeout = 0.3 }) end,
    function() return desk.profile:get(nil, { timeout = 0.3 }) end,
    function() return desk:request("GET", "/api/v1/anything", { token = "user" }, { timeout = 0.3 }) end,
    function() return desk:request("GET", "/api/v1/anything", { token = "bot" }, { timeout = 0.3 }) end,
    function() return desk.platform.users:get(1, nil, { timeout = 0.3 }) end,
    function() return mw.connect("circuit").webhooks:list(nil, { timeout = 0.3 }) end,
    function() return mw.connect "nowhere" end,
    function() return mw.ooctopus { url = "http://127.0.0.1:1", token = "x" } end,
}
for _, call in ipairs(calls) do
    local ok, result, response = pcall(call)
    tell(tostring(result), result, response)
    if type(response) == "table" then tell(response.headers) end
end
tell(tostring(desk), desk:stats())
]]

local function escaped(text)
    return (text:gsub(".", function(c) return ("\\u%04x"):format(c:byte()) end))
end

describe("tokens", function()
    local server, folder, answers

    setup(function()
        server = raw.start()
        folder = process.folder()
        local body = ('{"error":"bad token %s","message":"%s","access_token":"%s","list":["%s","%s"]}'):format(TOKEN,
            TOKEN, TOKEN, escaped(TOKEN), TOKEN:gsub("-", "\\u002d"))
        local head = "HTTP/1.1 %s\r\nContent-Type: %s\r\nX-Echo: " .. TOKEN .. "\r\nX-Request-Id: " .. TOKEN
            .. "\r\nContent-Length: %d\r\n\r\n%s"
        local function leave(name, status, kind, text)
            return server:answer(name, head:format(status, kind, #text, text))
        end
        local html = "<html>" .. TOKEN .. "</html>"
        answers = {
            leave("fine", "200 OK", "application/json", body),
            leave("refused", "422 Unprocessable Entity", "application/json", body),
            leave("stranger", "401 Unauthorized", "application/json", body),
            leave("broken", "500 " .. TOKEN, "text/html", html),
            leave("html", "200 OK", "text/html", html),
            leave("cut", "200 OK", "application/json", body:sub(1, -9)),
            server:answer("gone", ("HTTP/1.1 302 Found\r\nLocation: http://x/?api_access_token=%s\r\n"):format(TOKEN)
                .. "Content-Length: 0\r\n\r\n"),
            "status/503", "reset", "close", "short", "stall",
        }
    end)

    teardown(function()
        server:stop()
        process.remove(folder)
    end)

    local function environment(behaviour)
        local env = { OOCTOPUS_URL = server:url(behaviour), OOCTOPUS_ACCOUNT_ID = "1",
            CIRCUIT_URL = server:url(behaviour) }
        for name, token in pairs(CANARIES) do
            env[name] = token
        end
        return env
    end

    local function search(text, where)
        for _, mark in ipairs(MARKS) do
            local found = text:find(mark, 1, true)
            assert(not found, ("%s holds a token: %s"):format(where, text:sub(math.max(1, (found or 1) - 80),
                (found or 1) + 40)))
        end
    end

    -- Every file below the folder, and what the program printed.
    local function search_all(output, errors, where)
        search(output, where .. ": standard output")
        search(errors, where .. ": standard error")
        local pipe = assert(io.popen("find " .. process.quote(folder) .. " -type f"))
        for path in pipe:lines() do
            search(assert(process.read(path)), where .. ": " .. path)
        end
        pipe:close()
    end

    it("reach the server", function()
        server:clear()
        local _, errors, code = host.script('print(#(require "moonwire").connect("ooctopus").agents:list())',
            { env = environment "ok" })
        assert.are.equal(0, code, errors)
        assert.are.equal(TOKEN, server:log()[1]:header "api_access_token")
    end)

    for _, mode in ipairs { "on", "off" } do
        it("are in nothing that a failing script shows or leaves, sandbox " .. mode, function()
            local flags = { "--sandbox=" .. mode, "--allow=*:*", "--allow=*:request",
                "--audit", folder .. "/audit", "--audit-bodies" }
            for _, behaviour in ipairs(answers) do
                local output, errors = host.script(TELL, { env = environment(behaviour), flags = flags })
                assert.is_true(#output > 500, behaviour .. ": " .. output .. errors)
                if mode == "on" then
                    search_all(output, errors, behaviour)
                else -- what a good answer holds is the script's own business there
                    search(errors, behaviour)
                    search(assert(process.read(folder .. "/audit")), behaviour)
                end
            end
        end)
    end

    it("are in no plan and no learnt policy", function()
        process.write(folder .. "/tell.lua", TELL)
        local env = environment(answers[1])
        local output, errors = host.run({ "run", "--allow=*:*", "--plan", folder .. "/plan", folder .. "/tell.lua" },
            { env = env })
        assert.is_truthy(process.read(folder .. "/plan"))
        search_all(output, errors, "plan")
        output, errors = host.run({ "learn", folder .. "/tell.lua" }, { env = env })
        search_all(output, errors, "learn")
    end)

    -- Every page of a process that its memory file gives.
    local function memory_of(pid, visit)
        local maps = process.read(("/proc/%d/maps"):format(pid))
        local memory = io.open(("/proc/%d/mem"):format(pid), "rb")
        if not maps or maps == "" or not memory then
            return 0
        end
        memory:setvbuf "no"
        local bytes = 0
        for first, last, what in maps:gmatch "(%x+)%-(%x+) r[^\n]-([^%s]*)\n" do
            first, last = tonumber(first, 16), tonumber(last, 16)
            if last - first < 1 << 30 and what ~= "[vvar]" and memory:seek("set", first) then
                local text = memory:read(last - first)
                if text then
                    bytes = bytes + #text
                    visit(text, ("%x"):format(first))
                end
            end
        end
        memory:close()
        return bytes
    end

    local function children_of(pid)
        local list = {}
        for child in (process.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""):gmatch "%d+" do
            list[#list + 1] = math.tointeger(child)
        end
        return list
    end

    it("are not in the worker, nor in what others see of either process", function()
        process.write(folder .. "/wait.lua", TELL .. [[
            local keep = {}
            for i = 1, 50 do keep[i] = desk.agents:list() end
            mw.log.warn "waiting"
            mw.sleep(600)]])
        local env = environment(answers[1])
        local program = process.start({ host.binary, "run", "--allow=*:*", "--allow=*:request", folder .. "/wait.lua" },
            { ready = "^moonwire%.client", env = env, errors = folder .. "/errors" })
        for _ = 1, 500 do
            if process.read(folder .. "/errors"):find("waiting", 1, true) then break end
            os.execute "unset LD_PRELOAD; sleep 0.02"
        end
        local worker = children_of(program.pid)[1]
        local command = process.read(("/proc/%d/cmdline"):format(program.pid))
        local its_command = worker and process.read(("/proc/%d/cmdline"):format(worker)) or ""
        local environ = process.read(("/proc/%d/environ"):format(program.pid)) or ""
        local its_environ = worker and process.read(("/proc/%d/environ"):format(worker)) or ""
        local found, bytes = {}, 0
        if worker then
            bytes = memory_of(worker, function(text, at)
                for _, mark in ipairs(MARKS) do
                    if text:find(mark, 1, true) then found[#found + 1] = at .. ": " .. mark end
                end
            end)
        end
        local mine = memory_of(program.pid, function(text)
            found.broker = found.broker or text:find(TOKEN, 1, true) ~= nil
        end)
        local output = table.concat(program.lines, "\n")
        program:stop()
        assert.is_truthy(worker, "there is no worker")
        search(command, "the broker's command line")
        search(its_command, "the worker's command line")
        search(environ, "the broker's environment")
        assert.are.equal("", its_environ)
        search(output, "output")
        assert.are.same({}, { table.unpack(found) })
        -- An ordinary user may not even look, which is as good; root may, and must have seen something.
        if bytes > 0 then
            assert.is_true(bytes > 1 << 20, bytes .. " bytes of the worker were searched")
            assert.is_true(mine > 0 and found.broker, "the search finds the token where it is: in the broker")
        end
    end)

    it("are in no core file", function()
        local binary = host.binary:find "^/" and host.binary or assert(os.getenv "PWD") .. "/" .. host.binary
        process.write(folder .. "/die.lua", TELL .. "mw.log.warn 'waiting' mw.sleep(600)")
        local program = process.start({ binary, "run", "--allow=*:*", folder .. "/die.lua" },
            { ready = "^moonwire%.client", env = environment(answers[1]), cwd = folder,
                errors = folder .. "/errors" })
        local worker = children_of(program.pid)[1]
        os.execute(("unset LD_PRELOAD; kill -ABRT %d"):format(worker))
        local code = program:wait(10)
        assert.are.equal(10, code)
        local pipe = assert(io.popen("find " .. process.quote(folder) .. " -name 'core*'"))
        assert.are.equal("", pipe:read "a")
        pipe:close()
    end)
end)

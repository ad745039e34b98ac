--- Limits that processes share: plain Lua and the sandbox side by side, against a server that keeps its own notes of
--- when requests came and of how many were there at once.
local core = require "moonwire.core"
local mw = require "moonwire"

local calls = require "spec.support.calls"
local host = require "spec.support.host"
local process = require "spec.support.process"

describe("shared limits", function()
    local folder, path, server, seen, running, most, open, programs

    -- Lets the server work until `done()`.
    local function until_(done)
        local tries = 0
        while not done() do
            tries = tries + 1
            assert(tries < 10000, "what was waited for did not happen")
            mw.sleep(0.001)
        end
    end

    -- How requests are met, by the contact that they name.
    local names = { "any", "gate", "slow", "never", "refused" }
    local meet = {
        any = function() end,
        gate = function() -- every process stands here until all are there
            until_(function() return open end)
        end,
        slow = function()
            mw.sleep(0.02)
        end,
        never = function()
            until_(function() return open == "ended" end)
        end,
        refused = function()
            return 429, { ["content-type"] = "text/plain", ["retry-after"] = "1" }, "Retry later"
        end,
    }

    local function handler(request)
        local name = names[tonumber(request.path:match "(%d+)$")]
        seen[#seen + 1] = { name = name, at = mw.now() }
        running = running + 1
        most = math.max(most, running)
        local status, headers, body = meet[name]()
        running = running - 1
        return status or 200, headers or { ["content-type"] = "application/json" }, body or '{"payload":[]}'
    end

    -- The requests that named a contact.
    local function count(name)
        local found = 0
        for _, request in ipairs(seen) do
            found = found + (request.name == name and 1 or 0)
        end
        return found
    end

    local function forget()
        seen, most = {}, 0
    end

    before_each(function()
        folder = process.folder()
        path = folder .. "/limits"
        open, programs = false, {}
        running = 0
        forget()
        server = core.server { handler = handler }
    end)

    after_each(function()
        open = "ended"
        for _, program in ipairs(programs) do
            program:stop()
        end
        server:close()
        mw.sleep(0.02)
        process.remove(folder)
    end)

    teardown(calls.quiet)

    local kinds = {
        lua = function(script, env)
            env.LUA_PATH = "lua/?.lua;lua/?/init.lua;;"
            env.LUA_CPATH = host.build .. "/lib/?.so;;"
            return process.start({ "lua5.4", script },
                { ready = "^ready$", env = env, keep_preload = true, errors = script .. ".err" })
        end,
        sandbox = function(script, env)
            return host.start({ "run", "--allow=*:*", script }, "^ready$", env, script .. ".err")
        end,
    }

    -- Starts a script, with `desk`, in a process of its own. It says `ready` before its first call: while a process
    -- starts, this one serves nobody.
    local function start(kind, limits, source)
        local script = process.write(("%s/script%d.lua"):format(folder, #programs + 1), ([[
            local mw = require "moonwire"
            local desk = mw.connect "ooctopus"
            local any, gate, slow, never, refused = 1, 2, 3, 4, 5
            local function update(id) desk.contacts:update(id, { name = "Ada" }) end
            print "ready"
            io.stdout:flush()
            ]] .. source):gsub("io%.stdout:flush%(%)", kind == "lua" and "%0" or ""))
        local program = kinds[kind](script, { OOCTOPUS_URL = server.url, OOCTOPUS_ACCOUNT_ID = "1",
            OOCTOPUS_TOKEN = "t0ken", OOCTOPUS_LIMITS = limits, XDG_STATE_HOME = folder .. "/state" })
        program.errors = script .. ".err"
        programs[#programs + 1] = program
        return program
    end

    -- Waits, serving, until a program has ended well. What it has printed since, and its errors.
    local function finish(program)
        until_(function() return not program:alive() end)
        local said = program.output:read "a"
        local errors = process.read(program.errors)
        assert.same({ 0, "" }, { program:wait(), (errors:gsub("warn: limits are not shared[^\n]*\n", "", 1)) })
        return said, errors
    end

    -- No window of the server sees more than `limit` requests; what lies between two clocks is forgiven.
    local function check_windows(limit, seconds)
        for i = limit + 1, #seen do
            local took = seen[i].at - seen[i - limit].at
            assert(took > 0.99 * seconds, ("%d requests within %.3f s"):format(limit + 1, took))
        end
    end

    it("hold for all processes together, in every window of the server", function()
        local limits = "all=20/2s,shared=" .. path
        local source = [[
            mw.on_wait(function() end)
            update(gate)
            mw.map({ n = 30 }, function() desk.contacts:get(any) end, { concurrency = 30 })
        ]]
        local one, other = start("lua", limits, source), start("sandbox", limits, source)
        until_(function() return count "gate" == 2 end)
        mw.sleep(2.1) -- what came while a process was started was noted too late
        forget()
        open = true
        finish(one)
        finish(other)
        assert.equal(60, #seen)
        check_windows(20, 2)
    end)

    it("hold for what is in flight at once", function()
        local limits = "write.concurrency=2,shared=" .. path
        local source = [[
            desk.contacts:get(gate)
            mw.map({ n = 12 }, function() update(slow) end, { concurrency = 6 })
        ]]
        local one, other = start("sandbox", limits, source), start("lua", limits, source)
        until_(function() return count "gate" == 2 end)
        until_(function() return running == 2 end)
        open = true
        until_(function() return running == 0 or count "slow" > 0 end)
        forget()
        finish(one)
        finish(other)
        assert.equal(2, most)
    end)

    for _, kind in ipairs { "lua", "sandbox" } do
        it(("are free again when their holder is killed (%s)"):format(kind), function()
            local limits = "write.concurrency=2,shared=" .. path
            local holder = start(kind, limits, 'mw.map({ n = 3 }, function() update(never) end)')
            until_(function() return running == 2 end)
            local other = start("lua", limits, 'for _ = 1, 5 do update(any) end')
            mw.sleep(0.2)
            assert.equal(2, #seen)
            holder:signal "KILL"
            finish(other)
            assert.equal(5, count "any")
            assert.equal(2, count "never")
            assert.equal(137, holder:wait())
        end)
    end

    it("stop all processes when the server refuses one of them", function()
        local limits = "shared=" .. path
        local patient = start("sandbox", limits, 'desk.contacts:get(gate) desk.contacts:get(any)')
        until_(function() return count "gate" == 1 end)
        local refused = start("lua", limits, 'print(select(2, pcall(desk.contacts.get, desk.contacts, refused, nil, '
            .. "{ retries = 0 })).kind)")
        assert.equal("rate_limited\n", finish(refused))
        open = true
        finish(patient)
        assert.same({ "gate", "refused", "any" }, { seen[1].name, seen[2].name, seen[3].name })
        assert.is_true(seen[3].at - seen[2].at > 0.99)
        assert.equal(3, #seen)
    end)

    it("are kept in the state folder where no file is named", function()
        local limits = "all=2/h,shared"
        finish(start("lua", limits, 'desk.contacts:get(any) desk.contacts:get(any)'))
        local other = start("sandbox", limits, [[
            local told
            mw.on_wait(function(wait) told = wait end)
            local task = mw.spawn(function() desk.contacts:get(any) end)
            while not told do mw.sleep(0.001) end
            print(told.lane, told.reason, told.text)
            task:cancel()
            print(pcall(task.wait, task))
        ]])
        assert.matches("^all\tlimit\twaiting 60 min for the limit of the lane all %(2/h%); 1 call is queued\nfalse",
            (finish(other)))
        assert.equal(2, #seen)
        assert.matches("^SQLite format 3\0", process.read(folder .. "/state/moonwire/limits.db"))
    end)

    for _, kind in ipairs { "lua", "sandbox" } do
        for how, lose in pairs {
            removed = function() assert(os.remove(path)) end,
            replaced = function()
                process.write(path .. ".new", ("no database"):rep(1000))
                assert(os.rename(path .. ".new", path))
            end,
            damaged = function()
                for _, name in ipairs { path, path .. "-wal", path .. "-shm" } do
                    local file = assert(io.open(name, "r+b")) -- as long as before: processes map one of them
                    local length = file:seek "end"
                    file:seek "set"
                    file:write(("x"):rep(length))
                    file:close()
                end
            end,
        } do
            it(("go on in each process when the file is %s, and it is said once (%s)"):format(how, kind), function()
                local program = start(kind, "all=4/s,write=100/s,shared=" .. path, [[
                    update(any)
                    desk.contacts:get(gate)
                    mw.map({ n = 12 }, function() update(any) end, { concurrency = 6 })
                ]])
                until_(function() return count "gate" == 1 end)
                mw.sleep(1.1)
                forget()
                lose()
                open = true
                local _, errors = finish(program)
                assert.equal(12, #seen)
                check_windows(4, 1)
                local reason = how == "damaged" and "[^:]+" or "the file has been moved, removed or replaced"
                assert.matches(("^warn: limits are not shared with other processes any more: %s: '%s'; "
                    .. "they will be when this one starts again\n$"):format(reason, (path:gsub("%p", "%%%0"))), errors)
            end)
        end
    end
end)

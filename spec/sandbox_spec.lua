-- The sandbox's layers, seen from outside of the worker: what selfcheck finds here and on kernels that lack something
-- (spec/c/without.c makes such), what the kernel says of a worker, and that none outlives its broker.

local host = require "spec.support.host"
local process = require "spec.support.process"

local without = host.build .. "/bin/test/without"
local sanitized = host.build:find("sanitize", 1, true) ~= nil

local function output_of(command)
    local pipe = assert(io.popen("unset LD_PRELOAD; " .. command .. " 2>/dev/null", "r"))
    local text = pipe:read("a")
    pipe:close()
    return text
end

local am_root = output_of("id -u"):match("^0%s") ~= nil

--- Runs `moonwire` on a kernel that lacks something.
local function lacking(names, ...)
    local argv = { without }
    table.move(names, 1, #names, 2, argv)
    argv[#argv + 1] = "--"
    argv[#argv + 1] = host.binary
    table.move({ ... }, 1, select("#", ...), #argv + 1, argv)
    return process.run(argv)
end

--- The one child of a process, or nil.
local function child_of(pid)
    local found
    for line in output_of("cat /proc/[0-9]*/stat"):gmatch("[^\n]+") do
        local child, parent = line:match("^(%d+) %(.*%) %a (%d+) ")
        if tonumber(parent) == pid then
            assert.is_nil(found, "a second child")
            found = tonumber(child)
        end
    end
    return found
end

--- Whether a process is there and has not ended.
local function lives(pid)
    local stat = process.read(("/proc/%d/stat"):format(pid))
    local state = stat and stat:match("^.*%)%s(%a)")
    return state ~= nil and state ~= "Z" and state ~= "X"
end

local function gone_within(pid, seconds)
    for _ = 1, seconds * 50 do
        if not lives(pid) then
            return true
        end
        os.execute "unset LD_PRELOAD; sleep 0.02"
    end
    return not lives(pid)
end

describe("moonwire selfcheck", function()
    local attempts = { "open a file", "connect", "exec a program", "fork", "ptrace", "map executable memory",
        "make memory executable", "signal another process" }
    local required = { "no_new_privs", "undumpable", "death_signal", "rlimits", "seccomp" }

    it("finds every required layer active and every attempt killed", function()
        local output, errors, code = host.run { "selfcheck" }
        assert.are.equal("", errors)
        assert.are.equal(0, code)
        for _, layer in ipairs(required) do
            assert.is_truthy(output:find("\n  " .. layer .. " +active\n"), layer .. ": " .. output)
        end
        for _, attempt in ipairs(attempts) do
            assert.is_truthy(output:find("\n  " .. attempt .. " +killed by SIGSYS\n"), attempt .. ": " .. output)
        end
        local _, killed = output:gsub("killed by SIGSYS", "")
        assert.are.equal(#attempts, killed)
        assert.is_nil(output:find("SURVIVED", 1, true))
    end)

    for _, layer in ipairs(required) do
        it("fails and names the layer where the kernel has no " .. layer, function()
            local output, errors, code = lacking({ layer }, "selfcheck")
            assert.are.equal(12, code)
            assert.are.equal("moonwire: selfcheck: the sandbox lacks " .. layer
                .. "; scripts run only with --sandbox=best-effort\n", errors)
            assert.is_truthy(output:find("\n  " .. layer .. " +MISSING: %a"), output)
        end)
    end

    it("names all that are missing", function()
        local _, errors, code = lacking({ "seccomp", "death_signal", "landlock" }, "selfcheck")
        assert.are.equal(12, code)
        assert.is_truthy(errors:find("lacks death_signal, seccomp;", 1, true), errors)
    end)

    it("says so where nothing kills an attempt", function()
        local output = lacking({ "seccomp", "landlock" }, "selfcheck")
        assert.is_truthy(output:find("\n  open a file +SURVIVED\n"), output)
        assert.is_truthy(output:find("\n  map executable memory +SURVIVED\n"), output)
    end)

    it("is content without landlock, and says so", function()
        local output, errors, code = lacking({ "landlock" }, "selfcheck")
        assert.are.equal("", errors)
        assert.are.equal(0, code)
        assert.is_truthy(output:find("\n  landlock +not in this kernel %(not required%)\n"), output)
        assert.is_truthy(output:find("\n  open a file +killed by SIGSYS\n"), output)
    end)

    it("says in one line why no worker starts", function()
        local output, errors, code = lacking({ "memfd" }, "selfcheck")
        assert.are.equal("", output)
        assert.are.equal("moonwire: selfcheck: can't start a worker: no shared page: Function not implemented\n",
            errors)
        assert.are.equal(12, code)
    end)

    it("works without a descriptor of its own", function()
        local folder = process.folder()
        local command = ('"$0" selfcheck <&- >&- 2>&-; echo $? >%s/code'):format(folder)
        process.run { "sh", "-c", command, host.binary }
        local code = process.read(folder .. "/code")
        process.remove(folder)
        -- Its table can't be printed: that is all that is wrong.
        assert.are.equal("1\n", code)
    end)
end)

describe("moonwire run", function()
    for _, layer in ipairs { "seccomp", "rlimits", "no_new_privs" } do
        it("refuses where the kernel has no " .. layer .. ", and names it", function()
            local folder = process.folder()
            local script = process.write(folder .. "/script.lua", 'print "ran"\n')
            local output, errors, code = lacking({ layer }, "run", script)
            process.remove(folder)
            assert.are.equal(12, code)
            assert.are.equal("", output)
            assert.is_truthy(errors:find("moonwire: run: [^\n]*" .. layer .. "[^\n]*best%-effort[^\n]*\n$"), errors)
        end)
    end

    it("goes on without a layer when it is told to", function()
        local folder = process.folder()
        local script = process.write(folder .. "/script.lua", 'print "ran"\n')
        local output, errors, code = lacking({ "seccomp" }, "run", "--sandbox=best-effort", script)
        process.remove(folder)
        assert.are.equal("ran\n", output)
        assert.are.equal(0, code, errors)
    end)

    it("runs without landlock", function()
        local folder = process.folder()
        local script = process.write(folder .. "/script.lua", 'print "ran"\n')
        local output, errors, code = lacking({ "landlock" }, "run", script)
        process.remove(folder)
        assert.are.equal("ran\n", output)
        assert.are.equal(0, code, errors)
    end)

    if not sanitized then
        it("takes 15 ms at most, with its worker, from its start to its end", function()
            local folder = process.folder()
            local script = process.write(folder .. "/script.lua", "")
            local output, errors, code = process.run { host.build .. "/bin/test/bench_spawn", "20", host.binary, "run",
                "--allow=*:*", script }
            process.remove(folder)
            assert.are.equal(0, code, errors)
            local best, runs = math.huge, 0
            for line in output:gmatch "[^\n]+" do
                best, runs = math.min(best, tonumber(line)), runs + 1
            end
            assert.are.equal(20, runs)
            assert.is_true(best <= 15000, ("the fastest of 20 took %.1f ms"):format(best / 1000))
        end)
    end
end)

describe("a worker", function()
    local folder, program, pid

    --- Starts `moonwire run` on a script that prints "ready" first.
    local function start(text, flags, prefix)
        local script = process.write(folder .. "/script.lua", text)
        local argv = table.move(prefix or {}, 1, #(prefix or {}), 1, {})
        argv[#argv + 1] = host.binary
        argv[#argv + 1] = "run"
        table.move(flags or {}, 1, #(flags or {}), #argv + 1, argv)
        argv[#argv + 1] = script
        program = process.start(argv, { ready = "^ready$", errors = folder .. "/errors",
            env = { SPEC_WORD = "canary-in-the-environment", TZ = "UTC" } })
        pid = assert(child_of(program.pid), "there is no worker")
    end

    local waiting = 'local mw = require "moonwire"\nprint "ready"\nmw.sleep(60)\n'
    local spinning = 'print "ready"\nwhile true do end\n'

    before_each(function()
        folder = process.folder()
    end)

    after_each(function()
        if program then
            program:stop()
            program = nil
        end
        process.remove(folder)
    end)

    it("is locked in, as the kernel says", function()
        start(waiting)
        local status = process.read(("/proc/%d/status"):format(pid))
        assert.is_truthy(status:find("\nNoNewPrivs:%s+1\n"), status)
        assert.is_truthy(status:find("\nSeccomp:%s+2\n"), status)
        assert.is_truthy(status:find("\nThreads:%s+1\n"), status)
        local stat = process.read(("/proc/%d/stat"):format(pid))
        local session = stat:match("^.*%) %a %d+ %d+ (%d+) ")
        assert.are.equal(pid, tonumber(session), "it has no session of its own")
    end)

    it("has the limits that its budgets ask for", function()
        start(waiting, { "--memory", "16M", "--cpu", "2.5" })
        local limits = process.read(("/proc/%d/limits"):format(pid))
        local function limit(name)
            return limits:match("\n" .. name .. "%s+(%S+)%s+(%S+)")
        end
        assert.are.same({ "0", "0" }, { limit "Max file size" })
        assert.are.same({ "0", "0" }, { limit "Max processes" })
        assert.are.same({ "0", "0" }, { limit "Max core file size" })
        assert.are.same({ "4", "5" }, { limit "Max cpu time" })
        assert.is_true(tonumber((limit "Max open files")) <= 16, limits)
        if not sanitized then -- whose shadow is as large as the address space
            local status = process.read(("/proc/%d/status"):format(pid))
            local mapped = tonumber(status:match("\nVmSize:%s+(%d+) kB")) * 1024
            local most = tonumber((limit "Max address space"))
            assert.is_true(most <= mapped + (16 * 5 // 4 + 8) * 1024 * 1024, limits)
            assert.is_true(most >= mapped + 16 * 1024 * 1024, limits)
        end
    end)

    it("can't be looked into by the user whose it is", function()
        local prefix, look = nil, "cat"
        if am_root then
            local nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups -- env HOME=/nonexistent"
            look = nobody .. " cat"
            local tried = output_of(("%s %s version && echo yes"):format(nobody, process.quote(host.binary)))
            if not tried:find("yes\n$") then
                return pending "nobody can't run this build"
            end
            -- The folder is root's alone.
            prefix = { "sh", "-c", ('exec %s "$0" run /proc/self/fd/9 9<%s'):format(nobody,
                process.quote(folder .. "/script.lua")) }
        end
        start(waiting, nil, prefix)
        local broker = output_of(("%s /proc/%d/environ"):format(look, program.pid))
        assert.is_truthy(broker:find("canary", 1, true), "the look does not work")
        assert.are.equal("", output_of(("%s /proc/%d/environ"):format(look, pid)))
        assert.are.equal("", output_of(("%s /proc/%d/maps"):format(look, pid)))
        assert.are.equal("root\n", output_of(("stat -c %%U /proc/%d/environ"):format(pid)))
    end)

    -- Only root sees what an undumpable process has open.
    if am_root then
        it("has an empty environment and no other words than its budgets and the time zone", function()
            start(waiting)
            assert.is_truthy(process.read(("/proc/%d/environ"):format(program.pid)):find("canary", 1, true))
            assert.are.equal("", process.read(("/proc/%d/environ"):format(pid)))
            local words = process.read(("/proc/%d/cmdline"):format(pid))
            assert.are.equal(("moonwire --worker 67108864 30000 0 10000 10485760   %s "):format(os.getenv "TZ" or ""),
                (words:gsub("\0", " ")))
        end)

        it("has the log pipe, its socket and its loop open, and nothing else", function()
            start(waiting, nil, { "sh", "-c", 'exec "$0" "$@" 9</etc/passwd 8>&1' })
            local broker = output_of(("ls -l /proc/%d/fd"):format(program.pid))
            assert.is_truthy(broker:find(" 9 -> /etc/passwd", 1, true), "the broker did not inherit the file")
            local kinds = {}
            for fd, target in output_of(("ls -l /proc/%d/fd"):format(pid)):gmatch(" (%d+) %-> (%S+)") do
                fd = tonumber(fd)
                local kind = target:match("^anon_inode:%[?(%w+)") or target:match("^(%w+):%[") or target
                kinds[kind] = (kinds[kind] or 0) + 1
                assert.is_true(fd >= 2, fd .. " is open: " .. target)
                if fd == 2 then
                    assert.are.equal("pipe", kind)
                elseif fd == 3 then
                    assert.are.equal("socket", kind)
                end
            end
            -- Of the loop: its epoll, its wake-up, and the pipes that libuv keeps for signals, two at most.
            assert.is_true(kinds.pipe == 1 or kinds.pipe == 3 or kinds.pipe == 5, tostring(kinds.pipe))
            kinds.pipe = nil
            assert.are.same({ socket = 1, eventpoll = 1, eventfd = 1 }, kinds)
        end)
    end

    it("does not outlive a broker that is killed or ended, whatever it does", function()
        for _, text in ipairs { waiting, spinning } do
            for _, signal in ipairs { "KILL", "TERM" } do
                start(text)
                program:signal(signal)
                assert.is_true(gone_within(pid, 1), "the worker lives on after " .. signal)
                program:wait(5)
            end
        end
    end)

    it("does not outlive its broker when it is stopped", function()
        start(waiting)
        os.execute(("unset LD_PRELOAD; kill -STOP %d"):format(pid))
        program:signal "KILL"
        assert.is_true(gone_within(pid, 1))
    end)
end)

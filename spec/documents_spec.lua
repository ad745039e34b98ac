--- core.documents, files that outlive the process, and core.hmac_sha256: what survives a kill, who gets in when, and
--- which files are refused untouched. Limits to the byte are in spec/c/documents_test.c.

local core = require "moonwire.core"

local process = require "spec.support.process"

local build = os.getenv "MOONWIRE_BUILD" or "."
local env = { LUA_PATH = "lua/?.lua;lua/?/init.lua;;", LUA_CPATH = build .. "/lib/?.so;;" }

local folder, path

-- A child runs this with the path in `path`; what it raises is its last line.
local prelude = "local core = require 'moonwire.core' local path, flag = ... io.stdout:setvbuf 'line'\n"
    .. "local function try(f, ...) local ok, value = pcall(f, ...) if ok and value then value:close() end"
    .. " print(ok and 'ok' or value.message) end\n"

local function child(code, ...)
    local file = process.write(folder .. "/child.lua", prelude .. code)
    local words = { "lua5.4", file, path, ... }
    return words
end

local function run_child(code, ...)
    local output, errors = process.run(child(code, ...), { env = env, keep_preload = true })
    assert.equal("", errors)
    return output
end

local function all(file)
    local list = {}
    file:each(function(kind, id, body)
        list[#list + 1] = kind .. "/" .. id .. "=" .. body
    end)
    return list
end

local function all_in(name, read_only)
    local file <close> = core.documents { path = name, read_only = read_only }
    return all(file)
end

local function make(...)
    local file <close> = core.documents { path = path }
    file:write { { "a", "1", "one" }, { "a", "2", "two" }, ... }
end

local function refused(options, text)
    local ok, problem = pcall(core.documents, options)
    assert.is_false(ok)
    assert.equal("invalid", problem.kind)
    assert.equal("documents", problem.operation)
    assert.truthy(problem.message:find(text, 1, true), problem.message)
    assert.not_matches("\n", problem.message)
end

local function fails(text, f, ...)
    local ok, problem = pcall(f, ...)
    assert.is_false(ok)
    assert.equal("invalid", problem.kind)
    assert.truthy(problem.message:find(text, 1, true), problem.message)
end

-- Names and contents of everything in the folder but what the spec itself has put there.
local function files()
    local found = {}
    local pipe = assert(io.popen("unset LD_PRELOAD; ls -A " .. process.quote(folder)))
    for name in pipe:lines() do
        if name ~= "child.lua" and name ~= "errors" then
            found[name] = process.read(folder .. "/" .. name)
        end
    end
    pipe:close()
    return found
end

local function names()
    local list = {}
    for name in pairs(files()) do
        list[#list + 1] = name
    end
    table.sort(list)
    return table.concat(list, " ")
end

describe("core.documents", function()
    before_each(function()
        folder = process.folder()
        path = folder .. "/x.state"
    end)
    after_each(function()
        process.remove(folder)
    end)

    it("gives back what was written, by kind and age", function()
        local odd = "\u{1}\u{7f}\u{80}\u{7ff}\u{ffff}\u{10ffff}\r\n\t'\"%s;--\\"
        do
            local file <close> = core.documents { path = path }
            file:write { { "b", odd, odd:rep(1000) }, { "a", "2", "" }, { "a", "1", "{}" }, { odd, "1", "x" } }
            file:write { { "a", "1", false }, { "a", "2", "new" }, { "a", "none", false } }
            file:write { { "a", "1", "back" } }
            file:write {}
        end
        local expected = { odd .. "/1=x", "a/2=new", "a/1=back", "b/" .. odd .. "=" .. odd:rep(1000) }
        assert.same(expected, all_in(path))
        assert.same(expected, all_in(path, true))
        assert.equal("x.state", names())
    end)

    it("keeps ten thousand of them, from one write and from many", function()
        local batch, expected = {}, {}
        for i = 1, 10000 do
            batch[i] = { "kind" .. i % 7, tostring(i), ("%d"):format(i):rep(i % 50) }
        end
        do
            local file <close> = core.documents { path = path }
            file:write(batch)
            for i = 1, 10000, 100 do
                batch[i][3] = "changed"
                file:write { batch[i] }
            end
        end
        for kind = 0, 6 do
            for i = 1, 10000 do
                if i % 7 == kind then
                    expected[#expected + 1] = ("kind%d/%d=%s"):format(kind, i, batch[i][3])
                end
            end
        end
        assert.same(expected, all_in(path))
    end)

    it("writes all of a batch, or nothing", function()
        local file <close> = core.documents { path = path }
        file:write { { "a", "1", "one" } }
        local good, removed = { "a", "2", "two" }, { "a", "1", false }
        local function refuses(text, bad)
            fails(text, file.write, file, { good, removed, bad, good })
            assert.same({ "a/1=one" }, all(file))
        end
        refuses("change 3: its kind must have 1 to 64 bytes", { ("k"):rep(65), "1", "x" })
        refuses("change 3: its id must have 1 to 256 bytes", { "a", "", "x" })
        refuses("change 3: kind, id and body can't have NUL bytes", { "a", "1\0", "x" })
        refuses("change 3: its id must be a string, got a number", { "a", 1, "x" })
        refuses("change 3: its kind must be a string, got nil", {})
        refuses("change 3: its body must be a string or false, got nil", { "a", "1" })
        refuses("change 3: its body must be a string or false, got a boolean", { "a", "1", true })
        refuses("change 3: it must be a table, got a string", "a")
        fails("give it a list of changes, got nil", file.write, file)
        fails("got a table with names", file.write, file, { change = good })
        file:write { good, removed }
        assert.same({ "a/2=two" }, all(file))
    end)

    it("ends each with what its function raises, and lets it change nothing", function()
        make()
        local file <close> = core.documents { path = path }
        local mark, seen = {}, 0
        local ok, problem = pcall(file.each, file, function()
            seen = seen + 1
            error(mark)
        end)
        assert.same({ false, true, 1 }, { ok, problem == mark, seen })
        local function within(f)
            return pcall(file.each, file, f)
        end
        assert.is_false((within(function() error(nil) end)))
        for _, method in ipairs { "write", "close", "each" } do
            fails("not within documents:each", file.each, file, function()
                file[method](file, {})
            end)
        end
        fails("give it a function(kind, id, body), got nil", file.each, file)
        -- A task that waits in the middle of it lets the others go on.
        core.spawn(function() seen = 10 end)
        file:each(function() core.sleep(0) end)
        assert.equal(10, seen)
        assert.same({ "a/1=one", "a/2=two" }, all(file))
    end)

    it("is of no use once it is closed", function()
        local file = core.documents { path = path }
        file:close()
        file:close()
        fails("documents:write: the file is closed", file.write, file, {})
        fails("documents:each: the file is closed", file.each, file, print)
        fails("documents:close: call it with a colon", file.close)
        fails("documents:write: call it with a colon", file.write, {})
        assert.equal("moonwire.documents", tostring(file))
        assert.equal("x.state", names())
    end)

    it("closes what is collected", function()
        make()
        core.documents { path = path } -- luacheck: ignore
        collectgarbage()
        assert.same({ "a/1=one", "a/2=two" }, all_in(path))
        assert.equal("", run_child "left = core.documents { path = path } left:write { { 'a', '3', '' } }")
        assert.equal("x.state", names())
        assert.same({ "a/1=one", "a/2=two", "a/3=" }, all_in(path))
    end)

    it("checks its options", function()
        refused({}, "give a path")
        refused({ path = "" }, "give a path")
        refused({ path = 1 }, "option 'path' must be a string")
        refused({ path = "a\0b" }, "option 'path' must be without NUL")
        refused({ path = path, readonly = true }, "did you mean 'read_only'?")
        refused({ path = path, read_only = 1 }, "option 'read_only' must be true or false")
        refused(path, "give it { path = ... }, got a string")
        assert.equal("", names())
    end)

    it("takes every name for a name", function()
        local code = "for _, name in ipairs { ':memory:', 'file:y?mode=memory', '-x' } do"
            .. " local file <close> = core.documents { path = name } file:write { { 'k', 'i', name } } end"
        local _, errors = process.run(child(code), { cwd = folder, keep_preload = true,
            env = { LUA_CPATH = (build:find "^/" and build or process.run { "pwd" }:gsub("\n", "/") .. build)
                .. "/lib/?.so;;" } })
        assert.equal("", errors)
        assert.equal("-x :memory: file:y?mode=memory", names())
        assert.same({ "k/i=:memory:" }, all_in(folder .. "/:memory:"))
    end)

    describe("after a kill", function()
        -- Writes batches of three under one number, and says so once each write has returned.
        local endless = [[
            local file = core.documents { path = path }
            local n = 0
            file:each(function(kind, id) n = math.max(n, tonumber(id)) end)
            print "ready"
            while true do
                n = n + 1
                local id = tostring(n)
                file:write { { "a", id, id }, { "b", id, ("x"):rep(n % 5000) }, { "c", tostring(n - 5), false },
                    { "c", id, "last" } }
                print(n)
            end]]

        local function killed(lines)
            local writer = process.start(child(endless), { ready = "^ready$", env = env, keep_preload = true })
            local last
            for line in writer.output:lines() do
                if tonumber(line) then -- the kill may cut the last line
                    last = line
                    lines = lines - 1
                end
                if lines == 0 then
                    writer:signal "KILL"
                end
            end
            assert.equal(128 + 9, writer:wait())
            return tonumber(last)
        end

        it("holds every write that had returned, whole", function()
            local before = 0
            for round = 1, 5 do
                local last = killed(17 * round)
                assert.is_true(last > before)
                local file <close> = core.documents { path = path }
                local counts, most = { a = 0, b = 0, c = 0 }, 0
                file:each(function(kind, id, body)
                    local n = math.tointeger(tonumber(id))
                    counts[kind] = counts[kind] + 1
                    most = math.max(most, n)
                    assert.equal(kind == "a" and id or kind == "b" and ("x"):rep(n % 5000) or "last", body)
                end)
                -- The one that it was at may be there, but not a part of it; no other is missing.
                assert.is_true(most == last or most == last + 1, most .. " after " .. last)
                assert.same({ a = most, b = most, c = 5 }, counts)
                before = most
            end
            assert.equal("x.state", names())
        end)

        it("can be read without a change to what lies there", function()
            local last = killed(20)
            local before = files()
            assert.is_truthy(before["x.state-wal"])
            assert.is_true(#all_in(path, true) >= 2 * last)
            assert.same(before, files())
            assert.is_true(#all_in(path) >= 2 * last)
            assert.equal("x.state", names())
        end)
    end)

    describe("in use", function()
        local busy = ": it is in use by another process"

        it("lets nobody else in while it is written", function()
            local file = core.documents { path = path }
            local try = "try(core.documents, { path = path }) try(core.documents, { path = path, read_only = true })"
            for _ = 1, 2 do
                local first, second = run_child(try):match "^([^\n]*)\n([^\n]*)\n$"
                for _, line in ipairs { first, second } do
                    assert.truthy(line:find("can't open '" .. path .. "'" .. busy, 1, true), line)
                end
                -- In the same process as well; and that its descriptor is closed again opens no door to the others.
                refused({ path = path }, busy)
                refused({ path = path, read_only = true }, busy)
                file:write { { "a", "1", "one" } }
            end
            file:close()
            assert.equal("ok\nok\n", run_child(try))
        end)

        it("lets any number read, and nobody write meanwhile", function()
            make()
            local one <close> = core.documents { path = path, read_only = true }
            local two <close> = core.documents { path = path, read_only = true }
            assert.same({ "a/1=one", "a/2=two" }, all(one))
            assert.same({ "a/1=one", "a/2=two" }, all(two))
            local lines = run_child("try(core.documents, { path = path, read_only = true })"
                .. " try(core.documents, { path = path })")
            assert.matches("^ok\n[^\n]*: it is in use by another process", lines)
            fails("it was opened to be read only", one.write, one, { { "a", "3", "x" } })
            assert.equal("x.state", names())
        end)
    end)

    describe("refuses, and leaves alone,", function()
        local function refuses(bytes, text)
            process.write(path, bytes)
            refused({ path = path }, "can't open '" .. path .. "': " .. text)
            refused({ path = path, read_only = true }, "can't open '" .. path .. "': " .. text)
            assert.same({ ["x.state"] = bytes }, files())
        end

        local function patched(at, bytes)
            os.remove(path)
            make()
            local whole = process.read(path)
            return whole:sub(1, at) .. bytes .. whole:sub(at + #bytes + 1)
        end

        it("what is no database", function()
            local text = "it is not a file of documents"
            refuses("x", text)
            refuses(("some text\n"):rep(1000), text)
            refuses("SQLite format 3\0", text)
        end)

        it("what another program has made", function()
            refuses(patched(68, "\0\0\0\0"), "it belongs to another program")
            refuses(patched(68, "GPKG"), "it belongs to another program")
        end)

        it("what a newer version has made", function()
            refuses(patched(60, "\0\0\0\2"), "it is of version 2, and this program knows version 1")
        end)

        it("what has other tables", function()
            make()
            local bytes, count = process.read(path):gsub("STRICT", "strict")
            assert.equal(1, count)
            process.write(path, bytes)
            refused({ path = path }, "it is not a file of documents")
            assert.same({ ["x.state"] = bytes }, files())
        end)

        it("what is no regular file", function()
            for _, name in ipairs { folder, "/dev/null" } do
                refused({ path = name }, ("can't open '%s': it is no regular file"):format(name))
            end
            os.execute("unset LD_PRELOAD; mkfifo " .. process.quote(path))
            refused({ path = path, read_only = true }, "it is no regular file")
        end)

        it("what is not there, or can't be", function()
            refused({ path = path, read_only = true }, "can't open '" .. path .. "': No such file or directory")
            refused({ path = folder .. "/no/x" }, "can't make '" .. folder .. "/no/x': No such file or directory")
            refused({ path = folder .. "/" .. ("x"):rep(300) }, "File name too long")
            assert.equal("", names())
        end)

        it("what is damaged, at the latest when it is read", function()
            make { "b", "1", ("x"):rep(100000) }
            local bytes = process.read(path)
            process.write(path, bytes:sub(1, 4096) .. ("\7"):rep(#bytes - 4096))
            local file <close> = core.documents { path = path }
            fails("can't read '" .. path .. "': it is damaged; put a copy in its place", file.each, file, print)
            fails("can't write '" .. path .. "': it is damaged; put a copy in its place", file.write, file,
                { { "a", "1", "x" } })
        end)
    end)

    it("makes a file of an empty one", function()
        process.write(path, "")
        refused({ path = path, read_only = true }, "it is not a file of documents")
        make()
        assert.same({ "a/1=one", "a/2=two" }, all_in(path))
    end)

    it("says what the system does not let it do", function()
        make()
        local root = process.run { "id", "-u" } == "0\n"
        local as = root and { "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--" } or { "env" }
        -- Where nobody gets at it: the interpreter, the module and this folder are readable by their owner alone.
        local place = process.run { "mktemp", "-d", "-p", "/tmp" }:gsub("\n", "")
        finally(function() process.remove(place) end)
        process.write(place .. "/child.lua", prelude .. [[
            try(core.documents, { path = path .. "/new" })
            try(core.documents, { path = path .. "/x.state" })
            local file <close> = core.documents { path = path .. "/x.state", read_only = true }
            file:each(print)
            try(core.documents, { path = path .. "/left", read_only = true })]])
        do -- what a kill would leave
            local file <close> = core.documents { path = path }
            file:write { { "a", "2", "two" } }
            os.execute(("unset LD_PRELOAD; cp %s %s/left; cp %s-wal %s/left-wal"):format(path, place, path, place))
        end
        os.execute(("unset LD_PRELOAD; mkdir -p %s/lib/moonwire && cp %s/lib/moonwire/core.so %s/lib/moonwire"
            .. " && cp %s %s/x.state && chmod -R a+rX,a-w %s"):format(place, build, place, path, place, place))
        as[#as + 1] = "lua5.4"
        for _, word in ipairs { place .. "/child.lua", place } do
            as[#as + 1] = word
        end
        local output, errors = process.run(as, { env = { LUA_CPATH = place .. "/lib/?.so;;" }, keep_preload = true })
        assert.equal("", errors)
        local new, old, rest = output:match "^([^\n]*)\n([^\n]*)\n(.*)$"
        assert.equal("can't make '" .. place .. "/new': Permission denied", new)
        assert.equal("can't open '" .. place
            .. "/x.state': it may not be written; change its permissions, or only read it", old)
        assert.equal("a\t1\tone\na\t2\ttwo\ncan't open '" .. place .. "/left': it was not closed in order, and it may"
            .. " not be written; open it once where that is allowed\n", rest)
    end)

    -- Fills the place until a write fails, then goes on with small ones.
    local filling = [[
        local file <close> = core.documents { path = path }
        local n, problem = 0
        file:write { { "a", "1", "one" } }
        repeat
            n = n + 1
            local ok, e = pcall(file.write, file, { { "a", "1", "lost" }, { "big", tostring(n), ("x"):rep(30000) } })
            problem = not ok and e
        until problem or n == 1000
        print(problem.message)
        local big, one = 0
        file:each(function(kind, _, body) if kind == "big" then big = big + 1 else one = body end end)
        print(big == n - 1, one)
        local list = { { "a", "1", "after" } }
        for i = 1, n do list[i + 1] = { "big", tostring(i), false } end
        try(file.write, file, list)]]

    it("outlives a full disk", function()
        local mount = ("mount -t tmpfs -o size=512k none %s && exec lua5.4 %s %s"):format(folder .. "/disk",
            folder .. "/child.lua", folder .. "/disk/x.state")
        local command = { "unshare", "--map-root-user", "--mount", "sh", "-c", mount }
        assert(os.execute("unset LD_PRELOAD; mkdir " .. process.quote(folder .. "/disk")))
        child(filling)
        local output, errors, code = process.run(command, { env = env, keep_preload = true })
        if code ~= 0 and errors:find "unshare" then
            pending "this system lets no user mount anything"
        end
        assert.equal("", errors)
        assert.equal("can't write '" .. folder .. "/disk/x.state': the disk is full; make room and try again\n"
            .. "true\tlost\n", output:match "^[^\n]*\n[^\n]*\n")
    end)

    it("outlives the limit of its files' size", function()
        local output = process.run({ "sh", "-c", "trap '' XFSZ; ulimit -f 400; exec lua5.4 \"$0\" \"$1\"",
            select(2, table.unpack(child(filling))) }, { env = env, keep_preload = true })
        assert.equal("can't write '" .. path .. "' or what has to be beside it: disk I/O error\ntrue\tlost\n",
            output:match "^[^\n]*\n[^\n]*\n")
        assert.is_true(#all_in(path) >= 1)
    end)

    it("writes nothing into a file that has lost its name", function()
        for _, command in ipairs { "rm", "mv -t " .. process.quote(folder) .. "/.." } do
            local file <close> = core.documents { path = path }
            file:write { { "a", "1", "one" } }
            assert(os.execute(("unset LD_PRELOAD; cd %s && cp x.state y && %s x.state && mv y x.state"):format(
                process.quote(folder), command)))
            fails("can't write '" .. path .. "': it has been moved, removed or replaced", file.write, file,
                { { "a", "2", "two" } })
            local before = files()
            file:close()
            assert.same(before, files()) -- what lies there may be another's by now
            os.execute(("unset LD_PRELOAD; rm -f %s %s-wal %s/../x.state"):format(path, path, folder))
        end
    end)
end)

describe("core.hmac_sha256", function()
    -- RFC 4231, 4.2 to 4.8 (4.6 is about truncation, which this does not do).
    local cases = {
        { ("\x0b"):rep(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { ("\xaa"):rep(20), ("\xdd"):rep(50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
        { "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19",
            ("\xcd"):rep(50), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
        { ("\xaa"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
        { ("\xaa"):rep(131), "This is a test using a larger than block-size key and a larger than block-size data. "
            .. "The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
    }

    it("is that of RFC 4231", function()
        for _, case in ipairs(cases) do
            assert.equal(case[3], core.hmac_sha256(case[1], case[2]))
        end
    end)

    it("is that of the openssl program", function()
        for _, length in ipairs { 0, 1, 63, 64, 65, 1000, 100000 } do
            local text = ("a\0\xff\n"):rep(length // 4 + 1):sub(1, length)
            local key = ("k"):rep(length % 100 + 1)
            local output = process.run({ "openssl", "dgst", "-sha256", "-hmac", key }, { input = text })
            assert.equal(output:match "(%x+)%s*$", core.hmac_sha256(key, text))
        end
    end)

    it("takes strings, with any bytes", function()
        assert.equal(core.hmac_sha256("a", "1"), core.hmac_sha256("a", 1))
        assert.not_equal(core.hmac_sha256("a\0b", ""), core.hmac_sha256("a\0c", ""))
        assert.has_error(function() core.hmac_sha256("a") end)
        assert.has_error(function() core.hmac_sha256(nil, "a") end)
    end)
end)

describe("core.same", function()
    it("compares strings, byte by byte", function()
        assert.is_true(core.same("", ""))
        assert.is_true(core.same("a\0b", "a\0b"))
        assert.is_false(core.same("a\0b", "a\0c"))
        assert.is_false(core.same("abc", "ab"))
        assert.is_false(core.same("", "a"))
        for byte = 1, 255 do
            assert.is_false(core.same("x\0y", "x" .. string.char(byte) .. "y"))
        end
        assert.has_error(function() core.same("a", nil) end)
        assert.has_error(function() core.same({}, "a") end)
    end)
end)

-- mw.fs on the files of the process, as plain Lua and embedded states have it; and mw.env, which has nothing there.
local core = require "moonwire.core"
local mw = require "moonwire"
local process = require "spec.support.process"

local fs = mw.fs

local function failing(kind, f, ...)
    local ok, failure = pcall(f, ...)
    assert.is_false(ok)
    assert.is_true(mw.is_error(failure, kind), tostring(failure))
    return failure
end

local function output(...)
    return (process.run { ... })
end

describe("mw.fs", function()
    local folder, path
    before_each(function()
        folder = process.folder()
        path = folder .. "/file"
    end)
    after_each(function()
        process.remove(folder)
        assert.equal(0, core.live())
    end)

    it("writes and reads a file as it is", function()
        local all = {}
        for byte = 0, 255 do
            all[#all + 1] = string.char(byte)
        end
        local bytes = table.concat(all)
        for _, size in ipairs { 0, 1, 1023, 1024, 1025, 3000 } do -- 1024 times 256 bytes are a chunk
            local text = bytes:rep(size)
            fs.write(path, text)
            assert.is_true(fs.read(path) == text)
            assert.is_true(process.read(path) == text)
        end
        assert.equal("file\n", output("ls", "-A", folder))
    end)

    it("appends, and makes the file when there is none", function()
        fs.append(path, "a")
        fs.append(path, "")
        fs.append(path, "b\n")
        assert.equal("ab\n", fs.read(path))
    end)

    it("knows whether something is there", function()
        assert.is_false(fs.exists(path))
        fs.write(path, "")
        assert.is_true(fs.exists(path))
        assert.is_true(fs.exists(folder))
        assert.is_false(fs.exists(path .. "/below"))
        os.remove(path)
        assert.is_false(fs.exists(path))
    end)

    it("goes over lines", function()
        local long = ("x"):rep(600000)
        for text, expected in pairs {
            [""] = {}, ["\n"] = { "" }, ["a"] = { "a" }, ["a\r\nb\n\nc"] = { "a", "b", "", "c" }, ["a\r"] = { "a\r" },
            [long .. "\r\n" .. long .. "\ny"] = { long, long, "y" },
            [("x"):rep(262143) .. "\r\ny"] = { ("x"):rep(262143), "y" }, -- \r and \n in two chunks
            [("x"):rep(262144) .. "\ny"] = { ("x"):rep(262144), "y" },
        } do
            process.write(path, text)
            local lines = {}
            for line in fs.lines(path) do
                lines[#lines + 1] = line
            end
            assert.equal(#expected, #lines)
            for i = 1, #expected do
                assert.is_true(lines[i] == expected[i])
            end
        end
    end)

    it("closes what it reads by lines, whenever the loop is left", function()
        fs.write(path, ("line\n"):rep(200000))
        for _ = 1, 200 do -- more than may be open at once
            for line in fs.lines(path) do -- luacheck: ignore
                assert.equal("line", line)
                break
            end
            pcall(function()
                for _ in fs.lines(path) do
                    error "left"
                end
            end)
        end
        local _, _, _, closes = fs.lines(path)
        assert.is_false(getmetatable(closes))
        assert.is_nil(tostring(closes):find "0x")
    end)

    it("opens no more than 64 at once, and says so", function()
        fs.write(path, ("x\n"):rep(150000))
        local open = {}
        local failure = failing("budget", function()
            for i = 1, 65 do
                open[i] = table.pack(fs.lines(path))
                open[i][1]()
                fs.write(path .. i, "x")
            end
        end)
        assert.equal("open files", failure.budget)
        open = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        assert.equal(300000, #fs.read(path))
    end)

    it("replaces a file in one step, and keeps its mode", function()
        fs.write(path, "old")
        assert.is_true(os.execute("chmod 640 " .. path))
        local before = io.open(path)
        fs.write(path, "new")
        assert.equal("old", before:read "a") -- who has it open keeps what was there
        before:close()
        assert.equal("new", fs.read(path))
        assert.equal("640\n", output("stat", "-c", "%a", path))
    end)

    it("writes through a symbolic link", function()
        assert.is_true(os.execute(("ln -s file %s/link"):format(folder)))
        fs.write(path, "old")
        fs.write(folder .. "/link", "new")
        assert.equal("new", process.read(path))
        assert.equal("symbolic link\n", output("stat", "-c", "%F", folder .. "/link"))
    end)

    it("works on regular files alone", function()
        assert.is_true(os.execute("mkfifo " .. path))
        for _, other in ipairs { path, folder, "/dev/null" } do
            for _, f in ipairs { fs.read, fs.lines, fs.write, fs.append } do
                local failure = failing("invalid", f, other, "x")
                assert.equal("path", failure.field)
                assert.is_truthy(failure.message:find(other, 1, true))
            end
        end
        assert.equal("fifo\n", output("stat", "-c", "%F", path))
    end)

    it("says why it fails, and leaves nothing", function()
        local failure = failing("invalid", fs.read, path)
        assert.equal("fs.read", failure.operation)
        assert.matches("can't read '.*/file': No such file or directory", failure.message)
        failing("invalid", fs.lines, path)
        failing("invalid", fs.write, folder .. "/none/file", "x")
        failing("invalid", fs.append, folder .. "/none/file", "x")
        for _, name in ipairs { "", "a\0b", ("x"):rep(5000) } do
            for _, f in ipairs { fs.read, fs.lines, fs.write, fs.append, fs.exists } do
                failing("invalid", f, name, "x")
            end
        end
        for _, value in ipairs { 12, true, {} } do
            failing("invalid", fs.read, value)
            failing("invalid", fs.write, path, value)
        end
        failing("invalid", fs.write, path)
        assert.equal("", output("ls", "-A", folder))
    end)

    it("names the line of the script", function()
        local failure = failing("invalid", function()
            fs.read(path)
        end)
        assert.matches("^spec/fs_spec.lua:%d+: $", failure.where)
    end)
end)

describe("mw.env", function()
    it("has nothing where nothing is granted", function()
        local failure = failing("denied", function() return mw.env.PATH end)
        assert.equal("PATH", failure.field)
        failing("denied", function() return mw.env["OOCTOPUS_TOKEN"] end)
    end)

    it("is read by name, and not written", function()
        for _, name in ipairs { "", "A=B", "A\0B", 1, true } do
            failing("invalid", function() return mw.env[name] end)
        end
        failing("denied", function() mw.env.PATH = "x" end)
        assert.is_false(getmetatable(mw.env))
    end)
end)

describe("objects of moonwire", function()
    it("show no address, and no metatable that is theirs", function()
        local client = mw.ooctopus { url = "http://127.0.0.1:1", token = "secret" }
        local task = mw.spawn(function() end)
        local _, failure = pcall(mw.json.decode, "{")
        local server <close> = core.server { handler = function() end }
        for _, value in ipairs { client, client:safe(), client.contacts, client.platform, task, failure, server,
            mw.env } do
            assert.is_nil(tostring(value):find "0x", tostring(value))
            assert.is_false(getmetatable(value))
        end
        assert.is_false(getmetatable(mw.log))
        assert.equal("moonwire.task (running)", tostring(task))
        task:wait()
        assert.equal("moonwire.task (done)", tostring(task))
        client:close()
    end)

    it("bring no finalizer of a script in through arrays", function()
        local meta = getmetatable(mw.array {})
        local ran = false
        rawset(meta, "__gc", function() ran = true end)
        mw.array {}
        mw.json.decode "[[], {\"list\": []}]"
        collectgarbage()
        collectgarbage()
        assert.is_false(ran)
        assert.is_nil(rawget(meta, "__gc"))
    end)
end)

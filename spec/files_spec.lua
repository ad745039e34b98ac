--- mw.fs of a script in its sandbox: nothing without a grant, and nothing beyond one.

local host = require "spec.support.host"
local process = require "spec.support.process"

describe("files of a script", function()
    local folder

    before_each(function()
        folder = process.folder()
        assert(os.execute(("unset LD_PRELOAD; cd %s && mkdir in out && ln -s ../out in/up && mkfifo in/pipe")
            :format(process.quote(folder))))
        process.write(folder .. "/in/a.txt", "one\ntwo\n\nfour")
        process.write(folder .. "/out/secret", "outside")
    end)

    after_each(function()
        process.remove(folder)
    end)

    local function run(text, flags)
        return host.script('local mw = require "moonwire"\n' .. text,
            { flags = { "--read-only", table.unpack(flags or {}) }, cwd = folder })
    end

    -- The build's path is relative to where the specs run.
    setup(function()
        if host.binary:sub(1, 1) ~= "/" then
            local pipe = assert(io.popen("pwd"))
            host.binary = pipe:read("l") .. "/" .. host.binary
            pipe:close()
        end
    end)

    local function denied(what, text, flags)
        local output, errors, code = run(text, flags)
        assert.is_truthy(errors:find(what, 1, true), ("%q lacks %q"):format(errors, what))
        assert.equal(8, code)
        assert.equal("", output)
    end

    it("are none without a grant", function()
        denied("can't read 'in/a.txt': no folder that holds it is granted; --allow-read DIR grants one",
            'print(mw.fs.read "in/a.txt")')
        denied("can't read '/etc/passwd'", 'print(mw.fs.read "/etc/passwd")')
        denied("granted for writing; --allow-write DIR", 'mw.fs.write("in/new", "x")', { "--allow-read", "in" })
        denied("can't read 'in/a.txt'", 'print(mw.fs.read "in/a.txt")', { "--allow-write", "in" })
        denied("can't look for 'in/a.txt'", 'print(mw.fs.exists "in/a.txt")')
        assert.is_nil(process.read(folder .. "/in/new"))
    end)

    it("are read below a granted folder, as the user would write the path", function()
        local output, errors, code = run(([[
            print(mw.fs.read "in/a.txt" == "one\ntwo\n\nfour", mw.fs.exists "in/a.txt", mw.fs.exists "in/b")
            print(#mw.fs.read "%s/in/a.txt", #mw.fs.read "./in//a.txt")
            for line in mw.fs.lines "in/a.txt" do io = (io or "") .. line .. "|" end
            print(io)
            print(pcall(mw.fs.read, "in/b"))
            print(pcall(mw.fs.read, "in/pipe"))
            print(pcall(mw.fs.read, "in"))
        ]]):format(folder), { "--allow-read", "in" })
        assert.equal("", errors)
        assert.equal(0, code)
        assert.matches("^true\ttrue\tfalse\n13\t13\none|two||four|\nfalse\t.-No such file.-\nfalse\t.-no regular file"
            .. ".-\nfalse\t.-it is a folder.-\n$", output)
    end)

    it("lie nowhere else, whatever leads there", function()
        local flags = { "--allow-read", "in", "--allow-write", "in" }
        denied("leads out of the granted folder", 'print(mw.fs.read "in/up/secret")', flags)
        denied("leads out of the granted folder", 'mw.fs.write("in/up/new", "x")', flags)
        denied("leads out of the granted folder", 'mw.fs.append("in/up/secret", "x")', flags)
        denied("no folder that holds it", 'print(mw.fs.read "out/secret")', flags)
        denied("no folder that holds it", 'print(mw.fs.read "../../../etc/passwd")', flags)
        local output = run('print(pcall(mw.fs.read, "in/../out/secret"))', flags)
        assert.matches("'..' is not followed", output, 1, true)
        assert.equal("outside", process.read(folder .. "/out/secret"))
        assert.is_nil(process.read(folder .. "/out/new"))
    end)

    it("are written in one step", function()
        local output, errors, code = run([[
            mw.fs.write("in/new", ("x"):rep(1000000))
            mw.fs.append("in/new", "end")
            mw.fs.append("in/log", "first\n")
            mw.fs.append("in/log", "second\n")
            mw.fs.write("in/a.txt", "changed")
            print(mw.fs.exists "in/new")
        ]], { "--allow-write", "in" })
        assert.equal("", errors)
        assert.equal("true\n", output)
        assert.equal(0, code)
        assert.equal(("x"):rep(1000000) .. "end", process.read(folder .. "/in/new"))
        assert.equal("first\nsecond\n", process.read(folder .. "/in/log"))
        assert.equal("changed", process.read(folder .. "/in/a.txt"))
        local pipe = assert(io.popen("ls -A " .. process.quote(folder .. "/in")))
        assert.equal("a.txt\nlog\nnew\npipe\nup\n", pipe:read "a")
        pipe:close()
    end)

    it("are sent from granted folders alone", function()
        local twin, settings = host.twin()
        finally(function() twin:stop() end)
        local text = [[
            local mw = require "moonwire"
            local desk = mw.connect "ooctopus"
            print(desk.messages:create(1, { content = "see", attachments = { "%s" } }).id ~= nil)
        ]]
        local function send(path, ...)
            return host.script(text:format(path), { flags = { "--allow", "*:*", ... }, cwd = folder, env = settings })
        end
        local output, errors, code = send("in/a.txt", "--allow-read", "in")
        assert.equal("", errors)
        assert.equal("true\n", output)
        assert.equal(0, code)
        for _, path in ipairs { "/etc/passwd", "out/secret", "in/up/secret" } do
            output, errors, code = send(path, "--allow-read", "in")
            assert.equal("", output)
            assert.is_truthy(errors:find(path, 1, true), errors)
            assert.equal(8, code)
        end
    end)
end)

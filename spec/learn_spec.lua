--- moonwire learn: the smallest policy that a run needs, and that it is the smallest.

local host = require "spec.support.host"
local process = require "spec.support.process"

local SCRIPT = [[
local mw = require "moonwire"
local desk = mw.connect "ooctopus"
desk.contacts:list()
local made = desk.contacts:create({ inbox_id = 1, name = "Ada" }).payload.contact
desk.contacts:update(made.id, { name = "Ada L." })
pcall(desk.contacts.get, desk.contacts, 999999)
mw.connect "circuit".webhooks:list()
print "done"
]]

local POLICY = [[
return {
    allow = {
        "circuit:webhooks.list",
        "ooctopus:contacts.create",
        "ooctopus:contacts.get",
        "ooctopus:contacts.list",
        "ooctopus:contacts.update",
    },
}
]]

describe("moonwire learn", function()
    local folder, script, policy

    setup(function()
        if host.binary:sub(1, 1) ~= "/" then
            local pipe = assert(io.popen("pwd"))
            host.binary = pipe:read("l") .. "/" .. host.binary
            pipe:close()
        end
    end)

    before_each(function()
        folder = process.folder()
        script = process.write(folder .. "/job.lua", SCRIPT)
        policy = folder .. "/job.policy.lua"
    end)

    after_each(function()
        process.remove(folder)
    end)

    local function moonwire(command, flags, options)
        local arguments = { command, "--twin", table.unpack(flags or {}) }
        arguments[#arguments + 1] = options and options.script or script
        return host.run(arguments, { cwd = folder, env = options and options.env })
    end

    local function body(path)
        local text = process.read(path or policy)
        return text and text:gsub("^%-%-[^\n]*\n", "")
    end

    --- Each entry of the policy alone is missing once, and the run ends as denied and names it.
    local function every_line_counts(flags, shown, options)
        local text, count = process.read(policy), 0
        local _, errors, code = moonwire("run", flags, options)
        assert.equal("", errors)
        assert.equal(0, code)
        for from, entry, to in text:gmatch '()        "([^\n]*)",\n()' do
            count = count + 1
            process.write(policy, text:sub(1, from - 1) .. text:sub(to))
            local output
            output, errors, code = moonwire("run", flags, options)
            local name = shown and shown[entry] or entry
            assert.equal(8, code, entry .. ": " .. errors .. output)
            assert.is_truthy(errors:find("denied", 1, true), errors)
            assert.is_truthy(errors:find(name, 1, true), entry .. ": " .. errors)
        end
        process.write(policy, text)
        return count
    end

    it("writes what the run needed, one entry a line, sorted", function()
        local output, errors, code = moonwire "learn"
        assert.equal("done\n", output)
        assert.equal("moonwire: learn: " .. policy .. " allows 5 operations; moonwire run finds it beside the script\n",
            errors)
        assert.equal(0, code)
        assert.equal(POLICY, body())
        assert.equal("-- What " .. script .. " needed, written by moonwire learn. What is not named here is denied.",
            process.read(policy):match "^[^\n]*")
        local pipe = assert(io.popen("ls -A " .. process.quote(folder)))
        assert.equal("job.lua\njob.policy.lua\n", pipe:read "a")
        pipe:close()
    end)

    it("writes nothing that the run does not need", function()
        process.write(script, (SCRIPT:gsub("pcall%b()", "desk.contacts:get(made.id)")))
        moonwire "learn"
        assert.equal(POLICY, body())
        assert.equal(5, every_line_counts())
    end)

    it("learns how a call with a key looks, even if it did not have to", function()
        process.write(script, [[
            local desk = require "moonwire".connect "ooctopus"
            desk.messages:create(1, { content = "Hi" }, { once = "hi" })
        ]])
        local _, errors, code = moonwire "learn"
        assert.equal(0, code, errors)
        assert.equal('return {\n    allow = {\n        "ooctopus:messages.create",\n        "ooctopus:messages.list",\n'
            .. "    },\n}\n", body())
        _, errors, code = moonwire "run"
        assert.equal("", errors)
        assert.equal(0, code)
    end)

    it("learns the main job", function()
        local main = process.read "scripts/triage.lua"
        process.write(script, main)
        local _, _, code = moonwire "learn"
        assert.equal(0, code)
        assert.equal(9, every_line_counts())
    end)

    it("learns raw requests, folders and variables, which count in a file that is named", function()
        assert(os.execute(("unset LD_PRELOAD; cd %s && mkdir -p data/sub out more"):format(process.quote(folder))))
        process.write(folder .. "/data/a", "a")
        process.write(folder .. "/data/sub/b", "b")
        process.write(script, [[
            local mw = require "moonwire"
            mw.connect "ooctopus":request("GET", "/api/v1/accounts/1/contacts")
            print(mw.fs.read "data/a", mw.fs.read "data/sub/b", mw.fs.exists "out/none", mw.env.COLOUR)
            mw.fs.write("out/new", "x")
        ]])
        local options = { env = { COLOUR = "blue" } }
        local output, errors, code = moonwire("learn", { "--allow-read", "data", "--allow-read", "data/sub",
            "--allow-read", "more", "--allow-write", "out", "--allow-env", "COLOUR" }, options)
        assert.equal("a\tb\tfalse\tblue\n", output)
        assert.matches("allows 0 operations, raw requests, folders and variables; it has to be named: "
            .. "moonwire run --policy " .. policy, errors, 1, true)
        assert.equal(0, code)
        assert.equal([[
return {
    allow = {
        "ooctopus:request",
    },
    read = {
        "data",
    },
    write = {
        "out",
    },
    env = {
        "COLOUR",
    },
}
]], body())
        assert.equal(4, every_line_counts({ "--policy", policy },
            { data = "can't read 'data/a'", out = "out/none" }, options))
        output, errors, code = moonwire("run", nil, options)
        assert.equal("", output)
        assert.matches("found beside the script, asks for", errors, 1, true)
        assert.equal(2, code)
    end)

    it("learns nothing where there is nothing", function()
        process.write(script, "print 'nothing'")
        local _, errors, code = moonwire "learn"
        assert.matches("allows 0 operations", errors, 1, true)
        assert.equal(0, code)
        assert.equal("return {\n    allow = {\n    },\n}\n", body())
        process.write(script, SCRIPT)
        _, _, code = moonwire "run"
        assert.equal(8, code)
    end)

    it("replaces no file by itself", function()
        process.write(policy, "return { allow = {} }")
        local output, errors, code = moonwire "learn"
        assert.equal("", output)
        assert.matches(policy .. " is there already; --force replaces it, --to FILE writes another", errors, 1, true)
        assert.equal(2, code)
        local other = folder .. "/other.lua"
        output, errors, code = moonwire("learn", { "--to", other })
        assert.equal("done\n", output)
        assert.matches("it has to be named: moonwire run --policy " .. other, errors, 1, true)
        assert.equal(0, code)
        assert.equal(POLICY, body(other))
        assert.equal("return { allow = {} }", process.read(policy))
        assert.equal("done\n", (moonwire("learn", { "--force" })))
        assert.equal(POLICY, body())
    end)

    it("writes nothing after a run that failed", function()
        process.write(script, SCRIPT .. "error 'late'\n")
        local _, errors, code = moonwire "learn"
        assert.matches("late", errors, 1, true)
        assert.matches("moonwire: learn: the run failed, so " .. policy .. " is not written\n$", errors)
        assert.equal(1, code)
        assert.is_nil(process.read(policy))
        process.write(script, SCRIPT)
        _, _, code = moonwire("learn", { "--deny", "*:write" })
        assert.equal(8, code)
        assert.is_nil(process.read(policy))
    end)

    it("learns from a dry run and from standard input", function()
        local _, _, code = moonwire("learn", { "--dry-run" })
        assert.equal(0, code)
        assert.equal(POLICY, body())
        local errors
        _, errors, code = host.run({ "learn", "--twin", "-" }, { input = SCRIPT })
        assert.matches("give --to FILE", errors, 1, true)
        assert.equal(2, code)
        _, _, code = host.run({ "learn", "--twin", "--to", folder .. "/in.lua", "-" }, { input = SCRIPT })
        assert.equal(0, code)
        assert.equal(POLICY, body(folder .. "/in.lua"))
    end)

    it("needs a policy itself where the configuration requires one", function()
        local config = process.write(folder .. "/config.lua", "{ require_policy = true }")
        local _, errors, code = host.run({ "learn", script }, { env = { MOONWIRE_CONFIG = config } })
        assert.matches("requires a policy: learn from a twin, with --twin, or from a --dry-run", errors, 1, true)
        assert.equal(8, code)
        _, _, code = moonwire("learn", nil, { env = { MOONWIRE_CONFIG = config } })
        assert.equal(0, code)
    end)
end)

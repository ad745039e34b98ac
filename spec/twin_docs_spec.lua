--- docs/twin.md, run as it stands: its commands in a shell, against the twins that it starts, its program in plain Lua;
-- and each answer that it shows is the one that came. Only what changes from run to run may differ: times, ports,
-- signatures, and what the page leaves out with "...".
local control = require "moonwire.twin.control"
local core = require "moonwire.core"
local faults = require "moonwire.twin.faults"
local handler = require "moonwire.twin.handler"

local host = require "spec.support.host"
local process = require "spec.support.process"

local PAGE = "docs/twin.md"

-- Prints what is posted to it, a JSON line each, and gives up after five minutes, so that nobody waits for ever.
local RECEIVER = [==[
local core = require "moonwire.core"
io.stdout:setvbuf "line"
local server = core.server { handler = function(request)
    print(core.json_encode { path = request.method .. " " .. request.path, headers = request.headers,
        body = request.body })
    return 200
end }
print(server.url:match ":(%d+)$")
core.sleep(300)
]==]

-- The fenced blocks of the page: { line, kind, text, shown = the block without a kind that stands behind it }.
local function read_blocks()
    local blocks, block, number = {}, nil, 0
    for line in (assert(process.read(PAGE)) .. "\n"):gmatch "(.-)\n" do
        number = number + 1
        local kind = line:match "^```(%a*)$"
        if kind and not block then
            block = { line = number, kind = kind, text = "" }
        elseif kind then
            local last = blocks[#blocks]
            if block.kind == "" then
                last.shown, last.shown_line = block.text, block.line
            else
                blocks[#blocks + 1] = block
            end
            block = nil
        elseif block then
            block.text = block.text .. line .. "\n"
        end
    end
    assert(not block, "a fence is open at the end")
    return blocks
end

-- Text without what may differ. Blanks don't count: the page breaks long answers.
local function plain(text)
    return (text:gsub("%s+", ""):gsub("%d%d%d%d%-%d%d%-%d%dT[%d:.]+Z", "DATE"):gsub("sha256=%x+", "SIGNATURE")
        :gsub("%d%d%d%d%d%d%d%d%d%d+%.?%d*", "TIME"))
end

local function assert_shown(line, shown, came)
    local pattern = plain(shown):gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0"):gsub("%%%.%%%.%%%.", ".*")
    if not plain(came):find("^" .. pattern .. "$") then
        error(("%s:%d shows\n%s\nand what came is\n%s"):format(PAGE, line, shown, came), 0)
    end
end

describe(PAGE, function()
    local blocks = read_blocks()
    local folder, twin, receiver, settings, port
    local definitions = "" -- variables and functions of the shell, from the blocks so far

    -- A folder that looks like the repository to whoever types commands in it.
    setup(function()
        folder = process.folder()
        local here = assert(io.popen "pwd"):read "l"
        for _, name in ipairs { "lua", "examples", "scripts", ".busted" } do
            assert(os.execute(("ln -s %s/%s %s"):format(process.quote(here), name, folder)))
        end
        local build = host.build == "." and here or here .. "/" .. host.build
        for _, name in ipairs { "bin", "lib" } do
            assert(os.execute(("ln -s %s/%s %s"):format(process.quote(build), name, folder)))
        end
        process.write(folder .. "/receiver.lua", RECEIVER)
    end)

    local function stop()
        if twin then
            twin:stop()
            twin = nil
        end
    end

    teardown(function()
        stop()
        if receiver then
            receiver:stop()
        end
        process.remove(folder)
    end)

    local function lua_environment()
        return {
            LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(folder, folder),
            LUA_CPATH = folder .. "/lib/?.so;;",
        }
    end

    local function receiver_port()
        receiver = receiver or process.start({ "lua5.4", folder .. "/receiver.lua" },
            { ready = "^%d+$", keep_preload = true, env = lua_environment() })
        return receiver.lines[#receiver.lines]
    end

    -- The page's ports are those of this run.
    local function here(text)
        if text:find(":8081", 1, true) then
            text = text:gsub(":8081", ":" .. receiver_port())
        end
        return port and text:gsub(":8080", ":" .. port) or text
    end

    -- `moonwire twin` runs until the page starts the next one.
    local function start(command)
        stop()
        while command:find("--limits", 1, true) and os.time() % 3600 > 3580 do
            os.execute "unset LD_PRELOAD; sleep 1" -- a window that ends amid the block would let more requests pass
        end
        local words = process.run({ "sh", "-c", [[eval "set -- $1"; printf '%s\n' "$@"]], "sh", command })
        local argv = {}
        for word in words:gsub(":8080", ":0"):gmatch "[^\n]+" do
            argv[#argv + 1] = word
        end
        argv[1] = folder .. "/" .. argv[1]
        twin = process.start(argv, { ready = "^export CIRCUIT_TOKEN=", cwd = folder, errors = folder .. "/errors" })
        settings = host.settings(twin)
        settings.TWIN_PID = tostring(twin.pid)
        port = settings.OOCTOPUS_URL:match ":(%d+)$"
        return table.concat(twin.lines, "\n")
    end

    local function define(text)
        for line in text:gmatch "[^\n]+" do
            if line:find "^%l+=[^`(]*$" or line:find "^%l+%(%) {" then
                definitions = definitions .. line .. "\n"
            end
        end
    end

    local function shell(text)
        local env = { MOONWIRE_BUILD = ".", LUA_PATH = false, LUA_CPATH = false }
        for name, value in pairs(settings or {}) do
            env[name] = value
        end
        return (process.run({ "bash", "-c", definitions .. here(text) }, { env = env, cwd = folder }))
    end

    local run = {
        sh = function(block)
            if block.text:find "^bin/moonwire twin %-%-listen" then
                return start(block.text)
            end
            local output = shell(block.text)
            define(here(block.text))
            return output
        end,
        lua = function(block)
            local path = process.write(folder .. "/block.lua", block.text)
            local output, _, code = process.run({ "lua5.4", path }, { keep_preload = true, env = lua_environment() })
            assert.equal(0, code)
            return output
        end,
        -- The next thing that was posted there, on port 8081.
        http = function(block)
            local got
            repeat
                got = core.json_decode(assert(receiver.output:read "l", "nothing was posted"))
            until got.path == block.text:match "^[^\n]*"
            local came = got.path .. "\n"
            for name in block.text:match "^(.-)\n\n":gmatch "\n([%w-]+):" do
                came = came .. ("%s: %s\n"):format(name, got.headers[name:lower()])
            end
            assert_shown(block.line, here(block.text), came .. got.body)
            local sent = got.headers["x-chatwoot-signature"]
            if sent then
                assert.equal(sent, "sha256=" .. core.hmac_sha256("twin-webhook-secret-1",
                    got.headers["x-chatwoot-timestamp"] .. "." .. got.body))
            end
        end,
    }

    for _, block in ipairs(blocks) do
        it(("line %d, %s"):format(block.line, block.text:match "^[^\n]*"), function()
            local came = assert(run[block.kind], "a block of an unknown kind")(block)
            if block.shown then
                assert_shown(block.shown_line, here(block.shown), came)
            end
        end)
    end

    it("was run, all of it", function()
        local counts = { sh = 0, lua = 0, http = 0, shown = 0 }
        for _, block in ipairs(blocks) do
            counts[block.kind] = counts[block.kind] + 1
            counts.shown = counts.shown + (block.shown and 1 or 0)
        end
        assert.is_true(counts.sh >= 15 and counts.lua >= 1 and counts.http >= 2 and counts.shown >= 14)
    end)

    it("notices an answer that is not the one it shows", function()
        assert_shown(1, '{"id":1, ... "at":1795331270}', '{"id":1,"x":2,"at":1795999999.5}')
        assert.has_error(function() assert_shown(1, '{"id":1}', '{"id":2}') end)
        assert.has_error(function() assert_shown(1, "a ... c", "a b") end)
    end)

    it("names the kinds of faults, the methods, the flags and the routes as they are", function()
        local page = process.read(PAGE)
        local kinds, methods, flags = 0, 0, 0
        local rows = handler.router().rows
        for kind in page:match "| KIND |.-\n\n":gmatch "\n| `([%w=-]+)`" do
            assert.truthy(faults.new("*:" .. kind, rows))
            kinds = kinds + 1
        end
        local t <close> = require "moonwire.twin".start { data = "empty" }
        for name in page:match "| on the twin |.-\n\n":gmatch "`t:([%w_]+)%(" do
            assert.is_function(t[name], name)
            methods = methods + 1
        end
        local help = host.run { "twin", "--help" }
        for flag in help:gmatch "\n  (%-%-[%l-]+)" do
            if flag ~= "--help" and flag ~= "--lua-dir" then
                assert.truthy(page:find(flag, 1, true), flag)
                flags = flags + 1
            end
        end
        assert.same({ 8, 10, 8 }, { kinds, methods, flags })
        for _, route in ipairs(control.routes()) do
            local asked = "\ncontrol '?" .. route.path:gsub("^/_twin/", ""):gsub("NAME", "%%l+") .. "[ '?]"
            assert.truthy(page:find(asked), route.path)
        end
    end)
end)

--- Servers of Lua that break off: connections that are dropped or reset, answers that are cut; seen by raw sockets and
--- by moonwire's own client. What goes over the wire in each case is proved in spec/c/server_fault_test.c.

local core = require "moonwire.core"
local mw = require "moonwire"

local process = require "spec.support.process"

local program = [==[
local core = require "moonwire.core"
local server
local routes = {}

function routes.ok(request) return 200, nil, request.peer end
function routes.drop() return nil, "drop" end
function routes.reset() return nil, "reset" end
function routes.drop_later() core.sleep(0.005) return nil, "drop" end
function routes.reset_later() core.sleep(0.005) return nil, "reset" end
function routes.cut() return 201, { ["x-mine"] = "yes" }, "0123456789", { cut = 4 } end
function routes.cut_all() return 200, nil, "0123456789", { cut = 0 } end
function routes.cut_none() return 200, nil, "0123456789", { cut = 10 } end
function routes.cut_later() core.sleep(0.005) return 200, nil, ("x"):rep(100000), { cut = 70000 } end
function routes.word() return nil, "dorp" end
function routes.nothing() return nil end
function routes.dropped_status() return 200, "drop" end
function routes.cut_negative() return 200, nil, "x", { cut = -1 } end
function routes.cut_text() return 200, nil, "x", { cut = "half" } end
function routes.cut_fraction() return 200, nil, "x", { cut = 0.5 } end
function routes.cut_missing() return 200, nil, "x", { cuts = 1 } end
function routes.cut_bare() return 200, nil, "x", 1 end
function routes.close() server:close() return nil, "reset" end

server = core.server { handler = function(request) return routes[request.path:sub(2)](request) end }
print(server.port)
io.stdout:flush()
server:serve()
print("closed", core.live())
]==]

describe("core.server that breaks off", function()
    local folder, server
    setup(function()
        folder = process.folder()
    end)
    teardown(function()
        process.remove(folder)
    end)
    before_each(function()
        local build = os.getenv "MOONWIRE_BUILD" or "."
        local path = process.write(folder .. "/server.lua", program)
        server = process.start({ "lua5.4", path }, {
            ready = "^%d+$",
            keep_preload = true,
            errors = folder .. "/errors",
            env = { LUA_PATH = "lua/?.lua;lua/?/init.lua;;", LUA_CPATH = build .. "/lib/?.so;;" },
        })
        server.port = server.lines[#server.lines]
    end)
    after_each(function()
        server:stop()
    end)

    -- GETs the paths over one connection, all at once; what came back, and whether it ended by a reset.
    local function get(...)
        local bytes = {}
        for _, path in ipairs { ... } do
            bytes[#bytes + 1] = ("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"):format(path)
        end
        local script = ("exec 3<>/dev/tcp/127.0.0.1/%s; cat >&3; cat <&3"):format(server.port)
        local answer, errors, code = process.run({ "timeout", "20", "bash", "-c", script },
            { input = table.concat(bytes), env = { LC_ALL = "C" } })
        local reset = errors:find("Connection reset by peer", 1, true) ~= nil
        assert.equal(reset and 1 or 0, code, errors)
        return answer, reset
    end

    it("closes in order, or by a reset, without a byte", function()
        for _, path in ipairs { "drop", "drop_later" } do
            assert.same({ "", false }, { get(path) })
        end
        for _, path in ipairs { "reset", "reset_later" } do
            assert.same({ "", true }, { get(path) })
        end
    end)

    it("tells who asks", function()
        assert.matches("\r\n\r\n127%.0%.0%.1$", (get("ok", "drop")))
    end)

    it("answers what came before a drop, and nothing behind it", function()
        local answer, reset = get("ok", "drop", "ok")
        assert.is_false(reset)
        assert.equal(1, select(2, answer:gsub("HTTP/1.1 200", "")))
    end)

    it("cuts the body and nothing else", function()
        local answer, reset = get("cut", "ok")
        assert.is_false(reset)
        assert.matches("^HTTP/1.1 201 .*\r\nContent%-Length: 10\r\n\r\n0123$", answer)
        assert.matches("\r\nx%-mine: yes\r\n", answer)
        assert.matches("\r\nContent%-Length: 10\r\n\r\n$", (get "cut_all"))
        assert.equal(70000, #(get "cut_later"):match "\r\n\r\n(x+)$")
        assert.matches("\r\n\r\n0123456789HTTP/1.1 201 ", (get("cut_none", "cut")))
    end)

    it("answers 500 to a fault that is none, and says why", function()
        local wrong = {
            word = "status is not an integer from 200 to 599 but nil", nothing = "but nil",
            dropped_status = "headers are a string", cut_negative = "'cut' is not an integer from 0 but %-1",
            cut_text = "but half", cut_fraction = "but 0.5", cut_missing = "but nil",
            cut_bare = "fourth value is a number",
        }
        for name, text in pairs(wrong) do
            local answer = get(name, "drop")
            assert.matches("^HTTP/1.1 500 .*\r\n\r\n{\"error\":\"internal error\"}$", answer)
            assert.matches("GET /" .. name .. ": [^\n]*" .. text, process.read(folder .. "/errors"))
        end
    end)

    it("may be closed by a handler that ends so", function()
        get "close"
        assert.matches("^closed", server.output:read "l")
        assert.equal(0, server:wait())
        assert.equal("", process.read(folder .. "/errors"))
    end)
end)

describe("a client of a server that breaks off", function()
    local how, seen

    local function with_server(test)
        seen = 0
        local server <close> = core.server {
            handler = function()
                seen = seen + 1
                if how == "cut" then
                    return 200, nil, '{"id":1}', { cut = 3 }
                end
                return nil, how
            end,
        }
        local desk <close> = mw.ooctopus { url = server.url, account = 1, token = "t", retries = 0 }
        test(desk)
    end

    it("gets 'ambiguous' for what may not be sent again, and sends it once", function()
        for _, fault in ipairs { "drop", "reset", "cut" } do
            how = fault
            with_server(function(desk)
                local ok, err = pcall(desk.contacts.create, desk.contacts, { name = "Ada", inbox_id = 1 })
                assert.is_false(ok)
                assert.same({ fault, "ambiguous", "unknown", 1 }, { fault, err.kind, err.sent, seen })
            end)
        end
    end)

    it("gets 'network' for what changes nothing", function()
        for _, fault in ipairs { "drop", "reset", "cut" } do
            how = fault
            with_server(function(desk)
                local ok, err = pcall(desk.contacts.get, desk.contacts, 1)
                assert.is_false(ok)
                assert.same({ fault, "network" }, { fault, err.kind })
                if fault == "reset" then
                    assert.matches("reset by peer", err.message)
                end
            end)
        end
    end)

    it("gets 'ambiguous' on a kept connection too", function()
        local paths = {}
        local server <close> = core.server {
            handler = function(request)
                paths[#paths + 1] = request.method
                if request.method == "POST" then
                    return nil, "drop"
                end
                return 200, nil, "{}"
            end,
        }
        local desk <close> = mw.ooctopus { url = server.url, account = 1, token = "t", retries = 0 }
        desk.contacts:get(1)
        local ok, err = pcall(desk.contacts.create, desk.contacts, { name = "Ada", inbox_id = 1 })
        assert.is_false(ok)
        assert.equal("ambiguous", err.kind)
        assert.same({ "GET", "POST" }, paths)
    end)
end)

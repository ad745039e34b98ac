--- core.server, the HTTP server of Lua: in a process of its own with raw bytes sent to it, and on one loop with a
--- client. What bytes the server takes and refuses is proved in spec/c/server_test.c.

local core = require "moonwire.core"
local mw = require "moonwire"

local process = require "spec.support.process"

-- A server with a handler for each case; prints its port, then what is left to say when it was closed.
local program = [==[
local core = require "moonwire.core"
local server
local released = false
local routes = {}

function routes.echo(request)
    local lines = {}
    for _, key in ipairs { "method", "target", "path", "query", "body" } do
        lines[#lines + 1] = key .. "=" .. request[key]
    end
    local names = {}
    for name in pairs(request.headers) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        lines[#lines + 1] = name .. ": " .. request.headers[name]
    end
    return 200, { ["content-type"] = "text/plain" }, table.concat(lines, "\n")
end
function routes.json() return 201, nil, "{}" end
function routes.bare() return 204 end
function routes.headers()
    return 200, { ["X-Number"] = 42, ["X-List"] = { "a", 2, "c" }, ["X-None"] = {} }, "ok"
end
function routes.slow()
    while not released do core.sleep(0.005) end
    return 200, nil, "slow"
end
function routes.release()
    released = true
    return 200, nil, "fast"
end
function routes.boom() error "out of order" end
function routes.boom_table() error(setmetatable({}, { __tostring = function() return "a table\nwent wrong" end })) end
function routes.boom_nil() error(nil) end
function routes.boom_later() core.sleep(0.001) error "later" end
function routes.no_status() end
function routes.odd_status() return 42 end
function routes.text_status() return "fine" end
function routes.odd_body() return 200, nil, {} end
function routes.odd_headers() return 200, "text/plain", "" end
function routes.injected() return 200, { ["x-a"] = "b\r\nset-cookie: c" }, "secret" end
function routes.injected_name() return 200, { ["x-a: b\r\nset-cookie"] = "c" }, "secret" end
function routes.nul() return 200, { ["x-a"] = "b\0c" }, "secret" end
function routes.number_name() return 200, { "x" }, "secret" end
function routes.many()
    local list = {}
    for i = 1, 101 do list[i] = "x" end
    return 200, { ["x-a"] = list }, "secret"
end
function routes.close() server:close() return 200, nil, "never arrives" end

server = core.server {
    max_body = 100, max_header = 600, deadline = tonumber(... or "60"),
    handler = function(request) return routes[request.path:sub(2)](request) end,
}
print(server.port)
io.stdout:flush()
server:serve()
print("closed", core.live())
]==]

local folder
local function start(...)
    local build = os.getenv "MOONWIRE_BUILD" or "."
    local path = process.write(folder .. "/server.lua", program)
    local server = process.start({ "lua5.4", path, ... }, {
        ready = "^%d+$",
        keep_preload = true,
        errors = folder .. "/errors",
        env = { LUA_PATH = "lua/?.lua;lua/?/init.lua;;", LUA_CPATH = build .. "/lib/?.so;;" },
    })
    server.port = server.lines[#server.lines]
    return server
end

-- Sends bytes and returns what comes back until the server hangs up.
local function talk(server, bytes)
    local script = ("exec 3<>/dev/tcp/127.0.0.1/%s; cat >&3; cat <&3"):format(server.port)
    return (process.run({ "timeout", "20", "bash", "-c", script }, { input = bytes }))
end

local function get(server, path)
    local answer = talk(server, ("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):format(path))
    local status, head, body = answer:match "^HTTP/1.1 (%d+) [^\r]*\r\n(.-)\r\n\r\n(.*)$"
    assert(status, ("no answer to %s but %q"):format(path, answer))
    return tonumber(status), head .. "\r\n", body
end

describe("core.server", function()
    setup(function()
        folder = process.folder()
    end)
    teardown(function()
        process.remove(folder)
    end)

    describe("in a process of its own", function()
        local server
        before_each(function()
            server = start()
        end)
        after_each(function()
            server:stop()
        end)

        it("gives the handler the request as it was sent", function()
            local answer = talk(server, "PUT /echo?a=%20b&c HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two: 2\r\n"
                .. "Content-Length: 5\r\nConnection: close\r\n\r\nb\0dy\n")
            assert.equal(table.concat({
                "method=PUT", "target=/echo?a=%20b&c", "path=/echo", "query=a=%20b&c", "body=b\0dy\n",
                "connection: close", "content-length: 5", "host: x", "x-two: 1, 2",
            }, "\n"), answer:match "\r\n\r\n(.*)$")
            assert.matches("\r\n[Cc]ontent%-[Tt]ype: text/plain\r\n", answer)
            assert.not_matches("application/json", answer)
            local _, _, body = get(server, "/echo")
            assert.matches("\ntarget=/echo\npath=/echo\nquery=\nbody=\n", body)
        end)

        it("says JSON unless told otherwise, and nothing of an empty body", function()
            local status, head, body = get(server, "/json")
            assert.same({ 201, "{}" }, { status, body })
            assert.matches("\r\nContent%-Type: application/json\r\n", head)
            status, head, body = get(server, "/bare")
            assert.same({ 204, "" }, { status, body })
            assert.not_matches("Content%-Type", head)
        end)

        it("takes numbers and lists as header values", function()
            local status, head = get(server, "/headers")
            assert.equal(200, status)
            for _, line in ipairs { "X-Number: 42", "X-List: a", "X-List: 2", "X-List: c" } do
                assert.truthy(head:find("\r\n" .. line .. "\r\n", 1, true), line)
            end
            assert.not_matches("X%-None", head)
        end)

        it("serves others while a handler waits", function()
            local script = ([[
                exec 3<>/dev/tcp/127.0.0.1/%s 4<>/dev/tcp/127.0.0.1/%s
                printf 'GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3
                sleep 0.05
                printf 'GET /release HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&4
                cat <&4; cat <&3]]):format(server.port, server.port)
            local answers = process.run { "timeout", "20", "bash", "-c", script }
            assert.matches("\r\n\r\nfast.*\r\n\r\nslow$", answers)
        end)

        it("answers 500 to whatever a handler does wrong, says so in the log, and goes on", function()
            local wrong = {
                boom = "out of order", boom_table = "a table.*went wrong", boom_nil = "nil", boom_later = "later",
                no_status = "status", odd_status = "42", text_status = "fine", odd_body = "body is a table",
                odd_headers = "headers are a string", injected = "not allowed", injected_name = "not allowed",
                nul = "NUL", number_name = "name is a number", many = "more than 100", not_there = "nil value",
            }
            for name, text in pairs(wrong) do
                local status, head, body = get(server, "/" .. name)
                assert.same({ name, 500, '{"error":"internal error"}' }, { name, status, body })
                assert.not_matches("set%-cookie", head)
                local log = process.read(folder .. "/errors")
                assert.matches("GET /" .. name .. ": [^\n]*" .. text, log)
                assert.matches("GET /" .. name .. ": [^\n]*stack traceback", log)
            end
            assert.equal(201, (get(server, "/json")))
        end)

        it("keeps its limits", function()
            local head = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            assert.matches("^HTTP/1.1 200", talk(server, head .. "Content-Length: 100\r\n\r\n" .. ("x"):rep(100)))
            assert.matches("^HTTP/1.1 413", talk(server, head .. "Content-Length: 101\r\n\r\n" .. ("x"):rep(101)))
            assert.matches("^HTTP/1.1 431", talk(server, head .. "X: " .. ("x"):rep(600) .. "\r\n\r\n"))
            assert.matches("^HTTP/1.1 400", talk(server, head .. "Host: y\r\n\r\n"))
        end)

        it("may be closed by its handler while others wait", function()
            local script = ([[
                exec 3<>/dev/tcp/127.0.0.1/%s 4<>/dev/tcp/127.0.0.1/%s
                printf 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n' >&3
                sleep 0.05
                printf 'GET /close HTTP/1.1\r\nHost: x\r\n\r\n' >&4
                cat <&4; cat <&3]]):format(server.port, server.port)
            assert.equal("", (process.run { "timeout", "20", "bash", "-c", script }))
            assert.matches("^closed", server.output:read "l")
            assert.equal(0, server:wait())
        end)
    end)

    it("closes a connection that drips past the deadline", function()
        local server = start "0.1"
        finally(function() server:stop() end)
        local script = ([[
            exec 3<>/dev/tcp/127.0.0.1/%s
            trap '' PIPE
            while printf 'a' >&3; do sleep 0.01; done 2>/dev/null
            echo closed]]):format(server.port)
        assert.equal("closed\n", (process.run { "timeout", "20", "bash", "-c", script }))
    end)

    it("serves a client on its own loop", function()
        local seen = 0
        local server <close> = core.server {
            handler = function(request)
                seen = seen + 1
                core.sleep(0.001 * (seen % 5))
                return 200, nil, mw.json.encode { path = request.path, token = request.headers.api_access_token }
            end,
        }
        local desk = mw.ooctopus { url = server.url, account = 1, token = "t" }
        local paths = {}
        for i = 1, 64 do
            paths[i] = "/api/v1/" .. i
        end
        local answers = mw.map(paths, function(path)
            return desk:request("GET", path)
        end, { concurrency = 16 })
        for i, path in ipairs(paths) do
            assert.same({ path = path, token = "t" }, answers[i])
        end
        assert.equal(64, seen)
    end)

    it("has fields, a name, and an end that may come twice", function()
        local server = core.server { handler = print }
        assert.equal("127.0.0.1", server.host)
        assert.equal("http://127.0.0.1:" .. server.port, server.url)
        assert.is_true(server.port > 0)
        assert.is_nil(server.nothing)
        assert.equal("moonwire.server: " .. server.url, tostring(server))
        server:close()
        server:close()
        server:serve()
        assert.equal("moonwire.server: " .. server.url .. " (closed)", tostring(server))
        local six <close> = core.server { host = "::1", handler = print }
        assert.equal(("http://[::1]:%d"):format(six.port), six.url)
    end)

    it("frees its port when it is closed", function()
        local port
        do
            local server <close> = core.server { handler = print }
            port = server.port
        end
        local again <close> = core.server { handler = print, port = port }
        assert.equal(port, again.port)
    end)

    it("wakes those who serve it", function()
        local server = core.server { handler = print }
        local done = false
        local task = mw.spawn(function()
            server:serve()
            done = true
        end)
        mw.spawn(function()
            mw.sleep(0.01)
            server:close()
        end)
        task:wait()
        assert.is_true(done)
    end)

    it("ends its wait with its task", function()
        local server <close> = core.server { handler = print }
        local task = mw.spawn(server.serve, server)
        mw.sleep(0)
        task:cancel()
        local ok, err = pcall(task.wait, task)
        assert.is_false(ok)
        assert.equal("cancelled", err.kind)
    end)

    it("says what is wrong with its options", function()
        local server <close> = core.server { handler = print }
        local cases = {
            { "network", "can't listen on 127.0.0.1 port %d+: address already in use", { port = server.port } },
            { "invalid", "'nowhere': not a numeric address", { host = "nowhere" } },
            { "invalid", "unknown option 'prot' %(did you mean 'port'", { prot = 1 } },
            { "invalid", "port must be an integer from 0 to 65535, got 65536", { port = 65536 } },
            { "invalid", "port must be an integer from 0 to 65535, got %-1", { port = -1 } },
            { "invalid", "port must be an integer from 0 to 65535, got x", { port = "x" } },
            { "invalid", "'max_body' must be an integer above 0", { max_body = 0 } },
            { "invalid", "'deadline' must be a number of seconds", { deadline = "soon" } },
        }
        for _, case in ipairs(cases) do
            case[3].handler = print
            local ok, err = pcall(core.server, case[3])
            assert.is_false(ok)
            assert.equal(case[1], err.kind)
            assert.matches(case[2], err.message)
        end
        local _, err = pcall(core.server, {})
        assert.matches("handler is a nil, not a function", err.message)
        _, err = pcall(core.server)
        assert.matches("options are missing", err.message)
        _, err = pcall(server.close, {})
        assert.matches("server:close%(%)", err.message)
    end)
end)

--- core.post over real sockets: what exactly goes out, once; what is refused before; what comes of failures.

local core = require "moonwire.core"
local mw = require "moonwire"

local calls = require "spec.support.calls"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local failing = calls.failing

describe("core.post", function()
    local server
    setup(function()
        server = raw.start()
    end)
    teardown(function()
        server:stop()
    end)
    before_each(function()
        server:clear()
    end)
    after_each(function()
        calls.quiet()
    end)

    local function post(behaviour, options)
        local all = { url = server:url(behaviour) }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        return core.post(all)
    end

    local function failed(kinds, behaviour, options)
        return failing(kinds, post, behaviour, options)
    end

    it("sends these bytes and header lines, and little else", function()
        local bytes = "a\0b\r\n\xff{}"
        local status, body = post("echo/a%20b/../c;d?x=%41&y", {
            body = bytes,
            headers = { ["X-One"] = "1", ["x-list"] = { "a", 2 }, ["X-Empty"] = "", ["X-Tab"] = " a\tb ",
                ["Content-Type"] = "application/json" },
        })
        assert.same({ 200, bytes }, { status, body })
        local log = server:log()
        assert.equal(1, #log)
        local request = log[1]
        assert.same({ "POST", "/echo/a%20b/../c;d?x=%41&y", bytes }, { request.method, request.target, request.body })
        local lines = {}
        for _, header in ipairs(request.headers) do
            lines[#lines + 1] = header.spelled .. "=" .. header.value
        end
        table.sort(lines)
        assert.same({
            "Accept=*/*", "Content-Length=" .. #bytes, "Content-Type=application/json",
            "Host=127.0.0.1:" .. server.port, "User-Agent=moonwire/" .. core.version, "X-Empty=", "X-One=1",
            "X-Tab=a\tb ", "x-list=2", "x-list=a",
        }, lines)
    end)

    it("sends no body and no type unless there is one, and the caller's own User-Agent", function()
        assert.equal(200, (post("ok", { headers = { ["user-agent"] = "mine", accept = "text/html" } })))
        local request = server:log()[1]
        assert.same({ "0", {}, { "mine" }, { "text/html" } }, {
            request:header "content-length", request:values "content-type", request:values "user-agent",
            request:values "accept" })
        core.post { url = ("HTTP://LOCALHOST:%d#fragment"):format(server.port), loopback = true }
        assert.equal("/", server:log()[2].target)
    end)

    it("sends a large body whole", function()
        local bytes = ("0123456789abcdef"):rep(1 << 17)
        local status, body = post("echo", { body = bytes, max_body = #bytes })
        assert.equal(200, status)
        assert.is_true(body == bytes)
        assert.is_true(server:log()[1].body == bytes)
    end)

    it("gives whatever status comes, and follows no redirect", function()
        for _, status in ipairs { 401, 404, 422, 429, 500, 503 } do
            assert.equal(status, (post("status/" .. status)))
        end
        assert.equal(302, (post "redirect-loop"))
        assert.same({ 204, "" }, { post "204" })
        assert.same({ 200, "" }, { post "empty" })
        assert.equal(9, #server:log())
    end)

    it("uses a connection of its own each time", function()
        for _ = 1, 3 do
            assert.equal(200, (post "die-on-reuse"))
        end
        local connections = {}
        for i, request in ipairs(server:log()) do
            assert.equal(1, request.sequence)
            connections[i] = request.connection
        end
        assert.equal(3, #connections)
        assert.is_true(connections[1] < connections[2] and connections[2] < connections[3])
    end)

    it("says what went wrong, and sends once", function()
        local cases = {
            { "close", "network", "Empty reply" }, { "reset", "network", "reset by peer" },
            { "stall", "timeout", "no whole answer after 0%.%d s", { timeout = 0.2 } },
            { "stall-body", "timeout", "no whole answer after 0%.%d s", { timeout = 0.2 } },
            { "reset-body", "network", "reset by peer" }, { "short", "network", "bytes remaining" },
            { "big/65537", "too_large", "larger than 65536 bytes %(max_body raises the limit%)" },
            { "big-chunked/101", "too_large", "larger than 100 bytes", { max_body = 100 } },
            { "big-close/101", "too_large", "larger than 100 bytes", { max_body = 100 } },
            { "overflow-length", "network", "Content%-Length is no usable number" },
            { "two-lengths", "network", "Content%-Length is no usable number" },
            { "endless-headers", "too_large", "headers and trailers are larger" },
            { "endless-trailers", "too_large", "headers and trailers are larger" },
        }
        for _, case in ipairs(cases) do
            local behaviour, kind, text = case[1], case[2], case[3]
            server:clear()
            local err = failed(kind, behaviour .. "?key=hidden", case[4])
            local where = ("POST 127.0.0.1:%d/%s: "):format(server.port, behaviour)
            assert.equal(where, err.message:sub(1, #where))
            assert.matches(text, err.message)
            assert.same({ "post", "unknown", 1 }, { err.operation, err.sent, err.attempts })
            assert.equal(server:url(behaviour), err.url)
            assert.not_matches("hidden", tostring(err))
            assert.equal(1, #server:log(), behaviour)
        end
        assert.equal(65536, #select(2, post "big/65536"))
    end)

    it("tells a server that is not there", function()
        local closed = core.server { handler = print }
        closed:close()
        local err = failing("network", core.post, { url = closed.url .. "/x" })
        assert.same({ "no", 0 }, { err.sent, err.attempts })
        assert.matches("POST 127.0.0.1:%d+/x: .*connect", err.message)
        err = failing("network", core.post, { url = "http://no-such-name.invalid/x" })
        assert.equal("no", err.sent)
        assert.matches("POST no%-such%-name%.invalid:80/x: ", err.message)
    end)

    it("shows no secret of a client of the same loop", function()
        local desk <close> = mw.ooctopus { url = server:url(), account = 1, token = "t0ken-of-us" }
        local err = failed("network", "close/t0ken-of-us/x")
        assert.matches("/close/%*+/x: ", err.message)
        assert.not_matches("t0ken", tostring(err) .. err.url)
        err = failed("network", "close/" .. ("x"):rep(494) .. "t0ken-of-us/" .. ("y"):rep(1000))
        assert.not_matches("t0k", tostring(err) .. err.url) -- which end in the middle of it
        assert.truthy(desk)
    end)

    it("refuses what is wrong before anything is sent", function()
        local url = server:url()
        local cases = {
            { {}, "option 'url' is missing" },
            { { url = "" }, "the URL" },
            { { url = "/path" }, "can't be understood" },
            { { url = "127.0.0.1/path" }, "can't be understood" },
            { { url = "http://" }, "can't be understood" },
            { { url = "ftp://127.0.0.1/" }, "neither http nor https" },
            { { url = "file:///etc/passwd" }, "neither http nor https" },
            { { url = "gopher://127.0.0.1/" }, "neither http nor https" },
            { { url = "http://a:b@127.0.0.1/" }, "holds a user" },
            { { url = "http://127.0.0.1:99999/" }, "can't be understood" },
            { { url = url .. "/a b" }, "not percent%-encoded" },
            { { url = url .. "/\r\nX: y" }, "not percent%-encoded" },
            { { url = url .. "/\xc3\xa4" }, "not percent%-encoded" },
            { { url = url .. ("/x"):rep(5000) }, "too long" },
            { { url = url .. "\0" }, "without NUL" },
            { { url = 1 }, "'url' must be a string" },
            { { url = url, headers = "x" }, "'headers' must be a table, got a string" },
            { { url = url, headers = { "x" } }, "a header name is a number" },
            { { url = url, headers = { [""] = "x" } }, "characters that are not allowed" },
            { { url = url, headers = { ["a b"] = "x" } }, "'a b' holds characters that are not allowed" },
            { { url = url, headers = { ["a\r\nb"] = "x" } }, "characters that are not allowed" },
            { { url = url, headers = { ["a:"] = "x" } }, "characters that are not allowed" },
            { { url = url, headers = { a = "b\r\nc: d" } }, "the value of header 'a' holds control characters" },
            { { url = url, headers = { a = "b\0" } }, "the value of header 'a' holds a NUL" },
            { { url = url, headers = { a = true } }, "the value of header 'a' is a boolean" },
            { { url = url, headers = { a = ("x"):rep(70000) } }, "header 'a' is too long" },
            { { url = url, headers = { ["Content-Length"] = 5 } }, "follows from URL and body" },
            { { url = url, headers = { ["transfer-encoding"] = "chunked" } }, "follows from URL and body" },
            { { url = url, headers = { Host = "x" } }, "follows from URL and body" },
            { { url = url, body = {} }, "'body' must be a string, got a table" },
            { { url = url, timeout = 0 }, "'timeout' must be a number of seconds" },
            { { url = url, max_body = -1 }, "'max_body' must be an integer above 0" },
            { { url = url, loopback = 1 }, "'loopback' must be true or false" },
            { { url = url, header = {} }, "unknown option 'header' %(did you mean 'headers'" },
        }
        for _, case in ipairs(cases) do
            local err = failing("invalid", core.post, case[1])
            assert.matches(case[2], err.message)
            assert.equal("no", err.sent)
        end
        local many = {}
        for i = 1, 101 do
            many[i] = "x"
        end
        assert.matches("more than 100 headers", failed("invalid", "ok", { headers = { a = many } }).message)
        assert.matches("expected a table of options, got nil", failing("invalid", core.post).message)
        assert.same({}, server:log())
    end)

    it("connects to loopback alone when it is told to", function()
        for _, host in ipairs { "127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]" } do
            local url = ("http://%s:%d/ok"):format(host, server.port)
            assert.equal(200, (core.post { url = url, loopback = true }), host)
        end
        local six <close> = core.server { host = "::1", handler = function() return 200, nil, "six" end }
        assert.same({ 200, "six" }, { core.post { url = six.url, loopback = true } })
        assert.equal(4, #server:log())
    end)

    it("refuses every other address, whatever it is called, and sends nothing", function()
        local seen = 0
        local function count()
            seen = seen + 1
            return 200
        end
        -- Listens on all addresses of the machine, so that each of them would be answered.
        local any <close> = core.server { host = "0.0.0.0", handler = count }
        local any6 <close> = core.server { host = "::", handler = count }
        local hosts = { { "0.0.0.0", any }, { "0", any }, { "[::]", any6 } }
        for address in process.run({ "hostname", "-I" }):gmatch "%S+" do
            local is_six = address:find(":", 1, true) ~= nil
            hosts[#hosts + 1] = { is_six and "[" .. address .. "]" or address, is_six and any6 or any }
        end
        for _, host in ipairs(hosts) do
            local url = ("http://%s:%d/x?key=hidden"):format(host[1], host[2].port)
            assert.equal(200, (core.post { url = url }), host[1])
            local before = seen
            local err = failing("denied", core.post, { url = url, loopback = true })
            assert.matches("only loopback addresses are allowed; nothing was sent", err.message)
            assert.same({ "no", 0, before }, { err.sent, err.attempts, seen })
            assert.not_matches("hidden", tostring(err))
        end
    end)

    it("goes past the proxy of the environment", function()
        local output, errors, code = calls.child([[
            local core = require "moonwire.core"
            print(core.post { url = (...), body = "direct" })
        ]], { http_proxy = "http://127.0.0.1:1", HTTP_PROXY = "http://127.0.0.1:1", ALL_PROXY = "http://127.0.0.1:1" },
            { server:url "echo" })
        assert.equal(0, code, errors)
        assert.equal("200\tdirect\n", output)
    end)

    it("lets other tasks run, and many posts at once", function()
        local open, most = 0, 0
        local slow <close> = core.server { handler = function(request)
            open = open + 1
            most = math.max(most, open)
            while most < 8 do
                core.sleep(0.001)
            end
            open = open - 1
            return 200, nil, request.body
        end }
        local list = {}
        for i = 1, 32 do
            list[i] = tostring(i)
        end
        local answers = mw.map(list, function(body)
            return (select(2, core.post { url = slow.url, body = body, loopback = true }))
        end, { concurrency = 8 })
        list.n = #list
        assert.same(list, answers)
        assert.equal(8, most)
    end)

    it("is given up with its task", function()
        local reached, left = false, false
        local slow <close> = core.server { handler = function()
            reached = true
            while not left do
                core.sleep(0.001)
            end
            return nil, "drop"
        end }
        local task = mw.spawn(core.post, { url = slow.url, timeout = 60 })
        while not reached do
            mw.sleep(0.001)
        end
        task:cancel()
        assert.equal("cancelled", failing("cancelled", task.wait, task).kind)
        left = true
        local early = mw.spawn(core.post, { url = slow.url })
        mw.sleep(0)
        early:cancel()
        failing("cancelled", early.wait, early)
        for _ = 1, 1000 do -- the handlers have to hear of it
            if core.live() > 0 then
                mw.sleep(0.001)
            end
        end
    end)

    it("leaves nothing behind where a script ends in the middle", function()
        local output, errors, code = calls.child([[
            local core = require "moonwire.core"
            core.spawn(core.post, { url = (...), timeout = 60 })
            core.sleep(0.05)
            print "over"
        ]], nil, { server:url "stall" })
        assert.equal(0, code, errors)
        assert.equal("over\n", output)
    end)

    it("trusts whom the system trusts, and nobody else", function()
        local folder = process.folder()
        local tls
        finally(function()
            if tls then
                tls:stop()
            end
            process.remove(folder)
        end)
        local _, errors, code = process.run({ "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key", "-out", "pem", "-subj", "/CN=localhost" },
            { cwd = folder })
        assert.equal(0, code, errors)
        tls = process.start({ "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "pem", "-key", "key",
            "-www" }, { ready = "^ACCEPT ", cwd = folder, errors = "/dev/null" })
        local port = tls.lines[#tls.lines]:match ":(%d+)%s*$"
        local err = failing("tls", core.post, { url = ("https://localhost:%s/x"):format(port) })
        assert.matches("POST localhost:%d+/x: .*certificate", err.message)
        assert.same({ "no", 0 }, { err.sent, err.attempts })
    end)
end)

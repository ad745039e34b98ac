--- Redirects: a GET may be led on within its origin, at most three times; nothing else is, and a token never leaves
--- for another origin.

local mw = require "moonwire"

local calls = require "spec.support.calls"
local raw = require "spec.support.raw"

local failing = calls.failing
local token = "token-that-stays-0c1d"

describe("redirects", function()
    local server, other, client

    local function desk(behaviour)
        client = mw.ooctopus { url = server:url(behaviour), account = 1, token = token }
        return client
    end

    local function to(location, status)
        local headers = location and { "Location: " .. location } or {}
        return server:answer("away", calls.answer(status or "302 Found", headers, ""))
    end

    setup(function()
        server, other = raw.start(), raw.start()
    end)

    teardown(function()
        server:stop()
        other:stop()
        calls.quiet()
    end)

    before_each(function()
        server:clear()
        other:clear()
    end)

    after_each(function()
        if client then
            client:close()
            client = nil
        end
    end)

    it("are followed three times by a GET", function()
        local result = desk("redirect-count/3").contacts:list { page = 2 }
        assert.same({ ok = true }, result)
        local log = server:log()
        assert.equal(4, #log)
        for i, request in ipairs(log) do
            assert.equal("GET", request.method)
            assert.equal(("/redirect-count/%d/api/v1/accounts/1/contacts?page=2"):format(4 - i), request.target)
            assert.equal(token, request:header("api_access_token"))
        end
    end)

    it("are not followed a fourth time", function()
        local err = failing("rejected", function() desk("redirect-count/4").contacts:list() end)
        assert.equal(302, err.status)
        assert.equal(4, #server:log())
        server:clear()
        failing("rejected", function() desk("redirect-loop").contacts:list() end)
        assert.equal(4, #server:log())
    end)

    it("may be relative, with every status that a GET is led on by", function()
        for _, status in ipairs { "301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent" } do
            local result = desk(to("/ok/here", status)).contacts:list()
            assert.same({ ok = true }, result, status)
            client:close()
        end
        assert.same({ ok = true }, (desk(to(server:url("ok/absolute"))).contacts:list()))
    end)

    it("are asked for as they are written, dots and all", function()
        for _, path in ipairs { "/ok/../b", "/ok/./b/..", "/ok/%2e%2e/%2E/b?c=/../d", "/ok//b/" } do
            for _, target in ipairs { path, ("http://127.0.0.1:%d%s"):format(server.port, path) } do
                server:clear()
                assert.same({ ok = true }, (desk(to(target)).contacts:list()), target)
                local log = server:log()
                assert.equal(2, #log)
                assert.equal(path, log[2].target)
                client:close()
            end
        end
    end)

    it("are not followed by anything that writes", function()
        local writes = {
            function(c) c.contacts:create { inbox_id = 1 } end,
            function(c) c.teams:update(1, { name = "x" }) end,
            function(c) c.contacts:update(1, { name = "x" }) end,
            function(c) c.contacts:delete(1) end,
        }
        for _, status in ipairs { "301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent" } do
            for _, write in ipairs(writes) do
                server:clear()
                local err = failing("rejected", write, desk(to("/ok/here", status)))
                assert.equal(tonumber(status:match("^%d+")), err.status)
                assert.equal(1, #server:log())
                client:close()
            end
        end
    end)

    it("don't lead to another port, host, scheme or user", function()
        local port = server.port
        local targets = {
            other:url("ok"),
            ("http://localhost:%d/ok"):format(port),
            ("https://127.0.0.1:%d/ok"):format(port),
            ("//127.0.0.1:%d/ok"):format(other.port),
            ("http://user:word@127.0.0.1:%d/ok"):format(port),
            ("http://127.0.0.1:%d@127.0.0.1:%d/ok"):format(port, other.port),
            "file:///etc/hostname",
            "ftp://127.0.0.1/x",
            "http://[::1",
        }
        for _, target in ipairs(targets) do
            server:clear()
            failing("rejected", function() desk(to(target)).contacts:list() end)
            assert.equal(1, #server:log(), target)
            client:close()
        end
        assert.equal(0, #other:log())
    end)

    it("don't lead away by a host that browsers would see and URLs don't have", function()
        for _, target in ipairs { "\\\\127.0.0.1:%d/ok", "/\\127.0.0.1:%d/ok", "http:/\\127.0.0.1:%d/ok" } do
            pcall(function() return desk(to(target:format(other.port))).contacts:list() end)
            client:close()
        end
        assert.equal(0, #other:log())
    end)

    it("name their target, so that the base URL can be put right", function()
        local err = failing("rejected", function() desk(to(other:url("ok"))).contacts:list() end)
        assert.truthy(tostring(err):find(other:url("ok"), 1, true))
        assert.equal(302, err.status)
    end)

    it("without a target are refused", function()
        failing("rejected", function() desk(to(nil)).contacts:list() end)
    end)
end)

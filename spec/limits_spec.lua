--- Sizes: whatever a server sends, an answer is whole, or an error; it is never cut in silence and never fills the
--- memory.

local mw = require "moonwire"

local calls = require "spec.support.calls"
local raw = require "spec.support.raw"

local failing = calls.failing
local mebi = 1024 * 1024

describe("limits", function()
    local server, client

    local function desk(behaviour, options)
        local all = { url = server:url(behaviour), account = 1, token = "t0ken" }
        for name, value in pairs(options or {}) do
            all[name] = value
        end
        client = mw.ooctopus(all)
        return client
    end

    local function get(behaviour, options, call_options)
        return desk(behaviour, options).contacts:get(1, nil, call_options)
    end

    setup(function()
        server = raw.start()
    end)

    teardown(function()
        server:stop()
        calls.quiet()
    end)

    after_each(function()
        if client then
            client:close()
        end
    end)

    for _, framing in ipairs { "big", "big-chunked", "big-close" } do
        it("a body of 32 MiB is whole, and one byte more is too large: " .. framing, function()
            assert.equal(32 * mebi - 2, #get(framing .. "/" .. 32 * mebi))
            local err = failing("too_large", get, framing .. "/" .. 32 * mebi + 1)
            assert.equal("contacts:get", err.operation)
            assert.truthy(err.message:find(tostring(32 * mebi), 1, true), err.message)
        end)

        it("max_body is exact: " .. framing, function()
            assert.equal(998, #get(framing .. "/1000", { max_body = 1000 }))
            failing("too_large", get, framing .. "/1001", { max_body = 1000 })
            assert.equal(998, #get(framing .. "/1000", nil, { max_body = 1000 }))
            failing("too_large", get, framing .. "/1001", nil, { max_body = 1000 })
        end)
    end

    it("counts what gzip unpacks to", function()
        local headers = { "Content-Type: application/json", "Content-Encoding: gzip" }
        local function ask(bytes)
            local packed = calls.gzip('"' .. ("x"):rep(bytes - 2) .. '"')
            assert.is_true(#packed < mebi)
            return get(server:answer("bomb", calls.answer("200 OK", headers, packed)))
        end
        assert.equal(32 * mebi - 2, #ask(32 * mebi))
        failing("too_large", ask, 32 * mebi + 1)
    end)

    it("reads gzip", function()
        local text = '{"payload":[' .. ('"\u{E9}",'):rep(1000) .. '"end"]}'
        local headers = { "Content-Type: application/json", "Content-Encoding: gzip" }
        local answer = calls.answer("200 OK", headers, calls.gzip(text))
        local result = get(server:answer("packed", answer))
        assert.equal(1001, #result.payload)
        assert.equal("\u{E9}", result.payload[1000])
        assert.equal("end", result.payload[1001])
        assert.truthy(server:log()[#server:log()]:header("accept-encoding"):find("gzip", 1, true))
    end)

    it("takes broken gzip for an error", function()
        local packed = calls.gzip('{"ok":true,"text":"' .. ("abc"):rep(1000) .. '"}')
        local headers = { "Content-Type: application/json", "Content-Encoding: gzip" }
        local cut = calls.answer("200 OK", headers, packed:sub(1, 30))
        local wrong = calls.answer("200 OK", headers, ("not gzip at all "):rep(10))
        failing("network|decode", get, server:answer("cut-gzip", cut))
        failing("network|decode", get, server:answer("no-gzip", wrong))
    end)

    for _, behaviour in ipairs { "endless-headers", "endless-trailers" } do
        it(behaviour .. " are too large", function()
            failing("too_large", get, behaviour)
        end)
    end

    describe("headers of 128 KiB", function()
        local limit = 128 * 1024

        -- As many bytes of whole lines.
        local function lines(bytes)
            local line = "X-Filler: " .. ("f"):rep(1000) .. "\r\n"
            local count = bytes // #line - 1
            local rest = bytes - count * #line
            return line:rep(count) .. "X-Last: " .. ("l"):rep(rest - #"X-Last: \r\n") .. "\r\n"
        end

        it("are the limit", function()
            local start, stop = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", "\r\n"
            local function ask(bytes)
                local head = start .. lines(bytes - #start - #stop) .. stop
                assert.equal(bytes, #head)
                return get(server:answer("head", head .. "true"))
            end
            assert.is_true((ask(limit)))
            local err = failing("too_large", ask, limit + 1)
            assert.truthy(err.message:find(tostring(limit), 1, true), err.message)
        end)

        it("are the limit together with the trailers", function()
            local start, body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", "4\r\ntrue\r\n0\r\n"
            local head = start .. lines(60000) .. "\r\n"
            local function ask(bytes)
                return get(server:answer("trailed", head .. body .. lines(bytes - #head) .. "\r\n"))
            end
            assert.is_true((ask(limit)))
            failing("too_large", ask, limit + 1)
        end)

        it("are the limit together with those of early hints", function()
            local hint = "HTTP/1.1 103 Early Hints\r\n" .. lines(60000) .. "\r\n"
            local start = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
            local function ask(bytes)
                local head = start .. lines(bytes - #hint - #start - 2) .. "\r\n"
                return get(server:answer("hinted", hint .. head .. "true"))
            end
            assert.is_true((ask(limit)))
            failing("too_large", ask, limit + 1)
        end)
    end)

    it("an early hint is not the answer", function()
        local hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        local answer = calls.answer("201 Created", { "X-Request-Id: abc-1", "X-Twice: a", "X-Twice: b" }, "{}")
        local result, response = get(server:answer("hint", hint .. answer))
        assert.same({}, result)
        assert.equal(201, response.status)
        assert.equal("abc-1", response.request_id)
        assert.equal("a, b", response.headers["x-twice"])
        assert.is_nil(response.headers.link)
    end)

    it("a response is a plain table to whoever looks, at once or later", function()
        local answer = calls.answer("200 OK", { "X-Request-Id: abc-1", "X-Twice: a", "X-One: 1", "X-Twice: b" }, "{}")
        local function ask()
            return select(2, get(server:answer("plain", answer)))
        end
        local headers = { ["x-request-id"] = "abc-1", ["x-twice"] = "a, b", ["x-one"] = "1", ["content-length"] = "2" }
        local response = ask()
        local names = {}
        for name in pairs(response) do
            names[#names + 1] = name
        end
        table.sort(names)
        assert.same({ "attempts", "elapsed", "headers", "request_id", "status", "waited" }, names)
        assert.same(headers, response.headers)
        assert.is_nil(getmetatable(response))
        assert.equal(response.headers, response.headers)

        response = ask()
        assert.is_nil(response.link)
        collectgarbage()
        assert.same(headers, response.headers)

        response = ask()
        response.mine = true
        assert.same(headers, rawget(response, "headers"))
        response = ask()
        response.headers = "mine"
        assert.equal("mine", response.headers)

        local packed, looked = ask(), ask()
        looked.elapsed, looked.waited = packed.elapsed, packed.waited
        assert.same(headers, looked.headers)
        assert.equal(mw.json.encode(looked), mw.json.encode(packed))
        assert.same(headers, mw.json.decode(mw.json.encode { ask() })[1].headers)
    end)

    it("what a script puts where a response keeps its headers does no harm", function()
        local answer = calls.answer("200 OK", { "X-One: 1" }, "{}")
        for _, value in ipairs { 1, true, io.stdout, "", "a", "a\0b", "\0", {} } do
            local response = select(2, get(server:answer("forged", answer)))
            for key in next, response do
                if type(key) == "userdata" then
                    rawset(response, key, value)
                end
            end
            assert.equal("string", type(mw.json.encode(response)))
            assert.is_nil((response.headers or {})["x-one"])
        end
    end)
end)

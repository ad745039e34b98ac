--- HTTP/2, where a server offers it: the peer is nghttpd, which speaks nothing else.

local mw = require "moonwire"

local calls = require "spec.support.calls"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

-- nghttpd does not print the port that it was given, so it gets one that was free a moment ago.
local function free_port()
    local server = raw.start()
    local port = server.port
    server:stop()
    return port
end

describe("HTTP/2", function()
    local folder, server, desk

    setup(function()
        folder = process.folder()
        process.run { "mkdir", "-p", folder .. "/desk/api/v1/accounts/1/contacts" }
        for id = 1, 40 do
            process.write(("%s/desk/api/v1/accounts/1/contacts/%d"):format(folder, id), ('{"id":%d}'):format(id))
        end
        local _, errors, code = process.run({ "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj",
            "/CN=localhost", "-addext", "subjectAltName=DNS:localhost" }, { cwd = folder })
        assert.equal(0, code, errors)
        local port = free_port()
        server = process.start({ "nghttpd", "-v", "--no-content-length", "-a", "127.0.0.1", "--echo-upload", "-d",
            folder, tostring(port), folder .. "/key.pem", folder .. "/cert.pem" },
            { ready = "listen", errors = "/dev/null" })
        desk = mw.ooctopus { url = ("https://localhost:%d/desk"):format(port), account = 1, token = "t0ken",
            ca_file = folder .. "/cert.pem", timeout = 20 }
    end)

    teardown(function()
        desk:close()
        server:stop()
        process.remove(folder)
        calls.quiet()
    end)

    it("carries many calls at once, each with its own answer, over one connection", function()
        local ids = {}
        for id = 1, 40 do
            ids[id] = id
        end
        local found = mw.map(ids, function(id)
            local contact, response = desk.contacts:get(id)
            assert.equal(1, response.attempts)
            return contact.id
        end, { concurrency = 16 })
        found.n = nil
        assert.same(ids, found)
    end)

    it("carries bodies", function()
        local sent = { name = "Ada", custom_attributes = { note = ("x"):rep(200000) } }
        assert.same(sent, (desk:request("POST", "/echo", { body = sent })))
    end)

    it("was spoken on a single connection", function()
        local connections = 0
        server:signal "TERM"
        for line in server.output:lines() do
            local id = tonumber(line:match "^%[id=(%d+)%]")
            connections = math.max(connections, id or 0)
        end
        assert.equal(1, connections)
    end)
end)

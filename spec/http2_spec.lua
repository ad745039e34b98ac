--- HTTP/2, where a server offers it: the peer is nghttpd, which speaks nothing else, or one that fails on purpose.

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

-- A certificate for localhost, as cert.pem and key.pem.
local function certify(folder)
    local _, errors, code = process.run({ "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj",
        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost" }, { cwd = folder })
    assert(code == 0, errors)
end

describe("HTTP/2", function()
    local folder, server, desk

    setup(function()
        folder = process.folder()
        process.run { "mkdir", "-p", folder .. "/desk/api/v1/accounts/1/contacts" }
        for id = 1, 40 do
            process.write(("%s/desk/api/v1/accounts/1/contacts/%d"):format(folder, id), ('{"id":%d}'):format(id))
        end
        certify(folder)
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

-- The peer does on purpose what no well server does: see spec/support/h2_peer.lua.
describe("a server that speaks HTTP/2 and fails", function()
    local folder, tls, peer, port

    local function listens()
        local line = (": 0100007F:%04X 00000000:0000 0A"):format(port)
        return process.read("/proc/net/tcp"):find(line, 1, true) ~= nil
    end

    setup(function()
        folder = process.folder()
        certify(folder)
        assert(os.execute(("mkfifo %s/in %s/out"):format(folder, folder)))
        port = free_port()
        local serve = "echo starts; exec openssl s_server -quiet -alpn h2 -accept 127.0.0.1:$0 -cert cert.pem "
            .. "-key key.pem 0<>in 1<>out"
        tls = process.start({ "bash", "-c", serve, tostring(port) },
            { ready = "^starts$", cwd = folder, errors = "/dev/null" })
        peer = process.start({ "bash", "-c", "echo starts; exec lua5.4 $0 $1 <$1/out >$1/in",
            "spec/support/h2_peer.lua", folder }, { ready = "^starts$" })
        while not listens() do
            mw.sleep(0.02)
        end
    end)
    teardown(function()
        tls:stop()
        peer:stop()
        process.remove(folder)
        calls.quiet()
    end)

    -- What the call ended as, and the fates of the requests that came in.
    local function ask(verb, fates)
        process.write(folder .. "/log", "")
        process.write(folder .. "/fates", fates:gsub(" ", "\n") .. "\n")
        local desk <close> = mw.ooctopus { url = ("https://localhost:%d"):format(port), account = 1, token = "t0ken",
            ca_file = folder .. "/cert.pem", timeout = 20, retries = 1 }
        local fine, result, response = pcall(calls.verbs[verb], desk)
        local log = {}
        for line in process.read(folder .. "/log"):gmatch "[^\n]+" do
            log[#log + 1] = line:match "^%S+ (%S+)"
        end
        log = table.concat(log, " ")
        return fine and { "ok", response.attempts, log } or { result.kind, result.sent, result.attempts, log }
    end

    for _, fate in ipairs { "refused", "goaway", "internal", "cut" } do
        it(("(%s) gets again what may be sent twice"):format(fate), function()
            for _, verb in ipairs { "GET", "FILTER", "PUT", "DELETE" } do
                assert.same({ "ok", 2, fate .. " ok" }, ask(verb, fate .. " ok"))
                local kind = (verb == "GET" or verb == "FILTER") and "network" or "ambiguous"
                assert.same({ kind, "unknown", 2, fate .. " " .. fate }, ask(verb, fate))
            end
        end)

        -- Of a stream that was refused, too: libcurl does not tell it from a connection that died.
        it(("(%s) gets a POST or PATCH once"):format(fate), function()
            for _, verb in ipairs { "POST", "PATCH" } do
                assert.same({ "ok", 1, "ok" }, ask(verb, "ok"))
                assert.same({ "ambiguous", "unknown", 1, fate }, ask(verb, fate .. " ok"))
            end
        end)
    end
end)

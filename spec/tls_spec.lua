--- TLS: who is trusted, and what is left of it where somebody switches it off. The server is openssl's own, with
--- certificates made for this run.

local mw = require "moonwire"

local calls = require "spec.support.calls"
local process = require "spec.support.process"

local failing = calls.failing

local page = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n"
    .. "Connection: close\r\n\r\n{\"ok\":true}"

-- Asks once in a process of its own, and says what became of it.
local ask_source = [[
local mw = require "moonwire"
local url, ca = ...
local desk = mw.ooctopus { url = url, token = "t0ken", ca_file = ca, timeout = 20, retries = 0 }
local fine, result = pcall(function() return desk.profile:get() end)
print(fine and "ok" or result.kind .. " " .. result.sent)
]]

describe("TLS", function()
    local folder
    local servers = {}

    local function openssl(...)
        local _, errors, code = process.run({ "openssl", ... }, { cwd = folder })
        assert.equal(0, code, errors)
    end

    local function key_and_request(name)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            name .. ".key", "-out", name .. ".csr", "-subj", "/CN=" .. name)
    end

    local function certificate(name, alternatives, ...)
        key_and_request(name)
        process.write(folder .. "/extensions", "subjectAltName=" .. alternatives .. "\n")
        openssl("x509", "-req", "-in", name .. ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-extfile", "extensions", "-out", name .. ".pem", ...)
    end

    -- Serves the files below the folder, headers and all: "ok/profile" is the answer of GET /ok/profile.
    local function serve(name, ...)
        local argv = { "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", name .. ".pem", "-key",
            name .. ".key", "-HTTP", ... }
        local program = process.start(argv, { ready = "^ACCEPT ", cwd = folder, errors = "/dev/null" })
        servers[#servers + 1] = program
        return (program.lines[#program.lines]:match(":(%d+)%s*$"))
    end

    local function ask(host, port, options)
        local all = { url = ("https://%s:%s/ok"):format(host, port), token = "t0ken", account = 1, timeout = 20 }
        for option, value in pairs(options or {}) do
            all[option] = value
        end
        local client <close> = mw.ooctopus(all)
        return (client.profile:get())
    end

    setup(function()
        folder = process.folder()
        process.run { "mkdir", folder .. "/ok" }
        process.write(folder .. "/ok/profile", page)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=moonwire test authority")
        certificate("localhost", "DNS:localhost,IP:127.0.0.1", "-days", "2")
        certificate("elsewhere", "DNS:elsewhere.example", "-days", "2")
    end)

    after_each(function()
        for i, program in ipairs(servers) do
            program:stop()
            servers[i] = nil
        end
    end)

    teardown(function()
        process.remove(folder)
        calls.quiet()
    end)

    it("trusts no unknown authority", function()
        local err = failing("tls", ask, "localhost", serve "localhost")
        assert.equal("no", err.sent)
        assert.equal(1, err.attempts)
        assert.equal("profile:get", err.operation)
    end)

    it("trusts the authorities of ca_file", function()
        local port = serve "localhost"
        assert.same({ ok = true }, ask("localhost", port, { ca_file = folder .. "/ca.pem" }))
        assert.same({ ok = true }, ask("127.0.0.1", port, { ca_file = folder .. "/ca.pem" }))
    end)

    it("holds the certificate against the host", function()
        local err = failing("tls", ask, "localhost", serve "elsewhere", { ca_file = folder .. "/ca.pem" })
        assert.equal("no", err.sent)
    end)

    it("has a lifetime", function()
        key_and_request "old"
        process.write(folder .. "/index.txt", "")
        process.write(folder .. "/serial", "01\n")
        process.write(folder .. "/ca.cnf", table.concat({
            "[ca]", "default_ca = d", "[d]", "database = index.txt", "serial = serial", "new_certs_dir = .",
            "default_md = sha256", "policy = p", "[p]", "commonName = supplied", "",
        }, "\n"))
        openssl("ca", "-batch", "-selfsign", "-config", "ca.cnf", "-keyfile", "old.key", "-in", "old.csr", "-out",
            "old.pem", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
        failing("tls", ask, "localhost", serve "old", { ca_file = folder .. "/old.pem" })
    end)

    it("is 1.2 or later, even where the system allows more", function()
        local lax = process.write(folder .. "/lax.cnf", table.concat({
            "openssl_conf = o", "[o]", "ssl_conf = s", "[s]", "system_default = d", "[d]", "MinProtocol = TLSv1",
            "CipherString = ALL:@SECLEVEL=0", "",
        }, "\n"))
        local function outcome(host, port)
            local output, errors = calls.child(ask_source, { OPENSSL_CONF = lax },
                { ("https://%s:%s/ok"):format(host, port), folder .. "/ca.pem" })
            return output ~= "" and output or errors
        end
        local old = serve("localhost", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        local answer = process.run({ "curl", "-q", "-sS", "--noproxy", "*", "--tls-max", "1.1", "--cacert",
            folder .. "/ca.pem", ("https://localhost:%s/ok/profile"):format(old) }, { env = { OPENSSL_CONF = lax } })
        assert.equal('{"ok":true}', answer)
        assert.equal("tls no\n", outcome("localhost", old))
        assert.equal("ok\n", outcome("localhost", serve("localhost", "-tls1_2")))
        assert.equal("ok\n", outcome("localhost", serve("localhost", "-tls1_3")))
    end)

    it("is not verified only where an option says so", function()
        assert.same({ ok = true }, ask("localhost", serve "elsewhere", { insecure = true }))
    end)

    it("wants a ca_file that is there", function()
        local err = failing("tls|invalid", ask, "localhost", serve "localhost", { ca_file = folder .. "/none.pem" })
        assert.equal("no", err.sent)
    end)

    it("is not spoken to a server that speaks plain HTTP", function()
        local raw = require("spec.support.raw").start()
        local err = failing("tls|timeout|network", ask, "127.0.0.1", raw.port, { timeout = 1 })
        raw:stop()
        assert.equal("no", err.sent)
    end)

    it("writes no keys to SSLKEYLOGFILE", function()
        local port = serve "localhost"
        local keys = folder .. "/keys"
        local output, errors = calls.child(ask_source, { SSLKEYLOGFILE = keys },
            { ("https://localhost:%s/ok"):format(port), folder .. "/ca.pem" })
        assert.equal("ok\n", output, errors)
        assert.is_nil(process.read(keys))
    end)
end)

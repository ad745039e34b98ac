--- What the environment may change, and what it may not: proxies, netrc, profiles.

local mw = require "moonwire"

local calls = require "spec.support.calls"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

-- A program that asks once and says what became of it.
local ask = [[
local mw = require "moonwire"
local url, proxy = ...
local desk = mw.ooctopus { url = url, account = 1, token = "t0ken", timeout = 5, retries = 0, proxy = proxy }
local fine, result = pcall(function() return desk.profile:get() end)
print(fine and "ok" or result.kind)
]]

describe("the environment", function()
    local server, proxy, folder

    local function child(source, env, words)
        local output, errors, code = calls.child(source, env, words)
        assert.equal(0, code, errors)
        return output
    end

    setup(function()
        server, proxy = raw.start(), raw.start()
        folder = process.folder()
    end)

    teardown(function()
        server:stop()
        proxy:stop()
        process.remove(folder)
        calls.quiet()
    end)

    before_each(function()
        server:clear()
        proxy:clear()
    end)

    it("sends no http request through a proxy", function()
        local address = "http://127.0.0.1:" .. proxy.port
        local env = {
            http_proxy = address, HTTP_PROXY = address, all_proxy = address, ALL_PROXY = address,
            https_proxy = address, HTTPS_PROXY = address, no_proxy = false, NO_PROXY = false,
        }
        assert.equal("ok\n", child(ask, env, { server:url("ok") }))
        assert.equal(1, #server:log())
        assert.equal(0, #proxy:log())
    end)

    it("sends https through HTTPS_PROXY only", function()
        local address = "http://127.0.0.1:" .. proxy.port
        local url = ("https://127.0.0.1:%d/ok"):format(server.port)
        local others = { ALL_PROXY = address, all_proxy = address, http_proxy = address, HTTPS_PROXY = false,
            https_proxy = false, NO_PROXY = false, no_proxy = false }
        local server_gone = raw.start()
        server_gone:stop()
        local closed = ("https://127.0.0.1:%d/ok"):format(server_gone.port)
        assert.equal("network\n", child(ask, others, { closed }))
        assert.equal(0, #proxy:log())
        others.HTTPS_PROXY = address
        child(ask, others, { url })
        local request = proxy:log()[1]
        assert.equal("CONNECT", request.method)
        assert.equal("127.0.0.1:" .. server.port, request.target)
        assert.is_nil(request:header("api_access_token"))
        proxy:clear()
        assert.equal("network\n", child(ask, others, { closed, "" }))
        assert.equal(0, #proxy:log())
    end)

    it("the option proxy is used for http as well", function()
        local desk = mw.ooctopus {
            url = server:url("ok"), account = 1, token = "t0ken", retries = 0,
            proxy = "http://127.0.0.1:" .. proxy.port,
        }
        pcall(function() return desk.profile:get() end)
        desk:close()
        assert.equal(0, #server:log())
        assert.equal(server:url("ok/profile"), proxy:log()[1].target)
    end)

    it("gives no password out of ~/.netrc", function()
        process.write(folder .. "/.netrc", "machine 127.0.0.1 login ada password secret\ndefault login a password b\n")
        process.run { "chmod", "600", folder .. "/.netrc" }
        local env = { HOME = folder, NETRC = folder .. "/.netrc", CURL_HOME = folder }
        assert.equal("ok\n", child(ask, env, { server:url("ok") }))
        local request = server:log()[1]
        assert.is_nil(request:header("authorization"))
        assert.equal("t0ken", request:header("api_access_token"))
    end)

    it("adds nothing by ~/.curlrc", function()
        process.write(folder .. "/.curlrc", 'header = "X-From-Curlrc: 1"\n')
        child(ask, { HOME = folder, CURL_HOME = folder }, { server:url("ok") })
        assert.is_nil(server:log()[1]:header("x-from-curlrc"))
    end)

    it("names the profiles ooctopus, chatwoot and circuit", function()
        local source = [[
            local mw = require "moonwire"
            mw.connect("ooctopus").profile:get()
            mw.connect("chatwoot").profile:get()
            mw.connect("ooctopus").agents:list()
            mw.connect("ooctopus").platform.users:get(3)
            mw.connect("circuit").webhooks:list()
        ]]
        child(source, {
            OOCTOPUS_URL = server:url("ok"), OOCTOPUS_ACCOUNT_ID = "9", OOCTOPUS_TOKEN = "user-t",
            OOCTOPUS_BOT_TOKEN = "bot-t", OOCTOPUS_PLATFORM_TOKEN = "platform-t",
            CIRCUIT_URL = server:url("ok"), CIRCUIT_TOKEN = "circuit-t",
        })
        local got = {}
        for i, request in ipairs(server:log()) do
            got[i] = request.target .. " " .. (request:header("api_access_token") or request:header("authorization"))
        end
        assert.same({
            "/ok/profile user-t", "/ok/api/v1/profile user-t", "/ok/api/v1/accounts/9/agents user-t",
            "/ok/platform/api/v1/users/3 platform-t", "/ok/webhooks Bearer circuit-t",
        }, got)
    end)

    it("names the variable that is missing, and the profiles there are", function()
        local source = [[
            local mw = require "moonwire"
            for _, name in ipairs { "ooctopus", "circuit", "nonsense" } do
                local _, err = pcall(mw.connect, name)
                print(tostring(err))
            end
        ]]
        local output = child(source, {
            OOCTOPUS_URL = server:url("ok"), OOCTOPUS_TOKEN = false, OOCTOPUS_BOT_TOKEN = false,
            OOCTOPUS_PLATFORM_TOKEN = false, CIRCUIT_TOKEN = false, CIRCUIT_URL = server:url("ok"),
        })
        local lines = {}
        for line in output:gmatch("[^\n]+") do
            lines[#lines + 1] = line
        end
        assert.equal(3, #lines)
        assert.truthy(lines[1]:find("OOCTOPUS_TOKEN", 1, true))
        assert.truthy(lines[2]:find("CIRCUIT_TOKEN", 1, true))
        assert.truthy(lines[3]:find("ooctopus", 1, true) and lines[3]:find("circuit", 1, true))
    end)
end)

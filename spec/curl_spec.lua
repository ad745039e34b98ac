--- The twin through curl, as the documents describe each operation: verb, URL, headers, body. A good request must be
-- answered with a documented good status.

local host = require "spec.support.host"
local process = require "spec.support.process"
local requests = require "spec.interop.requests"

local function good_statuses(request)
    local list = {}
    for status in pairs(request.statuses) do
        if status < 300 then
            list[#list + 1] = tostring(status)
        end
    end
    return table.concat(list, " ")
end

local function token_header(settings, kind)
    local tokens = { user = "OOCTOPUS_TOKEN", bot = "OOCTOPUS_BOT_TOKEN", platform = "OOCTOPUS_PLATFORM_TOKEN" }
    if kind == "oauth" then
        return "Authorization: Bearer " .. settings.CIRCUIT_TOKEN
    end
    return kind and "api_access_token: " .. settings[tokens[kind]] or "-"
end

-- One line for each request, as curl.sh reads it.
local function lines_for(settings, list)
    local lines = {}
    for i, request in ipairs(list) do
        local base = request.kind == "oauth" and settings.CIRCUIT_URL or settings.OOCTOPUS_URL
        lines[i] = table.concat({
            request.name, good_statuses(request), request.keep or "-", request.verb, base .. request.path,
            token_header(settings, request.kind), request.content or "-", request.body or "-",
        }, "\t") .. "\n"
    end
    return table.concat(lines)
end

describe("curl and the twin", function()
    local folder, program, settings, said

    setup(function()
        folder = process.folder()
        said = folder .. "/twin.log"
        program = host.start({ "twin" }, "^export CIRCUIT_TOKEN=", nil, said)
        settings = host.settings(program)
    end)

    teardown(function()
        program:stop()
        process.remove(folder)
    end)

    it("agree on every documented operation, under each path and with each kind of token", function()
        local list = requests.all()
        local operations, count = {}, 0
        for _, request in ipairs(list) do
            count = count + (operations[request.name] and 0 or 1)
            operations[request.name] = true
        end
        assert.equal(115, count)
        local file = process.write(folder .. "/list", lines_for(settings, list))
        local output, errors, code = process.run { "spec/interop/curl.sh", file }
        assert.equal("", errors)
        assert.equal(("%d of %d requests answered as documented\n"):format(#list, #list), output)
        assert.equal(0, code)
    end)

    it("disagree where a request is not as documented", function()
        local list = {
            { name = "wrong token", verb = "GET", path = "/api/v1/accounts/1/agents", statuses = { [200] = true } },
            { name = "wrong id", verb = "GET", path = "/api/v1/accounts/1/teams/<teams>", kind = "user",
                statuses = { [200] = true } },
        }
        local file = process.write(folder .. "/list", lines_for(settings, list))
        local output, _, code = process.run { "spec/interop/curl.sh", file }
        assert.matches("wrong token: GET %S+ %- was answered 401, not 200", output)
        assert.matches("wrong id: GET %S+/nothing%-kept %- was answered 404, not 200", output)
        assert.matches("\n0 of 2 requests answered as documented\n$", output)
        assert.equal(1, code)
    end)
end)

--- A client that others wrote against the twin, and the same calls by moonwire: both get what they wrote, and both
-- leave the same state. tools/test --interop installs what this needs and runs it.

local host = require "spec.support.host"
local json = require "spec.support.json"
local process = require "spec.support.process"

local FOLDER = "spec/interop"
local CALLS = FOLDER .. "/calls.json"
local FACTS = "spec/fixtures/ooctopus.json"
-- Where spec/interop/install has put the client.
local INSTALLED = "build/interop"

local function last_line(text)
    return text:match "([^\n]*)\n*$"
end

-- What the twin remembers, as it exports it.
local function state_of(settings)
    local body, errors, code = process.run { "curl", "--silent", "--show-error", "--fail-with-body",
        "--header", "X-Twin-Token: twin-control-token", settings.OOCTOPUS_URL .. "/_twin/snapshot" }
    assert(code == 0, errors .. body)
    return json.decode(body)
end

-- Times of the run differ between two runs; what they were before it does not. How long something took in the run
-- does as well.
local function without_times(value, started)
    if type(value) ~= "table" then
        return value
    end
    local out, now = {}, false
    for key, inner in pairs(value) do
        if type(inner) == "number" and inner >= started and inner < started + 3600 then
            inner, now = "now", true
        end
        out[key] = without_times(inner, started)
    end
    if now and type(out.value) == "number" then
        out.value = "a while"
    end
    return out
end

-- Names every place where two states differ.
local function differences(a, b, place, into)
    if type(a) == "table" and type(b) == "table" then
        local keys = {}
        for key in pairs(a) do keys[key] = true end
        for key in pairs(b) do keys[key] = true end
        for key in pairs(keys) do
            differences(a[key], b[key], place .. "." .. tostring(key), into)
        end
    elseif a ~= b then
        into[#into + 1] = ("%s: %s by the SDK, %s by moonwire"):format(place, tostring(a), tostring(b))
    end
    return into
end

describe("the twin, driven by strangers", function()
    local states, folder, started = {}, nil, nil

    setup(function()
        assert(process.read(INSTALLED .. "/installed.json"), "the SDK is not installed; run spec/interop/install")
        folder = process.folder()
        started = os.time()
    end)

    teardown(function()
        process.remove(folder)
    end)

    -- Runs one side against a twin of its own, shows what it counted, and keeps the state that it leaves. What the twin
    -- says of webhooks that it does not deliver is of interest when something fails only.
    local function drive(side, run)
        local said = folder .. "/twin.log"
        local program = host.start({ "twin" }, "^export CIRCUIT_TOKEN=", nil, said)
        local settings = host.settings(program)
        local output, errors, code = run(settings)
        if code == 0 then
            states[side] = without_times(state_of(settings), started)
        end
        program:stop()
        assert(code == 0, output .. errors .. process.read(said))
        io.write(side, ": ", last_line(output), "\n")
        return last_line(output)
    end

    it("gives the SDK back what it wrote, in every call that the SDK has", function()
        local line = drive("the SDK", function(settings)
            return process.run({ "node", FOLDER .. "/sdk_side.js", INSTALLED, FACTS }, { env = settings })
        end)
        local passed, all = line:match "^(%d+) of (%d+) SDK calls passed"
        assert.equal(all, passed)
        assert.is_true(tonumber(all) > 0)
    end)

    local function drive_moonwire(profile)
        local line = drive("moonwire, " .. profile, function(settings)
            return host.allowed({ FOLDER .. "/moonwire_side.lua", CALLS, profile },
                { flags = { "--allow-read=" .. FOLDER, "--allow-env=OOCTOPUS_ACCOUNT_ID" }, env = settings })
        end)
        assert.equal("107 of 107 operations passed", line)
    end

    it("gives moonwire back the same, in every documented operation", function()
        drive_moonwire "ooctopus"
    end)

    it("gives it back under upstream's paths", function()
        drive_moonwire "chatwoot"
    end)

    it("is left by all of them in the same state", function()
        local theirs = states["the SDK"]
        assert.is_truthy(theirs, "the SDK has failed")
        assert.is_true(#theirs.tables.messages > 100 and #theirs.tables.contacts > 40)
        for _, side in ipairs { "moonwire, ooctopus", "moonwire, chatwoot" } do
            assert.is_truthy(states[side], side .. " has failed")
            local found = differences(theirs, states[side], "state", {})
            table.sort(found)
            assert.equal("", table.concat(found, "\n"))
        end
    end)
end)

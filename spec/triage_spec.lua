--- The main job and the examples, run by the real binary against real twins.
local host = require "spec.support.host"

local SCRIPT = "scripts/triage.lua"

local function lines_of(text)
    local out = {}
    for line in text:gmatch "[^\n]+" do
        out[#out + 1] = line
    end
    return out
end

describe("triage", function()
    it("is a script of at most 100 lines", function()
        local count = 0
        for _ in io.lines(SCRIPT) do
            count = count + 1
        end
        assert.is_true(count <= 100, count .. " lines")
    end)

    it("runs on a twin of its own and prints what it did", function()
        local output, errors, code = host.allowed { "--twin", SCRIPT }
        assert.equal("", errors)
        assert.equal(0, code)
        local lines = lines_of(output)
        assert.equal("registered a Circuit webhook for new conversations", lines[1])
        assert.equal("conv    contact             labels            team", lines[2])
        assert.equal(46 + 3, #lines)
        local teams = {}
        for i = 3, #lines - 1 do
            -- Counted in columns, where characters from U+2E80 on take two: labels at 29, the team at 47.
            local id, contact, labels, team = lines[i]:match "^(#%d+ +)(.-)  +([%a][%a, ]-)  +(%a+)$"
            assert.is_truthy(team, lines[i])
            local columns = 0
            for _, point in utf8.codes(contact) do
                columns = columns + (point >= 0x2E80 and 2 or 1)
            end
            local gap = #lines[i]:match("^ +", #id + #contact + 1)
            assert.equal(8, #id, lines[i])
            assert.equal(20, columns + gap, lines[i])
            assert.equal(18, #lines[i]:sub(#id + #contact + gap + 1) - #team, lines[i])
            assert.is_true(#labels <= 16, lines[i])
            teams[team] = (teams[team] or 0) + 1
        end
        assert.equal(46, teams.billing + teams.technical + teams.sales)
        assert.is_truthy(output:find("\n#40     Pedal & Co          vip, order        sales\n", 1, true))
        -- 1 for the teams, 2 pages, 5 for each conversation, 2 to Circuit.
        assert.is_truthy(lines[#lines]
            :find "^conversations triaged: 46, requests: 235, pages read: 2, seconds: %d+%.%d%d$")
    end)

    it("finds nothing to do the second time, and has left its work on the server", function()
        local program, settings = host.twin()
        finally(function() program:stop() end)
        local _, errors, code = host.allowed({ SCRIPT }, { env = settings })
        assert.equal("", errors)
        assert.equal(0, code)

        local output
        output, errors, code = host.allowed({ SCRIPT }, { env = settings })
        assert.equal("", errors)
        assert.equal(0, code)
        local lines = lines_of(output)
        assert.equal(1, #lines)
        assert.is_truthy(lines[1]:find "^conversations triaged: 0, requests: 4, pages read: 2, ")

        output, errors, code = host.allowed([[
            local mw = require "moonwire"
            local desk, circuit = mw.connect "ooctopus", mw.connect "circuit"
            local without = 0
            for conversation in desk.conversations:each { status = "open" } do
                without = without + (conversation.meta.team and 0 or 1)
            end
            local function notes(id)
                local found = {}
                for _, message in ipairs(desk.messages:list(id).payload) do
                    if message.private and message.content:find "^Triage: " then
                        found[#found + 1] = message.content
                    end
                end
                return #found .. " " .. table.concat(found, "|")
            end
            print(without)
            print(notes(6))
            print(notes(1), notes(49))
            print(table.concat(desk.conversations:labels(23).payload, " "))
            print(desk.conversations:get(23).meta.team.name, desk.conversations:get(49).meta.team.name)
            local hooks = circuit.webhooks:list()
            print(#hooks, hooks[1].filter[1])
        ]], { env = settings })
        assert.equal("", errors)
        assert.equal(0, code)
        assert.same({
            "0",
            "1 Triage: for billing, as it mentions reembolso, cobrado.",
            "0 \t0 ",
            "urgent bug",
            "technical\tsales",
            "1\tCONVERSATION.CREATE",
        }, lines_of(output))
    end)

    it("takes up what a run that broke off has left", function()
        local program, settings = host.twin()
        finally(function() program:stop() end)
        local _, errors, code = host.allowed([[
            local mw = require "moonwire"
            local desk = mw.connect "ooctopus"
            for id = 56, 60 do
                desk.conversations:assign(id, { team_id = 1 })
            end
        ]], { env = settings })
        assert.equal("", errors)
        assert.equal(0, code)
        local output
        output, errors, code = host.allowed({ SCRIPT }, { env = settings })
        assert.equal("", errors)
        assert.equal(0, code)
        -- 58 had an agent before; the other four are done already.
        assert.is_truthy(output:find "\nconversations triaged: 42, ")
    end)

    it("registers a webhook unless one for new conversations is there already", function()
        local program, settings = host.twin()
        finally(function() program:stop() end)
        local function hooks_after(filter)
            local add = ([[
                local circuit = require "moonwire".connect "circuit"
                circuit.webhooks:remove_all()
                circuit.webhooks:add{ url = "https://elsewhere.example/", filter = { %q } }
            ]]):format(filter)
            local _, errors, code = host.allowed(add, { env = settings })
            assert.equal("", errors)
            assert.equal(0, code)
            local output
            output, errors, code = host.allowed({ SCRIPT }, { env = settings })
            assert.equal("", errors)
            assert.equal(0, code)
            return output:find("registered a Circuit webhook", 1, true) ~= nil
        end
        assert.is_true(hooks_after "USER.USER_UPDATED")
        assert.is_false(hooks_after "CONVERSATION.CREATE")
    end)

    it("stops before it changes anything when a setting is missing or a token is wrong", function()
        local program, settings = host.twin()
        finally(function() program:stop() end)
        local output, errors, code = host.allowed { SCRIPT }
        assert.equal("", output)
        assert.is_truthy(errors:find("OOCTOPUS_TOKEN", 1, true), errors)
        assert.equal(1, code)
        settings.OOCTOPUS_TOKEN = "not-the-token"
        output, errors, code = host.allowed({ SCRIPT }, { env = settings })
        assert.equal("", output)
        assert.is_truthy(errors:find("^scripts/triage.lua:%d+: teams:list: auth %(401%): Invalid Access Token"), errors)
        assert.equal(3, code)
    end)
end)

describe("the example", function()
    local function run(name)
        local output, errors, code = host.allowed { "--twin", "examples/" .. name }
        assert.equal("", errors)
        assert.equal(0, code)
        return lines_of(output)
    end

    it("first_script.lua lists the open conversations", function()
        local lines = run "first_script.lua"
        assert.equal(61, #lines)
        assert.is_truthy(lines[1]:find("#60 Anna Schreiber: Habt ihr am Samstag", 1, true))
        assert.equal("48 belong to nobody yet", lines[61])
    end)

    it("contacts_csv.lua writes every contact", function()
        local lines = run "contacts_csv.lua"
        assert.equal(41, #lines)
        assert.equal("id,name,email,phone", lines[1])
        assert.equal([[22,"Amélie Rousseau","amelie.rousseau@courriel.example",]], lines[2])
        local ids = {}
        for i = 2, #lines do
            ids[lines[i]:match "^%d+"] = true
        end
        for id = 1, 40 do
            assert.is_true(ids[tostring(id)], "contact " .. id)
        end
    end)

    it("workload.lua counts by agent and by inbox", function()
        assert.same({
            "   1  Ada Brandt", "   2  Jonas Keller", "   3  Priya Raman", "   2  Chloé Martin", "   2  Mateo Silva",
            "   2  Aylin Demir", "  25  Nimbus website", "  19  Support e-mail", "  12  WhatsApp",
            "   4  Dealer portal",
        }, run "workload.lua")
    end)
end)

-- How to test a script of your own: busted, the twin, and the script as it is. Run it with
--
--     busted examples/spec_of_a_script.lua
--
-- The twin lives in the same process as the script, so what it holds can be asked and changed in between.
local mw = require "moonwire"
local twin = require "moonwire.twin"

describe("scripts/triage.lua", function()
    local t, desk, connect

    before_each(function()
        t = twin.start { data = "demo" }
        desk = t:connect "ooctopus"
        connect = mw.connect
        -- The script asks for its profiles by name, and gets clients of the twin.
        mw.connect = function(name) return t:connect(name) end
    end)

    after_each(function()
        mw.connect = connect
        t:stop()
    end)

    -- Runs the script from its first line to its last; gives what it printed.
    local function run()
        local lines = {}
        local globals = setmetatable({
            print = function(...) lines[#lines + 1] = table.concat({ ... }, "\t") end,
        }, { __index = _G })
        assert(loadfile("scripts/triage.lua", "t", globals))()
        return table.concat(lines, "\n")
    end

    -- Conversations that nobody looks after.
    local function left()
        local count = 0
        for conversation in desk.conversations:each { status = "open", assignee_type = "unassigned" } do
            count = count + (conversation.meta.team and 0 or 1)
        end
        return count
    end

    it("gives every open conversation a team", function()
        assert.equal(46, left())
        assert.matches("conversations triaged: 46", run())
        assert.equal(0, left())
    end)

    it("leaves conversations alone that an agent looks after", function()
        desk.conversations:assign(60, { assignee_id = 2 })
        run()
        assert.is_nil(desk.conversations:get(60).meta.team)
    end)

    it("finds what is new after two hours, and nothing else", function()
        run()
        t:advance "2h"
        desk.conversations:create { source_id = "nimbus-dealers-7", inbox_id = 4, contact_id = 7,
            message = { content = "Where is my refund?" } }
        t:clear_log()
        assert.matches("conversations triaged: 1,", run())
        local changes = 0
        for _, request in ipairs(t:log()) do
            changes = changes + (request.method == "POST" and 1 or 0)
        end
        assert.equal(3, changes) -- labels, a note, the team
    end)

    it("is taken up by its next run when the desk fails half-way", function()
        t:fault "conversations.assign:status=503:1/10"
        assert.has_error(run)
        t:fault(nil)
        assert.is_true(left() > 0)
        run()
        assert.equal(0, left())
    end)

    it("stops, instead of saying something twice, when an answer is lost", function()
        t:fault "messages.create:drop-after-commit:1/20"
        local done, problem = pcall(run)
        assert.is_false(done)
        assert.is_true(mw.is_error(problem, "ambiguous"))
        local said = {}
        for _, message in ipairs(t:snapshot().tables.messages) do
            if message.content:find "^Triage: " then
                assert.is_nil(said[message.conversation_id])
                said[message.conversation_id] = true
            end
        end
    end)
end)

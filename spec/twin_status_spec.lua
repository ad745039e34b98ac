--- Messages that an API inbox carries on: their status, and the forms that clients write them with.

local support = require "spec.support.twin"

local ACCOUNT = "/api/v1/accounts/1"
-- Of the demo: the oldest conversation is one of the dealers' API inbox, the next one of the website.
local DEALER, WEB = ACCOUNT .. "/conversations/1/messages", ACCOUNT .. "/conversations/2/messages"

local function multipart(parts)
    local lines = {}
    for _, part in ipairs(parts) do
        local head = ('Content-Disposition: form-data; name="%s"'):format(part[1])
        lines[#lines + 1] = ("--x\r\n%s\r\n\r\n%s\r\n"):format(head, part[2])
    end
    return table.concat(lines) .. "--x--\r\n", {
        api_access_token = "twin-user-token",
        ["content-type"] = "multipart/form-data; boundary=x",
    }
end

describe("the status of a message", function()
    local send, state

    before_each(function()
        state = support.state()
        send = support.client(state)
    end)

    -- The status that a new message has after each of the updates.
    local function after(...)
        local _, made = send("POST", DEALER, { content = "On its way" })
        assert.equal("sent", made.status)
        local status, shown
        for _, fields in ipairs { ... } do
            status, shown = send("PATCH", ("%s/%d"):format(DEALER, made.id), fields)
            assert.equal(200, status)
        end
        assert.equal(made.id, shown.id)
        local _, list = send("GET", DEALER)
        assert.equal(shown.status, list.payload[#list.payload].status)
        return shown.status, shown
    end

    it("is what the channel says of it", function()
        assert.equal("delivered", (after { status = "delivered" }))
        assert.equal("read", (after({ status = "delivered" }, { status = "read" })))
    end)

    it("doesn't go back from read, and doesn't become what there isn't", function()
        assert.equal("read", (after({ status = "read" }, { status = "delivered" })))
        assert.equal("delivered", (after({ status = "delivered" }, { status = "eaten" })))
        assert.equal("sent", (after { content = "Changed" }))
        assert.equal("On its way", select(2, after { content = "Changed" }).content)
    end)

    it("has the reason of a failure, until it is sent after all", function()
        local status, shown = after { status = "failed", external_error = "131026: no such number" }
        assert.equal("failed", status)
        assert.equal("131026: no such number", shown.content_attributes.external_error)
        local _, later = after({ status = "failed", external_error = "no" }, { status = "sent" })
        assert.is_nil(later.content_attributes.external_error)
    end)

    it("is refused outside of API inboxes, and of what isn't there", function()
        local _, made = send("POST", WEB, { content = "Hello" })
        local status, body = send("PATCH", ("%s/%d"):format(WEB, made.id), { status = "read" })
        assert.equal(403, status)
        assert.same({ error = "Message status update is only allowed for API inboxes" }, body)
        assert.equal(404, (send("PATCH", ("%s/%d"):format(DEALER, made.id), { status = "read" })))
        assert.equal(404, (send("PATCH", DEALER .. "/999999", { status = "read" })))
        assert.equal(422, (send("PATCH", DEALER .. "/1", { status = 5 })))
        assert.equal(401, (send("PATCH", DEALER .. "/1", { status = "read" }, {})))
    end)
end)

describe("a form with objects in it", function()
    local send

    before_each(function()
        send = support.client(support.state())
    end)

    local function create(attributes)
        return send("POST", DEALER, multipart { { "content", "Which?" }, { "content_attributes", attributes } })
    end

    it("may have them as JSON", function()
        local status, made = create '{"items":[{"title":"A","value":1}]}'
        assert.equal(200, status)
        assert.same({ items = { { title = "A", value = 1 } } }, made.content_attributes)
    end)

    it("is refused when that JSON is none, no object, or too deep", function()
        for _, text in ipairs { "", "{", "5", '"x"', "[1]" } do
            local status, body = create(text)
            assert.equal(422, status, text)
            assert.same({ "content_attributes" }, body.attributes)
        end
        assert.equal(400, (create(('{"a":'):rep(60) .. "1" .. ("}"):rep(60))))
    end)
end)

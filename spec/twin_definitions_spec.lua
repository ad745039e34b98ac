--- What a desk of the twin keeps besides its conversations: custom attributes, custom filters, canned responses. And
-- the search for contacts.
local core = require "moonwire.core"
local calls = require "spec.support.calls"
local support = require "spec.support.twin"

local ACCOUNT = "/api/v1/accounts/1"

describe("the twin's", function()
    local send

    before_each(function()
        send = support.client(support.state())
    end)
    teardown(calls.quiet)

    local function ok(method, path, fields, headers)
        local status, body = send(method, ACCOUNT .. path, fields, headers)
        assert.equal(200, status, core.json_encode(body or {}))
        return body
    end

    local function refused(method, path, fields)
        local status, body = send(method, ACCOUNT .. path, fields)
        assert.equal(422, status, core.json_encode(body or {}))
        return body.message, body.attributes and body.attributes[1]
    end

    -- The headers of an agent who is no administrator.
    local function agent()
        local made = ok("POST", "/agents", { name = "Kim", email = "kim@nimbus-bikes.example", role = "agent" })
        return support.headers(("twin-user-%d-token"):format(made.id))
    end

    -- Holds all documented answers of a module against their shapes; there is a record with id 1, and `fields` make
    -- another.
    local function assert_shapes(module, fields, expected)
        local checked, bodies = 0, { POST = fields, PATCH = {} }
        for _, row in ipairs(core.operations "ooctopus") do
            if row.module == module and row.answer then
                local path = row.path:gsub("{.-}", "1")
                local query = row.method == "list" and module == "custom_attributes" and "?attribute_model=1" or ""
                local status, body = send(row.verb, path .. query, bodies[row.verb])
                assert.equal(200, status, row.method)
                support.assert_shape(row.answer, support.documented_part(row, body), module .. "." .. row.method)
                checked = checked + 1
            end
        end
        assert.equal(expected, checked)
    end

    describe("custom attributes", function()
        local PATH = "/custom_attribute_definitions"
        local GIVEN = {
            attribute_display_name = "Plan", attribute_display_type = 6, attribute_description = "what they pay for",
            attribute_key = "plan", attribute_values = { "gold", "silver" }, attribute_model = 1,
        }

        local function with(changes)
            local out = {}
            for name, value in pairs(GIVEN) do
                out[name] = value
            end
            for name, value in pairs(changes) do
                out[name] = value
            end
            return out
        end

        it("are kept as they were written, and listed by what carries them", function()
            local made = ok("POST", PATH, GIVEN)
            assert.same({
                id = 1, account_id = 1, attribute_display_name = "Plan", attribute_display_type = "list",
                attribute_description = "what they pay for", attribute_key = "plan",
                attribute_values = '["gold","silver"]', attribute_model = "contact_attribute",
                default_value = core.null,
            }, made)
            assert.same(made, ok("GET", PATH .. "/1"))
            local plain = ok("POST", PATH, { attribute_display_name = " Order ", attribute_key = " order_no " })
            assert.same({ "Order", "order_no", "text", "conversation_attribute", "[]", "" }, {
                plain.attribute_display_name, plain.attribute_key, plain.attribute_display_type, plain.attribute_model,
                plain.attribute_values, plain.attribute_description,
            })
            assert.same({ 2 }, support.ids(ok("GET", PATH .. "?attribute_model=0")))
            assert.same({ 1 }, support.ids(ok("GET", PATH .. "?attribute_model=1")))
            local changed = ok("PATCH", PATH .. "/1", { attribute_display_name = "Tariff" })
            assert.same({ "Tariff", "plan", "list" },
                { changed.attribute_display_name, changed.attribute_key, changed.attribute_display_type })
            ok("DELETE", PATH .. "/1")
            for _, verb in ipairs { "GET", "PATCH", "DELETE" } do
                assert.equal(404, (send(verb, ACCOUNT .. PATH .. "/1", verb == "PATCH" and {} or nil)))
            end
        end)

        it("have documented shapes", function()
            ok("POST", PATH, GIVEN)
            assert_shapes("custom_attributes", with { attribute_key = "other" }, 4)
        end)

        it("have a key of their own among those of contacts or of conversations", function()
            ok("POST", PATH, GIVEN)
            assert.same({ "Attribute key has already been taken", "attribute_key" }, { refused("POST", PATH, GIVEN) })
            ok("POST", PATH, with { attribute_model = 0 })
            assert.same("Attribute key has already been taken",
                (refused("PATCH", PATH .. "/2", { attribute_model = 1 })))
            ok("PATCH", PATH .. "/2", { attribute_key = "plan" })
            for _, key in ipairs { "", " ", "a b", "a'b", "a/b", "\0", "e'); DROP" } do
                assert.equal("attribute_key", select(2, refused("POST", PATH, with { attribute_key = key })))
            end
            assert.matches("might conflict", (refused("POST", PATH, with { attribute_key = "email" })))
            assert.matches("might conflict", (refused("POST", PATH, with {
                attribute_key = "status", attribute_model = 0,
            })))
            ok("POST", PATH, with { attribute_key = "größe-2.x" })
        end)

        it("are refused when they make no sense", function()
            assert.same({ "Attribute display name can't be blank", "attribute_display_name" },
                { refused("POST", PATH, {}) })
            assert.same({ "Attribute display type is not included in the list", "attribute_display_type" },
                { refused("POST", PATH, with { attribute_display_type = 8 }) })
            assert.equal("attribute_display_type", select(2, refused("POST", PATH, with {
                attribute_display_type = -1,
            })))
            assert.same({ "Attribute model is not included in the list", "attribute_model" },
                { refused("POST", PATH, with { attribute_model = 2 }) })
            assert.equal("attribute_values[1]", select(2, refused("POST", PATH, with { attribute_values = { {} } })))
            assert.equal("attribute_model", select(2, refused("GET", PATH)))
            assert.equal("attribute_model", select(2, refused("GET", PATH .. "?attribute_model=2")))
            assert.same({}, ok("GET", PATH .. "?attribute_model=1"))
        end)
    end)

    describe("custom filters", function()
        local QUERY = { payload = { { attribute_key = "status", filter_operator = "equal_to", values = { "open" } } } }

        it("are kept as they were written, by type", function()
            local made = ok("POST", "/custom_filters", { name = "Mine", type = "contact", query = QUERY })
            assert.same({
                id = 1, name = "Mine", type = "contact", filter_type = "contact", query = QUERY,
                created_at = "2027-01-15T08:00:00.000Z", updated_at = "2027-01-15T08:00:00.000Z",
            }, made)
            assert.same(made, ok("GET", "/custom_filters/1"))
            assert.equal("report", ok("POST", "/custom_filters?filter_type=report", { name = "R" }).type)
            assert.equal("contact", ok("POST", "/custom_filters", { name = "C", filter_type = "contact" }).type)
            assert.equal("conversation", ok("POST", "/custom_filters", { name = "V" }).type)
            assert.same({ 4 }, support.ids(ok("GET", "/custom_filters")))
            assert.same({ 1, 3 }, support.ids(ok("GET", "/custom_filters?filter_type=contact")))
            local changed = ok("PATCH", "/custom_filters/1", { name = "Ours", query = {} })
            assert.same({ "Ours", "contact", {} }, { changed.name, changed.type, changed.query })
            ok("DELETE", "/custom_filters/1")
            for _, verb in ipairs { "GET", "PATCH", "DELETE" } do
                assert.equal(404, (send(verb, ACCOUNT .. "/custom_filters/1", verb == "PATCH" and {} or nil)))
            end
        end)

        it("are everybody's own", function()
            ok("POST", "/custom_filters", { name = "Mine" })
            local other = agent()
            assert.same({}, ok("GET", "/custom_filters", nil, other))
            for _, verb in ipairs { "GET", "PATCH", "DELETE" } do
                assert.equal(404, (send(verb, ACCOUNT .. "/custom_filters/1", verb == "PATCH" and {} or nil, other)))
            end
            assert.equal(2, ok("POST", "/custom_filters", { name = "Theirs" }, other).id)
            assert.same({ 1 }, support.ids(ok("GET", "/custom_filters")))
        end)

        it("have documented shapes", function()
            ok("POST", "/custom_filters", { name = "Mine", query = QUERY })
            assert_shapes("custom_filters", { name = "N", type = "conversation", query = QUERY }, 4)
        end)

        it("are refused when they make no sense, or are too many", function()
            assert.same({ "Name can't be blank", "name" }, { refused("POST", "/custom_filters", {}) })
            assert.equal("type", select(2, refused("POST", "/custom_filters", { name = "x", type = "team" })))
            assert.equal("filter_type", select(2, refused("POST", "/custom_filters", { name = "x", filter_type = {} })))
            assert.equal("filter_type", select(2, refused("GET", "/custom_filters?filter_type=team")))
            assert.equal("query", select(2, refused("POST", "/custom_filters", { name = "x", query = "open" })))
            for i = 1, 1000 do
                ok("POST", "/custom_filters", { name = "n" .. i })
            end
            assert.matches("^Limit reached", (refused("POST", "/custom_filters", { name = "one more" })))
        end)
    end)

    describe("canned responses", function()
        local PATH = "/canned_responses"

        it("are kept as they were written", function()
            local made = ok("POST", PATH, { short_code = "hi", content = "Hello, how can we help?" })
            assert.same({ id = 1, account_id = 1, short_code = "hi", content = "Hello, how can we help?" }, made)
            ok("POST", PATH, { short_code = "bye", content = "Goodbye" })
            assert.same({ 1, 2 }, support.ids(ok("GET", PATH)))
            assert.equal("Good day", ok("PATCH", PATH .. "/1", { content = "Good day" }).content)
            assert.equal("hello", ok("PATCH", PATH .. "/1", { short_code = "hello" }).short_code)
            assert.equal("Good day", ok("GET", PATH)[1].content)
            ok("DELETE", PATH .. "/1")
            assert.same({ 2 }, support.ids(ok("GET", PATH)))
            assert.equal(404, (send("PATCH", ACCOUNT .. PATH .. "/1", { content = "x" })))
            assert.equal(404, (send("DELETE", ACCOUNT .. PATH .. "/1")))
        end)

        it("have documented shapes", function()
            ok("POST", PATH, { short_code = "hi", content = "Hello" })
            assert_shapes("canned_responses", { short_code = "new", content = "x" }, 3)
        end)

        it("are refused without a code and a text of their own", function()
            ok("POST", PATH, { short_code = "hi", content = "Hello" })
            ok("POST", PATH, { short_code = "ho", content = "Ho" })
            assert.same({ "Short code has already been taken", "short_code" },
                { refused("POST", PATH, { short_code = "hi", content = "x" }) })
            assert.equal("short_code", select(2, refused("PATCH", PATH .. "/2", { short_code = "hi" })))
            assert.equal("content", select(2, refused("POST", PATH, { short_code = "x" })))
            assert.equal("content", select(2, refused("PATCH", PATH .. "/2", { content = core.null })))
            assert.equal("short_code", select(2, refused("POST", PATH, { short_code = "", content = "x" })))
            assert.equal("short_code", select(2, refused("POST", PATH, { short_code = 5, content = "x" })))
            assert.same("Ho", ok("PATCH", PATH .. "/2", {}).content)
        end)
    end)

    it("search looks at name, identifier, e-mail and phone, letter case and blanks around aside", function()
        local made = ok("POST", "/contacts", {
            inbox_id = 1, name = "Zed Quimby", email = "zq@mail.example", phone_number = "+4915112345",
            identifier = "CRM-77",
        })
        for _, q in ipairs { "zed%20q", "%20QUIMBY", "ZQ@MAIL", "4915112", "%2B4915112", "crm-7", "crm-77%20" } do
            local body = ok("GET", "/contacts/search?q=" .. q)
            assert.same({ made.id }, support.ids(body.payload), q)
            assert.same({ count = 1, current_page = 1 }, body.meta)
        end
        assert.same({}, ok("GET", "/contacts/search?q=nobody%20here").payload)
        assert.same({}, ok("GET", "/contacts/search?q=%25").payload)
    end)
end)

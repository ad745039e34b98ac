--- The twin's filters: conditions on contacts and conversations, what they mean and what is refused.
local core = require "moonwire.core"
local calls = require "spec.support.calls"
local dates = require "moonwire.twin.dates"
local support = require "spec.support.twin"

local ACCOUNT = "/api/v1/accounts/1"
local DAY = 86400

local function condition(key, operator, values, joined)
    return {
        attribute_key = key,
        filter_operator = operator,
        values = values and core.array(values),
        query_operator = joined,
    }
end

describe("the twin's filters", function()
    local send

    before_each(function()
        send = support.client(support.state())
    end)
    teardown(calls.quiet)

    local function find(module, conditions, page)
        local target = ("%s/%s/filter%s"):format(ACCOUNT, module, page and "?page=" .. page or "")
        local status, body = send("POST", target, { payload = core.array(conditions) })
        assert.equal(200, status, core.json_encode(body))
        return body
    end

    local function found(module, ...)
        local ids = support.ids(find(module, { ... }).payload)
        table.sort(ids)
        return ids
    end

    local function count(module, ...)
        return find(module, { ... }).meta[module == "contacts" and "count" or "all_count"]
    end

    local function refused(module, ...)
        local status, body = send("POST", ACCOUNT .. "/" .. module .. "/filter", { payload = core.array { ... } })
        assert.equal(422, status)
        return body.error
    end

    local function update(id, fields)
        assert.equal(204, (send("PUT", ACCOUNT .. "/contacts/" .. id, fields)))
    end

    local function define(key, kind, model)
        assert.equal(200, (send("POST", ACCOUNT .. "/custom_attribute_definitions", {
            attribute_display_name = key, attribute_key = key, attribute_display_type = kind, attribute_model = model,
        })))
    end

    describe("on contacts", function()
        it("compare text without regard to letter case", function()
            assert.same({ 10 }, found("contacts", condition("email", "equal_to", { "ANNA.schreiber@post.example" })))
            assert.equal(39, count("contacts", condition("email", "not_equal_to", { "anna.schreiber@post.example" })))
            assert.same({ 2, 10, 32 }, found("contacts",
                condition("city", "contains", { " berlin ", "LEIPZIG", "freiburg" })))
            assert.equal(37, count("contacts",
                condition("city", "does_not_contain", { "berlin", "leipzig", "freiburg" })))
            assert.same({ 10 }, found("contacts", condition("name", "contains", { "schreiber" })))
        end)

        it("hold equality against the first value, as the platform does", function()
            assert.same({ 28 }, found("contacts", condition("country_code", "equal_to", { "at", "ch" })))
        end)

        it("take phone numbers with and without the plus", function()
            for _, number in ipairs { "+493055501002", "493055501002" } do
                assert.same({ 10 }, found("contacts", condition("phone_number", "equal_to", { number })))
            end
            for _, prefix in ipairs { "+4930", "4930" } do
                assert.same({ 2, 10, 32 }, found("contacts", condition("phone_number", "starts_with", { prefix })))
            end
        end)

        it("never hold for what is not there", function()
            local having = count("contacts", condition("phone_number", "contains", { "" }))
            assert.equal(36, having) -- four have no number
            assert.equal(having, count("contacts", condition("phone_number", "not_equal_to", { "1" })))
            assert.equal(having, count("contacts", condition("phone_number", "does_not_contain", { "x" })))
        end)

        it("bind AND tighter than OR", function()
            local de, lyon = condition("country_code", "equal_to", { "DE" }), condition("city", "equal_to", { "Lyon" })
            local anna = condition("name", "equal_to", { "anna schreiber" })
            local function joined(one, how)
                return condition(one.attribute_key, one.filter_operator, one.values, how)
            end
            assert.same({ 3, 10 }, found("contacts", joined(lyon, "OR"), joined(de, "AND"), anna))
            assert.same({ 3, 10 }, found("contacts", joined(de, "and"), joined(anna, "or"), lyon))
            assert.same({}, found("contacts", joined(lyon, "AND"), joined(de, "AND"), anna))
            assert.same({ 3 }, found("contacts", joined(lyon, "OR"))) -- the last operator joins nothing
            assert.equal(40, count("contacts"))
        end)

        it("compare whole days", function()
            local _, made = send("POST", ACCOUNT .. "/contacts", { inbox_id = 1, name = "Newest" })
            local today = dates.iso(support.NOW):sub(1, 10)
            local function at(operator, value)
                return support.ids(find("contacts", { condition("created_at", operator, { value }) }).payload)
            end
            assert.same({}, at("is_greater_than", today))
            assert.same({ made.id }, at("is_greater_than", dates.iso(support.NOW - DAY):sub(1, 10)))
            assert.equal(40, count("contacts", condition("created_at", "is_less_than", { today })))
            assert.equal(40, count("contacts", condition("last_activity_at", "days_before", { "0" })))
            assert.equal(41, count("contacts", condition("created_at", "is_less_than", { "2500-01-01" })))
        end)

        it("know the custom attributes that the account defines", function()
            update(1, { custom_attributes = { plan = "Gold", seats = 12, beta = true, renews = "2027-02-01" } })
            update(2, { custom_attributes = { plan = "Silver", seats = "7", beta = false } })
            assert.matches("^Invalid attribute key %- %[plan%]%. The key should be one of %[name,phone_number,",
                refused("contacts", condition("plan", "equal_to", { "gold" })))
            define("plan", 0, 1)
            define("seats", 1, 1)
            define("beta", 7, 1)
            define("renews", 5, 1)
            define("plan", 0, 0)
            assert.same({ 1 }, found("contacts", condition("plan", "equal_to", { "gold" })))
            assert.equal(39, count("contacts", condition("plan", "not_equal_to", { "gold" })))
            assert.same({ 1, 2 }, found("contacts", condition("plan", "is_present")))
            assert.equal(38, count("contacts", condition("plan", "is_not_present")))
            assert.same({ 2 }, found("contacts", condition("plan", "contains", { "SILV" })))
            assert.same({ 1 }, found("contacts", condition("seats", "is_greater_than", { "7" })))
            assert.same({ 2 }, found("contacts", condition("seats", "is_less_than", { 12 })))
            assert.same({ 1 }, found("contacts", condition("seats", "equal_to", { 12 })))
            assert.same({ 1 }, found("contacts", condition("beta", "equal_to", { true })))
            assert.same({ 2 }, found("contacts", condition("beta", "equal_to", { "false" })))
            assert.same({ 1 }, found("contacts", condition("renews", "is_greater_than", { "2027-01-31" })))
            assert.same({}, found("contacts", condition("renews", "days_before", { "0" })))
            assert.matches("^Invalid operator%. The allowed operators for beta are %[", refused("contacts",
                condition("beta", "is_greater_than", { true })))
        end)

        it("page by 15, the latest activity first, and serve bots", function()
            local all = condition("name", "contains", { "" })
            local seen = {}
            for page, size in ipairs { 15, 15, 10, 0 } do
                local body = find("contacts", { all }, page)
                assert.equal(size, #body.payload)
                assert.same({ count = 40, current_page = page }, body.meta)
                for _, contact in ipairs(body.payload) do
                    assert.equal(contact.id, contact.payload.contact.id)
                    seen[#seen + 1] = contact.last_activity_at
                end
            end
            for i = 2, #seen do
                assert.is_true(seen[i - 1] >= seen[i])
            end
            local bot = support.headers "twin-bot-token"
            local status, body = send("POST", ACCOUNT .. "/contacts/filter", { payload = core.array { all } }, bot)
            assert.equal(200, status)
            assert.equal(15, #body.payload)
        end)
    end)

    describe("on conversations", function()
        local function post(path, fields)
            assert.equal(200, (send("POST", ACCOUNT .. path, fields)))
        end

        it("know status, agent, team, inbox and labels", function()
            post("/conversations/40/toggle_status", { status = "resolved" })
            post("/conversations/39/toggle_status", { status = "pending" })
            assert.same({ 39, 40 }, found("conversations", condition("status", "equal_to", { "resolved", "pending" })))
            assert.equal(58, count("conversations", condition("status", "not_equal_to", { "resolved", "pending" })))
            assert.equal(60, count("conversations", condition("status", "equal_to", { "all" })))
            assert.equal(0, count("conversations", condition("status", "not_equal_to", { "all" })))
            assert.same({ 1, 5 }, found("conversations", condition("assignee_id", "equal_to", { "5" })))
            assert.equal(12, count("conversations", condition("assignee_id", "is_present")))
            assert.equal(48, count("conversations", condition("assignee_id", "is_not_present")))
            assert.equal(10, count("conversations", condition("assignee_id", "not_equal_to", { 5 })))
            assert.same({ 1, 5, 8, 19, 49 }, found("conversations", condition("team_id", "equal_to", { 3 })))
            assert.same({ 1, 5, 40, 49 }, found("conversations", condition("inbox_id", "equal_to", { 4 }, "AND"),
                condition("labels", "equal_to", { "vip" })))
            assert.same({ 1, 49 }, found("conversations", condition("labels", "equal_to", { "order", "spam" })))
            assert.equal(60, count("conversations", condition("labels", "is_present", nil, "OR"),
                condition("labels", "is_not_present")))
            assert.equal(58, count("conversations", condition("labels", "not_equal_to", { "order" })))
            assert.same({ 7, 9 }, found("conversations", condition("display_id", "equal_to", { "7", 9 })))
            assert.same({}, found("conversations", condition("priority", "equal_to", { "high" })))
            assert.same({}, found("conversations", condition("campaign_id", "is_present")))
        end)

        it("look into what is attached to them", function()
            post("/conversations", {
                source_id = "nimbus-1-10", inbox_id = 1,
                additional_attributes = { browser_language = "de", referer = "https://shop.example/Cart", n = 1 },
                custom_attributes = { order = 88213 },
            })
            assert.same({ 61 }, found("conversations", condition("browser_language", "equal_to", { "de", "en" })))
            assert.same({}, found("conversations", condition("browser_language", "equal_to", { "DE" })))
            assert.same({ 61 }, found("conversations", condition("referer", "contains", { "/cart" })))
            assert.same({}, found("conversations", condition("mail_subject", "contains", { "a" })))
            define("order", 1, 0)
            assert.same({ 61 }, found("conversations", condition("order", "equal_to", { "88213" })))
            assert.same({ 61 }, found("conversations", condition("created_at", "is_greater_than", { "2027-01-14" })))
        end)

        it("page by 25, the latest activity first, and count by whose they are", function()
            local seen = {}
            for page, size in ipairs { 25, 25, 10, 0 } do
                local body = find("conversations", { condition("status", "equal_to", { "open" }) }, page)
                assert.equal(size, #body.payload)
                assert.same({ mine_count = 1, assigned_count = 12, unassigned_count = 48, all_count = 60 }, body.meta)
                assert.same(body.meta, body.data.meta)
                assert.same(body.payload, body.data.payload)
                for _, conversation in ipairs(body.payload) do
                    seen[#seen + 1] = conversation.last_activity_at
                end
            end
            assert.equal(60, #seen)
            for i = 2, #seen do
                assert.is_true(seen[i - 1] >= seen[i])
            end
            local status, body = send("POST", ACCOUNT .. "/conversations/filter", { payload = core.array {} },
                support.headers "twin-bot-token")
            assert.equal(200, status)
            assert.equal(0, body.meta.mine_count)
        end)
    end)

    it("answer in the documented shapes", function()
        local checked = 0
        for _, row in ipairs(core.operations "ooctopus") do
            if row.method == "filter" then
                local body = find(row.module, { condition("created_at", "is_less_than", { "2500-01-01" }) })
                support.assert_shape(row.answer, support.documented_part(row, body), row.module)
                checked = checked + 1
            end
        end
        assert.equal(2, checked)
    end)

    it("refuse what makes no sense, and say what would", function()
        assert.matches("%[shoe_size%].-%[status,assignee_id,", refused("conversations",
            condition("shoe_size", "equal_to", { 44 })))
        assert.matches("^Invalid attribute key %- %[%]", refused("conversations", condition(nil, "equal_to", { 44 })))
        assert.equal("Invalid operator. The allowed operators for status are [equal_to,not_equal_to].",
            refused("conversations", condition("status", "contains", { "op" })))
        assert.matches("^Invalid operator", refused("contacts", condition("name", "sounds_like", { "x" })))
        assert.matches("^Invalid operator", refused("contacts", condition("name", "attribute_changed", { "x" })))
        assert.matches("^Invalid operator", refused("contacts", condition("name", nil, { "x" })))
        local no_value = "Invalid value. The values provided for %s are invalid"
        assert.equal(no_value:format "name", refused("contacts", condition("name", "equal_to", {})))
        assert.equal(no_value:format "name", refused("contacts", condition("name", "contains")))
        assert.equal(no_value:format "inbox_id", refused("conversations", condition("inbox_id", "equal_to", { "x" })))
        for _, day in ipairs { "yesterday", "2027-02-30", "2027-13-01", "2027-1-1", "2027-01-011" } do
            assert.equal(no_value:format "created_at", refused("contacts",
                condition("created_at", "is_less_than", { day })))
        end
        for _, days in ipairs { "x", "-1", "1e9", "1.5" } do
            assert.equal(no_value:format "created_at", refused("contacts",
                condition("created_at", "days_before", { days })))
        end
        local join = 'Query operator must be either "AND" or "OR".'
        local anna, bob = condition("name", "equal_to", { "a" }, "XOR"), condition("name", "equal_to", { "b" })
        assert.equal(join, refused("contacts", anna))
        assert.equal(join, refused("contacts", bob, bob))
    end)

    it("refuse what is no filter", function()
        for _, body in ipairs {
            {}, { payload = "x" }, { payload = core.null }, { payload = { 1 } }, { payload = { core.null } },
            { payload = { condition("name", "equal_to", { {} }) } },
            { payload = { condition("name", "equal_to", { core.null }) } },
            { payload = { { attribute_key = 7, filter_operator = {}, values = "x" } } },
            { payload = { { attribute_key = "name", filter_operator = "equal_to", values = { from = {} } } } },
        } do
            assert.equal(422, (send("POST", ACCOUNT .. "/contacts/filter", body)), core.json_encode(body))
        end
        local many, values = {}, {}
        for i = 1, 101 do
            many[i] = condition("name", "equal_to", { "a" }, "OR")
        end
        for i = 1, 1001 do
            values[i] = "x"
        end
        assert.equal("Too many conditions (maximum is 100)", refused("contacts", table.unpack(many)))
        assert.matches("^Invalid value", refused("contacts", condition("name", "contains", values)))
    end)

    it("are paged through by a real client", function()
        local mw = require "moonwire"
        local running <close> = require("moonwire.twin").start { data = "demo" }
        local desk <close> = mw.ooctopus(running.ooctopus)
        for module, expected in pairs { contacts = 40, conversations = 60 } do
            local seen = 0
            local question = { payload = { condition("created_at", "is_less_than", { "2500-01-01" }) } }
            for _ in desk[module]:each("filter", question, { unchecked = true }) do
                seen = seen + 1
            end
            assert.equal(expected, seen, module)
        end
        local _, failure = desk:safe().contacts:filter {
            payload = { condition("shoe_size", "equal_to", { "44" }) },
        }
        assert.equal("rejected", failure.kind)
        assert.matches("^Invalid attribute key %- %[shoe_size%]", failure.message)
    end)

    it("count days as calendars do", function()
        assert.equal("1970-01-01T00:00:00.000Z", dates.iso(0))
        assert.equal("2000-02-29T23:59:59.000Z", dates.iso(951868799))
        assert.equal("2027-01-15T08:00:00.000Z", dates.iso(support.NOW))
        for day = -200000, 200000, 37 do
            assert.equal(day, dates.parse_day(dates.iso(day * DAY):sub(1, 10)))
        end
        assert.equal(dates.day(support.NOW), dates.parse_day("2027-01-15T23:59:59Z"))
        assert.is_nil(dates.parse_day "1900-02-29")
    end)
end)

-- JSON out and in, exactly: every value goes over a real socket to a server that echoes bytes and comes back.
local core = require "moonwire.core"
local mw = require "moonwire"
local raw = require "spec.support.raw"

local function nest(open, close, levels, core_text)
    return open:rep(levels) .. core_text .. close:rep(levels)
end

--- A list that holds a list that holds ... `levels` deep, the innermost one empty.
local function nested_list(levels)
    local value = mw.array {}
    for _ = 2, levels do
        value = { value }
    end
    return value
end

describe("JSON over a real server", function()
    local server, desk

    setup(function()
        server = raw.start()
        desk = mw.ooctopus { url = server:url "echo", account = 1, token = "user-token" }
    end)

    teardown(function()
        desk:close()
        server:stop()
        assert.equal(0, core.live())
    end)

    before_each(function()
        server:clear()
    end)

    local function round_trip(value)
        return (desk:request("POST", "/anything", { body = value }))
    end

    --- The bytes of the last request's body.
    local function sent()
        local log = server:log()
        return log[#log].body
    end

    --- What comes back when the server answers these bytes.
    local function answered(text)
        local head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        local behaviour = server:answer("json", head:format(#text) .. text)
        local client <close> = mw.ooctopus { url = server:url(behaviour), account = 1, token = "user-token" }
        return (client:request("GET", "/anything"))
    end

    for _, value in ipairs {
        56, -1, 0, 9007199254740991, 9007199254740992, 9007199254740993, -9007199254740993, math.maxinteger,
        math.mininteger, 123456789012345678, 999999999999999, 1000000000000000,
    } do
        it(("keeps the integer %d"):format(value), function()
            local back = round_trip(value)
            assert.equal("integer", math.type(back))
            assert.equal(value, back)
            assert.equal(tostring(value), sent())
            assert.equal(value, round_trip({ a = { value } }).a[1])
            assert.equal("integer", math.type(round_trip({ a = { value } }).a[1]))
        end)
    end

    for _, value in ipairs {
        0.1, -0.1, 1e300, 5e-324, 1.7976931348623157e308, 1 / 3, 1.0, -1.0, 1e3, 2.0 ^ 53, 2.0 ^ 63, -0.0,
        123456789.125, 1e15, 4503599627370496.5,
    } do
        it(("keeps the float %.17g"):format(value), function()
            local back = round_trip(value)
            assert.equal("float", math.type(back))
            assert.equal(string.pack("n", value), string.pack("n", back))
            assert.equal("float", math.type(round_trip({ { x = value } })[1].x))
        end)
    end

    it("keeps text of every kind", function()
        for _, value in ipairs {
            "", "\0", "a\0b", "\u{1F600}", "ünï", "\"\\/\b\f\n\r\t", "\x01\x1f\x7f", "12", "1.0", "[]", "null",
            ("x"):rep(100000),
        } do
            assert.equal(value, round_trip(value))
            assert.same({ value }, round_trip { value })
        end
        round_trip("\0")
        assert.equal([["\u0000"]], sent())
    end)

    it("decodes escapes and surrogate pairs", function()
        assert.equal("\u{1F600}é/\0", answered [["\uD83D\uDE00\u00e9\/\u0000"]])
    end)

    it("keeps bytes that are not UTF-8", function()
        assert.equal("a\xff\xfeb", answered "\"a\xff\xfeb\"")
        assert.equal("\xc3", answered("[\"\xc3\"]")[1])
    end)

    it("keeps null inside arrays and objects, and at the top", function()
        assert.equal(mw.null, round_trip(mw.null))
        local back = round_trip { list = { mw.null, 1, mw.null }, object = { a = mw.null } }
        assert.same({ mw.null, 1, mw.null }, back.list)
        assert.equal(3, #back.list)
        assert.equal(mw.null, back.object.a)
    end)

    it("keeps booleans", function()
        assert.equal(true, round_trip(true))
        assert.same({ false, true }, round_trip { false, true })
    end)

    it("tells empty arrays from empty objects, in both directions", function()
        local back = round_trip(mw.array {})
        assert.equal("[]", sent())
        assert.is_true(core.is_array(back))
        back = round_trip {}
        assert.equal("{}", sent())
        assert.is_false(core.is_array(back))
        back = round_trip { list = mw.array {}, object = {}, deep = { { mw.array {} } } }
        assert.is_true(core.is_array(back.list))
        assert.is_false(core.is_array(back.object))
        assert.is_true(core.is_array(back.deep[1][1]))
        round_trip(back)
        assert.equal(core.json_encode(back), sent())
        assert.is_true(core.is_array(answered "{\"a\": [ \t\r\n ]}".a))
    end)

    it("sends an empty table as [] where the facts say array and as {} elsewhere", function()
        local echo = desk.conversations:set_labels(7, { labels = {} })
        assert.equal('{"labels":[]}', sent())
        assert.is_true(core.is_array(echo.labels))
        desk.contacts:update(7, { custom_attributes = {} })
        assert.equal('{"custom_attributes":{}}', sent())
        desk.contacts:update(7, { custom_attributes = { tags = mw.array {} } })
        assert.equal('{"custom_attributes":{"tags":[]}}', sent())
    end)

    it("takes 100 levels and refuses 101, out and in", function()
        assert.equal(nest("[", "]", 100, ""), (core.json_encode(round_trip(nested_list(100)))))
        local failed, failure = pcall(round_trip, nested_list(101))
        assert.is_false(failed)
        assert.is_true(mw.is_error(failure, "invalid"))
        for _, text in ipairs { nest("[", "]", 100, ""), nest("[", "]", 100, "1"), nest('{"a":', "}", 100, "1"),
            nest('{"a":', "}", 99, "[]") } do
            assert.equal(text, core.json_encode(answered(text)))
        end
        for _, text in ipairs { nest("[", "]", 101, ""), nest("[", "]", 101, "1"), nest('{"a":', "}", 101, "1"),
            nest('{"a":', "}", 100, "[]") } do
            local ok, problem = pcall(answered, text)
            assert.is_false(ok)
            assert.is_true(mw.is_error(problem, "decode"))
        end
    end)

    it("makes floats of integers beyond 64 bits", function()
        assert.equal(2.0 ^ 63, answered "9223372036854775808")
        assert.equal("float", math.type(answered "-9223372036854775809"))
        assert.equal(1e30, answered("[1" .. ("0"):rep(30) .. "]")[1])
    end)

    it("refuses what JSON refuses", function()
        for _, text in ipairs {
            "NaN", "[nan]", "Infinity", "-Infinity", "0x10", "01", "-01", "1.", ".5", "+1", "1e", "--1",
            "1e999", "[-1e999]", "[1,]", "[,1]", '{"a":1,}', "{,}", "{a:1}", "{1:1}", "{[]:1}", "{1.0:1}", "{1e2 : 1}",
            "{12345678901234567:1}", "'a'", '"a', "[1", "1 2", "nul", "truer", "\"\1\"", "\"\t\"", "\0", "[\0]",
            '"\\x"', '"\\u12"', '{"a" 1}',
            " ", "]", "{]", "[}", "tru", "[1 2]",
        } do
            local ok, failure = pcall(mw.json.decode, text)
            assert.is_false(ok, ("%q was decoded"):format(text))
            assert.is_true(mw.is_error(failure, "decode"), tostring(failure))
            ok, failure = pcall(answered, text)
            assert.is_false(ok, ("%q was decoded"):format(text))
            assert.is_true(mw.is_error(failure, "decode"), tostring(failure))
            assert.equal("yes", failure.sent)
        end
    end)

    it("says what is wrong in words", function()
        for text, reason in pairs {
            [""] = "expected a value but found the end",
            ["["] = "expected a value but found the end",
            ["[1,]"] = "expected a value but found ']'",
            ["[1 2]"] = "expected ',' or ']' but found a number",
            ["[1e2 [] ]"] = "expected ',' or ']' but found '['",
            ['["a" "b"]'] = "expected ',' or ']' but found a string",
            ['{"a" 1}'] = "expected ':' but found a number",
            ['{"a":1,}'] = "expected a key in quotes but found '}'",
            ['{"a":true null}'] = "expected ',' or '}' but found null",
            ["{} {"] = "expected the end but found '{'",
            ["nul"] = "an unknown word or character at byte 1",
            ["[1,\0]"] = "an unknown word or character at byte 4",
            ["[01]"] = "a number that is not JSON at byte 2",
            ['["a'] = "a string does not end at byte 2",
            ['["\\u12"]'] = "expected a value but found invalid unicode escape code",
            ['{"\\x":1}'] = "expected a key in quotes but found invalid escape code",
            ["{1e2:1}"] = "expected a key in quotes but found a number",
            ["[1e999]"] = "a number is out of range",
        } do
            local ok, failure = pcall(mw.json.decode, text)
            assert.is_false(ok)
            assert.equal("not JSON: " .. reason, failure.message)
            assert.matches("json_spec.lua:%d+: json: decode: not JSON: " .. reason:gsub("%p", "%%%0") .. "$",
                tostring(failure))
        end
    end)

    it("passes over a byte order mark", function()
        assert.same({ 1 }, answered "\xEF\xBB\xBF[1]")
    end)

    it("takes a large page apart", function()
        local rows = {}
        for i = 1, 2000 do
            rows[i] = {
                id = i * 1000000007 * 1000003,
                score = i + 0.5,
                whole = i * 1.0,
                tags = mw.array {},
                none = mw.null,
                text = ("é%d"):format(i),
            }
        end
        assert.same(rows, round_trip(rows))
    end)
end)

describe("json.encode", function()
    it("says where a value can't be sent", function()
        local loop = {}
        loop.loop = loop
        for _, case in ipairs {
            { { a = { b = { print } } }, "'a.b[1]' can't be sent: it is a function" },
            { { a = { 1, 2, x = 3 } }, "'a' must have either string keys or the keys 1, 2, 3" },
            { { 1, nil, 3 }, "must have either string keys or the keys 1, 2, 3" },
            { { [1.5] = 1 }, "must have either string keys" },
            { { [true] = 1 }, "must have either string keys" },
            { mw.array { x = 1 }, "is an array" },
            { { io.stdout }, "'[1]' can't be sent: it is a userdata" },
            { loop, "deeper than 100 levels" },
            { 0 / 0, "no NaN" },
            { { 1 / 0 }, "infinity" },
        } do
            local ok, failure = pcall(mw.json.encode, case[1])
            assert.is_false(ok)
            assert.is_true(mw.is_error(failure, "invalid"))
            assert.matches(case[2], failure.message, 1, true)
        end
        assert.is_false(pcall(mw.json.encode, nil))
    end)

    it("runs no script code", function()
        local trap = setmetatable({ a = 1 }, { __index = error, __pairs = error, __len = error })
        assert.equal('{"a":1}', mw.json.encode(trap))
    end)
end)

describe("json.decode beside lua-cjson", function()
    local cjson = require("cjson").new()
    cjson.decode_max_depth(101)
    cjson.decode_invalid_numbers(false)

    -- What cjson takes and JSON does not.
    local lax = { "a number that is not JSON", "a control character in a string", "a number is out of range" }

    --- Fails where `ours` is not `theirs` as cjson has it: numbers are floats, an empty array is an empty table.
    local function compare(ours, theirs)
        assert(type(ours) == type(theirs))
        if type(ours) ~= "table" then
            assert(type(ours) == "number" and ours + 0.0 == theirs or ours == theirs)
            return
        end
        for key, value in pairs(ours) do
            compare(value, theirs[key])
        end
        for key in pairs(theirs) do
            assert(ours[key] ~= nil)
        end
    end

    local seeds = {
        [==[{"data":{"payload":[{"id":1,"at":1700000201.482913,"labels":["a","b"],"no":null,"own":{}},{"id":2}]}}]==],
        [==[{"a":[1,2.5,-0.0,-0,1e5,1E-3,9223372036854775807,0.1,123456789012345.678,{"b":[],"c":{}}],"t":true}]==],
        [==["\u00e9\ud83d\ude00\n\"\\\/\b\f\r\t and a tail of plain text, \u20ac, \u0000 \u001f"]==],
        [==[ [ [ ] , { } , "" , "a\u0041" , [ [ [ 0.30000000000000004 , 5e-324 , 4503599627370497.5 ] ] ] ] ]==],
    }
    local pieces = {
        "{", "}", "[", "]", ",", ":", '"', "\\", "true", "null", "nul", "1", "-", "0", ".", "e", "E+", " ", "\n", "\1",
        "\\u12", "\\ud800", "\\udc00", "\xff", "[]", "{}", '"k":', "1e999", "99999999999999999999",
    }

    -- Without NULs, at which cjson believes to be at the end.
    it("makes the same of changed texts, and refuses what cjson refuses", function()
        math.randomseed(5)
        local taken = 0
        for round = 1, 20000 do
            local text = seeds[round % #seeds + 1]
            for _ = 1, math.random(0, 3) do
                local at = math.random(0, #text)
                text = text:sub(1, at) .. pieces[math.random(#pieces)] .. text:sub(at + 1 + math.random(0, 2))
            end
            local ok, ours = pcall(mw.json.decode, text)
            local fine, theirs = pcall(cjson.decode, text)
            local known = ok
            for _, problem in ipairs(lax) do
                known = known or ours.message:find(problem, 1, true)
            end
            assert(ok and fine or not ok and (known or not fine), text)
            if ok then
                assert(pcall(compare, ours, theirs), text)
                taken = taken + 1
            end
        end
        assert.is_true(taken > 5000)
    end)

    it("reads every number as Lua does", function()
        math.randomseed(6)
        local function digits(most)
            return ("%0" .. math.random(most) .. "d"):format(math.random(0, 999999999)):reverse()
        end
        for _ = 1, 20000 do
            local text = (math.random(2) == 1 and "-" or "") .. math.random(1, 9) .. digits(21)
            if math.random(3) > 1 then
                text = text .. "." .. digits(24)
            end
            if math.random(4) == 1 then
                text = text .. "e" .. math.random(-30, 30)
            end
            local ours, lua = mw.json.decode(text), tonumber(text)
            assert(math.type(ours) == math.type(lua) and ours == lua, text)
        end
    end)
end)

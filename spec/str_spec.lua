-- mw.str: what it does, held against plain definitions, and that hostile text takes no longer than friendly text.
local mw = require "moonwire"

local str = mw.str
local spaces = " \t\n\v\f\r"

local function lines(text)
    local all = {}
    for line in str.lines(text) do
        all[#all + 1] = line
    end
    return all
end

-- Texts of a few bytes, where all special cases meet.
local function texts(bytes, most)
    local all, from = { "" }, 1
    for _ = 1, most do
        local to = #all
        for i = from, to do
            for _, byte in ipairs(bytes) do
                all[#all + 1] = all[i] .. byte
            end
        end
        from = to + 1
    end
    return all
end

describe("mw.str.trim", function()
    it("takes white space of ASCII away at both ends", function()
        assert.equal("a b", str.trim(spaces .. "a b" .. spaces))
        assert.equal("", str.trim(spaces))
        assert.equal("", str.trim "")
        assert.equal("\0 x\0", str.trim " \0 x\0 ")
        assert.equal("\u{a0}x\u{2003}", str.trim "\u{a0}x\u{2003}")
        assert.equal("12", str.trim(12))
    end)

    it("does what the pattern does", function()
        for _, text in ipairs(texts({ " ", "\n", "x", "\0" }, 5)) do
            assert.equal(text:match "^%s*(.-)%s*$", str.trim(text))
        end
        for byte = 0, 255 do
            local text = string.char(byte)
            assert.equal(spaces:find(text, 1, true) and "" or text, str.trim(text))
        end
    end)

    it("takes a millisecond at most for 30,000 spaces and an x", function()
        local text = (" "):rep(30000) .. "x"
        local best = math.huge
        for _ = 1, 20 do
            local start = os.clock()
            assert.equal("x", str.trim(text))
            best = math.min(best, os.clock() - start)
        end
        assert.is_true(best <= 0.001, best)
        assert.equal(30001, #str.trim("x" .. (" "):rep(29999) .. "x" .. (" "):rep(30000)))
    end)

    it("wants a text", function()
        for _, value in ipairs { {}, true, print } do
            assert.has_error(function() str.trim(value) end)
        end
        assert.has_error(function() str.trim() end)
    end)
end)

describe("mw.str.split", function()
    it("gives the pieces between separators", function()
        assert.same({ "a", "b", "c" }, str.split("a,b,c", ","))
        assert.same({ "" }, str.split("", ","))
        assert.same({ "", "" }, str.split(",", ","))
        assert.same({ "a", "", "b", "" }, str.split("a,,b,", ","))
        assert.same({ "a", "b" }, str.split("a%.b", "%."))
        assert.same({ "", "a" }, str.split("aaa", "aa"))
        assert.same({ "a\0b", "c" }, str.split("a\0b\0\0c", "\0\0"))
        assert.same({ "abc" }, str.split("abc", "abcd"))
        assert.same({ "", "" }, str.split("abc", "abc"))
    end)

    it("gives at most `max` pieces, the last with the rest", function()
        assert.same({ "a", "b,c" }, str.split("a,b,c", ",", 2))
        assert.same({ "a,b,c" }, str.split("a,b,c", ",", 1))
        assert.same({ "a", "b", "c" }, str.split("a,b,c", ",", 3))
        assert.same({ "a", "b", "c" }, str.split("a,b,c", ",", math.maxinteger))
        assert.same({ "a", "b" }, str.split("a,b", ",", nil))
    end)

    it("is undone by table.concat", function()
        for _, text in ipairs(texts({ "a", "b", "," }, 6)) do
            for _, separator in ipairs { ",", "ab", "aba", "," } do
                local pieces = str.split(text, separator)
                assert.equal(text, table.concat(pieces, separator))
                for _, piece in ipairs(pieces) do
                    assert.is_nil(piece:find(separator, 1, true))
                end
            end
        end
    end)

    it("refuses an empty separator, and numbers of pieces below 1", function()
        for _, arguments in ipairs { { "a", "" }, { "a", ",", 0 }, { "a", ",", -1 } } do
            local ok, failure = pcall(str.split, table.unpack(arguments))
            assert.is_false(ok)
            assert.is_true(mw.is_error(failure, "invalid"))
        end
        assert.has_error(function() str.split("a") end)
        assert.has_error(function() str.split("a", ",", 1.5) end)
        assert.has_error(function() str.split({}, ",") end)
    end)

    it("takes its time once per byte, whatever the separator", function()
        local text = ("a"):rep(1000000)
        local start = os.clock()
        assert.equal(1, #str.split(text, ("a"):rep(200) .. "b"))
        assert.equal(1, #str.split(text, ("a"):rep(20000) .. "b"))
        assert.equal(1000001, #str.split(text, "a"))
        assert.is_true(os.clock() - start < 5)
    end)
end)

describe("mw.str.lines", function()
    it("ends lines at \\n and \\r\\n", function()
        assert.same({ "a", "b", "", "c" }, lines "a\r\nb\n\nc")
        assert.same({}, lines "")
        assert.same({ "" }, lines "\n")
        assert.same({ "" }, lines "\r\n")
        assert.same({ "a" }, lines "a")
        assert.same({ "a" }, lines "a\n")
        assert.same({ "a\rb", "\r" }, lines "a\rb\n\r")
        assert.same({ "a\0b", "c\r" }, lines "a\0b\nc\r\r\n")
    end)

    it("does what the pattern does", function()
        for _, text in ipairs(texts({ "a", "\n", "\r" }, 6)) do
            local expected = {}
            local whole = (text == "" or text:sub(-1) == "\n") and text or text .. "\n"
            for line in whole:gmatch "([^\n]*)\n" do
                expected[#expected + 1] = line
            end
            for i = 1, #expected do
                if i < #expected or text:sub(-1) == "\n" then
                    expected[i] = expected[i]:gsub("\r$", "")
                end
            end
            assert.same(expected, lines(text))
        end
    end)

    it("goes on giving nil", function()
        local next_line = str.lines "a"
        assert.equal("a", next_line())
        assert.is_nil(next_line())
        assert.is_nil(next_line())
    end)
end)

describe("mw.str.starts_with and ends_with", function()
    it("compare bytes", function()
        assert.is_true(str.starts_with("abc", "ab"))
        assert.is_true(str.starts_with("abc", ""))
        assert.is_true(str.starts_with("", ""))
        assert.is_true(str.starts_with("a\0b", "a\0"))
        assert.is_false(str.starts_with("abc", "b"))
        assert.is_false(str.starts_with("ab", "abc"))
        assert.is_false(str.starts_with("a.c", "a%."))
        assert.is_true(str.ends_with("abc", "bc"))
        assert.is_true(str.ends_with("abc", ""))
        assert.is_true(str.ends_with("abc", "abc"))
        assert.is_false(str.ends_with("abc", "b"))
        assert.is_false(str.ends_with("bc", "abc"))
        assert.has_error(function() str.starts_with("a") end)
        assert.has_error(function() str.ends_with({}, "a") end)
    end)
end)

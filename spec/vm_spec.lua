-- What a sandboxed script finds around it: the language as stock Lua has it, a list of functions and no others, modules
-- that are delivered as text, memory that ends. Budgets and ends of runs are in run_spec, escapes in corpus_spec.

-- luacheck: ignore 631 (scripts with long lines)

local mw = require "moonwire"

local host = require "spec.support.host"
local process = require "spec.support.process"

local sanitized = host.build:find "sanitize" ~= nil

--- Runs a script from standard input: what it prints. It must end well.
local function output_of(script, options)
    local output, errors, code = host.script(script, options)
    assert.are.equal(0, code, errors)
    return output
end

--- The first line of the error that ends a script.
local function failure_of(script, options)
    local _, errors, code = host.script(script, options)
    return (errors:gsub("moonwire: run: no policy[^\n]*\n", ""):match "[^\n]*"), code
end

-- The same script in `lua5.4` must print the same.
local stock = {
    ["coroutines"] = [[
        local co = coroutine.create(function(a, b)
            print("start", a, b, coroutine.isyieldable())
            local c = coroutine.yield(a + b)
            local d, e = coroutine.yield(c * 2)
            return d .. e, select("#", d, e, nil)
        end)
        print(coroutine.resume(co, 1, 2))
        print(coroutine.status(co), coroutine.resume(co, 10))
        print(coroutine.resume(co, "x", "y"))
        print(coroutine.status(co), coroutine.resume(co))
        local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end return "end" end)
        print(gen(), gen(), gen(), gen())
        print(pcall(gen))
        print(pcall(coroutine.wrap(function() error "inside" end)))
        print(pcall(coroutine.wrap(function() error { code = 7 } end)))
        print(select("#", coroutine.resume(coroutine.create(function() end))))
        print(coroutine.resume(coroutine.create(function() return pcall(function() return coroutine.yield(5) end) end)))
        local _, main = coroutine.running()
        print(main, coroutine.isyieldable(), pcall(coroutine.yield))
        local inner = coroutine.wrap(function()
            local ok, why = pcall(function() coroutine.yield "mid" error "after" end)
            coroutine.yield(ok, why)
            for k, v in pairs(setmetatable({}, { __pairs = function() return coroutine.wrap(function()
                coroutine.yield(1, "one") coroutine.yield(2, "two") end) end })) do coroutine.yield(k, v) end
        end)
        print(inner()) print(inner()) print(inner()) print(inner())
        local closing = coroutine.create(function()
            local x <close> = setmetatable({}, { __close = function(_, e) print("closed", e) end })
            coroutine.yield()
        end)
        coroutine.resume(closing)
        print(coroutine.close(closing), coroutine.status(closing), coroutine.close(closing))
        local bad = coroutine.create(function()
            local x <close> = setmetatable({}, { __close = function() error "in close" end })
            coroutine.yield()
        end)
        coroutine.resume(bad)
        print(coroutine.close(bad))]],
    ["protected calls"] = [[
        print(pcall(error)) print(pcall(error, nil)) print(pcall(error, "text", 0)) print(pcall(error, "text"))
        print(pcall(function() error "at one" end)) print(pcall(function() error("at two", 2) end))
        print(select("#", pcall(function() return nil, nil end)))
        local object = setmetatable({ n = 1 }, { __tostring = function(o) return "object " .. o.n end })
        local ok, caught = pcall(error, object)
        print(ok, caught == object, tostring(caught))
        print(xpcall(function(...) return ... end, print, 1, nil, 3))
        print(xpcall(function() error "x" end, function(m) return "handled " .. m end))
        print(xpcall(function() local n = nil; return n.field end, function(m) return m:upper() end))
        print(xpcall(error, function() error "again" end))
        print(pcall(pcall)) print(pcall(pcall, error)) print(pcall(xpcall)) print(pcall(1))
        print(pcall(setmetatable, 1, {})) print(pcall(setmetatable, {}))
        print(pcall(setmetatable, setmetatable({}, { __metatable = "locked" }), {}))
        print(getmetatable(setmetatable({}, { __metatable = "locked" })), getmetatable("").__name)
        print(pcall(string.rep)) print(pcall(("x").rep, "x", {})) print(pcall(ipairs)) print(pcall(tostring))
        print(pcall(string.format, "%d", 1.5)) print(pcall(string.format, "%y", 1)) print(pcall(string.format, "%"))
        print(pcall(string.format, "%s")) print(pcall(string.format)) print(pcall(require))
        print(pcall(collectgarbage, "nonsense") == false,
            pcall(print, setmetatable({}, { __tostring = function() end })))
        print(assert(1, 2, 3), pcall(assert, false))
        print(pcall(assert, nil, "why"), pcall(assert, false, { 1 }) == false)
        print(pcall(function() return 1 + {} end)) print(pcall(function() return #5 end))
        print(pcall(function() return {} < {} end)) print(pcall(function() return 1 < "2" end))
        print(pcall(function() local a; a() end)) print(pcall(function() return undefined.field end))
        print(pcall(function() return ("x").y.z end)) print(pcall(function() for i = 1, 10, 0 do end end))]],
    ["variables to be closed"] = [[
        local function closer(name)
            return setmetatable({}, { __close = function(_, e) print("close", name, e) end })
        end
        do local a <close>, b <const> = closer "a", 1; local c <close> = closer "c"; print("body", b) end
        print(pcall(function() local a <close> = closer "with error"; error("boom", 0) end))
        print(pcall(function()
            local a <close> = setmetatable({}, { __close = function() error("second", 0) end })
            error("first", 0)
        end))
        local function f() local x <close> = closer "return"; return "value" end
        print(f())
        for i in function(_, c) c = (c or 0) + 1; if c < 3 then return c end end, nil, nil, closer "loop" do
            print(i) if i == 2 then break end
        end
        print(pcall(function() local x <close> = 42 end))
        local y <close> = nil
        goto done
        do local z <close> = closer "never" end
        ::done:: print "done"]],
    ["numbers and operators"] = [[
        print(7 // 2, -7 // 2, 7.0 // 2, 7 % 3, -7 % 3, 7 % -3, 2^10, 1 / 2, 3 | 4, 5 & 6, 5 ~ 1, ~0, 1 << 63, 1 >> 1)
        print(math.maxinteger + 1 == math.mininteger, 1e15, 1e16, 2^53, 0.1, -0.0, 1 / 0, -1 / 0, 3.0)
        print(pcall(function() return 1 // 0 end)) print(pcall(function() return 1 % 0 end))
        print(1 // 0.0, 0 / 0 ~= 0 / 0)
        print("10" + 5, "0x10" * 2, "3" .. 4, 10 .. "", tonumber "  12  ", tonumber "1e1",
            tonumber("ff", 16), tonumber "x")
        print(tostring(1e100), 1 == 1.0, math.type(1), math.type(1.0), math.type "1", 255 // 1 | 0)
        print(math.floor(3.7), math.ceil(-3.7), math.tointeger(3.0), math.tointeger(3.5),
            math.ult(1, -1), math.fmod(7, 3))
        print(math.max(1, 2.5), math.min(3, 1), math.abs(-3), math.modf(3.7)) print(math.pi, math.huge, math.sqrt(16))
        print(string.format("%d %5.2f %x %X %o %e %g %a %i %c %q %-5s| %05d %+d %%", 3, 2.5,
            255, 255, 8, 1.5, 1e20, 1.0, 7,
            65, "a\n\0\"", "ab", 42, 5))
        print(string.format("%q %q %q", 1, 1.5, math.mininteger), string.format("%10.3s|", "abcdef"))
        math.randomseed(42) local a = math.random(1000) math.randomseed(42)
        print(a == math.random(1000), math.random(1, 1))
        local i = 0
        ::again:: i = i + 1
        if i < 5 then goto again end
        print(i)
        for k = 3, 1, -1 do io = nil; if k == 2 then goto continue end print(k) ::continue:: end]],
    ["strings"] = [===[
        local s = "hello world from Lua"
        print(#s, s:upper(), s:sub(-3), s:sub(2, 4), s:reverse(), s:rep(2, "|"), s:byte(1, 3), s:len())
        print(s:find "wor", s:find("l+"), s:find("xyz"), s:find("o", 6, true), s:match "(%a+) (%a+)", s:match "()ll()")
        print(s:gsub("o", "0"), s:gsub("%w+", string.upper, 2), s:gsub("%w+", { hello = "bye" }), s:gsub("", "-"))
        for word, at in s:gmatch "(%a+)()" do io = nil print(word, at) end
        print(("%d items"):format(3), ("x"):rep(0), ("abc"):byte(-1), string.char(72, 105), ("a,b,,c"):gsub(",", ";"))
        print(string.pack("<i4", 100):byte(1, -1)) print(string.unpack("<i4", string.pack("<i4", -2)))
        print(string.packsize "i4i8", pcall(string.unpack, "i4", "x")) print(("x"):rep(3, ", "))
        print(("%bxy"):len(), ("THE (quick) fox"):find "%((%a+)%)", ("f(a(b)c)d"):match "%b()")
        print(("hello"):gsub("l", "%0%0"), pcall(string.gsub, "x", "x", "%2"), ("abc"):find("b", -10),
            ("key = value"):match
            "^(%w+)%s*=%s*(%w+)$")
        print(utf8.char(228, 8364, 128512), utf8.len "äöü", utf8.codepoint("ä", 1),
            #utf8.charpattern, utf8.offset("aä", 3))
        for p, c in utf8.codes "aä€" do print(p, c) end print(utf8.len "\xff")
        print(#"\u{10FFFF}", "\x41\65\z
               B", [==[
long ]] string]==])
        print(tostring(nil), tostring(true), tostring(12), tostring "x", ("%s %s %s"):format(nil, true, 1.5))
        print(("%s|%5s|%.2s"):format(setmetatable({}, { __tostring = function() return "obj" end }), "a", "abc"))]===],
    ["tables"] = [[
        local t = { 5, 2, 8, 1, n = 4 }
        table.sort(t) print(table.concat(t, " ")) table.sort(t, function(a, b) return a > b end)
        print(table.concat(t, ","))
        table.insert(t, 9) table.insert(t, 1, 0)
        print(table.remove(t), table.remove(t, 1), #t, table.concat(t, "-", 2, 3))
        print(table.unpack({ 1, 2, 3 }, 2))
        print(table.pack(nil, nil).n, select("#"), select("#", nil), select(-1, 1, 2, 3))
        print(select(2, "a", "b", "c")) print(pcall(select, 0))
        print(table.concat(table.move({ 1, 2, 3 }, 1, 3, 2), " "))
        print(pcall(table.concat, { {} })) print(pcall(table.sort, { 3, 1, "x" }))
        print(pcall(table.insert, { 1 }, 5, 2))
        print(next({}), next({ 10 }), type(next), rawlen { 1, 2 }, rawequal(t, t), rawget(t, 1), rawset({}, 1, 2)[1])
        for i, v in ipairs { "a", "b", nil, "d" } do print(i, v) end
        local sum = 0 for _, v in pairs { a = 1, b = 2, 3 } do sum = sum + v end print(sum)
        print(#table.pack(table.unpack({}, 1, 200)), pcall(table.unpack, {}, 1, 1e8))]],
    ["metatables"] = [[
        local V = {} V.__index = V
        V.__add = function(a, b) return setmetatable({ x = a.x + b.x }, V) end
        V.__eq = function(a, b) return a.x == b.x end V.__lt = function(a, b) return a.x < b.x end
        V.__le = function(a, b) return a.x <= b.x end V.__call = function(self, y) return self.x + y end
        V.__len = function() return 42 end V.__concat = function(a, b) return "cat" end
        V.__unm = function() return "neg" end
        V.__tostring = function(v) return "V(" .. v.x .. ")" end V.__name = "Vector"
        V.__newindex = function(t, k, v) rawset(t, k, v * 2) end V.__idiv = function() return "idiv" end
        local a, b = setmetatable({ x = 1 }, V), setmetatable({ x = 2 }, V)
        print(tostring(a + b), a == b, a < b, a <= b, a(10), #a, a .. "x", -a, a // b) a.y = 4 print(rawget(a, "y"))
        print(pcall(function() return a - b end))
        local weak = setmetatable({}, { __mode = "k" }) weak[{}] = 1 collectgarbage() print(next(weak))
        local proxy = setmetatable({}, { __index = function(_, k) return k .. "!" end }) print(proxy.hey, proxy[1])
        print(getmetatable(a) == V, type(collectgarbage "count"), collectgarbage() == 0)]],
    ["load"] = [[
        print(load("return 1 + 1")()) print(load "syntax error here") print(load("return ...", "chunk")(7, 8))
        local env = { y = 5 } print(load("x = y return x", "=mine", "t", env)(), env.x, x)
        print(load("local a <close> = nil return _ENV", "c", "t", env)() == env) print(load("return y", "c", "t", nil))
        print(pcall(load("error 'deep'", "@some/file.lua"))) print(pcall(load("error 'deep'", "=(name)")))
        print(pcall(load "local x = nil + 1")) z = 3 print(load "return z"())
        print(load(""), load("", "x", "bt") ~= nil)
        print(#arg, ...)]],
}

describe("a sandboxed script", function()
    local folder
    setup(function()
        folder = process.folder()
    end)
    teardown(function()
        process.remove(folder)
    end)

    local function run(files, name)
        for path, text in pairs(files) do
            process.write(folder .. "/" .. path, text)
        end
        local output, errors, code = host.run { "run", folder .. "/" .. (name or "main.lua") }
        return output, errors:gsub("moonwire: run: no policy[^\n]*\n", ""), code
    end

    describe("speaks stock Lua:", function()
        for name, script in pairs(stock) do
            it(name, function()
                local wanted, errors, code = process.run({ "lua5.4", "-" }, { input = script })
                assert.are.equal(0, code, errors)
                wanted = wanted:gsub("function: builtin: %S+", "function"):gsub("(%a+): 0x%x+", "%1")
                local got = output_of(script):gsub("(%a+): %d+\n", "%1\n"):gsub("(%a+): %d+\t", "%1\t")
                wanted, got = wanted:gsub("(%a+): %d+\n", "%1\n"):gsub("(%a+): %d+\t", "%1\t"), got
                assert.are.equal(wanted, got)
            end)
        end

        it("an error that ends it, with its line and a traceback", function()
            local _, errors, code = host.script "local function f()\n  error 'boom'\nend\nf()"
            assert.are.equal(1, code)
            assert(errors:find("stdin:2: boom\nstack traceback:\n\t[C]: in function 'error'\n\tstdin:2: in local 'f'\n"
                .. "\tstdin:4: in main chunk", 1, true), errors)
            local _, syntax = host.script "local x = = 1"
            assert(syntax:find("stdin:1: unexpected symbol near '='\n$"), syntax)
        end)

        it("arguments", function()
            assert.are.equal("2\tone\ttwo words\t-\tone\ttwo words\tnil\n",
                output_of('print(#arg, arg[1], arg[2], arg[0], ...) ' .. 'io = nil',
                    { arguments = { "one", "two words" } })
                    :gsub("\n$", "\tnil\n"))
        end)

        it("a first line for the shell, and a mark before it", function()
            assert.are.equal("line 3\n", output_of("#!/usr/bin/env moonwire run\n\n"
                .. "print('line ' .. select(2, pcall(function() error 'x' end)):match ':(%d+):')"))
            assert.are.equal("ok\n", output_of "\xEF\xBB\xBFprint 'ok'")
        end)

        it("dates in the user's time zone", function()
            local script = 'print(os.date("%Y-%m-%d %H:%M", 86400 * 200),'
                .. ' os.time { year = 2024, month = 7, day = 1, hour = 12 }, os.date("*t", 0).hour,'
                .. ' os.date("!%H", 0), os.difftime(5, 3), math.type(os.time()), os.clock() >= 0)'
            for _, zone in ipairs { "UTC", "Asia/Tokyo", "America/New_York" } do
                assert.are.equal(process.run({ "lua5.4", "-" }, { input = script, env = { TZ = zone } }),
                    output_of(script, { env = { TZ = zone } }))
            end
        end)
    end)

    describe("reaches", function()
        it("these names and no others", function()
            local lists = {
                _G = "_G _VERSION arg assert collectgarbage coroutine error getmetatable ipairs load math next os pairs"
                    .. " pcall print rawequal rawget rawlen rawset require select setmetatable string table tonumber"
                    .. " tostring type utf8 xpcall",
                coroutine = "close create isyieldable resume running status wrap yield",
                os = "clock date difftime time",
                string = "byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper",
                table = "concat insert move pack remove sort unpack",
                utf8 = "char charpattern codepoint codes len offset",
            }
            for name, list in pairs(lists) do
                assert.are.equal(list .. "\n", output_of(([[
                    local keys = {}
                    for key in pairs(%s) do keys[#keys + 1] = key end
                    table.sort(keys)
                    print(table.concat(keys, " "))]]):format(name)))
            end
        end)

        it("the same functions from everywhere", function()
            assert.are.equal("true\ttrue\ttrue\ttrue\ttrue\ttrue\n", output_of [[
                print(_G == _ENV, _G._G == _G, getmetatable("").__index == string, load("return _ENV")() == _G,
                    require "string" == string, require "_G" == _G)]])
        end)

        it("no field of an object that leads out", function()
            local reached = output_of [[
                local mw = require "moonwire"
                local seen = {}
                local function walk(value, path)
                    local kind = type(value)
                    if kind ~= "table" and kind ~= "userdata" and kind ~= "function" and kind ~= "thread"
                        or seen[value] then
                        return
                    end
                    seen[value] = true
                    if kind == "function" then print(path) end
                    local meta = getmetatable(value)
                    if type(meta) == "table" then walk(meta, path .. ".<meta>") end
                    if kind == "table" then
                        for key, member in next, value do
                            walk(key, path .. ".<key>")
                            walk(member, path .. "." .. tostring(key))
                        end
                    end
                end
                walk(_G, "_G") walk("", "string")
                walk(mw, "mw") walk(require "moonwire.each", "each") walk(require "moonwire.task", "task")
                walk(mw.spawn(print), "spawned") walk(select(2, pcall(mw.connect, "nowhere")), "error")
                walk(coroutine.create(print), "coroutine")]]
            for line in reached:gmatch "[^\n]+" do
                assert(not line:find "core" and (not line:find "debug" or line == "mw.log.debug")
                    and not line:find "dump" and not line:find "package"
                    and not line:find "searche" and not line:find "_LOADED", line)
            end
            assert(reached:find("_G.string.format\n", 1, true), reached)
        end)
    end)

    describe("does without", function()
        it("bytecode", function()
            assert.are.equal("nil\nnil\tattempt to load a binary chunk (mode is 't')\n"
                .. "nil\tattempt to load a binary chunk (mode is 't')\n"
                .. "nil\tattempt to load a binary chunk (mode is '')\n", output_of [[
                print(string.dump)
                print(load "\27Lua\x54\x00\x19\x93\r\n\x1a\n") print(load("\27Lua", "x", "bt"))
                print(load("\27Lua", "x", "b"))]])
            local dumped = string.dump(function() return 1 end)
            local _, errors, code = run { ["main.lua"] = dumped }
            assert.are.equal(1, code)
            assert(errors:find "binary chunk", errors)
            _, errors, code = run { ["main.lua"] = "print(require 'compiled')", ["compiled.lua"] = dumped }
            assert.are.equal(1, code)
            assert(errors:find "error loading module 'compiled'.*binary chunk", errors)
        end)

        it("load of what is no text, or too much of it", function()
            assert.are.equal("false\tload: a sandboxed script loads text alone; give the source as a string"
                .. " (got a function)\n"
                .. "false\ttrue\tsource\ttrue\n", output_of [[
                print(pcall(load, function() return nil end))
                local ok, why = pcall(load, ("x=1;"):rep(1 << 18) .. " ")
                print(ok, require("moonwire").is_error(why, "budget"), why.budget,
                    load(("x=1;"):rep(1 << 18)) ~= nil)]])
            assert.are.equal("true\nfalse\n", output_of(
                'print((pcall(load, (" "):rep(2048)))) print((pcall(load, (" "):rep(2049))))',
                { flags = { "--max-source", "2k" } }))
        end)

        it("finalizers", function()
            assert.are.equal("false\ttrue\nfalse\ttrue\nfalse\ttrue\nend\n", output_of [[
                local function try(meta)
                    local ok, why = pcall(setmetatable, {}, meta)
                    print(ok, why:find("__gc", 1, true) ~= nil)
                end
                try { __gc = function() print "ran" end }
                try { __gc = false }
                try { __gc = true }
                local meta = {}
                for i = 1, 100 do setmetatable({}, meta) end
                meta.__gc = function() print "ran" end
                rawset(meta, "__gc", function() print "ran" end)
                collectgarbage() collectgarbage()
                print "end"]])
        end)

        it("the controls of the collector", function()
            assert.are.equal("false\nfalse\nfalse\nfalse\nfalse\nfalse\nfalse\nnumber\t0\t0\n", output_of [[
                for _, option in ipairs { "stop", "restart", "step", "isrunning", "incremental", "generational",
                    "setpause" } do print((pcall(collectgarbage, option))) end
                print(type(collectgarbage "count"), collectgarbage(), collectgarbage "collect")]])
        end)

        it("addresses", function()
            assert.are.equal("table: 1\tfunction: 3\tthread: 4\ttable: 1\ttable: 1 table: 2\tClass: 5\t"
                .. "userdata: (nil)\n",
                output_of [[
                local mw = require "moonwire"
                local t = {}
                print(t, print, coroutine.create(print), tostring(t), ("%s %s"):format(t, {}),
                    setmetatable({}, { __name = "Class" }), mw.null)]])
            assert.are.equal("false\tfalse\tfalse\t100%p\t10\n", output_of [[
                print((pcall(string.format, "%p", {})), (pcall(string.format, "%-20p", {})),
                    (pcall(string.format, "%d %s %p", 1, "x", print)), ("%d%%p"):format(100), #("%10s"):format(1))]])
            assert.are.equal("table: 1     |function: 2|   thread: 3\n", output_of [[
                print(("%-13s|%s|%12s"):format({}, print, coroutine.create(print)))]])
            local _, errors = host.script [[local mw = require "moonwire" mw.log({}, print, mw.spawn(function() end))]]
            assert(errors:find "info: table: 1\tfunction: 2\t" and not errors:find "0x", errors)
            local addresses = output_of [[
                local mw = require "moonwire"
                local seen = {}
                for name, member in pairs(mw) do seen[#seen + 1] = name .. " " .. tostring(member) end
                seen[#seen + 1] = tostring(mw.spawn(print))
                seen[#seen + 1] = tostring(select(2, pcall(mw.connect, "nowhere")))
                seen[#seen + 1] = tostring(math.randomseed(1, 2))
                print(table.concat(seen, "\n"))]]
            assert(not addresses:find "0x%x", addresses)
        end)

        it("a seed that can be guessed", function()
            local script = "print(math.randomseed()) print(math.random(0))"
            local one, two = output_of(script), output_of(script)
            assert.are_not.equal(one, two)
            assert(one:find "^%-?%d+\t%-?%d+\n%-?%d+\n$", one)
        end)
    end)

    describe("requires", function()
        it("modules beside it, once", function()
            local output, errors = run {
                ["main.lua"] = [[
                    local one, path = require "one"
                    print(one.value, path:match "[^/]+$", require "one" == one, select("#", require "one"))
                    print(require "nothing", require "no" == false, require "nothing")
                    print(pcall(require, "broken")) print(pcall(require, "raises")) print(pcall(require, "raises"))]],
                ["one.lua"] = "print('loading', (...), (select(2, ...)):match '[^/]+$', select('#', ...))"
                    .. " return { value = 1 }",
                ["nothing.lua"] = "print 'no value'",
                ["no.lua"] = "return false",
                ["broken.lua"] = "local = 1",
                ["raises.lua"] = "error 'from the module'",
            }
            local shown = folder:gsub("%p", "%%%0")
            assert.are.equal("loading\tone\tone.lua\t2\n1\tone.lua\ttrue\t1\nno value\ntrue\ttrue\ttrue\n"
                .. "false\terror loading module 'broken' from file 'F/broken.lua':\n"
                .. "\tF/broken.lua:1: <name> expected near '='\n"
                .. "false\tF/raises.lua:1: from the module\nfalse\tF/raises.lua:1: from the module\n",
                (output:gsub(shown, "F")), errors)
        end)

        it("modules in folders, which see the script's globals", function()
            process.run { "mkdir", "-p", folder .. "/lib/deep" }
            local output, errors = run {
                ["main.lua"] = "shared = 5 print(require 'lib.text', require 'lib.deep.er')",
                ["lib/text.lua"] = "return shared",
                ["lib/deep/er.lua"] = "return (...)",
            }
            assert.are.equal("5\tlib.deep.er\n", (output:gsub("(%.er)\t[^\n]*", "%1")), errors)
        end)

        it("itself, which is said", function()
            local output = run {
                ["main.lua"] = "print(pcall(require, 'me')) print(pcall(require, 'a')) print(pcall(require, 'me'))",
                ["me.lua"] = "return require 'me'",
                ["a.lua"] = "return require 'b'",
                ["b.lua"] = "return require 'a'",
            }
            local loops = {}
            for name in output:gmatch "loop in require of '(%w+)'" do
                loops[#loops + 1] = name
            end
            assert.are.same({ "me", "a", "me" }, loops)
        end)

        it("within a task that waits, and in two at once", function()
            local output, errors = run {
                ["main.lua"] = [[
                    local mw = require "moonwire"
                    local a = mw.spawn(require, "slow")
                    local b = mw.spawn(require, "slow")
                    print(a:wait().n, b:wait().n, require("slow").n)]],
                ["slow.lua"] = "require('moonwire').sleep(0.02) count = (count or 0) + 1 return { n = 'waited' }",
            }
            assert.are.equal("waited\twaited\twaited\n", output, errors)
        end)

        it("nothing else", function()
            process.write(folder .. "/large.lua", ("-"):rep(2 << 20))
            os.execute(("ln -s /etc/passwd %s/outside.lua"):format(process.quote(folder)))
            process.write(folder .. "/main.lua", [[
                for _, name in ipairs { "os", "io", "debug", "package", "cjson", "missing", "moonwire.core",
                    "moonwire.twin", "moonwire.cli.twin", "../main", "/etc/passwd", ".main", "main.", "a..b", "",
                    "main\0", "a b", "outside",
                    ("x"):rep(300), "ffi" } do
                    local ok, why = pcall(require, name)
                    print(ok, type(why), tostring(why):find("root:", 1, true),
                        tostring(why):find("not found", 1, true) ~= nil)
                end
                local ok, why = pcall(require, "large")
                print(ok, why.kind, why.budget)]])
            local output = host.run { "run", folder .. "/main.lua" }
            assert.are.equal(("false\tstring\tnil\ttrue\n"):rep(20) .. "false\tbudget\tsource\n", output)
        end)
    end)

    describe("prints", function()
        it("long lines, many lines and any bytes", function()
            local output = output_of [[
                print(("x"):rep(300000))
                for i = 1, 20000 do print(i, "line") end
                print "a\0b\xff\x80"]]
            assert.are.equal(("x"):rep(300000) .. "\n", output:sub(1, 300001))
            assert(output:find("\n20000\tline\na\0b\xff\x80\n$"))
            local _, count = output:gsub("\n", "")
            assert.are.equal(20002, count)
        end)

        it("what it has printed before it waits or spins for ever", function()
            for _, rest in ipairs { "require('moonwire').sleep(1000)", "while true do end",
                "string.find(('a'):rep(5000), ('.-'):rep(20) .. 'b')" } do
                process.write(folder .. "/ready.lua", "print 'ready' " .. rest)
                local program = host.start({ "run", folder .. "/ready.lua" }, "^ready$", nil, "/dev/null")
                program:signal "INT"
                assert.are.equal(130, program:wait())
            end
        end)
    end)

    describe("has memory", function()
        it("that ends with a line of the script", function()
            local first, code = failure_of "local t = {}\nfor i = 1, 1 << 40 do\n  t[i] = { i }\nend"
            assert.are.equal("stdin:3: budget: the memory of 64 MiB is used up; --memory raises it", first)
            assert.are.equal(20, code)
            first, code = failure_of("local s = 'x'\nwhile true do\n  s = s .. s\nend",
                { flags = { "--memory", "8M" } })
            assert.are.equal("stdin:3: budget: the memory of 8 MiB is used up; --memory raises it", first)
            assert.are.equal(20, code)
        end)

        it("that no pcall brings back", function()
            local _, _, code = host.script [[
                local heap = {}
                while true do
                    pcall(function() while true do heap[#heap + 1] = { #heap } end end)
                    coroutine.wrap(function() pcall(function() while true do heap[#heap + 1] = {} end end) end)()
                end]]
            assert.are.equal(20, code)
        end)

        it("of which a giant takes nothing", function()
            assert.are.equal("false\tfalse\tfalse\ttrue\n", output_of [[
                local rep = pcall(string.rep, "x", 1 << 30)
                local pack = pcall(string.pack, "c2000000000", "")
                print(rep, pack, (pcall(string.unpack, "s8", ("\255"):rep(8))), #("x"):rep(10 << 20) == 10 << 20)]])
        end)

        it("that garbage does not use up", function()
            assert.are.equal("ok\n", output_of([[
                local keep = ("x"):rep(8 << 20)
                for _ = 1, 100 do
                    local parts = {}
                    for i = 1, 100 do parts[i] = ("y"):rep(20000) .. i end
                    local text = table.concat(parts)
                end
                print "ok"]], { flags = { "--memory", "32M" } }))
        end)

        it("that is the process's", function()
            if sanitized then
                return pending "the sanitizers' own memory is many times as much"
            end
            process.write(folder .. "/strings.lua", [[
                local t, n = {}, 0
                while collectgarbage "count" < 60 * 1024 do
                    for _ = 1, 1000 do n = n + 1 t[n] = ("%010d"):format(n) end
                end
                print "full"
                require("moonwire").sleep(60)]])
            local program = host.start({ "run", "--memory", "100M", folder .. "/strings.lua" }, "^full$", nil,
                "/dev/null")
            local children = process.read(("/proc/%d/task/%d/children"):format(program.pid, program.pid))
            local status = process.read(("/proc/%s/status"):format(assert(children:match "%d+")))
            program:signal "INT"
            program:wait()
            local most = tonumber(status:match "VmHWM:%s*(%d+)")
            assert(most > 60 * 1024, status)
            assert(most <= 1.4 * 100 * 1024, ("%d KiB of 100 MiB"):format(most))
        end)
    end)

    it("can't be ended for what it says", function()
        local output, errors, code = host.script [[
            for _ = 1, 100 do pcall(error, "the CPU time of 30 s is used up") end
            local mw = require "moonwire"
            pcall(error, mw.error { kind = "budget", message = "the memory of 64 MiB is used up", budget = "memory" })
            print "went on"]]
        assert.are.equal("went on\n", output, errors)
        assert.are.equal(0, code)
        local _, _, forged = host.script [[
            local mw = require "moonwire"
            error(mw.error { kind = "budget", message = "the memory of 64 MiB is used up", budget = "memory" })]]
        assert.are_not.equal(20, forged)
        local _, _, text = host.script "error('not enough memory', 0)"
        assert.are.equal(1, text)
    end)

    it("runs alone", function()
        local before = mw.now()
        assert.are.equal("x\n", output_of "string.format = nil print = (function(p) return p end)(print) print 'x'")
        assert.are.equal("1\n", output_of "print(('%d'):format(1))")
        assert(mw.now() - before < 20)
    end)
end)

-- coroutine.resume and coroutine.wrap as the library replaces them: stock Lua in everything, and waits pass through.
local core = require "moonwire.core"
local mw = require "moonwire"

local unpack = table.unpack

--- What stock Lua says, from a process that never loads the library.
local function stock(code)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(code)
    file:close()
    local pipe = assert(io.popen("lua5.4 " .. path .. " 2>&1"))
    local text = pipe:read "a"
    pipe:close()
    os.remove(path)
    return (text:gsub("/tmp/lua_%w+", "FILE"))
end

--- The same code in this state, with print collected.
local function replaced(code)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(code)
    file:close()
    local lines = {}
    local env = setmetatable({
        print = function(...)
            local values = table.pack(...)
            for i = 1, values.n do
                values[i] = tostring(values[i])
            end
            lines[#lines + 1] = table.concat(values, "\t") .. "\n"
        end,
    }, { __index = _G })
    assert(loadfile(path, "t", env))()
    os.remove(path)
    return (table.concat(lines):gsub("/tmp/lua_%w+", "FILE"))
end

local STOCK = {
    values = [[
        local co = coroutine.create(function(...)
            print("start", ...)
            print("got", coroutine.yield(1, nil, 3))
            return "end", nil
        end)
        print(coroutine.resume(co, "a", nil, "c"))
        print(coroutine.status(co), select("#", coroutine.resume(co)))
        print(coroutine.status(co), coroutine.resume(co))
    ]],
    many = [[
        local co = coroutine.create(function(...)
            return select("#", coroutine.yield(...))
        end)
        local many = {}
        for i = 1, 5000 do many[i] = i end
        print(select("#", coroutine.resume(co, table.unpack(many))))
        print(coroutine.resume(co, table.unpack(many)))
    ]],
    errors = [[
        print(coroutine.resume(coroutine.create(function() error "text" end)))
        print(coroutine.resume(coroutine.create(function() error("text", 0) end)))
        print(coroutine.resume(coroutine.create(function() error(nil) end)))
        print(coroutine.resume(coroutine.create(function() error(42) end)))
        print(coroutine.resume(coroutine.create(function() local x = nil; return x.y end)))
        local co = coroutine.create(error)
        print(coroutine.resume(co, "first"))
        print(coroutine.resume(co))
        print(pcall(coroutine.resume, 12))
        print(pcall(coroutine.resume))
        print(pcall(coroutine.wrap, 12))
        print(coroutine.resume(coroutine.running()))
    ]],
    itself = [[
        local co
        co = coroutine.create(function() return coroutine.resume(co) end)
        print(coroutine.resume(co))
        local outer
        outer = coroutine.create(function()
            return coroutine.resume(coroutine.create(function() return coroutine.resume(outer) end))
        end)
        print(coroutine.resume(outer))
    ]],
    wrap = [[
        local f = coroutine.wrap(function(...) print(...); print(coroutine.yield(1, 2)); return 3 end)
        print(f("a", "b"))
        print(f "c")
        print(pcall(f))
        local g = coroutine.wrap(function() error "in g" end)
        print(pcall(g))
        print(pcall(g))
        print(pcall(coroutine.wrap(function() error { 1 } end)) == false)
        print(pcall(coroutine.wrap(function() error("no position", 0) end)))
        local function outer() coroutine.wrap(function() error "deep" end)() end
        print(pcall(outer))
        for v in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do print(v) end
    ]],
    close = [[
        local function noisy(name) return setmetatable({}, { __close = function(_, e) print("close", name, e) end }) end
        local co = coroutine.create(function() local x <close> = noisy "x"; coroutine.yield(1) end)
        print(coroutine.resume(co))
        print(coroutine.close(co), coroutine.status(co))
        local f = coroutine.wrap(function() local x <close> = noisy "y"; error "broken" end)
        print(pcall(f))
        f = coroutine.wrap(function()
            local x <close> = setmetatable({}, { __close = function() error "from close" end })
            error "first"
        end)
        print(pcall(f))
        co = coroutine.create(function() error "kept" end)
        coroutine.resume(co)
        print(coroutine.close(co))
    ]],
    yieldable = [[
        print(coroutine.isyieldable(), select(2, coroutine.running()))
        print(coroutine.wrap(function() return coroutine.isyieldable(), select(2, coroutine.running()) end)())
        local co = coroutine.create(function()
            table.sort({ 2, 1 }, function(a, b) coroutine.yield() return a < b end)
        end)
        print(coroutine.resume(co))
        print(pcall(coroutine.yield))
    ]],
    overflow = [[
        local function deep(n) return coroutine.wrap(function() return deep(n + 1) end)() end
        local ok, message = pcall(deep, 1)
        print(ok, message:match "C stack overflow")
    ]],
}

describe("coroutines", function()
    after_each(function()
        assert.equal(0, core.live())
    end)

    for name, code in pairs(STOCK) do
        it("do what stock Lua does: " .. name, function()
            -- A spec runs in a coroutine, so both run in one.
            code = "coroutine.wrap(function() " .. code:gsub("\n", " ") .. " end)()"
            local expected, result = stock(code), nil
            assert.is_true(#expected > 0)
            coroutine.wrap(function() result = replaced(code) end)()
            assert.equal((expected:gsub("0x%x+", "ADDRESS")), (result:gsub("0x%x+", "ADDRESS")))
        end)
    end

    it("are replaced once, however often the module is loaded", function()
        local resume, wrap = coroutine.resume, coroutine.wrap
        package.loaded["moonwire.core"] = nil
        local again = require "moonwire.core"
        package.loaded["moonwire.core"] = core
        assert.equal(resume, coroutine.resume)
        assert.equal(wrap, coroutine.wrap)
        assert.is_true(mw.is_error(again.error { kind = "x", message = "y" }))
    end)

    it("wait inside users' generators, within tasks and outside", function()
        local function numbers()
            return coroutine.wrap(function()
                for i = 1, 3 do
                    mw.sleep(0.001)
                    coroutine.yield(i, i * i)
                    mw.sleep(0)
                end
            end)
        end
        local function sum()
            local total = 0
            for a, b in numbers() do
                total = total + a * b
            end
            return total
        end
        assert.equal(36, sum())
        assert.equal(36, mw.spawn(sum):wait())
        local results = mw.all { sum, sum, sum }
        assert.same({ n = 3, 36, 36, 36 }, results)
    end)

    it("let other tasks run while a nested coroutine waits", function()
        local order = {}
        local slow = mw.spawn(function()
            coroutine.wrap(function()
                coroutine.wrap(function()
                    mw.sleep(0.02)
                    order[#order + 1] = "slow"
                end)()
            end)()
        end)
        local quick = mw.spawn(function()
            order[#order + 1] = "quick"
        end)
        slow:wait()
        quick:wait()
        assert.same({ "quick", "slow" }, order)
    end)

    it("wait in comparators, callbacks, metamethods and iterators of C functions", function()
        local function work()
            local list = { 3, 1, 2 }
            table.sort(list, function(a, b)
                mw.sleep(0)
                return a < b
            end)
            local text = ("a-b"):gsub("%a", function(letter)
                return coroutine.wrap(function()
                    mw.sleep(0.001)
                    return letter:upper()
                end)()
            end)
            local sum = setmetatable({}, {
                __add = function()
                    mw.sleep(0)
                    return 5
                end,
                __tostring = function()
                    mw.sleep(0)
                    return "text"
                end,
            })
            return list, text, sum + 1, tostring(sum)
        end
        for _, run in ipairs { work, function() return mw.spawn(work):wait() end } do
            local list, text, sum, name = run()
            assert.same({ 1, 2, 3 }, list)
            assert.equal("A-B", text)
            assert.equal(5, sum)
            assert.equal("text", name)
        end
    end)

    it("that wait for an answer can't be resumed by someone else", function()
        local ok, message, again
        local inner
        local task = mw.spawn(function()
            inner = coroutine.create(function()
                mw.sleep(0.02)
                return "slept"
            end)
            return coroutine.resume(inner)
        end)
        mw.spawn(function()
            ok, message = coroutine.resume(inner)
            again = coroutine.status(inner)
        end):wait()
        assert.is_false(ok)
        assert.matches("waits for an answer", message)
        assert.equal("suspended", again)
        assert.same({ true, "slept" }, { task:wait() })
    end)

    it("that wait can be closed: the wait ends, and whoever resumed them goes on", function()
        local closed
        local inner
        local task = mw.spawn(function()
            inner = coroutine.create(function()
                local mark <close> = setmetatable({}, { -- luacheck: ignore
                    __close = function() closed = true end,
                })
                mw.sleep(60)
            end)
            return coroutine.resume(inner)
        end)
        mw.spawn(function()
            assert(coroutine.close(inner))
        end):wait()
        assert.is_true(closed)
        local ok, message = task:wait()
        assert.is_false(ok)
        assert.matches("dead coroutine", message)
    end)

    it("of a cancelled task see the error where they wait", function()
        local caught
        local task = mw.spawn(function()
            coroutine.wrap(function()
                local ok, failure = pcall(mw.sleep, 60)
                caught = not ok and failure
            end)()
            return "went on"
        end)
        mw.spawn(function()
            task:cancel()
        end):wait()
        assert.equal("went on", task:wait())
        assert.is_true(mw.is_error(caught, "cancelled"))
    end)

    it("carry errors of waits to the resumer", function()
        local ok, failure = mw.spawn(function()
            return coroutine.resume(coroutine.create(function()
                mw.sleep(0)
                error({ code = 7 })
            end))
        end):wait()
        assert.is_false(ok)
        assert.equal(7, failure.code)
    end)

    it("give the others a turn when a task yields plainly", function()
        local order = {}
        local tasks = {}
        for name = 1, 2 do
            tasks[name] = mw.spawn(function()
                for step = 1, 3 do
                    order[#order + 1] = name * 10 + step
                    coroutine.yield()
                end
            end)
        end
        mw.all(tasks)
        assert.same({ 11, 21, 12, 22, 13, 23 }, order)
    end)

    it("of scripts that kept the stock functions still wait, by driving the loop", function()
        local code = [[
            local resume, wrap = coroutine.resume, coroutine.wrap
            local mw = require "moonwire"
            local task = mw.spawn(function()
                local ok, value = resume(coroutine.create(function() mw.sleep(0.001); return "resumed" end))
                return value, wrap(function() mw.sleep(0.001); return "wrapped" end)()
            end)
            print(task:wait())
        ]]
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write(("package.path, package.cpath = %q, %q\n"):format(package.path, package.cpath), code)
        file:close()
        local pipe = assert(io.popen("lua5.4 " .. path .. " 2>&1"))
        assert.equal("resumed\twrapped\n", pipe:read "a")
        pipe:close()
        os.remove(path)
    end)

    it("pass varargs and nils through waits", function()
        local function echo(...)
            mw.sleep(0)
            return ...
        end
        local packed = table.pack(mw.spawn(function(...)
            return coroutine.wrap(echo)(...)
        end, 1, nil, 3, nil):wait())
        assert.equal(4, packed.n)
        assert.same({ 1, nil, 3 }, { unpack(packed, 1, 3) })
    end)
end)

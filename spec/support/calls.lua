--- Calls that have to fail, and programs in Lua that load the library in a process of their own.

local assert = require "luassert"
local core = require "moonwire.core"
local mw = require "moonwire"

local process = require "spec.support.process"

local calls = {}

--- Calls `f` and returns its error object, which must be of one of the kinds (separated by '|').
---@param kinds string
---@return table err
function calls.failing(kinds, f, ...)
    local results = table.pack(pcall(f, ...))
    assert(not results[1], "the call did not fail")
    local err = results[2]
    assert(mw.is_error(err), "not an error object: " .. tostring(err))
    local found = ("|" .. kinds .. "|"):find("|" .. err.kind .. "|", 1, true)
    assert(found, ("kind is %s, not %s: %s"):format(err.kind, kinds, tostring(err)))
    local text = tostring(err)
    assert(not text:find("%c"), "not one line: " .. text)
    return err
end

--- Nothing is in flight any more: the end of every spec.
function calls.quiet()
    assert(core.live() == 0, "calls or tasks are still alive")
end

--- Runs Lua source in a fresh interpreter that can load the library.
---@param source string
---@param env? table<string, string|false>
---@param words? string[] its `...`
---@return string output, string errors, integer code
function calls.child(source, env, words)
    local build = os.getenv("MOONWIRE_BUILD") or "."
    local all = {
        LUA_PATH = "lua/?.lua;lua/?/init.lua;?.lua;;",
        LUA_CPATH = build .. "/lib/?.so;;",
    }
    for name, value in pairs(env or {}) do
        all[name] = value
    end
    local folder = process.folder()
    local script = process.write(folder .. "/script.lua", source)
    local argv = table.move(words or {}, 1, #(words or {}), 3, { "lua5.4", script })
    local output, errors, code = process.run(argv, { env = all, keep_preload = true })
    process.remove(folder)
    return output, errors, code
end

--- A whole answer, as text for raw:answer.
---@param status string "200 OK"
---@param headers string[]
---@param body string
function calls.answer(status, headers, body)
    local lines = { "HTTP/1.1 " .. status }
    table.move(headers, 1, #headers, 2, lines)
    lines[#lines + 1] = "Content-Length: " .. #body
    return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

--- Packs bytes with the gzip program.
function calls.gzip(bytes)
    local output, errors, code = process.run({ "gzip", "-9nc" }, { input = bytes })
    assert(code == 0, errors)
    return output
end

--- One call of each verb; they differ for resending as their verbs do, but for FILTER, a POST that changes nothing.
calls.verbs = {
    GET = function(client, options) return client.contacts:get(3, nil, options) end,
    POST = function(client, options) return client.contacts:create({ inbox_id = 1, name = "Ada" }, options) end,
    PATCH = function(client, options) return client.teams:update(3, { name = "Sales" }, options) end,
    PUT = function(client, options) return client.contacts:update(3, { name = "Ada" }, options) end,
    DELETE = function(client, options) return client.contacts:delete(3, nil, options) end,
    FILTER = function(client, options)
        return client.contacts:filter({ payload = { { attribute_key = "name", filter_operator = "equal_to",
            values = { "Ada" } } } }, options)
    end,
}

return calls

-- The architecture, held against the files: who may include whom, how long a file gets, which calls are banned, and
-- what the built libraries show and need. Works on text; the rules are the tables at the top.

local build = os.getenv "MOONWIRE_BUILD" or "."

local c_standard = [[ assert ctype errno float inttypes limits locale math setjmp signal stdalign stdarg stdatomic
    stdbool stddef stdint stdio stdlib stdnoreturn string time ]]
local posix = [[ arpa/inet dlfcn fcntl net/if netdb netinet/in netinet/tcp poll pthread sched semaphore spawn strings
    sys/epoll sys/mman sys/random sys/resource sys/select sys/socket sys/stat sys/syscall sys/time sys/types sys/uio
    sys/un sys/utsname sys/wait termios unistd wchar langinfo fnmatch glob
    sys/ioctl sys/prctl sys/ptrace sys/eventfd linux/openat2 ]]

local function set(...)
    local result = {}
    for _, names in ipairs { ... } do
        for name in names:gmatch "%S+" do
            result[name:find "%.h$" and name or name .. ".h"] = true
        end
    end
    return result
end

local lua_headers = "lua lauxlib lualib"

-- The first rule whose pattern fits a file is its rule. `system`: what may stand in <> or "" from outside;
-- `own`: the folder whose headers it may include by name; `public`: whether core/include/mw is open to it.
local include_rules = {
    { "^core/include/", system = set(c_standard), own = "core/include" },
    { "^core/src/", system = set(c_standard, posix, "curl/curl uv microhttpd sqlite3"), own = "core/src",
        public = true },
    { "^bindings/", system = set(c_standard, posix, lua_headers), own = "bindings", public = true },
    { "^host/main%.c$", system = set(c_standard, "moonwire") },
    { "^examples/", system = set(c_standard, "moonwire") },
    { "^host/", system = set(c_standard, posix, lua_headers, "moonwire_lua histedit seccomp"), own = "host",
        public = true },
    { "^tools/bench_curl%.c$", system = set(c_standard, posix, lua_headers, "curl/curl") },
    { "^tools/", system = set(c_standard, posix, lua_headers) },
    { "^spec/c/raw_server/", system = set(c_standard, posix), own = "spec/c/raw_server" },
}

-- What C code may not call, with the files that may.
local banned = {
    { "", "strcpy strcat sprintf vsprintf gets system popen strtok alloca" },
    { "^core/", "exit _exit printf fprintf vprintf vfprintf puts putchar perror",
      except = {} },
    { "^bindings/", "exit _exit printf fprintf vprintf vfprintf puts putchar perror",
      except = { ["bindings/log.c"] = true } },
    { "", "setenv unsetenv putenv clearenv",
      except = { ["core/src/curl_lib.c"] = true, ["host/env.c"] = true, ["host/worker.c"] = true } },
}

local sizes = {
    { "^core/src/ooctopus/", math.huge }, -- const tables
    { "^core/src/circuit/", math.huge },
    { "^lua/moonwire/twin/", 300 },
    { "^scripts/triage%.lua$", 100 },
    { "^spec/", 1000 }, -- cases, one after the other
    { "%.[ch]$", 400 },
    { "%.lua$", 400 },
}

-- The formatter breaks code at column 100; this is where comments have to end.
local longest_line = 120

-- The Lua library may load these, and reach the outside through nothing else.
local library_may_require = { { "^moonwire$" }, { "^moonwire%." } }
local library_may_not_use = { "io", "os", "debug", "package", "dofile", "loadfile" }

-- Spelled in pieces, so that this file does not hold them itself.
local marks = { "TO" .. "DO", "FIX" .. "ME", "XX" .. "X" }
local places = { "/wo" .. "rk/", "%.%./sha" .. "red", "/tmp/pro" .. "mpt" }

local function rule_for(rules, file)
    for _, rule in ipairs(rules) do
        if file:find(rule[1]) then
            return rule
        end
    end
end

-- Where the string that begins at `start` ends.
local function string_end(text, start)
    local quote, at = text:sub(start, start), start + 1
    while true do
        local found = text:find("[\\\n" .. quote .. "]", at)
        if not found then
            return #text
        elseif text:sub(found, found) ~= "\\" then
            return found
        end
        at = found + 2
    end
end

-- Where the comment or string at `start` ends; nil when there is none.
local function token_end(text, start, is_lua, keep_strings)
    local level = is_lua and (text:match("^%-%-%[(=*)%[", start) or text:match("^%[(=*)%[", start))
    if level then
        return select(2, text:find("]" .. level .. "]", start, true)) or #text
    elseif text:find("^[\"']", start) then
        return string_end(text, start), keep_strings
    elseif not is_lua and text:find("^/%*", start) then
        return select(2, text:find("*/", start + 2, true)) or #text
    elseif text:find(is_lua and "^%-%-" or "^//", start) then
        return (text:find("\n", start, true) or #text + 1) - 1
    end
end

-- The code with comments (and strings) blanked out; lines stay where they are.
local function code_of(text, is_lua, keep_strings)
    local out, at = {}, 1
    local interesting = is_lua and "[-\"'%[]" or "[/\"']"
    while true do
        local start = text:find(interesting, at)
        if not start then
            out[#out + 1] = text:sub(at)
            return table.concat(out)
        end
        local stop, keep = token_end(text, start, is_lua, keep_strings)
        out[#out + 1] = text:sub(at, start - 1)
        local token = text:sub(start, stop or start)
        out[#out + 1] = (stop and not keep) and token:gsub("[^\n]", " ") or token
        at = (stop or start) + 1
    end
end

local function each_line(text)
    local number = 0
    local next_line = (text:sub(-1) == "\n" and text or text .. "\n"):gmatch "([^\n]*)\n"
    return function()
        number = number + 1
        local line = next_line()
        return line and number, line
    end
end

local function folder_of(file)
    return file:match "^(.*)/" or "."
end

-- Whether `name` is a header of the layer `own`, beside the file or below the layer's folder.
local function is_own(file, name, own, is_file)
    if not own or name:find("..", 1, true) then
        return own ~= nil and name:match "^%.%./([%w_]+%.h)$" ~= nil and folder_of(file) ~= own
            and is_file(own .. "/" .. name:sub(4))
    end
    return is_file(folder_of(file) .. "/" .. name) or is_file(own .. "/" .. name)
end

local function check_includes(file, text, add, is_file)
    local rule = rule_for(include_rules, file)
    if not rule then
        return
    end
    for number, line in each_line(code_of(text, false, true)) do
        local name = line:match '^%s*#%s*include%s*[<"]([^>"]+)'
        if name and not rule.system[name] and not (rule.public and name:find "^mw/%w+%.h$")
            and not is_own(file, name, rule.own, is_file) then
            add(number, ("may not include %s"):format(name))
        end
    end
end

local function check_calls(file, text, add)
    local code = code_of(text, false)
    for _, rule in ipairs(banned) do
        if file:find(rule[1]) and not (rule.except and rule.except[file]) then
            local names = {}
            for name in rule[2]:gmatch "%S+" do
                names[name] = true
            end
            for number, line in each_line(code) do
                for name in line:gmatch "%f[%w_]([%a_][%w_]*)%s*%(" do
                    if names[name] then
                        add(number, ("may not call %s"):format(name))
                    end
                end
            end
        end
    end
end

local function check_library(file, text, add)
    if not file:find "^lua/moonwire/" then
        return
    end
    for number, line in each_line(code_of(text, true)) do
        for _, name in ipairs(library_may_not_use) do
            if (" " .. line):find("[^%w_.:]" .. name .. "%f[^%w_]%s*[%.%(%[]") then
                add(number, ("may not use %s"):format(name))
            end
        end
    end
    for number, line in each_line(code_of(text, true, true)) do
        for name in line:gmatch "%f[%w_]require%s*%(?%s*[\"']([^\"']+)" do
            if not rule_for(library_may_require, name) then
                add(number, ("may not require %s"):format(name))
            end
        end
    end
end

local function check_text(file, text, add)
    local _, lines = text:gsub("\n", "")
    local size = rule_for(sizes, file)
    if size and lines > size[2] then
        add(lines, ("has more than %d lines"):format(size[2]))
    end
    if file:find "%.[ch]$" and not text:find "^/%*" then
        add(1, "must begin with a comment that says what it owns")
    elseif file:find "%.lua$" and not text:find "^%-%-" then
        add(1, "must begin with a comment")
    end
    for number, line in each_line(text) do
        if file:find "%.[ch]$" and (utf8.len(line) or #line) > longest_line then
            add(number, ("is longer than %d columns"):format(longest_line))
        end
        for _, mark in ipairs(marks) do
            if line:find("%f[%w_]" .. mark .. "%f[^%w_]") then
                add(number, ("holds a %s mark"):format(mark))
            end
        end
        for _, place in ipairs(places) do
            if line:find(place) then
                add(number, "names a folder outside the project")
            end
        end
    end
end

-- All violations of one file, as "file:line: what".
local function check(file, text, is_file)
    local found = {}
    local function add(line, what)
        found[#found + 1] = ("%s:%d: %s"):format(file, line, what)
    end
    if file:find "%.[ch]$" then
        check_includes(file, text, add, is_file)
        check_calls(file, text, add)
    end
    check_library(file, text, add)
    check_text(file, text, add)
    return found
end

local function output_of(command)
    local pipe = assert(io.popen(command .. " 2>&1"))
    local text = pipe:read "a"
    local ok = pipe:close()
    return text, ok == true
end

local function project_files()
    local list = {}
    local prune = "-path ./.git -o -path ./build -o -path ./bin -o -path ./lib"
    for name in output_of("find . \\( " .. prune .. " \\) -prune -o -type f -print"):gmatch "%./([^\n]+)" do
        list[#list + 1] = name
    end
    table.sort(list)
    return list
end

local function read(name)
    local file = assert(io.open(name, "rb"))
    local text = file:read "a"
    file:close()
    return text
end

local function is_file(name)
    local file = io.open(name, "rb")
    if file then
        file:close()
    end
    return file ~= nil
end

describe("the architecture", function()
    local files = project_files()

    it("holds in every file", function()
        local found, seen = {}, 0
        for _, name in ipairs(files) do
            if not name:find "^spec/fixtures/" then
                seen = seen + 1
                for _, violation in ipairs(check(name, read(name), is_file)) do
                    found[#found + 1] = violation
                end
            end
        end
        assert.is_true(seen > 20)
        assert.are.equal("", table.concat(found, "\n"))
    end)

    it("has headers that compile alone, as C and as C++", function()
        local headers = { "bindings/moonwire_lua.h", "host/moonwire.h" }
        for _, name in ipairs(files) do
            if name:find "^core/include/mw/" then
                headers[#headers + 1] = name
            end
        end
        local compilers = { "cc -std=c11 -x c" }
        if select(2, output_of "command -v c++") then
            compilers[2] = "c++ -std=c++11 -x c++"
        end
        for _, compiler in ipairs(compilers) do
            for _, header in ipairs(headers) do
                local text, ok = output_of(compiler .. " -Wall -Wextra -Werror -fsyntax-only -Icore/include"
                    .. " -I/usr/include/lua5.4 -include " .. header .. " /dev/null")
                assert.is_true(ok, header .. ": " .. text)
            end
        end
    end)

    it("shows one function of core.so", function()
        local symbols = output_of("nm --dynamic --defined-only " .. build .. "/lib/moonwire/core.so")
        local names = {}
        for name in symbols:gmatch "%x+ [TDBRVW] (%S+)" do
            names[#names + 1] = name
        end
        assert.are.same({ "luaopen_moonwire_core" }, names)
    end)

    it("links neither curl nor what else is opened on first use", function()
        for _, name in ipairs { "bin/moonwire", "lib/moonwire/core.so" } do
            local needed, ok = output_of("readelf --dynamic --wide " .. build .. "/" .. name)
            assert.is_true(ok, needed)
            assert.is_truthy(needed:find("[libc.so", 1, true))
            for _, library in ipairs { "curl", "microhttpd", "gnutls", "edit", "ssl", "crypto", "sqlite", "seccomp" } do
                assert.is_nil(needed:find("[lib" .. library, 1, true), name .. " is linked with " .. library)
            end
        end
    end)
end)

describe("the readme", function()
    local readme = read "README.md"

    it("shows the first script as it is", function()
        assert.is_truthy(readme:find("```lua\n" .. read "examples/first_script.lua" .. "```", 1, true))
    end)

    it("has the exit codes as they are", function()
        local seen = 0
        for code, meaning in read "host/exit_codes.h":gsub("\\\n", ""):gmatch 'X%(%u[%u_]*, (%d+), "([^"]+)"' do
            seen = seen + 1
            assert.is_truthy(readme:find(("| %s | %s |"):format(code, meaning), 1, true), "code " .. code)
        end
        assert.is_true(seen >= 10)
    end)

    it("names folders that exist", function()
        local seen = 0
        for name in readme:gmatch "\n| `([%w_/]+/)` |" do
            seen = seen + 1
            assert.is_true(select(2, output_of("test -d " .. name)), name)
        end
        assert.is_true(seen >= 8)
    end)
end)

describe("the checker", function()
    local function violations(file, text)
        return table.concat(check(file, text, function(name)
            return name == "core/src/loop.h" or name == "core/src/json.h" or name == "bindings/box.h"
        end), "\n")
    end

    local function catches(file, text, what)
        local found = violations(file, text)
        assert.is_truthy(found:find(what, 1, true), ("%q is not caught: %s"):format(what, found))
    end

    it("lets good files pass", function()
        assert.are.equal("", violations("core/src/loop.c", '/* own */\n#include "loop.h"\n#include <uv.h>\n'
            .. '#include "mw/loop.h"\n/* never calls exit(1) */\nconst char *t = "printf(";\n'))
        assert.are.equal("", violations("core/src/ooctopus/teams.c",
            '/* own */\n#include "../json.h"\n#include "loop.h"\n'))
        assert.are.equal("", violations("lua/moonwire/x.lua", '-- own\nlocal mw = require "moonwire"\n'
            .. 'mw.log.debug("os.exit()")\nlocal radios = {}\nradios.x = 1 -- io.open()\n'))
    end)

    it("catches includes across layers", function()
        catches("core/src/loop.c", "/* own */\n#include <lua.h>\n", "core/src/loop.c:2: may not include lua.h")
        catches("core/include/mw/loop.h", "/* own */\n#include <uv.h>\n", "may not include uv.h")
        catches("bindings/box.c", "/* own */\n#include <curl/curl.h>\n", "may not include curl/curl.h")
        catches("bindings/box.c", '/* own */\n#include "json.h"\n', "may not include json.h")
        catches("bindings/box.c", '/* own */\n#include "../core/src/json.h"\n', "may not include ../core/src/json.h")
        catches("host/cli.c", "/* own */\n#  include <uv.h>\n", "may not include uv.h")
        catches("host/main.c", '/* own */\n#include "mw/client.h"\n', "may not include mw/client.h")
        catches("examples/embed.c", "/* own */\n#include <lua.h>\n", "may not include lua.h")
    end)

    it("catches banned calls", function()
        catches("host/cli.c", "/* own */\nvoid f(char *a) { strcpy (a, a); }\n", "2: may not call strcpy")
        catches("core/src/loop.c", '/* own */\nvoid f(void)\n{\n    printf("x");\n}\n', "4: may not call printf")
        catches("bindings/box.c", "/* own */\nvoid f(void) { exit(1); }\n", "may not call exit")
        catches("core/src/loop.c", '/* own */\nvoid f(void) { setenv("A", "b", 1); }\n', "may not call setenv")
    end)

    it("catches a library that reaches outside", function()
        catches("lua/moonwire/x.lua", "-- own\nlocal f = io.open 'x'\n", "2: may not use io")
        catches("lua/moonwire/x.lua", "-- own\nreturn os.time()\n", "may not use os")
        catches("lua/moonwire/x.lua", "-- own\nlocal x = require 'socket'\n", "may not require socket")
    end)

    it("catches long files, missing comments, marks and places", function()
        catches("core/src/loop.c", "/* own */\n" .. ("\n"):rep(400), "has more than 400 lines")
        catches("lua/moonwire/twin/x.lua", "-- own\n" .. ("\n"):rep(300), "has more than 300 lines")
        catches("core/src/loop.c", "/* own */\n" .. ("x"):rep(121) .. "\n", "is longer than 120 columns")
        catches("core/src/loop.c", "#include <stdio.h>\n", "must begin with a comment")
        catches("README.md", "a " .. marks[1] .. " here\n", "mark")
        catches("README.md", "see " .. places[1]:gsub("%%", "") .. "main\n", "outside the project")
    end)
end)

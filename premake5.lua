-- premake5.lua: what is built, from what, and with which flags. Serves premake5 and, with
-- `premake4 --file=premake5.lua gmake`, Debian's premake4 4.3. People type `tools/build`, which calls this.
--
-- Every list of files is read from the folders, so a new .c file needs no edit here.
--
--   release   bin/ lib/                 -O2, fortified
--   debug     build/debug/{bin,lib}     -O0
--   sanitize  build/sanitize/{bin,lib}  ASan and UBSan; the first finding ends the process
--
-- libcurl, libmicrohttpd, libsqlite3, libcrypto, libedit and libseccomp are not linked: they are opened on first use,
-- because loading them and what they need takes longer than everything else that `moonwire run` does before the
-- script starts.

-- premake4 knows `solution` and `configuration` where premake5 has `workspace` and `filter`.
local premake4 = not _PREMAKE_VERSION or _PREMAKE_VERSION:match "^4" ~= nil
local workspace = premake4 and solution or workspace -- luacheck: ignore 113
local function only(config)
    if premake4 then
        configuration(config or {}) -- luacheck: ignore 113
    else
        filter(config and "configurations:" .. config or {})
    end
end

local unpack = unpack or table.unpack -- luacheck: ignore 113

local configs = { "release", "debug", "sanitize" }
local prefix = { release = ".", debug = "build/debug", sanitize = "build/sanitize" }

local warnings = { "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror" }
-- _DEFAULT_SOURCE: -std=c11 alone hides POSIX, which uv.h needs. Empty, so that a file may define it as well.
local common = { "-std=c11", "-D_DEFAULT_SOURCE=", "-fPIC", "-pthread", "-fstack-protector-strong" }
local compile = {
    release = { "-O2", "-D_FORTIFY_SOURCE=2" },
    debug = { "-O0" },
    sanitize = {
        "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer",
    },
}
local link = {
    release = { "-Wl,-z,relro", "-Wl,-z,now" },
    debug = {},
    sanitize = { "-fsanitize=address,undefined" },
}

local function read(name)
    local file = io.open(name, "rb")
    if not file then
        return nil
    end
    local text = file:read "*a"
    file:close()
    return text
end

local function output_of(command)
    local pipe = io.popen(command)
    local text = pipe and pipe:read "*a" or ""
    if pipe then
        pipe:close()
    end
    return (text:gsub("%s+$", ""))
end

-- Writes only what has changed, so that make sees only what has changed.
local function write(name, text)
    if read(name) == text then
        return false
    end
    os.mkdir(path.getdirectory(name))
    local file = assert(io.open(name, "wb"))
    file:write(text)
    file:close()
    return true
end

local function matches(...)
    local found = os.matchfiles(...)
    table.sort(found)
    return found
end

-- premake4 names an object after the base name alone: the second of two files with one base name is compiled through
-- a file of its own that includes it.
local function unique(project_name, list)
    local seen, result = {}, {}
    for _, file in ipairs(list) do
        local base = path.getbasename(file)
        if seen[base] and premake4 then
            local alias = "build/obj/alias/" .. project_name .. "/" .. file:gsub("[/.]", "_") .. ".c"
            write(alias, ('#include "../../../../%s"\n'):format(file))
            file = alias
        end
        seen[base] = true
        result[#result + 1] = file
    end
    return result
end

local function without(list, ...)
    local drop, result = {}, {}
    for _, name in ipairs { ... } do
        drop[name] = true
    end
    for _, file in ipairs(list) do
        if not drop[file] then
            result[#result + 1] = file
        end
    end
    return result
end

local lua_flags = output_of "pkg-config --cflags-only-I lua5.4 2>/dev/null"
local lua_include = lua_flags:match "%-I(%S+)" or "/usr/include/lua5.4"
local lua_library = output_of("pkg-config --libs-only-l lua5.4 2>/dev/null"):match "%-l(%S+)" or "lua5.4"

write("build/obj/embedded_lua.c", dofile "tools/embed.lua" (matches "lua/moonwire/**.lua", read))

local sources = {
    mwcore = matches "core/src/**.c",
    mwlua = matches "bindings/**.c",
    mwhost = without(matches "host/**.c", "host/main.c"),
    moonwire = matches "host/main.c",
}
if #sources.mwhost > 0 then
    table.insert(sources.mwhost, "build/obj/embedded_lua.c")
end

workspace "moonwire"
configurations(configs)
location "build"
language "C"

local listing = {}

-- One target. `at` is its folder below the configuration's prefix. Without sources there is no target.
local function target(name, target_kind, at, list, options)
    if #list == 0 then
        return
    end
    options = options or {}
    listing[#listing + 1] = name .. ": " .. table.concat(list, " ")
    project(name)
    kind(target_kind)
    language "C"
    location "build"
    files(unique(name, list))
    includedirs(options.include or { "core/include" })
    for _, config in ipairs(configs) do
        only(config)
        targetdir(prefix[config] .. "/" .. at)
        objdir("build/obj/" .. config .. "/" .. name)
        buildoptions(common)
        buildoptions(warnings)
        buildoptions(options.flags or { "-fvisibility=hidden" })
        buildoptions(compile[config])
        if target_kind ~= "StaticLib" then
            linkoptions { "-pthread" }
            linkoptions(options.link or {})
            linkoptions { "-Wl,--as-needed" }
            linkoptions(link[config])
        end
    end
    only(nil)
    if premake4 then
        flags { "Symbols" }
    else
        symbols "On"
    end
    if options.name then
        targetname(options.name)
    end
    local libraries = {}
    for _, library in ipairs(options.links or {}) do
        if sources[library] == nil or #sources[library] > 0 then
            libraries[#libraries + 1] = library
        end
    end
    links(libraries)
end

-- An option, because premake4 would take the 4 of lua5.4 for a suffix. Options stand before the archives that need
-- it, where a linker that links only what has been asked for so far would drop it.
local lua = "-Wl,--no-as-needed,-l" .. lua_library
local embedding = {
    include = { "core/include", "host" },
    links = { "mwhost", "mwlua", "mwcore", "uv", "dl", "m" },
    link = { lua },
}

target("mwcore", "StaticLib", "lib", sources.mwcore, { include = { "core/include", "core/src" } })
target("mwlua", "StaticLib", "lib", sources.mwlua, {
    include = { "core/include", "bindings", lua_include },
    flags = {}, -- core.so can show only what is visible here
})
target("mwhost", "StaticLib", "lib", sources.mwhost, {
    include = { "core/include", "bindings", "host", lua_include },
})

-- The C module. Lua's own symbols come from the interpreter that loads it; of ours only luaopen_moonwire_core is seen.
if #sources.mwlua > 0 then
    write("build/obj/core.c", "/* core.so is made of the libraries that it is linked with. */\ntypedef int nothing;\n")
    target("core", "SharedLib", "lib/moonwire", { "build/obj/core.c" }, {
        link = { "-Wl,-u,luaopen_moonwire_core", "-Wl,--version-script=" .. path.getabsolute "tools/core.map" },
        links = { "mwlua", "mwcore", "uv", "dl", "m" },
    })
    targetprefix ""
end

target("moonwire", "ConsoleApp", "bin", sources.moonwire, embedding)

-- What only tests and measurements use stays out of bin/.
local function test_program(name, list, options)
    target(name, "ConsoleApp", "bin/test", list, options)
end

local units = matches "spec/c/*_test.c"
if #units > 0 then
    test_program("mw_unit", table.join({ "spec/c/main.c", "spec/c/failing_alloc.c" }, units), {
        include = { "core/include", "core/src", "bindings", "host", "spec/c", lua_include },
        links = { "mwhost", "mwlua", "mwcore", "uv", "dl", "m" },
        -- Allocations go through spec/c/failing_alloc.c, which makes the nth one fail.
        link = { lua, "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup" },
    })
end
test_program("policy_check", matches "spec/c/policy_check.c", { links = { "mwcore", "uv", "dl", "m" } })
for _, file in ipairs(without(matches "spec/c/*.c", "spec/c/main.c", "spec/c/failing_alloc.c",
    "spec/c/policy_check.c", unpack(units))) do
    test_program(path.getbasename(file), { file }, { include = { "core/include", lua_include }, links = { "dl" } })
end
-- A program that has the broker in it; the others know nothing of moonwire.
local whole = {
    two_scripts = {
        include = { "spec/c/two_scripts", "core/include", "bindings", "host", lua_include },
        links = embedding.links,
        link = embedding.link,
    },
}
for _, folder in ipairs(os.matchdirs "spec/c/*") do
    local name = path.getname(folder)
    test_program("mw_" .. name, matches(folder .. "/**.c"), whole[name] or { include = { folder } })
end
if #sources.moonwire > 0 then
    for _, file in ipairs(matches "examples/*.c") do
        test_program(path.getbasename(file), { file }, embedding)
    end
end
-- tools/fuzz builds the same target with clang's libFuzzer.
test_program("mw_fuzz", matches "spec/fuzz/*.c", {
    include = { "core/include", "core/src", "spec/fuzz" }, links = { "mwcore", "uv", "dl", "m" },
})
test_program("bench_spawn", matches "tools/bench_spawn.c")
test_program("bench_curl", matches "tools/bench_curl.c", {
    include = { lua_include }, links = { "curl", "dl", "m" }, link = { lua },
})
-- An interpreter for the specs that is itself built with the sanitizers, so that core.so can be loaded into it.
test_program("lua5.4", matches "tools/sanitized_lua.c", {
    include = { lua_include }, links = { "dl", "m" }, link = { lua, "-rdynamic" },
})

-- Objects of other flags are of no use, and an archive keeps objects whose source has gone.
if write("build/obj/flags.txt", read "premake5.lua" .. output_of "${CC:-cc} --version") then
    for _, config in ipairs(configs) do
        os.rmdir("build/obj/" .. config)
    end
end
if write("build/obj/sources.txt", table.concat(listing, "\n") .. "\n") then
    for _, config in ipairs(configs) do
        for _, archive in ipairs(os.matchfiles(prefix[config] .. "/lib/*.a")) do
            os.remove(archive)
        end
    end
end

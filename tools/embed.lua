-- embed.lua: turns the Lua library into one C file, for the host to be a single binary. Run by premake5.lua, so it
-- keeps to what premake's own Lua (5.1 and later) knows.

local header = [[
/* The Lua library as the host carries it, written from lua/moonwire/ by tools/embed.lua. Constant; any thread. */
#include "embedded.h"

#include <stddef.h>

]]

-- "lua/moonwire/twin/init.lua" -> "moonwire.twin"
local function module_name(file)
    local name = file:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    return name
end

local function escape(char)
    if char == "\\" or char == '"' or char == "?" then
        return "\\" .. char
    end
    return ("\\%03o"):format(char:byte())
end

local function literal(text)
    local lines = {}
    for line in text:gmatch "[^\n]*\n?" do
        if line ~= "" then
            -- A NUL can't stand in a pattern of Lua 5.1, hence %c and %z.
            local body = line:gsub("\n$", ""):gsub('[%c%z\\"?\127-\255]', escape)
            lines[#lines + 1] = '    "' .. body .. (line:sub(-1) == "\n" and '\\n"' or '"')
        end
    end
    return #lines > 0 and table.concat(lines, "\n") or '    ""'
end

return function(files, read)
    local parts, rows = { header }, {}
    for index, file in ipairs(files) do
        parts[#parts + 1] = ("static const char lua_%d[] =\n%s;\n\n"):format(index, literal(read(file)))
        rows[#rows + 1] = ('    {"%s", lua_%d, sizeof lua_%d - 1},\n'):format(module_name(file), index, index)
    end
    parts[#parts + 1] = "const mw_embedded mw_embedded_lua[] = {\n"
    parts[#parts + 1] = table.concat(rows) .. "    {NULL, NULL, 0},\n};\n"
    return table.concat(parts)
end

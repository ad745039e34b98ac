--- Programs that specs start: each with its own pid, stopped by it and by nothing else.
--
-- A program runs until it is stopped, or dies with the process that runs the specs.

local process = {}

---@class spec.process
---@field pid integer
---@field lines string[] what it has printed until it was ready
---@field output file* its standard output, from there on
local instance = {}
instance.__index = instance

--- One word for the shell.
function process.quote(text)
    return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- A new folder below TMPDIR; remove it with process.remove.
function process.folder()
    local pipe = assert(io.popen("mktemp -d", "r"))
    local path = pipe:read("l")
    pipe:close()
    assert(path and path:find("^/.+/"), "mktemp made no folder")
    return path
end

function process.remove(folder)
    assert(folder:find("^/.+/.") and not folder:find("%.%."), "won't remove " .. folder)
    os.execute("unset LD_PRELOAD; rm -rf -- " .. process.quote(folder))
end

function process.write(path, bytes)
    local file = assert(io.open(path, "wb"))
    file:write(bytes)
    file:close()
    return path
end

function process.read(path)
    local file = io.open(path, "rb")
    if not file then
        return nil
    end
    local bytes = file:read("a")
    file:close()
    return bytes
end

local function command_of(argv)
    local words = {}
    for i, word in ipairs(argv) do
        words[i] = process.quote(word)
    end
    return table.concat(words, " ")
end

-- The sanitizers' runtime is preloaded into the interpreter that runs the specs and into nothing
-- else, unless `keep_preload` asks for it: a Lua that loads the library under test.
local function environment_of(options)
    local words = {}
    if not options.keep_preload then
        words[#words + 1] = "unset LD_PRELOAD;"
    end
    if options.cwd then
        words[#words + 1] = "cd " .. process.quote(options.cwd) .. " || exit 127;"
    end
    local names = {}
    for name in pairs(options.env or {}) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        local value = options.env[name]
        if value == false then
            words[#words + 1] = "unset " .. name .. ";"
        else
            words[#words + 1] = ("export %s=%s;"):format(name, process.quote(value))
        end
    end
    return table.concat(words, " ")
end

--- Runs a program to its end.
---@param argv string[]
---@param options? { env?: table<string, string|false>, cwd?: string, keep_preload?: boolean, input?: string }
---@return string output, string errors, integer code 128 + n for a signal n
function process.run(argv, options)
    options = options or {}
    local folder = process.folder()
    local input = "/dev/null"
    if options.input then
        input = process.write(folder .. "/in", options.input)
    end
    local line = ("%s exec %s <%s >%s/out 2>%s/err"):format(
        environment_of(options), command_of(argv), input, folder, folder)
    local _, how, code = os.execute(line)
    local output, errors = process.read(folder .. "/out"), process.read(folder .. "/err")
    process.remove(folder)
    return output, errors, how == "signal" and 128 + code or code
end

--- Starts a program and waits until it prints a line that matches `ready`.
---@param argv string[]
---@param options { ready: string, env?: table<string, string|false>, cwd?: string, keep_preload?: boolean,
--- errors?: string }
---@return spec.process
function process.start(argv, options)
    local line = ("%s echo $$; exec setpriv --pdeathsig TERM -- %s </dev/null 2>%s"):format(
        environment_of(options), command_of(argv), process.quote(options.errors or "/dev/stderr"))
    local output = assert(io.popen(line, "r"))
    local self = setmetatable({ output = output, lines = {} }, instance)
    self.pid = assert(math.tointeger(output:read("n")), "the shell printed no pid")
    output:read("l")
    repeat
        local text = output:read("l")
        if not text then
            output:close()
            error(("%s ended before it was ready; it had printed: %s"):format(
                argv[1], table.concat(self.lines, "\n")), 2)
        end
        self.lines[#self.lines + 1] = text
    until text:find(options.ready)
    return self
end

--- Whether it still runs.
function instance:alive()
    local stat = process.read(("/proc/%d/stat"):format(self.pid))
    local state = stat and stat:match("^.*%)%s(%a)")
    return state ~= nil and state ~= "Z"
end

function instance:signal(name)
    os.execute(("unset LD_PRELOAD; kill -%s %d 2>/dev/null"):format(name, self.pid))
end

--- Waits until it is gone by itself; kills it after `seconds` and returns nil then.
---@return integer? code 128 + n for a signal n
function instance:wait(seconds)
    if not self.output then
        return self.code
    end
    local rounds = (seconds or 10) * 50
    while self:alive() and rounds > 0 do
        os.execute("unset LD_PRELOAD; sleep 0.02")
        rounds = rounds - 1
    end
    local in_time = not self:alive()
    if not in_time then
        self:signal("KILL")
    end
    local _, how, code = self.output:close()
    self.output = nil
    self.code = in_time and (how == "signal" and 128 + code or code) or nil
    return self.code
end

--- Ends it: TERM, KILL when that does nothing, and waits until it is gone. Twice is fine.
---@return integer? code as `wait` has it
function instance:stop()
    if self.output then
        self:signal("TERM")
    end
    return self:wait(5)
end

return process

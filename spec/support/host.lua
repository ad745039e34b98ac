--- The programs of the build, for specs: running `moonwire`, and talking to it through a real terminal.

local process = require "spec.support.process"

local host = {}

host.build = os.getenv "MOONWIRE_BUILD" or "."
host.binary = host.build .. "/bin/moonwire"

-- No setting of the machine that runs the specs reaches the program under test.
local clean = {}
for _, name in ipairs { "OOCTOPUS_URL", "OOCTOPUS_ACCOUNT_ID", "OOCTOPUS_TOKEN", "OOCTOPUS_BOT_TOKEN",
    "OOCTOPUS_PLATFORM_TOKEN", "OOCTOPUS_LIMITS", "CIRCUIT_URL", "CIRCUIT_TOKEN", "CIRCUIT_LIMITS",
    "MOONWIRE_LUA_DIR", "HTTPS_PROXY", "https_proxy", "LUA_PATH", "LUA_PATH_5_4",
    "LUA_CPATH", "LUA_CPATH_5_4", "LUA_INIT" } do
    clean[name] = false
end

local function environment(env)
    local all = {}
    for name, value in pairs(clean) do
        all[name] = value
    end
    for name, value in pairs(env or {}) do
        all[name] = value
    end
    return all
end

--- Runs `moonwire` to its end.
---@param arguments string[]
---@param options? { env?: table<string, string|false>, cwd?: string, input?: string }
---@return string output, string errors, integer code
function host.run(arguments, options)
    options = options or {}
    return process.run({ host.binary, table.unpack(arguments) },
        { env = environment(options.env), cwd = options.cwd, input = options.input })
end

--- Runs a script given as text.
---@return string output, string errors, integer code
function host.script(text, options)
    options = options or {}
    local arguments = { "run", table.unpack(options.flags or {}) }
    arguments[#arguments + 1] = "-"
    for _, argument in ipairs(options.arguments or {}) do
        arguments[#arguments + 1] = argument
    end
    return host.run(arguments, { env = options.env, cwd = options.cwd, input = text })
end

local all = { "--allow=*:*", "--allow=*:request" }

--- Runs a script, given as text or as a command line after `run`, in its sandbox, with every operation allowed.
---@param what string|string[]
---@return string output, string errors, integer code
function host.allowed(what, options)
    options = options or {}
    local flags = table.move(options.flags or {}, 1, #(options.flags or {}), 3, { all[1], all[2] })
    if type(what) == "string" then
        return host.script(what, { flags = flags, arguments = options.arguments, env = options.env, cwd = options.cwd })
    end
    return host.run({ "run", table.unpack(table.move(what, 1, #what, #flags + 1, flags)) }, options)
end

--- The same without a sandbox; the line that says so is taken from the errors.
function host.trusted(what, options)
    options = options or {}
    local flags = table.move(options.flags or {}, 1, #(options.flags or {}), 2, { "--sandbox=off" })
    local output, errors, code = host.allowed(what,
        { flags = flags, arguments = options.arguments, env = options.env, cwd = options.cwd })
    local said = "moonwire: run: sandbox off: the script runs with all that you may do; only its calls are checked\n"
    local first, last = errors:find(said, 1, true)
    assert(first, "it does not say that there is no sandbox: " .. errors)
    return output, errors:sub(1, first - 1) .. errors:sub(last + 1), code
end

--- Starts `moonwire` and waits for a line that matches `ready`.
---@return spec.process
---@param errors? string a file for its standard error
function host.start(arguments, ready, env, errors)
    return process.start({ host.binary, table.unpack(arguments) },
        { ready = ready, env = environment(env), errors = errors })
end

--- What a twin that was started has printed for a shell.
---@param program spec.process
---@return table<string, string> settings by the name of the variable
function host.settings(program)
    local settings = {}
    for _, line in ipairs(program.lines) do
        local name, value = line:match "^export ([%u_]+)='(.*)'$"
        if name then
            settings[name] = value
        end
    end
    return settings
end

--- Starts a twin of its own process.
---@return spec.process program
---@return table<string, string> settings by the name of the variable
function host.twin(...)
    local program = host.start({ "twin", ... }, "^export CIRCUIT_TOKEN=")
    return program, host.settings(program)
end

---@class spec.terminal
---@field pid integer
local terminal = {}
terminal.__index = terminal

--- Starts `moonwire` in a terminal of its own: the `script` program of util-linux makes it, copies what is written to a
--- fifo into it, and what appears in it to a file.
---@param arguments string[]
---@param env? table<string, string|false>
---@param after? string a command of the shell that runs in the terminal when `moonwire` has ended
---@return spec.terminal
function host.terminal(arguments, env, after)
    local folder = process.folder()
    local words = {}
    for index, word in ipairs { host.binary, table.unpack(arguments) } do
        words[index] = process.quote(word)
    end
    local settings = environment(env)
    settings.TERM, settings.LC_ALL = "xterm", "C.UTF-8"
    local lines = { "unset LD_PRELOAD;" }
    for name, value in pairs(settings) do
        lines[#lines + 1] = value and ("export %s=%s;"):format(name, process.quote(value)) or "unset " .. name .. ";"
    end
    assert(os.execute("mkfifo " .. process.quote(folder .. "/in")))
    local command = table.concat(words, " ")
    command = after and command .. "; " .. after or "exec " .. command
    lines[#lines + 1] = ("exec timeout --foreground 120 script -qefc %s %s <%s/in >/dev/null 2>&1"):format(
        process.quote(command), folder .. "/screen", folder)
    local program = assert(io.popen(table.concat(lines, " "), "r"))
    local input = assert(io.open(folder .. "/in", "wb"))
    input:setvbuf "no"
    return setmetatable({ folder = folder, program = program, input = input, seen = 0 }, terminal)
end

--- Types.
function terminal:send(bytes)
    self.input:write(bytes)
end

--- Everything that has appeared, without the control sequences of the editor.
function terminal:screen()
    local text = process.read(self.folder .. "/screen") or ""
    return (text:gsub("\27%[[%d;?]*%a", ""):gsub("\r", ""))
end

--- Waits until `text` appears behind what was found before.
function terminal:expect(text)
    for _ = 1, 750 do
        local screen = self:screen()
        local _, last = screen:find(text, self.seen + 1, true)
        if last then
            self.seen = last
            return
        end
        os.execute "unset LD_PRELOAD; sleep 0.02"
    end
    error(("'%s' did not appear; the terminal shows:\n%s"):format(text, self:screen()), 2)
end

--- Types the line and waits for what it makes appear.
function terminal:try(line, answer)
    self:send(line .. "\r")
    self:expect(line)
    self:expect(answer)
end

--- Waits until the program has ended by itself.
---@return integer code
function terminal:finish()
    local _, how, code = self.program:close()
    self.input:close()
    process.remove(self.folder)
    return how == "signal" and 128 + code or code
end

return host

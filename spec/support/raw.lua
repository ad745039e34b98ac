--- The raw capturing server for specs: see spec/c/raw_server/answers.h for what its paths do.
--
-- Control goes through the curl program, because what is under test should not prove itself.

local process = require "spec.support.process"

local raw = {}

---@class spec.captured one request as it came over the wire
---@field connection integer
---@field sequence integer of the request on its connection, from 1
---@field complete boolean
---@field head string request line and headers, as sent
---@field body string as sent; see `payload`
---@field method string
---@field target string
---@field headers { name: string, value: string }[] names in lower case
local captured = {}
captured.__index = captured

---@class spec.raw
---@field port integer
local server = {}
server.__index = server

local function parse(record)
    record.method, record.target = record.head:match("^(%S+) (%S+) HTTP/1%.[01]\r\n")
    record.headers = {}
    for name, value in record.head:gmatch("\r\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
        table.insert(record.headers, { name = name:lower(), spelled = name, value = value })
    end
    return setmetatable(record, captured)
end

--- All values of a header.
function captured:values(name)
    local list = {}
    for _, header in ipairs(self.headers) do
        if header.name == name then
            list[#list + 1] = header.value
        end
    end
    return list
end

--- The value of a header that may be there once.
function captured:header(name)
    local list = self:values(name)
    assert(#list <= 1, name .. " was sent more than once")
    return list[1]
end

--- The body without the framing of chunks.
function captured:payload()
    if not (self:header("transfer-encoding") or ""):lower():find("chunked", 1, true) then
        return self.body
    end
    local parts, at = {}, 1
    while true do
        local size, behind = self.body:match("^(%x+)[^\r\n]*\r\n()", at)
        size = tonumber(assert(size, "broken chunk"), 16)
        if size == 0 then
            return table.concat(parts)
        end
        parts[#parts + 1] = self.body:sub(behind, behind + size - 1)
        at = behind + size + 2
    end
end

--- The path and the query as sent; the query is nil without a '?'.
function captured:split()
    local path, query = self.target:match("^([^?]*)%??(.*)$")
    return path, self.target:find("?", 1, true) and query or nil
end

--- The parts of a multipart body, in order: { name, filename, type, body, head }.
function captured:parts()
    local boundary = assert(self:header("content-type"):match('boundary="?([^";]+)"?'), "no boundary")
    local body = "\r\n" .. self:payload()
    local fence = "\r\n--" .. boundary
    local list = {}
    local _, at = body:find(fence, 1, true)
    while body:sub(at + 1, at + 2) ~= "--" do
        local stop, behind = body:find(fence, at + 1, true)
        local head, content = body:sub(at + 1, stop - 1):match("^\r\n(.-)\r\n\r\n(.*)$")
        list[#list + 1] = {
            head = head,
            name = head:match('[; ]name="([^"]*)"'),
            filename = head:match('filename="([^"]*)"'),
            type = head:match("\r?\n?[Cc]ontent%-[Tt]ype: *([^\r\n]+)"),
            body = content,
        }
        at = behind
    end
    return list
end

--- Starts a server.
---@return spec.raw
function raw.start()
    local binary = (os.getenv("MOONWIRE_BUILD") or ".") .. "/bin/test/mw_raw_server"
    local program = process.start({ binary }, { ready = "^%d+ %d+$" })
    local port = program.lines[1]:match("^(%d+)")
    return setmetatable({ program = program, port = math.tointeger(tonumber(port)) }, server)
end

--- "http://127.0.0.1:PORT/ok": the base URL of a client that wants the behaviour.
function server:url(behaviour)
    return ("http://127.0.0.1:%d/%s"):format(self.port, behaviour or "ok")
end

function server:control(route, arguments)
    local line = ("unset LD_PRELOAD; curl -q -sS --fail --noproxy '*' --max-time 60 %s %s"):format(
        arguments or "", process.quote(("http://127.0.0.1:%d%s"):format(self.port, route)))
    local pipe = assert(io.popen(line, "r"))
    local bytes = pipe:read("a")
    assert(pipe:close(), "the raw server does not answer " .. route)
    return bytes
end

--- What came in since the last `clear`, in the order of arrival.
---@return spec.captured[]
function server:log()
    local bytes = self:control("/_log")
    local list, at = {}, 1
    while at <= #bytes do
        local connection, sequence, complete, head, body, behind = bytes:match(
            "^(%d+) (%d+) (%d) (%d+) (%d+)\n()", at)
        head, body = tonumber(head), tonumber(body)
        list[#list + 1] = parse {
            connection = math.tointeger(connection),
            sequence = math.tointeger(sequence),
            complete = complete == "1",
            head = bytes:sub(behind, behind + head - 1),
            body = bytes:sub(behind + head, behind + head + body - 1),
        }
        at = behind + head + body + 1
    end
    return list
end

function server:clear()
    self:control("/_clear", "-X POST")
end

--- Leaves an answer, byte for byte, and returns the behaviour that gives it.
---@param name string
---@param bytes string from "HTTP/1.1" on
---@param after? "keep"|"close"|"reset"|"stall" what becomes of the connection then
function server:answer(name, bytes, after)
    local path = process.write(os.tmpname(), bytes)
    self:control("/_answer/" .. name, "-H 'Expect:' --data-binary @" .. process.quote(path))
    os.remove(path)
    return ("raw/%s/%s"):format(after or "keep", name)
end

function server:stop()
    return self.program:stop()
end

return raw

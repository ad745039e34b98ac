--- A program: the other side of an HTTP/2 connection, behind an `openssl s_server` that does TLS for it. Reads frames
--- on standard input and writes them on standard output. In the folder that it is given, `fates` says what
--- becomes of the requests, in order, the last line for all further ones:
---
---     ok        200 {"ok":true}
---     refused   RST_STREAM with REFUSED_STREAM: nothing was done
---     goaway    GOAWAY, the last stream that it has seen being 0: nothing was done
---     internal  RST_STREAM with INTERNAL_ERROR: nobody knows
---     cut       the headers of an answer and a part of its body, then RST_STREAM with CANCEL
---
--- `log` gets a line for each request that came in: "CONNECTION.STREAM FATE BODY".

local folder = ...

local DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
local END_STREAM, ACK, END_HEADERS = 1, 1, 4
local OK = "\x88" -- ":status: 200", from the static table

local function frame(kind, flags, stream, payload)
    return string.pack(">I3BBI4", #payload, kind, flags, stream) .. payload
end

local fates = {
    ok = function(stream)
        return frame(HEADERS, END_HEADERS, stream, OK) .. frame(DATA, END_STREAM, stream, '{"ok":true}')
    end,
    refused = function(stream) return frame(RST_STREAM, 0, stream, string.pack(">I4", 7)) end,
    goaway = function() return frame(GOAWAY, 0, 0, string.pack(">I4I4", 0, 0)) end,
    internal = function(stream) return frame(RST_STREAM, 0, stream, string.pack(">I4", 2)) end,
    cut = function(stream)
        return frame(HEADERS, END_HEADERS, stream, OK) .. frame(DATA, 0, stream, '{"ok"')
            .. frame(RST_STREAM, 0, stream, string.pack(">I4", 8))
    end,
}

local function lines(name)
    local list = {}
    for line in io.lines(folder .. "/" .. name) do
        list[#list + 1] = line
    end
    return list
end

local connection, greeted = 0, false
local bodies = {}

local function answer(stream)
    local wanted = lines "fates"
    local fate = wanted[math.min(#lines "log" + 1, #wanted)]
    local log = assert(io.open(folder .. "/log", "a"))
    log:write(("%d.%d %s %s\n"):format(connection, stream, fate, bodies[stream] or ""))
    log:close()
    local greeting = greeted and "" or frame(SETTINGS, 0, 0, "") .. frame(SETTINGS, ACK, 0, "")
    greeted = true
    io.stdout:write(greeting, fates[fate](stream))
    io.stdout:flush()
end

while true do
    local head = io.stdin:read(9)
    if not head or #head < 9 then
        break
    end
    if head == "PRI * HTT" then
        io.stdin:read(15) -- the rest of what each connection begins with
        connection, greeted, bodies = connection + 1, false, {}
    else
        local length, kind, flags, stream = string.unpack(">I3BBI4", head)
        local payload = length > 0 and io.stdin:read(length) or ""
        if kind == DATA then
            bodies[stream] = (bodies[stream] or "") .. payload
        end
        if (kind == DATA or kind == HEADERS) and flags & END_STREAM ~= 0 then
            answer(stream)
        end
    end
end

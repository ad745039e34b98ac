--- What `tools/bench interrupt` interrupts: `WAIT` prints "ready" and waits for ever; `serve` is the server for that.

local mw = require "moonwire"

local waits = {
    sleep = function() mw.sleep(1000) end,
    call = function() mw.connect("ooctopus").contacts:get(1) end,
    retry = function() mw.connect("ooctopus").conversations:get(1) end,
    lane = function() -- OOCTOPUS_LIMITS lets one call a day go
        local desk = mw.connect "ooctopus"
        desk.agents:list()
        desk.agents:list()
    end,
    serve = function()
        local server = require "moonwire.core".server { handler = function(request)
            if request.path:find("/contacts", 1, true) then
                mw.sleep(1000)
            elseif request.path:find("/conversations", 1, true) then
                return 503, { ["Retry-After"] = 30 }
            end
            return 200, nil, "[]"
        end }
        print(server.url)
        io.stdout:flush()
        server:serve()
    end,
}

local wait = ...
if wait ~= "serve" then
    print "ready"
end
if io then -- not in the sandbox
    io.stdout:flush()
end
waits[wait]()

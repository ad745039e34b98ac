-- busted_report.lua: how the specs report to tools/test: each failure in full, nothing else on the terminal, and the
-- counts "passed failed pending" in the file that -Xoutput names.

local busted = require "busted"
local base = require "busted.outputHandlers.base"

local function text_of(failure)
    local message = failure.message
    if type(message) ~= "string" then
        message = message == nil and "no message" or require "pl.pretty".write(message)
    end
    local trace = failure.trace or {}
    return ("FAILED %s\n    at %s:%s\n    %s\n"):format(failure.name or "?",
        trace.short_src or "?", trace.currentline or "?", (message:gsub("\n", "\n    ")))
end

return function(options)
    local handler = base()

    function handler.suiteEnd()
        local failed = 0
        for _, list in ipairs { handler.failures, handler.errors } do
            for _, failure in ipairs(list) do
                failed = failed + 1
                io.write(text_of(failure))
            end
        end
        for _, pending in ipairs(handler.pendings) do
            io.write(("pending %s: %s\n"):format(pending.name or "?", tostring(pending.message or "no reason given")))
        end
        io.flush()
        local file = assert(io.open(assert(options.arguments[1], "tools/busted_report.lua needs -Xoutput FILE"), "w"))
        file:write(("%d %d %d\n"):format(handler.successesCount, failed, handler.pendingsCount))
        file:close()
        return nil, true
    end

    busted.subscribe({ "suite", "end" }, handler.suiteEnd)
    return handler
end

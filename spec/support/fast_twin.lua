--- A program: a twin with the platform's limits whose clock goes TIMES as fast as others, so that its windows are over
--- sooner. Prints its address; runs until it is stopped.

local mw = require "moonwire"
local twin = require "moonwire.twin"

local times = tonumber((...))
-- Both clocks meet at a full minute, so that windows begin together.
local meet = os.time() // 60 * 60
local started = mw.now()
local ahead = os.time() - meet

local running = twin.start {
    data = "demo",
    limits = "platform",
    now = function()
        return meet + (ahead + mw.now() - started) * times
    end,
}
print(running.url)
io.stdout:flush()
while true do
    mw.sleep(60)
end

-- busted.lua: the test runner for tools/test, in whatever interpreter runs this: `lua5.4 tools/busted.lua SPEC...`.
-- As a file, not with -e: only then does busted close the Lua state at its end, and with it what the specs left open.
require "busted.runner" { standalone = false }

--- The module `profile`.
local views = require "moonwire.twin.views"

local profile = {}

function profile.get(call)
    return views.user(call:find("agents", call.identity.id, "User"), call.state.account)
end

return profile

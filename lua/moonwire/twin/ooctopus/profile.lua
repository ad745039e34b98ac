--- The module `profile`.
local person = require "moonwire.twin.views.person"

local profile = {}

function profile.get(call)
    return person.user(call.store, call:find("users", call.identity.id, "User"))
end

return profile

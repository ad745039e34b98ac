--- The module `agent_bots`: the bots that an account may use. Those of the platform are shown, and left alone.
local bots = require "moonwire.twin.bots"
local core = require "moonwire.core"
local lists = require "moonwire.twin.lists"
local view = require "moonwire.twin.views.person"

local agent_bots = { administrators = { "create", "update", "delete" } }

function agent_bots.list(call)
    return core.array(lists.map(bots.accessible(call), view.bot))
end

function agent_bots.get(call)
    return view.bot(bots.find(call, call.params.id))
end

function agent_bots.create(call)
    return bots.create(call)
end

function agent_bots.update(call)
    return bots.update(call, bots.own(call))
end

function agent_bots.delete(call)
    call.store:remove("agent_bots", bots.own(call))
end

return agent_bots

--- The module `platform.agent_bots`: the bots of the platform, which every account may use.
local bots = require "moonwire.twin.bots"
local core = require "moonwire.core"
local lists = require "moonwire.twin.lists"
local view = require "moonwire.twin.views.person"

local agent_bots = {}

function agent_bots.list(call)
    return core.array(lists.map(call.store:list("agent_bots", "owner", 0), view.bot))
end

function agent_bots.get(call)
    return view.bot(bots.own(call))
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

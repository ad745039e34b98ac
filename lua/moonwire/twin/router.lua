--- From a request to a handler: a tree of path segments built from the operations' rows.
-- Knows rows and handlers; what an operation does is the handler's business.
local url = require "moonwire.twin.url"

---@class moonwire.twin.route
---@field row table the operation
---@field serve fun(call: moonwire.twin.call): any, integer? the module's function
---@field guarded boolean|nil for administrators only
---@field names string[] path parameters in path order

---@class moonwire.twin.router
local router = {}
router.__index = router

local function new_node()
    return { literal = {}, routes = {} }
end

--- An empty router.
---@return moonwire.twin.router
function router.new()
    return setmetatable({ root = new_node() }, router)
end

-- A path with a closing slash is kept apart from the one without: two operations may differ by it alone.
local function route_key(verb, slash)
    return slash and verb .. "/" or verb
end

--- Adds one path of an operation. The first operation on a path and verb keeps it.
---@param prefix string "" or where the service is mounted
---@param path string template: "/webhooks/{id}"
---@param row table
---@param serve function
---@param guarded boolean|nil
function router:add(prefix, path, row, serve, guarded)
    local segments, slash = url.segments(prefix .. path)
    local node, names = self.root, {}
    for _, segment in ipairs(segments) do
        local name = segment:match("^{(.+)}$")
        if name then
            names[#names + 1] = name
            node.any = node.any or new_node()
            node = node.any
        else
            node.literal[segment] = node.literal[segment] or new_node()
            node = node.literal[segment]
        end
    end
    local key = route_key(row.verb, slash)
    node.routes[key] = node.routes[key] or { row = row, serve = serve, guarded = guarded, names = names }
end

-- Literal segments win over parameters; a branch that leads nowhere is left again.
local function walk(node, segments, at, values, accept)
    local segment = segments[at]
    if segment == nil then
        return accept(node)
    end
    local literal = node.literal[segment]
    local found = literal and walk(literal, segments, at + 1, values, accept)
    if not found and node.any and segment ~= "" then
        values[#values + 1] = segment
        found = walk(node.any, segments, at + 1, values, accept)
        if not found then
            values[#values] = nil
        end
    end
    return found
end

--- Finds the route of a request. A closing slash too many or too few does no harm.
---@param verb string
---@param path string raw, percent-encoded
---@return moonwire.twin.route|nil route
---@return string[]|boolean values decoded path segments in path order; without a route: whether the path exists
function router:match(verb, path)
    local raw, slash = url.segments(path)
    local segments = {}
    for i, segment in ipairs(raw) do
        segments[i] = url.decode(segment)
    end
    local values = {}
    local route = walk(self.root, segments, 1, values, function(node)
        return node.routes[route_key(verb, slash)] or node.routes[route_key(verb, not slash)]
    end)
    if route then
        return route, values
    end
    return nil, walk(self.root, segments, 1, {}, function(node)
        return next(node.routes) ~= nil
    end) or false
end

return router

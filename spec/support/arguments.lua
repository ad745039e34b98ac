--- Arguments for operations, made by type from the facts: awkward ones, together with what has to be on the wire.

local json = require "spec.support.json"

local arguments = {}

-- Every character that a URL, a form, JSON or a shell gives a meaning to.
local awkward = " /?#[]@!$&'()*+,;=%25%2F\"\\<>^`{|}~..\u{E9}\u{DF}\u{6F22}\u{5B57}\u{1F419}\t\r\n\u{7F}"

local big = 9007199254740993 -- 2^53 + 1: no double holds it

---@class spec.arguments
---@field path any[] path parameters by position, without the client's account
---@field named table<string, any> the same by name
---@field texts table<string, string> path parameters as they have to be in the path
---@field params table<string, any> the parameter table
---@field query { name: string, value: string }[] on the wire, unencoded
---@field body any the decoded JSON body, or for forms { name: string, value: string }[]

---@class spec.maker
---@field mode "full"|"required"|"swapped"|"null"|"files"
---@field null any what stands for null in Lua
---@field file? string a file to send in the mode "files"
local maker = {}
maker.__index = maker

function maker:number()
    self.count = self.count + 1
    return self.count
end

local function is_id(name)
    return name == "id" or name:find("_ids?$") ~= nil
end

function maker:integer(field)
    local value = big + self:number()
    if self.mode == "swapped" and is_id(field.name) then
        return tostring(value), value
    end
    return value, value
end

function maker:text(field)
    local n = self:number()
    if field.enum then
        local value = field.enum[n % #field.enum + 1]
        return value, value
    elseif field.known then
        local value = field.known[n % #field.known + 1]
        return value, value
    elseif self.mode == "swapped" and is_id(field.name) then
        return big + n, tostring(big + n)
    end
    local value = ("%s %d%s"):format(field.name, n, awkward)
    if self.csv then
        value = value:gsub(",", "")
    end
    return value, value
end

function maker:array(field)
    local given, wire = {}, {}
    local item = field.item or { type = "any" }
    item = setmetatable({ name = field.name, known = field.known or item.known }, { __index = item })
    for i = 1, 3 do
        given[i], wire[i] = self:value(item)
    end
    return given, wire
end

-- What the documents leave open: anything that JSON has.
function maker:free()
    local n = self:number()
    if self.mode == "files" then -- names of form fields allow less
        local value = { plan = "pro" .. awkward, seats = n, tags = { "a b", "c" }, home = { no = false } }
        return value, value
    end
    local function tree(null)
        return {
            ["key " .. n .. awkward] = "value" .. awkward,
            nul = "a\0b",
            list = { 1, "two", true, { three = 3 }, null },
            number = 0.1,
            huge = 1e300,
            least = math.mininteger,
            no = false,
            nothing = null,
            nested = { { { deep = n } } },
        }
    end
    return tree(self.null), tree(json.null)
end

function maker:object(field)
    if not field.fields then
        return self:free()
    end
    local given, wire = {}, {}
    for _, member in ipairs(field.fields) do
        if self.mode ~= "required" or member.required then
            given[member.name], wire[member.name] = self:value(member)
        end
    end
    if self.mode == "full" then
        given.unlisted, wire.unlisted = self:free()
    end
    return given, wire
end

local makers = {
    string = maker.text,
    integer = maker.integer,
    number = maker.integer,
    boolean = function(self)
        local value = self:number() % 2 == 0
        return value, value
    end,
    array = maker.array,
    object = maker.object,
    any = maker.free,
    file = function(self) return self.file, self.file end,
}

--- A value for Lua, and what it is on the wire.
function maker:value(field)
    return makers[field.type](self, field)
end

function maker:wanted(field)
    if field.type == "file" then
        return self.mode == "files" or (self.mode == "null" and not field.required)
    end
    return field.required or self.mode ~= "required"
end

function maker:path_params(operation, account)
    local result = { path = {}, named = {}, texts = {} }
    for i, field in ipairs(operation.path_params) do
        if i == 1 and operation.takes_account then
            result.texts[field.name] = tostring(account)
        else
            local given, wire = self:value(field)
            table.insert(result.path, given)
            result.named[field.name] = given
            result.texts[field.name] = tostring(wire)
        end
    end
    return result
end

function maker:query_params(operation, result)
    for _, field in ipairs(operation.query) do
        if self:wanted(field) then
            local given, wire = self:value(field)
            result.params[field.name] = given
            for _, value in ipairs(type(wire) == "table" and wire or { wire }) do
                table.insert(result.query, { name = field.wire, value = tostring(value) })
            end
        end
    end
end

function maker:form_params(operation, result)
    result.body = {}
    for i, field in ipairs(operation.body.fields) do
        if self:wanted(field) or (operation.at_least_one and i == 1) then
            self.csv = field.type == "array"
            local given, wire = self:value(field)
            self.csv = false
            result.params[field.name] = given
            local text = type(wire) == "table" and table.concat(wire, ",") or tostring(wire)
            table.insert(result.body, { name = field.wire, value = text })
        end
    end
end

function maker:json_params(operation, result)
    result.body = {}
    for _, field in ipairs(operation.body.fields) do
        if self.mode == "null" and not field.required then
            result.params[field.name], result.body[field.name] = self.null, json.null
        elseif self:wanted(field) then
            result.params[field.name], result.body[field.name] = self:value(field)
        end
    end
    -- What the path names already needs to be said only once.
    if self.mode == "required" then
        for name, given in pairs(result.named) do
            if result.body[name] ~= nil then
                result.params[name] = nil
                result.body[name] = tostring(given)
            end
        end
    end
end

--- Arguments of an operation. The same call gives the same arguments.
---@param operation spec.operation
---@param options { mode: string, null: any, account: integer, file?: string }
---@return spec.arguments
function arguments.make(operation, options)
    local self = setmetatable({ mode = options.mode, null = options.null, file = options.file, count = 0 }, maker)
    local result = self:path_params(operation, options.account)
    result.params, result.query = {}, {}
    self:query_params(operation, result)
    if operation.body then
        self[operation.body.kind .. "_params"](self, operation, result)
    end
    return result
end

--- Path parameters and the others in one table, as `call` takes them. What path and body share is given once.
---@return table<string, any>
function arguments.merged(made)
    local all = {}
    for name, value in pairs(made.params) do
        all[name] = value
    end
    for name, value in pairs(made.named) do
        if all[name] ~= nil then
            made.body[name] = tostring(value)
        end
        all[name] = value
    end
    return all
end

--- The texts of a multipart form for a body: "name[key]", "name[]", each value a string, files left out.
---@return table<string, string[]>
function arguments.form_of(body, file)
    local form = {}
    local function add(name, value)
        if type(value) ~= "table" then
            form[name] = form[name] or {}
            table.insert(form[name], tostring(value))
        else
            for key, inner in pairs(value) do
                add(("%s[%s]"):format(name, type(key) == "string" and key or ""), inner)
            end
        end
    end
    for name, value in pairs(body) do
        if value ~= file then
            add(name, value)
        end
    end
    return form
end

--- Where two decoded values differ, or nil: "body.labels[2]: expected ..., got ...".
function arguments.difference(expected, got, where)
    where = where or "body"
    if type(expected) ~= "table" or type(got) ~= "table" or expected == json.null or got == json.null then
        if expected == got and math.type(expected) == math.type(got) then
            return nil
        end
        local mark = type(expected) == type(got) and "" or " (" .. type(got) .. ")"
        return ("%s: expected %q, got %q%s"):format(where, tostring(expected), tostring(got), mark)
    end
    if (#expected > 0) ~= json.is_array(got) then
        return where .. ": expected " .. (#expected > 0 and "an array" or "an object")
    end
    for key, value in pairs(expected) do
        local inner = type(key) == "number" and ("%s[%d]"):format(where, key) or where .. "." .. key
        local found = arguments.difference(value, got[key], inner)
        if found then
            return found
        end
    end
    for key in pairs(got) do
        if expected[key] == nil then
            return ("%s: %s was not asked for"):format(where, tostring(key))
        end
    end
    return nil
end

return arguments

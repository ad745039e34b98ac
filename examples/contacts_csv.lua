-- Writes all contacts as CSV to standard output: moonwire run examples/contacts_csv.lua > contacts.csv
local mw = require "moonwire"
local desk = mw.connect "ooctopus"

local function cell(value)
    if value == nil or value == mw.null then
        return ""
    end
    -- A spreadsheet takes a cell that begins like a formula for one.
    local text = tostring(value):gsub('"', '""'):gsub("^[=+@%-]", "'%0")
    return '"' .. text .. '"'
end

print "id,name,email,phone"
for contact in desk.contacts:each { sort = "name" } do
    local details = contact.payload.contact
    print(table.concat({ contact.id, cell(details.name), cell(details.email), cell(details.phone_number) }, ","))
end

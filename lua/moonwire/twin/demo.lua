--- The data a twin starts with. Nothing here is random, and all times count from one fixed moment, so that two
-- twins with the same data give the same answers. Knows records, no HTTP.
local call = require "moonwire.twin.call"
local talk = require "moonwire.twin.talk"

local demo = {}

-- 2 March 2026, 09:00 UTC: "now" of the demo desk.
local BASE = 1772442000

--- The tokens of every twin. They open nothing else.
demo.tokens = {
    user = "twin-user-token",
    bot = "twin-bot-token",
    platform = "twin-platform-token",
    circuit = "twin-circuit-token",
}

local CIRCUIT_USER = "6f1d2c3b-4a59-4e68-8f77-0123456789ab"

-- name, e-mail, role, availability
local AGENTS = {
    { "Ada Brandt", "ada@nimbus-bikes.example", "administrator", "available" },
    { "Jonas Keller", "jonas@nimbus-bikes.example", "agent", "available" },
    { "Priya Raman", "priya@nimbus-bikes.example", "agent", "busy" },
    { "Chloé Martin", "chloe@nimbus-bikes.example", "agent", "available" },
    { "Mateo Silva", "mateo@nimbus-bikes.example", "agent", "offline" },
    { "Aylin Demir", "aylin@nimbus-bikes.example", "agent", "available" },
}

-- name, description, members
local TEAMS = {
    { "billing", "Invoices, payments and refunds", { 1, 2 } },
    { "technical", "The app, the display and everything with a battery", { 3, 4 } },
    { "sales", "Orders, deliveries and questions before buying", { 5, 6 } },
}

local INBOXES = {
    {
        name = "Nimbus website",
        channel_type = "Channel::WebWidget",
        website_url = "https://nimbus-bikes.example",
        website_token = "twin-website-1",
        widget_color = "#0f766e",
        welcome_title = "Hello from Nimbus Bikes",
        welcome_tagline = "Ask us anything about bikes, batteries and orders.",
        greeting_enabled = true,
        greeting_message = "Hi! Someone will be with you in a few minutes.",
        members = { 1, 2, 3, 4, 5, 6 },
    },
    { name = "Support e-mail", channel_type = "Channel::Email", members = { 1, 2, 3, 4 } },
    { name = "WhatsApp", channel_type = "Channel::Whatsapp", members = { 4, 5, 6 } },
    { name = "Dealer portal", channel_type = "Channel::Api", identifier = "nimbus-dealers", members = { 2, 5 } },
}

-- title, description, colour
local LABELS = {
    { "billing", "Invoices and payments", "#2563eb" },
    { "refund", "Money that has to go back", "#7c3aed" },
    { "bug", "Something of ours does not work", "#dc2626" },
    { "login", "Passwords and accounts", "#ea580c" },
    { "shipping", "Deliveries and tracking", "#0891b2" },
    { "order", "Prices, offers and orders", "#0f766e" },
    { "feature", "Wishes", "#16a34a" },
    { "urgent", "Answer today", "#b91c1c" },
    { "spam", "Not a customer", "#6b7280" },
    { "question", "Everything else", "#ca8a04" },
    { "vip", "Fleet customers", "#9333ea" },
}

-- name, e-mail, phone (or false), city, country
local CONTACTS = {
    { "Olivia Hart", "olivia.hart@mail.example", "+442079460101", "Bristol", "GB" },
    { "Lukas Hoffmann", "lukas.hoffmann@post.example", "+493055501001", "Berlin", "DE" },
    { "Camille Dubois", "camille.dubois@courriel.example", "+33155501001", "Lyon", "FR" },
    { "Javier Ortega", "javier.ortega@correo.example", "+34915550101", "Sevilla", "ES" },
    { "Beatriz Nogueira", "beatriz.nogueira@correio.example", "+351215550101", "Porto", "PT" },
    { "Emre Yılmaz", "emre.yilmaz@posta.example", "+902125550101", "İzmir", "TR" },
    { "山田 花子", "hanako.yamada@mail.example", "+81355550101", "Kyoto", "JP" },
    { "ليلى حداد", "layla.haddad@mail.example", "+96215550101", "Amman", "JO" },
    { "Noah Williams", "noah.williams@mail.example", "+12065550101", "Seattle", "US" },
    { "Anna Schreiber", "anna.schreiber@post.example", "+493055501002", "Leipzig", "DE" },
    { "Giulia Ferri", "giulia.ferri@posta.example", "+390655501001", "Bologna", "IT" },
    { "Piotr Zieliński", "piotr.zielinski@poczta.example", "+48225550101", "Kraków", "PL" },
    { "Sanne de Vries", "sanne.devries@post.example", "+31205550101", "Utrecht", "NL" },
    { "Hugo Lefèvre", "hugo.lefevre@courriel.example", "+33155501002", "Nantes", "FR" },
    { "Lucía Romero", "lucia.romero@correo.example", "+34915550102", "Valencia", "ES" },
    { "Thiago Almeida", "thiago.almeida@correio.example", "+551155501001", "Recife", "BR" },
    { "Zeynep Kaya", "zeynep.kaya@posta.example", "+902125550102", "Ankara", "TR" },
    { "佐藤 健", "ken.sato@mail.example", false, "Sapporo", "JP" },
    { "عمر منصور", "omar.mansour@mail.example", "+201055501001", "Cairo", "EG" },
    { "Grace O'Connor", "grace.oconnor@mail.example", "+35315550101", "Galway", "IE" },
    { "Felix Baumann", "felix.baumann@post.example", "+41445550101", "Zürich", "CH" },
    { "Amélie Rousseau", "amelie.rousseau@courriel.example", false, "Bruxelles", "BE" },
    { "Diego Fuentes", "diego.fuentes@correo.example", "+525555501001", "Puebla", "MX" },
    { "Inês Carvalho", "ines.carvalho@correio.example", "+351215550102", "Coimbra", "PT" },
    { "Mehmet Aksoy", "mehmet.aksoy@posta.example", "+902125550103", "Bursa", "TR" },
    { "高橋 美咲", "misaki.takahashi@mail.example", "+81355550102", "Nagoya", "JP" },
    { "Ethan Clarke", "ethan.clarke@mail.example", "+12065550102", "Portland", "US" },
    { "Katharina Vogel", "katharina.vogel@post.example", false, "Graz", "AT" },
    { "Marek Novák", "marek.novak@posta.example", "+420255501001", "Brno", "CZ" },
    { "Freja Lindqvist", "freja.lindqvist@post.example", "+46855501001", "Malmö", "SE" },
    { "Liam Murphy", "liam.murphy@mail.example", "+35315550102", "Cork", "IE" },
    { "Sophie Wagner", "sophie.wagner@post.example", "+493055501003", "Freiburg", "DE" },
    { "Antoine Mercier", "antoine.mercier@courriel.example", "+33155501003", "Lille", "FR" },
    { "Carmen Vidal", "carmen.vidal@correo.example", "+34915550103", "Bilbao", "ES" },
    { "Rafael Costa", "rafael.costa@correio.example", "+551155501002", "Curitiba", "BR" },
    { "Velo Nord ApS", "orders@velonord.example", "+4533550101", "Aarhus", "DK" },
    { "Radhaus Süd GmbH", "einkauf@radhaus-sued.example", "+498955501001", "München", "DE" },
    { "Pedal & Co", "desk@pedalco.example", "+442079460102", "Leeds", "GB" },
    { "Growth Rocket", "deals@growth-rocket.example", false, "", "" },
    { "Mia Thompson", "mia.thompson@mail.example", "+61255501001", "Hobart", "AU" },
}

local function add_token(store, kind, fields)
    fields.token, fields.kind = demo.tokens[kind == "oauth" and "circuit" or kind], kind
    store:insert("tokens", fields)
end

local function add_account(store, name)
    store:insert("twin", { clock_offset = 0, uuids = 0 })
    return store:insert("accounts", { name = name, created_at = BASE - 200 * 86400 })
end

local function add_agents(store, account, list)
    for _, row in ipairs(list) do
        local user = store:insert("users", {
            name = row[1],
            email = row[2],
            custom_attributes = {},
            created_at = account.created_at,
        })
        store:insert("account_users", {
            account_id = account.id,
            user_id = user.id,
            role = row[3],
            availability_status = row[4],
            auto_offline = true,
        })
    end
end

local function add_tokens(store, account)
    local bot = store:insert("agent_bots", {
        account_id = account.id,
        name = "Nimbo",
        description = "Answers what it can",
        outgoing_url = "",
    })
    add_token(store, "user", { user_id = 1 })
    add_token(store, "bot", { bot_id = bot.id })
    add_token(store, "platform", {})
    add_token(store, "oauth", { uuid = CIRCUIT_USER })
end

local function add_members(store, links, key, owner, user_ids)
    for _, user_id in ipairs(user_ids) do
        store:insert(links, { [key] = owner.id, user_id = user_id })
    end
end

local function add_teams(store, account)
    for _, row in ipairs(TEAMS) do
        local team = store:insert("teams", {
            account_id = account.id,
            name = row[1],
            description = row[2],
            allow_auto_assign = true,
        })
        add_members(store, "team_members", "team_id", team, row[3])
    end
end

local function add_inboxes(store, account)
    for _, row in ipairs(INBOXES) do
        local inbox = { account_id = account.id, enable_auto_assignment = false }
        for name, value in pairs(row) do
            if name ~= "members" then
                inbox[name] = value
            end
        end
        add_members(store, "inbox_members", "inbox_id", store:insert("inboxes", inbox), row.members)
    end
end

local function add_labels(store, account)
    for _, row in ipairs(LABELS) do
        store:insert("labels", {
            account_id = account.id,
            title = row[1],
            description = row[2],
            color = row[3],
            show_on_sidebar = true,
        })
    end
end

local function add_contacts(store, account)
    for i, row in ipairs(CONTACTS) do
        local born_at = BASE - (60 + #CONTACTS - i) * 86400
        store:insert("contacts", {
            account_id = account.id,
            name = row[1],
            email = row[2],
            phone_number = row[3] or nil,
            identifier = ("nimbus-%04d"):format(1000 + i),
            additional_attributes = { city = row[4], country_code = row[5] },
            custom_attributes = {},
            created_at = born_at,
            last_activity_at = born_at,
        })
    end
end

local KIND = {
    [">"] = { message_type = "incoming" },
    ["<"] = { message_type = "outgoing" },
    ["*"] = { message_type = "outgoing", private = true },
}

-- What was said is said again, at its own time, through the same doors as today.
local function add_conversation(store, account, row, ended_at)
    local now = ended_at - (#row - 3) * 180
    local scribe = call.new {
        store = store,
        state = { now = function() return now end },
        account = account,
        identity = { kind = "user", id = row.agent or 1 },
    }
    local contact = store:get("contacts", row[1])
    local source_id = ("nimbus-%d-%d"):format(row[2], contact.id)
    local link = store:find("contact_inboxes", "source", row[2], source_id)
        or talk.link(scribe, contact, store:get("inboxes", row[2]), source_id)
    local conversation = talk.open(scribe, link, { assignee_id = row.agent, team_id = row.team })
    if row.labels then
        talk.set_labels(scribe, conversation, table.move(row.labels, 1, #row.labels, 1, {}))
    end
    for i = 3, #row do
        now = ended_at - (#row - i) * 180
        local kind = KIND[row[i]:sub(1, 1)]
        talk.say(scribe, conversation, {
            content = row[i]:sub(3),
            message_type = kind.message_type,
            private = kind.private,
        })
        if row.closed == i - 2 then
            talk.set_status(scribe, conversation, "resolved")
        end
    end
end

local function fill_demo(store)
    local account = add_account(store, "Nimbus Bikes")
    add_agents(store, account, AGENTS)
    add_tokens(store, account)
    add_teams(store, account)
    add_inboxes(store, account)
    add_labels(store, account)
    add_contacts(store, account)
    local lines = require "moonwire.twin.demo_talk"
    for i, row in ipairs(lines) do
        add_conversation(store, account, row, BASE - (#lines - i) * 2820)
    end
end

local function fill_empty(store)
    local account = add_account(store, "Empty desk")
    add_agents(store, account, { AGENTS[1] })
    add_tokens(store, account)
end

--- What `data` may be: functions that fill an empty store.
---@type table<string, fun(store: moonwire.twin.store)>
demo.data = { demo = fill_demo, empty = fill_empty }

return demo

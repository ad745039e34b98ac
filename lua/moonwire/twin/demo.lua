--- The data a twin starts with. Nothing here is random, and all times count from one fixed moment, so that two
-- twins with the same data give the same answers. Knows records, no HTTP.
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
    { name = "Dealer portal", channel_type = "Channel::Api", members = { 2, 5 } },
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

local function add_account(state, name)
    state.account = { id = 1, name = name }
    local tokens = demo.tokens
    state.tokens = {
        [tokens.user] = { kind = "user", id = 1 },
        [tokens.bot] = { kind = "bot", id = 1 },
        [tokens.platform] = { kind = "platform", id = 1 },
        [tokens.circuit] = { kind = "oauth", id = CIRCUIT_USER },
    }
    state.store:insert("bots", { name = "Nimbo" })
end

local function add_agents(state, list)
    for _, row in ipairs(list) do
        state.store:insert("agents", {
            name = row[1],
            email = row[2],
            account_id = state.account.id,
            role = row[3],
            availability_status = row[4],
            auto_offline = true,
        })
    end
end

local function add_teams(state)
    for _, row in ipairs(TEAMS) do
        state.store:insert("teams", {
            name = row[1],
            description = row[2],
            allow_auto_assign = true,
            account_id = state.account.id,
            members = table.move(row[3], 1, #row[3], 1, {}),
        })
    end
end

local function copy(from)
    local out = {}
    for name, value in pairs(from) do
        out[name] = type(value) == "table" and copy(value) or value
    end
    return out
end

local function add_inboxes(state)
    for _, row in ipairs(INBOXES) do
        local inbox = copy(row)
        inbox.enable_auto_assignment = false
        state.store:insert("inboxes", inbox)
    end
end

local function add_labels(state)
    for _, row in ipairs(LABELS) do
        state.store:insert("labels", {
            title = row[1],
            description = row[2],
            color = row[3],
            show_on_sidebar = true,
        })
    end
end

local function add_contacts(state)
    for i, row in ipairs(CONTACTS) do
        state.store:insert("contacts", {
            name = row[1],
            email = row[2],
            phone_number = row[3] or nil,
            identifier = ("nimbus-%04d"):format(1000 + i),
            additional_attributes = { city = row[4], country_code = row[5] },
            custom_attributes = {},
            inboxes = {},
            created_at = BASE - (60 + #CONTACTS - i) * 86400,
            last_activity_at = BASE - (60 + #CONTACTS - i) * 86400,
        })
    end
end

local MESSAGE = {
    [">"] = { message_type = "incoming", sender_type = "contact" },
    ["<"] = { message_type = "outgoing", sender_type = "user" },
    ["*"] = { message_type = "outgoing", sender_type = "user", private = true },
}

local function add_message(state, conversation, line, created_at)
    local kind = MESSAGE[line:sub(1, 1)]
    local incoming = kind.sender_type == "contact"
    local message = state.store:insert("messages", {
        conversation_id = conversation.id,
        inbox_id = conversation.inbox_id,
        content = line:sub(3),
        content_type = "text",
        content_attributes = {},
        message_type = kind.message_type,
        private = kind.private or false,
        attachments = {},
        sender_type = kind.sender_type,
        sender_id = incoming and conversation.contact_id or conversation.assignee_id or 1,
        created_at = created_at,
    })
    table.insert(conversation.messages, message)
    local seen = incoming and "contact_last_seen_at" or "agent_last_seen_at"
    conversation[seen] = created_at
    conversation.last_activity_at = created_at
end

local function link(contact, inbox_id)
    for _, known in ipairs(contact.inboxes) do
        if known.inbox_id == inbox_id then
            return
        end
    end
    table.insert(contact.inboxes, {
        inbox_id = inbox_id,
        source_id = ("nimbus-%d-%d"):format(inbox_id, contact.id),
    })
end

local function add_conversation(state, row, ended_at)
    local contact = state.store:get("contacts", row[1])
    link(contact, row[2])
    local conversation = state.store:insert("conversations", {
        account_id = state.account.id,
        contact_id = contact.id,
        inbox_id = row[2],
        status = "open",
        assignee_id = row.agent,
        team_id = row.team,
        labels = row.labels and table.move(row.labels, 1, #row.labels, 1, {}) or {},
        messages = {},
        additional_attributes = {},
        custom_attributes = {},
        created_at = ended_at - (#row - 3) * 180,
        contact_last_seen_at = 0,
        agent_last_seen_at = 0,
    })
    for i = 3, #row do
        add_message(state, conversation, row[i], ended_at - (#row - i) * 180)
    end
    contact.last_activity_at = math.max(contact.last_activity_at, ended_at)
end

local function fill_demo(state)
    add_account(state, "Nimbus Bikes")
    add_agents(state, AGENTS)
    add_teams(state)
    add_inboxes(state)
    add_labels(state)
    add_contacts(state)
    local talk = require "moonwire.twin.demo_talk"
    for i, row in ipairs(talk) do
        add_conversation(state, row, BASE - (#talk - i) * 2820)
    end
end

local function fill_empty(state)
    add_account(state, "Empty desk")
    add_agents(state, { AGENTS[1] })
end

--- What `data` may be: functions that fill a state.
---@type table<string, fun(state: moonwire.twin.state)>
demo.data = { demo = fill_demo, empty = fill_empty }

return demo

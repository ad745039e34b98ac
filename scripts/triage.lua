-- Triage: gives every open conversation that nobody looks after a team and labels, says why in a private note, and
-- makes sure that Circuit hears of new ones. Try it on the twin: moonwire run --twin scripts/triage.lua
local mw = require "moonwire"

-- Each rule adds its label when the customer wrote one of its words; the first rule with a team chooses the team.
local RULES = {
    { label = "spam", team = "sales", words = { "seo services", "casino", "crypto", "first month free" } },
    { label = "refund", team = "billing", words = { "refund", "money back", "geld zurück", "rembours", "reembolso",
        "rimborso", "iade", "返金", "استرداد" } },
    { label = "billing", team = "billing", words = { "invoice", "charged", "payment", "rechnung", "facture", "factura",
        "cobrança", "cobrado", "fatura", "fakturę", "betaling", "請求", "فاتورة", "الفاتورة" } },
    { label = "login", team = "technical", words = { "password", "passwort", "mot de passe", "contraseña", "senha",
        "şifre", "giriş", "パスワード" } },
    { label = "bug", team = "technical", words = { "error", "crash", "fehler", "funktioniert nicht",
        "ne marche pas", "une erreur", "no funciona", "não funciona", "動かない", "لا يعمل" } },
    { label = "shipping", team = "sales", words = { "delivery", "tracking", "shipping", "lieferung", "livraison",
        "envío", "entrega", "encomenda", "kargo", "levering", "配送", "التوصيل" } },
    { label = "order", team = "sales", words = { "price list", "discount", "angebot", "taglia" } },
    { label = "feature", team = "technical", words = { "would be great", "wünschen", "serait-il possible" } },
    { label = "urgent", words = { "urgent", "dringend", "至急" } },
}
local FALLBACK = { label = "question", team = "sales" }
local LINE = "%-6s  %s  %-16s  %s"
local HOOK = { url = "https://hooks.nimbus-bikes.example/new-conversation", filter = { "CONVERSATION.CREATE" } }

local desk, circuit, started = mw.connect "ooctopus", mw.connect "circuit", mw.now()

-- What the rules make of a conversation: its labels, the name of its team, and the words that decided.
local function judge(messages)
    local text, labels, found, team = "", {}, {}, nil
    for _, message in ipairs(messages) do
        if message.message_type == "incoming" and message.content ~= mw.null then
            text = text .. message.content:lower() .. "\n"
        end
    end
    for _, rule in ipairs(RULES) do
        for _, word in ipairs(rule.words) do
            if text:find(word, 1, true) then
                labels[#labels + 1], found[#found + 1] = rule.label, word
                team = team or rule.team
                break
            end
        end
    end
    return #labels > 0 and labels or { FALLBACK.label }, team or FALLBACK.team, found
end

-- Setting labels replaces all of them, so those that are there already come along.
local function merge(labels, more)
    local text = " " .. table.concat(labels, " ") .. " "
    for _, label in ipairs(more) do
        if not text:find(" " .. label .. " ", 1, true) then labels[#labels + 1] = label end
    end
    return labels
end

-- Fills up with spaces to `width` columns of a terminal, where characters from U+2E80 on take two.
local function pad(text, width)
    for character in text:gmatch(utf8.charpattern) do
        width = width - (character >= "\u{2E80}" and 2 or 1)
    end
    return text .. (" "):rep(width)
end

local team_ids = {}
for _, team in ipairs(desk.teams:list()) do team_ids[team.name] = team.id end

-- Collect first, then work: what gets done moves within the list. A conversation with a team is done already.
local waiting, before = {}, desk:stats().requests
for conversation in desk.conversations:each { status = "open", assignee_type = "unassigned" } do
    if not conversation.meta.team then waiting[#waiting + 1] = conversation end
end
local pages = desk:stats().requests - before

local rows = mw.map(waiting, function(conversation)
    local id = conversation.id
    local labels, team, found = judge(desk.messages:list(id).payload)
    labels = merge(desk.conversations:labels(id).payload, labels)
    local why = #found > 0 and "it mentions " .. table.concat(found, ", ") or "no rule knows what it is about"
    desk.conversations:set_labels(id, { labels = labels })
    desk.messages:create(id, { content = ("Triage: for %s, as %s."):format(team, why), private = true })
    -- The team comes last: it marks the conversation as done, so a run that breaks off is taken up by the next.
    desk.conversations:assign(id, { team_id = assert(team_ids[team], "this desk has no team " .. team) })
    return LINE:format("#" .. id, pad(conversation.meta.sender.name, 18), table.concat(labels, ", "), team)
end, { concurrency = 8 })

local hooked = false
for _, hook in ipairs(circuit.webhooks:list()) do
    for _, event in ipairs(hook.filter or {}) do hooked = hooked or event == HOOK.filter[1] end
end
if not hooked then
    circuit.webhooks:add(HOOK)
    print("registered a Circuit webhook for new conversations")
end
if #rows > 0 then
    print(LINE:format("conv", pad("contact", 18), "labels", "team") .. "\n" .. table.concat(rows, "\n"))
end
print(("conversations triaged: %d, requests: %d, pages read: %d, seconds: %.2f"):format(#rows,
    desk:stats().requests + circuit:stats().requests, pages, mw.now() - started))

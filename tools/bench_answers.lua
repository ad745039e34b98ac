-- bench_answers.lua: prints what the platform answers, for tools/bench: `small` is a contact of 160 bytes, `page` 25
-- conversations, 34 KB.
local SMALL = [[{"payload":{"id":12,"name":"Ada Lovelace","email":"ada.k@example.com","phone_number":"+442079460018",
"identifier":null,"blocked":false,"created_at":1700000000}}]]

local function conversation(id)
    return ([[{"id":%d,"account_id":1,"inbox_id":%d,"uuid":"3f0c1b52-8f6e-4d3a-9c55-%012d","status":"open",
"priority":null,"unread_count":%d,"labels":["billing","refund"],"timestamp":%d,"created_at":%d,"updated_at":%d.482913,
"last_activity_at":%d,"first_reply_created_at":0,"waiting_since":%d,"contact_last_seen_at":0,"agent_last_seen_at":%d,
"can_reply":true,"muted":false,"snoozed_until":null,"sla_policy_id":null,"custom_attributes":{"plan":"pro","seats":%d},
"additional_attributes":{"referer":"https://shop.example/orders/4711"},"meta":{"sender":{"id":%d,
"name":"Hugo Lef\u00e8vre","email":"hugo%d@example.com","phone_number":"+33612345678","identifier":null,
"thumbnail":"https://desk.example/avatars/%d.png","custom_attributes":{},"additional_attributes":{"city":"Lyon"}},
"channel":"Channel::WebWidget","assignee":{"id":7,"name":"Ada Lovelace","email":"ada@example.com","role":"agent",
"confirmed":true,"availability_status":"online"},"team":{"id":2,"name":"billing"},"hmac_verified":false},
"messages":[{"id":%d,
"content":"Bonjour, j\u2019ai \u00e9t\u00e9 d\u00e9bit\u00e9 deux fois pour la commande 4711.",
"message_type":0,"created_at":%d,"private":false,"status":"sent","content_type":"text","content_attributes":{},
"sender_type":"Contact","sender_id":%d,"sentiment":{},"attachments":[],"echo_id":null}]}]]):format(id, id % 5, id,
        id % 3, 1700000000 + id * 61, 1700000000 + id, 1700000200 + id, 1700000000 + id * 61, 1700000000 + id * 60,
        1700000100 + id, id % 40, 9000 + id, id, id, 500000 + id, 1700000000 + id * 60, 9000 + id)
end

local function page()
    local list = {}
    for id = 1, 25 do
        list[id] = conversation(id)
    end
    return [[{"data":{"meta":{"mine_count":4,"assigned_count":21,"unassigned_count":4,"all_count":25},"payload":[]] ..
        table.concat(list, ",") .. "]}}"
end

local text = (...) == "small" and SMALL or page()
io.write((text:gsub("\n", "")))

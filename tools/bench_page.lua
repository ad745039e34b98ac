-- bench_page.lua: prints a page of conversations as the platform answers it, about 34 KB of JSON, for tools/bench.
local function conversation(id)
    return ([[{"id":%d,"account_id":1,"inbox_id":%d,"status":"open","priority":null,"unread_count":%d,
"labels":["billing","refund"],"timestamp":%d,"contact_last_seen_at":0,"agent_last_seen_at":%d,"can_reply":true,
"muted":false,"snoozed_until":null,"custom_attributes":{"plan":"pro","seats":%d},"meta":{"sender":{"id":%d,
"name":"Hugo Lef\u00e8vre","email":"hugo%d@example.com","phone_number":"+33612345678","identifier":null,
"thumbnail":"https://desk.example/avatars/%d.png","custom_attributes":{},"additional_attributes":{"city":"Lyon"}},
"channel":"Channel::WebWidget","assignee":{"id":7,"name":"Ada Lovelace","email":"ada@example.com","role":"agent",
"confirmed":true,"availability_status":"online"},"team":{"id":2,"name":"billing"},"hmac_verified":false},
"messages":[{"id":%d,
"content":"Bonjour, j\u2019ai \u00e9t\u00e9 d\u00e9bit\u00e9 deux fois pour la commande 4711.",
"message_type":0,"created_at":%d,"private":false,"status":"sent","content_type":"text","content_attributes":{},
"sender_type":"Contact","sender_id":%d,"sentiment":{},"attachments":[],"echo_id":null}]}]]):format(id,
        id % 5, id % 3, 1700000000 + id * 61, 1700000100 + id, id % 40, 9000 + id, id, id, 500000 + id,
        1700000000 + id * 60, 9000 + id):gsub("\n", "")
end

local list = {}
for id = 1, 31 do
    list[id] = (conversation(id))
end
print("[" .. table.concat(list, ",") .. "]")

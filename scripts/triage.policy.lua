-- What scripts/triage.lua needed, written by moonwire learn. What is not named here is denied.
return {
    allow = {
        "circuit:webhooks.add",
        "circuit:webhooks.list",
        "ooctopus:conversations.assign",
        "ooctopus:conversations.labels",
        "ooctopus:conversations.list",
        "ooctopus:conversations.set_labels",
        "ooctopus:messages.create",
        "ooctopus:messages.list",
        "ooctopus:teams.list",
    },
}

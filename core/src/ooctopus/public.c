/* ooctopus/public.c: the rows of public.*: what a chat widget on a web site uses.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

#define CONTACT "/public/api/v1/inboxes/{inbox_identifier}/contacts/{contact_identifier}"
#define MESSAGES CONTACT "/conversations/{conversation_id}/messages"

#define OF_CONTACT MW_KEY("inbox_identifier", .names = MW_NAMES_INBOX), MW_KEY("contact_identifier")
#define OF_CONVERSATION OF_CONTACT, MW_ID("conversation_id")

static const mw_field of_contact[] = {OF_CONTACT, MW_END};
static const mw_field of_conversation[] = {OF_CONVERSATION, MW_END};

static const mw_field contact_payload[] = {
    MW_STR("identifier"), MW_STR("identifier_hash"), MW_STR("email"), MW_STR("name"),
    MW_STR("phone_number"), MW_STR("avatar_url"), MW_OBJ("custom_attributes", NULL),
    MW_END,
};

static const mw_field contact[] = {
    MW_INT("id"), MW_STR("source_id"), MW_STR("name"), MW_STR("email"), MW_STR("pubsub_token"),
    MW_END,
};

static const mw_field conversation[] = {
    MW_INT("id"), MW_STR("inbox_id"), MW_OBJS("messages", mw__shown_message),
    MW_OBJ("contact", NULL),
    MW_END,
};

static const mw_field message[] = {
    MW_STR("id"), MW_STR("content"), MW_STR("message_type"), MW_STR("content_type"),
    MW_STR("content_attributes"), MW_STR("created_at"), MW_STR("conversation_id"),
    MW_OBJS("attachments", NULL), MW_OBJ("sender", NULL),
    MW_END,
};

const mw_operation mw__ooctopus_public_contacts[] = {
    {.service = MW_OOCTOPUS, .module = "public.contacts", .method = "create",
     .id = "createAContact", .alias = "create_a_contact", .title = "Create a contact",
     .verb = MW_POST, .path = "/public/api/v1/inboxes/{inbox_identifier}/contacts",
     .auth = 0, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = MW_FIELDS(MW_KEY("inbox_identifier", .names = MW_NAMES_INBOX)),
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Public_contact_create_update_payload",
     .fields = contact_payload,
     .returns = "public_contact", .answer = MW_ONE(contact),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "public.contacts", .method = "get",
     .id = "getDetailsOfAContact", .alias = "get_details_of_a_contact",
     .title = "Get a contact",
     .verb = MW_GET, .path = CONTACT,
     .auth = 0, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = of_contact,
     .returns = "public_contact", .answer = MW_ONE(contact),
     .responses = MW_OK_OR(MW_401, {404, "The given contact does not exist"})},
    {.service = MW_OOCTOPUS, .module = "public.contacts", .method = "update",
     .id = "updateAContact", .alias = "update_a_contact", .title = "Update a contact",
     .verb = MW_PATCH, .path = CONTACT,
     .auth = 0, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = of_contact,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Public_contact_create_update_payload",
     .fields = contact_payload,
     .returns = "public_contact", .answer = MW_ONE(contact),
     .responses = MW_OK_OR(MW_401)},
};

const mw_operation mw__ooctopus_public_conversations[] = {
    {.service = MW_OOCTOPUS, .module = "public.conversations", .method = "create",
     .id = "createAConversation", .alias = "create_a_conversation",
     .title = "Create a conversation",
     .verb = MW_POST, .path = CONTACT "/conversations",
     .auth = 0, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = of_contact,
     .returns = "public_conversation", .answer = MW_ONE(conversation),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "public.conversations", .method = "list",
     .id = "listAllContactConversations", .alias = "list_all_contact_conversations",
     .title = "List all conversations",
     .verb = MW_GET, .path = CONTACT "/conversations",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = of_contact,
     .items = {.at = ""},
     .returns = "array[public_conversation]", .answer = MW_MANY(conversation),
     .responses = MW_OK_OR(MW_401)},
};

const mw_operation mw__ooctopus_public_messages[] = {
    {.service = MW_OOCTOPUS, .module = "public.messages", .method = "create",
     .id = "createAMessage", .alias = "create_a_message", .title = "Create a message",
     .verb = MW_POST, .path = MESSAGES,
     .auth = 0, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = of_conversation,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Public_message_create_payload",
     .fields = MW_FIELDS(MW_STR("content"), MW_STR("echo_id")),
     .returns = "public_message", .answer = MW_ONE(message),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "public.messages", .method = "list",
     .id = "listAllConverationMessages", .alias = "list_all_converation_messages",
     .title = "List all messages",
     .verb = MW_GET, .path = MESSAGES,
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = of_conversation,
     .items = {.at = ""},
     .returns = "array[public_message]", .answer = MW_MANY(message),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "public.messages", .method = "update",
     .id = "updateAMessage", .alias = "update_a_message", .title = "Update a message",
     .verb = MW_PATCH, .path = MESSAGES "/{message_id}",
     .auth = 0, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = MW_FIELDS(OF_CONVERSATION, MW_ID("message_id")),
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Public_message_update_payload",
     .fields = MW_FIELDS(MW_OBJ("submitted_values", NULL)),
     .returns = "public_message", .answer = MW_ONE(message),
     .responses = MW_OK_OR(MW_401)},
};

/* ooctopus/contacts.c: the rows of contacts: the people who write in.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const char *const presences[] = {"online", "offline", NULL};

static const char *const sorts[] = {
    "name",  "email",  "phone_number",  "last_activity_at",
    "-name", "-email", "-phone_number", "-last_activity_at", NULL,
};

/* What create and update share; create adds the inbox that the contact writes to. */
#define CONTACT_FIELDS \
    MW_STR("name"), MW_STR("email"), MW_STR("phone_number"), MW_FILE("avatar"), \
    MW_STR("avatar_url"), MW_STR("identifier"), MW_OBJ("custom_attributes", NULL)

#define THE_INBOX MW_NUM("inbox_id", .required = true, .names = MW_NAMES_INBOX)

#define SORT MW_ENUM("sort", sorts)
#define PAGE MW_INT("page", .preset = "1")

static const mw_field contact_inbox[] = {
    MW_STR("source_id"), MW_OBJ("inbox", mw__inbox),
    MW_END,
};

static const mw_field contact_payload[] = {
    MW_OBJ("contact", MW_FIELDS(
        MW_STR("email"), MW_STR("name"), MW_STR("phone_number"), MW_STR("thumbnail"),
        MW_OBJ("additional_attributes", NULL), MW_OBJ("custom_attributes", NULL),
        MW_OBJS("contact_inboxes", contact_inbox))),
    MW_END,
};

static const mw_field contact[] = {
    MW_OBJ("payload", contact_payload), MW_NUM("id"), MW_ENUM("availability_status", presences),
    MW_END,
};

static const mw_field listed_contact[] = {
    MW_NUM("id"), MW_OBJ("payload", contact_payload),
    MW_END,
};

const mw_operation mw__ooctopus_contacts[] = {
    {.service = MW_OOCTOPUS, .module = "contacts", .method = "contactable_inboxes",
     .id = "contactableInboxesGet", .alias = "contactable_inboxes_get",
     .title = "Get Contactable Inboxes",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/contacts/{id}/contactable_inboxes",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account_id,
     .items = {.at = "payload"},
     .returns = "contactable_inboxes", .answer = MW_ONE(contact_inbox),
     .responses = MW_OK_OR({401, "Authentication error"}, {422, "Incorrect payload"})},
    {.service = MW_OOCTOPUS, .module = "contacts", .method = "conversations",
     .id = "contactConversations", .alias = "contact_conversations",
     .title = "Contact Conversations",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/contacts/{id}/conversations",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account_id,
     .items = {.at = "payload"},
     .returns = "contact_conversations", .answer = MW_MANY(mw__contact_conversation),
     .responses = MW_OK_OR(MW_403, {404, "Contact not found"})},
    {.service = MW_OOCTOPUS, .module = "contacts", .method = "create",
     .id = "contactCreate", .alias = "contact_create", .title = "Create Contact",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/contacts",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_UPLOAD, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Contact_create",
     .fields = MW_FIELDS(THE_INBOX, CONTACT_FIELDS),
     .returns = "extended_contact", .answer = MW_ONE(contact),
     .responses = MW_OK_OR({400, "Bad Request Error"}),
     .once = {.find = "filter", .by = MW_BY({.field = "identifier"}, {.field = "email", .folded = true}),
              .wrap = "payload.contact"}},
    {.service = MW_OOCTOPUS, .module = "contacts", .method = "create_contact_inbox",
     .id = "contactInboxCreation", .alias = "contact_inbox_creation",
     .title = "Create contact inbox",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/contacts/{id}/contact_inboxes",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account_id,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_4",
     .fields = MW_FIELDS(THE_INBOX, MW_STR("source_id")),
     .returns = "contact_inboxes", .answer = MW_ONE(contact_inbox),
     .responses = MW_OK_OR({401, "Authentication error"}, {422, "Incorrect payload"})},
    {.service = MW_OOCTOPUS, .module = "contacts", .method = "delete",
     .id = "contactDelete", .alias = "contact_delete", .title = "Delete Contact",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/contacts/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = mw__in_account_id,
     .responses = MW_OK_OR(MW_401, {404, "Contact not found"})},
    {.service = MW_OOCTOPUS, .module = "contacts", .method = "filter",
     .id = "contactFilter", .alias = "contact_filter", .title = "Contact Filter",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/contacts/filter",
     .auth = MW_TOKEN_USER | MW_TOKEN_BOT, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(MW_INT("page")),
     .body = MW_BODY_JSON, .body_name = "payload", .body_type = "array[payload]",
     .fields = mw__filter,
     .items = {.at = "payload", .page_by = "page", .page_size = 15},
     .returns = "contact_list", .answer = MW_MANY(listed_contact),
     .responses = MW_OK_OR({400, "Bad Request Error"})},
    {.service = MW_OOCTOPUS, .module = "contacts", .method = "get",
     .id = "contactDetails", .alias = "contact_details", .title = "Show Contact",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/contacts/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account_id,
     .returns = "extended_contact", .answer = MW_ONE(contact),
     .responses = MW_OK_OR(MW_403, {404, "Contact not found"})},
    {.service = MW_OOCTOPUS, .module = "contacts", .method = "list",
     .id = "contactList", .alias = "contact_list", .title = "List Contacts",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/contacts",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(SORT, PAGE),
     .items = {.at = "payload", .page_by = "page", .page_size = 15},
     .returns = "contact_list", .answer = MW_MANY(listed_contact),
     .responses = MW_OK_OR({400, "Bad Request Error"})},
    {.service = MW_OOCTOPUS, .module = "contacts", .method = "search",
     .id = "contactSearch", .alias = "contact_search", .title = "Search Contacts",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/contacts/search",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_SEARCH, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(MW_STR("q"), SORT, PAGE),
     .items = {.at = "payload", .page_by = "page", .page_size = 15},
     .returns = "inline_response_200_2",
     .answer = MW_ONE(MW_FIELDS(MW_OBJS("payload", listed_contact))),
     .responses = MW_OK_OR({401, "Authentication error"})},
    {.service = MW_OOCTOPUS, .module = "contacts", .method = "update",
     .id = "contactUpdate", .alias = "contact_update", .title = "Update Contact",
     .verb = MW_PUT, .path = "/api/v1/accounts/{account_id}/contacts/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_UPLOAD, .mutates = true, .idempotent = true,
     .path_params = mw__in_account_id,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Contact_update",
     .fields = MW_FIELDS(CONTACT_FIELDS),
     .returns = "contact_base",
     .responses = MW_RESPONSES({204, "Success"}, MW_403, {404, "Contact not found"})},
};

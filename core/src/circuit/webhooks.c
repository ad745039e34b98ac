/* circuit/webhooks.c: the rows of Circuit's outgoing webhooks. Bodies are url-encoded forms; a list
 * travels as one field with its values joined by commas.
 * Constant data, for any thread; knows nothing of ooctopus. */
#include "../operation_rows.h"
#include "../rows.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

/* A filter may also be a regular expression over AREA.EVENT: these are known, not the only ones. */
static const char *const events[] = {
    "CONVERSATION.CREATE",       "CONVERSATION.UPDATE",
    "CONVERSATION.ADD_ITEM",     "CONVERSATION.UPDATE_ITEM",
    "USER.INCOMING_CALL",        "USER.USER_UPDATED",
    "USER.USER_SETTING_UPDATED", "USER.SUBMIT_FORM_DATA", NULL,
};

static const char *const read_all[] = {"READ_CONVERSATIONS", "READ_USER", NULL};
static const char *const read_user[] = {"READ_USER", NULL};

static const mw_field by_id[] = {MW_KEY("id"), MW_END};

static const mw_field webhook[] = {
    MW_STR("id"), MW_STR("url"), MW_STRS("filter"), MW_STRS("subscriptionIds"),
    MW_ENUM("type", MW_WORDS("MANUAL", "EXTENSION")), MW_STR("userId"),
    MW_NUM("creationTime", .format = "int64"),
    MW_END,
};

/* The form fields: all required to add, any of them to update. */
#define URL(needed) MW_STR("url", .max_length = 2048, .required = needed)
#define USER_IDS(needed) MW_STRS("user_ids", .wire = "userIds", .required = needed)
#define FILTER(needed) MW_STRS("filter", .known = events, .required = needed)

/* A documented status; these documents give no meaning. */
#define BARE(status) {status, ""}

const mw_operation mw__circuit_webhooks[] = {
    {.service = MW_CIRCUIT, .module = "webhooks", .method = "add",
     .id = "addWebHook", .alias = "add_web_hook", .title = "Registers a WebHook",
     .verb = MW_POST, .path = "/webhooks",
     .auth = MW_TOKEN_OAUTH, .lane = MW_LANE_WRITE, .mutates = true,
     .body = MW_BODY_FORM, .fields = MW_FIELDS(FILTER(true), URL(true)),
     .returns = "WebHook", .answer = MW_ONE(webhook),
     .responses = MW_RESPONSES(BARE(201), BARE(400), BARE(401), BARE(403), BARE(500), BARE(503)),
     .scopes = read_all},
    {.service = MW_CIRCUIT, .module = "webhooks", .method = "add_presence",
     .id = "addPresenceWebHook", .alias = "add_presence_web_hook",
     .title = "Registers Presence WebHook registration",
     .verb = MW_POST, .path = "/webhooks/presence",
     .auth = MW_TOKEN_OAUTH, .lane = MW_LANE_WRITE, .mutates = true,
     .body = MW_BODY_FORM, .fields = MW_FIELDS(URL(true), USER_IDS(true)),
     .returns = "WebHook", .answer = MW_ONE(webhook),
     .responses = MW_RESPONSES(BARE(201), BARE(400), BARE(401), BARE(403), BARE(500), BARE(503)),
     .scopes = read_user},
    {.service = MW_CIRCUIT, .module = "webhooks", .method = "get",
     .id = "getWebHookById", .alias = "get_web_hook_by_id", .title = "Gets a webHook",
     .verb = MW_GET, .path = "/webhooks/{id}",
     .auth = MW_TOKEN_OAUTH, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = by_id,
     .returns = "WebHook", .answer = MW_ONE(webhook),
     .responses = MW_RESPONSES(BARE(200), BARE(400), BARE(401), BARE(404), BARE(500), BARE(503)),
     .scopes = read_all},
    {.service = MW_CIRCUIT, .module = "webhooks", .method = "list",
     .id = "getWebHook", .alias = "get_web_hook", .title = "Gets a list of webHooks",
     .verb = MW_GET, .path = "/webhooks",
     .auth = MW_TOKEN_OAUTH, .lane = MW_LANE_ALL, .idempotent = true,
     .items = {.at = ""},
     .returns = "List[WebHook]", .answer = MW_MANY(webhook),
     .responses = MW_RESPONSES(BARE(200), BARE(401), BARE(500), BARE(503)),
     .scopes = read_all},
    {.service = MW_CIRCUIT, .module = "webhooks", .method = "remove",
     .id = "removeWebHook", .alias = "remove_web_hook", .title = "Removes a registered webHook",
     .verb = MW_DELETE, .path = "/webhooks/{id}",
     .auth = MW_TOKEN_OAUTH, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = by_id,
     .responses = MW_RESPONSES(BARE(204), BARE(400), BARE(401), BARE(404), BARE(500), BARE(503)),
     .scopes = read_all},
    {.service = MW_CIRCUIT, .module = "webhooks", .method = "remove_all",
     .id = "removeWebHooks", .alias = "remove_web_hooks", .title = "Removes all webHooks",
     .verb = MW_DELETE, .path = "/webhooks",
     .auth = MW_TOKEN_OAUTH, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .responses = MW_RESPONSES(BARE(204), BARE(401), BARE(500), BARE(503)),
     .scopes = read_all},
    {.service = MW_CIRCUIT, .module = "webhooks", .method = "update",
     .id = "updateWebHook", .alias = "update_web_hook",
     .title = "Updates a WebHook registration",
     .verb = MW_PUT, .path = "/webhooks/{id}",
     .auth = MW_TOKEN_OAUTH, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .at_least_one = true,
     .path_params = by_id,
     .body = MW_BODY_FORM, .fields = MW_FIELDS(FILTER(false), URL(false)),
     .returns = "WebHook", .answer = MW_ONE(webhook),
     .responses = MW_RESPONSES(BARE(200), BARE(400), BARE(401), BARE(404), BARE(500), BARE(503)),
     .scopes = read_all},
    {.service = MW_CIRCUIT, .module = "webhooks", .method = "update_presence",
     .id = "updatePresenceWebHook", .alias = "update_presence_web_hook",
     .title = "Updates a Presence WebHook registration",
     .verb = MW_PUT, .path = "/webhooks/presence/{id}",
     .auth = MW_TOKEN_OAUTH, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .at_least_one = true,
     .path_params = by_id,
     .body = MW_BODY_FORM, .fields = MW_FIELDS(URL(false), USER_IDS(false)),
     .returns = "WebHook", .answer = MW_ONE(webhook),
     .responses = MW_RESPONSES(BARE(200), BARE(400), BARE(401), BARE(403), BARE(404), BARE(500),
                               BARE(503)),
     .scopes = read_user},
};

/* ooctopus/webhooks.c: the rows of webhooks: where the platform posts its events.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const mw_field in_webhook[] = {MW_ACCOUNT, MW_ID("webhook_id"), MW_END};

/* The documents list fewer events to subscribe to than an answer may show. */
static const char *const subscribed[] = {
    "conversation_created", "conversation_status_changed", "conversation_updated",
    "message_created",      "message_updated",             "webwidget_triggered", NULL,
};

static const char *const reported[] = {
    "conversation_created", "conversation_status_changed", "conversation_updated",
    "contact_created",      "contact_updated",             "message_created",
    "message_updated",      "webwidget_triggered",         NULL,
};

static const mw_field payload[] = {
    MW_STR("url"),
    MW_ENUMS("subscriptions", subscribed),
    MW_END,
};

static const mw_field webhook[] = {
    MW_NUM("id"), MW_STR("url"),
    MW_ENUMS("subscriptions", reported),
    MW_NUM("account_id"),
    MW_END,
};

const mw_operation mw__ooctopus_webhooks[] = {
    {.service = MW_OOCTOPUS, .module = "webhooks", .method = "create",
     .id = "createAWebhook", .alias = "create_a_webhook", .title = "Add a webhook",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/webhooks",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Webhook_create_update_payload",
     .fields = payload,
     .returns = "webhook", .answer = MW_ONE(webhook),
     .responses = MW_OK_OR(MW_401),
     .once = {.find = "list", .by = MW_BY({.field = "url"})}},
    {.service = MW_OOCTOPUS, .module = "webhooks", .method = "delete",
     .id = "deleteAWebhook", .alias = "delete_a_webhook", .title = "Delete a webhook",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/webhooks/{webhook_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = in_webhook,
     .responses = MW_OK_OR(MW_401, {404, "The webhook does not exist in the account"})},
    {.service = MW_OOCTOPUS, .module = "webhooks", .method = "list",
     .id = "listAllWebhooks", .alias = "list_all_webhooks", .title = "List all webhooks",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/webhooks",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .items = {.at = "payload.webhooks"},
     .returns = "array[webhook]", .answer = MW_MANY(webhook),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "webhooks", .method = "update",
     .id = "updateAWebhook", .alias = "update_a_webhook", .title = "Update a webhook object",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/webhooks/{webhook_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = in_webhook,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Webhook_create_update_payload",
     .fields = payload,
     .returns = "webhook", .answer = MW_ONE(webhook),
     .responses = MW_OK_OR(MW_401)},
};

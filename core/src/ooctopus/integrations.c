/* ooctopus/integrations.c: the rows of integrations: apps and their hooks.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const mw_field in_hook[] = {MW_ACCOUNT, MW_ID("hook_id"), MW_END};

static const mw_field hook[] = {
    MW_STR("id"), MW_STR("app_id"), MW_STR("inbox_id"), MW_STR("account_id"), MW_BOOL("status"),
    MW_BOOL("hook_type"), MW_OBJ("settings", NULL),
    MW_END,
};

const mw_operation mw__ooctopus_integrations[] = {
    {.service = MW_OOCTOPUS, .module = "integrations", .method = "apps",
     .id = "getDetailsOfAllIntegrations", .alias = "get_details_of_all_integrations",
     .title = "List all the Integrations",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/integrations/apps",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .items = {.at = "payload"},
     .returns = "array[integrations_app]",
     .answer = MW_MANY(MW_FIELDS(
         MW_STR("id"), MW_STR("name"), MW_STR("description"), MW_STR("hook_type"),
         MW_BOOL("enabled"), MW_BOOL("allow_multiple_hooks"), MW_OBJS("hooks", NULL))),
     .responses = MW_OK_OR(MW_401, {404, "Url not found"})},
    {.service = MW_OOCTOPUS, .module = "integrations", .method = "create_hook",
     .id = "createAnIntegrationHook", .alias = "create_an_integration_hook",
     .title = "Create an integration hook",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/integrations/hooks",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Integrations_hook_create_payload",
     .fields = MW_FIELDS(
         MW_STR("app_id"), MW_STR("inbox_id", .names = MW_NAMES_INBOX), MW_OBJ("settings", NULL)),
     .returns = "integrations_hook", .answer = MW_ONE(hook),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "integrations", .method = "delete_hook",
     .id = "deleteAnIntegrationHook", .alias = "delete_an_integration_hook",
     .title = "Delete an Integration Hook",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/integrations/hooks/{hook_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = in_hook,
     .responses = MW_OK_OR(MW_401, {404, "The hook does not exist in the account"})},
    {.service = MW_OOCTOPUS, .module = "integrations", .method = "update_hook",
     .id = "updateAnIntegrationsHook", .alias = "update_an_integrations_hook",
     .title = "Update an Integration Hook",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/integrations/hooks/{hook_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = in_hook,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Integrations_hook_update_payload",
     .fields = MW_FIELDS(MW_OBJ("settings", NULL)),
     .returns = "integrations_hook", .answer = MW_ONE(hook),
     .responses = MW_OK_OR(MW_401)},
};

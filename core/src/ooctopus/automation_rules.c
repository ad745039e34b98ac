/* ooctopus/automation_rules.c: the rows of automation_rules: what the platform does by itself.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const char *const rule_events[] = {
    "conversation_created", "conversation_updated", "message_created", NULL,
};

static const mw_field payload[] = {
    MW_STR("name"), MW_STR("description"), MW_ENUM("event_name", rule_events), MW_BOOL("active"),
    MW_OBJS("actions", NULL), MW_OBJS("conditions", NULL),
    MW_END,
};

static const mw_field rule[] = {
    MW_ENUM("event_name", rule_events), MW_STR("name"), MW_STR("description"), MW_BOOL("active"),
    MW_OBJS("actions", NULL), MW_OBJS("conditions", NULL), MW_INT("account_id"),
    MW_END,
};

const mw_operation mw__ooctopus_automation_rules[] = {
    {.service = MW_OOCTOPUS, .module = "automation_rules", .method = "create",
     .id = "addNewAutomationRuleToAccount", .alias = "add_new_automation_rule_to_account",
     .title = "Add a new automation rule",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/automation_rules",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data",
     .body_type = "Automation_rule_create_update_payload",
     .fields = payload,
     .returns = "automation_rule", .answer = MW_ONE(rule),
     .responses = MW_OK_OR(MW_403)},
    {.service = MW_OOCTOPUS, .module = "automation_rules", .method = "delete",
     .id = "deleteAutomationRuleFromAccount", .alias = "delete_automation_rule_from_account",
     .title = "Remove a automation rule from account",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/automation_rules/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = mw__in_account_id,
     .responses = MW_OK_OR(MW_403, {404, "automation rule not found"})},
    {.service = MW_OOCTOPUS, .module = "automation_rules", .method = "get",
     .id = "getDetailsOfASingleAutomationRule",
     .alias = "get_details_of_a_single_automation_rule",
     .title = "Get a automation rule details",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/automation_rules/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account_id,
     .returns = "automation_rule", .answer = MW_ONE(rule),
     .responses = MW_OK_OR(MW_401, {404, "The given rule ID does not exist in the account"})},
    {.service = MW_OOCTOPUS, .module = "automation_rules", .method = "list",
     .id = "getAccountAutomationRule", .alias = "get_account_automation_rule",
     .title = "List all automation rules in an account",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/automation_rules",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(MW_INT("page", .preset = "1")),
     .items = {.at = "payload", .page_by = "page"},
     .returns = "array[automation_rule]", .answer = MW_MANY(rule),
     .responses = MW_OK_OR(MW_403)},
    {.service = MW_OOCTOPUS, .module = "automation_rules", .method = "update",
     .id = "updateAutomationRuleInAccount", .alias = "update_automation_rule_in_account",
     .title = "Update automation rule in Account",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/automation_rules/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account_id,
     .body = MW_BODY_JSON, .body_name = "data",
     .body_type = "Automation_rule_create_update_payload",
     .fields = payload,
     .returns = "automation_rule", .answer = MW_ONE(rule),
     .responses = MW_OK_OR(MW_403, {404, "Rule not found"})},
};

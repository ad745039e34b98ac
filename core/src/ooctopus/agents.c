/* ooctopus/agents.c: the rows of agents: the people who answer.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

const mw_operation mw__ooctopus_agents[] = {
    {.service = MW_OOCTOPUS, .module = "agents", .method = "create",
     .id = "addNewAgentToAccount", .alias = "add_new_agent_to_account",
     .title = "Add a New Agent",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/agents",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_2",
     .fields = MW_FIELDS(
         MW_STR("name", .required = true), MW_STR("email", .required = true),
         MW_ENUM("role", mw__roles, .required = true),
         MW_ENUM("availability_status", mw__availabilities), MW_BOOL("auto_offline")),
     .returns = "agent", .answer = MW_ONE(mw__agent),
     .responses = MW_OK_OR(MW_403),
     .once = {.find = "list", .by = MW_BY({.field = "email", .folded = true})}},
    {.service = MW_OOCTOPUS, .module = "agents", .method = "delete",
     .id = "deleteAgentFromAccount", .alias = "delete_agent_from_account",
     .title = "Remove an Agent from Account",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/agents/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = mw__in_account_id,
     .responses = MW_OK_OR(MW_403, {404, "Agent not found"})},
    {.service = MW_OOCTOPUS, .module = "agents", .method = "list",
     .id = "getAccountAgents", .alias = "get_account_agents",
     .title = "List Agents in Account",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/agents",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .items = {.at = ""},
     .returns = "array[agent]", .answer = MW_MANY(mw__agent),
     .responses = MW_OK_OR(MW_403)},
    {.service = MW_OOCTOPUS, .module = "agents", .method = "update",
     .id = "updateAgentInAccount", .alias = "update_agent_in_account",
     .title = "Update Agent in Account",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/agents/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account_id,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_3",
     .fields = MW_FIELDS(
         MW_ENUM("role", mw__roles, .required = true),
         MW_ENUM("availability", mw__availabilities), MW_BOOL("auto_offline")),
     .returns = "agent", .answer = MW_ONE(mw__agent),
     .responses = MW_OK_OR(MW_403, {404, "Agent not found"})},
};

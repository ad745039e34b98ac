/* ooctopus/agent_bots.c: the rows of agent_bots: bots that belong to an account.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

const mw_operation mw__ooctopus_agent_bots[] = {
    {.service = MW_OOCTOPUS, .module = "agent_bots", .method = "create",
     .id = "createAnAccountAgentBot", .alias = "create_an_account_agent_bot",
     .title = "Create an Agent Bot",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/agent_bots",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Agent_bot_create_update_payload",
     .fields = mw__agent_bot_payload,
     .returns = "agent_bot", .answer = MW_ONE(mw__agent_bot),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "agent_bots", .method = "delete",
     .id = "deleteAnAccountAgentBot", .alias = "delete_an_account_agent_bot",
     .title = "Delete an AgentBot",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/agent_bots/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = mw__in_account_id,
     .responses = MW_OK_OR(MW_401, {404, "The agent bot does not exist in the account"})},
    {.service = MW_OOCTOPUS, .module = "agent_bots", .method = "get",
     .id = "getDetailsOfASingleAccountAgentBot",
     .alias = "get_details_of_a_single_account_agent_bot",
     .title = "Get an agent bot details",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/agent_bots/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account_id,
     .returns = "agent_bot", .answer = MW_ONE(mw__agent_bot),
     .responses = MW_OK_OR(MW_401, {404, "The given agent bot ID does not exist in the account"})},
    {.service = MW_OOCTOPUS, .module = "agent_bots", .method = "list",
     .id = "listAllAccountAgentBots", .alias = "list_all_account_agent_bots",
     .title = "List all AgentBots",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/agent_bots",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .items = {.at = ""},
     .returns = "array[agent_bot]", .answer = MW_MANY(mw__agent_bot),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "agent_bots", .method = "update",
     .id = "updateAnAccountAgentBot", .alias = "update_an_account_agent_bot",
     .title = "Update an agent bot",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/agent_bots/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account_id,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Agent_bot_create_update_payload",
     .fields = mw__agent_bot_payload,
     .returns = "agent_bot", .answer = MW_ONE(mw__agent_bot),
     .responses = MW_OK_OR(MW_401)},
};

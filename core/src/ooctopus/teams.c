/* ooctopus/teams.c: the rows of teams and their members.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

/* Documented without the "/api/v1" that the server has here too. */
#define MEMBERS "/accounts/{account_id}/teams/{team_id}/team_members"

static const mw_field in_team[] = {MW_ACCOUNT, MW_ID("team_id"), MW_END};

static const mw_field members[] = {
    MW_INTS("user_ids", .required = true),
    MW_END,
};

static const mw_field payload[] = {
    MW_STR("name"), MW_STR("description"), MW_BOOL("allow_auto_assign"),
    MW_END,
};

static const mw_field team[] = {
    MW_NUM("id"), MW_STR("name"), MW_STR("description"), MW_BOOL("allow_auto_assign"),
    MW_NUM("account_id"), MW_BOOL("is_member"),
    MW_END,
};

const mw_operation mw__ooctopus_teams[] = {
    {.service = MW_OOCTOPUS, .module = "teams", .method = "add_members",
     .id = "addNewAgentToTeam", .alias = "add_new_agent_to_team", .title = "Add a New Agent",
     .verb = MW_POST, .path = MEMBERS, .upstream = "/api/v1" MEMBERS,
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = in_team,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_15",
     .fields = members,
     .items = {.at = ""},
     .returns = "array[agent]", .answer = MW_MANY(mw__agent),
     .responses = MW_OK_OR(MW_403, {404, "Team not found"}, {422, "User must exist"})},
    {.service = MW_OOCTOPUS, .module = "teams", .method = "create",
     .id = "createATeam", .alias = "create_a_team", .title = "Create a team",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/teams",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Team_create_update_payload",
     .fields = payload,
     .returns = "team", .answer = MW_ONE(team),
     .responses = MW_OK_OR(MW_401),
     .once = {.find = "list", .by = MW_BY({.field = "name", .folded = true})}},
    {.service = MW_OOCTOPUS, .module = "teams", .method = "delete",
     .id = "deleteATeam", .alias = "delete_a_team", .title = "Delete a team",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/teams/{team_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = in_team,
     .responses = MW_OK_OR(MW_401, {404, "The team does not exist in the account"})},
    {.service = MW_OOCTOPUS, .module = "teams", .method = "get",
     .id = "getDetailsOfASingleTeam", .alias = "get_details_of_a_single_team",
     .title = "Get a team details",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/teams/{team_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = in_team,
     .returns = "team", .answer = MW_ONE(team),
     .responses = MW_OK_OR(MW_401, {404, "The given team ID does not exist in the account"})},
    {.service = MW_OOCTOPUS, .module = "teams", .method = "list",
     .id = "listAllTeams", .alias = "list_all_teams", .title = "List all teams",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/teams",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .items = {.at = ""},
     .returns = "array[team]", .answer = MW_MANY(team),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "teams", .method = "members",
     .id = "getTeamMembers", .alias = "get_team_members", .title = "List Agents in Team",
     .verb = MW_GET, .path = MEMBERS, .upstream = "/api/v1" MEMBERS,
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = in_team,
     .items = {.at = ""},
     .returns = "array[agent]", .answer = MW_MANY(mw__agent),
     .responses = MW_OK_OR(MW_403, {404, "Inbox not found"})},
    {.service = MW_OOCTOPUS, .module = "teams", .method = "remove_members",
     .id = "deleteAgentInTeam", .alias = "delete_agent_in_team",
     .title = "Remove an Agent from Team",
     .verb = MW_DELETE, .path = MEMBERS, .upstream = "/api/v1" MEMBERS,
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = in_team,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_16",
     .fields = members,
     .responses = MW_OK_OR(MW_403, {404, "Team not found"}, {422, "User must exist"})},
    {.service = MW_OOCTOPUS, .module = "teams", .method = "set_members",
     .id = "updateAgentsInTeam", .alias = "update_agents_in_team",
     .title = "Update Agents in Team",
     .verb = MW_PATCH, .path = MEMBERS, .upstream = "/api/v1" MEMBERS,
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = in_team,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_17",
     .fields = members,
     .items = {.at = ""},
     .returns = "array[agent]", .answer = MW_MANY(mw__agent),
     .responses = MW_OK_OR(MW_403, {404, "Team not found"}, {422, "User must exist"})},
    {.service = MW_OOCTOPUS, .module = "teams", .method = "update",
     .id = "updateATeam", .alias = "update_a_team", .title = "Update a team",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/teams/{team_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = in_team,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Team_create_update_payload",
     .fields = payload,
     .returns = "team", .answer = MW_ONE(team),
     .responses = MW_OK_OR(MW_401)},
};

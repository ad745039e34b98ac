/* ooctopus/platform.c: the rows of platform.*: accounts, users and bots of a whole installation.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const mw_field by_id[] = {MW_ID("id"), MW_END};

static const mw_field account_payload[] = {
    MW_STR("name"),
    MW_END,
};

static const mw_field account[] = {
    MW_NUM("id"), MW_STR("name"),
    MW_END,
};

static const mw_field account_user[] = {
    MW_INT("account_id"), MW_INT("user_id"), MW_STR("role"),
    MW_END,
};

static const mw_field user_payload[] = {
    MW_STR("name"), MW_STR("email"), MW_STR("password"), MW_OBJ("custom_attributes", NULL),
    MW_END,
};

const mw_operation mw__ooctopus_platform_account_users[] = {
    {.service = MW_OOCTOPUS, .module = "platform.account_users", .method = "create",
     .id = "createAnAccountUser", .alias = "create_an_account_user",
     .title = "Create an Account User",
     .verb = MW_POST, .path = "/platform/api/v1/accounts/{account_id}/account_users",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data",
     .fields = MW_FIELDS(
         MW_INT("user_id", .required = true), MW_STR("role", .required = true)),
     .returns = "Object", .answer = MW_ONE(account_user),
     .responses = MW_OK_OR(MW_401),
     .once = {.find = "list", .by = MW_BY({.field = "user_id"})}},
    {.service = MW_OOCTOPUS, .module = "platform.account_users", .method = "delete",
     .id = "deleteAnAccountUser", .alias = "delete_an_account_user",
     .title = "Delete an Account User",
     .verb = MW_DELETE, .path = "/platform/api/v1/accounts/{account_id}/account_users",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_1",
     .fields = MW_FIELDS(MW_INT("user_id", .required = true)),
     .responses = MW_OK_OR(MW_401, {404, "The account does not exist"})},
    {.service = MW_OOCTOPUS, .module = "platform.account_users", .method = "list",
     .id = "listAllAccountUsers", .alias = "list_all_account_users",
     .title = "List all Account Users",
     .verb = MW_GET, .path = "/platform/api/v1/accounts/{account_id}/account_users",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .items = {.at = ""},
     .returns = "array[inline_response_200]", .answer = MW_MANY(account_user),
     .responses = MW_OK_OR(MW_401)},
};

const mw_operation mw__ooctopus_platform_accounts[] = {
    {.service = MW_OOCTOPUS, .module = "platform.accounts", .method = "create",
     .id = "createAnAccount", .alias = "create_an_account", .title = "Create an Account",
     .verb = MW_POST, .path = "/platform/api/v1/accounts",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Account_create_update_payload",
     .fields = account_payload,
     .returns = "platform_account", .answer = MW_ONE(account),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "platform.accounts", .method = "delete",
     .id = "deleteAnAccount", .alias = "delete_an_account", .title = "Delete an Account",
     .verb = MW_DELETE, .path = "/platform/api/v1/accounts/{account_id}",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = mw__in_account,
     .responses = MW_OK_OR(MW_401, {404, "The account does not exist"})},
    {.service = MW_OOCTOPUS, .module = "platform.accounts", .method = "get",
     .id = "getDetailsOfAnAccount", .alias = "get_details_of_an_account",
     .title = "Get an account details",
     .verb = MW_GET, .path = "/platform/api/v1/accounts/{account_id}",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .returns = "platform_account", .answer = MW_ONE(account),
     .responses = MW_OK_OR(MW_401, {404, "The given account does not exist"})},
    {.service = MW_OOCTOPUS, .module = "platform.accounts", .method = "update",
     .id = "updateAnAccount", .alias = "update_an_account", .title = "Update an account",
     .verb = MW_PATCH, .path = "/platform/api/v1/accounts/{account_id}",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Account_create_update_payload",
     .fields = account_payload,
     .returns = "platform_account", .answer = MW_ONE(account),
     .responses = MW_OK_OR(MW_401)},
};

const mw_operation mw__ooctopus_platform_agent_bots[] = {
    {.service = MW_OOCTOPUS, .module = "platform.agent_bots", .method = "create",
     .id = "createAnAgentBot", .alias = "create_an_agent_bot", .title = "Create an Agent Bot",
     .verb = MW_POST, .path = "/platform/api/v1/agent_bots",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Agent_bot_create_update_payload",
     .fields = mw__agent_bot_payload,
     .returns = "agent_bot", .answer = MW_ONE(mw__agent_bot),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "platform.agent_bots", .method = "delete",
     .id = "deleteAnAgentBot", .alias = "delete_an_agent_bot", .title = "Delete an AgentBot",
     .verb = MW_DELETE, .path = "/platform/api/v1/agent_bots/{id}",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = by_id,
     .responses = MW_OK_OR(MW_401, {404, "The agent bot does not exist"})},
    {.service = MW_OOCTOPUS, .module = "platform.agent_bots", .method = "get",
     .id = "getDetailsOfASingleAgentBot", .alias = "get_details_of_a_single_agent_bot",
     .title = "Get an agent bot details",
     .verb = MW_GET, .path = "/platform/api/v1/agent_bots/{id}",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = by_id,
     .returns = "agent_bot", .answer = MW_ONE(mw__agent_bot),
     .responses = MW_OK_OR(MW_401, {404, "The given agent bot ID does not exist"})},
    {.service = MW_OOCTOPUS, .module = "platform.agent_bots", .method = "list",
     .id = "listAllAgentBots", .alias = "list_all_agent_bots", .title = "List all AgentBots",
     .verb = MW_GET, .path = "/platform/api/v1/agent_bots",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_ALL, .idempotent = true,
     .items = {.at = ""},
     .returns = "array[agent_bot]", .answer = MW_MANY(mw__agent_bot),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "platform.agent_bots", .method = "update",
     .id = "updateAnAgentBot", .alias = "update_an_agent_bot", .title = "Update an agent bot",
     .verb = MW_PATCH, .path = "/platform/api/v1/agent_bots/{id}",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = by_id,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Agent_bot_create_update_payload",
     .fields = mw__agent_bot_payload,
     .returns = "agent_bot", .answer = MW_ONE(mw__agent_bot),
     .responses = MW_OK_OR(MW_401)},
};

const mw_operation mw__ooctopus_platform_users[] = {
    {.service = MW_OOCTOPUS, .module = "platform.users", .method = "create",
     .id = "createAUser", .alias = "create_a_user", .title = "Create a User",
     .verb = MW_POST, .path = "/platform/api/v1/users",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "User_create_update_payload",
     .fields = user_payload,
     .returns = "user", .answer = MW_ONE(mw__user),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "platform.users", .method = "delete",
     .id = "deleteAUser", .alias = "delete_a_user", .title = "Delete a User",
     .verb = MW_DELETE, .path = "/platform/api/v1/users/{id}",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = by_id,
     .responses = MW_OK_OR(MW_401, {404, "The user does not exist"})},
    {.service = MW_OOCTOPUS, .module = "platform.users", .method = "get",
     .id = "getDetailsOfAUser", .alias = "get_details_of_a_user",
     .title = "Get an user details",
     .verb = MW_GET, .path = "/platform/api/v1/users/{id}",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = by_id,
     .returns = "user", .answer = MW_ONE(mw__user),
     .responses = MW_OK_OR(MW_401, {404, "The given user does not exist"})},
    {.service = MW_OOCTOPUS, .module = "platform.users", .method = "sso_link",
     .id = "getSsoUrlOfAUser", .alias = "get_sso_url_of_a_user", .title = "Get User SSO Link",
     .verb = MW_GET, .path = "/platform/api/v1/users/{id}/login",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = by_id,
     .returns = "inline_response_200_1", .answer = MW_ONE(MW_FIELDS(MW_STR("url"))),
     .responses = MW_OK_OR(MW_401, {404, "The given user does not exist"})},
    {.service = MW_OOCTOPUS, .module = "platform.users", .method = "update",
     .id = "updateAUser", .alias = "update_a_user", .title = "Update a user",
     .verb = MW_PATCH, .path = "/platform/api/v1/users/{id}",
     .auth = MW_TOKEN_PLATFORM, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = by_id,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "User_create_update_payload",
     .fields = user_payload,
     .returns = "user", .answer = MW_ONE(mw__user),
     .responses = MW_OK_OR(MW_401)},
};

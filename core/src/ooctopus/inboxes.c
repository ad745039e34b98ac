/* ooctopus/inboxes.c: the rows of inboxes: channels, their members and bots.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const mw_field in_inbox[] = {MW_ACCOUNT, MW_ID("inbox_id", .names = MW_NAMES_INBOX), MW_END};
static const mw_field an_inbox[] = {MW_ACCOUNT, MW_ID("id", .names = MW_NAMES_INBOX), MW_END};

/* The settings of a web widget that may change later. */
#define CHANNEL_FIELDS \
    MW_STR("website_url"), MW_STR("welcome_title"), MW_STR("welcome_tagline"), \
    MW_STR("agent_away_message"), MW_STR("widget_color")

#define NO_INBOX_OR_BOT {404, "Inbox not found, Agent bot not found"}

static const mw_field members[] = {
    MW_STR("inbox_id", .required = true, .names = MW_NAMES_INBOX),
    MW_INTS("user_ids", .required = true),
    MW_END,
};

const mw_operation mw__ooctopus_inboxes[] = {
    {.service = MW_OOCTOPUS, .module = "inboxes", .method = "add_members",
     .id = "addNewAgentToInbox", .alias = "add_new_agent_to_inbox", .title = "Add a New Agent",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/inbox_members",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_13",
     .fields = members,
     .items = {.at = ""},
     .returns = "array[agent]", .answer = MW_MANY(mw__agent),
     .responses = MW_OK_OR(MW_403, {404, "Inbox not found"}, {422, "User must exist"})},
    {.service = MW_OOCTOPUS, .module = "inboxes", .method = "agent_bot",
     .id = "getInboxAgentBot", .alias = "get_inbox_agent_bot", .title = "Show Inbox Agent Bot",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/inboxes/{id}/agent_bot",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = an_inbox,
     .returns = "agent_bot",
     .responses = MW_RESPONSES({204, "Success"}, MW_403, NO_INBOX_OR_BOT)},
    {.service = MW_OOCTOPUS, .module = "inboxes", .method = "create",
     .id = "inboxCreation", .alias = "inbox_creation", .title = "Create an inbox",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/inboxes",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_UPLOAD, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_9",
     .fields = MW_FIELDS(
         MW_STR("name"), MW_FILE("avatar"),
         MW_OBJ("channel", MW_FIELDS(
             MW_ENUM("type", MW_WORDS("web_widget")), CHANNEL_FIELDS))),
     .returns = "inbox", .answer = MW_ONE(mw__inbox),
     .responses = MW_OK_OR(MW_403, {404, "Inbox not found"})},
    {.service = MW_OOCTOPUS, .module = "inboxes", .method = "get",
     .id = "getInbox", .alias = "get_inbox", .title = "Get an inbox",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/inboxes/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = an_inbox,
     .returns = "inbox", .answer = MW_ONE(mw__inbox),
     .responses = MW_OK_OR(MW_403, {404, "Inbox not found"})},
    /* Documented as ".../inboxes/2", plainly a slip: that is one inbox, not the list. Upstream
     * serves this path, so both settings of the client agree. */
    {.service = MW_OOCTOPUS, .module = "inboxes", .method = "list",
     .id = "listAllInboxes", .alias = "list_all_inboxes", .title = "List all inboxes",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/inboxes",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .items = {.at = "payload"},
     .returns = "array[inbox]", .answer = MW_MANY(mw__inbox),
     .responses = MW_OK_OR(MW_403, {404, "Inbox not found"})},
    {.service = MW_OOCTOPUS, .module = "inboxes", .method = "members",
     .id = "getInboxMembers", .alias = "get_inbox_members", .title = "List Agents in Inbox",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/inbox_members/{inbox_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = in_inbox,
     .items = {.at = "payload"},
     .returns = "array[agent]", .answer = MW_MANY(mw__agent),
     .responses = MW_OK_OR(MW_403, {404, "Inbox not found"})},
    {.service = MW_OOCTOPUS, .module = "inboxes", .method = "remove_members",
     .id = "deleteAgentInInbox", .alias = "delete_agent_in_inbox",
     .title = "Remove an Agent from Inbox",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/inbox_members/{inbox_id}",
     .upstream = "/api/v1/accounts/{account_id}/inbox_members",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = in_inbox,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_12",
     .fields = members,
     .responses = MW_OK_OR(MW_403, {404, "Inbox not found"}, {422, "User must exist"})},
    {.service = MW_OOCTOPUS, .module = "inboxes", .method = "set_agent_bot",
     .id = "updateAgentBot", .alias = "update_agent_bot", .title = "Add or remove agent bot",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/inboxes/{id}/set_agent_bot",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = an_inbox,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_11",
     .fields = MW_FIELDS(MW_NUM("agent_bot", .required = true, .nullable = true)),
     .responses = MW_RESPONSES({204, "Success"}, MW_403, NO_INBOX_OR_BOT)},
    {.service = MW_OOCTOPUS, .module = "inboxes", .method = "set_members",
     .id = "updateAgentsInInbox", .alias = "update_agents_in_inbox",
     .title = "Update Agents in Inbox",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/inbox_members",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_14",
     .fields = members,
     .items = {.at = ""},
     .returns = "array[agent]", .answer = MW_MANY(mw__agent),
     .responses = MW_OK_OR(MW_403, {404, "Inbox not found"}, {422, "User must exist"})},
    {.service = MW_OOCTOPUS, .module = "inboxes", .method = "update",
     .id = "updateInbox", .alias = "update_inbox", .title = "Update Inbox",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/inboxes/{id}/",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_UPLOAD, .mutates = true,
     .path_params = an_inbox,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_10",
     .fields = MW_FIELDS(
         MW_STR("name"), MW_BOOL("enable_auto_assignment", .required = true), MW_FILE("avatar"),
         MW_OBJ("channel", MW_FIELDS(CHANNEL_FIELDS))),
     .returns = "inbox", .answer = MW_ONE(mw__inbox),
     .responses = MW_OK_OR(MW_403, {404, "Inbox not found"})},
};

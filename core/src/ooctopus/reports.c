/* ooctopus/reports.c: the rows of reports: numbers over time, with a rate limit of their own.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const char *const subjects[] = {"account", "agent", "inbox", "label", "team", NULL};

static const char *const metrics[] = {
    "conversations_count",     "incoming_messages_count", "outgoing_messages_count",
    "avg_first_response_time", "avg_resolution_time",     "resolutions_count", NULL,
};

#define SUBJECT_AND_TIME \
    MW_ENUM("type", subjects, .required = true), MW_STR("id", .names = MW_NAMES_SUBJECT), \
    MW_STR("since"), MW_STR("until")

#define SUMMARY_FIELDS \
    MW_STR("avg_first_response_time"), MW_STR("avg_resolution_time"), \
    MW_NUM("conversations_count"), MW_NUM("incoming_messages_count"), \
    MW_NUM("outgoing_messages_count"), MW_NUM("resolutions_count")

const mw_operation mw__ooctopus_reports[] = {
    {.service = MW_OOCTOPUS, .module = "reports", .method = "account_conversation_metrics",
     .id = "getAccountConversationMetrics", .alias = "get_account_conversation_metrics",
     .title = "Account Conversation Metrics",
     .verb = MW_GET, .path = "/api/v2/accounts/{account_id}/reports/conversations",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_REPORTS, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(MW_ENUM("type", MW_WORDS("account"), .required = true)),
     .returns = "inline_response_200_7",
     .answer = MW_ONE(MW_FIELDS(MW_NUM("open"), MW_NUM("unattended"), MW_NUM("unassigned"))),
     .responses = MW_OK_OR(MW_403, {404, "reports not found"})},
    {.service = MW_OOCTOPUS, .module = "reports", .method = "agent_conversation_metrics",
     .id = "getAgentConversationMetrics", .alias = "get_agent_conversation_metrics",
     .title = "Agent Conversation Metrics",
     .verb = MW_GET, .path = "/api/v2/accounts/{account_id}/reports/conversations/",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_REPORTS, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(
         MW_ENUM("type", MW_WORDS("agent"), .required = true), MW_STR("user_id")),
     .items = {.at = ""},
     .returns = "array[agent_conversation_metrics]",
     .answer = MW_MANY(MW_FIELDS(
         MW_NUM("id"), MW_STR("name"), MW_STR("email"), MW_STR("thumbnail"),
         MW_STR("availability"),
         MW_OBJ("metric", MW_FIELDS(MW_NUM("open"), MW_NUM("unattended"))))),
     .responses = MW_OK_OR(MW_403, {404, "reports not found"})},
    {.service = MW_OOCTOPUS, .module = "reports", .method = "summary",
     .id = "listAllConversationStatisticsSummary",
     .alias = "list_all_conversation_statistics_summary",
     .title = "Get Account reports summary",
     .verb = MW_GET, .path = "/api/v2/accounts/{account_id}/reports/summary",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_REPORTS, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(SUBJECT_AND_TIME),
     .returns = "account_summary",
     .answer = MW_ONE(MW_FIELDS(SUMMARY_FIELDS, MW_OBJ("previous", MW_FIELDS(SUMMARY_FIELDS)))),
     .responses = MW_OK_OR(MW_403, {404, "reports not found"})},
    {.service = MW_OOCTOPUS, .module = "reports", .method = "timeseries",
     .id = "listAllConversationStatistics", .alias = "list_all_conversation_statistics",
     .title = "Get Account reports",
     .verb = MW_GET, .path = "/api/v2/accounts/{account_id}/reports",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_REPORTS, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(
         MW_ENUM("metric", metrics, .required = true), SUBJECT_AND_TIME),
     .items = {.at = ""},
     .returns = "array[inline_response_200_6]",
     .answer = MW_MANY(MW_FIELDS(MW_STR("value"), MW_NUM("timestamp"))),
     .responses = MW_OK_OR(MW_403, {404, "reports not found"})},
};

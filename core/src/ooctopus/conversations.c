/* ooctopus/conversations.c: the rows of conversations: lists, status, assignment and labels.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const char *const assignee_types[] = {"me", "unassigned", "all", "assigned", NULL};

static const char *const shown_statuses[] = {"all", "open", "resolved", "pending", "snoozed", NULL};

/* What list and counts share. */
#define SELECTION \
    MW_ENUM("status", shown_statuses, .preset = "open"), MW_STR("q"), \
    MW_INT("inbox_id", .names = MW_NAMES_INBOX), MW_INT("team_id"), MW_STRS("labels", .wire = "labels[]")

static const mw_field counts[] = {
    MW_NUM("mine_count"), MW_NUM("unassigned_count"), MW_NUM("assigned_count"),
    MW_NUM("all_count"),
    MW_END,
};

static const mw_field labels[] = {
    MW_STRS("payload"),
    MW_END,
};

static const mw_field conversation_list[] = {
    MW_OBJ("data", MW_FIELDS(MW_OBJ("meta", counts), MW_OBJS("payload", mw__conversation))),
    MW_END,
};

const mw_operation mw__ooctopus_conversations[] = {
    {.service = MW_OOCTOPUS, .module = "conversations", .method = "assign",
     .id = "assignAConversation", .alias = "assign_a_conversation",
     .title = "Assign Conversation",
     .verb = MW_POST,
     .path = "/api/v1/accounts/{account_id}/conversations/{conversation_id}/assignments",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_conversation,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_7",
     .fields = MW_FIELDS(MW_NUM("assignee_id"), MW_NUM("team_id")),
     .returns = "user", .answer = MW_ONE(mw__user),
     .responses = MW_OK_OR(MW_401, {404, "Conversation not found"})},
    {.service = MW_OOCTOPUS, .module = "conversations", .method = "counts",
     .id = "conversationListMeta", .alias = "conversation_list_meta",
     .title = "Get Conversation Counts",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/conversations/meta",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(SELECTION),
     .returns = "inline_response_200_3", .answer = MW_ONE(MW_FIELDS(MW_OBJ("meta", counts))),
     .responses = MW_OK_OR({400, "Bad Request Error"})},
    {.service = MW_OOCTOPUS, .module = "conversations", .method = "create",
     .id = "newConversation", .alias = "new_conversation", .title = "Create New Conversation",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/conversations",
     .auth = MW_TOKEN_USER | MW_TOKEN_BOT, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_5",
     .fields = MW_FIELDS(
         MW_STR("source_id", .required = true),
         MW_STR("inbox_id", .required = true, .names = MW_NAMES_INBOX),
         MW_STR("contact_id"), MW_OBJ("additional_attributes", NULL),
         MW_OBJ("custom_attributes", NULL), MW_ENUM("status", mw__statuses),
         MW_STR("assignee_id"), MW_STR("team_id"),
         MW_OBJ("message", MW_FIELDS(
             MW_STR("content", .required = true),
             MW_OBJ("template_params", mw__template_params)))),
     .returns = "inline_response_200_4",
     .answer = MW_ONE(MW_FIELDS(MW_NUM("id"), MW_NUM("account_id"), MW_NUM("inbox_id"))),
     .responses = MW_OK_OR(MW_403)},
    {.service = MW_OOCTOPUS, .module = "conversations", .method = "filter",
     .id = "conversationFilter", .alias = "conversation_filter",
     .title = "Conversations Filter",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/conversations/filter",
     .auth = MW_TOKEN_USER | MW_TOKEN_BOT, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(MW_INT("page")),
     .body = MW_BODY_JSON, .body_name = "payload", .body_type = "array[payload]",
     .fields = mw__filter,
     .items = {.at = "payload", .page_by = "page", .page_size = 25},
     .returns = "conversation_list", .answer = MW_ONE(conversation_list),
     .responses = MW_OK_OR({400, "Bad Request Error"})},
    {.service = MW_OOCTOPUS, .module = "conversations", .method = "get",
     .id = "getDetailsOfAConversation", .alias = "get_details_of_a_conversation",
     .title = "Conversation Details",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/conversations/{conversation_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_conversation,
     .returns = "conversation_show", .answer = MW_ONE(mw__conversation),
     .responses = MW_OK_OR(MW_403, {404, "Conversation not found"})},
    {.service = MW_OOCTOPUS, .module = "conversations", .method = "labels",
     .id = "listAllLabelsOfAConversation", .alias = "list_all_labels_of_a_conversation",
     .title = "List Labels",
     .verb = MW_GET,
     .path = "/api/v1/accounts/{account_id}/conversations/{conversation_id}/labels",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_conversation,
     .items = {.at = "payload"},
     .returns = "conversation_labels", .answer = MW_ONE(labels),
     .responses = MW_OK_OR(MW_401, {404, "Conversation not found"})},
    {.service = MW_OOCTOPUS, .module = "conversations", .method = "list",
     .id = "conversationList", .alias = "conversation_list", .title = "Conversations List",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/conversations",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(
         MW_ENUM("assignee_type", assignee_types, .preset = "all"), SELECTION,
         MW_INT("page", .preset = "1")),
     .items = {.at = "data.payload", .page_by = "page", .page_size = 25},
     .returns = "conversation_list", .answer = MW_ONE(conversation_list),
     .responses = MW_OK_OR({400, "Bad Request Error"})},
    {.service = MW_OOCTOPUS, .module = "conversations", .method = "set_labels",
     .id = "conversationAddLabels", .alias = "conversation_add_labels", .title = "Add Labels",
     .verb = MW_POST,
     .path = "/api/v1/accounts/{account_id}/conversations/{conversation_id}/labels",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_conversation,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_8",
     .fields = MW_FIELDS(MW_STRS("labels")),
     .returns = "conversation_labels", .answer = MW_ONE(labels),
     .responses = MW_OK_OR(MW_401, {404, "Conversation not found"})},
    {.service = MW_OOCTOPUS, .module = "conversations", .method = "toggle_status",
     .id = "toggleStatusOfAConversation", .alias = "toggle_status_of_a_conversation",
     .title = "Toggle Status",
     .verb = MW_POST,
     .path = "/api/v1/accounts/{account_id}/conversations/{conversation_id}/toggle_status",
     .auth = MW_TOKEN_USER | MW_TOKEN_BOT, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_conversation,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Data_6",
     .fields = MW_FIELDS(MW_ENUM("status", mw__statuses, .required = true)),
     .returns = "conversation_status_toggle",
     .answer = MW_ONE(MW_FIELDS(
         MW_OBJ("meta", NULL),
         MW_OBJ("payload", MW_FIELDS(
             MW_BOOL("success"), MW_ENUM("current_status", MW_WORDS("open", "resolved")),
             MW_NUM("conversation_id"))))),
     .responses = MW_OK_OR(MW_401, {404, "Conversation not found"})},
};

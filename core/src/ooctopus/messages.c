/* ooctopus/messages.c: the rows of messages: what was said in a conversation.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const char *const sent_content_types[] = {
    "text", "input_email", "cards", "input_select", "form", "article", NULL,
};

#define NO_MESSAGE {404, "The message or conversation does not exist in the account"}

const mw_operation mw__ooctopus_messages[] = {
    {.service = MW_OOCTOPUS, .module = "messages", .method = "create",
     .id = "createANewMessageInAConversation", .alias = "create_a_new_message_in_a_conversation",
     .title = "Create New Message",
     .verb = MW_POST,
     .path = "/api/v1/accounts/{account_id}/conversations/{conversation_id}/messages",
     .auth = MW_TOKEN_USER | MW_TOKEN_BOT, .lane = MW_LANE_UPLOAD, .mutates = true,
     .path_params = mw__in_conversation,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Conversation_message_create",
     .fields = MW_FIELDS(
         MW_STR("content", .required = true),
         MW_ENUM("message_type", MW_WORDS("outgoing", "incoming")), MW_BOOL("private"),
         MW_ENUM("content_type", sent_content_types), MW_OBJ("content_attributes", NULL),
         MW_OBJ("template_params", mw__template_params),
         /* Not in the schema, in the platform since long. */
         MW_FILES("attachments", .wire = "attachments[]", .beyond = true)),
     .returns = "inline_response_200_5", .answer = MW_ONE(mw__message),
     .responses = MW_OK_OR(MW_403, {404, "Conversation not found"}),
     .once = {.find = "list", .marker = "content_attributes"}},
    {.service = MW_OOCTOPUS, .module = "messages", .method = "delete",
     .id = "deleteAMessage", .alias = "delete_a_message", .title = "Delete a message",
     .verb = MW_DELETE,
     .path = "/api/v1/accounts/{account_id}/conversations/{conversation_id}/messages/{message_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = MW_FIELDS(MW_ACCOUNT, MW_ID("conversation_id"), MW_ID("message_id")),
     .responses = MW_OK_OR(MW_401, NO_MESSAGE)},
    {.service = MW_OOCTOPUS, .module = "messages", .method = "list",
     .id = "listAllMessages", .alias = "list_all_messages", .title = "Get messages",
     .verb = MW_GET,
     .path = "/api/v1/accounts/{account_id}/conversations/{conversation_id}/messages",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_conversation,
     /* Not in the documents, the platform's only way to older messages. */
     .query = MW_FIELDS(MW_INT("before", .beyond = true)),
     .items = {.at = "payload", .page_by = "before", .page_size = 20},
     .returns = "array[Object]", .answer = MW_MANY(mw__message),
     .responses = MW_OK_OR(MW_401, {404, "Conversation not found"})},
};

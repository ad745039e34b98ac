/* ooctopus/canned_responses.c: the rows of canned_responses: texts that agents paste.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const mw_field payload[] = {
    MW_STR("content"), MW_STR("short_code"),
    MW_END,
};

static const mw_field canned_response[] = {
    MW_INT("id"), MW_STR("content"), MW_STR("short_code"), MW_INT("account_id"),
    MW_END,
};

const mw_operation mw__ooctopus_canned_responses[] = {
    {.service = MW_OOCTOPUS, .module = "canned_responses", .method = "create",
     .id = "addNewCannedResponseToAccount", .alias = "add_new_canned_response_to_account",
     .title = "Add a New Canned Response",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/canned_responses",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data",
     .body_type = "Canned_response_create_update_payload",
     .fields = payload,
     .returns = "canned_response", .answer = MW_ONE(canned_response),
     .responses = MW_OK_OR(MW_403),
     .once = {.find = "list", .by = MW_BY({.field = "short_code"})}},
    {.service = MW_OOCTOPUS, .module = "canned_responses", .method = "delete",
     .id = "deleteCannedResponseFromAccount", .alias = "delete_canned_response_from_account",
     .title = "Remove a Canned Response from Account",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/canned_responses/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = mw__in_account_id,
     .responses = MW_OK_OR(MW_403, {404, "Canned Response not found"})},
    {.service = MW_OOCTOPUS, .module = "canned_responses", .method = "list",
     .id = "getAccountCannedResponse", .alias = "get_account_canned_response",
     .title = "List all Canned Responses in an Account",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/canned_responses",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .items = {.at = ""},
     .returns = "array[canned_response]", .answer = MW_MANY(canned_response),
     .responses = MW_OK_OR(MW_403)},
    {.service = MW_OOCTOPUS, .module = "canned_responses", .method = "update",
     .id = "updateCannedResponseInAccount", .alias = "update_canned_response_in_account",
     .title = "Update Canned Response in Account",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/canned_responses/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account_id,
     .body = MW_BODY_JSON, .body_name = "data",
     .body_type = "Canned_response_create_update_payload",
     .fields = payload,
     .returns = "canned_response", .answer = MW_ONE(canned_response),
     .responses = MW_OK_OR(MW_403, {404, "Agent not found"})},
};

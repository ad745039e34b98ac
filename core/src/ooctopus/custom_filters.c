/* ooctopus/custom_filters.c: the rows of custom_filters: saved searches.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const mw_field in_filter[] = {MW_ACCOUNT, MW_ID("custom_filter_id"), MW_END};

static const char *const filter_types[] = {"conversation", "contact", "report", NULL};

static const mw_field payload[] = {
    MW_STR("name"), MW_ENUM("type", filter_types), MW_OBJ("query", NULL),
    MW_END,
};

static const mw_field filter[] = {
    MW_NUM("id"), MW_STR("name"), MW_ENUM("type", filter_types), MW_OBJ("query", NULL),
    MW_STR("created_at", .format = "date-time"), MW_STR("updated_at", .format = "date-time"),
    MW_END,
};

const mw_operation mw__ooctopus_custom_filters[] = {
    {.service = MW_OOCTOPUS, .module = "custom_filters", .method = "create",
     .id = "createACustomFilter", .alias = "create_a_custom_filter",
     .title = "Create a custom filter",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/custom_filters",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(MW_ENUM("filter_type", filter_types)),
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Custom_filter_create_update_payload",
     .fields = payload,
     .returns = "custom_filter", .answer = MW_ONE(filter),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "custom_filters", .method = "delete",
     .id = "deleteACustomFilter", .alias = "delete_a_custom_filter",
     .title = "Delete a custom filter",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/custom_filters/{custom_filter_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = in_filter,
     .responses = MW_OK_OR(MW_401, {404, "The custom filter does not exist in the account"})},
    {.service = MW_OOCTOPUS, .module = "custom_filters", .method = "get",
     .id = "getDetailsOfASingleCustomFilter", .alias = "get_details_of_a_single_custom_filter",
     .title = "Get a custom filter details",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/custom_filters/{custom_filter_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = in_filter,
     .returns = "custom_filter", .answer = MW_ONE(filter),
     .responses = MW_OK_OR(MW_401, {404, "The given team ID does not exist in the account"})},
    {.service = MW_OOCTOPUS, .module = "custom_filters", .method = "list",
     .id = "listAllFilters", .alias = "list_all_filters", .title = "List all custom filters",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/custom_filters",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(MW_ENUM("filter_type", filter_types)),
     .items = {.at = ""},
     .returns = "array[custom_filter]", .answer = MW_MANY(filter),
     .responses = MW_OK_OR(MW_401)},
    {.service = MW_OOCTOPUS, .module = "custom_filters", .method = "update",
     .id = "updateACustomFilter", .alias = "update_a_custom_filter",
     .title = "Update a custom filter",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/custom_filters/{custom_filter_id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = in_filter,
     .body = MW_BODY_JSON, .body_name = "data", .body_type = "Custom_filter_create_update_payload",
     .fields = payload,
     .returns = "custom_filter", .answer = MW_ONE(filter),
     .responses = MW_OK_OR(MW_401)},
};

/* ooctopus/custom_attributes.c: the rows of custom_attributes: an account's own fields.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

static const mw_field payload[] = {
    MW_STR("attribute_display_name"), MW_INT("attribute_display_type"),
    MW_STR("attribute_description"), MW_STR("attribute_key"), MW_STRS("attribute_values"),
    MW_INT("attribute_model"),
    MW_END,
};

static const mw_field attribute[] = {
    MW_INT("id"), MW_STR("attribute_display_name"), MW_STR("attribute_display_type"),
    MW_STR("attribute_description"), MW_STR("attribute_key"), MW_STR("attribute_values"),
    MW_STR("default_value"), MW_STR("attribute_model"), MW_INT("account_id"),
    MW_END,
};

const mw_operation mw__ooctopus_custom_attributes[] = {
    {.service = MW_OOCTOPUS, .module = "custom_attributes", .method = "create",
     .id = "addNewCustomAttributeToAccount", .alias = "add_new_custom_attribute_to_account",
     .title = "Add a new custom attribute",
     .verb = MW_POST, .path = "/api/v1/accounts/{account_id}/custom_attribute_definitions",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account,
     .body = MW_BODY_JSON, .body_name = "data",
     .body_type = "Custom_attribute_create_update_payload",
     .fields = payload,
     .returns = "custom_attribute", .answer = MW_ONE(attribute),
     .responses = MW_OK_OR(MW_403),
     .once = {.find = "list", .by = MW_BY({.field = "attribute_key"}), .along = "attribute_model",
              .along_else = "0"}},
    {.service = MW_OOCTOPUS, .module = "custom_attributes", .method = "delete",
     .id = "deleteCustomAttributeFromAccount", .alias = "delete_custom_attribute_from_account",
     .title = "Remove a custom attribute from account",
     .verb = MW_DELETE, .path = "/api/v1/accounts/{account_id}/custom_attribute_definitions/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true, .idempotent = true,
     .path_params = mw__in_account_id,
     .responses = MW_OK_OR(MW_403, {404, "Custom attribute not found"})},
    {.service = MW_OOCTOPUS, .module = "custom_attributes", .method = "get",
     .id = "getDetailsOfASingleCustomAttribute",
     .alias = "get_details_of_a_single_custom_attribute",
     .title = "Get a custom attribute details",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/custom_attribute_definitions/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account_id,
     .returns = "custom_attribute", .answer = MW_ONE(attribute),
     .responses = MW_OK_OR(MW_401, {404, "The given attribute ID does not exist in the account"})},
    {.service = MW_OOCTOPUS, .module = "custom_attributes", .method = "list",
     .id = "getAccountCustomAttribute", .alias = "get_account_custom_attribute",
     .title = "List all custom attributes in an account",
     .verb = MW_GET, .path = "/api/v1/accounts/{account_id}/custom_attribute_definitions",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .path_params = mw__in_account,
     .query = MW_FIELDS(
         MW_ENUM("attribute_model", MW_WORDS("0", "1"), .required = true)),
     .items = {.at = ""},
     .returns = "array[custom_attribute]", .answer = MW_MANY(attribute),
     .responses = MW_OK_OR(MW_403)},
    {.service = MW_OOCTOPUS, .module = "custom_attributes", .method = "update",
     .id = "updateCustomAttributeInAccount", .alias = "update_custom_attribute_in_account",
     .title = "Update custom attribute in Account",
     .verb = MW_PATCH, .path = "/api/v1/accounts/{account_id}/custom_attribute_definitions/{id}",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_WRITE, .mutates = true,
     .path_params = mw__in_account_id,
     .body = MW_BODY_JSON, .body_name = "data",
     .body_type = "Custom_attribute_create_update_payload",
     .fields = payload,
     .returns = "custom_attribute", .answer = MW_ONE(attribute),
     .responses = MW_OK_OR(MW_403, {404, "Agent not found"})},
};

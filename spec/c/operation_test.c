/* operation_test.c: looks rows up and asks for names and suggestions. Must not know what a row says
 * of its operation: spec/coverage_spec.lua proves that. One thread. */
#include "mw/operation.h"

#include "test.h"

static const size_t expected[MW_SERVICES] = {[MW_OOCTOPUS] = 107, [MW_CIRCUIT] = 8};

TEST(services_have_all_their_rows)
{
    for (mw_service service = 0; service < MW_SERVICES; service++) {
        size_t count = 0;
        const mw_operation *const *rows = mw_operations(service, &count);
        CHECK(rows != NULL);
        CHECK_INT(count, expected[service]);
        for (size_t i = 0; i < count; i++)
            CHECK_INT(rows[i]->service, service);
    }
}

TEST(count_is_optional)
{
    CHECK(mw_operations(MW_CIRCUIT, NULL) != NULL);
}

TEST(unknown_service_has_no_rows)
{
    size_t count = 1;
    CHECK(mw_operations(MW_SERVICES, &count) == NULL);
    CHECK_INT(count, 0);
    CHECK(mw_operations((mw_service)-1, NULL) == NULL);
    CHECK(mw_operation_find(MW_SERVICES, "webhooks", "list") == NULL);
    CHECK(mw_operation_by_id(MW_SERVICES, "addWebHook") == NULL);
}

/* The order that a search by halves rests on; equal neighbours would be one operation twice. */
TEST(rows_are_sorted_by_module_then_method)
{
    for (mw_service service = 0; service < MW_SERVICES; service++) {
        size_t count;
        const mw_operation *const *rows = mw_operations(service, &count);
        for (size_t i = 1; i < count; i++) {
            int order = strcmp(rows[i - 1]->module, rows[i]->module);
            CHECK(order < 0 || (order == 0 && strcmp(rows[i - 1]->method, rows[i]->method) < 0));
        }
    }
}

TEST(every_row_is_found_by_each_of_its_names)
{
    for (mw_service service = 0; service < MW_SERVICES; service++) {
        size_t count;
        const mw_operation *const *rows = mw_operations(service, &count);
        for (size_t i = 0; i < count; i++) {
            CHECK(mw_operation_find(service, rows[i]->module, rows[i]->method) == rows[i]);
            CHECK(mw_operation_by_id(service, rows[i]->id) == rows[i]);
            CHECK(mw_operation_by_id(service, rows[i]->alias) == rows[i]);
        }
    }
}

TEST(find_knows_a_row_from_its_neighbours)
{
    const mw_operation *get = mw_operation_find(MW_OOCTOPUS, "contacts", "get");
    CHECK(get != NULL);
    CHECK_STR(get ? get->id : NULL, "contactDetails");
    CHECK(mw_operation_find(MW_OOCTOPUS, "contacts", "ge") == NULL);
    CHECK(mw_operation_find(MW_OOCTOPUS, "contacts", "gets") == NULL);
    CHECK(mw_operation_find(MW_OOCTOPUS, "contact", "get") == NULL);
    CHECK(mw_operation_find(MW_OOCTOPUS, "Contacts", "get") == NULL);
    CHECK(mw_operation_find(MW_OOCTOPUS, "", "") == NULL);
    CHECK(mw_operation_find(MW_OOCTOPUS, "zzz", "zzz") == NULL);
    CHECK(mw_operation_find(MW_OOCTOPUS, NULL, "get") == NULL);
    CHECK(mw_operation_find(MW_OOCTOPUS, "contacts", NULL) == NULL);
}

TEST(services_do_not_share_rows)
{
    const mw_operation *desk = mw_operation_find(MW_OOCTOPUS, "webhooks", "list");
    const mw_operation *circuit = mw_operation_find(MW_CIRCUIT, "webhooks", "list");
    CHECK_STR(desk ? desk->id : NULL, "listAllWebhooks");
    CHECK_STR(circuit ? circuit->id : NULL, "getWebHook");
    CHECK(mw_operation_find(MW_CIRCUIT, "contacts", "get") == NULL);
    CHECK(mw_operation_by_id(MW_OOCTOPUS, "addWebHook") == NULL);
}

TEST(by_id_takes_id_and_alias_and_nothing_else)
{
    const mw_operation *create = mw_operation_find(MW_OOCTOPUS, "agent_bots", "create");
    CHECK(create != NULL);
    CHECK(mw_operation_by_id(MW_OOCTOPUS, "createAnAccountAgentBot") == create);
    CHECK(mw_operation_by_id(MW_OOCTOPUS, "create_an_account_agent_bot") == create);
    CHECK(mw_operation_by_id(MW_OOCTOPUS, "createAnAccountAgent") == NULL);
    CHECK(mw_operation_by_id(MW_OOCTOPUS, "create") == NULL);
    CHECK(mw_operation_by_id(MW_OOCTOPUS, "") == NULL);
    CHECK(mw_operation_by_id(MW_OOCTOPUS, NULL) == NULL);
}

static bool takes_account(const char *module, const char *method)
{
    const mw_operation *row = mw_operation_find(MW_OOCTOPUS, module, method);
    CHECK(row != NULL);
    return row && mw_operation_takes_account(row);
}

TEST(the_client_supplies_the_account_except_to_the_platform)
{
    CHECK(takes_account("contacts", "get"));
    CHECK(takes_account("teams", "add_members"));
    CHECK(!takes_account("platform.accounts", "get"));
    CHECK(!takes_account("platform.account_users", "create"));
    CHECK(!takes_account("platform.users", "get"));
    CHECK(!takes_account("public.contacts", "get"));
    CHECK(!takes_account("profile", "get"));
    CHECK(!mw_operation_takes_account(mw_operation_find(MW_CIRCUIT, "webhooks", "get")));
}

static size_t field_count(const mw_field *fields)
{
    size_t count = 0;
    while (fields && fields[count].name)
        count++;
    return count;
}

/* What any reader of rows may rely on without asking. */
static void check_fields(const mw_field *fields)
{
    for (; fields && fields->name; fields++) {
        CHECK(fields->type != MW_T_ANY);
        CHECK(fields->type == MW_T_ARRAY || !fields->item);
        CHECK(fields->type == MW_T_OBJECT || !fields->fields);
        CHECK(!fields->wire || strcmp(fields->wire, fields->name) != 0);
        check_fields(fields->fields);
        if (fields->item) {
            CHECK_STR(fields->item->name, "");
            check_fields(fields->item->fields);
        }
    }
}

TEST(rows_are_well_formed)
{
    for (mw_service service = 0; service < MW_SERVICES; service++) {
        size_t count;
        const mw_operation *const *rows = mw_operations(service, &count);
        for (size_t i = 0; i < count; i++) {
            const mw_operation *row = rows[i];
            CHECK(row->title && row->title[0]);
            CHECK(row->path[0] == '/');
            CHECK(!row->upstream || row->upstream[0] == '/');
            CHECK(row->verb < MW_VERBS && row->lane < MW_LANES);
            CHECK(row->responses && row->responses[0].status >= 200);
            CHECK((row->body == MW_BODY_NONE) == (row->fields == NULL));
            CHECK(!row->items.page_by || row->items.at);
            CHECK(!row->answer || row->answer->name[0] == '\0');
            check_fields(row->path_params);
            check_fields(row->query);
            check_fields(row->fields);
            for (size_t k = 0; k < field_count(row->path_params); k++)
                CHECK(row->path_params[k].required);
        }
    }
}

TEST(names_are_those_of_the_manual)
{
    CHECK_STR(mw_verb_name(MW_GET), "GET");
    CHECK_STR(mw_verb_name(MW_POST), "POST");
    CHECK_STR(mw_verb_name(MW_PUT), "PUT");
    CHECK_STR(mw_verb_name(MW_PATCH), "PATCH");
    CHECK_STR(mw_verb_name(MW_DELETE), "DELETE");
    CHECK_STR(mw_service_name(MW_OOCTOPUS), "ooctopus");
    CHECK_STR(mw_service_name(MW_CIRCUIT), "circuit");
    CHECK_STR(mw_token_name(MW_TOKEN_USER), "user");
    CHECK_STR(mw_token_name(MW_TOKEN_BOT), "bot");
    CHECK_STR(mw_token_name(MW_TOKEN_PLATFORM), "platform");
    CHECK_STR(mw_token_name(MW_TOKEN_OAUTH), "oauth");
    CHECK_STR(mw_lane_name(MW_LANE_ALL), "all");
    CHECK_STR(mw_lane_name(MW_LANE_SEARCH), "search");
    CHECK_STR(mw_lane_name(MW_LANE_REPORTS), "reports");
    CHECK_STR(mw_lane_name(MW_LANE_WRITE), "write");
    CHECK_STR(mw_lane_name(MW_LANE_UPLOAD), "upload");
    CHECK_STR(mw_type_name(MW_T_ANY), "any");
    CHECK_STR(mw_type_name(MW_T_STRING), "string");
    CHECK_STR(mw_type_name(MW_T_INTEGER), "integer");
    CHECK_STR(mw_type_name(MW_T_NUMBER), "number");
    CHECK_STR(mw_type_name(MW_T_BOOLEAN), "boolean");
    CHECK_STR(mw_type_name(MW_T_ARRAY), "array");
    CHECK_STR(mw_type_name(MW_T_OBJECT), "object");
    CHECK_STR(mw_type_name(MW_T_FILE), "file");
}

TEST(values_outside_an_enumeration_have_a_name_too)
{
    CHECK_STR(mw_verb_name(MW_VERBS), "?");
    CHECK_STR(mw_service_name(MW_SERVICES), "?");
    CHECK_STR(mw_token_name((mw_token)0), "?");
    CHECK_STR(mw_lane_name(MW_LANES), "?");
    CHECK_STR(mw_type_name((mw_type)(MW_T_FILE + 1)), "?");
}

static const char *const fields[] = {"name", "email", "phone_number", "custom_attributes",
                                     "q",    NULL};

TEST(closest_forgives_a_slip)
{
    CHECK_STR(mw_closest("nmae", fields), "name");  /* swapped */
    CHECK_STR(mw_closest("nam", fields), "name");   /* left out */
    CHECK_STR(mw_closest("naame", fields), "name"); /* doubled */
    CHECK_STR(mw_closest("nane", fields), "name");  /* changed */
    CHECK_STR(mw_closest("Name", fields), "name");
    CHECK_STR(mw_closest("name", fields), "name");
    CHECK_STR(mw_closest("phonenumber", fields), "phone_number");
    CHECK_STR(mw_closest("custom_attribute", fields), "custom_attributes");
    CHECK_STR(mw_closest("costum_atributes", fields), "custom_attributes");
}

TEST(closest_does_not_guess)
{
    CHECK(mw_closest("zzzz", fields) == NULL);
    CHECK(mw_closest("x", fields) == NULL); /* one slip from "q", and nothing alike */
    CHECK(mw_closest("note", fields) == NULL);
    CHECK(mw_closest("labels", fields) == NULL);
    CHECK(mw_closest("", fields) == NULL);
    CHECK(mw_closest("name", (const char *const[]){NULL}) == NULL);
    CHECK(mw_closest("name", (const char *const[]){"", NULL}) == NULL);
    CHECK(mw_closest(NULL, fields) == NULL);
    CHECK(mw_closest("name", NULL) == NULL);
}

TEST(closest_prefers_the_nearest_then_the_first)
{
    CHECK_STR(mw_closest("labels", (const char *const[]){"label", "labels", NULL}), "labels");
    CHECK_STR(mw_closest("statas", (const char *const[]){"stat", "status", NULL}), "status");
    CHECK_STR(mw_closest("bat", (const char *const[]){"cat", "hat", NULL}), "cat");
}

TEST(closest_leaves_long_words_alone)
{
    char word[200];
    memset(word, 'a', sizeof word);
    word[sizeof word - 1] = '\0';
    const char *const candidates[] = {word + sizeof word - 1 - 64, word + sizeof word - 1 - 63,
                                      NULL};
    CHECK_STR(mw_closest(candidates[0], candidates), candidates[0]);    /* 64 letters */
    CHECK(mw_closest(word + sizeof word - 1 - 65, candidates) == NULL); /* 65 letters */
    CHECK(mw_closest("name", (const char *const[]){word, NULL}) == NULL);
    CHECK_STR(mw_closest("name", (const char *const[]){word, "nane", NULL}), "nane");
}

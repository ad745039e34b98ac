/* request_test.c: arguments against rows, as a C program or a broker gives them. */
#include <stdio.h>
#include <stdlib.h>

#include "mw/request.h"
#include "request_private.h"
#include "test.h"

#define S(text)                                                                                    \
    {                                                                                              \
        .type = MW_V_STRING, .as.string = text, .length = sizeof text - 1                          \
    }
#define I(number)                                                                                  \
    {                                                                                              \
        .type = MW_V_INTEGER, .as.integer = number                                                 \
    }
#define M(key, ...)                                                                                \
    {                                                                                              \
        .name = key, .name_length = sizeof key - 1, .value = __VA_ARGS__                           \
    }
#define OBJECT(list)                                                                               \
    {                                                                                              \
        .type = MW_V_OBJECT, .length = sizeof list / sizeof list[0], .as.members = list            \
    }

static const mw_operation *op(const char *module, const char *method)
{
    return mw_operation_find(MW_OOCTOPUS, module, method);
}

/* The message of a refused call; "" when it was taken. */
static const char *refusal(const mw_operation *operation, const mw_value *path, size_t count,
                           const mw_value *params)
{
    static mw_error error;
    mw_request *request = NULL;
    error = (mw_error){0};
    int rc = mw_request_new(operation, path, count, params, NULL, &request, &error);
    CHECK((rc == MW_OK) == (request != NULL));
    if (rc != MW_OK)
        CHECK_INT(rc, MW_INVALID);
    mw_request_free(request);
    return error.message;
}

static const char *refused_field(const char *name, mw_value value)
{
    mw_member members[] = {{.name = name, .name_length = strlen(name), .value = value}};
    mw_value params = OBJECT(members);
    mw_value id = I(12);
    return refusal(op("contacts", "update"), &id, 1, &params);
}

TEST(unknown_fields_are_named_with_a_suggestion)
{
    CHECK_STR(refused_field("nmae", (mw_value)S("Ada")),
              "contacts:update: unknown field 'nmae' (did you mean 'name'?)");
    CHECK(strstr(refused_field("zzzzzzzzzz", (mw_value)S("")), "known: name, email") != NULL);
}

TEST(a_name_with_a_nul_inside_is_not_the_known_one)
{
    mw_member members[] = {{.name = "name\0x", .name_length = 6, .value = S("Ada")}};
    mw_value params = OBJECT(members);
    mw_value id = I(12);
    CHECK(strstr(refusal(op("contacts", "update"), &id, 1, &params), "unknown field") != NULL);
}

TEST(types_are_held)
{
    CHECK_STR(refused_field("name", (mw_value)I(42)),
              "contacts:update: 'name' must be a string, not the integer 42");
    CHECK_STR(refused_field("custom_attributes", (mw_value)S("x")),
              "contacts:update: 'custom_attributes' must be a table, not the string 'x'");
    CHECK_STR(refused_field("name", (mw_value){.type = MW_V_NULL}), "");
    CHECK_STR(refused_field("name", (mw_value)S("Ada")), "");
}

TEST(path_parameters_are_needed_and_held)
{
    mw_value bad[] = {S("a/b"), S(""),   S(".."), S("1\0"), {.type = MW_V_BOOLEAN},
                      S("012"), S("1e3")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(strstr(refusal(op("contacts", "get"), &bad[i], 1, NULL), "path parameter 'id'") !=
              NULL);
    CHECK_STR(refusal(op("contacts", "get"), NULL, 0, NULL),
              "contacts:get: missing path parameter 'id'");
    mw_value two[] = {I(1), I(2)};
    CHECK_STR(refusal(op("contacts", "get"), two, 2, NULL),
              "contacts:get: takes 1 path parameter, got 2");
}

TEST(required_fields_and_choices)
{
    mw_value id = I(1);
    CHECK_STR(refusal(op("conversations", "toggle_status"), &id, 1, NULL),
              "conversations:toggle_status: missing required field 'status'");
    mw_member members[] = {M("status", S("opne"))};
    mw_value params = OBJECT(members);
    CHECK_STR(
        refusal(op("conversations", "toggle_status"), &id, 1, &params),
        "conversations:toggle_status: 'status' can't be the string 'opne'; did you mean 'open'? "
        "(one of: open, resolved, pending)");
}

static void check_target(const mw_request *request, bool upstream, const char *want)
{
    mw__buf buf;
    mw__buf_init(&buf, 4096);
    CHECK_INT(mw__request_target(request, "1", upstream, &buf), MW_OK);
    CHECK_STR(buf.data, want);
    mw__buf_free(&buf);
}

TEST(a_string_id_stays_one_segment)
{
    mw_value path[] = {S("a/b"), S("c d?#%")};
    mw_request *request = NULL;
    CHECK_INT(mw_request_new(op("public.contacts", "get"), path, 2, NULL, NULL, &request, NULL),
              MW_OK);
    check_target(request, false, "/public/api/v1/inboxes/a%2Fb/contacts/c%20d%3F%23%25");
    mw_request_free(request);
}

TEST(a_body_field_that_the_path_names_is_said_once)
{
    mw_value users[] = {I(4), S("5")};
    mw_member members[] = {M("user_ids", {.type = MW_V_ARRAY, .length = 2, .as.items = users})};
    mw_value params = OBJECT(members);
    mw_value inbox = I(7);
    mw_request *request = NULL;
    CHECK_INT(
        mw_request_new(op("inboxes", "remove_members"), &inbox, 1, &params, NULL, &request, NULL),
        MW_OK);
    CHECK_STR(request->body, "{\"user_ids\":[4,5],\"inbox_id\":\"7\"}");
    check_target(request, false, "/api/v1/accounts/1/inbox_members/7");
    check_target(request, true, "/api/v1/accounts/1/inbox_members");
    mw_request_free(request);
}

TEST(an_empty_table_is_what_the_facts_say)
{
    mw_member members[] = {M("labels", {.type = MW_V_EMPTY})};
    mw_value params = OBJECT(members);
    mw_value id = I(1);
    mw_request *request = NULL;
    CHECK_INT(
        mw_request_new(op("conversations", "set_labels"), &id, 1, &params, NULL, &request, NULL),
        MW_OK);
    CHECK_STR(request->body, "{\"labels\":[]}");
    mw_request_free(request);
}

TEST(null_is_for_optional_fields_and_the_bot_of_an_inbox)
{
    mw_value id = I(1);
    mw_member bot[] = {M("agent_bot", {.type = MW_V_NULL})};
    mw_value params = OBJECT(bot);
    CHECK_STR(refusal(op("inboxes", "set_agent_bot"), &id, 1, &params), "");
    mw_member status[] = {M("status", {.type = MW_V_NULL})};
    mw_value nothing = OBJECT(status);
    CHECK_STR(refusal(op("conversations", "toggle_status"), &id, 1, &nothing),
              "conversations:toggle_status: 'status' must be a string, not null");
}

TEST(a_list_of_a_form_holds_no_commas)
{
    mw_value filter[] = {S("USER.X{1,2}")};
    mw_member members[] = {M("filter", {.type = MW_V_ARRAY, .length = 1, .as.items = filter}),
                           M("url", S("https://example.org/"))};
    mw_value params = OBJECT(members);
    CHECK(strstr(refusal(mw_operation_find(MW_CIRCUIT, "webhooks", "add"), NULL, 0, &params),
                 "'filter[1]' holds a comma") != NULL);
}

TEST(unknown_event_filters_are_sent_with_a_warning)
{
    mw_value filter[] = {S("CONVERSATION.*")};
    mw_member members[] = {M("filter", {.type = MW_V_ARRAY, .length = 1, .as.items = filter}),
                           M("url", S("https://example.org/"))};
    mw_value params = OBJECT(members);
    mw_request *request = NULL;
    CHECK_INT(mw_request_new(mw_operation_find(MW_CIRCUIT, "webhooks", "add"), NULL, 0, &params,
                             NULL, &request, NULL),
              MW_OK);
    CHECK(strstr(mw_request_warning(request), "CONVERSATION.*") != NULL);
    CHECK_STR(request->body, "filter=CONVERSATION.%2A&url=https%3A%2F%2Fexample.org%2F");
    mw_request_free(request);
}

TEST(an_update_of_nothing_is_refused_where_the_facts_say_so)
{
    mw_value id = S("6b1f6b3c-0000-4000-8000-000000000000");
    CHECK_STR(refusal(mw_operation_find(MW_CIRCUIT, "webhooks", "update"), &id, 1, NULL),
              "webhooks:update: an update needs at least one field (filter, url)");
}

TEST(unchecked_sends_the_body_as_given)
{
    mw_member members[] = {M("status", I(3)), M("inbox_id", I(4))};
    mw_value params = OBJECT(members);
    mw_request *request = NULL;
    mw_call_options options = {.unchecked = true};
    CHECK_INT(
        mw_request_new(op("conversations", "create"), NULL, 0, &params, &options, &request, NULL),
        MW_OK);
    CHECK_STR(request->body, "{\"status\":3,\"inbox_id\":4}");
    mw_request_free(request);
}

TEST(every_row_takes_awkward_values_without_harm)
{
    static const mw_value_type types[] = {MW_V_NONE,    MW_V_NULL,   MW_V_BOOLEAN,
                                          MW_V_INTEGER, MW_V_NUMBER, MW_V_EMPTY};
    for (int service = 0; service < MW_SERVICES; service++) {
        size_t count;
        const mw_operation *const *rows = mw_operations((mw_service)service, &count);
        for (size_t i = 0; i < count; i++) {
            for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
                mw_value path[4] = {
                    {.type = types[t]}, {.type = types[t]}, {.type = types[t]}, {.type = types[t]}};
                mw_request *request = NULL;
                mw_error error = {0};
                int rc = mw_request_new(rows[i], path, 4, &path[0], NULL, &request, &error);
                CHECK(rc == MW_OK || (rc == MW_INVALID && error.message[0]));
                mw_request_free(request);
            }
        }
    }
}

static const char *extra_refusal(mw_member member)
{
    mw_value extra = {.type = MW_V_OBJECT, .length = 1, .as.members = &member};
    mw_member members[] = {{.name = "extra", .name_length = 5, .value = extra}};
    mw_value params = OBJECT(members);
    mw_value id = I(12);
    return refusal(op("contacts", "update"), &id, 1, &params);
}

TEST(extra_holds_only_what_the_row_does_not_know)
{
    CHECK_STR(extra_refusal((mw_member)M("name", S("Eve"))),
              "contacts:update: 'name' is a documented field: give it beside 'extra', not in it");
    CHECK_STR(extra_refusal((mw_member)M("a\0b", S("Eve"))),
              "contacts:update: a name in 'extra' is empty or holds a NUL byte");
    CHECK_STR(extra_refusal((mw_member)M("nickname", S("Eve"))), "");
}

TEST(only_digits_of_a_string_go_out_as_a_number)
{
    mw_member members[] = {M("inbox_id", S("1,\"admin\":true")), M("status", S("x"))};
    mw_value params = OBJECT(members);
    mw_request *request = NULL;
    mw_call_options options = {.unchecked = true};
    CHECK_INT(mw_request_new(op("contacts", "create"), NULL, 0,
                             &(mw_value){.type = MW_V_OBJECT, .length = 1, .as.members = members},
                             &options, &request, NULL),
              MW_OK);
    CHECK_STR(request->body, "{\"inbox_id\":\"1,\\\"admin\\\":true\"}");
    mw_request_free(request);
    CHECK(strstr(refusal(op("contacts", "create"), NULL, 0, &params),
                 "'inbox_id' must be a number") != NULL);
}

TEST(text_is_utf8)
{
    CHECK_STR(refused_field("name", (mw_value)S("\xff")),
              "contacts:update: 'name' is not valid UTF-8");
    CHECK_STR(refused_field("name", (mw_value)S("\xC0\x80")),
              "contacts:update: 'name' is not valid UTF-8");
    CHECK_STR(refused_field("name", (mw_value)S("\xED\xA0\x80")),
              "contacts:update: 'name' is not valid UTF-8");
    CHECK_STR(refused_field("name", (mw_value)S("\xE2\x82")),
              "contacts:update: 'name' is not valid UTF-8");
    CHECK_STR(refused_field("name", (mw_value)S("\xE2\x82\xAC \xF0\x9F\x98\x80 \xC3\xA9")), "");
    mw_member nested[] = {M("note", S("\xff"))};
    CHECK_STR(refused_field("custom_attributes", (mw_value)OBJECT(nested)),
              "contacts:update: a string is not valid UTF-8");
}

TEST(an_unknown_operation_is_refused)
{
    CHECK_STR(refusal(op("contacts", "nothing"), NULL, 0, NULL), "there is no such operation");
}

TEST(queries_hold_finite_numbers)
{
    mw_member pair[] = {M("a", {.type = MW_V_NUMBER, .as.number = 1e308 * 10})};
    mw_member members[] = {M("query", OBJECT(pair))};
    mw_value params = OBJECT(members);
    mw_error error = {0};
    mw_request *request = NULL;
    CHECK_INT(mw_request_raw(MW_OOCTOPUS, MW_GET, "/x", &params, NULL, &request, &error),
              MW_INVALID);
    CHECK_STR(error.message, "GET /x: a number is NaN or infinite");
}

TEST(a_form_has_a_bounded_number_of_parts)
{
    enum { MANY = 5000 };
    mw_value id = {.type = MW_V_INTEGER, .as.integer = 12};
    mw_value file = {.type = MW_V_STRING, .length = 14, .as.string = "/proc/self/exe"};
    mw_value *items = calloc(MANY, sizeof *items);
    for (size_t i = 0; i < MANY; i++)
        items[i] = (mw_value){.type = MW_V_STRING, .length = 0, .as.string = ""};
    mw_member inner = {"a", 1, {.type = MW_V_ARRAY, .length = MANY, .as.items = items}};
    mw_member members[] = {
        {"content", 7, {.type = MW_V_STRING, .length = 1, .as.string = "x"}},
        {"attachments", 11, {.type = MW_V_ARRAY, .length = 1, .as.items = &file}},
        {"content_attributes", 18, {.type = MW_V_OBJECT, .length = 1, .as.members = &inner}}};
    mw_value params = {.type = MW_V_OBJECT, .length = 3, .as.members = members};
    const mw_operation *row = mw_operation_find(MW_OOCTOPUS, "messages", "create");
    mw_request *request = NULL;
    mw_error error = {0};
    CHECK_INT(mw_request_new(row, &id, 1, &params, NULL, &request, &error), MW_INVALID);
    CHECK_STR(error.message, "messages:create: a form with files has at most 4096 parts");
    members[2].value.length = 0;
    CHECK_INT(mw_request_new(row, &id, 1, &params, NULL, &request, &error), MW_OK);
    mw_request_free(request);
    free(items);
}

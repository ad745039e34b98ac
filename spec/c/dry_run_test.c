/* dry_run_test.c: what stands in for the server in a dry run: answers, their placeholders, and finding these again. */
#include "dry_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "failing_alloc.h"
#include "mw/policy.h"
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
#define ARRAY(list)                                                                                \
    {                                                                                              \
        .type = MW_V_ARRAY, .length = sizeof list / sizeof list[0], .as.items = list               \
    }

/* A request of a gate in dry run, and what it answers; freed with drop. */
typedef struct held {
    mw_request *request;
    uint64_t made;
    char *body;
    size_t length;
    char *places;
} held;

static held hold(mw_service service, const char *module, const char *method, const mw_value *path,
                 size_t count, const mw_value *params, uint64_t made)
{
    held one = {.made = made};
    mw_error error = {0};
    const mw_operation *row = mw_operation_find(service, module, method);
    int rc = mw_request_new(row, path, count, params, NULL, &one.request, &error);
    CHECK_STR(error.message, "");
    if (rc == MW_OK)
        rc = mw__dry_run_prepare(one.request, row, NULL, path, count, params, NULL, &error);
    CHECK_INT(rc, MW_OK);
    if (rc == MW_OK)
        CHECK_INT(mw__dry_run_answer(one.request, &one.made, &one.body, &one.length, &one.places),
                  MW_OK);
    CHECK(!one.body || strlen(one.body) == one.length);
    return one;
}

static void drop(held *one)
{
    mw_request_free(one->request);
    free(one->body);
    free(one->places);
}

static bool has(const held *one, const char *text)
{
    return one->body && strstr(one->body, text) != NULL;
}

TEST(what_was_given_comes_back_and_ids_are_placeholders)
{
    mw_value id = I(7);
    mw_member members[] = {M("content", S("Hello \"you\"")),
                           M("private", {.type = MW_V_BOOLEAN, .as.boolean = true})};
    mw_value params = OBJECT(members);
    held one = hold(MW_OOCTOPUS, "messages", "create", &id, 1, &params, 4);
    CHECK(has(&one, "{\"id\":8888000000000005,\"content\":\"Hello \\\"you\\\"\""));
    CHECK(has(&one, "\"message_type\":\"outgoing\""));
    CHECK(has(&one, "\"private\":true"));
    CHECK(has(&one, "\"conversation_id\":7}"));
    CHECK_INT(one.made, 5);
    CHECK_STR(one.places, "{\"id\":8888000000000005}");
    CHECK_STR(one.request->arguments,
              "{\"path\":[7],\"params\":{\"content\":\"Hello \\\"you\\\"\",\"private\":true}}");
    drop(&one);
}

TEST(what_an_answer_is_about_has_one_id_wherever_it_stands)
{
    mw_member members[] = {M("inbox_id", I(3)), M("name", S("Ada"))};
    mw_value params = OBJECT(members);
    held one = hold(MW_OOCTOPUS, "contacts", "create", NULL, 0, &params, 0);
    CHECK(has(&one, "{\"payload\":{\"contact\":{\"email\":\"\",\"name\":\"Ada\","));
    CHECK(has(&one, "\"contact_inboxes\":[{\"source_id\":\"placeholder-8888000000000001\","
                    "\"inbox\":{\"id\":3,\"name\":\"\","));
    CHECK(has(&one, "}],\"id\":8888000000000002}},\"id\":8888000000000002,"));
    CHECK_STR(one.places, "{\"payload.contact.contact_inboxes[1].source_id\":8888000000000001,"
                          "\"payload.contact.id\":8888000000000002,\"id\":8888000000000002}");
    CHECK_INT(one.made, 2);
    drop(&one);
}

TEST(the_path_says_the_id_of_what_is_changed)
{
    mw_value id = S("12");
    mw_member members[] = {M("name", S("Night shift"))};
    mw_value params = OBJECT(members);
    held one = hold(MW_OOCTOPUS, "teams", "update", &id, 1, &params, 0);
    CHECK(has(&one, "{\"id\":12,\"name\":\"Night shift\",\"description\":\"\","));
    CHECK(has(&one, "\"account_id\":null"));
    CHECK_STR(one.places, "{}");
    drop(&one);

    mw_member renamed[] = {M("name", S("Web")), M("enable_auto_assignment", {.type = MW_V_BOOLEAN})};
    mw_value with = OBJECT(renamed);
    mw_value inbox = I(5); /* the path ends with a slash */
    one = hold(MW_OOCTOPUS, "inboxes", "update", &inbox, 1, &with, 0);
    CHECK(has(&one, "{\"id\":5,\"name\":\"Web\","));
    drop(&one);

    mw_value contact = I(9); /* the path is about a contact, the answer about what is made */
    mw_member linked[] = {M("inbox_id", S("4"))};
    mw_value link = OBJECT(linked);
    one = hold(MW_OOCTOPUS, "contacts", "create_contact_inbox", &contact, 1, &link, 0);
    CHECK(has(&one, "{\"source_id\":\"placeholder-8888000000000001\",\"inbox\":{\"id\":4,"));
    drop(&one);
}

TEST(ids_of_text_hold_the_digits)
{
    mw_value filters[] = {S("CONVERSATION.CREATE")};
    mw_member members[] = {M("filter", ARRAY(filters)), M("url", S("https://a.example/x"))};
    mw_value params = OBJECT(members);
    held one = hold(MW_CIRCUIT, "webhooks", "add", NULL, 0, &params, 0);
    CHECK(has(&one,
              "{\"id\":\"placeholder-8888000000000001\",\"url\":\"https://a.example/x\","
              "\"filter\":[\"CONVERSATION.CREATE\"],\"subscriptionIds\":[],\"type\":\"MANUAL\""));
    CHECK_STR(one.places, "{\"id\":8888000000000001}");
    drop(&one);
}

TEST(an_operation_without_a_body_answers_without_one)
{
    mw_value id = I(1);
    held one = hold(MW_OOCTOPUS, "contacts", "delete", &id, 1, NULL, 0);
    CHECK_STR(one.body, "");
    CHECK_INT(one.made, 0);
    CHECK_STR(one.places, "{}");
    CHECK_STR(one.request->arguments, "{\"path\":[1],\"params\":{}}");
    drop(&one);
}

TEST(lists_that_are_held_back_are_empty_where_the_row_has_them)
{
    mw_value id = I(8888000000000001);
    held one = hold(MW_OOCTOPUS, "messages", "list", &id, 1, NULL, 1);
    CHECK_STR(one.body, "{\"payload\":[]}");
    drop(&one);
    mw_member members[] = {M("team_id", I(8888000000000001))};
    mw_value params = OBJECT(members);
    one = hold(MW_OOCTOPUS, "conversations", "list", NULL, 0, &params, 1);
    CHECK_STR(one.body, "{\"data\":{\"meta\":{\"mine_count\":0,\"unassigned_count\":0,"
                        "\"assigned_count\":0,\"all_count\":0},\"payload\":[]}}");
    drop(&one);
    one = hold(MW_CIRCUIT, "webhooks", "list", NULL, 0, NULL, 1);
    CHECK_STR(one.body, "[]");
    drop(&one);
}

TEST(a_list_that_is_set_comes_back)
{
    mw_value labels[] = {S("vip"), S("refund")};
    mw_member members[] = {M("labels", ARRAY(labels))};
    mw_value params = OBJECT(members);
    mw_value id = I(3);
    held one = hold(MW_OOCTOPUS, "conversations", "set_labels", &id, 1, &params, 0);
    CHECK_STR(one.body, "{\"payload\":[\"vip\",\"refund\"]}");
    drop(&one);
}

TEST(dates_are_dates)
{
    mw_value nothing = {.type = MW_V_EMPTY};
    mw_member members[] = {M("name", S("mine")), M("query", nothing), M("type", S("contact"))};
    mw_value params = OBJECT(members);
    held one = hold(MW_OOCTOPUS, "custom_filters", "create", NULL, 0, &params, 0);
    CHECK(has(&one, "\"query\":{}"));
    CHECK(has(&one, "\"created_at\":\"20"));
    CHECK(has(&one, ".000Z\""));
    CHECK(strstr(one.request->arguments, "\"query\":{}") != NULL);
    drop(&one);
}

TEST(the_kinds_of_empty_tables_survive)
{
    mw_member attributes[] = {M("list", {.type = MW_V_ARRAY}), M("table", {.type = MW_V_EMPTY}),
                              M("null", {.type = MW_V_NULL}), M("large", I(9007199254740993)),
                              M("float", {.type = MW_V_NUMBER, .as.number = 1.0})};
    mw_member members[] = {M("custom_attributes", OBJECT(attributes))};
    mw_value params = OBJECT(members);
    mw_value id = I(1);
    held one = hold(MW_OOCTOPUS, "contacts", "update", &id, 1, &params, 0);
    CHECK_STR(one.request->arguments,
              "{\"path\":[1],\"params\":{\"custom_attributes\":{\"list\":[],\"table\":{},"
              "\"null\":null,\"large\":9007199254740993,\"float\":1.0}}}");
    drop(&one);
}

static mw_request *raw(mw_verb verb, const char *path, const mw_value *params)
{
    mw_request *request = NULL;
    mw_error error = {0};
    int rc = mw_request_raw(MW_OOCTOPUS, verb, path, params, NULL, &request, &error);
    if (rc == MW_OK)
        rc = mw__dry_run_prepare(request, NULL, path, NULL, 0, params, NULL, &error);
    CHECK_INT(rc, MW_OK);
    CHECK_STR(error.message, "");
    return request;
}

TEST(a_raw_request_gets_back_what_it_sent)
{
    mw_member label[] = {M("title", S("vip"))};
    mw_member members[] = {M("body", OBJECT(label))};
    mw_value params = OBJECT(members);
    held one = {.request = raw(MW_POST, "/api/v1/accounts/1/labels", &params)};
    CHECK_INT(mw__dry_run_answer(one.request, &one.made, &one.body, &one.length, &one.places),
              MW_OK);
    CHECK_STR(one.body, "{\"title\":\"vip\",\"id\":8888000000000001}");
    CHECK_STR(one.places, "{\"id\":8888000000000001}");
    CHECK_STR(one.request->arguments, "{\"verb\":\"POST\",\"path\":\"/api/v1/accounts/1/labels\","
                                      "\"params\":{\"body\":{\"title\":\"vip\"}}}");
    drop(&one);
    one = (held){.request = raw(MW_DELETE, "/api/v1/accounts/1/labels/4", NULL)};
    CHECK_INT(mw__dry_run_answer(one.request, &one.made, &one.body, &one.length, &one.places),
              MW_OK);
    CHECK_STR(one.body, "");
    drop(&one);
}

TEST(options_come_along)
{
    mw_request *request = NULL;
    mw_error error = {0};
    const mw_operation *row = mw_operation_find(MW_OOCTOPUS, "contacts", "delete");
    mw_value id = I(1);
    mw_call_options options = {
        .account = "2", .unchecked = true, .retries = MW_NO_RETRIES, .timeout_ms = 5};
    CHECK_INT(mw_request_new(row, &id, 1, NULL, &options, &request, &error), MW_OK);
    CHECK_INT(mw__dry_run_prepare(request, row, NULL, &id, 1, NULL, &options, &error), MW_OK);
    CHECK_STR(request->arguments, "{\"path\":[1],\"params\":{},\"options\":{\"account_id\":\"2\","
                                  "\"unchecked\":true,\"retries\":0}}");
    mw_request_free(request);
}

TEST(an_answer_without_arguments_has_the_shape_all_the_same)
{
    held one = {0};
    mw_error error = {0};
    mw_member members[] = {M("content", S("x"))};
    mw_value params = OBJECT(members);
    mw_value id = I(1);
    const mw_operation *row = mw_operation_find(MW_OOCTOPUS, "messages", "create");
    CHECK_INT(mw_request_new(row, &id, 1, &params, NULL, &one.request, &error), MW_OK);
    CHECK_INT(mw__dry_run_answer(one.request, &one.made, &one.body, &one.length, &one.places),
              MW_OK);
    CHECK(has(&one, "{\"id\":8888000000000001,\"content\":\"\""));
    drop(&one);
}

/* Every row answers, as it is documented, also when nothing is known of the arguments. */
TEST(every_row_has_an_answer)
{
    for (int service = 0; service < MW_SERVICES; service++) {
        size_t count = 0;
        const mw_operation *const *rows = mw_operations((mw_service)service, &count);
        for (size_t i = 0; i < count; i++) {
            mw_request request = {.operation = rows[i], .service = (mw_service)service};
            held one = {0};
            CHECK_INT(mw__dry_run_answer(&request, &one.made, &one.body, &one.length, &one.places),
                      MW_OK);
            CHECK(one.body && (one.length == 0) == (!rows[i]->answer && !rows[i]->items.at));
            CHECK(one.places && one.places[0] == '{');
            CHECK(!one.body || strpbrk(one.body, "\1\2\3\4\n") == NULL);
            free(one.body);
            free(one.places);
        }
    }
}

static bool refers_target(const char *target, uint64_t made)
{
    mw_request request = {.verb = MW_GET};
    return mw__dry_run_refers(&request, target, made);
}

static bool refers_body(const char *body, const char *type, uint64_t made)
{
    char text[200];
    snprintf(text, sizeof text, "%s", body);
    mw_request request = {
        .verb = MW_POST, .body = text, .body_length = strlen(body), .content_type = type};
    return mw__dry_run_refers(&request, "/x", made);
}

TEST(references_are_found_wherever_they_are)
{
    CHECK(refers_target("/contacts/8888000000000001", 1));
    CHECK(refers_target("/contacts/8888000000000001/x?page=1", 1));
    CHECK(refers_target("/contacts?q=id%208888000000000001%2C", 1));
    CHECK(refers_target("/contacts/%38888000000000001", 1));
    CHECK(refers_target("/contacts/placeholder-8888000000000002", 2));
    CHECK(refers_target("/contacts?a=18888000000000001&b=8888000000000002", 2));
    CHECK(refers_body("{\"id\":8888000000000001}", "application/json", 1));
    CHECK(refers_body("{\"id\":8888000000000001.0}", "application/json", 1));
    CHECK(refers_body("{\"a\":\"\\u00018888000000000001\"}", "application/json", 1));
    CHECK(refers_body("{\"a\":\"\\n8888000000000001\"}", "application/json", 1));
    CHECK(refers_body("8888000000000001", "application/json", 1));
    CHECK(refers_body("a=%0A8888000000000001", "application/x-www-form-urlencoded", 1));
}

TEST(other_digits_are_no_reference)
{
    CHECK(!refers_target("/contacts/8888000000000001", 0));
    CHECK(!refers_target("/contacts/8888000000000002", 1));
    CHECK(!refers_target("/contacts/8888000000000000", 5));
    CHECK(!refers_target("/contacts/18888000000000001", 5));
    CHECK(!refers_target("/contacts/88880000000000011", 5));
    CHECK(!refers_target("/contacts/08888000000000001", 5));
    CHECK(!refers_target("/contacts/%318888000000000001", 5));
    CHECK(!refers_target("/contacts/888800000000000", 5));
    CHECK(!refers_target("/contacts/88880000%2", 5));
    CHECK(!refers_body("{\"id\":88880000000000010}", "application/json", 5));
    CHECK(!refers_body("", NULL, 5));
    mw_request request = {0};
    CHECK(!mw__dry_run_refers(&request, "", 5));
    CHECK(!mw__dry_run_refers(&request, NULL, 5));
}

TEST(parts_are_searched)
{
    mw__part part = {.name = (char[]){"content"},
                     .text = (char[]){"see 8888000000000003."},
                     .length = 21,
                     .fd = -1};
    mw_request request = {.parts = {.list = &part, .count = 1}};
    CHECK(mw__dry_run_refers(&request, "/x", 3));
    CHECK(!mw__dry_run_refers(&request, "/x", 2));
}

TEST(a_dry_run_without_memory_fails_cleanly)
{
    mw_member members[] = {M("inbox_id", I(3)), M("name", S("Ada"))};
    mw_value params = OBJECT(members);
    const mw_operation *row = mw_operation_find(MW_OOCTOPUS, "contacts", "create");
    for (unsigned nth = 1;; nth++) {
        held one = {0};
        mw_error error = {0};
        CHECK_INT(mw_request_new(row, NULL, 0, &params, NULL, &one.request, &error), MW_OK);
        fail_allocation(nth);
        int rc = mw__dry_run_prepare(one.request, row, NULL, NULL, 0, &params, NULL, &error);
        if (rc == MW_OK)
            rc = mw__dry_run_answer(one.request, &one.made, &one.body, &one.length, &one.places);
        bool failed = allocation_failed();
        fail_allocation(0);
        CHECK_INT(rc, failed ? MW_MEMORY : MW_OK);
        CHECK(rc == MW_OK || (!one.body && !one.places && one.made == 0));
        drop(&one);
        if (!failed || mw_test_failed())
            break;
    }
}

/* once_test.c: calls with a key as the core sees them: whatever memory runs out on the way, each ends once, and makes
 * one thing at most. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing_alloc.h"
#include "loop_private.h"
#include "mw/client.h"
#include "mw/server.h"
#include "sqlite_lib.h"
#include "test.h"

typedef struct desk {
    mw_loop *loop;
    mw_server *server;
    mw_client *client;
    char folder[32];
    char path[64];
    char key[32];    /* of now: the name of what is made, too */
    int made;        /* of that name */
    bool broken;     /* the next POST gets 500 */
    int seen;        /* requests in this round */
    int fail_behind; /* so many of them */
    unsigned fail;   /* the nth allocation fails */
    bool failed;
} desk;

typedef struct result {
    int calls;
    int code;
    mw_once_how once;
} result;

static void on_request(mw_exchange *exchange, const mw_incoming *incoming, void *ud)
{
    desk *d = ud;
    char body[96];
    d->failed = d->failed || allocation_failed();
    fail_allocation(0); /* the server is not what is tried */
    d->seen++;
    if (strcmp(incoming->verb, "GET") == 0) {
        snprintf(body, sizeof body, d->made > 0 ? "[{\"id\":7,\"name\":\"%s\"}]" : "[]", d->key);
        mw_exchange_answer(exchange, 200, NULL, 0, body, strlen(body));
    } else if (d->broken) {
        d->broken = false;
        mw_exchange_answer(exchange, 500, NULL, 0, "{}", 2);
    } else {
        d->made++;
        snprintf(body, sizeof body, "{\"id\":7,\"name\":\"%s\"}", d->key);
        mw_exchange_answer(exchange, 200, NULL, 0, body, strlen(body));
    }
    if (d->seen == d->fail_behind)
        fail_allocation(d->fail);
}

static void on_answer(const mw_answer *answer, void *ud)
{
    result *r = ud;
    r->calls++;
    r->code = answer->code;
    r->once = answer->once;
}

static void open_desk(desk *d)
{
    *d = (desk){.folder = "/tmp/mw_once_XXXXXX"};
    CHECK(mkdtemp(d->folder) != NULL);
    snprintf(d->path, sizeof d->path, "%s/file", d->folder);
    CHECK_INT(mw_loop_new(&d->loop), MW_OK);
    CHECK_INT(mw_server_new(d->loop, &(mw_server_options){0}, on_request, d, &d->server, NULL),
              MW_OK);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", mw_server_port(d->server));
    mw_client_options options = {
        .url = url, .account = "1", .user_token = "user-token", .journal = d->path};
    options.limits.off = true;
    CHECK_INT(mw_client_new(d->loop, &options, &d->client, NULL), MW_OK);
}

static void close_desk(desk *d)
{
    static const char *const names[] = {"", "-wal", "-shm", "-lock"};
    char path[80];
    mw_client_free(d->client);
    mw_server_free(d->server);
    while (mw_loop_live(d->loop) > 0)
        mw_loop_run(d->loop, true);
    mw_loop_free(d->loop);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s%s", d->path, names[i]);
        unlink(path);
    }
    CHECK_INT(rmdir(d->folder), 0);
}

/* Makes a team of the key; the end of the call is waited for. */
static void create(desk *d, result *r)
{
    mw_member member[] = {
        {.name = "name",
         .name_length = 4,
         .value = {.type = MW_V_STRING, .as.string = d->key, .length = strlen(d->key)}}};
    mw_value params = {.type = MW_V_OBJECT, .length = 1, .as.members = member};
    mw_call_options options = {.once = d->key};
    mw_request *request = NULL;
    *r = (result){0};
    d->seen = 0;
    CHECK_INT(mw_request_new(mw_operation_find(MW_OOCTOPUS, "teams", "create"), NULL, 0, &params,
                             &options, &request, NULL),
              MW_OK);
    if (d->fail_behind == 0)
        fail_allocation(d->fail);
    int rc = mw_gate_submit(mw_client_gate(d->client), request, on_answer, r, NULL, NULL);
    if (rc != MW_OK) {
        CHECK_INT(rc, MW_MEMORY);
        mw_request_free(request);
        *r = (result){.calls = 1, .code = rc};
    }
    for (int turns = 0; r->calls < 1 && turns < 100000; turns++)
        mw_loop_run(d->loop, true);
    d->failed = d->failed || allocation_failed();
    fail_allocation(0);
    CHECK_INT(r->calls, 1);
}

/* Leaves an intent whose outcome nobody knows, from long ago. */
static void leave_intent(desk *d)
{
    const mw__sqlite *lib = mw__sqlite_get(NULL);
    sqlite3 *db = NULL;
    result r;
    d->broken = true;
    d->fail_behind = -1;
    create(d, &r);
    CHECK_INT(r.code, MW_SERVER);
    CHECK_INT(lib->open_v2(d->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    CHECK_INT(lib->exec(db, "UPDATE entries SET began = 1, sent = 1 WHERE ended IS NULL", NULL,
                        NULL, NULL),
              SQLITE_OK);
    lib->close(db);
}

/* Tries every allocation behind the `behind`th request of a call that looks and then sends. */
static void try_all(desk *d, int behind)
{
    unsigned nth = 1;
    for (; nth < 400; nth++) {
        result r;
        snprintf(d->key, sizeof d->key, "k%d-%u", behind, nth);
        d->made = 0;
        d->fail = 0;
        leave_intent(d);
        d->fail_behind = behind;
        d->fail = nth;
        d->failed = false;
        create(d, &r);
        CHECK(d->made <= 1);
        CHECK(r.code != MW_OK || d->made == 1);
        bool failed = d->failed;
        d->fail = 0;
        create(d, &r);
        CHECK_INT(r.code, MW_OK);
        CHECK_INT(d->made, 1);
        if (!failed)
            break;
    }
    CHECK(nth > 1 && nth < 400);
}

TEST(calls_with_a_key_survive_any_failing_allocation)
{
    desk d;
    open_desk(&d);
    for (int behind = 0; behind <= 2; behind++)
        try_all(&d, behind);
    close_desk(&d);
}

/* once.c: owns what happens to a call with a key besides being sent: journal, look, send, conclude. Must not know
 * queues, SQLite, or how an object is told from others. Loop's thread.
 *
 *     new           sent
 *     open          a look; sent when nothing is there
 *     done          the answer of then
 *     exists        after something in the dark a look: it may have been that
 *     in the dark   after the usual wait a look; sent again when nothing is there
 *
 * The service may still be at work on a request whose sender has gone: that nothing is there is believed only by a look
 * that begins SETTLE after that.
 *
 * The intent goes when it is certain that nothing was made, is done when an object was seen, and else stays. */
#include "once.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "once_find.h"

enum {
    MOST_PAGES = 500,
    CLOCKS = 300, /* seconds by which the clocks of servers and machines may differ */
    PROBLEM = 640
};
#define SECOND INT64_C(1000000)
#define SETTLE (2 * SECOND)

/* A look that is under way: it outlives a call that ends meanwhile. */
typedef struct asking {
    mw__call *call; /* NULL: nobody waits for it any more */
    mw_call_id id;
} asking;

/* The wait for the time from which on a look is believed. */
typedef struct settling {
    uv_timer_t timer;
    mw__call *call;
} settling;

struct mw__once {
    mw__journal_entry entry;
    bool unclear; /* there may be such an object already, of which nothing is known yet */
    bool dark;    /* there was an attempt with an outcome that nobody knows */
    bool present; /* the object was seen: `body` is it */
    char *body;
    size_t length;
    asking *look;       /* or NULL */
    settling *settles;  /* or NULL */
    int64_t settled_us; /* when a look is believed that finds nothing */
    int64_t looked_us;  /* when the last one began */
    uint32_t pages;
    int64_t before;
};

static void look(mw__call *call);

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void stop_settling(mw__once *once)
{
    if (once->settles)
        uv_close((uv_handle_t *)&once->settles->timer, on_timer_closed);
    once->settles = NULL;
}

/* ---- ends ---- */

static void fail(mw__call *call, int code, const char *problem)
{
    free(call->problem);
    call->problem = strdup(problem);
    mw__call_end(call, code);
}

static void fail_look(mw__call *call, int code, const char *problem)
{
    char text[PROBLEM];
    snprintf(
        text, sizeof text,
        "it is not known whether it was made, and a look with %s failed: %s; call again with the "
        "same key",
        mw_request_name(call->request->once->look), problem);
    bool dark = call->before == MW_SENT_UNKNOWN && code != MW_CANCELLED;
    fail(call, dark ? MW_AMBIGUOUS : code, text);
}

static void on_settled(uv_timer_t *timer)
{
    mw__call *call = ((settling *)timer->data)->call;
    stop_settling(call->once);
    look(call);
}

static void settle(mw__call *call, int64_t wait)
{
    mw__once *once = call->once;
    settling *settles = calloc(1, sizeof *settles);
    if (!settles) {
        fail_look(call, MW_MEMORY, mw_err_text(MW_MEMORY));
        return;
    }
    settles->call = call;
    settles->timer.data = settles;
    once->settles = settles;
    uv_timer_init(mw__loop_uv(call->client->loop), &settles->timer);
    uv_update_time(settles->timer.loop);
    uv_timer_start(&settles->timer, on_settled, wait > 0 ? (uint64_t)(wait + 999) / 1000 : 0, 0);
}

static void absent(mw__call *call)
{
    mw__once *once = call->once;
    bool settled = once->looked_us >= once->settled_us;
    int64_t wait = settled ? 0 : once->settled_us - mw_loop_now(call->client->loop);
    if (once->entry.state == MW__JOURNAL_DONE) {
        fail(call, MW_NOT_FOUND,
             "it was made by an earlier call with this key, whose answer was too large to be kept, and "
             "it is not there any more; to make another one, give another key");
        return;
    }
    if (!mw__retry_in_time(call, wait)) {
        fail(call, MW_TIMEOUT,
             "it was not there when it was looked for, and no time is left to send it; call again with "
             "the same key");
        return;
    }
    if (!settled) {
        settle(call, wait);
        return;
    }
    mw_error error = {0};
    int rc = mw__journal_again(call->client->journal, &once->entry, &error);
    if (rc != MW_OK) {
        fail(call, rc, error.message);
        return;
    }
    once->unclear = false;
    call->before = MW_SENT_NOT;
    mw__queue_push(call, MW_TURN_AGAIN);
    mw__client_go(call->client);
}

/* ---- looks ---- */

static void ask(mw__call *call, int64_t before);

/* What a server's clock says more than this machine's. */
static int64_t clock_ahead(const mw_answer *answer)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        if (strcmp(answer->headers[i].name, "date") != 0)
            continue;
        time_t date = mw__curl->getdate(answer->headers[i].value, NULL);
        return date == -1 ? 0 : (int64_t)(date - time(NULL));
    }
    return 0;
}

static void next_page(mw__call *call, const mw__once_found *found)
{
    mw__once *once = call->once;
    if (once->before > 0 && found->before >= once->before)
        fail_look(call, MW_DECODE, "the service gives the same page again");
    else if (once->pages >= MOST_PAGES)
        fail_look(call, MW_TOO_LARGE, "there are too many objects since then");
    else
        ask(call, found->before);
}

static void on_look(const mw_answer *answer, void *ud)
{
    asking *asked = ud;
    mw__call *call = asked->call;
    mw__once_found found;
    mw_error error = {0};
    free(asked);
    if (!call)
        return;
    mw__once *once = call->once;
    once->look = NULL;
    call->started_us += answer->waited_us; /* in a queue, as its own time there */
    if (answer->code != MW_OK) {
        fail_look(call, answer->code, answer->message);
        return;
    }
    int rc = mw__once_find(call->request, answer->body, answer->body_length, &found, &error);
    if (rc != MW_OK) {
        fail_look(call, rc, error.message);
    } else if (found.body) {
        once->present = true;
        once->body = found.body;
        once->length = found.length;
        mw__call_end(call, MW_OK);
    } else if (found.more && found.oldest >= once->entry.began + clock_ahead(answer) - CLOCKS) {
        next_page(call, &found);
    } else {
        absent(call);
    }
}

/* Asks for the page before an object, or for the first one (0). */
static void ask(mw__call *call, int64_t before)
{
    mw_client *client = call->client;
    mw__once *once = call->once;
    mw_error error = {0};
    mw_request *request = mw__once_page(call->request->once->look, before);
    asking *asked = calloc(1, sizeof *asked);
    int rc = MW_MEMORY;
    if (!request || !asked)
        goto out;
    int64_t left = (mw__retry_deadline_us(call) - mw_loop_now(client->loop)) / 1000;
    request->options.timeout_ms = left > 0 ? (uint32_t)left : 1;
    asked->call = call;
    once->look = asked;
    once->before = before;
    once->pages++;
    rc = mw_gate_submit(&client->gate, request, on_look, asked, &asked->id, &error);
    if (rc == MW_OK)
        return;
    once->look = NULL;
out:
    mw_request_free(request);
    free(asked);
    fail_look(call, rc, error.message[0] ? error.message : mw_err_text(rc));
}

static void look(mw__call *call)
{
    call->state = MW_CALL_LOOKING;
    call->once->pages = 0;
    call->once->looked_us = mw_loop_now(call->client->loop);
    if (call->started_us == 0)
        call->started_us = call->once->looked_us;
    ask(call, 0);
}

void mw__once_look(mw__call *call)
{
    call->once->dark = true;
    call->once->settled_us = call->waits_since_us + SETTLE;
    look(call);
}

bool mw__once_doubts(mw__call *call, const mw__attempt *attempt)
{
    mw__once *once = call->once;
    if (!once || !once->dark || (attempt->status != 409 && attempt->status != 422))
        return false;
    once->dark = false;
    once->unclear = true; /* until a look tells */
    mw__call_rest(call);
    call->waits_since_us = mw_loop_now(call->client->loop);
    call->attempt_sends = 0;
    look(call);
    return true;
}

/* What can't be written leaves the intent with a time that is too early: it goes out all the same. */
void mw__once_sends(mw__call *call)
{
    mw__once *once = call->once;
    if (once && once->entry.sent != (int64_t)time(NULL))
        mw__journal_again(call->client->journal, &once->entry, NULL);
}

void mw__once_stop(mw__call *call)
{
    if (!call->once)
        return;
    stop_settling(call->once);
    asking *asked = call->once->look;
    if (!asked)
        return;
    call->once->look = NULL;
    asked->call = NULL;
    mw_gate_cancel(&call->client->gate, asked->id);
}

/* ---- the journal ---- */

static int take_up(mw__call *call, mw_error *error)
{
    mw_client *client = call->client;
    const mw_request *request = call->request;
    const char *account = request->account ? request->account : client->account;
    call->once = calloc(1, sizeof *call->once);
    if (!call->once)
        return mw_error_set(error, MW_MEMORY, NULL, "out of memory");
    int rc = MW_OK;
    if (!client->journal)
        rc = mw__journal_open(client->journal_path, &client->journal, error);
    return rc == MW_OK
               ? mw__journal_begin(client->journal, client->url, request->once->key,
                                   mw__once_what(request, account), &call->once->entry, error)
               : rc;
}

/* When the service is done with the request of an intent of before. */
static int64_t settled_us(const mw__call *call)
{
    int64_t age = (int64_t)time(NULL) - call->once->entry.sent; /* up to a second too many */
    int64_t left = SETTLE + SECOND - age * SECOND;
    return left < 0 ? 0 : call->submitted_us + left;
}

bool mw__once_begin(mw__call *call)
{
    mw_error error = {0};
    int rc = take_up(call, &error);
    if (rc != MW_OK) {
        fail(call, rc, error.message);
        return false;
    }
    mw__once *once = call->once;
    switch (once->entry.state) {
    case MW__JOURNAL_NEW:
        return true;
    case MW__JOURNAL_OPEN:
        once->unclear = true;
        once->dark = true;
        once->settled_us = settled_us(call);
        break;
    case MW__JOURNAL_DONE:
        once->body = once->entry.body;
        once->length = once->entry.length;
        if (once->body) {
            mw__call_end(call, MW_OK);
            return false;
        }
        break;
    }
    look(call);
    return false;
}

/* Whether it is certain that nothing was made. */
static bool is_clear(const mw__call *call, const mw_answer *answer)
{
    return !call->once->unclear && answer->sent != MW_SENT_UNKNOWN &&
           answer->code != MW_AMBIGUOUS && answer->status < 500;
}

void mw__once_ended(mw__call *call, mw_answer *answer)
{
    mw__once *once = call->once;
    mw__journal *journal = call->client->journal;
    if (!once)
        return;
    if (once->entry.state == MW__JOURNAL_DONE) {
        answer->once = answer->code == MW_OK ? MW_ONCE_DONE : MW_ONCE_NOT;
        return;
    }
    if (!once->entry.prev) /* it never was in hand */
        return;
    bool seen = answer->code == MW_OK &&
                (once->present || mw__once_is_object(answer->body, answer->body_length));
    if (seen) {
        answer->once = once->present ? MW_ONCE_FOUND : MW_ONCE_SENT;
        mw__journal_done(journal, &once->entry, answer->body, answer->body_length);
    } else if (answer->code != MW_OK && is_clear(call, answer)) {
        mw__journal_drop(journal, &once->entry);
    }
    mw__journal_release(journal, &once->entry);
}

const char *mw__once_body(const mw__call *call, size_t *length)
{
    *length = call->once->length;
    return call->once->body;
}

void mw__once_free(mw__once *once)
{
    if (!once)
        return;
    free(once->body);
    free(once);
}

/* retry.c: owns the decision to send a request again, and the back-off before it. Must not know curl, queues or where
 * the facts of an attempt come from. Loop's thread.
 *
 *     not sent               any request; full jitter
 *     answered 429           any request, in the queue of its lane, which stops (queue.c): as long as the server says,
 *                            else to the end of its window
 *     answered 502, 503, 504 what is idempotent; full jitter, at least as long as the server says
 *     sent, no answer        what is idempotent; full jitter
 *
 * A call with a key counts as idempotent here: it looks before it goes again (once.c). Everything else is final, and so
 * is a back-off that the call's timeout would cut short. */
#include "retry.h"

#include <stdlib.h>

#include "client_private.h"
#include "policy_private.h"

#define SECOND INT64_C(1000000)
#define FIRST_BACKOFF (SECOND / 2)
#define MOST_BACKOFF (20 * SECOND)
#define MOST_WAIT 1e9            /* seconds; beyond any deadline */
#define LEAST_TIME (SECOND / 20) /* an attempt with less time left is not worth it */

struct mw__retry {
    uv_timer_t timer;
    mw__call *call;
    void (*due)(mw__call *call);
};

static bool is_gateway(int status)
{
    return status == 502 || status == 503 || status == 504;
}

bool mw__retry_allowed(const mw__attempt *attempt, bool idempotent)
{
    switch (attempt->sent) {
    case MW_SENT_NOT:
        return attempt->passing;
    case MW_SENT_ANSWERED:
        return attempt->status == 429 || (is_gateway(attempt->status) && idempotent);
    case MW_SENT_UNKNOWN:
        break;
    }
    return attempt->passing && idempotent;
}

static int64_t backoff(uint32_t retries, uint64_t random)
{
    int64_t most = FIRST_BACKOFF;
    for (uint32_t i = 0; i < retries && most < MOST_BACKOFF; i++)
        most *= 2;
    if (most > MOST_BACKOFF)
        most = MOST_BACKOFF;
    return (int64_t)(random % (uint64_t)(most + 1));
}

/* Of the server's fixed windows, which begin at whole multiples of their length since 1970; seconds, since its Date has
 * no more. */
static int64_t window_of(const mw__attempt *attempt)
{
    return attempt->window_ms > 1000 ? (attempt->window_ms + 999) / 1000 : 1;
}

int64_t mw__retry_delay_us(const mw__attempt *attempt, uint32_t retries, uint64_t random)
{
    int64_t wait = backoff(retries, random);
    double asked = attempt->retry_after < MOST_WAIT ? attempt->retry_after : MOST_WAIT;
    if (attempt->status == 429 && asked < 0)
        asked = (double)(window_of(attempt) - attempt->server_time % window_of(attempt));
    if (asked <= 0)
        return wait;
    int64_t least = (int64_t)(asked * (double)SECOND);
    return attempt->status == 429 || least > wait ? least : wait;
}

int64_t mw__retry_window_begin_us(const mw__attempt *attempt, int64_t now)
{
    return now - (attempt->server_time % window_of(attempt) + 1) * SECOND;
}

mw_sent mw__retry_sent(mw_sent before, mw_sent sent)
{
    if (before == MW_SENT_UNKNOWN || sent == MW_SENT_UNKNOWN)
        return MW_SENT_UNKNOWN;
    return before == MW_SENT_ANSWERED ? before : sent;
}

uint32_t mw__retry_limit(const mw__call *call)
{
    uint32_t own = call->request->options.retries;
    uint32_t most = own ? own : call->client->retries;
    return most == MW_NO_RETRIES ? 0 : most;
}

int64_t mw__retry_timeout_us(const mw__call *call)
{
    uint32_t own = call->request->options.timeout_ms;
    return (int64_t)(own ? own : call->client->timeout_ms) * 1000;
}

int64_t mw__retry_deadline_us(const mw__call *call)
{
    return call->started_us + mw__retry_timeout_us(call);
}

bool mw__retry_in_time(const mw__call *call, int64_t wait)
{
    return mw_loop_now(call->client->loop) + wait + LEAST_TIME <= mw__retry_deadline_us(call);
}

bool mw__retry_left(const mw__call *call)
{
    const mw_policy *policy = call->client->policy;
    bool affordable = call->sends == 0 || !policy || mw__policy_may_resend(policy, call->bytes);
    return affordable && call->retries < mw__retry_limit(call);
}

bool mw__retry_wanted(const mw__call *call, const mw__attempt *attempt)
{
    return mw__retry_left(call) &&
           mw__retry_allowed(attempt, mw__request_idempotent(call->request) || call->once);
}

void mw__retry_begin(mw__call *call, const mw__attempt *attempt)
{
    call->retries++;
    call->waits_since_us = mw_loop_now(call->client->loop);
    /* Behind a gateway the work may have been done. */
    call->before =
        mw__retry_sent(call->before, is_gateway(attempt->status) ? MW_SENT_UNKNOWN : attempt->sent);
    call->attempt_sends = 0;
    mw__call_rest(call);
}

static void on_timer(uv_timer_t *timer)
{
    const mw__retry *retry = timer->data;
    retry->due(retry->call);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

bool mw__retry_wait(mw__call *call, const mw__attempt *attempt, void (*due)(mw__call *call))
{
    mw_loop *loop = call->client->loop;
    int64_t delay =
        mw__retry_delay_us(attempt, call->retries, mw__random_next(mw__loop_random(loop)));
    if (!mw__retry_in_time(call, delay))
        return false;
    mw__retry *retry = calloc(1, sizeof *retry);
    if (!retry)
        return false;
    retry->call = call;
    retry->due = due;
    retry->timer.data = retry;
    uv_timer_init(mw__loop_uv(loop), &retry->timer);
    uv_update_time(retry->timer.loop);
    uv_timer_start(&retry->timer, on_timer, (uint64_t)(delay + 999) / 1000, 0);
    call->retry = retry;
    mw__retry_begin(call, attempt);
    return true;
}

void mw__retry_stop(mw__call *call)
{
    if (!call->retry)
        return;
    uv_close((uv_handle_t *)&call->retry->timer, on_timer_closed);
    call->retry = NULL;
}

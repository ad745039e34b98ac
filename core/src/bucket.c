/* bucket.c: owns the arithmetic of tokens, refusals and what is learnt from them. Must not know lanes, clocks or files.
 * One thread at a time. */
#include "bucket.h"

#define GUARD_SHARE 100 /* of a window: requests don't all take equally long to the server */
#define MOST_GUARD 1000000
#define FORGOTTEN_SHARE 20 /* of the tokens, each window */
#define LEAST_SHARE 4      /* of the tokens in use that one refusal leaves */

/* After how long a token is back. */
static int64_t back_after(const mw__bucket *bucket)
{
    int64_t guard = bucket->window_us / GUARD_SHARE;
    return bucket->window_us + (guard < MOST_GUARD ? guard : MOST_GUARD);
}

static void forget(mw__bucket *bucket, int64_t now)
{
    int64_t windows = (now - bucket->learnt_us) / bucket->window_us;
    if (bucket->allowed >= bucket->count || windows <= 0)
        return;
    uint32_t step = bucket->count / FORGOTTEN_SHARE > 0 ? bucket->count / FORGOTTEN_SHARE : 1;
    uint32_t room = bucket->count - bucket->allowed;
    bucket->allowed += windows > room / step ? room : (uint32_t)windows * step;
    bucket->learnt_us += windows * bucket->window_us;
}

/* When the token `back` tokens before the next one is back; 0 when so many were never taken. */
static int64_t back_at(const mw__bucket *bucket, const mw__slots *slots, uint32_t back)
{
    if (back == 0 || bucket->taken < back)
        return 0;
    uint32_t slot = (uint32_t)((bucket->taken - back) % bucket->count);
    return slots->get(slots->ud, slot) + back_after(bucket);
}

bool mw__bucket_ready(mw__bucket *bucket, const mw__slots *slots, int64_t now, int64_t *until)
{
    *until = bucket->paused_us;
    if (bucket->count > 0) {
        forget(bucket, now);
        int64_t back = back_at(bucket, slots, bucket->allowed);
        if (bucket->allowed < bucket->count && bucket->learnt_us + bucket->window_us < back)
            back = bucket->learnt_us + bucket->window_us; /* more are in use by then */
        *until = back > *until ? back : *until;
    }
    return *until <= now;
}

uint32_t mw__bucket_take(mw__bucket *bucket)
{
    return bucket->count > 0 ? (uint32_t)(bucket->taken++ % bucket->count) : 0;
}

/* Tokens that were taken at `since` or later: their times only grow. */
static uint32_t taken_since(const mw__bucket *bucket, const mw__slots *slots, int64_t since)
{
    uint32_t low = 0;
    uint32_t high = bucket->taken < bucket->count ? (uint32_t)bucket->taken : bucket->count;
    while (low < high) { /* the `low` last ones were, the one `high` + 1 before the next was not */
        uint32_t middle = low + (high - low + 1) / 2;
        uint32_t slot = (uint32_t)((bucket->taken - middle) % bucket->count);
        if (slots->get(slots->ud, slot) >= since)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* The first refusal in the server's window says that what went in it is too much; each further one, that one more of
 * them was not let in. Whoever refuses, lets in and refuses within one window has shorter ones, so that what went in
 * this one says little. */
static void learn(mw__bucket *bucket, const mw__slots *slots, int64_t now, int64_t since, bool again)
{
    uint32_t least = bucket->allowed / LEAST_SHARE > 0 ? bucket->allowed / LEAST_SHARE : 1;
    uint32_t most = bucket->allowed;
    if (again)
        most = bucket->allowed > 1 ? bucket->allowed - 1 : 1;
    else {
        uint32_t went = taken_since(bucket, slots, since);
        most = went < most ? went : most;
        most = most > 1 ? most - 1 : 1;
        most = most > least ? most : least;
    }
    bucket->allowed = most;
    bucket->learnt_us = now;
}

void mw__bucket_refused(mw__bucket *bucket, const mw__slots *slots, int64_t now, int64_t since,
                        int64_t until)
{
    /* Forgetting moves learnt_us on, beyond the end of the pause that it was about. */
    bool again = now < bucket->paused_us ||
                 (bucket->learnt_us >= since && bucket->learnt_us < bucket->paused_us);
    if (bucket->count > 0)
        learn(bucket, slots, now, since, again);
    if (until > bucket->paused_us)
        bucket->paused_us = until;
}

int64_t mw__bucket_when(const mw__bucket *bucket, const mw__slots *slots, int64_t now, uint32_t more)
{
    int64_t start = bucket->paused_us > now ? bucket->paused_us : now;
    if (bucket->count == 0 || more == 0)
        return start;
    uint32_t windows = (more - 1) / bucket->allowed;
    uint32_t rest = (more - 1) % bucket->allowed;
    int64_t back = back_at(bucket, slots, bucket->allowed - rest);
    return (back > start ? back : start) + windows * back_after(bucket);
}

/* bucket.h: a token bucket whose tokens come back one window after they were taken: no window of that length, fixed or
 * sliding, sees more requests than there are tokens. Where the times of the tokens are kept is the caller's business.
 * One thread at a time. */
#ifndef MW_BUCKET_H
#define MW_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* All times are microseconds of one clock. Zeroed but for count, window_us and `allowed` = count: a full one. */
typedef struct mw__bucket {
    uint32_t count; /* tokens; 0: no limit, only pauses */
    int64_t window_us;
    uint64_t taken; /* tokens that were ever taken; the time of token n is kept in slot n % count */
    uint32_t allowed; /* of the tokens, those in use: refusals have taught so. At least 1, at most count */
    int64_t learnt_us; /* when `allowed` last changed */
    int64_t paused_us; /* nothing goes before */
} mw__bucket;

/* When the token in a slot below `count` was taken. A slot is asked for after it was set only. */
typedef struct mw__slots {
    int64_t (*get)(void *ud, uint32_t slot);
    void *ud;
} mw__slots;

/* Whether a token may be taken; else `*until` gets the time to look again. Forgets what was learnt, as time passes. */
bool mw__bucket_ready(mw__bucket *bucket, const mw__slots *slots, int64_t now, int64_t *until);

/* Takes the token of a bucket that is ready. Returns the slot whose time the caller sets to `now`; of a bucket without
 * limit there is none. */
uint32_t mw__bucket_take(mw__bucket *bucket);

/* The server has refused a request that had a token: pauses until `until`, and learns. `since`: when the server's
 * window began, on the same clock. */
void mw__bucket_refused(mw__bucket *bucket, const mw__slots *slots, int64_t now, int64_t since,
                        int64_t until);

/* When the `more`th token from now on (1: the next) can be had, as far as can be told. */
int64_t mw__bucket_when(const mw__bucket *bucket, const mw__slots *slots, int64_t now,
                        uint32_t more);

#endif

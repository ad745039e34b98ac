/* meters.h: where the limits of lanes are kept: each is a meter, a token bucket with a cap of requests in flight. There
 * are two kinds of places: the memory of this process (meters_local.c) and a file that processes share
 * (meters_shared.c). They differ in where the numbers are, never in what is done with them (bucket.h). Times are those
 * of mw_loop_now, which all processes of a machine have in common. Loop's thread. */
#ifndef MW_METERS_H
#define MW_METERS_H

#include "bucket.h"
#include "mw/error.h"
#include "mw/limits.h"
#include "mw/loop.h"

typedef struct mw__meter mw__meter;
typedef struct mw__meters mw__meters;

/* Why nothing was taken. */
typedef struct mw__denial {
    size_t meter; /* which of the list */
    mw_wait_reason reason;
    int64_t until; /* when to ask again */
} mw__denial;

typedef struct mw__meters_kind {
    /* The meter of a key and limit (both in force as given: count 0 is no bucket, concurrency 0 no cap). The same key
     * and limit give the same meter, for everybody who has these meters. `key` is copied. MW_MEMORY, or MW_INVALID with
     * `error` (the file fails). Each open wants a close. */
    int (*open)(mw__meters *meters, const char *key, const mw_lane_limit *limit, mw__meter **meter,
                mw_error *error);
    void (*close)(mw__meter *meter);

    /* Takes a token and a place in flight of each, or nothing at all and says why. What can't be read counts as no
     * limit: a state file that fails stops nobody, and is told once (mw__meters.trouble). */
    bool (*take)(mw__meters *meters, mw__meter *const *list, size_t count, int64_t now,
                 mw__denial *denial);
    /* Gives the places back, the tokens stay taken. */
    void (*give)(mw__meters *meters, mw__meter *const *list, size_t count);

    /* mw__bucket_refused and mw__bucket_when of one meter, and the tokens it has at present. */
    void (*refused)(mw__meter *meter, int64_t now, int64_t since, int64_t until);
    int64_t (*when)(mw__meter *meter, int64_t now, uint32_t more);
    uint32_t (*allowed)(mw__meter *meter);

    /* Closes; all of its meters have been closed, and places that are still taken are given back. */
    void (*free)(mw__meters *meters);
} mw__meters_kind;

/* Each kind embeds them first. */
struct mw__meters {
    const mw__meters_kind *kind;
    char trouble[MW_MAX_TROUBLE]; /* why a file can't be used any more, or ""; whoever tells empties it */
};

struct mw__meter {
    mw__meters *meters;
    mw_lane_limit limit;
};

/* The meters of this process: the loop's, made on first use, freed with it. NULL: out of memory. */
mw__meters *mw__meters_of(mw_loop *loop);

/* Those in a file, opened once for a loop, freed with it. MW_MEMORY, or MW_INVALID with `error` ("can't open 'FILE':
 * REASON"). */
int mw__meters_shared(mw_loop *loop, const char *path, mw__meters **meters, mw_error *error);

#endif

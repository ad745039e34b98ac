/* mw/limits.h: how fast a client may go: the limits of its lanes, and what is said of waits.
 *
 * A lane is a group of operations that share one limit on the server (mw_lane in mw/operation.h). Each has a token
 * bucket and a cap of requests in flight. A token comes back one window after it was taken, so that no window of that
 * length, fixed or sliding, sees more requests than the limit says; a request that could go is never held back. Who
 * has to wait leaves in order within its lane, and reads leave before writes. `search` and `reports` count towards
 * `all`, `upload` towards `write`, and that towards `all`.
 *
 * Built in, as the platform's documents have it (ooctopus): all 3000/min for a host; search 100/min for an account of
 * it; reports 100/min for a token and 1000/min for an account. Nothing for circuit, whose limits nobody has documented.
 *
 * A 429 stops its whole lane: as long as Retry-After says, a day at most, else to the end of the fixed window by the
 * server's clock.
 * What was refused goes first afterwards. The lane learns from it how much the server really lets through, and
 * forgets that again at a twentieth of its limit a window.
 *
 * Clients of one loop share the lanes of a host and token; with `shared` those of all processes that name the same
 * file do: of one machine and on one of its own disks, for SQLite keeps it. It is made for its owner alone; FILE-wal
 * and FILE-shm lie beside it while it is in use, and it may be removed when nobody uses it. Processes with different
 * limits for a lane don't share it. What a process has in flight when it ends is free again within half a second; a
 * process of another pid namespace (a container) looks as if it had ended, so that caps of requests in flight hold
 * within each namespace alone, while rates are shared. When the file fails later on, it is told once, and each
 * process goes on with the limits for itself. */
#ifndef MW_LIMITS_H
#define MW_LIMITS_H

#include "mw/error.h"
#include "mw/operation.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of mw_lane_limit.count: no limit, where zero means the built-in one. */
#define MW_NO_LIMIT UINT32_MAX
#define MW_MAX_LIMIT 1000000u /* requests in a window */
#define MW_MAX_WINDOW_MS (24u * 3600u * 1000u)

/* Of one lane. Zeroed: as it is built in. */
typedef struct mw_lane_limit {
    uint32_t count;       /* requests in a window; MW_NO_LIMIT */
    uint32_t window_ms;   /* its length, with a count */
    uint32_t concurrency; /* requests in flight at once [as the client's concurrency has it] */
} mw_lane_limit;

/* Of a client. Zeroed: as it is built in. */
typedef struct mw_limits {
    bool off; /* no limits but those that stand in `lanes`; a 429 stops its lane all the same */
    mw_lane_limit lanes[MW_LANES];
    const char *shared; /* file in which processes share their lanes; made when it is missing [none] */
} mw_limits;

/* Reads a rate, "3000/min", "50/s", "100/10s", "5000/h", or "off", into count and window. MW_INVALID with `error`,
 * whose message says what a rate looks like. */
int mw_limit_parse(const char *text, mw_lane_limit *limit, mw_error *error);

/* Reads limits as one line, for environments and flags: "off", or such as
 * "all=3000/min,search=off,write.concurrency=4,shared=/var/lib/desk.limits" (`shared` without a value:
 * `shared_default`, which may be NULL). `limits->shared` then points into `text` or at `shared_default`, so it may be
 * changed: NUL-ended parts. MW_INVALID with `error` naming the part. */
int mw_limits_parse(char *text, const char *shared_default, mw_limits *limits, mw_error *error);

/* ---- what became of it ---- */

typedef struct mw_lane_stats {
    uint64_t sent;     /* requests that went out, each attempt counts */
    uint64_t refused;  /* answers 429 */
    uint32_t waiting;  /* calls in the queue */
    uint32_t running;  /* requests in flight */
    int64_t waited_us; /* of all calls that have left the queue */
    uint32_t allowed; /* tokens that the lane has at present: its limit, or what it has learnt; 0: no limit */
} mw_lane_stats;

typedef enum mw_wait_reason {
    MW_WAIT_LIMIT,   /* the lane's limit is used up */
    MW_WAIT_REFUSED, /* the server answered 429 */
    MW_WAIT_CONCURRENCY, /* as many requests as may are in flight elsewhere: other processes, other clients */
    MW_WAIT_UNSHARED /* nobody waits: the shared file can't be used any more. Told once for a file */
} mw_wait_reason;

/* Somebody has to wait for more than MW_WAIT_TOLD_MS: told when it turns out, and again every MW_WAIT_AGAIN_MS while it
 * lasts. It is told of the limit that they wait for, once for all of them, whatever their own lanes: searches that wait
 * for the limit of `all` are told as `all`. A limit that is used up window after window is one wait that lasts. */
#define MW_WAIT_TOLD_MS 2000
#define MW_WAIT_AGAIN_MS 30000

#define MW_MAX_TROUBLE 256 /* bytes of mw_wait.trouble, with the NUL at its end */

typedef struct mw_wait {
    mw_service service;
    mw_lane lane; /* whose limit it is; MW_LANE_ALL with MW_WAIT_UNSHARED */
    mw_wait_reason reason;
    double seconds;   /* until the last one that waits for it has gone, as far as can be told */
    uint32_t waiting; /* calls that wait for it, of all lanes */
    uint32_t allowed; /* requests in a window, as in mw_lane_stats */
    uint32_t window_ms;
    const char *
        trouble; /* with MW_WAIT_UNSHARED: what is wrong with which file, one line; else NULL. Borrowed until
                          * the watcher returns */
} mw_wait;

typedef void (*mw_wait_fn)(const mw_wait *wait, void *ud);

/* Who wants to know of a gate's waits: the caller's own memory, on the gate's list until mw_gate_unwatch. `fn` comes
 * from the loop. */
typedef struct mw_gate_watch mw_gate_watch;
struct mw_gate_watch {
    mw_wait_fn fn;
    void *ud;
    mw_gate_watch *next;
    mw_gate_watch **prev; /* NULL: on no list */
};

/* "waiting 34 s for the limit of the lane search (100/min); 12 calls are queued", cut to `size`. Beyond 120 s it says
 * minutes, beyond 120 min hours. Any thread. */
void mw_wait_text(const mw_wait *wait, char *text, size_t size);

/* "limit", "refused", "concurrency", "unshared". Any thread; static. */
const char *mw_wait_reason_name(mw_wait_reason reason);

#ifdef __cplusplus
}
#endif
#endif

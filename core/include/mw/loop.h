/* mw/loop.h: the event loop that everything of one front end runs on.
 *
 * A loop belongs to the thread that runs it. Callbacks come from `mw_loop_run` and from nowhere
 * else; only `mw_loop_wake` may be called from other threads and from signal handlers. */
#ifndef MW_LOOP_H
#define MW_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mw/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mw_loop mw_loop;

/* A new loop, freed with mw_loop_free. MW_MEMORY or MW_NETWORK (the system has no descriptors left). */
int mw_loop_new(mw_loop **loop);

/* Ends all calls in flight as MW_CANCELLED (their callbacks run now), closes all servers and timers
 * (a timer's callback does not run) and frees the loop. Clients of the loop must have been freed
 * before. NULL is fine. */
void mw_loop_free(mw_loop *loop);

/* Runs one turn: waits for something to happen (`wait`) or only looks, and runs the callbacks that
 * are due. Returns true while the loop has anything left to wait for. Not reentrant: a callback
 * must not call it. */
bool mw_loop_run(mw_loop *loop, bool wait);

/* Makes a waiting mw_loop_run return. Any thread; async-signal-safe. */
void mw_loop_wake(mw_loop *loop);

/* For hosts with a loop of their own: a descriptor that becomes readable when mw_loop_run(loop,
 * false) has work, and the milliseconds until the next timer (-1: none). */
int mw_loop_fd(const mw_loop *loop);
int mw_loop_timeout(const mw_loop *loop);

/* Monotonic time of the loop in microseconds. */
int64_t mw_loop_now(const mw_loop *loop);

/* Handles (sockets, timers, calls, servers) that are live: 0 when all is closed. For leak checks. */
unsigned mw_loop_live(const mw_loop *loop);

/* A timer that fires once. `fn` is called exactly once, from the loop, unless the timer is stopped
 * before. The timer is freed after `fn` returned or by mw_timer_stop. MW_MEMORY. */
typedef struct mw_timer mw_timer;
typedef void (*mw_timer_fn)(void *ud);
int mw_timer_start(mw_loop *loop, uint64_t delay_ms, mw_timer_fn fn, void *ud, mw_timer **timer);
void mw_timer_stop(mw_timer *timer); /* NULL is fine */

/* Replaces every secret that a client of this loop holds in `text` (NUL-ended, changed in place) by '*'. */
void mw_loop_redact(const mw_loop *loop, char *text);

/* The same in `length` bytes that may hold NUL, and also where JSON has escaped a secret. The length stays. */
void mw_loop_redact_bytes(const mw_loop *loop, char *text, size_t length);

#ifdef __cplusplus
}
#endif
#endif

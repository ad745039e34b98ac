/* loop_private.h: what the parts of the core that sit on the loop need of it. Loop's thread only. */
#ifndef MW_LOOP_PRIVATE_H
#define MW_LOOP_PRIVATE_H

#include <uv.h>

#include "mw/loop.h"
#include "random.h"

struct mw__transport;
struct mw__meters;

/* Something that must be closed before the loop goes. Embed it, register it, take it off when
 * closed earlier. `fn` is called once by mw_loop_free; the closer is off the list by then. */
typedef struct mw__closer mw__closer;
struct mw__closer {
    void (*fn)(mw__closer *self);
    mw__closer *next;
    mw__closer **prev; /* the link that points here; NULL: not registered */
};

/* Work for the next turn of the loop. Embed it; `fn` may free it. Taken off by mw__loop_unpost. */
typedef struct mw__post mw__post;
struct mw__post {
    void (*fn)(mw__post *self);
    mw__post *next;
    mw__post *prev; /* NULL: not posted */
};

uv_loop_t *mw__loop_uv(mw_loop *loop);

void mw__loop_on_close(mw_loop *loop, mw__closer *closer);
void mw__loop_off_close(mw__closer *closer);

/* The next registered closer after `after` (NULL: the first) whose function is `fn`, or NULL: finds what its owner
 * keeps once for a loop. */
mw__closer *mw__loop_closer(const mw_loop *loop, void (*fn)(mw__closer *self),
                            const mw__closer *after);

/* Runs `post->fn` on the next turn. Posting twice is posting once. */
void mw__loop_post(mw_loop *loop, mw__post *post);
void mw__loop_unpost(mw__post *post);

/* To be called before every callback of the caller's: mw_loop_run then comes back without waiting for more. libuv runs
 * timers first and would go on to wait for sockets, with the caller's news in its pocket. */
void mw__loop_stir(mw_loop *loop);

/* Counts live handles for mw_loop_live. */
void mw__loop_hold(mw_loop *loop);
void mw__loop_release(mw_loop *loop);

/* Secrets that must not show in any text. Copied; counted, so that each add wants one drop. MW_MEMORY. */
int mw__loop_add_secret(mw_loop *loop, const char *secret);
void mw__loop_drop_secret(mw_loop *loop, const char *secret);

/* The numbers that spread waits. Borrowed, as long as the loop. */
mw__random *mw__loop_random(mw_loop *loop);

/* The transport of the loop, made by its first client. */
struct mw__transport *mw__loop_transport(const mw_loop *loop);
void mw__loop_set_transport(mw_loop *loop, struct mw__transport *transport);

/* The meters in memory, likewise. */
struct mw__meters *mw__loop_meters(const mw_loop *loop);
void mw__loop_set_meters(mw_loop *loop, struct mw__meters *meters);

#endif

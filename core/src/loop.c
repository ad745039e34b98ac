/* loop.c: owns the libuv loop of one front end, its timers, posts and the order of closing. Must not
 * know HTTP or Lua. Runs on the thread that runs the loop; only mw_loop_wake may come from elsewhere. */
#include "loop_private.h"

#include <stdlib.h>

#include "secrets.h"

struct mw_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_idle_t idle; /* active while there are posts, so that a waiting turn does not sleep */
    mw__post posts; /* head of the ring */
    mw__closer *closers;
    struct mw__transport *transport;
    struct mw__meters *meters;
    mw__secrets secrets;
    mw__random random;
    unsigned live;
};

struct mw_timer {
    uv_timer_t uv;
    mw_loop *loop;
    mw_timer_fn fn;
    void *ud;
    mw__closer closer;
};

static void on_wake(uv_async_t *async)
{
    (void)async;
}

static void ring_init(mw__post *head)
{
    head->next = head;
    head->prev = head;
}

/* Runs the posts that were there at the start of the turn; what they post comes the turn after. */
static void on_idle(uv_idle_t *idle)
{
    mw_loop *loop = idle->data;
    mw__post batch;
    ring_init(&batch);
    if (loop->posts.next != &loop->posts) {
        batch.next = loop->posts.next;
        batch.prev = loop->posts.prev;
        batch.next->prev = &batch;
        batch.prev->next = &batch;
        ring_init(&loop->posts);
    }
    uv_idle_stop(idle);
    mw__loop_stir(loop);
    while (batch.next != &batch) {
        mw__post *post = batch.next;
        mw__loop_unpost(post);
        post->fn(post);
    }
}

int mw_loop_new(mw_loop **out)
{
    mw_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return MW_MEMORY;
    if (uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return MW_NETWORK;
    }
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0) {
        uv_loop_close(&loop->uv);
        free(loop);
        return MW_NETWORK;
    }
    uv_unref((uv_handle_t *)&loop->wake);
    uv_idle_init(&loop->uv, &loop->idle);
    loop->idle.data = loop;
    ring_init(&loop->posts);
    *out = loop;
    return MW_OK;
}

void mw_loop_free(mw_loop *loop)
{
    if (!loop)
        return;
    while (loop->closers || uv_loop_alive(&loop->uv)) {
        mw__closer *closer = loop->closers;
        if (closer) {
            mw__loop_off_close(closer);
            closer->fn(closer);
        }
        uv_run(&loop->uv, loop->closers ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    while (uv_run(&loop->uv, UV_RUN_ONCE) != 0) {}
    uv_loop_close(&loop->uv);
    mw__secrets_clear(&loop->secrets);
    free(loop);
}

bool mw_loop_run(mw_loop *loop, bool wait)
{
    if (uv_loop_alive(&loop->uv))
        return uv_run(&loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0;
    /* libuv looks at nothing when nothing is alive, and a wake-up would keep mw_loop_fd readable for ever. */
    uv_ref((uv_handle_t *)&loop->wake);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    uv_unref((uv_handle_t *)&loop->wake);
    return uv_loop_alive(&loop->uv) != 0;
}

void mw_loop_wake(mw_loop *loop)
{
    uv_async_send(&loop->wake);
}

int mw_loop_fd(const mw_loop *loop)
{
    return uv_backend_fd(&loop->uv);
}

int mw_loop_timeout(const mw_loop *loop)
{
    /* libuv says 0 for a loop that has nothing left: "don't wait", where a host means "wait for others". */
    return uv_loop_alive(&loop->uv) ? uv_backend_timeout(&loop->uv) : -1;
}

int64_t mw_loop_now(const mw_loop *loop)
{
    (void)loop;
    return (int64_t)(uv_hrtime() / 1000);
}

unsigned mw_loop_live(const mw_loop *loop)
{
    return loop->live;
}

void mw_loop_redact(const mw_loop *loop, char *text)
{
    mw__secrets_redact(&loop->secrets, text);
}

void mw_loop_redact_bytes(const mw_loop *loop, char *text, size_t length)
{
    mw__secrets_redact_bytes(&loop->secrets, text, length);
}

uv_loop_t *mw__loop_uv(mw_loop *loop)
{
    return &loop->uv;
}

void mw__loop_on_close(mw_loop *loop, mw__closer *closer)
{
    closer->next = loop->closers;
    closer->prev = &loop->closers;
    if (closer->next)
        closer->next->prev = &closer->next;
    loop->closers = closer;
}

void mw__loop_off_close(mw__closer *closer)
{
    if (!closer->prev)
        return;
    *closer->prev = closer->next;
    if (closer->next)
        closer->next->prev = closer->prev;
    closer->next = NULL;
    closer->prev = NULL;
}

mw__closer *mw__loop_closer(const mw_loop *loop, void (*fn)(mw__closer *self),
                            const mw__closer *after)
{
    mw__closer *closer = after ? after->next : loop->closers;
    while (closer && closer->fn != fn)
        closer = closer->next;
    return closer;
}

void mw__loop_post(mw_loop *loop, mw__post *post)
{
    if (post->prev)
        return;
    post->next = &loop->posts;
    post->prev = loop->posts.prev;
    post->prev->next = post;
    loop->posts.prev = post;
    uv_idle_start(&loop->idle, on_idle);
}

void mw__loop_unpost(mw__post *post)
{
    if (!post->prev)
        return;
    post->prev->next = post->next;
    post->next->prev = post->prev;
    post->next = NULL;
    post->prev = NULL;
}

void mw__loop_stir(mw_loop *loop)
{
    uv_stop(&loop->uv);
}

void mw__loop_hold(mw_loop *loop)
{
    loop->live++;
}

void mw__loop_release(mw_loop *loop)
{
    loop->live--;
}

int mw__loop_add_secret(mw_loop *loop, const char *secret)
{
    return mw__secrets_add(&loop->secrets, secret);
}

void mw__loop_drop_secret(mw_loop *loop, const char *secret)
{
    mw__secrets_drop(&loop->secrets, secret);
}

mw__random *mw__loop_random(mw_loop *loop)
{
    return &loop->random;
}

struct mw__transport *mw__loop_transport(const mw_loop *loop)
{
    return loop->transport;
}

void mw__loop_set_transport(mw_loop *loop, struct mw__transport *transport)
{
    loop->transport = transport;
}

struct mw__meters *mw__loop_meters(const mw_loop *loop)
{
    return loop->meters;
}

void mw__loop_set_meters(mw_loop *loop, struct mw__meters *meters)
{
    loop->meters = meters;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_timer(mw_timer *timer)
{
    mw__loop_off_close(&timer->closer);
    mw__loop_release(timer->loop);
    uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}

static void on_timer(uv_timer_t *uv)
{
    mw_timer *timer = uv->data;
    mw__loop_stir(timer->loop);
    close_timer(timer); /* first, so that `fn` may do anything but stop it; freed a turn later */
    timer->fn(timer->ud);
}

static void on_loop_close(mw__closer *closer)
{
    mw_timer *timer = (mw_timer *)((char *)closer - offsetof(mw_timer, closer));
    close_timer(timer);
}

int mw_timer_start(mw_loop *loop, uint64_t delay_ms, mw_timer_fn fn, void *ud, mw_timer **out)
{
    mw_timer *timer = calloc(1, sizeof *timer);
    if (!timer)
        return MW_MEMORY;
    timer->loop = loop;
    timer->fn = fn;
    timer->ud = ud;
    timer->uv.data = timer;
    timer->closer.fn = on_loop_close;
    uv_timer_init(&loop->uv, &timer->uv);
    uv_update_time(&loop->uv);
    uv_timer_start(&timer->uv, on_timer, delay_ms, 0);
    mw__loop_on_close(loop, &timer->closer);
    mw__loop_hold(loop);
    *out = timer;
    return MW_OK;
}

void mw_timer_stop(mw_timer *timer)
{
    if (timer)
        close_timer(timer);
}

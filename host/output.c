/* output.c: owns the thread that writes standard output and standard error, and the queue of what it has to
 * write. Knows nothing of scripts. All functions are the main thread's; `write_out` and what it calls are the
 * writer's. */
#define _GNU_SOURCE
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_LINE = 64 * 1024 };

typedef struct piece {
    struct piece *next;
    mw__lines *lines;
    size_t length;
    char text[];
} piece;

struct mw__output {
    mw_loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;  /* something to write, or the end */
    pthread_cond_t emptied; /* nothing is left */
    piece *first, **last;   /* under the lock, as all below */
    piece *current;         /* being written, out of the queue */
    bool closing;
    int error;
};

struct mw__lines {
    mw__output *output;
    int fd;
    unsigned pieces;  /* in the queue or being written; under the lock, as `written` and `orphan` */
    uint64_t written; /* since it was asked last */
    bool orphan;      /* freed by its owner: goes with its last piece */
    size_t held;      /* bytes of `line`; the main thread's */
    char line[MAX_LINE];
};

/* All of it, however slowly it is taken. 0 or an errno. The only place where the thread may be cancelled. */
static int write_all(int fd, const char *text, size_t length)
{
    int error = 0;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    while (length > 0 && !error) {
        ssize_t count = write(fd, text, length);
        if (count >= 0) {
            text += count;
            length -= (size_t)count;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) { /* someone made it non-blocking */
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    return error;
}

/* The current piece is written, or dropped. Under the lock. */
static void done(mw__output *output)
{
    piece *written = output->current;
    mw__lines *lines = written->lines;
    lines->written += written->length;
    lines->pieces--;
    if (lines->orphan && lines->pieces == 0)
        free(lines);
    free(written);
    output->current = NULL;
    if (!output->first)
        pthread_cond_broadcast(&output->emptied);
}

/* The next piece becomes the current one; NULL: there is none. Under the lock. */
static piece *take(mw__output *output)
{
    piece *next = output->first;
    if (next) {
        output->first = next->next;
        if (!output->first)
            output->last = &output->first;
    }
    output->current = next;
    return next;
}

static void *write_out(void *ud)
{
    mw__output *output = ud;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_mutex_lock(&output->lock);
    for (;;) {
        while (!output->first && !output->closing)
            pthread_cond_wait(&output->filled, &output->lock);
        piece *next = take(output);
        if (!next)
            break;
        bool dropping = output->error != 0;
        pthread_mutex_unlock(&output->lock);
        int error = dropping ? 0 : write_all(next->lines->fd, next->text, next->length);
        pthread_mutex_lock(&output->lock);
        if (error)
            output->error = error;
        done(output);
        mw_loop_wake(output->loop);
    }
    pthread_mutex_unlock(&output->lock);
    return NULL;
}

/* Signals are the main thread's; SIGPIPE then is an EPIPE. */
static int start_thread(mw__output *output)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&output->thread, NULL, write_out, output);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? MW_MEMORY : MW_OK;
}

static void discard(mw__output *output)
{
    pthread_cond_destroy(&output->emptied);
    pthread_cond_destroy(&output->filled);
    pthread_mutex_destroy(&output->lock);
    free(output);
}

int mw__output_new(mw_loop *loop, mw__output **result)
{
    mw__output *output = calloc(1, sizeof *output);
    if (!output)
        return MW_MEMORY;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    output->loop = loop;
    output->last = &output->first;
    pthread_mutex_init(&output->lock, NULL);
    pthread_cond_init(&output->filled, NULL);
    pthread_cond_init(&output->emptied, &clock);
    pthread_condattr_destroy(&clock);
    if (start_thread(output) != MW_OK) {
        discard(output);
        return MW_MEMORY;
    }
    *result = output;
    return MW_OK;
}

/* Whether all is written within the grace. Under the lock. */
static bool drained(mw__output *output, int grace_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += grace_ms / 1000;
    until.tv_nsec += (long)(grace_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int failed = 0;
    while ((output->first || output->current) && !failed)
        failed = grace_ms < 0 ? pthread_cond_wait(&output->emptied, &output->lock)
                              : pthread_cond_timedwait(&output->emptied, &output->lock, &until);
    return !failed;
}

void mw__output_free(mw__output *output, int grace_ms)
{
    if (!output)
        return;
    pthread_mutex_lock(&output->lock);
    bool empty = drained(output, grace_ms);
    output->closing = true;
    pthread_cond_signal(&output->filled);
    pthread_mutex_unlock(&output->lock);
    if (!empty)
        pthread_cancel(output->thread);
    pthread_join(output->thread, NULL);
    while (output->current || take(output)) /* what a cancelled thread leaves behind */
        done(output);
    discard(output);
}

int mw__output_flush(mw__output *output)
{
    pthread_mutex_lock(&output->lock);
    drained(output, -1);
    int error = output->error;
    pthread_mutex_unlock(&output->lock);
    return error;
}

int mw__output_error(const mw__output *output)
{
    mw__output *self = (mw__output *)(uintptr_t)output;
    pthread_mutex_lock(&self->lock);
    int error = self->error;
    pthread_mutex_unlock(&self->lock);
    return error;
}

int mw__lines_new(mw__output *output, int fd, mw__lines **lines)
{
    *lines = calloc(1, sizeof **lines);
    if (!*lines)
        return MW_MEMORY;
    (*lines)->output = output;
    (*lines)->fd = fd;
    return MW_OK;
}

/* Queues what is held and then `text`, as one piece. */
static int queue(mw__lines *lines, const char *text, size_t length)
{
    mw__output *output = lines->output;
    piece *added = malloc(sizeof *added + lines->held + length);
    if (!added)
        return MW_MEMORY;
    memcpy(added->text, lines->line, lines->held);
    if (length > 0)
        memcpy(added->text + lines->held, text, length);
    added->length = lines->held + length;
    added->lines = lines;
    added->next = NULL;
    lines->held = 0;
    pthread_mutex_lock(&output->lock);
    lines->pieces++;
    *output->last = added;
    output->last = &added->next;
    pthread_cond_signal(&output->filled);
    pthread_mutex_unlock(&output->lock);
    return MW_OK;
}

int mw__lines_add(mw__lines *lines, const char *text, size_t length)
{
    int code = MW_OK;
    while (length > 0 && code == MW_OK) {
        const char *end = memrchr(text, '\n', length);
        size_t count = end ? (size_t)(end - text) + 1 : MAX_LINE - lines->held;
        if (end) {
            code = queue(lines, text, count);
        } else {
            count = count < length ? count : length;
            memcpy(lines->line + lines->held, text, count);
            lines->held += count;
            if (lines->held == MAX_LINE)
                code = queue(lines, NULL, 0);
        }
        text += count;
        length -= count;
    }
    return code;
}

void mw__lines_end(mw__lines *lines)
{
    if (lines->held > 0)
        queue(lines, NULL, 0);
}

uint64_t mw__lines_written(mw__lines *lines)
{
    pthread_mutex_lock(&lines->output->lock);
    uint64_t written = lines->written;
    lines->written = 0;
    pthread_mutex_unlock(&lines->output->lock);
    return written;
}

void mw__lines_free(mw__lines *lines)
{
    if (!lines)
        return;
    mw__lines_end(lines);
    mw__output *output = lines->output;
    pthread_mutex_lock(&output->lock);
    bool idle = lines->pieces == 0;
    lines->orphan = true;
    pthread_mutex_unlock(&output->lock);
    if (idle)
        free(lines);
}

/* worker_output.c: owns what a script prints and logs, on its way to the broker: in frames, within the budget, and no
 * more at once than the broker has room for. Must not know where it ends up. The worker's only thread. */
#include <stdlib.h>
#include <string.h>

#include "budget_timer.h"
#include "frames.h"
#include "mw/loop.h"
#include "worker_private.h"

enum {
    WAIT_MS = 50,     /* between two looks whether the script is to end */
    WHILE_US = 10000, /* so often that many lines leave at once */
    MOST_PROMPT = 50,
    MOST_QUEUED = 32768, /* bytes that are collected otherwise */
};

void mw__output_credit(mw__inside *inside, uint64_t bytes)
{
    inside->unwritten -= bytes < inside->unwritten ? bytes : inside->unwritten;
}

/* Waits until the window has room. The broker gives credit back from a quarter of the window on, so a part of it may
 * stay away for ever: what is larger than a half waits for a half. False: the script is to end, or it can't
 * be waited here: a warning comes from within the channel. */
static bool wait_for_room(mw__inside *inside, size_t length)
{
    size_t wanted = length < MW__OUTPUT_WINDOW / 2 ? length : MW__OUTPUT_WINDOW / 2;
    while (inside->unwritten + wanted > MW__OUTPUT_WINDOW) {
        if (mw__timer_ends())
            return false;
        int code = mw_channel_wait(inside->channel, WAIT_MS);
        if (code != MW_OK && code != MW_TIMEOUT)
            return false;
    }
    return true;
}

/* How much of `length` bytes the budget lets through; when that is not all, the script ends. */
static size_t within_budget(mw__inside *inside, size_t length)
{
    uint64_t left = inside->budgets.output - inside->output;
    if (length <= left)
        return length;
    mw__timer_stop(MW__STOP_OUTPUT);
    return (size_t)left;
}

static void send(mw__inside *inside, uint8_t type, uint32_t id, const char *data, size_t length)
{
    if (mw_channel_send(inside->channel, type, id, data, length, NULL, 0) != MW_OK)
        return;
    inside->output += length;
    inside->unwritten += length;
}

void mw__output_nudge(mw__inside *inside)
{
    if (mw_channel_queued(inside->channel) > 0)
        mw_channel_flush(inside->channel, 0);
}

/* The first lines of a while are seen at once, because what comes next may never end; many are sent together. */
static void after_output(mw__inside *inside)
{
    int64_t now = mw_loop_now(inside->loop);
    if (now - inside->while_began > WHILE_US) {
        inside->while_began = now;
        inside->prompt = 0;
    }
    if (mw_channel_queued(inside->channel) > MOST_QUEUED || inside->prompt < MOST_PROMPT) {
        inside->prompt++;
        mw__output_nudge(inside);
    }
}

void mw__output_print(const char *text, size_t length, void *ud)
{
    mw__inside *inside = ud;
    while (length > 0 && !mw__timer_ends()) {
        size_t piece = within_budget(inside, length < MW__MAX_PRINT ? length : MW__MAX_PRINT);
        while (mw__timer_stopped() == MW__STOP_OUTPUT && piece > 0 && text[piece - 1] != '\n')
            piece--; /* no half a line at the end */
        if (piece == 0 || !wait_for_room(inside, piece))
            break;
        send(inside, MW__F_PRINT, 1, text, piece);
        text += piece;
        length -= piece;
    }
    after_output(inside);
}

void mw__output_log(const char *level, const char *line, void *ud)
{
    mw__inside *inside = ud;
    mw_member members[] = {mw__member("level", mw__text(level, strlen(level))),
                           mw__member("line", mw__text(line, strlen(line)))};
    mw_value value = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
    char *data = NULL;
    size_t length = 0, capacity = 0;
    if (!mw__timer_ends() && mw_value_pack(&value, &data, &length, &capacity) == MW_OK &&
        within_budget(inside, length) == length && wait_for_room(inside, length))
        send(inside, MW__F_LOG, 0, data, length);
    free(data);
    after_output(inside);
}

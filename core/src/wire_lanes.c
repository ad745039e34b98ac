/* wire_lanes.c: owns the bytes of stats and of waits: numbers one after the other, and a text. Must not know channels.
 * One thread at a time. */
#include <math.h>
#include <string.h>

#include "wire_codec.h"

enum { SENT, REFUSED, WAITING, RUNNING, WAITED, ALLOWED, NUMBERS };

void mw__wire_pack_stats(uint64_t sent, const mw_lane_stats stats[MW_LANES], char *to)
{
    int64_t total = (int64_t)sent;
    memcpy(to, &total, sizeof total);
    for (size_t i = 0; i < MW_LANES; i++) {
        const mw_lane_stats *lane = &stats[i];
        int64_t numbers[NUMBERS] = {
            [SENT] = (int64_t)lane->sent, [REFUSED] = (int64_t)lane->refused,
            [WAITING] = lane->waiting,    [RUNNING] = lane->running,
            [WAITED] = lane->waited_us,   [ALLOWED] = lane->allowed};
        memcpy(to + sizeof total + i * sizeof numbers, numbers, sizeof numbers);
    }
}

/* Reads a number from 0 to `most`. */
static uint64_t get_number(mw__reader *r, int64_t most)
{
    int64_t number = 0;
    size_t here = r->at;
    mw__reader_get(r, &number, sizeof number);
    if (number < 0 || number > most)
        mw__reader_bad(r, here, "a number out of bounds");
    return (uint64_t)number;
}

/* What is read is all there is. */
static int finish(mw__reader *r, size_t *at, const char **problem)
{
    if (r->at < r->length)
        mw__reader_bad(r, r->at, "bytes behind the end of the numbers");
    *at = r->at;
    *problem = r->problem;
    return r->status;
}

int mw__wire_unpack_stats(const char *data, size_t length, uint64_t *sent,
                          mw_lane_stats stats[MW_LANES], size_t *at, const char **problem)
{
    mw__reader r = {.data = data, .length = length};
    *sent = get_number(&r, INT64_MAX);
    for (size_t i = 0; i < MW_LANES; i++) {
        mw_lane_stats *lane = &stats[i];
        lane->sent = get_number(&r, INT64_MAX);
        lane->refused = get_number(&r, INT64_MAX);
        lane->waiting = (uint32_t)get_number(&r, UINT32_MAX);
        lane->running = (uint32_t)get_number(&r, UINT32_MAX);
        lane->waited_us = (int64_t)get_number(&r, INT64_MAX);
        lane->allowed = (uint32_t)get_number(&r, UINT32_MAX);
    }
    return finish(&r, at, problem);
}

size_t mw__wire_wait_size(const mw_wait *wait)
{
    return MW__WIRE_WAIT + (wait->trouble ? strlen(wait->trouble) + 1 : 0);
}

void mw__wire_pack_wait(const mw_wait *wait, char *to)
{
    uint32_t numbers[] = {(uint32_t)wait->lane, (uint32_t)wait->reason, wait->waiting,
                          wait->allowed, wait->window_ms};
    memcpy(to, &wait->seconds, sizeof wait->seconds);
    memcpy(to + sizeof wait->seconds, numbers, sizeof numbers);
    if (wait->trouble)
        memcpy(to + MW__WIRE_WAIT, wait->trouble, strlen(wait->trouble) + 1);
}

/* The text to the end of the bytes. */
static const char *get_trouble(mw__reader *r)
{
    const char *text = r->data + r->at;
    size_t length = r->length - r->at;
    if (r->status != MW_OK)
        return NULL;
    if (length == 0 || length > MW_MAX_TROUBLE || memchr(text, '\0', length) != text + length - 1) {
        mw__reader_bad(r, r->at, "a trouble that does not end where it should");
        return NULL;
    }
    r->at = r->length;
    return text;
}

int mw__wire_unpack_wait(const char *data, size_t length, mw_wait *wait, size_t *at,
                         const char **problem)
{
    mw__reader r = {.data = data, .length = length};
    double seconds = 0;
    uint32_t numbers[5] = {0};
    mw__reader_get(&r, &seconds, sizeof seconds);
    mw__reader_get(&r, numbers, sizeof numbers);
    if (!isfinite(seconds) || seconds < 0)
        mw__reader_bad(&r, 0, "a time that never comes");
    if (numbers[0] >= MW_LANES)
        mw__reader_bad(&r, sizeof seconds, "no such lane");
    if (numbers[1] > MW_WAIT_UNSHARED)
        mw__reader_bad(&r, sizeof seconds + sizeof numbers[0], "no such reason to wait");
    *wait = (mw_wait){.seconds = seconds,
                      .lane = (mw_lane)(numbers[0] % MW_LANES),
                      .reason = (mw_wait_reason)(numbers[1] % (MW_WAIT_UNSHARED + 1)),
                      .waiting = numbers[2],
                      .allowed = numbers[3],
                      .window_ms = numbers[4]};
    if (wait->reason == MW_WAIT_UNSHARED)
        wait->trouble = get_trouble(&r);
    return finish(&r, at, problem);
}

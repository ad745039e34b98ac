/* meters_shared.c: owns what is open: the file of limits of a loop, and its meters. Must not know how tokens are taken,
 * nor how the file keeps them. Loop's thread. */
#include "meters_shared_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_KEY 4096

static bool is_meter(const mw__shared_meter *meter, const char *key, const mw_lane_limit *limit)
{
    const mw_lane_limit *own = &meter->base.limit;
    return strcmp(meter->key, key) == 0 && own->count == limit->count &&
           own->window_ms == limit->window_ms && own->concurrency == limit->concurrency;
}

static int open_meter(mw__meters *meters, const char *key, const mw_lane_limit *limit,
                      mw__meter **result, mw_error *error)
{
    mw__shared *set = mw__shared_of(meters);
    mw__shared_meter *meter = set->meters;
    size_t length = strlen(key);
    while (meter && !is_meter(meter, key, limit))
        meter = meter->next;
    if (!meter) {
        if (length > MOST_KEY)
            return mw_error_set(error, MW_INVALID, "limits",
                                "can't share a limit: its key has %zu bytes, and %d are the most",
                                length, MOST_KEY);
        meter = calloc(1, sizeof *meter + length + 1);
        if (!meter)
            return mw_error_set(error, MW_MEMORY, "", "can't open a limit: out of memory");
        meter->base = (mw__meter){.meters = meters, .limit = *limit};
        meter->set = set;
        meter->own = (mw__bucket){.count = limit->count,
                                  .window_us = (int64_t)limit->window_ms * 1000,
                                  .allowed = limit->count};
        meter->key_length = length;
        memcpy(meter->key, key, length);
        meter->next = set->meters;
        set->meters = meter;
    }
    meter->users++;
    *result = &meter->base;
    return MW_OK;
}

static void close_meter(mw__meter *base)
{
    mw__shared_meter *meter = mw__shared_meter_of(base);
    mw__shared_meter **at = &meter->set->meters;
    if (--meter->users > 0)
        return;
    meter->owed += meter->running;
    if (meter->owed > 0)
        mw__shared_pay(meter->set, &base, 1);
    while (*at != meter)
        at = &(*at)->next;
    *at = meter->next;
    free(meter->times);
    free(meter);
}

static void free_set(mw__meters *meters)
{
    mw__shared *set = mw__shared_of(meters);
    mw__loop_off_close(&set->closer);
    mw__shared_close(set);
    free(set);
}

static void on_loop_close(mw__closer *closer)
{
    free_set(&((mw__shared *)((char *)closer - offsetof(mw__shared, closer)))->base);
}

static const mw__meters_kind shared_kind = {
    .open = open_meter,
    .close = close_meter,
    .take = mw__shared_take,
    .give = mw__shared_give,
    .refused = mw__shared_refused,
    .when = mw__shared_when,
    .allowed = mw__shared_allowed,
    .free = free_set,
};

/* The set of that file, when the loop has it open. */
static mw__shared *find(const mw_loop *loop, const char *path)
{
    struct stat info;
    mw__closer *closer = NULL;
    if (stat(path, &info) != 0)
        return NULL;
    while ((closer = mw__loop_closer(loop, on_loop_close, closer)) != NULL) {
        mw__shared *set = (mw__shared *)((char *)closer - offsetof(mw__shared, closer));
        if (set->file.db && set->device == info.st_dev && set->inode == info.st_ino)
            return set;
    }
    return NULL;
}

int mw__meters_shared(mw_loop *loop, const char *path, mw__meters **meters, mw_error *error)
{
    mw__shared *set = find(loop, path);
    *meters = set ? &set->base : NULL;
    if (set)
        return MW_OK;
    set = calloc(1, sizeof *set);
    if (!set)
        return mw_error_set(error, MW_MEMORY, "path", "can't open '%.300s': out of memory", path);
    set->base.kind = &shared_kind;
    set->loop = loop;
    int rc = mw__shared_open(set, path, error);
    if (rc != MW_OK) {
        free(set);
        return rc;
    }
    set->closer.fn = on_loop_close;
    mw__loop_on_close(loop, &set->closer);
    *meters = &set->base;
    return MW_OK;
}

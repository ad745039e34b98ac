/* meters_local.c: owns the meters in the memory of this process, one set for a loop. Must not know lanes or who waits
 * for them. Loop's thread. */
#include <stdlib.h>
#include <string.h>

#include "loop_private.h"
#include "meters.h"

#define FIRST_TIMES 16u
#define LOOK_AGAIN 5000 /* microseconds until a place in flight, or memory, is asked for again */

typedef struct local_meter local_meter;
struct local_meter {
    mw__meter meter; /* first */
    local_meter *next;
    mw__bucket bucket;
    int64_t *times; /* of the tokens; grows with the slots that are set */
    uint32_t room;
    uint32_t running;
    uint32_t users;
    char key[];
};

typedef struct local_meters {
    mw__meters meters; /* first */
    mw_loop *loop;
    local_meter *list;
    mw__closer closer;
} local_meters;

static local_meter *local_of(mw__meter *meter)
{
    return (local_meter *)(void *)meter;
}

static int64_t time_of(void *ud, uint32_t slot)
{
    return ((local_meter *)ud)->times[slot];
}

static mw__slots slots_of(local_meter *local)
{
    return (mw__slots){.get = time_of, .ud = local};
}

static void free_meter(local_meter *local)
{
    free(local->times);
    free(local);
}

/* Nobody has it, and nothing is remembered that could still hold somebody back. */
static bool is_spent(const local_meter *local, int64_t now)
{
    const mw__bucket *bucket = &local->bucket;
    if (local->users > 0 || bucket->paused_us > now)
        return false;
    if (bucket->count == 0 || bucket->taken == 0)
        return true;
    int64_t last = local->times[(bucket->taken - 1) % bucket->count];
    return now - last > 2 * bucket->window_us;
}

static bool fits(const local_meter *local, const char *key, const mw_lane_limit *limit)
{
    const mw_lane_limit *own = &local->meter.limit;
    return own->count == limit->count && own->window_ms == limit->window_ms &&
           own->concurrency == limit->concurrency && strcmp(local->key, key) == 0;
}

/* The meter that fits, or NULL; those that are spent go. */
static local_meter *find(local_meters *all, const char *key, const mw_lane_limit *limit)
{
    int64_t now = mw_loop_now(all->loop);
    local_meter *found = NULL;
    for (local_meter **link = &all->list; *link;) {
        local_meter *local = *link;
        if (fits(local, key, limit))
            found = local;
        if (local != found && is_spent(local, now)) {
            *link = local->next;
            free_meter(local);
        } else {
            link = &local->next;
        }
    }
    return found;
}

static int open_meter(mw__meters *meters, const char *key, const mw_lane_limit *limit,
                      mw__meter **meter, mw_error *error)
{
    local_meters *all = (local_meters *)(void *)meters;
    local_meter *local = find(all, key, limit);
    if (!local) {
        size_t size = strlen(key) + 1;
        local = calloc(1, sizeof *local + size);
        if (!local)
            return mw_error_set(error, MW_MEMORY, NULL, "can't keep a limit: out of memory");
        memcpy(local->key, key, size);
        local->meter = (mw__meter){.meters = meters, .limit = *limit};
        local->bucket = (mw__bucket){.count = limit->count,
                                     .allowed = limit->count,
                                     .window_us = (int64_t)limit->window_ms * 1000};
        local->next = all->list;
        all->list = local;
    }
    local->users++;
    *meter = &local->meter;
    return MW_OK;
}

static void close_meter(mw__meter *meter)
{
    local_of(meter)->users--;
}

/* Whether the time of the next token can be kept. */
static bool has_room(local_meter *local)
{
    const mw__bucket *bucket = &local->bucket;
    if (bucket->count == 0 || bucket->taken < local->room || local->room == bucket->count)
        return true;
    uint32_t room = local->room > 0 ? 2 * local->room : FIRST_TIMES;
    if (room > bucket->count)
        room = bucket->count;
    int64_t *times = realloc(local->times, room * sizeof *times);
    if (!times)
        return false;
    local->times = times;
    local->room = room;
    return true;
}

/* Whether a meter lets nobody through now; then why, and until when. */
static bool denies(local_meter *local, int64_t now, mw__denial *denial)
{
    mw__slots slots = slots_of(local);
    if (!mw__bucket_ready(&local->bucket, &slots, now, &denial->until)) {
        bool paused = denial->until <= local->bucket.paused_us;
        denial->reason = paused ? MW_WAIT_REFUSED : MW_WAIT_LIMIT;
        return true;
    }
    uint32_t most = local->meter.limit.concurrency;
    bool full = most > 0 && local->running >= most;
    denial->reason = full ? MW_WAIT_CONCURRENCY : MW_WAIT_LIMIT;
    denial->until = now + LOOK_AGAIN;
    return full || !has_room(local);
}

static bool take(mw__meters *meters, mw__meter *const *list, size_t count, int64_t now,
                 mw__denial *denial)
{
    (void)meters;
    *denial = (mw__denial){.until = now};
    for (size_t i = 0; i < count; i++) {
        mw__denial one = {.meter = i};
        if (denies(local_of(list[i]), now, &one) && one.until > denial->until)
            *denial = one;
    }
    if (denial->until > now)
        return false;
    for (size_t i = 0; i < count; i++) {
        local_meter *local = local_of(list[i]);
        uint32_t slot = mw__bucket_take(&local->bucket);
        if (local->bucket.count > 0)
            local->times[slot] = now;
        local->running++;
    }
    return true;
}

static void give(mw__meters *meters, mw__meter *const *list, size_t count)
{
    (void)meters;
    for (size_t i = 0; i < count; i++)
        local_of(list[i])->running--;
}

static void refused(mw__meter *meter, int64_t now, int64_t since, int64_t until)
{
    mw__slots slots = slots_of(local_of(meter));
    mw__bucket_refused(&local_of(meter)->bucket, &slots, now, since, until);
}

static int64_t when(mw__meter *meter, int64_t now, uint32_t more)
{
    mw__slots slots = slots_of(local_of(meter));
    return mw__bucket_when(&local_of(meter)->bucket, &slots, now, more);
}

static uint32_t allowed(mw__meter *meter)
{
    return local_of(meter)->bucket.allowed;
}

static void free_meters(mw__meters *meters)
{
    local_meters *all = (local_meters *)(void *)meters;
    while (all->list) {
        local_meter *local = all->list;
        all->list = local->next;
        free_meter(local);
    }
    free(all);
}

static const mw__meters_kind kind = {.open = open_meter,
                                     .close = close_meter,
                                     .take = take,
                                     .give = give,
                                     .refused = refused,
                                     .when = when,
                                     .allowed = allowed,
                                     .free = free_meters};

static void on_loop_close(mw__closer *closer)
{
    local_meters *all = (local_meters *)(void *)((char *)closer - offsetof(local_meters, closer));
    mw__loop_set_meters(all->loop, NULL);
    free_meters(&all->meters);
}

mw__meters *mw__meters_of(mw_loop *loop)
{
    mw__meters *made = mw__loop_meters(loop);
    if (made)
        return made;
    local_meters *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->meters.kind = &kind;
    all->loop = loop;
    all->closer.fn = on_loop_close;
    mw__loop_on_close(loop, &all->closer);
    mw__loop_set_meters(loop, &all->meters);
    return &all->meters;
}

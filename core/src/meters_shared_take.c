/* meters_shared_take.c: owns taking from all of a list of shared meters or from none, giving back, and going on alone
 * when the file fails. Must not know how the file keeps them. Loop's thread.
 *
 * Each take is one short transaction. Processes are told apart by pid and start, and the places of one that has ended
 * are anybody's; a process of another pid namespace (a container) looks as if it had ended, so that the caps on
 * requests in flight hold for each namespace alone; the tokens are shared all the same. */
#include "meters_shared_private.h"

#include <stdio.h>
#include <stdlib.h>

#define LEAST_ROOM 64
#define MOST_PAUSE_US (INT64_C(24) * 3600 * 1000 * 1000)
#define BUSY_US 5000    /* until the file is asked for again */
#define FULL_US 20000   /* until places of others are asked for again */
#define LOOK_US 500000  /* between two looks for the dead */
#define MOST_FAILED 400 /* times in a row, then the file is given up */

/* ---- when the file fails ---- */

static void give_up(mw__shared *set, const char *reason)
{
    mw_error error;
    mw_error_set(
        &error, MW_INVALID, "",
        "limits are not shared with other processes any more: %s: '%.100s'; they will be when "
        "this one starts again",
        reason, set->file.name);
    snprintf(set->base.trouble, sizeof set->base.trouble, "%.*s", (int)sizeof set->base.trouble - 1,
             error.message);
    set->file.whole = false; /* as it is, it is left to others */
    mw__shared_close(set);
}

/* Whether the file may be used. */
static bool is_shared(mw__shared *set)
{
    if (set->file.db && !mw__database_is_in_place(&set->file))
        give_up(set, "the file has been moved, removed or replaced");
    return set->file.db != NULL;
}

/* What comes of a transaction's code. Locks and memory come back, as a rule; nothing else does. */
static void conclude(mw__shared *set, int code)
{
    if (code == SQLITE_OK) {
        set->failed = 0;
        return;
    }
    const char *reason = mw__database_reason(&set->file, code);
    bool passes = (code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_NOMEM;
    mw__shared_rollback(set);
    if (!passes || ++set->failed >= MOST_FAILED)
        give_up(set, reason);
}

/* ---- what this process has taken itself ---- */

static int64_t own_slot(void *ud, uint32_t slot)
{
    return ((const mw__shared_meter *)ud)->times[slot];
}

static mw__slots own_slots(mw__shared_meter *meter)
{
    return (mw__slots){.get = own_slot, .ud = meter};
}

/* Room for the next token. */
static bool make_room(mw__shared_meter *meter)
{
    mw__bucket *own = &meter->own;
    if (meter->room == own->count || own->taken < meter->room)
        return true;
    uint32_t room = meter->room > 0 ? meter->room : LEAST_ROOM / 2;
    room = room < own->count / 2 ? room * 2 : own->count;
    int64_t *times = realloc(meter->times, room * sizeof *times);
    if (!times)
        return false;
    meter->times = times;
    meter->room = room;
    return true;
}

static void take_own(mw__shared_meter *meter, int64_t now)
{
    if (meter->base.limit.concurrency > 0)
        meter->running++;
    if (meter->own.count == 0)
        return;
    if (!make_room(meter))
        meter->own.taken = 0; /* forgotten: memory is short, and a pause of all would not help */
    if (meter->room > 0)
        meter->times[mw__bucket_take(&meter->own)] = now;
}

/* ---- taking ---- */

/* Whether a meter lets one more go, by the numbers of the file or of this process. */
static bool is_ready(mw__bucket *bucket, const mw__slots *slots, double places, uint32_t most,
                     int64_t now, mw__denial *denial)
{
    if (!mw__bucket_ready(bucket, slots, now, &denial->until)) {
        denial->reason = bucket->paused_us >= denial->until ? MW_WAIT_REFUSED : MW_WAIT_LIMIT;
        return false;
    }
    if (most > 0 && places >= most) {
        denial->reason = MW_WAIT_CONCURRENCY;
        denial->until = now + FULL_US;
        return false;
    }
    return true;
}

static bool take_alone(mw__meter *const *list, size_t count, int64_t now, mw__denial *denial)
{
    for (size_t i = 0; i < count; i++) {
        mw__shared_meter *meter = mw__shared_meter_of(list[i]);
        mw__slots slots = own_slots(meter);
        denial->meter = i;
        if (!is_ready(&meter->own, &slots, meter->running, meter->base.limit.concurrency, now,
                      denial))
            return false;
    }
    return true;
}

/* Places that are taken; when there are none left, after those of the dead have come back. */
static int count_places(mw__shared_meter *meter, int64_t now, double *places)
{
    *places = 0;
    if (meter->base.limit.concurrency == 0)
        return SQLITE_OK;
    int code = SQLITE_OK;
    if (meter->owed > 0)
        code = mw__shared_hold(meter, -(int64_t)meter->owed);
    if (code == SQLITE_OK)
        code = mw__shared_places(meter, places);
    if (code != SQLITE_OK || *places < meter->base.limit.concurrency || now < meter->look_us)
        return code;
    meter->look_us = now + LOOK_US;
    code = mw__shared_drop_dead(meter);
    return code == SQLITE_OK ? mw__shared_places(meter, places) : code;
}

/* Without, there is nothing to write: it is there for pauses alone. */
static bool has_limit(const mw__shared_meter *meter)
{
    return meter->own.count > 0 || meter->base.limit.concurrency > 0;
}

/* Whether all of the list are ready, by the file, which the transaction has for itself. */
static int look_at(mw__meter *const *list, size_t count, int64_t now, bool *ready,
                   mw__denial *denial)
{
    int code = SQLITE_OK;
    *ready = true;
    for (size_t i = 0; i < count && *ready && code == SQLITE_OK; i++) {
        mw__shared_meter *meter = mw__shared_meter_of(list[i]);
        mw__slots slots = mw__shared_slots(meter);
        double places;
        denial->meter = i;
        code = mw__shared_load(meter, now, has_limit(meter));
        if (code == SQLITE_OK)
            code = count_places(meter, now, &places);
        if (code == SQLITE_OK) {
            *ready = is_ready(&meter->bucket, &slots, places, meter->base.limit.concurrency, now,
                              denial);
            code = meter->set->slot_code;
        }
    }
    return code;
}

static int write_down(mw__meter *const *list, size_t count, int64_t now)
{
    int code = SQLITE_OK;
    for (size_t i = 0; i < count && code == SQLITE_OK; i++) {
        mw__shared_meter *meter = mw__shared_meter_of(list[i]);
        if (meter->bucket.count > 0)
            code = mw__shared_set_slot(meter, mw__bucket_take(&meter->bucket), now);
        if (code == SQLITE_OK && meter->base.limit.concurrency > 0)
            code = mw__shared_hold(meter, 1);
        if (code == SQLITE_OK && has_limit(meter))
            code = mw__shared_save(meter, now);
    }
    return code;
}

static void forget_debts(mw__meter *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mw__shared_meter_of(list[i])->owed = 0;
}

/* What a denied look has changed (places of the dead, debts) is kept, too. */
static bool take_shared(mw__shared *set, mw__meter *const *list, size_t count, int64_t *now,
                        mw__denial *denial)
{
    bool ready = false;
    int code = mw__shared_begin(set, now);
    if (code == SQLITE_OK)
        code = look_at(list, count, *now, &ready, denial);
    if (code == SQLITE_OK && ready)
        code = write_down(list, count, *now);
    if (code == SQLITE_OK)
        code = mw__shared_commit(set);
    if (code == SQLITE_OK)
        forget_debts(list, ready ? count : denial->meter + 1);
    else
        *denial = (mw__denial){.reason = MW_WAIT_LIMIT, .until = *now + BUSY_US};
    conclude(set, code);
    return code == SQLITE_OK && ready;
}

bool mw__shared_take(mw__meters *meters, mw__meter *const *list, size_t count, int64_t now,
                     mw__denial *denial)
{
    mw__shared *set = mw__shared_of(meters);
    bool taken = is_shared(set) && take_shared(set, list, count, &now, denial);
    if (!taken && !set->file.db) /* it may have failed just now */
        taken = take_alone(list, count, now, denial);
    for (size_t i = 0; taken && i < count; i++)
        take_own(mw__shared_meter_of(list[i]), now);
    return taken;
}

/* ---- giving back ---- */

void mw__shared_pay(mw__shared *set, mw__meter *const *list, size_t count)
{
    int64_t now = mw_loop_now(set->loop);
    if (!is_shared(set))
        return;
    int code = mw__shared_begin(set, &now);
    for (size_t i = 0; i < count && code == SQLITE_OK; i++) {
        mw__shared_meter *meter = mw__shared_meter_of(list[i]);
        if (meter->owed > 0)
            code = mw__shared_load(meter, now, false);
        if (code == SQLITE_OK && meter->owed > 0 && meter->id > 0)
            code = mw__shared_hold(meter, -(int64_t)meter->owed);
    }
    if (code == SQLITE_OK)
        code = mw__shared_commit(set);
    if (code == SQLITE_OK)
        forget_debts(list, count);
    conclude(set, code);
}

void mw__shared_give(mw__meters *meters, mw__meter *const *list, size_t count)
{
    bool owes = false;
    for (size_t i = 0; i < count; i++) {
        mw__shared_meter *meter = mw__shared_meter_of(list[i]);
        if (meter->running == 0)
            continue;
        meter->running--;
        meter->owed++;
        owes = true;
    }
    if (owes)
        mw__shared_pay(mw__shared_of(meters), list, count);
}

/* ---- refusals, forecasts ---- */

void mw__shared_refused(mw__meter *base, int64_t now, int64_t since, int64_t until)
{
    mw__shared_meter *meter = mw__shared_meter_of(base);
    mw__shared *set = meter->set;
    until = until < now + MOST_PAUSE_US ? until : now + MOST_PAUSE_US;
    if (is_shared(set)) {
        mw__slots slots = mw__shared_slots(meter);
        int64_t waited = 0;
        int code = mw__shared_begin(set, &waited);
        if (code == SQLITE_OK)
            code = mw__shared_load(meter, now, true);
        if (code == SQLITE_OK) {
            mw__bucket_refused(&meter->bucket, &slots, now, since, until);
            code = set->slot_code;
        }
        if (code == SQLITE_OK)
            code = mw__shared_save(meter, now);
        if (code == SQLITE_OK)
            code = mw__shared_commit(set);
        conclude(set, code);
    }
    if (!set->file.db) {
        mw__slots slots = own_slots(meter);
        mw__bucket_refused(&meter->own, &slots, now, since, until);
    } else if (until > meter->own.paused_us) {
        meter->own.paused_us =
            until; /* what the file could not take is taken there with the next take */
    }
}

/* Reads the meter outside of a transaction. */
static bool peek(mw__shared_meter *meter, int64_t now)
{
    mw__shared *set = meter->set;
    if (!is_shared(set))
        return false;
    set->patient_until_us = 0;
    int code = mw__shared_load(meter, now, false);
    if (code != SQLITE_OK)
        conclude(set, code);
    return code == SQLITE_OK;
}

int64_t mw__shared_when(mw__meter *base, int64_t now, uint32_t more)
{
    mw__shared_meter *meter = mw__shared_meter_of(base);
    mw__slots own = own_slots(meter);
    mw__slots slots = mw__shared_slots(meter);
    if (peek(meter, now))
        return mw__bucket_when(&meter->bucket, &slots, now, more);
    return mw__bucket_when(&meter->own, &own, now, more);
}

uint32_t mw__shared_allowed(mw__meter *base)
{
    mw__shared_meter *meter = mw__shared_meter_of(base);
    bool shared = peek(meter, mw_loop_now(meter->set->loop));
    return shared ? meter->bucket.allowed : meter->own.allowed;
}

/* meters_shared_private.h: what meters_shared.c (opening and closing), meters_shared_take.c (taking and giving) and
 * meters_shared_file.c (the file and its rows) share. Loop's thread. */
#ifndef MW_METERS_SHARED_PRIVATE_H
#define MW_METERS_SHARED_PRIVATE_H

#include <sys/types.h>

#include "database.h"
#include "loop_private.h"
#include "meters.h"

typedef struct mw__shared mw__shared;

typedef enum mw__shared_query {
    MW_Q_BEGIN,
    MW_Q_COMMIT,
    MW_Q_ROLLBACK,
    MW_Q_LOAD,
    MW_Q_ADD,
    MW_Q_SAVE,
    MW_Q_SLOT,
    MW_Q_SET_SLOT,
    MW_Q_PLACES,
    MW_Q_HOLD,
    MW_Q_DROP_DEAD,
    MW_QUERIES
} mw__shared_query;

/* A meter. Beside the numbers in the file it keeps a bucket of what this process alone has taken, to go on with when
 * the file fails. */
typedef struct mw__shared_meter mw__shared_meter;
struct mw__shared_meter {
    mw__meter base; /* first */
    mw__shared *set;
    mw__shared_meter *next;
    unsigned users;
    mw__bucket own;
    int64_t *times;    /* when the tokens of `own` were taken */
    uint32_t room;     /* slots in `times`; grows up to `own.count` */
    uint32_t running;  /* places that this process has */
    uint32_t owed;     /* places that it has given back, but the file does not know yet */
    int64_t look_us;   /* the dead are not looked for before */
    int64_t id;        /* as of the last mw__shared_load; 0: not in the file */
    mw__bucket bucket; /* likewise */
    size_t key_length;
    char key[];
};

/* A file of limits that is open on a loop. */
struct mw__shared {
    mw__meters base; /* first */
    mw__closer closer;
    mw_loop *loop;
    mw__database file; /* closed: it has failed, limits are this process's own */
    dev_t device;
    ino_t inode;
    sqlite3_stmt *queries[MW_QUERIES];
    int slot_code;            /* what has failed in mw__shared_slots, or SQLITE_OK */
    int64_t now;              /* of what is being done */
    int64_t patient_until_us; /* nobody is waited for any longer */
    unsigned failed;          /* times in a row that the file could not be had */
    mw__shared_meter *meters;
    int64_t pid, start; /* of this process */
};

static inline mw__shared *mw__shared_of(mw__meters *meters)
{
    return (mw__shared *)meters;
}

static inline mw__shared_meter *mw__shared_meter_of(mw__meter *meter)
{
    return (mw__shared_meter *)meter;
}

/* The functions of mw__meters_kind. */
bool mw__shared_take(mw__meters *meters, mw__meter *const *list, size_t count, int64_t now,
                     mw__denial *denial);
void mw__shared_give(mw__meters *meters, mw__meter *const *list, size_t count);
void mw__shared_refused(mw__meter *base, int64_t now, int64_t since, int64_t until);
int64_t mw__shared_when(mw__meter *base, int64_t now, uint32_t more);
uint32_t mw__shared_allowed(mw__meter *base);

/* Writes what meters owe; what can't be written now is written with what comes next. */
void mw__shared_pay(mw__shared *set, mw__meter *const *list, size_t count);

/* Opens the file of a zeroed set with its loop, and tidies it up. MW_MEMORY, or MW_INVALID with `error`; nothing to
 * close then. */
int mw__shared_open(mw__shared *set, const char *path, mw_error *error);
void mw__shared_close(mw__shared *set);

/* ---- rows (meters_shared_file.c) ----
 *
 * All return SQLite's codes: SQLITE_OK when it is done. */

/* Begins and ends a transaction that writes. To begin takes as long as others write (not for ever: SQLITE_BUSY);
 * `*now` becomes the time when it is over. */
int mw__shared_begin(mw__shared *set, int64_t *now);
int mw__shared_commit(mw__shared *set);
void mw__shared_rollback(mw__shared *set);

/* Reads a meter, and puts it into the file first if it is missing and `add` says so: only within a transaction. Numbers
 * that can't be are set right. */
int mw__shared_load(mw__shared_meter *meter, int64_t now, bool add);
int mw__shared_save(const mw__shared_meter *meter, int64_t now);

/* The times of a meter's tokens in the file, after mw__shared_load; look at `slot_code` afterwards. */
mw__slots mw__shared_slots(mw__shared_meter *meter);
int mw__shared_set_slot(const mw__shared_meter *meter, uint32_t slot, int64_t at);

/* Places that are taken, in all processes. */
int mw__shared_places(const mw__shared_meter *meter, double *places);
/* More of them (or less) for this process. */
int mw__shared_hold(const mw__shared_meter *meter, int64_t more);
/* Takes their places from processes that have ended. */
int mw__shared_drop_dead(const mw__shared_meter *meter);

#endif

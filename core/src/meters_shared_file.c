/* meters_shared_file.c: owns the file in which processes share meters: its tables, its rows, its locks. Must not know
 * when a token may be taken. Loop's thread.
 *
 * Times are microseconds since the machine was started; what was written before that is removed when the file is
 * opened. A time too far ahead (a damaged file, or somebody's prank) counts as not there, so that it stops nobody for
 * ever. */
#include "meters_shared_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"

#define DAY_US (INT64_C(24) * 3600 * 1000 * 1000)
#define SLACK_US (INT64_C(60) * 1000 * 1000) /* between the times that two processes know */
#define PATIENCE_US 100000                   /* the loop stands still meanwhile */
#define LESS_PATIENCE_US 5000                /* after it was to no avail */
#define NAP_NS 50000

static const mw__database_kind limits_file = {
    .what = "limits",
    .application = 1836541037, /* "mwdm" */
    .version = 1,
    .schema =
        "CREATE TABLE machine (boot TEXT NOT NULL) STRICT;"
        "CREATE TABLE meters (id INTEGER PRIMARY KEY, key TEXT NOT NULL, count INTEGER NOT NULL, "
        "window_us INTEGER NOT NULL, concurrency INTEGER NOT NULL, taken INTEGER NOT NULL, "
        "allowed INTEGER NOT NULL, learnt_us INTEGER NOT NULL, paused_us INTEGER NOT NULL, "
        "used_us INTEGER NOT NULL, UNIQUE (key, count, window_us, concurrency)) STRICT;"
        "CREATE TABLE tokens (meter INTEGER NOT NULL, slot INTEGER NOT NULL, at_us INTEGER NOT "
        "NULL, PRIMARY KEY (meter, slot)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE places (meter INTEGER NOT NULL, pid INTEGER NOT NULL, start INTEGER NOT "
        "NULL, n INTEGER NOT NULL, PRIMARY KEY (meter, pid, start)) STRICT, WITHOUT ROWID",
    .foreign = "it is not a file of limits; give another file",
    .damaged = "it is damaged; remove it",
    .locked = "another process keeps it locked; end that one, or give another file",
    .longest = 65536,
    .patience_ms = 2000,
};

static const char *const texts[MW_QUERIES] = {
    [MW_Q_BEGIN] = "BEGIN IMMEDIATE",
    [MW_Q_COMMIT] = "COMMIT",
    [MW_Q_ROLLBACK] = "ROLLBACK",
    [MW_Q_LOAD] = "SELECT id, taken, allowed, learnt_us, paused_us FROM meters"
                  " WHERE key = ?1 AND count = ?2 AND window_us = ?3 AND concurrency = ?4",
    [MW_Q_ADD] =
        "INSERT INTO meters (key, count, window_us, concurrency, taken, allowed, learnt_us, "
        "paused_us, used_us) VALUES (?1, ?2, ?3, ?4, 0, ?2, 0, 0, ?5)",
    [MW_Q_SAVE] = "UPDATE meters SET taken = ?2, allowed = ?3, learnt_us = ?4, paused_us = ?5,"
                  " used_us = ?6 WHERE id = ?1",
    [MW_Q_SLOT] = "SELECT at_us FROM tokens WHERE meter = ?1 AND slot = ?2",
    [MW_Q_SET_SLOT] = "INSERT INTO tokens (meter, slot, at_us) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (meter, slot) DO UPDATE SET at_us = excluded.at_us",
    [MW_Q_PLACES] = "SELECT total(n) FROM places WHERE meter = ?1 AND n > 0",
    [MW_Q_HOLD] = "INSERT INTO places (meter, pid, start, n) VALUES (?1, ?2, ?3, max(?4, 0))"
                  " ON CONFLICT (meter, pid, start) DO UPDATE SET n = max(n + ?4, 0)",
    [MW_Q_DROP_DEAD] = "DELETE FROM places WHERE meter = ?1 AND NOT is_alive(pid, start)",
};

static int64_t at_most(int64_t number, int64_t most)
{
    return number > most ? most : number;
}

static int64_t at_least(int64_t number, int64_t least)
{
    return number < least ? least : number;
}

/* ---- running what is prepared ---- */

static int bind_numbers(const mw__shared *set, mw__shared_query query, int first,
                        const int64_t *numbers, int count)
{
    int code = SQLITE_OK;
    for (int i = 0; i < count && code == SQLITE_OK; i++)
        code = set->file.lib->bind_int64(set->queries[query], first + i, numbers[i]);
    return code;
}

/* Runs a query that gives nothing. */
static int run(const mw__shared *set, mw__shared_query query)
{
    int code = set->file.lib->step(set->queries[query]);
    set->file.lib->reset(set->queries[query]);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int run_with(const mw__shared *set, mw__shared_query query, const int64_t *numbers, int count)
{
    int code = bind_numbers(set, query, 1, numbers, count);
    return code == SQLITE_OK ? run(set, query) : code;
}

#define RUN_WITH(set, query, ...)                                                                  \
    run_with((set), (query), (const int64_t[]){__VA_ARGS__},                                       \
             (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))

/* ---- transactions ---- */

static int wait_a_little(void *ud, int times)
{
    const mw__shared *set = ud;
    (void)times;
    if (mw_loop_now(set->loop) >= set->patient_until_us)
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    return 1;
}

int mw__shared_begin(mw__shared *set, int64_t *now)
{
    int64_t patience = set->failed > 0 ? LESS_PATIENCE_US : PATIENCE_US;
    set->patient_until_us = mw_loop_now(set->loop) + patience;
    int code = run(set, MW_Q_BEGIN);
    *now = at_least(*now, mw_loop_now(set->loop));
    return code;
}

int mw__shared_commit(mw__shared *set)
{
    return run(set, MW_Q_COMMIT);
}

void mw__shared_rollback(mw__shared *set)
{
    run(set, MW_Q_ROLLBACK);
}

/* ---- meters ---- */

static int bind_key(const mw__shared_meter *meter, mw__shared_query query)
{
    const mw__shared *set = meter->set;
    const int64_t limit[] = {meter->own.count, meter->own.window_us, meter->base.limit.concurrency};
    int code = set->file.lib->bind_text64(set->queries[query], 1, meter->key, meter->key_length,
                                          SQLITE_STATIC, SQLITE_UTF8);
    return code == SQLITE_OK ? bind_numbers(set, query, 2, limit, 3) : code;
}

/* What the row says, as far as it can be true. */
static void read_row(mw__shared_meter *meter, int64_t now)
{
    const mw__shared *set = meter->set;
    sqlite3_stmt *row = set->queries[MW_Q_LOAD];
    mw__bucket *bucket = &meter->bucket;
    meter->id = set->file.lib->column_int64(row, 0);
    bucket->taken = (uint64_t)at_least(set->file.lib->column_int64(row, 1), 0);
    int64_t allowed = at_most(set->file.lib->column_int64(row, 2), bucket->count);
    bucket->allowed = (uint32_t)at_least(allowed, bucket->count > 0 ? 1 : 0);
    bucket->learnt_us = at_most(at_least(set->file.lib->column_int64(row, 3), 0), now);
    int64_t paused = set->file.lib->column_int64(row, 4);
    if (paused <= now + DAY_US + SLACK_US)
        bucket->paused_us = at_least(paused, 0);
}

int mw__shared_load(mw__shared_meter *meter, int64_t now, bool add)
{
    mw__shared *set = meter->set;
    set->now = now;
    set->slot_code = SQLITE_OK;
    meter->id = 0;
    meter->bucket = (mw__bucket){
        .count = meter->own.count, .window_us = meter->own.window_us, .allowed = meter->own.count};
    int code = bind_key(meter, MW_Q_LOAD);
    if (code == SQLITE_OK)
        code = set->file.lib->step(set->queries[MW_Q_LOAD]);
    if (code == SQLITE_ROW)
        read_row(meter, now);
    set->file.lib->reset(set->queries[MW_Q_LOAD]);
    if (code == SQLITE_DONE && add) {
        code = bind_key(meter, MW_Q_ADD);
        if (code == SQLITE_OK)
            code = bind_numbers(set, MW_Q_ADD, 5, &now, 1);
        if (code == SQLITE_OK)
            code = run(set, MW_Q_ADD);
        meter->id = set->file.lib->last_insert_rowid(set->file.db);
    }
    /* A refusal that could not be written is written with what comes next. */
    meter->bucket.paused_us = at_least(meter->bucket.paused_us, meter->own.paused_us);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

int mw__shared_save(const mw__shared_meter *meter, int64_t now)
{
    const mw__bucket *bucket = &meter->bucket;
    return RUN_WITH(meter->set, MW_Q_SAVE, meter->id, (int64_t)bucket->taken, bucket->allowed,
                    bucket->learnt_us, at_most(bucket->paused_us, now + DAY_US), now);
}

static int64_t get_slot(void *ud, uint32_t slot)
{
    const mw__shared_meter *meter = ud;
    mw__shared *set = meter->set;
    sqlite3_stmt *query = set->queries[MW_Q_SLOT];
    int64_t at = 0;
    int code = bind_numbers(set, MW_Q_SLOT, 1, (const int64_t[]){meter->id, slot}, 2);
    if (code == SQLITE_OK)
        code = set->file.lib->step(query);
    if (code == SQLITE_ROW)
        at = set->file.lib->column_int64(query, 0);
    else if (code != SQLITE_DONE && set->slot_code == SQLITE_OK)
        set->slot_code = code;
    set->file.lib->reset(query);
    return at < 0 || at > set->now + meter->bucket.window_us ? 0 : at;
}

mw__slots mw__shared_slots(mw__shared_meter *meter)
{
    return (mw__slots){.get = get_slot, .ud = meter};
}

int mw__shared_set_slot(const mw__shared_meter *meter, uint32_t slot, int64_t at)
{
    return RUN_WITH(meter->set, MW_Q_SET_SLOT, meter->id, slot, at);
}

/* ---- places ---- */

int mw__shared_places(const mw__shared_meter *meter, double *places)
{
    const mw__shared *set = meter->set;
    sqlite3_stmt *query = set->queries[MW_Q_PLACES];
    int code = bind_numbers(set, MW_Q_PLACES, 1, &meter->id, 1);
    if (code == SQLITE_OK)
        code = set->file.lib->step(query);
    if (code == SQLITE_ROW)
        *places = set->file.lib->column_double(query, 0);
    set->file.lib->reset(query);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

int mw__shared_hold(const mw__shared_meter *meter, int64_t more)
{
    return RUN_WITH(meter->set, MW_Q_HOLD, meter->id, meter->set->pid, meter->set->start, more);
}

int mw__shared_drop_dead(const mw__shared_meter *meter)
{
    return RUN_WITH(meter->set, MW_Q_DROP_DEAD, meter->id);
}

/* ---- opening ---- */

/* is_alive(pid, start) */
static void is_alive(sqlite3_context *context, int count, sqlite3_value **values)
{
    const mw__sqlite *lib = mw__sqlite_get(NULL);
    (void)count;
    lib->result_int(context,
                    mw__proc_alive(lib->value_int64(values[0]), lib->value_int64(values[1])));
}

/* Removes what is of an earlier run of the machine, and what nobody has used for long. */
static int tidy_up(mw__shared *set, const char *boot)
{
    char sql[1024];
    int64_t now = mw_loop_now(set->loop);
    int code = mw__database_run(&set->file, "BEGIN IMMEDIATE");
    if (code != SQLITE_OK)
        return code;
    code = mw__database_expect(&set->file, "SELECT boot FROM machine", boot);
    if (code == SQLITE_NOTADB) {
        snprintf(sql, sizeof sql,
                 "DELETE FROM machine; DELETE FROM meters; INSERT INTO machine VALUES ('%s')", boot);
        code = mw__database_run(&set->file, sql);
    }
    snprintf(sql, sizeof sql,
             "DELETE FROM meters WHERE used_us > %" PRId64 " OR used_us < %" PRId64
             " - max(window_us, %" PRId64 ");"
             "DELETE FROM tokens WHERE meter NOT IN (SELECT id FROM meters);"
             "DELETE FROM places WHERE meter NOT IN (SELECT id FROM meters)"
             " OR NOT is_alive(pid, start)",
             now + DAY_US, now, DAY_US);
    if (code == SQLITE_OK)
        code = mw__database_run(&set->file, sql);
    if (code == SQLITE_OK)
        code = mw__database_run(&set->file, "COMMIT");
    if (code != SQLITE_OK)
        mw__database_run(&set->file, "ROLLBACK");
    return code;
}

static int prepare(mw__shared *set)
{
    const mw__sqlite *lib = set->file.lib;
    int code = SQLITE_OK;
    for (int i = 0; i < MW_QUERIES && code == SQLITE_OK; i++)
        code = lib->prepare_v3(set->file.db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &set->queries[i], NULL);
    return code == SQLITE_OK ? lib->busy_handler(set->file.db, wait_a_little, set) : code;
}

/* What is written may be lost with the power, for then the machine starts anew. */
static int set_up(mw__shared *set, const char *boot)
{
    int code = set->file.lib->create_function_v2(set->file.db, "is_alive", 2,
                                                 SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, is_alive,
                                                 NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = mw__database_run(&set->file, "PRAGMA synchronous = OFF");
    if (code == SQLITE_OK)
        code = tidy_up(set, boot);
    return code == SQLITE_OK ? prepare(set) : code;
}

int mw__shared_open(mw__shared *set, const char *path, mw_error *error)
{
    char boot[MW_BOOT_ID];
    struct stat info;
    set->pid = getpid();
    if (!mw__proc_boot(boot) || !mw__proc_start(set->pid, &set->start) || strchr(boot, '\''))
        return mw_error_set(error, MW_INVALID, "path",
                            "can't open '%.300s': /proc does not say what process this is; mount "
                            "it, or don't share limits",
                            path);
    int rc = mw__database_open(&set->file, &limits_file, path, false, error);
    if (rc != MW_OK)
        return rc;
    int code = set_up(set, boot);
    if (code != SQLITE_OK)
        rc = mw__database_fail(&set->file, "open", code, error);
    else if (stat(set->file.path, &info) != 0)
        rc = mw__database_refuse(&set->file, "open", "it has been removed; open it again", error);
    if (rc != MW_OK) {
        mw__shared_close(set);
        return rc;
    }
    set->device = info.st_dev;
    set->inode = info.st_ino;
    return MW_OK;
}

void mw__shared_close(mw__shared *set)
{
    for (int i = 0; set->file.db && i < MW_QUERIES; i++) {
        set->file.lib->finalize(set->queries[i]);
        set->queries[i] = NULL;
    }
    mw__database_close(&set->file);
}

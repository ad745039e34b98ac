/* journal.c: owns the entries of a journal, and who has one in hand. Must not know calls, nor the format of the
 * file. One thread at a time for each journal. */
#define _GNU_SOURCE
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "journal_private.h"

/* ---- who has it in hand ---- */

static uint64_t lock_of(const char *server, const char *key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = server; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    hash = (hash ^ 0xFF) * 0x100000001b3u; /* in no UTF-8 */
    for (const char *c = key; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return hash >> 2; /* a place in a file */
}

static int set_lock(const mw__journal *journal, uint64_t place, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)place, .l_len = 1};
    if (journal->file.in_memory)
        return 0;
    return fcntl(journal->locks, F_OFD_SETLK, &lock);
}

/* The locks of one descriptor do not exclude each other. */
static bool is_held(const mw__journal *journal, uint64_t lock)
{
    const mw__journal_entry *entry = journal->held;
    while (entry && entry->lock != lock)
        entry = entry->next;
    return entry != NULL;
}

static int hold(mw__journal *journal, const char *key, mw__journal_entry *entry, mw_error *error)
{
    bool busy = is_held(journal, entry->lock);
    if (!busy && set_lock(journal, entry->lock, F_WRLCK) != 0) {
        busy = errno == EAGAIN || errno == EACCES;
        if (!busy)
            return mw__database_refuse(&journal->file, "lock", strerror(errno), error);
    }
    if (busy)
        return mw_error_set(error, MW_INVALID, "once",
                            "another call with the key '%s' is under way; wait until it has ended, "
                            "then call again",
                            key);
    entry->next = journal->held;
    entry->prev = &journal->held;
    if (entry->next)
        entry->next->prev = &entry->next;
    journal->held = entry;
    return MW_OK;
}

void mw__journal_release(mw__journal *journal, mw__journal_entry *entry)
{
    if (!entry->prev)
        return;
    *entry->prev = entry->next;
    if (entry->next)
        entry->next->prev = entry->prev;
    entry->prev = NULL;
    set_lock(journal, entry->lock, F_UNLCK);
}

/* ---- entries ---- */

static int finish_statement(const mw__journal *journal, sqlite3_stmt *statement, int code)
{
    journal->file.lib->reset(statement);
    journal->file.lib->clear_bindings(statement); /* nothing of the caller's is kept */
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

static int bind_key(const mw__journal *journal, sqlite3_stmt *statement, const char *server,
                    const char *key)
{
    int code = journal->file.lib->bind_text64(statement, 1, server, strlen(server), SQLITE_STATIC,
                                              SQLITE_UTF8);
    return code == SQLITE_OK ? journal->file.lib->bind_text64(statement, 2, key, strlen(key),
                                                              SQLITE_STATIC, SQLITE_UTF8)
                             : code;
}

static int copy_body(const mw__journal *journal, mw__journal_entry *entry)
{
    if (journal->file.lib->column_type(journal->find, 5) == SQLITE_NULL)
        return SQLITE_OK;
    const char *body = (const char *)journal->file.lib->column_text(journal->find, 5);
    size_t length = (size_t)journal->file.lib->column_bytes(journal->find, 5);
    if (!body)
        return SQLITE_NOMEM;
    if (length > MW_JOURNAL_MAX_BODY)
        return SQLITE_CORRUPT;
    entry->body = malloc(length + 1);
    if (!entry->body)
        return SQLITE_NOMEM;
    memcpy(entry->body, body, length);
    entry->body[length] = '\0';
    entry->length = length;
    return SQLITE_OK;
}

/* A time of the file: what can't be is set right. */
static int64_t time_at(const mw__journal *journal, int column)
{
    int64_t at = journal->file.lib->column_int64(journal->find, column);
    int64_t now = (int64_t)time(NULL);
    return at < 0 ? 0 : at < now ? at : now;
}

/* Reads the entry into `entry`, whose id is 0 when there is none. */
static int find_entry(const mw__journal *journal, const char *server, const char *key,
                      mw__journal_entry *entry, uint64_t *what)
{
    const mw__sqlite *lib = journal->file.lib;
    entry->id = 0;
    int code = bind_key(journal, journal->find, server, key);
    if (code == SQLITE_OK)
        code = lib->step(journal->find);
    if (code == SQLITE_ROW) {
        entry->id = lib->column_int64(journal->find, 0);
        *what = (uint64_t)lib->column_int64(journal->find, 1);
        entry->began = time_at(journal, 2);
        entry->sent = time_at(journal, 3);
        bool done = lib->column_type(journal->find, 4) != SQLITE_NULL;
        entry->state = done ? MW__JOURNAL_DONE : MW__JOURNAL_OPEN;
        code = done ? copy_body(journal, entry) : SQLITE_OK;
    }
    return finish_statement(journal, journal->find, code);
}

static int add_entry(const mw__journal *journal, const char *server, const char *key, uint64_t what,
                     mw__journal_entry *entry)
{
    const mw__sqlite *lib = journal->file.lib;
    entry->state = MW__JOURNAL_NEW;
    entry->began = (int64_t)time(NULL);
    entry->sent = entry->began;
    int code = bind_key(journal, journal->add, server, key);
    if (code == SQLITE_OK)
        code = lib->bind_int64(journal->add, 3, (sqlite3_int64)what);
    if (code == SQLITE_OK)
        code = lib->bind_int64(journal->add, 4, entry->began);
    if (code == SQLITE_OK)
        code = lib->step(journal->add);
    if (code == SQLITE_DONE)
        entry->id = lib->last_insert_rowid(journal->file.db);
    return finish_statement(journal, journal->add, code);
}

/* Within a transaction. MW_OK: it may be committed. */
static int take_up(mw__journal *journal, const char *server, const char *key, uint64_t what,
                   mw__journal_entry *entry, mw_error *error)
{
    uint64_t before = what;
    int code = find_entry(journal, server, key, entry, &before);
    if (code != SQLITE_OK)
        return mw__database_fail(&journal->file, "read", code, error);
    if (entry->id && before != what)
        return mw_error_set(error, MW_INVALID, "once",
                            "the key '%s' was used before for something else: another operation, "
                            "account, path or other parameters; give each thing that is to be made "
                            "a key of its own",
                            key);
    if (entry->id && entry->state == MW__JOURNAL_DONE)
        return MW_OK;
    int rc = hold(journal, key, entry, error);
    if (rc != MW_OK || entry->id)
        return rc;
    code = add_entry(journal, server, key, what, entry);
    return code == SQLITE_OK ? MW_OK : mw__database_fail(&journal->file, "write", code, error);
}

/* Whether others who open the file come to this one, and meet here. */
static bool is_in_place(const mw__journal *journal)
{
    struct stat info;
    if (journal->file.in_memory)
        return true;
    return mw__database_is_in_place(&journal->file) && fstat(journal->locks, &info) == 0 &&
           info.st_nlink > 0;
}

int mw__journal_begin(mw__journal *journal, const char *server, const char *key, uint64_t what,
                      mw__journal_entry *entry, mw_error *error)
{
    *entry = (mw__journal_entry){.lock = lock_of(server, key)};
    if (!is_in_place(journal))
        return mw__database_refuse(&journal->file, "use",
                                   "it, or the file -lock beside it, has been moved, removed or "
                                   "replaced since it was opened; start again",
                                   error);
    int code = mw__database_run(&journal->file, "BEGIN IMMEDIATE");
    if (code != SQLITE_OK)
        return mw__database_fail(&journal->file, "write", code, error);
    int rc = take_up(journal, server, key, what, entry, error);
    if (rc == MW_OK) {
        code = mw__database_run(&journal->file, "COMMIT");
        rc = code == SQLITE_OK ? MW_OK : mw__database_fail(&journal->file, "write", code, error);
    }
    if (rc == MW_OK)
        return MW_OK;
    mw__database_run(&journal->file, "ROLLBACK");
    mw__journal_release(journal, entry);
    free(entry->body);
    entry->body = NULL;
    return rc;
}

int mw__journal_again(mw__journal *journal, mw__journal_entry *entry, mw_error *error)
{
    entry->sent = (int64_t)time(NULL);
    int code = journal->file.lib->bind_int64(journal->again, 1, entry->id);
    if (code == SQLITE_OK)
        code = journal->file.lib->bind_int64(journal->again, 2, entry->sent);
    if (code == SQLITE_OK)
        code = journal->file.lib->step(journal->again);
    code = finish_statement(journal, journal->again, code);
    return code == SQLITE_OK ? MW_OK : mw__database_fail(&journal->file, "write", code, error);
}

int mw__journal_done(mw__journal *journal, mw__journal_entry *entry, const char *body, size_t length)
{
    const mw__sqlite *lib = journal->file.lib;
    int code = lib->bind_int64(journal->finish, 1, entry->id);
    if (code == SQLITE_OK)
        code = lib->bind_int64(journal->finish, 2, (sqlite3_int64)time(NULL));
    if (code == SQLITE_OK && length <= MW_JOURNAL_MAX_BODY)
        code = lib->bind_text64(journal->finish, 3, body, length, SQLITE_STATIC, SQLITE_UTF8);
    if (code == SQLITE_OK)
        code = lib->step(journal->finish);
    code = finish_statement(journal, journal->finish, code);
    mw__journal_release(journal, entry);
    return code == SQLITE_OK ? MW_OK : mw__database_fail(&journal->file, "write", code, NULL);
}

int mw__journal_drop(mw__journal *journal, mw__journal_entry *entry)
{
    int code = journal->file.lib->bind_int64(journal->remove, 1, entry->id);
    if (code == SQLITE_OK)
        code = journal->file.lib->step(journal->remove);
    code = finish_statement(journal, journal->remove, code);
    mw__journal_release(journal, entry);
    return code == SQLITE_OK ? MW_OK : mw__database_fail(&journal->file, "write", code, NULL);
}

/* journal_file.c: owns files of journals: what is in them, opening and closing. Must not know what an entry is for. One
 * thread at a time for each journal. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "journal_private.h"
#include "mw/client.h"

#define LOCK_SUFFIX "-lock"
#define BUSY_MS 500 /* for each entry; a commit takes a few */

static const mw__database_kind kind = {
    .what = "a journal",
    .application = 1836541035, /* "mwdk" */
    .version = 1,
    .schema =
        "CREATE TABLE entries (id INTEGER PRIMARY KEY, server TEXT NOT NULL, key TEXT NOT NULL, "
        "what INTEGER NOT NULL, began INTEGER NOT NULL, sent INTEGER NOT NULL, ended INTEGER, "
        "body TEXT, UNIQUE (server, key)) STRICT",
    .foreign = "it is not a journal; give another file",
    .damaged = "it is damaged; put a copy in its place, or remove it: then nothing is known of what "
               "was made once",
    .locked = "another process does not let go of it; end that process, or give another file",
    .longest = MW_JOURNAL_MAX_BODY + 8192,
    .patience_ms = 5000};

/* Makes the folders of a file that are missing. */
static int make_folders(const char *path, mw_error *error)
{
    char *folder = strdup(path);
    int rc = folder ? MW_OK : mw_error_set(error, MW_MEMORY, "path", "out of memory");
    char *slash = rc == MW_OK && *folder ? strchr(folder + 1, '/') : NULL;
    for (; slash && rc == MW_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            rc = mw_error_set(error, MW_INVALID, "path", "can't make the folder '%.300s': %s",
                              folder, strerror(errno));
        *slash = '/';
    }
    free(folder);
    return rc;
}

/* Beside the file itself, however many links lead there: all who use it must meet. */
static int open_locks(mw__journal *journal, mw_error *error)
{
    char *whole = realpath(journal->file.path, NULL);
    if (!whole && errno != ENOMEM)
        return mw__database_refuse(&journal->file, "open", strerror(errno), error);
    size_t size = (whole ? strlen(whole) : 0) + sizeof LOCK_SUFFIX;
    char *path = whole ? malloc(size) : NULL;
    if (path)
        snprintf(path, size, "%s" LOCK_SUFFIX, whole);
    free(whole);
    if (!path)
        return mw__database_fail(&journal->file, "open", SQLITE_NOMEM, error);
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    journal->locks = open(path, flags, 0600);
    const char *reason = journal->locks < 0 ? strerror(errno) : NULL;
    free(path);
    struct stat info;
    if (!reason && (fstat(journal->locks, &info) != 0 || !S_ISREG(info.st_mode)))
        reason = "it is no regular file";
    if (!reason)
        return MW_OK;
    return mw__database_refuse(&journal->file, "open the file " LOCK_SUFFIX " of", reason, error);
}

static int prepare(mw__journal *journal)
{
    const struct {
        sqlite3_stmt **slot;
        const char *sql;
    } statements[] = {{&journal->find, "SELECT id, what, began, sent, ended, body FROM entries"
                                       " WHERE server = ?1 AND key = ?2"},
                      {&journal->add, "INSERT INTO entries (server, key, what, began, sent)"
                                      " VALUES (?1, ?2, ?3, ?4, ?4)"},
                      {&journal->again, "UPDATE entries SET sent = ?2 WHERE id = ?1"},
                      {&journal->finish, "UPDATE entries SET ended = ?2, body = ?3 WHERE id = ?1"},
                      {&journal->remove, "DELETE FROM entries WHERE id = ?1 AND ended IS NULL"}};
    const mw__database *file = &journal->file;
    int code = SQLITE_OK;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && code == SQLITE_OK; i++)
        code = file->lib->prepare_v2(file->db, statements[i].sql, -1, statements[i].slot, NULL);
    return code;
}

static int forget_old(const mw__journal *journal)
{
    char sql[96];
    snprintf(sql, sizeof sql, "DELETE FROM entries WHERE ended < %lld",
             (long long)time(NULL) - MW_JOURNAL_DAYS * 86400LL);
    return mw__database_run(&journal->file, sql);
}

static int open_all(mw__journal *journal, const char *path, mw_error *error)
{
    bool in_memory = strcmp(path, MW_JOURNAL_MEMORY) == 0;
    int rc = in_memory ? MW_OK : make_folders(path, error);
    if (rc == MW_OK)
        rc = mw__database_open(&journal->file, &kind, in_memory ? NULL : path, false, error);
    if (rc == MW_OK && !in_memory)
        rc = open_locks(journal, error);
    if (rc != MW_OK)
        return rc;
    /* From here on the event loop stands still while the file is locked. */
    int code = journal->file.lib->busy_timeout(journal->file.db, BUSY_MS);
    if (code == SQLITE_OK)
        code = mw__database_run(&journal->file, "PRAGMA synchronous = FULL");
    if (code == SQLITE_OK)
        code = prepare(journal);
    if (code == SQLITE_OK)
        code = forget_old(journal);
    return code == SQLITE_OK ? MW_OK : mw__database_fail(&journal->file, "open", code, error);
}

int mw__journal_open(const char *path, mw__journal **result, mw_error *error)
{
    *result = NULL;
    mw__journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        return mw_error_set(error, MW_MEMORY, "path", "can't open a journal: out of memory");
    journal->locks = -1;
    int rc = open_all(journal, path, error);
    if (rc == MW_OK)
        *result = journal;
    else
        mw__journal_close(journal);
    return rc;
}

void mw__journal_close(mw__journal *journal)
{
    if (!journal)
        return;
    sqlite3_stmt *const statements[] = {journal->find, journal->add, journal->again,
                                        journal->finish, journal->remove};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && journal->file.lib; i++)
        journal->file.lib->finalize(statements[i]);
    mw__database_close(&journal->file);
    if (journal->locks >= 0)
        close(journal->locks);
    free(journal);
}

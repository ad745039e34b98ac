/* database.c: owns opening, checking and closing of this program's own files of SQLite. Must not know what is in them.
 * One thread at a time for each file.
 *
 * The header of a file is read through SQLite's own descriptor, because closing any other one would drop the locks that
 * this process has on the file. */
#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEADER 100
#define MAGIC "SQLite format 3"
#define MOST_SQL 2048
#define NAP_MS 5
#define WAL_FORMAT 2 /* a part of it may still be in FILE-wal */

int mw__database_refuse(const mw__database *file, const char *verb, const char *reason,
                        mw_error *error)
{
    return mw_error_set(error, MW_INVALID, "path", "can't %s '%.300s': %s", verb, file->name,
                        reason);
}

const char *mw__database_reason(const mw__database *file, int code)
{
    int number = file->lib->system_errno(file->db);
    switch (code & 0xFF) {
    case SQLITE_NOMEM:
        return "out of memory";
    case SQLITE_BUSY:
        return file->kind->locked;
    case SQLITE_NOTADB:
        return file->kind->foreign;
    case SQLITE_CORRUPT:
        return file->kind->damaged;
    case SQLITE_FULL:
        return "the disk is full; make room and try again";
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (number == ENOSPC)
            return "the disk is full; make room and try again";
        return number ? strerror(number) : file->lib->errstr(code);
    default:
        return file->lib->errstr(code);
    }
}

int mw__database_fail(const mw__database *file, const char *verb, int code, mw_error *error)
{
    const char *reason = mw__database_reason(file, code);
    switch (code & 0xFF) {
    case SQLITE_NOMEM:
        return mw_error_set(error, MW_MEMORY, "path", "can't %s '%.300s': %s", verb, file->name,
                            reason);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (file->lib->system_errno(file->db) != ENOSPC)
            return mw_error_set(error, MW_INVALID, "path",
                                "can't %s '%.300s' or what has to be beside it: %s", verb,
                                file->name, reason);
        return mw__database_refuse(file, verb, reason, error);
    default:
        return mw__database_refuse(file, verb, reason, error);
    }
}

int mw__database_run(const mw__database *file, const char *sql)
{
    return file->lib->exec(file->db, sql, NULL, NULL, NULL);
}

int mw__database_expect(const mw__database *file, const char *sql, const char *wanted)
{
    sqlite3_stmt *query = NULL;
    int code = file->lib->prepare_v2(file->db, sql, -1, &query, NULL);
    if (code == SQLITE_OK)
        code = file->lib->step(query);
    if (code == SQLITE_ROW) {
        const char *text = (const char *)file->lib->column_text(query, 0);
        code = text && strcmp(text, wanted) == 0 ? SQLITE_OK : SQLITE_NOTADB;
    } else if (code == SQLITE_DONE) {
        code = SQLITE_NOTADB;
    }
    file->lib->finalize(query);
    return code;
}

bool mw__database_is_in_place(const mw__database *file)
{
    int moved = 1;
    int code = file->lib->file_control(file->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return code == SQLITE_OK && !moved;
}

/* ---- opening ---- */

/* Makes the file when it is missing: for its owner alone, as SQLite would not do it. */
static int make_file(const mw__database *file, mw_error *error)
{
    struct stat info;
    if (stat(file->path, &info) == 0) {
        if (!S_ISREG(info.st_mode))
            return mw__database_refuse(file, "open", "it is no regular file", error);
        /* SQLite takes a file of one byte for an empty one. */
        if (info.st_size > 0 && info.st_size < HEADER)
            return mw__database_fail(file, "open", SQLITE_NOTADB, error);
        return MW_OK;
    }
    if (errno != ENOENT || file->read_only)
        return mw__database_refuse(file, "open", strerror(errno), error);
    int fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST) /* another process was faster */
        return mw__database_refuse(file, "make", strerror(errno), error);
    return MW_OK;
}

static uint32_t number_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Refuses what is not ours before SQLite does anything to it: to open a file in earnest is to finish what its last
 * user has left half done. */
static int check_header(const mw__database *file, mw_error *error)
{
    unsigned char header[HEADER];
    sqlite3_int64 size = 0;
    sqlite3_file *raw = NULL;
    int code = file->lib->file_control(file->db, "main", SQLITE_FCNTL_FILE_POINTER, &raw);
    if (code == SQLITE_OK)
        code = raw->pMethods->xFileSize(raw, &size);
    if (code == SQLITE_OK && size == 0 && !file->read_only)
        return MW_OK;
    if (code == SQLITE_OK)
        code = size > 0 ? raw->pMethods->xRead(raw, header, HEADER, 0) : SQLITE_NOTADB;
    if (code == SQLITE_OK && memcmp(header, MAGIC, sizeof MAGIC) != 0)
        code = SQLITE_NOTADB;
    if (code != SQLITE_OK)
        return mw__database_fail(file, "open", code, error);
    if (number_at(header + 68) != file->kind->application)
        return mw__database_refuse(file, "open", "it belongs to another program; give another file",
                                   error);
    if (number_at(header + 60) != file->kind->version)
        return mw_error_set(error, MW_INVALID, "path",
                            "can't open '%.300s': it is of version %" PRIu32
                            ", and this program knows "
                            "version %" PRIu32 "; use the program that wrote it",
                            file->name, number_at(header + 60), file->kind->version);
    if (header[18] == WAL_FORMAT && file->lib->db_readonly(file->db, "main") != 0)
        return mw__database_refuse(file, "open",
                                   "it was not closed in order, and it may not be written; open it "
                                   "once where that is allowed",
                                   error);
    return MW_OK;
}

/* What a hostile file could make SQLite do is off; until the file is known to be good, it is not tidied up either. */
static int configure(const mw__database *file)
{
    static const int switches[][2] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},
                                      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                      {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                                      {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
                                      {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1}};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        int code = file->lib->db_config(file->db, switches[i][0], switches[i][1], (int *)NULL);
        if (code != SQLITE_OK)
            return code;
    }
    file->lib->limit(file->db, SQLITE_LIMIT_LENGTH, file->kind->longest);
    file->lib->limit(file->db, SQLITE_LIMIT_ATTACHED, 0);
    int code = mw__database_run(file, "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON");
    if (code == SQLITE_OK && file->kind->alone)
        code = mw__database_run(file, "PRAGMA locking_mode = EXCLUSIVE");
    return code;
}

/* Makes the tables in an empty file. Whoever comes at the same time waits, and finds them; to a file that is for one
 * alone the lock is what lasts. */
static int fill(const mw__database *file)
{
    static const char is_empty[] = "SELECT count(*) FROM sqlite_master";
    char sql[MOST_SQL];
    int code = SQLITE_OK;
    if (!file->kind->alone)
        code = mw__database_expect(file, is_empty, "0");
    if (code != SQLITE_OK)
        return code == SQLITE_NOTADB ? SQLITE_OK : code; /* it is not empty */
    code = mw__database_run(file, "BEGIN EXCLUSIVE");
    if (code != SQLITE_OK)
        return code;
    code = mw__database_expect(file, is_empty, "0");
    snprintf(sql, sizeof sql,
             "PRAGMA application_id = %" PRIu32 "; PRAGMA user_version = %" PRIu32 "; %s",
             file->kind->application, file->kind->version, file->kind->schema);
    if (code == SQLITE_OK)
        code = mw__database_run(file, sql);
    else if (code == SQLITE_NOTADB)
        code = SQLITE_OK;
    if (code == SQLITE_OK)
        code = mw__database_run(file, "COMMIT");
    if (code != SQLITE_OK)
        mw__database_run(file, "ROLLBACK");
    return code;
}

/* Holds the file, recovered by now, against what this program would have written. */
static int check_schema(const mw__database *file)
{
    char number[16];
    snprintf(number, sizeof number, "%" PRIu32, file->kind->application);
    int code = mw__database_expect(file, "PRAGMA application_id", number);
    snprintf(number, sizeof number, "%" PRIu32, file->kind->version);
    if (code == SQLITE_OK)
        code = mw__database_expect(file, "PRAGMA user_version", number);
    if (code == SQLITE_OK)
        code =
            mw__database_expect(file,
                                "SELECT group_concat(sql, ';') FROM"
                                " (SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY rowid)",
                                file->kind->schema);
    return code;
}

static int fill_and_check(const mw__database *file)
{
    int code = file->read_only ? mw__database_run(file, "PRAGMA query_only = ON") : fill(file);
    if (code == SQLITE_OK)
        code = check_schema(file);
    const char *journal = file->in_memory ? "memory" : "wal";
    if (code == SQLITE_OK && !file->read_only)
        code = mw__database_expect(file, "PRAGMA journal_mode = WAL", journal);
    return code;
}

/* SQLite does not wait for every lock that it needs on the way to a WAL. */
static int wait_for_others(const mw__database *file)
{
    int code = fill_and_check(file);
    for (int waited = 0; (code & 0xFF) == SQLITE_BUSY && waited < file->kind->patience_ms;
         waited += NAP_MS) {
        nanosleep(&(struct timespec){.tv_nsec = NAP_MS * 1000000L}, NULL);
        code = fill_and_check(file);
    }
    return code;
}

static int open_checked(mw__database *file, mw_error *error)
{
    int code = file->lib->open_v2(
        file->in_memory ? ":memory:" : file->path, &file->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code != SQLITE_OK)
        return mw__database_fail(file, "open", code, error);
    if (!file->read_only && file->lib->db_readonly(file->db, "main") != 0)
        return mw__database_refuse(
            file, "open", "it may not be written; change its permissions, or only read it", error);
    int rc = file->in_memory ? MW_OK : check_header(file, error);
    if (rc != MW_OK)
        return rc;
    code = configure(file);
    if (code == SQLITE_OK)
        code = wait_for_others(file);
    if (code == SQLITE_OK)
        code = file->lib->busy_timeout(file->db, file->kind->patience_ms);
    file->whole = code == SQLITE_OK;
    return file->whole ? MW_OK : mw__database_fail(file, "open", code, error);
}

int mw__database_open(mw__database *file, const mw__database_kind *kind, const char *path,
                      bool read_only, mw_error *error)
{
    *file = (mw__database){.kind = kind, .lib = mw__sqlite_get(error), .read_only = read_only};
    if (!file->lib)
        return MW_INVALID;
    file->in_memory = !path;
    path = path ? path : "memory";
    if (!*path)
        return mw_error_set(error, MW_INVALID, "path", "can't open %s: give a path", kind->what);
    /* "./" keeps SQLite from reading ":memory:" and "file:..." as something else than names. */
    const char *here = *path == '/' ? "" : "./";
    size_t size = strlen(path) + strlen(here) + 1;
    file->path = malloc(size);
    if (!file->path)
        return mw_error_set(error, MW_MEMORY, "path", "can't open '%.300s': out of memory", path);
    snprintf(file->path, size, "%s%s", here, path);
    file->name = file->path + strlen(here);
    int rc = file->in_memory ? MW_OK : make_file(file, error);
    if (rc == MW_OK)
        rc = open_checked(file, error);
    if (rc != MW_OK)
        mw__database_close(file);
    return rc;
}

void mw__database_close(mw__database *file)
{
    if (!file->path)
        return;
    /* What is beside the name by now may belong to another file. */
    if (file->whole && !file->in_memory && !file->read_only && mw__database_is_in_place(file)) {
        file->lib->db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
        if (file->kind->alone)
            mw__database_run(file, "PRAGMA journal_mode = DELETE");
    }
    file->lib->close(file->db);
    free(file->path);
    *file = (mw__database){0};
}

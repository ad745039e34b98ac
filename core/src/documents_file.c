/* documents_file.c: owns files of documents: their format, their locks, opening and closing. Must not know what is read
 * or written. One thread at a time for each file.
 *
 * The header of a file is read through SQLite's own descriptor, because closing any other one would drop the locks that
 * this process has on the file. */
#include "documents_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_(number) #number
#define TEXT(number) TEXT_(number)

#define APPLICATION 1836541039 /* "mwdo", in the header of the file */
#define VERSION 1
#define HEADER 100
#define MAGIC "SQLite format 3"
#define WAL_FORMAT 2 /* a part of it may still be in FILE-wal */

/* The index is what keeps the order without sorting the bodies. */
#define TABLE                                                                                      \
    "CREATE TABLE documents (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, "           \
    "PRIMARY KEY (kind, id)) STRICT"
#define INDEX "CREATE INDEX documents_kind ON documents (kind)"

/* Makes the file when it is missing: for its owner alone, as SQLite would not do it. */
static int make_file(const mw_documents *file, mw_error *error)
{
    struct stat info;
    if (stat(file->path, &info) == 0) {
        if (!S_ISREG(info.st_mode))
            return mw__documents_refuse(file, "open", "it is no regular file", error);
        /* SQLite takes a file of one byte for an empty one. */
        if (info.st_size > 0 && info.st_size < HEADER)
            return mw__documents_fail(file, "open", SQLITE_NOTADB, error);
        return MW_OK;
    }
    if (errno != ENOENT || file->read_only)
        return mw__documents_refuse(file, "open", strerror(errno), error);
    int fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return mw__documents_refuse(file, "make", strerror(errno), error);
    if (fd >= 0)
        close(fd);
    return MW_OK;
}

static uint32_t number_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Refuses what is not ours before SQLite does anything to it: to open a file in earnest is to finish what its last
 * user has left half done. */
static int check_header(const mw_documents *file, mw_error *error)
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
        return mw__documents_fail(file, "open", code, error);
    uint32_t version = number_at(header + 60);
    if (number_at(header + 68) != APPLICATION)
        return mw__documents_refuse(file, "open",
                                    "it belongs to another program; give another file", error);
    if (version != VERSION)
        return mw_error_set(error, MW_INVALID, "path",
                            "can't open '%.300s': it is of version %u, and this program knows "
                            "version %d; use the program that wrote it",
                            file->name, version, VERSION);
    if (header[18] == WAL_FORMAT && file->lib->db_readonly(file->db, "main") != 0)
        return mw__documents_refuse(file, "open",
                                    "it was not closed in order, and it may not be written; open it "
                                    "once where that is allowed",
                                    error);
    return MW_OK;
}

/* What a hostile file could make SQLite do is off; until the file is known to be good, it is not tidied up either. */
static int configure(const mw_documents *file)
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
    file->lib->limit(file->db, SQLITE_LIMIT_LENGTH, (int)(MW_DOCUMENT_MAX_BODY + 4096));
    file->lib->limit(file->db, SQLITE_LIMIT_ATTACHED, 0);
    return mw__documents_run(file, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY;"
                                   "PRAGMA cell_size_check = ON");
}

/* Whether the query's first value is `wanted`; SQLITE_NOTADB when not. */
static int expect(const mw_documents *file, const char *sql, const char *wanted)
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

/* Takes the lock, which lasts, and makes the table in an empty file. */
static int lock_and_fill(const mw_documents *file)
{
    if (file->read_only)
        return mw__documents_run(file, "PRAGMA query_only = ON");
    int code = mw__documents_run(file, "BEGIN EXCLUSIVE");
    if (code != SQLITE_OK)
        return code;
    code = expect(file, "SELECT count(*) FROM sqlite_master", "0");
    if (code == SQLITE_OK)
        code = mw__documents_run(
            file, "PRAGMA application_id = " TEXT(APPLICATION) ";"
                                                               "PRAGMA user_version = " TEXT(
                                                                   VERSION) ";" TABLE ";" INDEX);
    else if (code == SQLITE_NOTADB) /* it is not empty */
        code = SQLITE_OK;
    if (code == SQLITE_OK)
        code = mw__documents_run(file, "COMMIT");
    if (code != SQLITE_OK)
        mw__documents_run(file, "ROLLBACK");
    return code;
}

/* Holds the file, recovered by now, against what this program would have written. */
static int check_schema(const mw_documents *file)
{
    int code = expect(file, "PRAGMA application_id", TEXT(APPLICATION));
    if (code == SQLITE_OK)
        code = expect(file, "PRAGMA user_version", TEXT(VERSION));
    if (code == SQLITE_OK)
        code = expect(file,
                      "SELECT group_concat(sql, ';') FROM"
                      " (SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY rowid)",
                      TABLE ";" INDEX);
    return code;
}

static int prepare(mw_documents *file)
{
    const struct {
        sqlite3_stmt **slot;
        const char *sql;
    } statements[] = {{&file->list, "SELECT kind, id, body FROM documents ORDER BY kind, rowid"},
                      {&file->put, "INSERT INTO documents (kind, id, body) VALUES (?1, ?2, ?3)"
                                   " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body"},
                      {&file->remove, "DELETE FROM documents WHERE kind = ?1 AND id = ?2"}};
    int code = SQLITE_OK;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && code == SQLITE_OK; i++)
        code = file->lib->prepare_v2(file->db, statements[i].sql, -1, statements[i].slot, NULL);
    return code;
}

static int open_database(mw_documents *file, mw_error *error)
{
    int code = file->lib->open_v2(
        file->path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        NULL);
    if (code != SQLITE_OK)
        return mw__documents_fail(file, "open", code, error);
    if (!file->read_only && file->lib->db_readonly(file->db, "main") != 0)
        return mw__documents_refuse(
            file, "open", "it may not be written; change its permissions, or only read it", error);
    int rc = check_header(file, error);
    if (rc != MW_OK)
        return rc;
    code = configure(file);
    if (code == SQLITE_OK)
        code = lock_and_fill(file);
    if (code == SQLITE_OK)
        code = check_schema(file);
    if (code == SQLITE_OK && !file->read_only)
        code = expect(file, "PRAGMA journal_mode = WAL", "wal");
    if (code == SQLITE_OK && !file->read_only)
        code = mw__documents_run(file, "PRAGMA synchronous = NORMAL");
    if (code == SQLITE_OK)
        code = prepare(file);
    file->whole = code == SQLITE_OK;
    return file->whole ? MW_OK : mw__documents_fail(file, "open", code, error);
}

int mw_documents_open(const mw_documents_options *options, mw_documents **result, mw_error *error)
{
    const mw__sqlite *lib = mw__sqlite_get(error);
    *result = NULL;
    if (!lib)
        return MW_INVALID;
    if (!options->path || !*options->path)
        return mw_error_set(error, MW_INVALID, "path", "can't open documents: give a path");
    /* "./" keeps SQLite from reading ":memory:" and "file:..." as something else than names. */
    const char *here = *options->path == '/' ? "" : "./";
    size_t size = strlen(options->path) + strlen(here) + 1;
    mw_documents *file = calloc(1, sizeof *file + size);
    if (!file)
        return mw_error_set(error, MW_MEMORY, "path", "can't open '%.300s': out of memory",
                            options->path);
    snprintf(file->path, size, "%s%s", here, options->path);
    file->name = file->path + strlen(here);
    file->lib = lib;
    file->read_only = options->read_only;
    int rc = make_file(file, error);
    if (rc == MW_OK)
        rc = open_database(file, error);
    if (rc == MW_OK)
        *result = file;
    else
        mw_documents_close(file);
    return rc;
}

void mw_documents_close(mw_documents *file)
{
    if (!file)
        return;
    file->lib->finalize(file->put);
    file->lib->finalize(file->remove);
    file->lib->finalize(file->list);
    /* What is beside the name by now may belong to another file. */
    if (file->whole && !file->read_only && mw__documents_is_in_place(file)) {
        file->lib->db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
        mw__documents_run(file, "PRAGMA journal_mode = DELETE");
    }
    file->lib->close(file->db);
    free(file);
}

/* documents_file.c: owns the format of files of documents, opening and closing. Must not know what is read or written.
 * One thread at a time for each file. */
#include "documents_private.h"

#include <stdlib.h>

/* The index is what keeps the order without sorting the bodies. */
#define TABLE                                                                                      \
    "CREATE TABLE documents (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, "           \
    "PRIMARY KEY (kind, id)) STRICT"
#define INDEX "CREATE INDEX documents_kind ON documents (kind)"

static const mw__database_kind documents_file = {
    .what = "documents",
    .application = 1836541039, /* "mwdo" */
    .version = 1,
    .schema = TABLE ";" INDEX,
    .foreign = "it is not a file of documents; give another file",
    .damaged = "it is damaged; put a copy in its place",
    .locked = "it is in use by another process, or open in this one already; end that use, "
              "or give another file",
    .longest = (int)(MW_DOCUMENT_MAX_BODY + 4096),
    .alone = true,
};

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
        code = file->base.lib->prepare_v2(file->base.db, statements[i].sql, -1, statements[i].slot,
                                          NULL);
    return code;
}

int mw_documents_open(const mw_documents_options *options, mw_documents **result, mw_error *error)
{
    *result = NULL;
    mw_documents *file = calloc(1, sizeof *file);
    if (!file)
        return mw_error_set(error, MW_MEMORY, "path", "can't open '%.300s': out of memory",
                            options->path ? options->path : "");
    int rc = mw__database_open(&file->base, &documents_file, options->path ? options->path : "",
                               options->read_only, error);
    if (rc != MW_OK) {
        free(file);
        return rc;
    }
    int code = SQLITE_OK;
    if (!options->read_only)
        code = mw__database_run(&file->base, "PRAGMA synchronous = NORMAL");
    if (code == SQLITE_OK)
        code = prepare(file);
    if (code == SQLITE_OK) {
        *result = file;
        return MW_OK;
    }
    rc = mw__database_fail(&file->base, "open", code, error);
    mw_documents_close(file);
    return rc;
}

void mw_documents_close(mw_documents *file)
{
    if (!file)
        return;
    file->base.lib->finalize(file->put);
    file->base.lib->finalize(file->remove);
    file->base.lib->finalize(file->list);
    mw__database_close(&file->base);
    free(file);
}

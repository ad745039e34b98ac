/* documents.c: owns reading and writing documents, and what failures of SQLite mean. Must not know what a document
 * says, nor the format of the file. One thread at a time for each file. */
#include "documents_private.h"

#include <errno.h>
#include <string.h>

int mw__documents_refuse(const mw_documents *file, const char *verb, const char *reason,
                         mw_error *error)
{
    return mw_error_set(error, MW_INVALID, "path", "can't %s '%.300s': %s", verb, file->name,
                        reason);
}

int mw__documents_fail(const mw_documents *file, const char *verb, int code, mw_error *error)
{
    int number = file->lib->system_errno(file->db);
    switch (code & 0xFF) {
    case SQLITE_NOMEM:
        return mw_error_set(error, MW_MEMORY, "path", "can't %s '%.300s': out of memory", verb,
                            file->name);
    case SQLITE_BUSY:
        return mw__documents_refuse(
            file, verb,
            "it is in use by another process, or open in this one already; end that use, "
            "or give another file",
            error);
    case SQLITE_NOTADB:
        return mw__documents_refuse(file, verb, "it is not a file of documents; give another file",
                                    error);
    case SQLITE_CORRUPT:
        return mw__documents_refuse(file, verb, "it is damaged; put a copy in its place", error);
    case SQLITE_FULL:
        return mw__documents_refuse(file, verb, "the disk is full; make room and try again", error);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (number == ENOSPC)
            return mw__documents_refuse(file, verb, "the disk is full; make room and try again",
                                        error);
        return mw_error_set(error, MW_INVALID, "path",
                            "can't %s '%.300s' or what has to be beside it: %s", verb, file->name,
                            number ? strerror(number) : file->lib->errstr(code));
    default:
        return mw__documents_refuse(file, verb, file->lib->errstr(code), error);
    }
}

bool mw__documents_is_in_place(const mw_documents *file)
{
    int moved = 1;
    int code = file->lib->file_control(file->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return code == SQLITE_OK && !moved;
}

int mw__documents_run(const mw_documents *file, const char *sql)
{
    return file->lib->exec(file->db, sql, NULL, NULL, NULL);
}

/* ---- reading ---- */

static bool read_text(const mw_documents *file, int column, size_t least, size_t most,
                      const char **text, size_t *length)
{
    if (file->lib->column_type(file->list, column) != SQLITE_TEXT)
        return false;
    *text = (const char *)file->lib->column_text(file->list, column);
    *length = (size_t)file->lib->column_bytes(file->list, column);
    return *text && *length >= least && *length <= most;
}

int mw_documents_each(mw_documents *file, mw_documents_fn fn, void *ud, mw_error *error)
{
    if (file->reading)
        return mw__documents_refuse(file, "read", "it is being read already", error);
    int code = SQLITE_DONE;
    bool more = true;
    file->reading = true;
    while (more && (code = file->lib->step(file->list)) == SQLITE_ROW) {
        mw_document document = {0};
        if (!read_text(file, 0, 1, MW_DOCUMENT_MAX_KIND, &document.kind, &document.kind_length) ||
            !read_text(file, 1, 1, MW_DOCUMENT_MAX_ID, &document.id, &document.id_length) ||
            !read_text(file, 2, 0, MW_DOCUMENT_MAX_BODY, &document.body, &document.body_length)) {
            code = file->lib->extended_errcode(file->db);
            code = (code & 0xFF) == SQLITE_NOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT;
            break;
        }
        more = fn(&document, ud);
    }
    file->reading = false;
    int rc = code == SQLITE_DONE || !more ? MW_OK : mw__documents_fail(file, "read", code, error);
    file->lib->reset(file->list);
    return rc;
}

/* ---- writing ---- */

/* What is wrong with a change, or NULL. */
static const char *problem_of(const mw_document *change)
{
    if (change->kind_length < 1 || change->kind_length > MW_DOCUMENT_MAX_KIND)
        return "its kind must have 1 to 64 bytes";
    if (change->id_length < 1 || change->id_length > MW_DOCUMENT_MAX_ID)
        return "its id must have 1 to 256 bytes";
    if (change->body && change->body_length > MW_DOCUMENT_MAX_BODY)
        return "its body is over 64 MiB";
    if (memchr(change->kind, '\0', change->kind_length) ||
        memchr(change->id, '\0', change->id_length) ||
        (change->body && memchr(change->body, '\0', change->body_length)))
        return "kind, id and body can't have NUL bytes";
    return NULL;
}

static int make_change(const mw_documents *file, const mw_document *change)
{
    sqlite3_stmt *statement = change->body ? file->put : file->remove;
    const char *texts[] = {change->kind, change->id, change->body};
    const size_t lengths[] = {change->kind_length, change->id_length, change->body_length};
    int code = SQLITE_OK;
    for (int i = 0; i < (change->body ? 3 : 2) && code == SQLITE_OK; i++)
        code = file->lib->bind_text64(statement, i + 1, texts[i], lengths[i], SQLITE_STATIC,
                                      SQLITE_UTF8);
    if (code == SQLITE_OK)
        code = file->lib->step(statement);
    file->lib->reset(statement);
    file->lib->clear_bindings(statement); /* nothing of the caller's is kept */
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int mw_documents_write(mw_documents *file, const mw_document *changes, size_t count, mw_error *error)
{
    if (file->read_only)
        return mw__documents_refuse(file, "write", "it was opened to be read only", error);
    if (file->reading)
        return mw__documents_refuse(file, "write", "it is being read", error);
    for (size_t i = 0; i < count; i++) {
        const char *problem = problem_of(&changes[i]);
        if (problem)
            return mw_error_set(error, MW_INVALID, "", "can't write '%.300s': change %zu: %s",
                                file->name, i + 1, problem);
    }
    if (!mw__documents_is_in_place(file))
        return mw__documents_refuse(
            file, "write",
            "it has been moved, removed or replaced since it was opened; open it again", error);
    int code = mw__documents_run(file, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < count && code == SQLITE_OK; i++)
        code = make_change(file, &changes[i]);
    if (code == SQLITE_OK)
        code = mw__documents_run(file, "COMMIT");
    if (code == SQLITE_OK)
        return MW_OK;
    int rc = mw__documents_fail(file, "write", code, error);
    mw__documents_run(file, "ROLLBACK");
    return rc;
}

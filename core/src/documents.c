/* documents.c: owns reading and writing documents. Must not know what a document
 * says, nor the format of the file. One thread at a time for each file. */
#include "documents_private.h"

#include <string.h>

/* ---- reading ---- */

static bool read_text(const mw_documents *file, int column, size_t least, size_t most,
                      const char **text, size_t *length)
{
    if (file->base.lib->column_type(file->list, column) != SQLITE_TEXT)
        return false;
    *text = (const char *)file->base.lib->column_text(file->list, column);
    *length = (size_t)file->base.lib->column_bytes(file->list, column);
    return *text && *length >= least && *length <= most;
}

int mw_documents_each(mw_documents *file, mw_documents_fn fn, void *ud, mw_error *error)
{
    if (file->reading)
        return mw__database_refuse(&file->base, "read", "it is being read already", error);
    int code = SQLITE_DONE;
    bool more = true;
    file->reading = true;
    while (more && (code = file->base.lib->step(file->list)) == SQLITE_ROW) {
        mw_document document = {0};
        if (!read_text(file, 0, 1, MW_DOCUMENT_MAX_KIND, &document.kind, &document.kind_length) ||
            !read_text(file, 1, 1, MW_DOCUMENT_MAX_ID, &document.id, &document.id_length) ||
            !read_text(file, 2, 0, MW_DOCUMENT_MAX_BODY, &document.body, &document.body_length)) {
            code = file->base.lib->extended_errcode(file->base.db);
            code = (code & 0xFF) == SQLITE_NOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT;
            break;
        }
        more = fn(&document, ud);
    }
    file->reading = false;
    int rc =
        code == SQLITE_DONE || !more ? MW_OK : mw__database_fail(&file->base, "read", code, error);
    file->base.lib->reset(file->list);
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
        code = file->base.lib->bind_text64(statement, i + 1, texts[i], lengths[i], SQLITE_STATIC,
                                           SQLITE_UTF8);
    if (code == SQLITE_OK)
        code = file->base.lib->step(statement);
    file->base.lib->reset(statement);
    file->base.lib->clear_bindings(statement); /* nothing of the caller's is kept */
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int mw_documents_write(mw_documents *file, const mw_document *changes, size_t count, mw_error *error)
{
    if (file->base.read_only)
        return mw__database_refuse(&file->base, "write", "it was opened to be read only", error);
    if (file->reading)
        return mw__database_refuse(&file->base, "write", "it is being read", error);
    for (size_t i = 0; i < count; i++) {
        const char *problem = problem_of(&changes[i]);
        if (problem)
            return mw_error_set(error, MW_INVALID, "", "can't write '%.300s': change %zu: %s",
                                file->base.name, i + 1, problem);
    }
    if (!mw__database_is_in_place(&file->base))
        return mw__database_refuse(
            &file->base, "write",
            "it has been moved, removed or replaced since it was opened; open it again", error);
    int code = mw__database_run(&file->base, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < count && code == SQLITE_OK; i++)
        code = make_change(file, &changes[i]);
    if (code == SQLITE_OK)
        code = mw__database_run(&file->base, "COMMIT");
    if (code == SQLITE_OK)
        return MW_OK;
    int rc = mw__database_fail(&file->base, "write", code, error);
    mw__database_run(&file->base, "ROLLBACK");
    return rc;
}

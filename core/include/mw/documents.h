/* mw/documents.h: documents in a file, which outlive the process. A document is a text under a kind
 * and an id ("contacts", "12"); the file keeps the order in which ids came. SQLite holds it:
 *
 *     mw_documents *file;
 *     mw_documents_open(&(mw_documents_options){.path = "x.state"}, &file, &error);
 *     mw_documents_each(file, load_one, ud, &error);
 *     mw_documents_write(file, changes, count, &error);     all of them, or none
 *     mw_documents_close(file);
 *
 * What a write has returned from survives the end of the process, however it ends. After a power
 * cut the last writes may be missing, never a part of one.
 *
 * One writer, or several readers: an open file is locked against everyone else, in this process and
 * in others, until it is closed or the process is gone. While it is open there is a FILE-wal beside
 * it, and while it is opened and closed a FILE-journal; closing leaves FILE alone. Never copy FILE
 * without what lies beside it, and open it by no other means in this process meanwhile: to close
 * such a descriptor drops the locks (POSIX).
 *
 * A file that is not of this format is refused and left as it is. No text of a document becomes SQL.
 *
 * Everything blocks until it is done: a write takes as long as the disk does. One thread at a time
 * for each file. libsqlite3 is loaded when the first file is opened. Failures are MW_INVALID with a
 * message that names the file, or MW_MEMORY. */
#ifndef MW_DOCUMENTS_H
#define MW_DOCUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "mw/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes. None of the three has NUL bytes; kind and id are not empty. */
#define MW_DOCUMENT_MAX_KIND ((size_t)64)
#define MW_DOCUMENT_MAX_ID ((size_t)256)
#define MW_DOCUMENT_MAX_BODY ((size_t)64 * 1024 * 1024)

typedef struct mw_documents mw_documents;

typedef struct mw_document {
    const char *kind;
    size_t kind_length;
    const char *id;
    size_t id_length;
    const char *body; /* of a change, NULL: remove the document, if it is there */
    size_t body_length;
} mw_document;

typedef struct mw_documents_options {
    const char *path;
    bool read_only; /* the file has to be there, and nothing in it changes */
} mw_documents_options;

/* Opens the file, and makes it when it is missing (for its owner alone) or empty. Fails at once when
 * it is in use. The caller owns `*file`: mw_documents_close. */
int mw_documents_open(const mw_documents_options *options, mw_documents **file, mw_error *error);

/* Gets a document, borrowed until it returns; false stops. Must not use the file. */
typedef bool (*mw_documents_fn)(const mw_document *document, void *ud);

/* Calls `fn` for every document, by kind and then in the order in which they were first written. */
int mw_documents_each(mw_documents *file, mw_documents_fn fn, void *ud, mw_error *error);

/* Makes all the changes, in their order, or none: MW_OK once they are committed. A document that is
 * there keeps its place and gets the new body. */
int mw_documents_write(mw_documents *file, const mw_document *changes, size_t count,
                       mw_error *error);

/* Closes and frees. What can't be tidied up stays in FILE-wal, and the next opening takes it over.
 * NULL is fine. */
void mw_documents_close(mw_documents *file);

#ifdef __cplusplus
}
#endif
#endif

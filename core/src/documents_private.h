/* documents_private.h: what documents.c (reading and writing) and documents_file.c (opening and closing) share. One
 * thread at a time for each file. */
#ifndef MW_DOCUMENTS_PRIVATE_H
#define MW_DOCUMENTS_PRIVATE_H

#include "mw/documents.h"
#include "sqlite_lib.h"

struct mw_documents {
    const mw__sqlite *lib;
    sqlite3 *db;
    sqlite3_stmt *put;
    sqlite3_stmt *remove;
    sqlite3_stmt *list;
    bool read_only;
    bool reading; /* mw_documents_each runs */
    bool whole;   /* it has been opened */
    char *name;   /* as the caller gave it: lies in `path` */
    char path[];
};

/* "can't VERB 'FILE': REASON". Returns MW_INVALID. */
int mw__documents_refuse(const mw_documents *file, const char *verb, const char *reason,
                         mw_error *error);

/* Says what a failure of SQLite, its last one, means. Returns MW_INVALID or MW_MEMORY. */
int mw__documents_fail(const mw_documents *file, const char *verb, int code, mw_error *error);

/* Runs statements of this program; the code is SQLite's. */
int mw__documents_run(const mw_documents *file, const char *sql);

/* Whether the file that is open is still the one that has the name. */
bool mw__documents_is_in_place(const mw_documents *file);

#endif

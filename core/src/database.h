/* database.h: files of SQLite that are this program's own: made for their owner alone, looked at before SQLite may
 * touch them, and what its failures mean to people. Each belongs to a kind, which says what is in it. One thread at a
 * time for each file. */
#ifndef MW_DATABASE_H
#define MW_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sqlite_lib.h"

typedef struct mw__database_kind {
    const char *what;     /* "limits" */
    uint32_t application; /* in the header of the file */
    uint32_t version;
    const char *schema; /* statements joined by ";", each as sqlite_master keeps it, in this order */
    /* What is told of a file that is none of these, that is damaged, that somebody else keeps locked. */
    const char *foreign, *damaged, *locked;
    int longest;     /* bytes of a value or row */
    int patience_ms; /* how long opening waits for a lock */
    bool alone; /* whoever writes has the file for itself until it is closed; else all share it */
} mw__database_kind;

typedef struct mw__database {
    const mw__database_kind *kind;
    const mw__sqlite *lib;
    sqlite3 *db; /* NULL: closed */
    char *name;  /* as the caller gave it: lies in `path` */
    char *path;
    bool read_only;
    bool in_memory;
    bool whole; /* it has been opened, and nothing is wrong with it: closing tidies up */
} mw__database;

/* Opens the file, with a WAL, and makes it when it is missing or empty; `read_only`: it has to be there, and nothing in
 * it changes; `path` NULL: in memory. MW_MEMORY, or MW_INVALID with `error` ("can't open 'FILE': REASON"); there is
 * nothing to close then. `kind` is borrowed. */
int mw__database_open(mw__database *file, const mw__database_kind *kind, const char *path,
                      bool read_only, mw_error *error);

/* Closes; statements have been finalized. What can't be tidied up is left to the next who opens it. Closed already is
 * fine. */
void mw__database_close(mw__database *file);

/* "can't VERB 'FILE': REASON". Returns MW_INVALID. */
int mw__database_refuse(const mw__database *file, const char *verb, const char *reason,
                        mw_error *error);

/* Says what a failure of SQLite, its last one, means. Returns MW_INVALID or MW_MEMORY. */
int mw__database_fail(const mw__database *file, const char *verb, int code, mw_error *error);

/* The same as a phrase of its own, static: "the disk is full; make room and try again". */
const char *mw__database_reason(const mw__database *file, int code);

/* Runs statements of this program; the code is SQLite's. */
int mw__database_run(const mw__database *file, const char *sql);

/* Whether the query's first value is `wanted`; SQLITE_NOTADB when not. */
int mw__database_expect(const mw__database *file, const char *sql, const char *wanted);

/* Whether the file that is open is still the one that has the name. */
bool mw__database_is_in_place(const mw__database *file);

#endif

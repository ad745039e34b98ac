/* journal_private.h: what journal.c (entries) and journal_file.c (opening and closing) share. One thread at a time for
 * each journal. */
#ifndef MW_JOURNAL_PRIVATE_H
#define MW_JOURNAL_PRIVATE_H

#include "database.h"
#include "journal.h"

struct mw__journal {
    mw__database file;
    sqlite3_stmt *find;
    sqlite3_stmt *add;
    sqlite3_stmt *again;
    sqlite3_stmt *finish;
    sqlite3_stmt *remove;
    int locks; /* FILE-lock: a byte of it is locked for each entry in hand, by the system, so that no death keeps it */
    mw__journal_entry *held;
};

#endif

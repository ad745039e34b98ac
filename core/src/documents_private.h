/* documents_private.h: what documents.c (reading and writing) and documents_file.c (opening and closing) share. One
 * thread at a time for each file. */
#ifndef MW_DOCUMENTS_PRIVATE_H
#define MW_DOCUMENTS_PRIVATE_H

#include "database.h"
#include "mw/documents.h"

struct mw_documents {
    mw__database base;
    sqlite3_stmt *put;
    sqlite3_stmt *remove;
    sqlite3_stmt *list;
    bool reading; /* mw_documents_each runs */
};

#endif

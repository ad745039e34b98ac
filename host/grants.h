/* grants.h: what files.c sees of grants.c: a path, resolved to a granted folder and the rest below it. One thread. */
#ifndef MOONWIRE_GRANTS_H
#define MOONWIRE_GRANTS_H

#include <sys/stat.h>

#include "files.h"

/* Longest path that is taken, with its NUL. */
#define MW__MAX_PATH 4096

typedef struct mw__place {
    int folder;              /* of the grant; borrowed */
    const char *verb;        /* "read", "write", "look for", for messages */
    const char *path;        /* as it was given, for messages; borrowed */
    char rest[MW__MAX_PATH]; /* below `folder`; "" for the folder itself */
} mw__place;

/* What is wanted of a folder: any of these bits will do. */
enum { MW__WANT_READ = 1, MW__WANT_WRITE = 2 };

/* The granted folder that holds `path` most closely. MW_DENIED: there is none; MW_INVALID: the path is no good. */
int mw__grants_find(mw__grants *grants, const char *path, unsigned want, mw__place *place,
                    mw_error *error);

/* openat2 below the folder, `name` NULL: place->rest. Gives a descriptor, or a negative mw_err with `error`. Only
 * regular files and, with O_DIRECTORY, folders are opened. */
int mw__place_open(const mw__place *place, const char *name, int flags, mode_t mode,
                   mw_error *error);

/* Whether there is anything of that name below the folder. A link that leads nowhere is nothing. */
int mw__place_exists(const mw__place *place, bool *exists, mw_error *error);

/* "can't VERB 'PATH': REASON", of the kind that fits the errno. */
int mw__place_fail(const mw__place *place, int reason, mw_error *error);

#endif

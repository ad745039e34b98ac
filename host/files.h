/* files.h: the folders that a script may read and write, and the files that it has open in them. Every path
 * is resolved by the kernel below the granted folder (openat2, RESOLVE_BENEATH), so that no "..", no
 * absolute path and no symbolic link leads out of it, however it changes meanwhile. Knows no frames. One thread. */
#ifndef MOONWIRE_FILES_H
#define MOONWIRE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mw/error.h"

typedef struct mw__grants mw__grants;

int mw__grants_new(mw__grants **grants);  /* MW_MEMORY */
void mw__grants_free(mw__grants *grants); /* NULL is fine */
/* Grants a folder, which must be there now. The grant is of this folder, whatever its name means later.
 * Writing does not include reading. MW_INVALID with `error`, MW_MEMORY. */
int mw__grants_add(mw__grants *grants, const char *folder, bool write, mw_error *error);

/* Opens a file for reading below a granted folder: `path` is relative to the working directory, or absolute,
 * as the user would write it. MW_DENIED ("can't read 'x': no folder that holds it is granted; --allow-read
 * DIR grants one"), MW_INVALID (not there, no regular file) with `error`. */
int mw__grants_open(mw__grants *grants, const char *path, int *fd, mw_error *error);

/* Tells which folder (its real name) served a path: use 'r' to read, 'w' to write, 'e' to see whether something is
 * there, which either grant allows. For learning what a script needs. */
typedef void (*mw__grants_fn)(const char *folder, char use, void *ud);
void mw__grants_on_use(mw__grants *grants, mw__grants_fn fn, void *ud);

/* Open files of one run, at most 64. Errors as above; MW_BUDGET when there are too many. */
typedef struct mw__files mw__files;
int mw__files_new(mw__grants *grants, mw__files **files);
/* Closes all; what was written and not kept is gone. */
void mw__files_free(mw__files *files);
/* mode: 'r' read, 'w' write a new file (it takes its name when it is closed with `keep`, in one step), 'a'
 * append. */
int mw__files_open(mw__files *files, const char *path, char mode, uint32_t *handle, mw_error *error);
/* `*length` bytes at most; fewer at the end of the file. */
int mw__files_read(mw__files *files, uint32_t handle, char *data, size_t *length, mw_error *error);
int mw__files_write(mw__files *files, uint32_t handle, const char *data, size_t length,
                    mw_error *error);
int mw__files_close(mw__files *files, uint32_t handle, bool keep, mw_error *error);
int mw__files_exists(mw__files *files, const char *path, bool *exists, mw_error *error);

#endif

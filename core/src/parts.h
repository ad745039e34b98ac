/* parts.h: the parts of a multipart body: texts and files. Files are opened when the request is
 * made, so that what was checked is what is sent, and streamed from disk while it is sent. One
 * thread at a time. */
#ifndef MW_PARTS_H
#define MW_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "mw/operation.h"
#include "mw/value.h"

typedef struct mw__part {
    char *name;
    char *text; /* NULL: a file */
    size_t length;
    int fd;          /* of the file, -1 for a text */
    uint64_t size;   /* of the file when it was opened */
    uint64_t offset; /* of what is sent next */
    char *file_name; /* without its folders */
    const char *mime;
} mw__part;

typedef struct mw__parts {
    mw__part *list;
    size_t count;
    size_t capacity;
    /* As mw_call_options has them; NULL: open(2). */
    int (*open_file)(const char *path, int *fd, mw_error *error, void *ud);
    void *open_ud;
} mw__parts;

/* Adds a field: a file for MW_T_FILE (attachments: a list of them), else its text; a nested table
 * as name[key] and name[], the way the platform's forms spell it. MW_INVALID with `error` (a file
 * can't be read) or MW_MEMORY. */
int mw__parts_add(mw__parts *parts, const char *operation, const mw_field *field, const char *name,
                  const mw_value *value, mw_error *error);
void mw__parts_free(mw__parts *parts);

/* The media type by the ending of a file's name; "application/octet-stream" for an unknown one. */
const char *mw__mime_type(const char *file_name);

#endif

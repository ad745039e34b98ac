/* headers.h: the headers of one answer as they come in, counted and capped, and what any header may
 * hold. One thread at a time. */
#ifndef MW_HEADERS_H
#define MW_HEADERS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "mw/gate.h"

typedef enum mw__headers_trouble {
    MW_HEADERS_FINE,
    MW_HEADERS_TOO_LARGE,
    MW_HEADERS_BAD_LENGTH, /* a Content-Length that is no number, or two that differ */
    MW_HEADERS_NO_MEMORY
} mw__headers_trouble;

typedef struct mw__headers {
    mw__buf block;  /* the lines of the last head, one after the other, NUL-ended each */
    size_t bytes;   /* of all heads and trailers */
    bool complete;  /* the empty line came; what follows is trailers */
    int64_t length; /* Content-Length, -1: none */
    mw__headers_trouble trouble;
    mw_header *list; /* made by mw__headers_list */
    size_t count;
} mw__headers;

void mw__headers_init(mw__headers *headers);
void mw__headers_free(mw__headers *headers);

/* Takes one line as it came, with its line end. False: trouble, stop here. */
bool mw__headers_line(mw__headers *headers, const char *line, size_t length);

/* Splits the block into names (lower case) and values. MW_MEMORY. */
int mw__headers_list(mw__headers *headers);

/* The first value of that name after mw__headers_list, or NULL. */
const char *mw__headers_get(const mw__headers *headers, const char *name);

/* Whether it is a token, as names of headers and verbs are; not empty. */
bool mw__is_token(const char *text, size_t length);

/* Whether it may be the value of a header: no controls but the tab. */
bool mw__is_header_text(const char *text, size_t length);

#endif

/* buf.h: a growable buffer that is born with a cap. A failure sticks: after the first one every
 * append does nothing, so that a writer checks once, at the end. One thread at a time. */
#ifndef MW_BUF_H
#define MW_BUF_H

#include <stddef.h>

typedef struct mw__buf {
    char *data; /* NUL-ended beyond `length` once anything was appended */
    size_t length;
    size_t capacity;
    size_t cap;
    int status; /* 0, MW_TOO_LARGE, MW_MEMORY, or what a writer found wrong */
} mw__buf;

/* cap: bytes that it may hold at most. */
void mw__buf_init(mw__buf *buf, size_t cap);
int mw__buf_append(mw__buf *buf, const char *data, size_t length);
int mw__buf_puts(mw__buf *buf, const char *text);
int mw__buf_putc(mw__buf *buf, char c);

/* Grows once for `length` more bytes. */
int mw__buf_reserve(mw__buf *buf, size_t length);

/* Moves the content out: free() it. NULL when a failure sticks; never NULL otherwise. Leaves an
 * empty buffer. */
char *mw__buf_take(mw__buf *buf, size_t *length);
void mw__buf_free(mw__buf *buf);

#endif

/* literal_scan.h: the words of a data-only Lua file, one after the other, for literal.c. Any thread. */
#ifndef MOONWIRE_LITERAL_SCAN_H
#define MOONWIRE_LITERAL_SCAN_H

#include "mw/value.h"

/* A token is one of these, or its character: { } [ ] = , ; */
enum { MW__T_END = 256, MW__T_NAME, MW__T_STRING, MW__T_INTEGER, MW__T_NUMBER, MW__T_OTHER };

typedef struct mw__scan {
    const char *name; /* of the file, for messages */
    const char *what;
    mw_arena *arena;
    mw_error *error;
    const char *at, *end;
    const char *start; /* of the token */
    unsigned line;     /* of the token */
    unsigned next_line;
    int token;
    const char *text; /* NAME, STRING: the arena's, NUL-ended */
    size_t length;
    int64_t integer;
    double number;
    char shown[80];
} mw__scan;

int mw__scan_start(mw__scan *scan, const char *text, size_t length);
/* Moves on to the next token. MW_OK, MW_INVALID, MW_MEMORY. */
int mw__scan_next(mw__scan *scan);
/* Whether the name that is the token has a '=' behind it. */
bool mw__scan_at_equals(const mw__scan *scan);
/* The token for a message: "'os'", "the end". */
const char *mw__scan_shown(mw__scan *scan);
void *mw__scan_alloc(mw__scan *scan, size_t size);
/* "NAME:LINE: ..."; MW_INVALID. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int mw__scan_fail(mw__scan *scan, const char *format, ...);

#endif

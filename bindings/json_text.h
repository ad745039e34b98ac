/* json_text.h: the tokens of JSON text that are more than one character: strings and numbers. One thread at a time. */
#ifndef MOONWIRE_JSON_TEXT_H
#define MOONWIRE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a text ends a NUL stands, so that no function here looks further than one byte beyond `end`. */

/* The first byte from `at` that ends a run of plain ones: a quote, a backslash, a control character, or `end`. */
const char *mw__json_plain(const char *at, const char *end);

/* The closing quote of the string whose first byte after the opening one is `at`, and in `*escaped` whether a backslash
 * is in it. NULL with `*problem`: it has none. */
const char *mw__json_string_end(const char *at, const char *end, bool *escaped,
                                const char **problem);

/* Writes what the bytes from `at` to the closing quote stand for, never more than they are, to `to`. Returns its end;
 * NULL with `*problem` in an escape that JSON does not have, or half a surrogate pair. */
char *mw__json_unescape(const char *at, const char *quote, char *to, const char **problem);

typedef struct mw__json_number {
    enum {
        MW__JSON_INTEGER,
        MW__JSON_FLOAT,
        MW__JSON_TEXT
    } type; /* TEXT: too long to be read here */
    int64_t integer;
    double number;
} mw__json_number;

/* Reads a number that begins at `at`. Returns its end, or NULL when it is none that JSON has. Exact: where
 * the digits are too many for one division, the text is left to others. */
const char *mw__json_number_read(const char *at, mw__json_number *number);

#endif

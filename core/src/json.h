/* json.h: writes argument trees as JSON text, for bodies and for mw_json_write. */
#ifndef MW_JSON_H
#define MW_JSON_H

#include "buf.h"
#include "mw/operation.h"
#include "mw/value.h"

/* Appends `value`. `field` (may be NULL) says what the facts know of it: an empty table is [] where
 * they say array, ids take their documented type. The value must have passed the check before; only
 * depth and numbers are looked at again. MW_INVALID with `error`, or what sticks in `buf`. */
int mw__json_write(mw__buf *buf, const mw_value *value, const mw_field *field, mw_error *error);

/* Appends a string with its quotes; a number as the shortest text that reads back the same. */
void mw__json_string(mw__buf *buf, const char *text, size_t length);
void mw__json_number(mw__buf *buf, double number);

/* The decimal text of an integer. */
void mw__json_integer(mw__buf *buf, int64_t integer);

/* Whether a string is UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
bool mw__is_utf8(const char *text, size_t length);

/* Whether a string is an integer in the one way that JSON writes it: "12", "-3", not "012", "+1", "1e3". */
bool mw__is_integer_text(const char *text, size_t length);

/* Whether a number is an integer that a double holds exactly; then `*integer` is it. */
bool mw__whole_number(double number, int64_t *integer);

/* The field of that name in a NULL-ended list (either may be NULL), or NULL. */
const mw_field *mw__field_find(const mw_field *fields, const char *name, size_t length);

#endif

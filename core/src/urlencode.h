/* urlencode.h: percent-encoding and the pairs of queries and url-encoded forms. Pure functions on
 * buffers. */
#ifndef MW_URLENCODE_H
#define MW_URLENCODE_H

#include "buf.h"
#include "mw/operation.h"
#include "mw/value.h"

/* Appends `text` with every byte but A-Z a-z 0-9 - . _ ~ percent-encoded. */
void mw__url_escape(mw__buf *buf, const char *text, size_t length);

/* Appends "name=value" with a '&' before it when the buffer is not empty. */
void mw__url_pair(mw__buf *buf, const char *name, const char *value, size_t length);

/* Appends a parameter: an array becomes one pair an element (a query's labels[]) or, for `csv`, one
 * pair whose value is joined by commas. The value has been checked. */
void mw__url_field(mw__buf *buf, const mw_field *field, const mw_value *value, bool csv);

/* The plain text of a scalar: true, 12, 0.5 or the string itself. NaN and infinity have none: MW_INVALID sticks in
 * `buf`. */
void mw__scalar_text(mw__buf *buf, const mw_value *value);

/* Why `text` can't be one segment of a path, or NULL when it can. */
const char *mw__segment_problem(const char *text, size_t length);

/* Why `path` can't be sent as it is ("/a/b%20c": begins with '/', nothing that needs encoding, no
 * "?", "#", "." or
 * ".." segments), or NULL. */
const char *mw__path_problem(const char *path);

/* Whether `tail`, what follows an origin in a URL, is made only of what every parser of URLs leaves
 * as it is: unreserved characters, single '/' and encoded bytes, then perhaps '?' and a query of the
 * same with '=' and '&'. */
bool mw__url_is_plain(const char *tail);

#endif

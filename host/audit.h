/* audit.h: what was decided and what was sent, as JSON lines at the end of a file. Holds no token, and bodies only
 * where they are asked for. Main thread. */
#ifndef MOONWIRE_AUDIT_H
#define MOONWIRE_AUDIT_H

#include <stdbool.h>

#include "mw/loop.h"
#include "mw/policy.h"

typedef struct mw__audit mw__audit;

/* Opens `path` for appending; a new file is its owner's alone. `script` is copied. MW_INVALID with `error`,
 * MW_MEMORY. */
int mw__audit_open(const char *path, const char *script, bool bodies, mw__audit **audit,
                   mw_error *error);
/* The secrets of the clients of `loop` are replaced in every line; at most 8 loops. */
void mw__audit_redact(mw__audit *audit, mw_loop *loop);
/* Writes the line of an event, at once. MW_OK, or a negative mw_err with `error`: the line is not in the file, and
 * no later one will be. */
int mw__audit_event(mw__audit *audit, const mw_policy_event *event, mw_error *error);
/* Closes. MW_INVALID with `error` when the system says only now that something is not on the disk. */
int mw__audit_close(mw__audit *audit, mw_error *error); /* NULL is fine */

#endif

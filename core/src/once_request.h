/* once_request.h: what a request carries that is to be made once: its key, the mark or the natural key by which the
 * object is found again, and the request that looks for it. One thread at a time. */
#ifndef MW_ONCE_REQUEST_H
#define MW_ONCE_REQUEST_H

#include "maker.h"

#define MW_ONCE_MARK "moonwire_once" /* the member that a marker field gets */

struct mw__once_request {
    char key[MW_MAX_ONCE + 1];
    uint64_t what; /* tells apart what is made: operation, path, parameters; the account aside */
    char mark[17]; /* by which it is found; "" where `by` does it */
    const mw_once_key *by; /* NULL where the mark does it */
    char *value;           /* of the key, as text */
    mw_request *look;      /* the first question for it */
    mw_member *marked; /* of the marker field; borrows from the caller until the body is written */
};

/* Notes in make->request what `key` needs, and marks the body that is to be written. MW_INVALID with the error: no key,
 * an operation whose objects can't be found again, a field that is needed is missing; MW_MEMORY. */
int mw__once_prepare(mw__maker *make, const char *key);

/* The same for an account, the one that the call goes to (NULL: none). */
uint64_t mw__once_what(const mw_request *request, const char *account);

/* A copy of a look, at the page before the object with id `before` (0: at the first page). NULL: out of memory. */
mw_request *mw__once_page(const mw_request *look, int64_t before);

/* NULL is fine. */
void mw__once_request_free(mw__once_request *once);

#endif

/* once_find.h: whether the object of a key is in an answer to a look. One thread at a time. */
#ifndef MW_ONCE_FIND_H
#define MW_ONCE_FIND_H

#include "once_request.h"

typedef struct mw__once_found {
    char *body; /* of the object, as its operation would have answered: free() it; NULL: it is not there */
    size_t length;
    bool more; /* it may be on the page before the object with id `before` */
    int64_t before;
    int64_t oldest; /* when the oldest object of this page was made, or INT64_MAX */
} mw__once_found;

/* Reads the answer to a look. MW_OK; MW_DECODE, MW_MEMORY with `error`. */
int mw__once_find(const mw_request *request, const char *body, size_t length, mw__once_found *found,
                  mw_error *error);

/* Whether it is JSON: an object or an array. */
bool mw__once_is_object(const char *body, size_t length);

#endif

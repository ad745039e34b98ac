/* check.h: arguments against the row's fields. Pure functions; what is wrong goes into the error. */
#ifndef MW_CHECK_H
#define MW_CHECK_H

#include "mw/operation.h"
#include "mw/value.h"

typedef struct mw__check {
    const char *operation; /* "contacts:update" */
    bool query;            /* a query parameter: text on the wire whatever its type, never null */
    mw_error *error;
    char *warning; /* gets what is worth telling although it is sent */
    size_t warning_size;
} mw__check;

/* Checks one top-level parameter. MW_OK or MW_INVALID. */
int mw__check_field(const mw__check *check, const mw_field *field, const mw_value *value);

/* "a string", "the integer 42": for messages. */
void mw__describe(const mw_value *value, char *text, size_t size);

#endif

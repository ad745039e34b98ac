/* ops_fields.h: an operation as a person reads it. Any thread that may write to standard output. */
#ifndef MOONWIRE_OPS_FIELDS_H
#define MOONWIRE_OPS_FIELDS_H

#include "mw/operation.h"

/* Prints title, path parameters, query, body and paging to standard output, indented. */
void mw__ops_print_fields(const mw_operation *operation);

#endif

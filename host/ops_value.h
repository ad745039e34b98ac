/* ops_value.h: one operation as a JSON value. Main thread. */
#ifndef MOONWIRE_OPS_VALUE_H
#define MOONWIRE_OPS_VALUE_H

#include "mw/operation.h"
#include "mw/value.h"

/* The whole row as an object, keys in the order of mw_operation; lists that are empty are there all
 * the same, columns without a value are null. Nodes are in `arena`, strings are the row's.
 * MW_V_NONE when the arena is full. */
mw_value mw__ops_value(mw_arena *arena, const mw_operation *operation);

#endif

/* json_read.h: reads JSON text into a tree of values, strictly: for the few answers that the core itself looks into. */
#ifndef MW_JSON_READ_H
#define MW_JSON_READ_H

#include "mw/value.h"

#define MW_JSON_MAX_NODES (1u << 20) /* values of one text */

/* Reads one value, as RFC 8259 has it: UTF-8, nothing behind it, no lone surrogates. Integers that fit are
 * MW_V_INTEGER, other numbers MW_V_NUMBER; an empty object or array keeps its type. Everything is copied into `arena`.
 * MW_OK; MW_DECODE with the byte at fault in `error` (also for more than MW_MAX_DEPTH levels or MW_JSON_MAX_NODES
 * values); MW_MEMORY when the arena is full or memory is out. */
int mw__json_read(const char *text, size_t length, mw_arena *arena, mw_value *value,
                  mw_error *error);

/* The member of that name, the last one where it stands twice; NULL when there is none, or `value` is no object (NULL
 * is fine). */
const mw_value *mw__json_member(const mw_value *value, const char *name);

/* What a path of names leads to, "data.payload"; "" leads to the value itself. NULL: nowhere. */
const mw_value *mw__json_at(const mw_value *value, const char *path);

#endif

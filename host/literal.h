/* literal.h: Lua tables that are data alone: texts, numbers, booleans and tables, as policies and configurations are
 * written. Nothing is executed. Any thread. */
#ifndef MOONWIRE_LITERAL_H
#define MOONWIRE_LITERAL_H

#include "mw/value.h"

#define MW__LITERAL_MAX (256u * 1024u)          /* bytes of a file */
#define MW__LITERAL_ARENA (16u * 1024u * 1024u) /* enough for any file of that size */
#define MW__LITERAL_DEPTH 20                    /* tables in tables */

/* Reads "return { ... }" or "{ ... }". `name` stands in messages, "triage.policy.lua:7: ...", and `what` is what it
 * should be: "a policy". A list becomes MW_V_ARRAY, a table with names MW_V_OBJECT (their line is in no node), an
 * empty one MW_V_EMPTY. Everything in `value` is the arena's. MW_INVALID with `error`, or MW_MEMORY (as it is when the
 * arena is used up). */
int mw__literal_read(const char *text, size_t length, const char *name, const char *what,
                     mw_arena *arena, mw_value *value, mw_error *error);

/* Reads a file into a fresh NUL-ended buffer, freed with free(): of a larger one the first MW__LITERAL_MAX + 1 bytes,
 * which mw__literal_read refuses. MW_INVALID (can't be read) or MW_MEMORY with `error`; `*missing` (may be NULL)
 * tells that there is no such file. */
int mw__literal_load(const char *path, char **text, size_t *length, bool *missing, mw_error *error);

#endif

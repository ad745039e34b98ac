/* arguments_private.h: what functions that take a table of options share beyond the rows of options.c: a table of
 * their own, values that no row describes, and tables of headers. Thread of the Lua state. */
#ifndef MOONWIRE_ARGUMENTS_PRIVATE_H
#define MOONWIRE_ARGUMENTS_PRIVATE_H

#include "lua_private.h"

#define MW__MAX_HEADERS 100 /* of one message */

/* Replaces the table at absolute index `index` by a copy that no script reaches: what is borrowed from it stays.
 * [-0, +0, memory] */
void mw__lua_options_own(lua_State *L, int index);

/* Pushes the value `name` of that copy and takes it out. Returns its type. [-0, +1, memory] */
int mw__lua_options_take(lua_State *L, int index, const char *name);

/* Reads the table { name = value or list of values } at absolute index `index` into `headers`, MW__MAX_HEADERS at
 * most; numbers are converted. Returns the count and pushes a table that keeps the strings, or returns -1 and pushes
 * what is wrong. The characters are not looked at, apart from NUL. [-0, +1, memory] */
int mw__lua_headers_read(lua_State *L, int index, mw_header *headers);

#endif

/* options_private.h: option tables as rows (options.c). Thread of the Lua state. */
#ifndef MOONWIRE_OPTIONS_PRIVATE_H
#define MOONWIRE_OPTIONS_PRIVATE_H

#include "lua_private.h"

typedef enum mw__option_kind {
    MW__OPT_STRING,  /* const char * */
    MW__OPT_BOOLEAN, /* bool */
    MW__OPT_RETRIES, /* uint32_t; 0 becomes MW_NO_RETRIES */
    MW__OPT_SECONDS, /* uint32_t, milliseconds */
    MW__OPT_COUNT32, /* uint32_t */
    MW__OPT_COUNT64, /* uint64_t */
    MW__OPT_DIGITS,  /* const char *: an integer (written into `digits`) or a string of digits */
    MW__OPT_TABLE,   /* bool: there is one; the caller reads it */
    MW__OPT_ANY      /* bool: there is something; the caller checks and reads it */
} mw__option_kind;

typedef struct mw__option {
    const char *name;
    mw__option_kind kind;
    size_t offset;
} mw__option;

/* Fills `target` from the table at `index` (nil or none: nothing). Unknown names are refused with a
 * did-you-mean. `digits` holds an account that is given as integer. Strings are borrowed from the
 * table, as mw__lua_to_value does it. [-0, +0, raises] */
void mw__lua_options(lua_State *L, mw_lua *ctx, int index, const char *what, const mw__option *rows,
                     void *target, char digits[24]);
/* The same for the value at the top as the option `name`. [-0, +0, raises] */
void mw__lua_option(lua_State *L, mw_lua *ctx, const char *what, const mw__option *rows,
                    const char *name, void *target, char digits[24]);

#endif

/* config.h: the configuration of the tool: a data-only Lua table, /etc/moonwire/config.lua and the user's own. Main
 * thread.
 *
 *     return { require_policy = true }  -- `moonwire run` refuses a script without a policy */
#ifndef MOONWIRE_CONFIG_H
#define MOONWIRE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "mw/error.h"

typedef struct mw__config {
    bool require_policy;
    char required_by[512]; /* the file that says so */
} mw__config;

/* Reads /etc/moonwire/config.lua and the user's ($MOONWIRE_CONFIG, else $XDG_CONFIG_HOME/moonwire/config.lua, else
 * ~/.config/moonwire/config.lua), as far as they are there; what either demands holds. MW_INVALID with `error`: one
 * can't be read or says what is not known, or $MOONWIRE_CONFIG names no file. */
int mw__config_read(mw__config *config, mw_error *error);

#endif

/* failure.h: what an error that ended a script says about itself. On the thread of the Lua state. */
#ifndef MOONWIRE_FAILURE_H
#define MOONWIRE_FAILURE_H

#include <lua.h>

/* The field `name` of the error value at `value` when it is a table that has it as text, else NULL. Looks at raw fields
 * only and makes nothing, so that it never raises. Borrowed from the value. [-0, +0, -] */
const char *mw__failure_field(lua_State *L, int value, const char *name);

#endif

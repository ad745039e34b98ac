/* library.h: where the Lua library comes from: the program itself, or a folder for those who work on it. On the
 * thread of the Lua state. */
#ifndef MOONWIRE_LIBRARY_H
#define MOONWIRE_LIBRARY_H

#include <lua.h>

/* Loads the module `name` ("moonwire", "moonwire.each") without running it: pushes its chunk and where it is from
 * (":embedded:" or a path); or, when there is no such module, a text that says so. `lua_dir` NULL: the library
 * that is built in. [-0, +2 or +1, raises] */
int mw__library_load(lua_State *L, const char *lua_dir, const char *name);

#endif

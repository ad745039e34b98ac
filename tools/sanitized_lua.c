/* sanitized_lua.c: a small `lua5.4` for the specs of the sanitize build, because a core.so with sanitizers can't be
 * loaded into an interpreter without them. Owns its Lua state; must not know moonwire. One thread.
 *
 *     lua5.4 [-e CODE]... [-l MODULE]... [SCRIPT [ARGS...]]      "-" is standard input */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int dlclose(void *handle);

/* Libraries stay loaded, so that a leak report can name the functions of a module that Lua has let go. */
int dlclose(void *handle)
{
    (void)handle;
    return 0;
}

/* [-1, +1, -] */
static int traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

/* Runs the chunk that `loaded` speaks of, below its `nargs` arguments. [-(nargs + 1), +0, -] */
static bool run(lua_State *L, int loaded, int nargs)
{
    int status = loaded;
    if (status == LUA_OK) {
        int base = lua_gettop(L) - nargs;
        lua_pushcfunction(L, traceback);
        lua_insert(L, base);
        status = lua_pcall(L, nargs, 0, base);
        lua_remove(L, base);
    }
    if (status == LUA_OK)
        return true;
    fprintf(stderr, "lua5.4: %s\n", luaL_tolstring(L, -1, NULL));
    return false;
}

/* arg[0] is the script, the rest as Lua has it. [-0, +0, raises] */
static void set_arg(lua_State *L, int argc, char **argv, int script)
{
    lua_newtable(L);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - script);
    }
    lua_setglobal(L, "arg");
}

/* [-0, +0, raises] */
static bool require_module(lua_State *L, const char *name)
{
    lua_getglobal(L, "require");
    lua_pushstring(L, name);
    return run(L, LUA_OK, 1);
}

static bool is_option(const char *word)
{
    return strcmp(word, "-e") == 0 || strcmp(word, "-l") == 0;
}

int main(int argc, char **argv)
{
    int script = 1;
    bool ok = true;
    lua_State *L = luaL_newstate();
    if (!L)
        return EXIT_FAILURE;
    luaL_openlibs(L);
    while (script + 1 < argc && is_option(argv[script]))
        script += 2;
    set_arg(L, argc, argv, script < argc ? script : 0);
    for (int i = 1; ok && i < script; i += 2) {
        if (argv[i][1] == 'e')
            ok = run(L, luaL_loadbuffer(L, argv[i + 1], strlen(argv[i + 1]), "=(command line)"), 0);
        else
            ok = require_module(L, argv[i + 1]);
    }
    if (ok && script < argc) {
        const char *name = strcmp(argv[script], "-") == 0 ? NULL : argv[script];
        int loaded = luaL_loadfile(L, name);
        int nargs = 0;
        for (int i = script + 1; loaded == LUA_OK && i < argc; i++, nargs++) {
            luaL_checkstack(L, 2, "too many arguments");
            lua_pushstring(L, argv[i]);
        }
        ok = run(L, loaded, nargs);
    }
    lua_close(L);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

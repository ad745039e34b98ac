/* vm_require.c: owns `require` of a sandboxed script: the vetted part of the Lua library, and modules whose source
 * somebody else delivers. Must not know who. On the thread of the state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "library.h"
#include "vm.h"

static const char loading_key = 0; /* its address: table: name -> the thread that loads it */

/* The stack of a require: the name, the loaded modules, the mark, the path, the chunk or then its value. */
enum { NAME = 1, LOADED, MARK, PATH, CHUNK };

/* Frees the source when Lua lets go of it, after an error too. */
typedef struct holder {
    mw__source source;
} holder;

/* [-1, +0, -] */
static int l_drop(lua_State *L)
{
    holder *held = lua_touserdata(L, 1);
    free(held->source.data);
    held->source.data = NULL;
    return 0;
}

/* Pushes the table of `key` in the registry. [-0, +1, memory] */
static void push_table(lua_State *L, const void *key)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* __close of a mark: the name is not being loaded any more, or by whom it was before. Upvalues: name, that thread.
 * [-n, +0, memory] */
static int l_unmark(lua_State *L)
{
    push_table(L, &loading_key);
    lua_getiuservalue(L, 1, 1);
    lua_getiuservalue(L, 1, 2);
    lua_rawset(L, -3);
    return 0;
}

/* Pushes a userdata with a metatable that has `field`. [-0, +1, memory] */
static void *push_box(lua_State *L, size_t size, int values, const char *field,
                      lua_CFunction function)
{
    void *box = memset(lua_newuserdatauv(L, size, values), 0, size);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, function);
    lua_setfield(L, -2, field);
    lua_setmetatable(L, -2);
    return box;
}

/* Marks the name at 1 as being loaded by this thread, until the value that this pushes is closed. Another thread may
 * load it too, as in stock Lua: each runs it. [-0, +1, raises] */
static void mark_loading(lua_State *L)
{
    push_table(L, &loading_key);
    int loading = lua_gettop(L);
    lua_pushthread(L);
    lua_pushvalue(L, 1);
    lua_rawget(L, loading);
    if (lua_rawequal(L, -1, -2))
        luaL_error(L, "loop in require of '%s'", lua_tostring(L, 1));
    push_box(L, 1, 2, "__close", l_unmark);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, -2, 2);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, loading + 1);
    lua_rawset(L, loading);
    lua_replace(L, loading);
    lua_settop(L, loading);
    lua_toclose(L, loading);
}

/* "lib.text": words with dots in between. */
static bool is_name(const char *name, size_t length)
{
    bool word = false;
    if (length == 0 || length > 200)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!letter && !(c == '.' && word))
            return false;
        word = c != '.';
    }
    return word;
}

/* Pushes the path and the chunk of the module at 1. [-0, +2, raises] */
static void push_chunk(lua_State *L, mw__vm *vm)
{
    const char *name = lua_tostring(L, 1);
    mw_error error = {0};
    holder *held = push_box(L, sizeof *held, 0, "__gc", l_drop);
    mw__source *source = &held->source;
    int code = vm->options.module
                   ? vm->options.module(name, source, &error, vm->options.ud)
                   : mw_error_set(&error, MW_NOT_FOUND, "", "module '%s' not found", name);
    if (code == MW_BUDGET || code == MW_DENIED)
        mw__vm_raise(L, code, code == MW_BUDGET ? "source" : NULL, error.message);
    if (code < 0)
        luaL_error(L, "%s", error.message[0] ? error.message : mw_err_text(code));
    const char *path = lua_pushstring(L, source->path ? source->path : name);
    const char *chunk = lua_pushfstring(L, "@%s", path);
    if (mw__vm_load(L, source->text, source->length, chunk) != LUA_OK)
        luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, path,
                   lua_tostring(L, -1));
    free(source->data);
    source->data = NULL;
    lua_pushvalue(L, PATH + 1);
    lua_replace(L, PATH);
    lua_replace(L, CHUNK);
    lua_settop(L, CHUNK);
}

/* The chunk has returned. [-, +2, raises] */
static int finish(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    (void)kctx;
    lua_pushvalue(L, NAME);
    if (!lua_isnil(L, CHUNK)) {
        lua_pushvalue(L, CHUNK);
        lua_rawset(L, LOADED);
        lua_pushvalue(L, NAME);
    }
    if (lua_rawget(L, LOADED) == LUA_TNIL) {
        lua_pushvalue(L, NAME);
        lua_pushboolean(L, true);
        lua_rawset(L, LOADED);
        lua_pushboolean(L, true);
    }
    lua_pushvalue(L, PATH);
    return 2;
}

/* What a script can't have, or NULL. */
static const char *refusal(const char *name, size_t length)
{
    static const char *const absent[] = {"os", "io", "debug", "package", NULL};
    if (!is_name(name, length))
        return "a name is letters, digits and '_', with dots for folders";
    if (strcmp(name, "moonwire") == 0 || strncmp(name, "moonwire.", 9) == 0)
        return "of the library a sandboxed script has moonwire, moonwire.each and moonwire.task";
    for (size_t i = 0; absent[i]; i++) {
        if (strcmp(name, absent[i]) == 0)
            return "a sandboxed script can't have it";
    }
    return NULL;
}

void mw__vm_require_own(lua_State *L, mw__vm *vm, const char *name)
{
    int top = lua_gettop(L);
    if (mw__library_load(L, vm->options.lua_dir, name) == 1)
        lua_error(L);
    lua_pushstring(L, name);
    lua_insert(L, -2);
    lua_call(L, 2, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_settop(L, top);
}

int mw__vm_l_require(lua_State *L)
{
    mw__vm *vm = lua_touserdata(L, lua_upvalueindex(2));
    size_t length = 0;
    const char *name = luaL_checklstring(L, NAME, &length);
    lua_settop(L, NAME);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, NAME);
    lua_rawget(L, LOADED);
    if (lua_toboolean(L, -1))
        return 1;
    lua_settop(L, LOADED);
    if (vm->opening) {
        mw__vm_require_own(L, vm, name);
        lua_getfield(L, LOADED, name);
        return 1;
    }
    const char *why = refusal(name, length);
    if (why)
        return luaL_error(L, "module '%s' not found: %s", name, why);
    mark_loading(L);
    push_chunk(L, vm);
    lua_pushvalue(L, NAME);
    lua_pushvalue(L, PATH);
    lua_callk(L, 2, 1, 0, finish);
    return finish(L, LUA_OK, 0);
}

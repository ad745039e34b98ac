/* vm.c: owns the state of a sandboxed script and the allow list of what it can reach. Must not know where output goes
 * or where modules come from. On the thread of the state.
 *
 * The libraries of Lua are opened, copied by name into tables of their own, and left behind: nothing that is not on
 * the list can be reached from the globals, the metatable of strings or the table of loaded modules. */
#include "vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>
#include <sys/random.h>

#include "units.h"

enum { SOURCE_CAP = 1024 * 1024 };

typedef struct listed {
    const char *library; /* "_G": the globals */
    const char *names;   /* between blanks */
} listed;

static const listed allowed[] = {
    {LUA_GNAME,
     " _VERSION assert error getmetatable ipairs next pairs pcall rawequal rawget rawlen rawset"
     " select tonumber type xpcall "},
    {LUA_COLIBNAME, " close create isyieldable resume running status wrap yield "},
    {LUA_MATHLIBNAME,
     " abs acos asin atan ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max maxinteger min"
     " mininteger modf pi pow rad random sin sinh sqrt tan tanh tointeger type ult "},
    {LUA_OSLIBNAME, " clock date difftime time "},
    {LUA_STRLIBNAME,
     " byte char find gmatch gsub len lower match pack packsize rep reverse sub unpack"
     " upper "},
    {LUA_TABLIBNAME, " concat insert move pack remove sort unpack "},
    {LUA_UTF8LIBNAME, " char charpattern codepoint codes len offset "},
};

/* ---- functions that do less than Lua's; upvalue 1: Lua's, which takes the call over as it is ---- */

static lua_CFunction original(lua_State *L)
{
    return lua_tocfunction(L, lua_upvalueindex(1));
}

/* splitmix64 */
static lua_Integer next_seed(mw__vm *vm)
{
    uint64_t z = vm->seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (lua_Integer)(z ^ (z >> 31));
}

/* [-n, +1, raises] */
static int l_collectgarbage(lua_State *L)
{
    const char *option = luaL_optstring(L, 1, "collect");
    if (strcmp(option, "collect") != 0 && strcmp(option, "count") != 0)
        return luaL_error(
            L,
            "collectgarbage: a sandboxed script may \"collect\" and \"count\", and leaves the "
            "collector alone otherwise (got \"%s\")",
            option);
    return original(L)(L);
}

/* A finalizer runs when no hook does: it could not be ended. [-2, +1, raises] */
static int l_setmetatable(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(
                L,
                "setmetatable: a sandboxed script can't have __gc; a variable that is <close> and "
                "__close do it at a known time");
        lua_pop(L, 1);
    }
    return original(L)(L);
}

/* Text, given whole: a function that gives pieces would run within the parser. Upvalue 2: the VM. [-n, +1|2, raises] */
static int l_load(lua_State *L)
{
    const mw__vm *vm = lua_touserdata(L, lua_upvalueindex(2));
    if (!lua_isstring(L, 1))
        return luaL_error(
            L, "load: a sandboxed script loads text alone; give the source as a string (got a %s)",
            luaL_typename(L, 1));
    size_t length = 0;
    lua_tolstring(L, 1, &length);
    if (length > vm->source_cap) {
        char cap[32], message[128];
        snprintf(message, sizeof message, "load: a source of %zu bytes is over the budget of %s",
                 length, mw__show_size(vm->source_cap, cap, sizeof cap));
        return mw__vm_raise(L, MW_BUDGET, "source", message);
    }
    const char *mode = luaL_optstring(L, 3, "t");
    if (lua_gettop(L) < 3)
        lua_settop(L, 3);
    lua_pushstring(L, strchr(mode, 't') ? "t" : "");
    lua_replace(L, 3);
    return original(L)(L);
}

/* Lua's seeds itself with an address, and says so. Upvalue 2: the VM. [-n, +2, raises] */
static int l_randomseed(lua_State *L)
{
    if (lua_isnone(L, 1)) {
        mw__vm *vm = lua_touserdata(L, lua_upvalueindex(2));
        lua_pushinteger(L, next_seed(vm));
        lua_pushinteger(L, next_seed(vm));
    }
    lua_pushvalue(L, lua_upvalueindex(1)); /* with upvalues of its own */
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* ---- setting up ---- */

typedef struct replacement {
    const char *library;
    const char *name;
    lua_CFunction function;
} replacement;

static const replacement replaced[] = {
    {LUA_GNAME, "collectgarbage", l_collectgarbage},
    {LUA_GNAME, "load", l_load},
    {LUA_GNAME, "print", mw__vm_l_print},
    {LUA_GNAME, "require", mw__vm_l_require},
    {LUA_GNAME, "setmetatable", l_setmetatable},
    {LUA_GNAME, "tostring", mw__vm_l_tostring},
    {LUA_MATHLIBNAME, "randomseed", l_randomseed},
    {LUA_STRLIBNAME, "format", mw__vm_l_format},
};

/* Native modules come from the system's folders, not from where the program happens to be started.
 * [-0, +0, raises] */
static void keep_absolute(lua_State *L, const char *name)
{
    luaL_Buffer kept;
    lua_getfield(L, -1, name);
    const char *path = lua_tostring(L, -1);
    luaL_buffinit(L, &kept);
    for (const char *at = path ? path : ""; *at;) {
        size_t length = strcspn(at, ";");
        if (*at == '/') {
            luaL_addlstring(&kept, at, length);
            luaL_addchar(&kept, ';');
        }
        at += at[length] ? length + 1 : length;
    }
    luaL_pushresult(&kept);
    lua_setfield(L, -3, name);
    lua_pop(L, 1);
}

/* Opens the libraries. Leaves the module moonwire.core.
 * [-0, +1, raises] */
static void open_whole(lua_State *L, mw__vm *vm)
{
    static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
                                         {LUA_LOADLIBNAME, luaopen_package},
                                         {LUA_COLIBNAME, luaopen_coroutine},
                                         {LUA_TABLIBNAME, luaopen_table},
                                         {LUA_OSLIBNAME, luaopen_os},
                                         {LUA_STRLIBNAME, luaopen_string},
                                         {LUA_MATHLIBNAME, luaopen_math},
                                         {LUA_UTF8LIBNAME, luaopen_utf8},
                                         {NULL, NULL}};
    for (const luaL_Reg *library = libraries; library->name; library++) {
        luaL_requiref(L, library->name, library->func, 1);
        lua_pop(L, 1);
    }
    lua_getglobal(L, LUA_LOADLIBNAME);
    keep_absolute(L, "path");
    keep_absolute(L, "cpath");
    lua_pop(L, 1);
    vm->lua = mw_lua_preload(L, vm->options.loop);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "moonwire.core");
    lua_call(L, 1, 1);
}

/* Pushes the library as it was opened. [-0, +1, memory] */
static void push_whole(lua_State *L, int whole, const char *library)
{
    if (strcmp(library, LUA_GNAME) == 0)
        lua_pushvalue(L, whole);
    else
        lua_getfield(L, whole, library);
}

/* Copies what is listed from the globals at `whole` into those at `fresh`. [-0, +0, memory] */
static void copy_allowed(lua_State *L, int whole, int fresh)
{
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        const char *library = allowed[i].library;
        push_whole(L, whole, library);
        if (strcmp(library, LUA_GNAME) == 0) {
            lua_pushvalue(L, fresh);
        } else {
            lua_newtable(L);
            lua_pushvalue(L, -1);
            lua_setfield(L, fresh, library);
        }
        for (const char *at = allowed[i].names + 1; *at; at += strcspn(at, " ") + 1) {
            lua_pushlstring(L, at, strcspn(at, " "));
            lua_pushvalue(L, -1);
            lua_rawget(L, -4);
            lua_rawset(L, -3);
        }
        lua_pop(L, 2);
    }
    lua_pushvalue(L, fresh);
    lua_setfield(L, fresh, LUA_GNAME);
}

/* [-0, +0, memory] */
static void replace_some(lua_State *L, mw__vm *vm, int whole, int fresh)
{
    for (size_t i = 0; i < sizeof replaced / sizeof replaced[0]; i++) {
        push_whole(L, fresh, replaced[i].library);
        push_whole(L, whole, replaced[i].library);
        lua_getfield(L, -1, replaced[i].name);
        lua_remove(L, -2);
        lua_pushlightuserdata(L, vm);
        lua_pushcclosure(L, replaced[i].function, 2);
        lua_setfield(L, -2, replaced[i].name);
        lua_pop(L, 1);
    }
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_getfield(L, fresh, LUA_STRLIBNAME);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 2);
}

/* Makes the globals at `fresh` the only ones, and modules of the libraries in them; `os` is none, since it is not
 * the one that people know. Tracebacks find their names there. [-0, +0, memory] */
static void swap(lua_State *L, int fresh)
{
    static const char *const modules[] = {LUA_COLIBNAME, LUA_TABLIBNAME, LUA_STRLIBNAME,
                                          LUA_MATHLIBNAME, LUA_UTF8LIBNAME};
    lua_pushvalue(L, fresh);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_newtable(L);
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        lua_getfield(L, fresh, modules[i]);
        lua_setfield(L, -2, modules[i]);
    }
    lua_pushvalue(L, fresh);
    lua_setfield(L, -2, LUA_GNAME);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
}

static const char core_key = 0; /* its address: the module moonwire.core */

/* Runs in protected mode; 1: the VM. [-1, +0, raises] */
static int l_open(lua_State *L)
{
    mw__vm *vm = lua_touserdata(L, 1);
    luaL_checkversion(L);
    open_whole(L, vm);
    int core = lua_gettop(L);
    lua_pushvalue(L, core);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &core_key);
    lua_pushglobaltable(L);
    lua_newtable(L);
    int fresh = core + 2;
    copy_allowed(L, core + 1, fresh);
    replace_some(L, vm, core + 1, fresh);
    swap(L, fresh);
    lua_getfield(L, core, "log");
    lua_pushcclosure(L, mw__vm_l_log, 1);
    lua_setfield(L, core, "log");
    lua_getfield(L, fresh, LUA_MATHLIBNAME);
    lua_getfield(L, -1, "randomseed");
    lua_call(L, 0, 0);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, core);
    lua_setfield(L, -2, "moonwire.core"); /* for the library alone */
    vm->opening = true;
    mw__vm_require_own(L, vm, "moonwire");
    vm->opening = false;
    lua_pushnil(L);
    lua_setfield(L, -2, "moonwire.core");
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

int mw__vm_open(mw__vm *vm, const mw__vm_options *options, mw_error *error)
{
    *vm = (mw__vm){.options = *options, .source_cap = SOURCE_CAP};
    mw__heap_init(&vm->heap);
    if (getrandom(&vm->seed, sizeof vm->seed, 0) != (ssize_t)sizeof vm->seed)
        return mw_error_set(error, MW_INVALID, "",
                            "can't set up Lua: the system gives no random numbers");
    vm->L = lua_newstate(mw__heap_alloc, &vm->heap);
    if (!vm->L)
        return mw_error_set(error, MW_MEMORY, "", "can't set up Lua: out of memory");
    lua_pushcfunction(vm->L, l_open);
    lua_pushlightuserdata(vm->L, vm);
    if (lua_pcall(vm->L, 1, 0, 0) == LUA_OK)
        return MW_OK;
    const char *text = lua_tostring(vm->L, -1);
    return mw_error_set(error, MW_INVALID, "", "can't set up Lua: %s",
                        text ? text : "out of memory");
}

int mw__vm_load(lua_State *L, const char *text, size_t length, const char *chunk)
{
    static const char mark[] = "\xEF\xBB\xBF";
    if (length >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        length -= 3;
    }
    if (length > 0 &&
        *text == '#') { /* the end of its line stays, and so do the numbers of the others */
        const char *end = memchr(text, '\n', length);
        length = end ? length - (size_t)(end - text) : 0;
        text = end ? end : "";
    }
    return luaL_loadbufferx(L, text, length, chunk, "t");
}

int mw__vm_raise(lua_State *L, int code, const char *budget, const char *message)
{
    luaL_checkstack(L, 8, NULL);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key);
    lua_getfield(L, -1, "error");
    lua_createtable(L, 0, 3);
    lua_pushstring(L, mw_err_kind(code));
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, budget);
    lua_setfield(L, -2, "budget");
    lua_call(L, 1, 1);
    return lua_error(L);
}

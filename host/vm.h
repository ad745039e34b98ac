/* vm.h: the Lua state of a sandboxed script: its libraries, cut down to an allow list, and the places where it meets
 * its process: output, modules, budgets of memory and source. Knows no frames, no signals, no broker. On the thread of
 * the state.
 *
 * What a script can reach is what vm.c lists, the Lua library (`require "moonwire"`), and the modules that `module`
 * delivers as source. Everything is text: no function takes or gives bytecode, no text holds an address. */
#ifndef MOONWIRE_VM_H
#define MOONWIRE_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "heap.h"
#include "moonwire_lua.h"
#include "mw/error.h"
#include "mw/loop.h"

/* The source of a module: `data` is freed with free(); the others point into it. */
typedef struct mw__source {
    char *data;
    const char *text;
    size_t length;
    const char *path; /* "lib/text.lua" */
} mw__source;

typedef struct mw__vm_options {
    mw_loop *loop;
    const char *lua_dir; /* NULL: the library that is built in */
    /* What print writes: one call a line, with its newline. */
    void (*print)(const char *text, size_t length, void *ud);
    /* MW_OK with the module's source, or a negative mw_err with `error`. NULL: there are no modules. */
    int (*module)(const char *name, mw__source *source, mw_error *error, void *ud);
    void *ud;
} mw__vm_options;

typedef struct mw__vm {
    mw__vm_options options;
    mw__heap heap;
    lua_State *L;
    mw_lua *lua;
    size_t source_cap; /* bytes of one chunk; mw__vm_open sets 1 MiB */
    uint64_t seed;     /* for math.randomseed */
    bool opening;      /* the Lua library may still load its own modules */
} mw__vm;

/* Makes the state, with everything loaded that needs a file. The heap has no limit yet. `vm` must stay where it is.
 * MW_MEMORY or MW_INVALID with `error`. It is never closed: it goes with the process. */
int mw__vm_open(mw__vm *vm, const mw__vm_options *options, mw_error *error);

/* Pushes a chunk. `chunk` as Lua has it ("@script.lua"). A first line that begins with '#' is skipped, as is a byte
 * order mark. LUA_OK, or a status with the message pushed. [-0, +1, -] */
int mw__vm_load(lua_State *L, const char *text, size_t length, const char *chunk);

/* ---- what the files of the VM share ---- */

/* The value as text, without an address: "table: 3", where the number stays the object's while it lives.
 * [-0, +1, raises] */
const char *mw__vm_tostring(lua_State *L, int index);
/* Raises an error object; `budget` is its field of that name, or NULL. [-0, +0, raises] */
int mw__vm_raise(lua_State *L, int code, const char *budget, const char *message);

/* Replacements. Upvalues: 1 the function that is replaced, 2 the VM.
 * vm_text.c: print, tostring, string.format, and (without the VM) core.log */
int mw__vm_l_print(lua_State *L);
int mw__vm_l_tostring(lua_State *L);
int mw__vm_l_format(lua_State *L);
int mw__vm_l_log(lua_State *L);
/* vm_require.c */
int mw__vm_l_require(lua_State *L);
/* Runs a module of the Lua library and keeps it as loaded. [-0, +0, raises] */
void mw__vm_require_own(lua_State *L, mw__vm *vm, const char *name);

#endif

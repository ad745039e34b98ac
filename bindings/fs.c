/* fs.c: owns core.fs: files as scripts read and write them, through what the host gives, or through fs_plain.c. Must
 * not know where files are, nor what is granted. An open file is in a box, which closes it. Runs on the thread of the
 * Lua state. */
#include <string.h>

#include "fs_private.h"
#include "lua_private.h"

#define CHUNK ((size_t)256 << 10)
#define MAX_PATH 4096

/* An open file. User value 1, of one that is read by lines: a userdata of CHUNK bytes. */
typedef struct filebox {
    mw__waiter waiter;
    uint32_t handle;
    bool open;
    bool over;     /* nothing comes behind what is in the chunk */
    size_t at;     /* in the chunk: where the next line begins */
    size_t length; /* of the chunk */
} filebox;

void mw_lua_on_files(mw_lua *ctx, const mw_lua_files *files, void *ud)
{
    ctx->files = *files;
    ctx->files_ud = ud;
}

/* Raises what a function of the host said. [-0, +0, raises] */
static int fail(lua_State *L, mw_lua *ctx, const char *what, int rc, mw_error *error)
{
    error->code = rc;
    return mw__lua_raise_core(L, ctx, error, what);
}

/* Makes sure that there is something to open files with. [-0, +0, raises] */
static void find_files(lua_State *L, mw_lua *ctx, const char *what)
{
    if (ctx->files.open)
        return;
    if (ctx->confined)
        mw__lua_raise(L, ctx, MW_DENIED, what, "no folder is granted to this script");
    ctx->plain = mw__lua_plain_new();
    if (!ctx->plain)
        mw__lua_raise(L, ctx, MW_MEMORY, what, "%s", mw_err_text(MW_MEMORY));
    mw_lua_on_files(ctx, &mw__lua_plain_files, ctx->plain);
}

/* The path at 1. [-0, +0, raises] */
static const char *check_path(lua_State *L, mw_lua *ctx, const char *what)
{
    if (lua_type(L, 1) != LUA_TSTRING)
        mw__lua_raise(L, ctx, MW_INVALID, what, "the path of a file must be a string, got %s",
                      mw__lua_got(L, 1));
    size_t length = 0;
    const char *path = lua_tolstring(L, 1, &length);
    if (length == 0 || length > MAX_PATH || strlen(path) != length)
        mw__lua_raise(L, ctx, MW_INVALID, what,
                      "the path of a file is empty, longer than %d bytes, or holds a NUL byte",
                      MAX_PATH);
    find_files(L, ctx, what);
    return path;
}

/* Closes without keeping what was written, and without an error: the script goes another way. */
static void release(mw__waiter *waiter)
{
    filebox *box = (filebox *)waiter;
    mw_lua *ctx = waiter->ctx;
    mw_error ignored = {0};
    if (box->open)
        ctx->files.close(box->handle, false, &ignored, ctx->files_ud);
    box->open = false;
}

/* Opens the file at path 1 into a box. [-0, +1, raises] */
static filebox *open_file(lua_State *L, mw_lua *ctx, const char *what, char mode, bool by_lines)
{
    const char *path = check_path(L, ctx, what);
    filebox *box = mw__lua_box_new(L, ctx, sizeof *box, 1, release);
    if (by_lines) {
        lua_newuserdatauv(L, CHUNK, 0);
        lua_setiuservalue(L, -2, 1);
    }
    mw_error error = {0};
    int rc = ctx->files.open(path, mode, &box->handle, &error, ctx->files_ud);
    if (rc != MW_OK)
        fail(L, ctx, what, rc, &error);
    box->open = true;
    return box;
}

/* fs.read(path) -> text [-1, +1, raises] */
static int l_read(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    lua_settop(L, 1);
    const filebox *box = open_file(L, ctx, "fs.read", 'r', false);
    lua_toclose(L, 2);
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    size_t length = CHUNK;
    while (length == CHUNK) {
        char *at = luaL_prepbuffsize(&text, CHUNK);
        mw_error error = {0};
        int rc = ctx->files.read(box->handle, at, &length, &error, ctx->files_ud);
        if (rc != MW_OK)
            return fail(L, ctx, "fs.read", rc, &error);
        luaL_addsize(&text, length);
    }
    luaL_pushresult(&text);
    return 1;
}

/* write and append: the text at 2 into the file at path 1. [-2, +0, raises] */
static int put(lua_State *L, const char *what, char mode)
{
    mw_lua *ctx = mw__lua_ctx(L);
    size_t length = 0;
    lua_settop(L, 2);
    if (lua_type(L, 2) != LUA_TSTRING)
        return mw__lua_raise(L, ctx, MW_INVALID, what, "what is written must be a string, got %s",
                             mw__lua_got(L, 2));
    const char *text = lua_tolstring(L, 2, &length);
    filebox *box = open_file(L, ctx, what, mode, false);
    lua_toclose(L, 3);
    mw_error error = {0};
    int rc = MW_OK;
    while (rc == MW_OK && length > 0) {
        size_t size = length < CHUNK ? length : CHUNK;
        rc = ctx->files.write(box->handle, text, size, &error, ctx->files_ud);
        text += size;
        length -= size;
    }
    if (rc == MW_OK) {
        box->open = false;
        rc = ctx->files.close(box->handle, true, &error, ctx->files_ud);
    }
    return rc == MW_OK ? 0 : fail(L, ctx, what, rc, &error);
}

/* fs.write(path, text) */
static int l_write(lua_State *L)
{
    return put(L, "fs.write", 'w');
}

/* fs.append(path, text) */
static int l_append(lua_State *L)
{
    return put(L, "fs.append", 'a');
}

/* Reads the next chunk; at the end of the file closes it. [-0, +0, raises] */
static void fill(lua_State *L, mw_lua *ctx, filebox *box, char *chunk)
{
    mw_error error = {0};
    size_t length = CHUNK;
    box->at = box->length = 0;
    int rc = ctx->files.read(box->handle, chunk, &length, &error, ctx->files_ud);
    if (rc != MW_OK)
        fail(L, ctx, "fs.lines", rc, &error);
    box->length = length;
    box->over = length < CHUNK;
    if (box->over)
        release(&box->waiter);
}

/* The next line. Upvalues: context, box. Whatever allocates may run a finalizer that calls this as well: the place in
 * the chunk moves on before that, and is read again after it. [-n, +1, raises] */
static int l_next(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    filebox *box = lua_touserdata(L, lua_upvalueindex(2));
    lua_settop(L, 0);
    lua_getiuservalue(L, lua_upvalueindex(2), 1);
    char *chunk = lua_touserdata(L, 1);
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    bool some = false;
    for (;;) {
        if (box->at >= box->length) {
            if (box->over || !box->open)
                break;
            fill(L, ctx, box, chunk);
            continue;
        }
        const char *start = chunk + box->at;
        size_t left = box->length - box->at;
        const char *end = memchr(start, '\n', left);
        size_t size = end ? (size_t)(end - start) : left;
        box->at += size + (end != NULL);
        luaL_addlstring(&line, start, size);
        some = true;
        if (!end)
            continue;
        if (luaL_bufflen(&line) > 0 && luaL_buffaddr(&line)[luaL_bufflen(&line) - 1] == '\r')
            luaL_buffsub(&line, 1);
        luaL_pushresult(&line);
        return 1;
    }
    if (!some)
        return 0;
    luaL_pushresult(&line);
    return 1;
}

/* fs.lines(path) -> iterator, nil, nil, what closes the file when the loop is left. [-1, +4, raises] */
static int l_lines(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    lua_settop(L, 1);
    open_file(L, ctx, "fs.lines", 'r', true);
    mw__lua_ctx_push(L, ctx);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, l_next, 2);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, 2);
    return 4;
}

/* fs.exists(path) -> boolean [-1, +1, raises] */
static int l_exists(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    lua_settop(L, 1);
    const char *path = check_path(L, ctx, "fs.exists");
    mw_error error = {0};
    bool exists = false;
    int rc = ctx->files.exists(path, &exists, &error, ctx->files_ud);
    if (rc != MW_OK)
        return fail(L, ctx, "fs.exists", rc, &error);
    lua_pushboolean(L, exists);
    return 1;
}

void mw__lua_open_fs(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg functions[] = {{"read", l_read},     {"write", l_write},
                                         {"append", l_append}, {"lines", l_lines},
                                         {"exists", l_exists}, {NULL, NULL}};
    lua_createtable(L, 0, 5);
    mw__lua_ctx_push(L, ctx);
    luaL_setfuncs(L, functions, 1);
    lua_setfield(L, -2, "fs");
}

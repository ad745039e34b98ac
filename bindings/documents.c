/* documents.c: owns core.documents: files of documents in Lua, of which mw/documents.h says what they hold and how they
 * fail. Must not know what a document says. Runs on the thread of the Lua state, and blocks it: a write returns once it
 * is committed, with the loop standing still meanwhile. */
#include <stdint.h>
#include <string.h>

#include "options_private.h"
#include "mw/documents.h"

typedef struct documents {
    mw__held held; /* first: while it is open */
    mw_documents *file;
    bool reading;
} documents;

/* [-0, +0, -] */
static void close_documents(mw__held *held)
{
    documents *self = (documents *)held;
    mw__lua_unhold(held);
    mw_documents_close(self->file);
    self->file = NULL;
}

/* [-0, +0, raises] */
static documents *check_self(lua_State *L, mw_lua *ctx, const char *operation)
{
    documents *self = mw__lua_class_test(L, ctx, 1, MW__META_DOCUMENTS);
    if (!self)
        mw__lua_raise(L, ctx, MW_INVALID, operation, "%s: call it with a colon", operation);
    return self;
}

/* One that is open, and not in the middle of file:each. [-0, +0, raises] */
static documents *check_open(lua_State *L, mw_lua *ctx, const char *operation)
{
    documents *self = check_self(L, ctx, operation);
    if (!self->file)
        mw__lua_raise(L, ctx, MW_INVALID, operation, "%s: the file is closed", operation);
    if (self->reading)
        mw__lua_raise(L, ctx, MW_INVALID, operation,
                      "%s: not within documents:each; collect what is to be done, and do it "
                      "afterwards",
                      operation);
    return self;
}

/* file:close(), and __close. Twice is fine. [-n, +0, raises] */
static int l_close(lua_State *L)
{
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    documents *self = check_self(L, ctx, "documents:close");
    if (self->file)
        close_documents(&check_open(L, ctx, "documents:close")->held);
    return 0;
}

static int l_gc(lua_State *L)
{
    close_documents(lua_touserdata(L, 1));
    return 0;
}

/* ---- file:each ---- */

/* Calls the function at 1 with the document at 2. [-2, +0, raises] */
static int l_give(lua_State *L)
{
    const mw_document *document = lua_touserdata(L, 2);
    lua_settop(L, 1);
    lua_pushlstring(L, document->kind, document->kind_length);
    lua_pushlstring(L, document->id, document->id_length);
    lua_pushlstring(L, document->body, document->body_length);
    lua_call(L, 3, 0);
    return 0;
}

/* Within mw_documents_each: nothing may be raised through it. Leaves the error at the top, and stops.
 * [-0, +0 or +1, -] */
static bool give(const mw_document *document, void *ud)
{
    lua_State *L = ud;
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 2);
    lua_pushlightuserdata(L, (void *)(uintptr_t)document);
    return lua_pcall(L, 2, 0, 0) == LUA_OK;
}

/* file:each(f): calls f(kind, id, body) for every document, by kind and then in the order in which they were first
 * written. An error of `f` ends it. `f` can't use the file. [-2, +0, raises] */
static int l_each(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw_error error = {0};
    documents *self = check_open(L, ctx, "documents:each");
    lua_settop(L, 2);
    if (lua_type(L, 2) != LUA_TFUNCTION)
        return mw__lua_raise(L, ctx, MW_INVALID, "documents:each",
                             "documents:each: give it a function(kind, id, body), got %s",
                             mw__lua_got(L, 2));
    luaL_checkstack(L, 8, NULL);
    lua_pushcfunction(L, l_give);
    self->reading = true;
    int rc = mw_documents_each(self->file, give, L, &error);
    self->reading = false;
    if (lua_gettop(L) > 3)
        return lua_error(L);
    return rc == MW_OK ? 0 : mw__lua_raise_core(L, ctx, &error, "documents:each");
}

/* ---- file:write ---- */

static int wrong_change(lua_State *L, mw_lua *ctx, lua_Unsigned number, const char *what)
{
    return mw__lua_raise(L, ctx, MW_INVALID, "documents:write",
                         "documents:write: change %I: %s, got %s; a change is "
                         "{ kind, id, body }, or { kind, id, false } to remove",
                         (lua_Integer)number, what, mw__lua_got(L, -1));
}

/* Reads the change at the top. Its strings are borrowed from its table, and nothing is allocated unless it raises.
 * [-0, +0, raises] */
static void read_change(lua_State *L, mw_lua *ctx, lua_Unsigned number, mw_document *change)
{
    *change = (mw_document){0};
    if (!lua_istable(L, -1))
        wrong_change(L, ctx, number, "it must be a table");
    if (lua_rawgeti(L, -1, 1) != LUA_TSTRING)
        wrong_change(L, ctx, number, "its kind must be a string");
    change->kind = lua_tolstring(L, -1, &change->kind_length);
    if (lua_rawgeti(L, -2, 2) != LUA_TSTRING)
        wrong_change(L, ctx, number, "its id must be a string");
    change->id = lua_tolstring(L, -1, &change->id_length);
    int type = lua_rawgeti(L, -3, 3);
    if (type == LUA_TSTRING)
        change->body = lua_tolstring(L, -1, &change->body_length);
    else if (type != LUA_TBOOLEAN || lua_toboolean(L, -1))
        wrong_change(L, ctx, number, "its body must be a string or false");
    lua_pop(L, 3);
}

/* file:write{ { kind, id, body }, { kind, id, false }, ... }: makes all the changes (false removes) in their order, or
 * none and raises. Returns when they are committed. [-2, +0, raises] */
static int l_write(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    mw_error error = {0};
    documents *self = check_open(L, ctx, "documents:write");
    lua_settop(L, 2);
    if (!lua_istable(L, 2))
        return mw__lua_raise(L, ctx, MW_INVALID, "documents:write",
                             "documents:write: give it a list of changes, got %s",
                             mw__lua_got(L, 2));
    luaL_checkstack(L, 8, NULL);
    lua_Unsigned count = lua_rawlen(L, 2);
    lua_pushnil(L);
    if (count == 0 && lua_next(L, 2) != 0)
        return mw__lua_raise(L, ctx, MW_INVALID, "documents:write",
                             "documents:write: give it a list of changes, got a table with names");
    lua_settop(L, 2);
    mw_document *changes = lua_newuserdatauv(L, count * sizeof *changes, 0);
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        read_change(L, ctx, i + 1, &changes[i]);
        lua_pop(L, 1);
    }
    if (!self->file) /* a finalizer has closed it meanwhile */
        return mw__lua_raise(L, ctx, MW_INVALID, "documents:write",
                             "documents:write: the file is closed");
    if (mw_documents_write(self->file, changes, count, &error) != MW_OK)
        return mw__lua_raise_core(L, ctx, &error, "documents:write");
    return 0;
}

/* core.documents{ path = "x.state", read_only = false } -> file. Makes it when it is missing, unless it is only read.
 * Closed by file:close(), at the end of a <close> variable, or when it is collected. [-1, +1, raises] */
static int l_documents(lua_State *L)
{
    static const mw__option rows[] = {
        {"path", MW__OPT_STRING, offsetof(mw_documents_options, path)},
        {"read_only", MW__OPT_BOOLEAN, offsetof(mw_documents_options, read_only)},
        {NULL, MW__OPT_STRING, 0},
    };
    mw_lua *ctx = mw__lua_ctx(L);
    mw_documents_options options = {0};
    char digits[24];
    mw_error error = {0};
    mw__lua_unconfined(L, ctx, "documents",
                       "documents: a sandboxed script can't keep documents; run it with "
                       "--sandbox=off, or write files through mw.fs");
    lua_settop(L, 1);
    if (!lua_istable(L, 1))
        return mw__lua_raise(L, ctx, MW_INVALID, "documents",
                             "documents: give it { path = ... }, got %s", mw__lua_got(L, 1));
    documents *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (documents){0};
    mw__lua_slot_push(L, ctx, MW__META_DOCUMENTS);
    lua_setmetatable(L, -2);
    mw__lua_options(L, ctx, 1, "documents", rows, &options, digits);
    if (mw_documents_open(&options, &self->file, &error) != MW_OK)
        return mw__lua_raise_core(L, ctx, &error, "documents");
    mw__lua_hold(ctx, &self->held, close_documents);
    return 1;
}

void mw__lua_open_documents(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg methods[] = {{"each", l_each},     {"write", l_write}, {"close", l_close},
                                       {"__close", l_close}, {"__gc", l_gc},     {NULL, NULL}};
    if (!ctx->meta[MW__META_DOCUMENTS]) {
        mw__lua_class_new(L, ctx, MW__META_DOCUMENTS, "moonwire.documents", methods);
        lua_pop(L, 1);
    }
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_documents, 1);
    lua_setfield(L, -2, "documents");
}

/* error.c: owns error objects: what they carry, how they read, whom they blame. Must not know what
 * failed. Runs on the thread of the Lua state. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lua_private.h"

/* Pushes "file:line: " of the code that a failure is to be blamed on: the innermost Lua function
 * that is not of the library. False and nothing when there is none. [-0, +1 or +0, memory] */
static bool push_where(lua_State *L, mw_lua *ctx)
{
    lua_Debug ar;
    if (!mw__lua_where(L, ctx, false, &ar))
        return false;
    lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
    return true;
}

static void set_string(lua_State *L, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

/* What the answer tells, into the table at the top. [-0, +0, memory] */
static void set_answer(lua_State *L, const mw_answer *answer)
{
    static const char *const sent[] = {
        [MW_SENT_NOT] = "no", [MW_SENT_ANSWERED] = "yes", [MW_SENT_UNKNOWN] = "unknown"};
    if (answer->status > 0) {
        lua_pushinteger(L, answer->status);
        lua_setfield(L, -2, "status");
    }
    if (answer->retry_after >= 0) {
        lua_pushnumber(L, answer->retry_after);
        lua_setfield(L, -2, "retry_after");
    }
    lua_pushinteger(L, (lua_Integer)answer->attempts);
    lua_setfield(L, -2, "attempts");
    lua_pushnumber(L, (double)answer->elapsed_us / 1e6);
    lua_setfield(L, -2, "elapsed");
    lua_pushnumber(L, (double)answer->waited_us / 1e6);
    lua_setfield(L, -2, "waited");
    set_string(L, "sent", sent[answer->sent]);
    set_string(L, "url", answer->url);
    set_string(L, "request_id", answer->request_id);
}

void mw__lua_error_push(lua_State *L, mw_lua *ctx, const mw__failure *failure)
{
    luaL_checkstack(L, 8, NULL);
    lua_createtable(L, 0, 12);
    set_string(L, "kind", mw_err_kind(failure->code));
    set_string(L, "operation", failure->operation);
    set_string(L, "message", failure->message);
    if (failure->answer) {
        set_answer(L, failure->answer);
    } else if (failure->code == MW_INVALID || failure->code == MW_DENIED ||
               failure->code == MW_BUDGET) {
        set_string(L, "sent", "no");
    }
    set_string(L, failure->code == MW_BUDGET ? "budget" : "field", failure->field);
    if (failure->body) {
        lua_pushvalue(L, failure->body);
        lua_setfield(L, -2, "body");
    }
    if (failure->fields) {
        lua_pushvalue(L, failure->fields);
        lua_setfield(L, -2, "fields");
    }
    if (push_where(L, ctx))
        lua_setfield(L, -2, "where");
    mw__lua_slot_push(L, ctx, MW__META_ERROR);
    lua_setmetatable(L, -2);
}

int mw__lua_error_raise(lua_State *L, mw_lua *ctx, const mw__failure *failure)
{
    mw__lua_error_push(L, ctx, failure);
    return lua_error(L);
}

int mw__lua_raise(lua_State *L, mw_lua *ctx, int code, const char *operation, const char *format,
                  ...)
{
    va_list args;
    va_start(args, format);
    luaL_checkstack(L, 8, NULL);
    const char *message = lua_pushvfstring(L, format, args);
    va_end(args);
    return mw__lua_error_raise(
        L, ctx, &(mw__failure){.code = code, .operation = operation, .message = message});
}

int mw__lua_raise_core(lua_State *L, mw_lua *ctx, const mw_error *error, const char *operation)
{
    const char *message = error->message[0] ? error->message : mw_err_text(error->code);
    mw__lua_error_push(
        L, ctx,
        &(mw__failure){
            .code = error->code, .operation = operation, .message = message, .field = error->field});
    set_string(L, "sent", "no");
    return lua_error(L);
}

void mw__lua_unconfined(lua_State *L, mw_lua *ctx, const char *operation, const char *message)
{
    if (ctx->confined)
        mw__lua_raise(L, ctx, MW_DENIED, operation, "%s", message);
}

bool mw__lua_is_error(lua_State *L, mw_lua *ctx, int index, const char *kind)
{
    if (lua_type(L, index) != LUA_TTABLE || !lua_checkstack(L, 4) || !lua_getmetatable(L, index))
        return false;
    bool is = lua_topointer(L, -1) == ctx->meta[MW__META_ERROR];
    lua_pop(L, 1);
    if (!is || !kind)
        return is;
    index = lua_absindex(L, index);
    lua_pushliteral(L, "kind");
    lua_rawget(L, index);
    const char *has = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    is = strcmp(has, kind) == 0;
    lua_pop(L, 1);
    return is;
}

/* The field when it is a string, else NULL; stays on the stack. [-0, +1, -] */
static const char *field_text(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, 1);
    return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

/* The field of the error at 1, 0 where it is no small number. [-0, +1, -] */
static int field_count(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, 1);
    lua_Integer count = lua_tointeger(L, -1);
    return count > 0 && count < INT_MAX ? (int)count : 0;
}

static void add_count(luaL_Buffer *text, const char *before, int count, const char *after)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%d", count);
    luaL_addstring(text, before);
    luaL_addstring(text, digits);
    luaL_addstring(text, after);
}

/* "file:line: contacts:get: not_found (404): Contact could not be found", always one line. What was tried more than
 * once says so at its end.
 * [-1, +1, raises] */
static int l_error_text(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const char *where = field_text(L, "where");
    const char *operation = field_text(L, "operation");
    const char *kind = field_text(L, "kind");
    const char *message = field_text(L, "message");
    int status = field_count(L, "status");
    int attempts = field_count(L, "attempts");
    size_t length = operation ? strlen(operation) : 0;
    bool named =
        operation && message && strncmp(message, operation, length) == 0 && message[length] == ':';
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    luaL_addstring(&text, where ? where : "");
    if (operation && !named) {
        luaL_addstring(&text, operation);
        luaL_addstring(&text, ": ");
    }
    if (kind && strcmp(kind, "invalid") != 0) {
        if (named) {
            luaL_addlstring(&text, operation, length);
            luaL_addstring(&text, ": ");
            message += length + 1;
            message += *message == ' ';
        }
        luaL_addstring(&text, kind);
        if (status > 0)
            add_count(&text, " (", status, ")");
        luaL_addstring(&text, message ? ": " : "");
    }
    luaL_addstring(&text, message ? message : "");
    if (attempts > 1)
        add_count(&text, " (tried ", attempts, " times)");
    luaL_pushresult(&text);
    size_t size = 0;
    const char *line = lua_tolstring(L, -1, &size);
    mw__lua_push_clean(L, line, size, SIZE_MAX);
    return 1;
}

/* core.error{ kind =, message =, ... } -> an error object, to be raised with error().
 * [-1, +1, raises] */
static int l_error(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const char *kind = field_text(L, "kind");
    const char *message = field_text(L, "message");
    if (!kind || !message)
        return mw__lua_raise(L, ctx, MW_INVALID, "error", "kind and message must be strings");
    lua_settop(L, 1);
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, 1);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, 2);
    }
    if (push_where(L, ctx))
        lua_setfield(L, 2, "where");
    mw__lua_slot_push(L, ctx, MW__META_ERROR);
    lua_setmetatable(L, 2);
    return 1;
}

/* core.is_error(value, kind) [-2, +1, raises] */
static int l_is_error(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    luaL_checkany(L, 1);
    lua_pushboolean(L, mw__lua_is_error(L, ctx, 1, luaL_optstring(L, 2, NULL)));
    return 1;
}

void mw__lua_open_errors(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg methods[] = {{"__tostring", l_error_text}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"error", l_error}, {"is_error", l_is_error}, {NULL, NULL}};
    if (!ctx->meta[MW__META_ERROR]) {
        mw__lua_class_new(L, ctx, MW__META_ERROR, "moonwire.error", methods);
        lua_pop(L, 1);
    }
    mw__lua_ctx_push(L, ctx);
    luaL_setfuncs(L, functions, 1);
}

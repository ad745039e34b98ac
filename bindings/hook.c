/* hook.c: owns the hook of the running code: what ends it from outside (interrupt and stop), and what looks at where it
 * is (peek). Between such calls there is no hook and nothing costs anything. Must not know what runs. Runs on the
 * thread of the Lua state, except mw_lua_interrupt, mw_lua_stop and mw_lua_peek, which are async-signal-safe: they set
 * flags first and the hook after them, and whoever takes the hook away looks at the flags once more. */
#include <stdio.h>
#include <string.h>

#include "lua_private.h"

#define LINE_LEVELS 64

/* Whether the function is of the Lua library. Compares instead of making the key, so that it allocates nothing.
 * [-0, +0, -] */
static bool is_own(lua_State *L, int own, const lua_Debug *ar)
{
    bool found = false;
    for (lua_pushnil(L); !found && lua_next(L, own);) {
        size_t length = 0;
        const char *source = lua_tolstring(L, -2, &length);
        found = length == ar->srclen && memcmp(source, ar->source, length) == 0;
        lua_pop(L, found ? 2 : 1);
    }
    return found;
}

bool mw__lua_where(lua_State *L, mw_lua *ctx, bool any, lua_Debug *ar)
{
    int first = -1;
    mw__lua_slot_push(L, ctx, MW__OWN);
    int own = lua_gettop(L);
    bool found = false;
    for (int level = 0; !found && lua_getstack(L, level, ar); level++) {
        lua_getinfo(L, "Sl", ar);
        if (ar->currentline <= 0)
            continue;
        if (first < 0)
            first = level;
        found = !is_own(L, own, ar);
    }
    lua_pop(L, 1);
    if (!found && any && first >= 0 && lua_getstack(L, first, ar)) {
        lua_getinfo(L, "Sl", ar);
        found = true;
    }
    return found;
}

int mw__lua_raise_end(lua_State *L, mw_lua *ctx)
{
    int code = ctx->stopped;
    const char *message = ctx->stop_message;
    if (code == 0)
        return mw__lua_raise(L, ctx, MW_CANCELLED, NULL, "interrupted");
    luaL_checkstack(L, 8, NULL);
    mw__lua_error_push(L, ctx, &(mw__failure){.code = code, .message = message});
    lua_pushnil(L); /* it is no call that was refused */
    lua_setfield(L, -2, "sent");
    return lua_error(L);
}

/* Tells where the code is. [-0, +0, -] */
static void tell(lua_State *L, mw_lua *ctx)
{
    lua_Debug ar;
    char where[LUA_IDSIZE + 16];
    ctx->peeking = 0;
    if (!ctx->peek || !mw__lua_where(L, ctx, true, &ar))
        return;
    snprintf(where, sizeof where, "%s:%d", ar.short_src, ar.currentline);
    ctx->peek(where, ctx->peek_ud);
}

/* Raises at every instruction while the interrupt lasts, so that no pcall outlives it. */
static void on_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    mw_lua *ctx = mw__lua_ctx_of(L);
    if (ctx && ctx->interrupted)
        mw__lua_raise_end(L, ctx);
    if (ctx && ctx->peeking)
        tell(L, ctx);
    mw__lua_unhook(L, ctx);
}

void mw__lua_hook(lua_State *L)
{
    lua_sethook(L, on_hook, LUA_MASKCOUNT, 1);
}

void mw__lua_unhook(lua_State *L, const mw_lua *ctx)
{
    lua_sethook(L, NULL, 0, 0);
    if (ctx && (ctx->interrupted || ctx->peeking)) /* a signal came meanwhile */
        mw__lua_hook(L);
}

void mw__lua_calm(mw_lua *ctx)
{
    ctx->interrupted = 0;
    if (ctx->stopped)
        ctx->interrupted = 1;
    mw__lua_unhook(ctx->main, ctx);
}

/* The hook on what runs, and the end of what waits. */
static void strike(mw_lua *ctx)
{
    ctx->interrupted = 1;
    mw__lua_hook(ctx->main);
    lua_State *running = ctx->running;
    if (running)
        mw__lua_hook(running);
    if (ctx->loop)
        mw_loop_wake(ctx->loop);
}

void mw_lua_interrupt(mw_lua *ctx)
{
    strike(ctx);
}

void mw_lua_stop(mw_lua *ctx, int code, const char *message)
{
    if (!ctx->stopped) { /* the first one counts */
        ctx->stop_message = message;
        ctx->stopped = code;
    }
    strike(ctx);
}

void mw_lua_on_peek(mw_lua *ctx, mw_lua_peek_fn fn, void *ud)
{
    ctx->peek = NULL;
    ctx->peek_ud = ud;
    ctx->peek = fn;
}

void mw_lua_peek(mw_lua *ctx)
{
    lua_State *running = ctx->running;
    if (!ctx->peek)
        return;
    ctx->peeking = 1;
    mw__lua_hook(running ? running : ctx->main);
}

bool mw_lua_line(const mw_lua *ctx, char *where, size_t size)
{
    lua_State *L = mw_lua_running(ctx);
    lua_Debug ar;
    bool found = false, own = true;
    for (int level = 0; own && level < LINE_LEVELS && lua_getstack(L, level, &ar); level++) {
        if (!lua_getinfo(L, "Sl", &ar) || ar.currentline <= 0)
            continue;
        own = strncmp(ar.source, "=moonwire", 9) == 0;
        if (found && own)
            continue;
        snprintf(where, size, "%s:%d", ar.short_src, ar.currentline);
        found = true;
    }
    return found;
}

lua_State *mw_lua_running(const mw_lua *ctx)
{
    return ctx->running ? ctx->running : ctx->main;
}

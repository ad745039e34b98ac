/* log.c: owns log lines and the clocks: one line a call, escaped and redacted, to the host's
 * function or to standard error. Must not know who logs. Runs on the thread of the Lua state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lua_private.h"

#define MAX_LINE ((size_t)64 << 10)

/* Writes `text` with control characters escaped; `out` holds 4 bytes for each of `length`, and one
 * more. */
static void escape(char *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n') {
            *out++ = '\\';
            *out++ = 'n';
        } else if (c == '\r') {
            *out++ = '\\';
            *out++ = 'r';
        } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
            out += snprintf(out, 5, "\\x%02x", c);
        } else if (c == 0xC2 && i + 1 < length && ((unsigned char)text[i + 1] & 0xE0) == 0x80) {
            out += snprintf(out, 9, "\\x%02x\\x%02x", c, (unsigned char)text[++i]); /* C1 */
        } else {
            *out++ = (char)c;
        }
    }
    *out = '\0';
}

void mw__lua_log(mw_lua *ctx, const char *level, const char *text, size_t length)
{
    if (length > MAX_LINE)
        length = MAX_LINE;
    char *plain = malloc(length + 1);
    char *line = malloc(4 * length + 1);
    if (!plain || !line)
        goto out;
    memcpy(plain, text, length);
    plain[length] = '\0';
    mw__lua_redact(ctx, plain, length); /* first: a secret must not be torn by an escape */
    escape(line, plain, length);
    if (ctx->log)
        ctx->log(level, line, ctx->log_ud);
    else
        fprintf(stderr, "%s: %s\n", level, line);
out:
    free(plain);
    free(line);
}

void mw_lua_on_log(mw_lua *ctx, mw_lua_log_fn fn, void *ud)
{
    ctx->log = fn;
    ctx->log_ud = ud;
}

/* core.log(level, ...): values joined by tabs, as print does. [-n, +0, raises] */
static int l_log(lua_State *L)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    mw_lua *ctx = mw__lua_ctx(L);
    const char *level = levels[luaL_checkoption(L, 1, NULL, levels)];
    int count = lua_gettop(L);
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (int i = 2; i <= count; i++) {
        if (i > 2)
            luaL_addchar(&line, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    size_t length = 0;
    const char *text = lua_tolstring(L, -1, &length);
    mw__lua_log(ctx, level, text, length);
    return 0;
}

/* core.now() -> monotonic seconds. [-0, +1, raises] */
static int l_now(lua_State *L)
{
    lua_pushnumber(L, (double)mw_loop_now(mw__lua_ctx(L)->loop) / 1e6);
    return 1;
}

/* core.time() -> seconds since 1970, UTC. [-0, +1, -] */
static int l_time(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L, (double)now.tv_sec + (double)now.tv_nsec / 1e9);
    return 1;
}

void mw__lua_open_log(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg functions[] = {
        {"log", l_log}, {"now", l_now}, {"time", l_time}, {NULL, NULL}};
    mw__lua_ctx_push(L, ctx);
    luaL_setfuncs(L, functions, 1);
}

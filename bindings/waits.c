/* waits.c: owns mw.on_wait: what gates tell of waits goes to the script's handler, or to the log. Must not know lanes.
 * Runs on the thread of the Lua state; mw__lua_on_wait runs within mw_loop_run and touches no Lua. */
#include <stdio.h>
#include <string.h>

#include "client_private.h"

enum { MAX_TEXT = MW_MAX_TROUBLE };

/* Whether it is the same wait, as it was a moment ago. */
static bool is_told(const mw__told *told, const mw_gate *gate, const mw_wait *wait)
{
    return told->gate == gate && told->wait.lane == wait->lane &&
           (told->wait.reason == MW_WAIT_UNSHARED) == (wait->reason == MW_WAIT_UNSHARED);
}

void mw__lua_on_wait(const mw_wait *wait, void *ud)
{
    const mw__client *client = ud;
    mw_lua *ctx = client->ctx;
    unsigned i = 0;
    while (i < ctx->told_count && !is_told(&ctx->told[i], client->gate, wait))
        i++;
    if (i == MW__MOST_TOLD && !wait->trouble) /* it is told again while it lasts */
        return;
    if (i == MW__MOST_TOLD)
        i--;
    ctx->told[i] = (mw__told){.gate = client->gate, .wait = *wait};
    if (wait->trouble)
        snprintf(ctx->told[i].trouble, MW_MAX_TROUBLE, "%s", wait->trouble);
    if (i == ctx->told_count)
        ctx->told_count++;
    mw__lua_post(ctx, &ctx->wait_job);
}

/* Logs the error value. [-1, +0, raises] */
static int l_log_failure(lua_State *L)
{
    size_t length = 0;
    lua_pushfstring(L, "the handler of mw.on_wait failed: %s", mw__lua_error_text(L, 1));
    const char *text = lua_tolstring(L, -1, &length);
    mw__lua_log(mw__lua_ctx_of(L), "error", text, length);
    return 0;
}

/* A failure of the handler is nobody's but its own. */
static int handled(lua_State *L, int status, lua_KContext kctx)
{
    (void)kctx;
    if (status == LUA_OK || status == LUA_YIELD)
        return 0;
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    if (ctx->interrupted)
        return mw__lua_raise_end(L, ctx);
    static const char textless[] = "the handler of mw.on_wait failed with an error that has no text";
    lua_pushcfunction(L, l_log_failure);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        mw__lua_log(ctx, "error", textless, sizeof textless - 1);
    return 0;
}

/* A task: calls the handler with the wait. [-2, +0, raises when the state is to end] */
static int l_handle(lua_State *L)
{
    return handled(L, lua_pcallk(L, 1, 0, 0, 0, handled), 0);
}

static void set_number(lua_State *L, const char *name, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, uint32_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

/* [-0, +1, memory] */
static void push_wait(lua_State *L, const mw_wait *wait, const char *text)
{
    lua_createtable(L, 0, 8);
    set_text(L, "service", mw_service_name(wait->service));
    set_text(L, "lane", mw_lane_name(wait->lane));
    set_text(L, "reason", mw_wait_reason_name(wait->reason));
    set_text(L, "text", text);
    set_number(L, "seconds", wait->seconds);
    set_integer(L, "waiting", wait->waiting);
    if (wait->allowed > 0) {
        set_integer(L, "allowed", wait->allowed);
        set_number(L, "window", (double)wait->window_ms / 1000);
    }
}

/* [-0, +0, memory] */
static void tell(lua_State *L, mw_lua *ctx, const mw_wait *wait)
{
    char text[MAX_TEXT];
    mw_wait_text(wait, text, sizeof text);
    mw__lua_slot_push(L, ctx, MW__ON_WAIT);
    if (lua_isnil(L, -1)) {
        mw__lua_log(ctx, wait->reason == MW_WAIT_UNSHARED ? "warn" : "info", text, strlen(text));
        lua_pop(L, 1);
        return;
    }
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_handle, 1);
    lua_insert(L, -2);
    push_wait(L, wait, text);
    mw__lua_task_spawn(L, ctx, 2);
    lua_pop(L, 1);
}

static void run(lua_State *L, mw_lua *ctx, mw__job *self)
{
    (void)self;
    mw__told told[MW__MOST_TOLD];
    unsigned count = ctx->told_count;
    memcpy(told, ctx->told, count * sizeof *told);
    ctx->told_count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (told[i].wait.reason == MW_WAIT_UNSHARED)
            told[i].wait.trouble = told[i].trouble;
        tell(L, ctx, &told[i].wait);
    }
}

/* core.on_wait(f), or nil. [-1, +0, raises] */
static int l_on_wait(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    lua_settop(L, 1);
    if (!lua_isnil(L, 1) && !lua_isfunction(L, 1))
        return mw__lua_raise(L, ctx, MW_INVALID, "on_wait",
                             "on_wait: the handler must be a function, or nil for the log, got %s",
                             mw__lua_got(L, 1));
    mw__lua_slot_set(L, ctx, MW__ON_WAIT);
    return 0;
}

void mw__lua_open_waits(lua_State *L, mw_lua *ctx)
{
    ctx->wait_job.run = run;
    mw__lua_ctx_push(L, ctx);
    lua_pushcclosure(L, l_on_wait, 1);
    lua_setfield(L, -2, "on_wait");
}

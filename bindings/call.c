/* call.c: owns one submitted request: its box, the submission, the wait, the results. Must not know
 * where the request came from. Runs on the thread of the Lua state; on_answer runs within
 * mw_loop_run and touches no Lua. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_private.h"

static void unlink_call(mw__call *call)
{
    if (!call->link)
        return;
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    call->link = NULL;
    if (call->ctx)
        call->ctx->call_count--;
}

static void free_call(mw__call *call)
{
    free(call->answer);
    free(call);
}

static void on_answer(const mw_answer *answer, void *ud)
{
    mw__call *call = ud;
    call->done = true;
    unlink_call(call);
    if (!call->waiter) {
        free_call(call);
        return;
    }
    call->answer = mw__lua_answer_copy(answer);
    mw__lua_wake(call->waiter);
}

static void release_call(mw__waiter *waiter)
{
    mw__callbox *box = (mw__callbox *)waiter;
    mw__call *call = box->call;
    mw__lua_arena_give(waiter->ctx, box->arena);
    mw_request_free(box->request);
    box->arena = NULL;
    box->request = NULL;
    box->call = NULL;
    if (!call)
        return;
    call->waiter = NULL;
    if (call->done || call->id == 0)
        free_call(call);
    else
        mw_gate_cancel(call->gate, call->id); /* its callback frees it */
}

/* Its answer, which comes soon, says whether the request went out. */
static void stop_call(mw__waiter *waiter)
{
    const mw__call *call = ((mw__callbox *)waiter)->call;
    mw_gate_cancel(call->gate, call->id);
}

void mw__lua_call_end(mw_lua *ctx)
{
    while (ctx->calls) {
        mw__call *call = ctx->calls;
        unlink_call(call);
        call->ctx = NULL;
        call->waiter = NULL;
    }
}

/* Whether the other process refused the call, as this one would have done before it went out. */
static bool is_refused(const mw_answer *answer)
{
    if (answer->sent != MW_SENT_NOT || answer->status != 0)
        return false;
    return answer->code == MW_INVALID || answer->code == MW_DENIED || answer->code == MW_BUDGET ||
           answer->code == MW_TOO_LARGE;
}

/* [-0, +0, raises] */
static int raise_refused(lua_State *L, mw_lua *ctx, const mw__callbox *box, const mw_answer *answer)
{
    mw_error error = {.code = answer->code};
    snprintf(error.field, sizeof error.field, "%s", answer->field ? answer->field : "");
    snprintf(error.message, sizeof error.message, "%s", answer->message ? answer->message : "");
    return mw__lua_call_refuse(L, ctx, box, &error, box->name);
}

/* The call was given up by its task, or by a deadline. [-0, +0, raises] */
static int raise_stopped(lua_State *L, mw_lua *ctx, const mw__callbox *box, const mw_answer *answer)
{
    mw__failure failure = {.code = MW_CANCELLED,
                           .operation = box->name,
                           .message = mw_err_text(MW_CANCELLED),
                           .answer = answer};
    if (box->waiter.cancelled)
        return mw__lua_error_raise(L, ctx, &failure);
    bool unclear = box->mutates && answer->sent == MW_SENT_UNKNOWN;
    failure.code = unclear ? MW_AMBIGUOUS : MW_TIMEOUT;
    return mw__lua_raise_late(L, ctx, box->waiter.limit_s, &failure);
}

static int answered(lua_State *L, int status, lua_KContext kctx)
{
    (void)status;
    mw_lua *ctx = mw__lua_ctx(L);
    mw__callbox *box = lua_touserdata(L, (int)kctx);
    const mw_answer *answer = box->call->answer;
    bool stopped = box->waiter.cancelled || box->waiter.late;
    if (!answer || !stopped)
        mw__lua_waited(L, ctx, &box->waiter, box->name);
    if (!answer)
        return mw__lua_raise(L, ctx, MW_MEMORY, box->name, "%s", mw_err_text(MW_MEMORY));
    if (box->waiter.cancelled || (stopped && answer->code == MW_CANCELLED))
        return raise_stopped(L, ctx, box, answer);
    if (is_refused(answer))
        return raise_refused(L, ctx, box, answer);
    mw__lua_answer_push(L, ctx, answer, box->name);
    mw__lua_box_release(&box->waiter); /* the answer may be large: don't wait for the collector */
    return 2;
}

int mw__lua_callbox_push(lua_State *L, mw_lua *ctx, int client, const char *what)
{
    mw__callbox *box = mw__lua_box_new(L, ctx, sizeof *box, 2, release_call);
    box->waiter.passive = true;
    int index = lua_gettop(L);
    lua_pushvalue(L, client);
    lua_setiuservalue(L, index, 1);
    lua_toclose(L, index);
    box->arena = mw__lua_arena_take(L, ctx, what);
    return index;
}

int mw__lua_call_submit(lua_State *L, mw_lua *ctx, mw__client *client, int index, int rc,
                        mw_error *error, const char *what)
{
    mw__callbox *box = lua_touserdata(L, index);
    mw__lua_arena_give(ctx, box->arena);
    box->arena = NULL;
    if (rc != MW_OK) {
        box->request = NULL;
        error->code = rc;
        return mw__lua_call_refuse(L, ctx, box, error, what);
    }
    lua_settop(L, index);
    lua_pushstring(L, mw_request_name(box->request));
    box->name = lua_tostring(L, -1);
    lua_setiuservalue(L, index, 2);
    const char *warning = mw_request_warning(box->request);
    if (warning && *warning)
        mw__lua_log(ctx, "warn", warning, strlen(warning));
    mw__lua_begin(L, ctx, box->name);
    mw__lua_client_open(L, ctx, client, box->name); /* a finalizer may have closed it meanwhile */
    mw__call *call = calloc(1, sizeof *call);
    if (!call)
        return mw__lua_raise(L, ctx, MW_MEMORY, box->name, "%s", mw_err_text(MW_MEMORY));
    call->ctx = ctx;
    call->waiter = &box->waiter;
    call->gate = client->root->gate;
    box->call = call;
    rc = mw_gate_submit(call->gate, box->request, on_answer, call, &call->id, error);
    if (rc != MW_OK) {
        call->id = 0;
        error->code = rc;
        return mw__lua_call_refuse(L, ctx, box, error, box->name);
    }
    box->request = NULL;
    box->waiter.stop = stop_call;
    call->next = ctx->calls;
    call->link = &ctx->calls;
    if (call->next)
        call->next->link = &call->next;
    ctx->calls = call;
    ctx->call_count++;
    return mw__lua_wait(L, ctx, &box->waiter, answered, index);
}

/* Results as they are, or nil and the error object; other errors go on. */
static int safely(lua_State *L, int status, lua_KContext kctx)
{
    (void)kctx;
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L);
    mw_lua *ctx = lua_touserdata(L, lua_upvalueindex(1));
    if (!mw__lua_is_error(L, ctx, -1, NULL))
        return lua_error(L);
    if (ctx->interrupted)
        return mw__lua_raise_end(L, ctx);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

int l_safely(lua_State *L)
{
    int count = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    return safely(L, lua_pcallk(L, count, LUA_MULTRET, 0, 0, safely), 0);
}

/* twin.c: runs the Lua twin on a thread with a host of its own. Owns the thread and what it shares
 * with the main thread: the outcome of the start, and the wish to stop. Knows nothing of the twin's
 * inside.
 *
 * mw__twin_start and mw__twin_stop run on the main thread, all else on the twin's. */
#define _GNU_SOURCE
#include "twin.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "host.h"

struct mw__twin {
    mw__twin_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_bool stop;
    bool started;  /* under the lock: the start has been tried */
    mw_loop *loop; /* under the lock: NULL unless it listens */
    mw__env env;   /* written before `started`, read after it */
    mw_error error;
    int code;
};

/* [-0, +1, memory] */
static void push_settings(lua_State *L, const mw__twin_options *options)
{
    lua_newtable(L);
    for (size_t i = 0; i < options->setting_count; i++) {
        const mw__twin_setting *setting = &options->settings[i];
        if (lua_getfield(L, -1, setting->name) == LUA_TNIL) {
            lua_pop(L, 1);
            lua_newtable(L);
            lua_pushvalue(L, -1);
            lua_setfield(L, -3, setting->name);
        }
        lua_pushstring(L, setting->value);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        lua_pop(L, 1);
    }
}

/* (module, options) -> what the module's function gives for (settings, host, port). [-2, +n, raises] */
static int l_call_module(lua_State *L)
{
    const char *module = lua_touserdata(L, 1);
    const mw__twin_options *options = lua_touserdata(L, 2);
    lua_settop(L, 0);
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
    push_settings(L, options);
    lua_pushstring(L, options->host);
    lua_pushinteger(L, options->port);
    lua_call(L, 3, LUA_MULTRET);
    return lua_gettop(L);
}

int mw__twin_call(moonwire *host, const char *module, const mw__twin_options *options, int nresults)
{
    lua_pushcfunction(host->L, l_call_module);
    lua_pushlightuserdata(host->L, (void *)module);
    lua_pushlightuserdata(host->L, (void *)options);
    int code = mw__host_call(host, 2, nresults);
    /* What is no error of the library is no mistake in the settings: Lua has run out of memory. */
    return code == MW_INVALID && strcmp(moonwire_error_kind(host), "invalid") != 0 ? MW_MEMORY
                                                                                   : code;
}

/* Calls moonwire.cli.twin, which gives the variables by name, and leaves the function that closes the
 * twin.
 * [-0, +1 or +0, -] */
static int start_lua(mw__twin *twin, moonwire *host)
{
    int code = mw__twin_call(host, "moonwire.cli.twin", &twin->options, 2);
    if (code < 0)
        return mw_error_set(&twin->error, code, "", "can't start the twin: %.*s",
                            (int)strcspn(moonwire_error(host), "\n"), moonwire_error(host));
    for (unsigned i = 0; i < MW__ENV_COUNT && code == MW_OK; i++)
        code = mw__env_set(&twin->env, i, mw__failure_field(host->L, -1, mw__env_name(i)));
    lua_pop(host->L, 1);
    return code;
}

static void report(mw__twin *twin, mw_loop *loop, int code)
{
    pthread_mutex_lock(&twin->lock);
    twin->started = true;
    twin->code = code;
    twin->loop = loop;
    pthread_cond_signal(&twin->changed);
    pthread_mutex_unlock(&twin->lock);
}

/* [-0, +0, -] */
static int l_nothing(lua_State *L)
{
    (void)L;
    return 0;
}

/* Requests arrive in mw_loop_run; the tasks that answer them run in mw__host_call. */
static void serve(mw__twin *twin, moonwire *host)
{
    while (!atomic_load(&twin->stop) && mw_loop_run(host->loop, true)) {
        lua_pushcfunction(host->L, l_nothing);
        mw__host_call(host, 0, 0);
    }
}

static void *run(void *ud)
{
    mw__twin *twin = ud;
    moonwire *host =
        moonwire_new(&(moonwire_options){.lua_dir = twin->options.lua_dir}, &twin->error);
    if (!host) {
        report(twin, NULL, twin->error.code);
        return NULL;
    }
    int code = start_lua(twin, host);
    report(twin, code < 0 ? NULL : host->loop, code);
    if (code == MW_OK) {
        serve(twin, host);
        pthread_mutex_lock(&twin->lock);
        twin->loop = NULL;
        pthread_mutex_unlock(&twin->lock);
        mw__host_call(host, 0, 0);
    }
    moonwire_free(host);
    return NULL;
}

/* Signals are the main thread's: the twin's must not run the handlers. */
static int start_thread(mw__twin *twin)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&twin->thread, NULL, run, twin);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static void discard(mw__twin *twin)
{
    mw__env_clear(&twin->env);
    pthread_cond_destroy(&twin->changed);
    pthread_mutex_destroy(&twin->lock);
    free(twin);
}

int mw__twin_start(const mw__twin_options *options, mw__twin **result, mw__env *env, mw_error *error)
{
    mw__twin *twin = calloc(1, sizeof *twin);
    if (!twin)
        return mw_error_set(error, MW_MEMORY, "", "can't start the twin: out of memory");
    twin->options = *options;
    atomic_init(&twin->stop, false);
    pthread_mutex_init(&twin->lock, NULL);
    pthread_cond_init(&twin->changed, NULL);
    if (start_thread(twin) != 0) {
        discard(twin);
        return mw_error_set(error, MW_MEMORY, "",
                            "can't start the twin: the system gives no thread");
    }
    pthread_mutex_lock(&twin->lock);
    while (!twin->started)
        pthread_cond_wait(&twin->changed, &twin->lock);
    pthread_mutex_unlock(&twin->lock);
    int code = twin->code;
    for (unsigned i = 0; i < MW__ENV_COUNT && code == MW_OK; i++)
        if (i != MW__ENV_OOCTOPUS_LIMITS && i != MW__ENV_CIRCUIT_LIMITS) /* those hold here as well */
            code = mw__env_set(env, i, twin->env.values[i]);
    if (code < 0) {
        if (twin->error.code == MW_OK)
            mw_error_set(&twin->error, code, "", "can't start the twin: %s", mw_err_text(code));
        if (error)
            *error = twin->error;
        mw__twin_stop(twin);
        return code;
    }
    *result = twin;
    return MW_OK;
}

void mw__twin_stop(mw__twin *twin)
{
    if (!twin)
        return;
    atomic_store(&twin->stop, true);
    pthread_mutex_lock(&twin->lock);
    if (twin->loop)
        mw_loop_wake(twin->loop);
    pthread_mutex_unlock(&twin->lock);
    pthread_join(twin->thread, NULL);
    discard(twin);
}

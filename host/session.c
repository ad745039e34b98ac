/* session.c: what `run`, `learn` and `repl` share: the profile variables, where asked for a twin, and a host. Knows
 * nothing of what is run. Main thread. */
#include <stdlib.h>

#include "cli.h"
#include "interrupt.h"
#include "profiles.h"

/* The twin of a run has no limits, so that its clients need none; what the environment says holds here as well. */
static int pace_twin(mw__env *env)
{
    static const unsigned limits[] = {MW__ENV_OOCTOPUS_LIMITS, MW__ENV_CIRCUIT_LIMITS};
    int code = MW_OK;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0] && code == MW_OK; i++) {
        const char *own = env->values[limits[i]];
        if (!own || !*own)
            code = mw__env_set(env, limits[i], "off");
    }
    return code;
}

int mw__session_prepare(mw__session *session, const mw__args *args)
{
    const char *name = args->command->name;
    mw_error error = {0};
    *session = (mw__session){0};
    int code = mw__args_lua_dir(args, &session->lua_dir);
    if (code != MW_EXIT_OK)
        return code;
    if (mw__env_take(&session->env) < 0)
        return mw__complain(name, MW_EXIT_SCRIPT, "out of memory");
    if (!mw__args_get(args, "--twin"))
        return MW_EXIT_OK;
    mw__twin_options options = {.host = "127.0.0.1", .lua_dir = session->lua_dir};
    if (mw__twin_start(&options, &session->twin, &session->env, &error) < 0)
        return mw__complain(name, MW_EXIT_SCRIPT, "%s", error.message);
    if (pace_twin(&session->env) < 0)
        return mw__complain(name, MW_EXIT_SCRIPT, "out of memory");
    return MW_EXIT_OK;
}

int mw__session_open(mw__session *session, const mw__args *args, struct mw__permit *permit)
{
    mw_error error = {0};
    int code = mw__session_prepare(session, args);
    if (code != MW_EXIT_OK)
        return code;
    session->host = moonwire_new(&(moonwire_options){.lua_dir = session->lua_dir}, &error);
    if (!session->host)
        return mw__complain(args->command->name, MW_EXIT_SCRIPT, "%s", error.message);
    session->profiles = calloc(1, sizeof *session->profiles);
    if (!session->profiles)
        return mw__complain(args->command->name, MW_EXIT_SCRIPT, "out of memory");
    *session->profiles = (mw__profiles){.loop = session->host->loop,
                                        .env = &session->env,
                                        .permit = permit,
                                        .forgets = session->twin != NULL};
    mw_lua_on_connect(session->host->lua, mw__profiles_connect, session->profiles);
    mw_lua_keep_state(session->host->lua);
    return MW_EXIT_OK;
}

void mw__session_close(mw__session *session)
{
    mw__interrupt_watch(NULL, false);
    if (session->host)
        mw__host_close_state(session->host); /* which uses the profiles' clients */
    if (session->profiles)
        mw__profiles_close(session->profiles);
    free(session->profiles);
    moonwire_free(session->host);
    mw__twin_stop(session->twin);
    mw__env_clear(&session->env);
}

/* session.c: what `run` and `repl` share: a host, the profile variables and, where asked for, a
 * twin. Knows nothing of what is run. Main thread. */
#include <string.h>

#include "cli.h"
#include "interrupt.h"

int mw__session_open(mw__session *session, const mw__args *args)
{
    const char *name = args->command->name;
    const char *lua_dir;
    mw_error error = {0};
    *session = (mw__session){0};
    int code = mw__args_lua_dir(args, &lua_dir);
    if (code != MW_EXIT_OK)
        return code;
    if (mw__env_take(&session->env) < 0)
        return mw__complain(name, MW_EXIT_SCRIPT, "out of memory");
    if (mw__args_get(args, "--twin")) {
        mw__twin_options options = {.host = "127.0.0.1", .data = "demo", .lua_dir = lua_dir};
        if (mw__twin_start(&options, &session->twin, &session->env, &error) < 0)
            return mw__complain(name, MW_EXIT_SCRIPT, "%s", error.message);
    }
    session->host = moonwire_new(&(moonwire_options){.lua_dir = lua_dir}, &error);
    if (!session->host)
        return mw__complain(name, MW_EXIT_SCRIPT, "%s", error.message);
    mw_lua_on_env(session->host->lua, mw__env_get, &session->env);
    return MW_EXIT_OK;
}

void mw__session_close(mw__session *session)
{
    mw__interrupt_watch(NULL, false);
    moonwire_free(session->host);
    mw__twin_stop(session->twin);
    mw__env_clear(&session->env);
}

/* cmd_twin.c: `moonwire twin`: serves a twin until a signal says stop. Knows nothing of the twin's
 * inside. Main thread, which only waits; the twin has its own. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* "127.0.0.1:80", "[::1]:80", ":80" or "127.0.0.1". Changes `text`. */
static bool split_address(char *text, const char **host, uint16_t *port)
{
    char *colon = strrchr(text, ':');
    *host = text;
    *port = 0;
    if (text[0] == '[') {
        char *close = strchr(text, ']');
        if (!close || (close[1] && close[1] != ':'))
            return false;
        *host = text + 1;
        colon = close[1] ? close + 1 : NULL;
        *close = '\0';
    } else if (colon) {
        if (colon == text)
            *host = "127.0.0.1";
        *colon = '\0';
    }
    if (!colon)
        return **host != '\0';
    char *end;
    long number = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end || number < 0 || number > 65535)
        return false;
    *port = (uint16_t)number;
    return **host != '\0';
}

static void announce(const mw__env *env)
{
    puts("# a twin of both services; Ctrl-C stops it. Settings for a shell:");
    for (unsigned i = 0; i < MW__ENV_COUNT; i++)
        if (env->values[i])
            printf("export %s='%s'\n", mw__env_name(i), env->values[i]);
    fflush(stdout);
}

int mw__cmd_twin(const mw__args *args)
{
    char address[128] = "127.0.0.1:0";
    const char *listen = mw__args_get(args, "--listen");
    const char *data = mw__args_get(args, "--data");
    mw__twin_options options = {.data = data ? data : "demo"};
    int code = mw__args_lua_dir(args, &options.lua_dir);
    if (code != MW_EXIT_OK)
        return code;
    if (listen && strlen(listen) < sizeof address)
        memcpy(address, listen, strlen(listen) + 1);
    if ((listen && strlen(listen) >= sizeof address) ||
        !split_address(address, &options.host, &options.port))
        return mw__complain("twin", MW_EXIT_USAGE,
                            "'%s' is no address; give HOST:PORT, such as 127.0.0.1:8080", listen);
    if (strcmp(options.data, "demo") != 0 && strcmp(options.data, "empty") != 0)
        return mw__complain("twin", MW_EXIT_USAGE, "no data '%s'; give demo or empty", options.data);

    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stops, NULL);
    mw__env env = {0};
    mw__twin *twin = NULL;
    mw_error error = {0};
    int number = 0;
    code = mw__twin_start(&options, &twin, &env, &error);
    if (code < 0) {
        bool misplaced = listen && code == MW_INVALID;
        code = mw__complain("twin", misplaced ? MW_EXIT_USAGE : mw__exit_for(mw_err_kind(code)),
                            "%s", error.message);
    } else {
        if (strncmp(options.host, "127.", 4) != 0 && strcmp(options.host, "::1") != 0)
            mw__complain("twin", 0, "listening on %s: everyone who reaches it can use the twin",
                         options.host);
        announce(&env);
        while (sigwait(&stops, &number) != 0) {}
        code = MW_EXIT_OK;
    }
    mw__twin_stop(twin);
    mw__env_clear(&env);
    return code;
}

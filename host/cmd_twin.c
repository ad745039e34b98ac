/* cmd_twin.c: `moonwire twin`: serves a twin until a signal says stop; `moonwire twin export` writes what is in one.
 * Knows nothing of the twin's inside, nor of what its settings mean. Main thread, which only waits while a twin
 * serves; that has its own. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <lua.h>

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

/* Tokens come from data that anybody may have written; the lines are made to be evaluated by a shell. */
static void put_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, stdout);
    putchar('\'');
}

static void announce(const mw__env *env)
{
    puts("# a twin of both services; Ctrl-C stops it. Settings for a shell:");
    for (unsigned i = 0; i < MW__ENV_COUNT; i++)
        if (env->values[i]) {
            printf("export %s=", mw__env_name(i));
            put_quoted(env->values[i]);
            putchar('\n');
        }
    fflush(stdout);
}

enum { MAX_SETTINGS = 64 };

/* The options of the command line that are the twin's own business, by their names without dashes. Returns how many,
 * or -1 after having said that there are too many. */
static int collect(const mw__args *args, mw__twin_setting *settings)
{
    static const char *const names[] = {"--data",  "--state", "--limits",          "--retry-after",
                                        "--fault", "--seed",  "--deliver-anywhere"};
    int count = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int at = 0;
        const char *value;
        while ((value = mw__args_each(args, names[i], &at)) != NULL) {
            if (count == MAX_SETTINGS) {
                mw__complain("twin", 0, "more than %d settings", MAX_SETTINGS);
                return -1;
            }
            settings[count++] = (mw__twin_setting){.name = names[i] + 2, .value = value};
        }
    }
    return count;
}

/* `moonwire twin export`: the records as JSON on standard output. */
static int export_state(const mw__args *args, const mw__twin_options *options)
{
    static const char *const serving[] = {"--listen", "--limits", "--retry-after",
                                          "--fault",  "--seed",   "--deliver-anywhere"};
    for (size_t i = 0; i < sizeof serving / sizeof serving[0]; i++)
        if (mw__args_get(args, serving[i]))
            return mw__complain("twin", MW_EXIT_USAGE, "export takes --state or --data, not %s",
                                serving[i]);
    mw_error error = {0};
    moonwire *host = moonwire_new(&(moonwire_options){.lua_dir = options->lua_dir}, &error);
    if (!host)
        return mw__complain("twin", MW_EXIT_SCRIPT, "%s", error.message);
    int code = mw__twin_call(host, "moonwire.cli.export", options, 1);
    size_t length = 0;
    const char *text = code == MW_OK ? lua_tolstring(host->L, -1, &length) : NULL;
    int exit = MW_EXIT_OK;
    if (text)
        fwrite(text, 1, length, stdout);
    else
        exit = mw__complain("twin", code == MW_INVALID ? MW_EXIT_USAGE : MW_EXIT_SCRIPT, "%s",
                            moonwire_error(host));
    moonwire_free(host);
    return exit;
}

int mw__cmd_twin(const mw__args *args)
{
    char address[128] = "127.0.0.1:0";
    const char *listen = mw__args_get(args, "--listen");
    mw__twin_setting settings[MAX_SETTINGS];
    mw__twin_options options = {.settings = settings};
    int code = mw__args_lua_dir(args, &options.lua_dir);
    if (code != MW_EXIT_OK)
        return code;
    int count = collect(args, settings);
    if (count < 0)
        return MW_EXIT_USAGE;
    options.setting_count = (size_t)count;
    if (args->operand && strcmp(args->argv[args->operand], "export") == 0)
        return export_state(args, &options);
    if (args->operand)
        return mw__complain("twin", MW_EXIT_USAGE, "'%s' is nothing a twin does; there is export",
                            args->argv[args->operand]);
    if (listen && strlen(listen) < sizeof address)
        memcpy(address, listen, strlen(listen) + 1);
    if ((listen && strlen(listen) >= sizeof address) ||
        !split_address(address, &options.host, &options.port))
        return mw__complain("twin", MW_EXIT_USAGE,
                            "'%s' is no address; give HOST:PORT, such as 127.0.0.1:8080", listen);

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
        int exit = code == MW_INVALID ? MW_EXIT_USAGE : mw__exit_for(mw_err_kind(code));
        code = mw__complain("twin", exit, "%s", error.message);
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

/* moonwire.h: scripts for chat and support desks, inside your program.
 *
 * A host is one Lua state with one event loop. Make a host, lend it clients under names of your
 * choice, and run scripts; a script gets at a client by its name and is never handed the token
 * behind it:
 *
 *     mw_error error;
 *     mw_client *client;
 *     mw_client_options options = {.url = url, .account = "1", .user_token = token};
 *     moonwire *host = moonwire_new(NULL, &error);
 *     mw_client_new(moonwire_loop(host), &options, &client, &error);
 *     moonwire_lend(host, "support", client, &error);
 *
 *     if (moonwire_run_file(host, "triage.lua", 0, NULL) != 0)
 *         fprintf(stderr, "%s\n", moonwire_error(host));
 *     moonwire_free(host);
 *
 * and in triage.lua:
 *
 *     local mw = require "moonwire"
 *     local desk = mw.connect "support"
 *     for conversation in desk.conversations:each{ status = "open" } do ... end
 *
 * Compile with the include folders host and core/include, and link, in this order,
 *
 *     cc -std=c11 -Ihost -Icore/include prog.c -Llib -lmwhost -lmwlua -lmwcore -luv -llua5.4
 *
 * (with a C library older than glibc 2.34 also -ldl -lpthread -lm). libcurl is loaded on first use.
 * The C library without Lua, mwcore, has its own line in mw/mw.h.
 *
 * A script runs in your process, with the whole Lua standard library, and with it the files and the memory of
 * your process: run only scripts that you trust. A client's policy (mw_client_options.policy, mw/policy.h) holds
 * for it all the same. Scripts that you don't trust belong into a process of their own: `moonwire run`.
 *
 * A script runs to its end: moonwire_run_file returns once the script and every task that it
 * started have ended. Scripts of one host run one after the other and share the host's globals and
 * loaded modules; a host may run any number of them, also after one has failed.
 *
 * Threads: a host and its clients belong to one thread at a time. Only moonwire_interrupt may be
 * called from another thread or from a signal handler. Two hosts on two threads know nothing of
 * each other.
 *
 * What a host does not do: it installs no signal handlers, does not read the profiles of the
 * environment (unless `env_profiles` asks for them), does not change the environment, never prints
 * (except log lines, to standard error, if you give no `log`; and what the script itself prints) and
 * never ends the process (except for a script that calls os.exit). */
#ifndef MOONWIRE_H
#define MOONWIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "mw/client.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct moonwire moonwire;

/* One log line at a time: no newline in it, secrets replaced by '*', level "debug", "info", "warn"
 * or "error". The line is borrowed until the function returns. */
typedef void (*moonwire_log_fn)(const char *level, const char *line, void *ud);

/* Zeroed fields take the default in brackets. Strings are copied. */
typedef struct moonwire_options {
    const char *lua_dir; /* the folder that holds moonwire/init.lua, for work on the library [the
                          * library that is built into the program] */
    moonwire_log_fn log; /* [standard error] */
    void *log_ud;        /* handed to `log`; must outlive the host */
    /* mw.connect also knows the profiles "ooctopus", "chatwoot" and "circuit", with the settings and
     * the tokens of the process's environment (OOCTOPUS_URL, OOCTOPUS_TOKEN, ...) [false: it knows
     * what moonwire_lend gave it, and nothing else] */
    bool env_profiles;
} moonwire_options;

/* A new host, freed with moonwire_free; `options` may be NULL. NULL on failure: out of memory, or
 * the system has no descriptors left; `error` (may be NULL) says which. No network, no files: this
 * takes about a millisecond. */
moonwire *moonwire_new(const moonwire_options *options, mw_error *error);

/* The loop that the host's clients are to be made on. Borrowed, valid until moonwire_free. */
mw_loop *moonwire_loop(moonwire *host);

/* Lends a client of the host's loop to the scripts: mw.connect(name) gives it. From here on the
 * host looks after the client and frees it in moonwire_free; your pointer stays good until then.
 * Lending a client again under another name gives it one more name; it is freed once. A lent name
 * comes before a profile of the environment.
 * Returns 0, or MW_INVALID (the name is empty or taken) or MW_MEMORY: then a client that was not
 * lent before is still yours to free, before the host. */
int moonwire_lend(moonwire *host, const char *name, mw_client *client, mw_error *error);

/* Runs a script from a file, or from `length` bytes at `text`, which `chunkname` calls in messages
 * ("setup", "menu: refresh"). `argv[0]` to `argv[argc - 1]` are the script's arguments (`arg[1]`
 * and on, and `...`); argc 0 and argv NULL for none. Text is copied. The script's folder comes
 * first in package.path.
 *
 * Returns 0, or the negative mw_err that fits: the kind of the error that ended the script, where
 * it was one of moonwire's own (MW_AUTH, MW_NOT_FOUND, ...); MW_CANCELLED after moonwire_interrupt;
 * else MW_INVALID (a fault of the script, or a file that can't be read). moonwire_error has the
 * text. Not reentrant: a function that a script calls must not run another script on the same host.
 */
int moonwire_run_file(moonwire *host, const char *path, int argc, char *const *argv);
int moonwire_run_buffer(moonwire *host, const char *text, size_t length, const char *chunkname);

/* What ended the last run: "file:line: message" and below it the traceback; "" after a good one. An
 * error value that is no string and has no __tostring reads as `lua` has it: "(error object is a
 * table value)". Never NULL. Holds no token. Borrowed until the next run or moonwire_free. */
const char *moonwire_error(const moonwire *host);

/* The kind of that failure: "not_found", "rate_limited", ... as in mw/error.h; "script" for a fault
 * of the script itself; "" after a good run. Never NULL, borrowed likewise. */
const char *moonwire_error_kind(const moonwire *host);

/* Ends the running script with an error of kind "cancelled", at its next instruction or wait; while
 * no script runs it does nothing. Any thread, and signal handlers. */
void moonwire_interrupt(moonwire *host);

/* Ends whatever is still in flight and frees the host and the clients lent to it. NULL is fine. */
void moonwire_free(moonwire *host);

/* The whole command line of the `moonwire` program; returns its exit code. For programs that carry
 * the tool along. Unlike all of the above it installs signal handlers, writes to standard output
 * and standard error, and takes the tokens out of the environment. Call it from the main thread,
 * before starting others. */
int moonwire_cli(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif

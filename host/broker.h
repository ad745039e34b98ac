/* broker.h: the process that holds tokens, connections, policy, files and the terminal, and the runs of
 * scripts in workers of their own. A broker serves any number of runs on one loop. Knows no command line.
 * One thread, but for the writer of output.c.
 *
 *     mw__run_options options = {.loop = loop, .output = output, .connect = ..., .ud = ...};
 *     mw__run_start(&options, &run, &error);
 *     while (!mw__run_over(run)) { mw_loop_run(loop, true); mw__run_turn(run); }
 *     mw__run_result(run) ...
 *     mw__run_free(run); */
#ifndef MOONWIRE_BROKER_H
#define MOONWIRE_BROKER_H

#include <stdbool.h>

#include "files.h"
#include "mw/loop.h"
#include "mw/policy.h"
#include "output.h"
#include "worker.h"

typedef struct mw__run mw__run;

typedef struct mw__run_options {
    const char *path;   /* of the script as the user named it, for messages and `arg[0]` */
    const char *chunk;  /* "@script.lua", "=stdin" */
    const char *source; /* text of the script; copied */
    size_t source_length;
    const char *folder; /* where `require` finds *.lua, NULL: nowhere */
    char *const *args;  /* for the script */
    int arg_count;
    const char *const *env; /* granted variables as "NAME=value", NULL-ended, or NULL */
    mw__budgets budgets;
    const char *lua_dir; /* or NULL */
    bool best_effort;    /* go on without layers that are missing */
    mw__grants *files;   /* granted folders; borrowed; NULL: none */
    mw_loop *loop;
    mw__output *output; /* where print and log go; borrowed */
    /* mw.connect of the script: a gate that outlives the run, and its label ("ooctopus at URL, account 1").
     * Called again for a name that was connected before. */
    int (*connect)(const char *name, mw_gate **gate, char *label, size_t size, mw_error *error,
                   void *ud);
    void *ud;
} mw__run_options;

/* How a run ended. Texts are valid until mw__run_free; they hold no token. */
typedef struct mw__result {
    int exit_code; /* mw_exit */
    const char *kind; /* "" after a good run; "script", "not_found", ..., "budget", "crash", "protocol",
                          * "sandbox" */
    const char *budget;  /* "cpu", "memory", ...; "" for none */
    const char *message; /* what to print: one line, or the script's error with its traceback; "" */
    bool own;            /* the message is the broker's own line; else the script's */
} mw__result;

/* Starts the worker and the run. Everything that is borrowed must outlive it. */
int mw__run_start(const mw__run_options *options, mw__run **run, mw_error *error);
/* To be called after each turn of the loop: what can't be done from a callback of the loop. Never blocks. */
void mw__run_turn(mw__run *run);
bool mw__run_over(const mw__run *run);
/* Asks the script to end ("interrupted", kind "cancelled"); 120 ms later it is killed. */
void mw__run_interrupt(mw__run *run);
const mw__result *mw__run_result(const mw__run *run);
/* CPU time used so far, in milliseconds. */
uint64_t mw__run_cpu_ms(const mw__run *run);
void mw__run_free(mw__run *run);

#endif

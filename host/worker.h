/* worker.h: the process that a script runs in, and how it is started. Main thread.
 *
 * The broker starts its own program (/proc/self/exe) as
 *
 *     moonwire --worker MEMORY CPU_MS WALL_MS TASKS OUTPUT PROBE LUA_DIR ZONE
 *
 * with an empty environment, a session of its own, and three descriptors: 2 is the write end of the log pipe,
 * 3 the channel's socket, 4 the shared page, which the worker maps and closes before anything else. 0 and 1
 * are the log pipe as well, so that no library gets their numbers for something else; mw__sandbox_enter closes
 * them. All others are closed. LUA_DIR may be "". PROBE is "" but for `moonwire selfcheck`. ZONE is
 * the time zone, as in the variable TZ; "" for the system's. */
#ifndef MOONWIRE_WORKER_H
#define MOONWIRE_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mw/error.h"

enum {
    MW__KILL_AFTER_MS = 250, /* the second line behind a budget */
    /* How a worker ends when its script goes on for so long, of CPU time, after these are used up. */
    MW__EXIT_STUCK_MEMORY = 101,
    MW__EXIT_STUCK_OUTPUT = 102,
};

/* What a script may use up; 0: no limit, except where a default stands in brackets. */
typedef struct mw__budgets {
    uint64_t memory; /* bytes of the VM [64 MiB] */
    uint64_t cpu_ms; /* [30,000] */
    uint64_t wall_ms;
    uint64_t tasks;  /* that live at once [10,000] */
    uint64_t output; /* bytes of print and log [10 MiB] */
    uint64_t source; /* bytes of one chunk: the script, a module, what `load` gets [1 MiB] */
    uint64_t calls, writes, bytes; /* the policy's; UINT64_MAX: no limit */
} mw__budgets;

/* The page that both processes see. The worker writes, hostile, at any time. */
typedef struct mw__page {
    char where[256]; /* last known "file:line", NUL-ended */
} mw__page;

typedef struct mw__worker {
    pid_t pid;
    int socket; /* the broker's end, non-blocking, close-on-exec; -1 once a channel owns it */
    int log;    /* the read end, non-blocking, close-on-exec: what libraries print when they die */
    mw__page *page;
    bool reaped; /* then `pid` is nobody's any more */
    int status;  /* of waitpid, once it is reaped */
} mw__worker;

/* Starts a worker; `probe` NULL or "" for a script, else what selfcheck tries ("open", "ptrace", ...). MW_MEMORY or
 * MW_NETWORK (the system gives no process or descriptor) with `error`. */
int mw__worker_start(const mw__budgets *budgets, const char *lua_dir, const char *probe,
                     mw__worker *worker, mw_error *error);

/* CPU time used so far, in milliseconds; of a worker that is gone 0. */
uint64_t mw__worker_cpu_ms(const mw__worker *worker);
/* SIGKILL; nothing when it is reaped. */
void mw__worker_kill(mw__worker *worker);
/* Waits for its end and gives the status of waitpid, which may be asked for again. */
int mw__worker_reap(mw__worker *worker);
/* Kills and reaps it where that has not been done. Closes and unmaps what the broker has of it. */
void mw__worker_free(mw__worker *worker);

/* The whole life of a worker, from main(): returns its exit code, which nobody reads. */
int mw__worker_main(int argc, char **argv);

/* What selfcheck tries in a worker of its own: each must die. */
unsigned mw__probe_count(void);
const char *mw__probe_title(unsigned index); /* "open a file" */
/* A worker whose PROBE is not "": enters the sandbox, says on descriptor 2 what came of it, and tries. Does not
 * return. */
void mw__probe_main(int argc, char **argv);

/* What a probe said: "active N", "missing TEXT", then "refused TEXT" or "survived"; nothing when it was killed. */
typedef struct mw__probe_result {
    unsigned active; /* layers as bits of mw__layer */
    bool entered;    /* it came as far as to say so */
    bool killed;     /* by SIGSYS */
    char missing[512];
    char outcome[160]; /* "killed by SIGSYS", "SURVIVED", "refused, not killed: Permission denied" */
    double ready_ms;   /* from before its start to its first word */
} mw__probe_result;
/* Starts a worker for the probe `index` and waits for its end, at most 10 s. As mw__worker_start. */
int mw__probe_try(unsigned index, mw__probe_result *result, mw_error *error);

#endif

/* sandbox.h: the layers that keep a worker in. Knows nothing of Lua, frames or scripts. The worker's only
 * thread.
 *
 *     no_new_privs  prctl: no set-uid program helps
 *     undumpable    prctl: no core file, no debugger, /proc/PID is root's
 *     death_signal  prctl: SIGKILL when the broker's thread is gone
 *     rlimits       address space, CPU time, no file grows, no process, no core, no more descriptors
 *     landlock      no path can be opened, where the kernel has it: a second lock behind seccomp
 *     seccomp       an allow list of system calls; anything else kills the process (SIGSYS) */
#ifndef MOONWIRE_SANDBOX_H
#define MOONWIRE_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mw/error.h"

/* X(NAME, "name", required) */
#define MW__LAYERS(X)                                                                              \
    X(NO_NEW_PRIVS, "no_new_privs", true)                                                          \
    X(UNDUMPABLE, "undumpable", true)                                                              \
    X(DEATH_SIGNAL, "death_signal", true)                                                          \
    X(RLIMITS, "rlimits", true)                                                                    \
    X(LANDLOCK, "landlock", false)                                                                 \
    X(SECCOMP, "seccomp", true)

typedef enum mw__layer {
#define MW_X(name, text, required) MW__LAYER_##name,
    MW__LAYERS(MW_X)
#undef MW_X
        MW__LAYER_COUNT
} mw__layer;

const char *mw__layer_name(mw__layer layer);
bool mw__layer_required(mw__layer layer);

typedef struct mw__sandbox {
    pid_t broker; /* whose death ends this process; checked against getppid() */
    uint64_t memory; /* bytes that the VM may use; the address space is bounded by what is mapped now plus this
                           * and a margin */
    double cpu;          /* seconds; the limit is a whole second above it, behind all other means */
    const int *readable; /* descriptors that stay: read, recv... */
    const int *writable; /* write, send...; each list ends with -1. NULL: all that are open by then. 0 and 1 are
                           * closed unless they are listed */
} mw__sandbox;

/* Enters all layers, once and for good. `*active` gets a bit (1 << layer) for each that holds; those that
 * don't are named in `missing` with their reason ("seccomp: refused by this kernel; ..."), cut to `size`.
 * Before it everything that needs a file, a descriptor or the time zone must have been done. Ends the process when
 * the broker is gone already. */
void mw__sandbox_enter(const mw__sandbox *sandbox, unsigned *active, char *missing, size_t size);

/* The required layers that are not in `active`, as names "seccomp, rlimits"; false when none is missing. */
bool mw__sandbox_missing(unsigned active, char *names, size_t size);

#endif

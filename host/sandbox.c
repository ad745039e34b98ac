/* sandbox.c: enters the layers one after the other and says which hold. Owns their table and their order. Knows
 * nothing of Lua or frames. The worker's only thread. */
#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "layers.h"

enum { MOST_FDS = 64 };

#define MARGIN                                                                                     \
    (UINT64_C(8) << 20) /* of the address space: buffers and the stack, beyond the VM's memory */

static const struct {
    const char *name;
    bool required;
} layers[] = {
#define MW_X(name, text, required) {text, required},
    MW__LAYERS(MW_X)
#undef MW_X
};

const char *mw__layer_name(mw__layer layer)
{
    return layers[layer].name;
}

bool mw__layer_required(mw__layer layer)
{
    return layers[layer].required;
}

/* What is being entered, and what has come of it. */
typedef struct sandbox_entry {
    const mw__sandbox *sandbox;
    uint64_t mapped; /* bytes of the address space, 0: unknown */
    int highest;     /* descriptor that is open */
    char problem[160];
} sandbox_entry;

static bool fail(sandbox_entry *entry, const char *what)
{
    snprintf(entry->problem, sizeof entry->problem, "%s: %s", what, strerror(errno));
    return false;
}

/* The address space in use, from /proc/self/statm; 0 when it can't be read. */
static uint64_t mapped_now(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool no_new_privs(sandbox_entry *entry)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 || fail(entry, "prctl");
}

static bool undumpable(sandbox_entry *entry)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 || fail(entry, "prctl");
}

static bool death_signal(sandbox_entry *entry)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return fail(entry, "prctl");
    if (getppid() != entry->sandbox->broker)
        _exit(0); /* it died before; nobody is there to be told */
    return true;
}

static bool limit(sandbox_entry *entry, int which, const char *name, uint64_t soft, uint64_t hard)
{
    struct rlimit now, wanted = {.rlim_cur = soft, .rlim_max = hard};
    if (getrlimit(which, &now) != 0)
        return fail(entry, name);
    if (wanted.rlim_max > now.rlim_max) /* it is stricter than we would be */
        wanted.rlim_max = now.rlim_max;
    if (wanted.rlim_cur > wanted.rlim_max)
        wanted.rlim_cur = wanted.rlim_max;
    return setrlimit(which, &wanted) == 0 || fail(entry, name);
}

static bool limit_memory(sandbox_entry *entry)
{
    uint64_t memory = entry->sandbox->memory;
#if defined(__SANITIZE_ADDRESS__)
    return memory > 0; /* its shadow alone is terabytes of address space */
#else
    if (entry->mapped == 0) {
        snprintf(entry->problem, sizeof entry->problem, "RLIMIT_AS: /proc/self/statm can't be read");
        return false;
    }
    if (memory > UINT64_MAX / 4)
        return true;
    uint64_t all = entry->mapped + memory + memory / 4 + MARGIN;
    return limit(entry, RLIMIT_AS, "RLIMIT_AS", all, all);
#endif
}

static bool limit_cpu(sandbox_entry *entry)
{
    double cpu = entry->sandbox->cpu;
    if (!(cpu < 1e9))
        return true;
    uint64_t whole = (uint64_t)cpu;
    whole += (double)whole < cpu;
    return limit(entry, RLIMIT_CPU, "RLIMIT_CPU", whole + 1, whole + 2);
}

static bool rlimits(sandbox_entry *entry)
{
    uint64_t fds = (uint64_t)entry->highest + 1; /* poll() takes no more than that either */
    return limit_memory(entry) && limit_cpu(entry) &&
           limit(entry, RLIMIT_FSIZE, "RLIMIT_FSIZE", 0, 0) &&
           limit(entry, RLIMIT_NPROC, "RLIMIT_NPROC", 0, 0) &&
           limit(entry, RLIMIT_CORE, "RLIMIT_CORE", 0, 0) &&
           limit(entry, RLIMIT_NOFILE, "RLIMIT_NOFILE", fds, fds);
}

static bool landlock(sandbox_entry *entry)
{
    return mw__landlock_enter(entry->problem, sizeof entry->problem);
}

static bool listed(const int *fds, int fd)
{
    for (; fds && *fds >= 0; fds++)
        if (*fds == fd)
            return true;
    return false;
}

/* Closes 0 and 1, which were there only so that nothing else takes their numbers. Lists what is open then; returns
 * the highest. */
static int list_open(const mw__sandbox *sandbox, int open_fds[MOST_FDS + 1])
{
    int count = 0, highest = 2;
    for (int fd = 0; fd < 1024 && count < MOST_FDS; fd++) {
        if (fd < 2 && !listed(sandbox->readable, fd) && !listed(sandbox->writable, fd))
            close(fd);
        else if (fcntl(fd, F_GETFD) != -1)
            open_fds[count++] = highest = fd;
    }
    open_fds[count] = -1;
    return highest;
}

static void note(char *missing, size_t size, const char *name, const char *problem)
{
    size_t used = strlen(missing);
    snprintf(missing + used, size - used, "%s%s: %s", used ? "; " : "", name, problem);
}

void mw__sandbox_enter(const mw__sandbox *sandbox, unsigned *active, char *missing, size_t size)
{
    static const struct {
        mw__layer layer;
        bool (*enter)(sandbox_entry *entry);
    } steps[] = {
        {MW__LAYER_NO_NEW_PRIVS, no_new_privs},
        {MW__LAYER_UNDUMPABLE, undumpable},
        {MW__LAYER_DEATH_SIGNAL, death_signal},
        {MW__LAYER_LANDLOCK, landlock}, /* needs a descriptor */
        {MW__LAYER_RLIMITS, rlimits},
    };
    int open_fds[MOST_FDS + 1];
    char unfiltered[160] = "";
    sandbox_entry entry = {
        .sandbox = sandbox, .mapped = mapped_now(), .highest = list_open(sandbox, open_fds)};
    *active = 0;
    missing[0] = '\0';
    mw__filter *filter = mw__filter_new(sandbox->readable ? sandbox->readable : open_fds,
                                        sandbox->writable ? sandbox->writable : open_fds,
                                        unfiltered, sizeof unfiltered);
    entry.mapped = entry.mapped ? mapped_now() : 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (steps[i].enter(&entry))
            *active |= 1u << steps[i].layer;
        else
            note(missing, size, layers[steps[i].layer].name, entry.problem);
    }
    if (filter && mw__filter_load(filter, unfiltered, sizeof unfiltered))
        *active |= 1u << MW__LAYER_SECCOMP;
    else
        note(missing, size, layers[MW__LAYER_SECCOMP].name, unfiltered);
    mw__filter_free(filter);
}

bool mw__sandbox_missing(unsigned active, char *names, size_t size)
{
    if (size > 0)
        names[0] = '\0';
    bool any = false;
    for (unsigned layer = 0; layer < MW__LAYER_COUNT; layer++) {
        if (!layers[layer].required || (active & 1u << layer))
            continue;
        size_t used = size > 0 ? strlen(names) : 0;
        if (size > 0)
            snprintf(names + used, size - used, "%s%s", any ? ", " : "", layers[layer].name);
        any = true;
    }
    return any;
}

/* sandbox_filter.c: the allow list of system calls. Owns the filter; opens libseccomp, which nobody but a worker
 * needs. The worker's only thread.
 *
 * What a worker lives on after it has been set up: memory that can't be executed, its descriptors, waiting, clocks,
 * timers, and the way out. No call that makes a descriptor, a process or a handler of signals. */
#include <dlfcn.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layers.h"

#define SECCOMP_FUNCTIONS(X)                                                                       \
    X(init)                                                                                        \
    X(release)                                                                                     \
    X(load)                                                                                        \
    X(attr_set)                                                                                    \
    X(rule_add_array)                                                                              \
    X(syscall_resolve_name)

typedef struct functions {
#define MW_X(name) __typeof__(seccomp_##name) *name;
    SECCOMP_FUNCTIONS(MW_X)
#undef MW_X
} functions;

struct mw__filter {
    functions lib;
    scmp_filter_ctx context;
};

/* Allowed whatever the arguments are. Names that an architecture does not have are skipped. */
// clang-format off
static const char *const free_calls[] = {
    "exit", "exit_group", "rt_sigreturn", "restart_syscall", "rt_sigprocmask", /* the way out */
    "futex", "sched_yield",                                                    /* locks */
    "brk", "munmap", "mremap", "madvise",                                      /* memory */
    "clock_gettime", "gettimeofday", "time", "clock_nanosleep", "setitimer",   /* time */
    "epoll_wait", "epoll_pwait", "epoll_ctl", "poll", "ppoll",                 /* waiting */
    "close", "getpid", "gettid", "getrandom",
};
// clang-format on

static const char *const reading[] = {"read", "readv", "recvfrom"};
static const char *const writing[] = {"write", "writev"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool open_library(functions *lib, char *problem, size_t size)
{
    void *library = dlopen("libseccomp.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(problem, size,
                 "libseccomp.so.2 is not there (Debian: apt-get install libseccomp2)");
        return false;
    }
#define MW_X(name)                                                                                 \
    *(void **)(void *)&lib->name = dlsym(library, "seccomp_" #name);                               \
    if (!lib->name) {                                                                              \
        snprintf(problem, size, "libseccomp has no seccomp_" #name);                               \
        return false;                                                                              \
    }
    SECCOMP_FUNCTIONS(MW_X)
#undef MW_X
    return true;
}

/* 0, or a negative errno. */
static int allow(mw__filter *filter, const char *name, unsigned count,
                 const struct scmp_arg_cmp *args)
{
    int number = filter->lib.syscall_resolve_name(name);
    if (number < 0)
        return 0;
    return filter->lib.rule_add_array(filter->context, SCMP_ACT_ALLOW, number, count, args);
}

static int allow_on(mw__filter *filter, const char *const *names, size_t count, const int *fds)
{
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        for (const int *fd = fds; *fd >= 0 && code == 0; fd++) {
            struct scmp_arg_cmp is_fd = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)*fd};
            code = allow(filter, names[i], 1, &is_fd);
        }
    return code;
}

/* send() has no address: it can't be told to go anywhere else. There is no sendmsg and recvmsg either, which pass
 * descriptors on. */
static int allow_send(mw__filter *filter, const int *fds)
{
    int code = 0;
    for (const int *fd = fds; *fd >= 0 && code == 0; fd++) {
        struct scmp_arg_cmp args[] = {
            {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)*fd},
            {.arg = 4, .op = SCMP_CMP_EQ, .datum_a = 0},
        };
        code = allow(filter, "sendto", 2, args);
    }
    return code;
}

/* Memory that is of no file and never executable, and signals to this process alone: abort(). */
static int allow_checked(mw__filter *filter)
{
    struct scmp_arg_cmp map[] = {
        {.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = 0},
        {.arg = 3, .op = SCMP_CMP_MASKED_EQ, .datum_a = MAP_ANONYMOUS, .datum_b = MAP_ANONYMOUS},
    };
    struct scmp_arg_cmp me = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)getpid()};
    int code = allow(filter, "mmap", 2, map);
    if (code == 0)
        code = allow(filter, "mprotect", 1, map);
    if (code == 0)
        code = allow(filter, "tgkill", 1, &me);
#if defined(__SANITIZE_ADDRESS__) /* asks for the stack of handlers at each longjmp, and makes none */
    struct scmp_arg_cmp asks = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = 0};
    if (code == 0)
        code = allow(filter, "sigaltstack", 1, &asks);
#endif
    return code;
}

static int fill(mw__filter *filter, const int *readable, const int *writable)
{
    const functions *lib = &filter->lib;
    int code = lib->attr_set(filter->context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (code == 0) /* the sandbox has done it, and says so when it could not */
        code = lib->attr_set(filter->context, SCMP_FLTATR_CTL_NNP, 0);
    for (size_t i = 0; i < COUNT(free_calls) && code == 0; i++)
        code = allow(filter, free_calls[i], 0, NULL);
    if (code == 0)
        code = allow_checked(filter);
    if (code == 0)
        code = allow_on(filter, reading, COUNT(reading), readable);
    if (code == 0)
        code = allow_on(filter, writing, COUNT(writing), writable);
    return code == 0 ? allow_send(filter, writable) : code;
}

mw__filter *mw__filter_new(const int *readable, const int *writable, char *problem, size_t size)
{
    mw__filter *filter = calloc(1, sizeof *filter);
    if (!filter) {
        snprintf(problem, size, "out of memory");
        return NULL;
    }
    if (!open_library(&filter->lib, problem, size))
        goto failed;
    filter->context = filter->lib.init(SCMP_ACT_KILL_PROCESS);
    if (!filter->context) {
        snprintf(problem, size, "not in this kernel");
        goto failed;
    }
    int code = fill(filter, readable, writable);
    if (code == 0)
        return filter;
    snprintf(problem, size, "the filter can't be made: %s", strerror(-code));
failed:
    mw__filter_free(filter);
    return NULL;
}

bool mw__filter_load(mw__filter *filter, char *problem, size_t size)
{
    int code = filter->lib.load(filter->context);
    if (code == 0)
        return true;
    /* libseccomp hides the kernel's errors behind ECANCELED. */
    snprintf(problem, size, "%s",
             code == -ECANCELED || code == -ENOSYS ? "refused by this kernel" : strerror(-code));
    return false;
}

void mw__filter_free(mw__filter *filter)
{
    if (!filter)
        return;
    if (filter->context)
        filter->lib.release(filter->context);
    free(filter);
}

/* worker_start.c: starts a worker and ends it. Owns the broker's ends of its descriptors, its page and its process.
 * Knows nothing of what a worker does. The broker's thread: the worker dies with the thread that started it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

enum { LOG = 2, CHANNEL = 3, PAGE = 4, FIRST_FREE = 5 };

/* The worker's ends, all above FIRST_FREE so that none stands in the way of another's number. -1: none. */
typedef struct worker_ends {
    int log, socket, page;
} worker_ends;

static int refused(mw_error *error, const char *what)
{
    int code = errno == ENOMEM ? MW_MEMORY : MW_NETWORK;
    return mw_error_set(error, code, NULL, "can't start a worker: %s: %s", what, strerror(errno));
}

static void drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Moves a descriptor above those that the worker has. False with errno; then it is closed. */
static bool move_up(int *fd)
{
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE);
    int problem = errno;
    drop(fd);
    errno = problem;
    *fd = moved;
    return moved >= 0;
}

static int open_page(mw__worker *worker, worker_ends *ends, mw_error *error)
{
    ends->page = memfd_create("moonwire", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* Sealed, for a worker that cuts it would end the broker by SIGBUS. */
    if (ends->page < 0 || !move_up(&ends->page) || ftruncate(ends->page, sizeof(mw__page)) != 0 ||
        fcntl(ends->page, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return refused(error, "no shared page");
    void *page = mmap(NULL, sizeof(mw__page), PROT_READ | PROT_WRITE, MAP_SHARED, ends->page, 0);
    if (page == MAP_FAILED)
        return refused(error, "no shared page");
    worker->page = page;
    return MW_OK;
}

static int open_ends(mw__worker *worker, worker_ends *ends, mw_error *error)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
        return refused(error, "no pipe");
    worker->log = pair[0];
    ends->log = pair[1];
    if (!move_up(&worker->log) || !move_up(&ends->log))
        return refused(error, "no pipe");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return refused(error, "no socket");
    worker->socket = pair[0];
    ends->socket = pair[1];
    if (!move_up(&worker->socket) || !move_up(&ends->socket) ||
        fcntl(worker->socket, F_SETFL, O_NONBLOCK) != 0)
        return refused(error, "no socket");
    return open_page(worker, ends, error);
}

/* 0 or an errno. */
static int set_actions(posix_spawn_file_actions_t *actions, const worker_ends *ends)
{
    const struct {
        int from, to;
    } moves[] = {
        {ends->log, 0},          {ends->log, 1},     {ends->log, LOG},
        {ends->socket, CHANNEL}, {ends->page, PAGE},
    };
    int code = 0;
    for (size_t i = 0; i < sizeof moves / sizeof moves[0] && code == 0; i++)
        code = posix_spawn_file_actions_adddup2(actions, moves[i].from, moves[i].to);
    return code ? code : posix_spawn_file_actions_addclosefrom_np(actions, FIRST_FREE);
}

/* A session of its own, and signals as a new process has them. 0 or an errno. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int code = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                                        POSIX_SPAWN_SETSIGMASK);
    if (code == 0)
        code = posix_spawnattr_setsigdefault(attributes, &all);
    return code ? code : posix_spawnattr_setsigmask(attributes, &none);
}

/* 0 or an errno. */
static int spawn(pid_t *pid, char *const *argv, const worker_ends *ends)
{
    char *const nothing[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int code = posix_spawn_file_actions_init(&actions);
    if (code)
        return code;
    code = posix_spawnattr_init(&attributes);
    if (code)
        goto no_attributes;
    code = set_actions(&actions, ends);
    if (code == 0)
        code = set_attributes(&attributes);
    if (code == 0)
        code = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, argv, nothing);
    posix_spawnattr_destroy(&attributes);
no_attributes:
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value ? value : otherwise;
}

int mw__worker_start(const mw__budgets *budgets, const char *lua_dir, const char *probe,
                     mw__worker *worker, mw_error *error)
{
    const uint64_t values[] = {
        or_default(budgets->memory, UINT64_C(64) << 20),
        or_default(budgets->cpu_ms, 30000),
        budgets->wall_ms,
        or_default(budgets->tasks, 10000),
        or_default(budgets->output, UINT64_C(10) << 20),
    };
    enum { NUMBERS = sizeof values / sizeof values[0] };
    char numbers[NUMBERS][24];
    char name[] = "moonwire", word[] = "--worker";
    char *argv[NUMBERS + 6] = {name, word};
    for (size_t i = 0; i < NUMBERS; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%" PRIu64, values[i]);
        argv[i + 2] = numbers[i];
    }
    /* posix_spawn does not write to them. */
    argv[NUMBERS + 2] = (char *)(uintptr_t)(probe ? probe : "");
    argv[NUMBERS + 3] = (char *)(uintptr_t)(lua_dir ? lua_dir : "");
    const char *zone = getenv("TZ");
    argv[NUMBERS + 4] = (char *)(uintptr_t)(zone ? zone : "");

    *worker = (mw__worker){.pid = -1, .socket = -1, .log = -1, .reaped = true};
    worker_ends ends = {-1, -1, -1};
    int code = open_ends(worker, &ends, error);
    if (code < 0)
        goto out;
    errno = spawn(&worker->pid, argv, &ends);
    if (errno)
        code = refused(error, "/proc/self/exe");
    else
        worker->reaped = false;
out:
    drop(&ends.log);
    drop(&ends.socket);
    drop(&ends.page);
    if (code < 0)
        mw__worker_free(worker);
    return code;
}

uint64_t mw__worker_cpu_ms(const mw__worker *worker)
{
    clockid_t clock;
    struct timespec used;
    if (worker->reaped || clock_getcpuclockid(worker->pid, &clock) != 0 ||
        clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

void mw__worker_kill(mw__worker *worker)
{
    if (!worker->reaped) /* until then the number is this worker's and no other process has it */
        kill(worker->pid, SIGKILL);
}

int mw__worker_reap(mw__worker *worker)
{
    while (!worker->reaped) {
        pid_t found = waitpid(worker->pid, &worker->status, 0);
        if (found < 0 && errno == EINTR)
            continue;
        if (found < 0) /* the program ignores SIGCHLD: its end is known, how it ended is not */
            worker->status = 0;
        worker->reaped = true;
    }
    return worker->status;
}

void mw__worker_free(mw__worker *worker)
{
    mw__worker_kill(worker);
    mw__worker_reap(worker);
    drop(&worker->socket);
    drop(&worker->log);
    if (worker->page)
        munmap(worker->page, sizeof *worker->page);
    worker->page = NULL;
}

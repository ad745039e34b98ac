/* probe.c: what selfcheck tries inside of a worker's sandbox, on both sides: the attempts, and a worker for each.
 * Knows nothing of Lua. Main thread. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox.h"
#include "worker.h"

enum { LOG = 2, CHANNEL = 3, PAGE = 4, PATIENCE_MS = 10000 };

/* ---- the attempts: 0 when it could be done, else an errno ---- */

static int try_open(void)
{
    int fd = open("/", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? errno : 0;
}

static int try_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int code = connect(fd, (const struct sockaddr *)&address, sizeof address);
    /* What the address answers has nothing to do with the sandbox. */
    return code == 0 || (errno != EACCES && errno != EPERM) ? 0 : errno;
}

static int try_exec(void)
{
    char name[] = "moonwire", word[] = "help";
    char *const argv[] = {name, word, NULL};
    char *const nothing[] = {NULL};
    execve("/proc/self/exe", argv, nothing);
    return errno;
}

static int try_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid < 0 ? errno : 0;
}

static int try_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : errno;
}

static int try_exec_memory(void)
{
    void *memory =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? errno : 0;
}

static int try_exec_protect(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return errno;
    return mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : errno;
}

static int try_signal(void)
{
    return kill(getppid(), 0) == 0 ? 0 : errno;
}

static const struct {
    const char *name, *title;
    int (*attempt)(void);
} probes[] = {
    {"open", "open a file", try_open},
    {"connect", "connect", try_connect},
    {"exec", "exec a program", try_exec},
    {"fork", "fork", try_fork},
    {"ptrace", "ptrace", try_ptrace},
    {"exec-memory", "map executable memory", try_exec_memory},
    {"exec-protect", "make memory executable", try_exec_protect},
    {"signal", "signal another process", try_signal},
};

unsigned mw__probe_count(void)
{
    return sizeof probes / sizeof probes[0];
}

const char *mw__probe_title(unsigned index)
{
    return probes[index].title;
}

/* ---- in the worker ---- */

static void say(const char *word, const char *text)
{
    char line[600];
    int length = snprintf(line, sizeof line, "%s %s\n", word, text);
    if (length >= (int)sizeof line)
        length = (int)sizeof line - 1;
    ssize_t written = write(LOG, line, (size_t)length); /* the pipe takes it, or nobody reads it */
    (void)written;
}

void mw__probe_main(int argc, char **argv)
{
    const int readable[] = {CHANNEL, -1}, writable[] = {LOG, CHANNEL, -1};
    unsigned active;
    char missing[512], number[16];
    if (argc < 8)
        _exit(1);
    close(PAGE);
    mw__sandbox sandbox = {.broker = getppid(),
                           .memory = strtoull(argv[2], NULL, 10),
                           .cpu = (double)strtoull(argv[3], NULL, 10) / 1000,
                           .readable = readable,
                           .writable = writable};
    mw__sandbox_enter(&sandbox, &active, missing, sizeof missing);
    snprintf(number, sizeof number, "%u", active);
    say("active", number);
    say("missing", missing);
    for (unsigned i = 0; i < mw__probe_count(); i++) {
        if (strcmp(probes[i].name, argv[7]) != 0)
            continue;
        int problem = probes[i].attempt();
        say(problem ? "refused" : "survived", problem ? strerror(problem) : "");
    }
    _exit(0);
}

/* ---- in the broker ---- */

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Reads what the worker says until its end, or until there is no patience left. */
static void listen_to(const mw__worker *worker, double start, char *text, size_t size,
                      double *ready_ms)
{
    size_t length = 0;
    *ready_ms = 0;
    for (;;) {
        double left = start + PATIENCE_MS - now_ms();
        struct pollfd readable = {.fd = worker->log, .events = POLLIN};
        int count = left > 0 ? poll(&readable, 1, (int)left + 1) : 0;
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0 || length + 1 >= size)
            break;
        ssize_t got = read(worker->log, text + length, size - 1 - length);
        if (got <= 0)
            break;
        if (length == 0)
            *ready_ms = now_ms() - start;
        length += (size_t)got;
    }
    text[length] = '\0';
}

/* Copies the line that begins with `word` and a blank; false when there is none. */
static bool line_of(const char *text, const char *word, char *line, size_t size)
{
    size_t length = strlen(word);
    while (text && *text) {
        const char *end = strchr(text, '\n');
        if (end && strncmp(text, word, length) == 0 && text[length] == ' ') {
            snprintf(line, size, "%.*s", (int)(end - text - (ptrdiff_t)length - 1),
                     text + length + 1);
            return true;
        }
        text = end ? end + 1 : NULL;
    }
    return false;
}

int mw__probe_try(unsigned index, mw__probe_result *result, mw_error *error)
{
    const mw__budgets budgets = {.cpu_ms = 1000};
    char text[2048], line[160];
    mw__worker worker;
    *result = (mw__probe_result){0};
    double start = now_ms();
    int code = mw__worker_start(&budgets, NULL, probes[index].name, &worker, error);
    if (code < 0)
        return code;
    listen_to(&worker, start, text, sizeof text, &result->ready_ms);
    mw__worker_kill(&worker); /* it has ended, or it won't */
    int status = mw__worker_reap(&worker);
    mw__worker_free(&worker);
    result->entered = line_of(text, "active", line, sizeof line);
    result->active = result->entered ? (unsigned)strtoul(line, NULL, 10) : 0;
    line_of(text, "missing", result->missing, sizeof result->missing);
    result->killed = result->entered && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
    if (result->killed)
        snprintf(result->outcome, sizeof result->outcome, "killed by SIGSYS");
    else if (!result->entered)
        snprintf(result->outcome, sizeof result->outcome,
                 "not tried: the worker did not get that far");
    else if (line_of(text, "refused", line, sizeof line))
        snprintf(result->outcome, sizeof result->outcome, "refused, not killed: %.100s", line);
    else
        snprintf(result->outcome, sizeof result->outcome, "SURVIVED");
    return MW_OK;
}

/* bench_spawn.c: how long a program takes from being started to being gone. Owns the children it starts; knows
 * nothing of what they do. One thread.
 *
 *     bench_spawn RUNS PROGRAM [ARGS...]
 *
 * prints the microseconds of each of RUNS runs, a line each; what the program prints is thrown away. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Nanoseconds, or -1 after saying why. */
static int64_t time_run(char **argv, const posix_spawn_file_actions_t *actions)
{
    pid_t pid;
    int status;
    int64_t start = now_ns();
    int rc = posix_spawnp(&pid, argv[0], actions, NULL, argv, environ);
    if (rc != 0) {
        fprintf(stderr, "bench_spawn: can't start %s: %s\n", argv[0], strerror(rc));
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    int64_t elapsed = now_ns() - start;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench_spawn: %s failed; run it by hand to see why\n", argv[0]);
        return -1;
    }
    return elapsed;
}

int main(int argc, char **argv)
{
    int rc = EXIT_FAILURE;
    long runs = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    posix_spawn_file_actions_t actions;
    if (runs < 1 || runs > 100000) {
        fprintf(stderr, "usage: bench_spawn RUNS PROGRAM [ARGS...]\n");
        return 2;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    /* The first runs warm the page cache and are not counted. */
    for (long i = -5; i < runs; i++) {
        int64_t elapsed = time_run(argv + 2, &actions);
        if (elapsed < 0)
            goto out;
        if (i >= 0)
            printf("%.1f\n", (double)elapsed / 1000.0);
    }
    rc = EXIT_SUCCESS;
out:
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

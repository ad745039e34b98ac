/* main.c: mw_two_scripts: runs scripts beside each other in one broker, for specs about neighbours.
 *
 *     mw_two_scripts [OPTION VALUE]... SCRIPT [NEIGHBOUR [ARGS of NEIGHBOUR...]]
 *
 *     --cpu TIME --memory SIZE --wall TIME --output SIZE   budgets of SCRIPT; NEIGHBOUR has the usual ones
 *     --fake NAME   instead of SCRIPT's worker one of fake.c, which speaks what an honest worker never would
 *     --wait TIME   SCRIPT starts so much later, when the neighbour is at work
 *
 * Profiles come from the environment. What scripts print goes to standard output as it comes; behind it, when all have
 * ended, a line for each:
 *
 *     == N exit=21 kind=budget budget=cpu seconds=0.62 cpu=0.55 message=...
 *
 * with spaces between the fields, the message last and its newlines as "\n"; and one with the most memory that the
 * broker has had, in KiB: "== broker memory=12345", and with that of the larger worker:
 * "== workers memory=12345". Exit code 0 whatever became of the scripts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker.h"
#include "fake.h"
#include "profiles.h"
#include "source.h"
#include "units.h"

enum { RUNS = 2 };

typedef struct scripts {
    mw_loop *loop;
    mw__output *output;
    mw__env env;
    mw__profiles profiles;
    mw__run *runs[RUNS];
    int64_t began[RUNS];
    int64_t ended[RUNS];
    const char *paths[RUNS];
    const char *fake;
    char **args;
    int arg_count;
    mw__budgets budgets;
    uint64_t wait_ms;
} scripts;

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "mw_two_scripts: %s: %s\n", what, why);
    return 1;
}

/* Returns the index of the first operand, or 0. */
static int read_options(scripts *self, int argc, char **argv)
{
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        const char *value = argv[at + 1];
        bool good = true;
        if (strcmp(argv[at], "--cpu") == 0)
            good = mw__parse_seconds(value, &self->budgets.cpu_ms);
        else if (strcmp(argv[at], "--wall") == 0)
            good = mw__parse_seconds(value, &self->budgets.wall_ms);
        else if (strcmp(argv[at], "--memory") == 0)
            good = mw__parse_size(value, &self->budgets.memory);
        else if (strcmp(argv[at], "--output") == 0)
            good = mw__parse_size(value, &self->budgets.output);
        else if (strcmp(argv[at], "--wait") == 0)
            good = mw__parse_seconds(value, &self->wait_ms);
        else if (strcmp(argv[at], "--fake") == 0)
            self->fake = value;
        else
            good = false;
        if (!good)
            return 0;
    }
    return at < argc ? at : 0;
}

static int start(scripts *self, int index)
{
    char chunk[512];
    char folder[512];
    char fake[64];
    char *source = NULL;
    size_t length = 0;
    mw_error error = {0};
    const char *path = self->paths[index];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int code = fd < 0 ? MW_INVALID : mw__source_read(fd, (size_t)1 << 30, &source, &length);
    if (fd >= 0)
        close(fd);
    if (code != MW_OK)
        return complain(path, "can't be read");
    snprintf(chunk, sizeof chunk, "@%s", path);
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    snprintf(fake, sizeof fake, "%s%s", FAKE_PREFIX, self->fake ? self->fake : "");
    mw__run_options options = {
        .path = path,
        .chunk = chunk,
        .source = source,
        .source_length = length,
        .folder = folder,
        .args = index ? self->args : NULL,
        .arg_count = index ? self->arg_count : 0,
        .budgets = index ? (mw__budgets){0} : self->budgets,
        .lua_dir = index == 0 && self->fake ? fake : NULL,
        .loop = self->loop,
        .output = self->output,
        .connect = mw__profiles_connect,
        .ud = &self->profiles,
    };
    self->began[index] = mw_loop_now(self->loop);
    code = mw__run_start(&options, &self->runs[index], &error);
    free(source);
    return code == MW_OK ? 0 : complain(path, error.message);
}

static void wake(void *ud)
{
    *(mw_timer **)ud = NULL;
}

/* Until all have ended. */
static int follow(scripts *self)
{
    mw_timer *timer = NULL;
    int64_t late = mw_loop_now(self->loop) + (int64_t)self->wait_ms * 1000;
    bool over = false;
    while (!over) {
        over = true;
        if (!self->runs[0] && mw_loop_now(self->loop) >= late && start(self, 0) != 0)
            return 1;
        if (!self->runs[0] && !timer)
            mw_timer_start(self->loop, self->wait_ms, wake, &timer, &timer);
        mw_loop_run(self->loop, true);
        for (int i = 0; i < RUNS; i++) {
            if (!self->runs[i]) {
                over = over && !self->paths[i];
                continue;
            }
            mw__run_turn(self->runs[i]);
            if (!mw__run_over(self->runs[i]))
                over = false;
            else if (!self->ended[i])
                self->ended[i] = mw_loop_now(self->loop);
        }
    }
    mw_timer_stop(timer);
    return 0;
}

static void tell(const scripts *self)
{
    char line[256];
    long memory = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, "VmHWM:", 6) == 0)
            memory = strtol(line + 6, NULL, 10);
    if (status)
        fclose(status);
    for (int i = 0; i < RUNS; i++) {
        if (!self->runs[i])
            continue;
        const mw__result *result = mw__run_result(self->runs[i]);
        printf("== %d exit=%d kind=%s budget=%s seconds=%.3f cpu=%.3f message=", i + 1,
               result->exit_code, result->kind, result->budget,
               (double)(self->ended[i] - self->began[i]) / 1e6,
               (double)mw__run_cpu_ms(self->runs[i]) / 1e3);
        for (const char *at = result->message; *at; at++)
            if (*at == '\n')
                fputs("\\n", stdout);
            else
                putchar(*at);
        putchar('\n');
    }
    printf("== broker memory=%ld\n", memory);
    struct rusage workers = {0};
    getrusage(RUSAGE_CHILDREN, &workers);
    printf("== workers memory=%ld\n", workers.ru_maxrss);
}

int main(int argc, char **argv)
{
    scripts self = {0};
    if (argc > 1 && strcmp(argv[1], "--worker") == 0) {
        for (int i = 2; i < argc; i++)
            if (strncmp(argv[i], FAKE_PREFIX, sizeof FAKE_PREFIX - 1) == 0)
                return fake_worker(argv[i] + sizeof FAKE_PREFIX - 1);
        return mw__worker_main(argc, argv);
    }
    int at = read_options(&self, argc, argv);
    if (!at)
        return complain("wrong options", "see spec/c/two_scripts/main.c");
    self.paths[0] = argv[at];
    self.paths[1] = at + 1 < argc ? argv[at + 1] : NULL;
    self.args = argv + at + 2;
    self.arg_count = at + 2 < argc ? argc - at - 2 : 0;
    if (mw_loop_new(&self.loop) != MW_OK || mw__output_new(self.loop, &self.output) != MW_OK ||
        mw__env_take(&self.env) != MW_OK)
        return complain("can't start", "out of memory");
    self.profiles = (mw__profiles){.loop = self.loop, .env = &self.env};
    int code = self.paths[1] ? start(&self, 1) : 0;
    if (code == 0)
        code = follow(&self);
    mw__output_flush(self.output);
    tell(&self);
    for (int i = 0; i < RUNS; i++)
        mw__run_free(self.runs[i]);
    mw__output_free(self.output, -1);
    mw__profiles_close(&self.profiles);
    mw_loop_free(self.loop);
    mw__env_clear(&self.env);
    return code;
}

/* run_script.c: a script of the command line: reads it, gives it to the broker or to a host in this process, and says
 * what ended it. Knows nothing of workers, frames or policies. Main thread. */
#define _GNU_SOURCE
#include "run_script.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker.h"
#include "interrupt.h"
#include "profiles.h"
#include "source.h"

/* A script as it was read. */
typedef struct script {
    const char *path;
    char *folder; /* owned; NULL: none */
    char *chunk;  /* owned */
    char *source; /* owned */
    size_t length;
} script;

/* Everything that a run in a worker needs besides the script. */
typedef struct stage {
    mw__session session;
    mw_loop *loop;
    mw__output *output;
    mw__profiles profiles;
    mw__run *run;
} stage;

static bool off(const mw__args *args)
{
    const char *mode = mw__args_get(args, "--sandbox");
    return mode && strcmp(mode, "off") == 0;
}

/* A script that isn't there is a fault of the command line, not of the script. Looks without opening
 * it: a pipe can be opened once. */
static int check_file(const char *command, const char *path)
{
    struct stat info;
    if (access(path, R_OK) < 0 || stat(path, &info) < 0)
        return mw__complain(command, MW_EXIT_USAGE, "can't open '%s': %s; check the path", path,
                            strerror(errno));
    if (S_ISDIR(info.st_mode))
        return mw__complain(command, MW_EXIT_USAGE,
                            "can't run '%s': it is a folder; name a file in it", path);
    return MW_EXIT_OK;
}

/* What only a worker can be held to. */
static int check_flags(const mw__args *args)
{
    static const char *const worker[] = {"--cpu",        "--memory",      "--wall",
                                         "--output",     "--max-tasks",   "--max-source",
                                         "--allow-read", "--allow-write", "--allow-env"};
    for (size_t i = 0; off(args) && i < sizeof worker / sizeof worker[0]; i++)
        if (mw__args_get(args, worker[i]))
            return mw__complain(args->command->name, MW_EXIT_USAGE,
                                "%s holds in the sandbox alone; leave it out, or --sandbox=off",
                                worker[i]);
    return MW_EXIT_OK;
}

int mw__run_check(const mw__args *args)
{
    const char *mode = mw__args_get(args, "--sandbox");
    const char *path = args->argv[args->operand];
    const char *lua_dir;
    int code = mw__args_lua_dir(args, &lua_dir);
    if (code != MW_EXIT_OK)
        return code;
    if (mode && strcmp(mode, "on") != 0 && strcmp(mode, "best-effort") != 0 && !off(args))
        return mw__complain(args->command->name, MW_EXIT_USAGE,
                            "--sandbox must be on, best-effort or off, not '%s'", mode);
    code = check_flags(args);
    if (code != MW_EXIT_OK)
        return code;
    return strcmp(path, "-") == 0 ? MW_EXIT_OK : check_file(args->command->name, path);
}

static void drop_script(script *self)
{
    free(self->folder);
    free(self->chunk);
    free(self->source);
}

/* Reads the script; one that is larger than `cap` has a length of cap + 1 and no text. */
static int read_script(const mw__args *args, uint64_t cap, script *self)
{
    const char *path = args->argv[args->operand];
    bool input = strcmp(path, "-") == 0;
    const char *slash = strrchr(path, '/');
    *self = (script){.path = path};
    if (asprintf(&self->chunk, input ? "=stdin" : "@%s", path) < 0)
        self->chunk = NULL;
    if (!input)
        self->folder =
            !slash ? strdup(".") : strndup(path, (size_t)(slash - path) + (slash == path));
    if (!self->chunk || (!input && !self->folder))
        return mw__complain(args->command->name, MW_EXIT_SCRIPT, "out of memory");
    int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int code = fd < 0 ? MW_INVALID : mw__source_read(fd, (size_t)cap, &self->source, &self->length);
    int problem = errno;
    if (!input && fd >= 0)
        close(fd);
    if (code == MW_TOO_LARGE)
        self->length = (size_t)cap + 1;
    else if (code == MW_MEMORY)
        return mw__complain(args->command->name, MW_EXIT_SCRIPT, "out of memory");
    else if (code != MW_OK)
        return mw__complain(args->command->name, MW_EXIT_USAGE,
                            "can't read '%s': %s; check the path", path, strerror(problem));
    return MW_EXIT_OK;
}

/* ---- in a worker ---- */

static void on_audit_failure(void *ud)
{
    stage *self = ud;
    if (self->run)
        mw__run_interrupt(self->run);
}

static int open_stage(stage *self, const mw__args *args, mw__permit *permit)
{
    const char *name = args->command->name;
    int code = mw__session_prepare(&self->session, args);
    if (code != MW_EXIT_OK)
        return code;
    if (mw_loop_new(&self->loop) != MW_OK || mw__output_new(self->loop, &self->output) != MW_OK)
        return mw__complain(name, MW_EXIT_SCRIPT, "can't start: the system gives no more");
    self->profiles = (mw__profiles){.loop = self->loop,
                                    .env = &self->session.env,
                                    .permit = permit,
                                    .forgets = self->session.twin != NULL,
                                    .max_body = permit->budgets.memory / 4};
    return MW_EXIT_OK;
}

static void close_stage(stage *self)
{
    mw__interrupt_watch(NULL, false);
    mw__run_free(self->run);
    mw__output_free(self->output, 0);
    mw__profiles_close(&self->profiles);
    mw_loop_free(self->loop);
    mw__session_close(&self->session);
}

/* A closed standard output ends the program, as it does for every filter (`moonwire run x.lua | head -3`). */
static int end_by_pipe(stage *self)
{
    mw__run_free(self->run);
    self->run = NULL;
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    return 128 + SIGPIPE;
}

/* What ended the run, on standard error. */
static int report(const mw__args *args, const mw__permit *permit, const mw__result *result)
{
    if (mw__permit_failure(permit)) /* said at the permit's end */
        return MW_EXIT_SCRIPT;
    if (result->exit_code == MW_EXIT_INTERRUPTED)
        return mw__complain(NULL, MW_EXIT_INTERRUPTED, "interrupted");
    if (result->own)
        return mw__complain(args->command->name, result->exit_code, "%s", result->message);
    if (result->exit_code != MW_EXIT_OK)
        fprintf(stderr, "%s\n", result->message);
    return result->exit_code;
}

static int follow(stage *self, const mw__args *args, mw__permit *permit)
{
    while (!mw__run_over(self->run)) {
        mw_loop_run(self->loop, true);
        if (mw__interrupt_seen())
            mw__run_interrupt(self->run);
        if (mw__output_error(self->output) == EPIPE)
            return end_by_pipe(self);
        mw__run_turn(self->run);
    }
    int failed = mw__output_flush(self->output);
    if (failed == EPIPE)
        return end_by_pipe(self);
    mw__interrupt_done();
    int code = report(args, permit, mw__run_result(self->run));
    if (failed && code == MW_EXIT_OK)
        code = mw__complain(NULL, MW_EXIT_SCRIPT, "can't write to standard output: %s",
                            strerror(failed));
    return code;
}

static int run_in_worker(const mw__args *args, mw__permit *permit, const script *text)
{
    const char *mode = mw__args_get(args, "--sandbox");
    stage self = {0};
    mw_error error = {0};
    int code = open_stage(&self, args, permit);
    if (code != MW_EXIT_OK)
        goto out;
    mw__run_options options = {
        .path = text->path,
        .chunk = text->chunk,
        .source = text->source,
        .source_length = text->length,
        .folder = text->folder,
        .args = args->argv + args->operand + 1,
        .arg_count = args->argc - args->operand - 1,
        .env = permit->env,
        .budgets = permit->budgets,
        .lua_dir = self.session.lua_dir,
        .best_effort = mode && strcmp(mode, "best-effort") == 0,
        .files = permit->files,
        .loop = self.loop,
        .output = self.output,
        .connect = mw__profiles_connect,
        .ud = &self.profiles,
    };
    mw__interrupt_watch_loop(self.loop);
    mw__permit_on_failure(permit, on_audit_failure, &self);
    if (mw__run_start(&options, &self.run, &error) == MW_OK)
        code = follow(&self, args, permit);
    else
        code = mw__complain(args->command->name, MW_EXIT_SCRIPT, "%s", error.message);
    mw__permit_on_failure(permit, NULL, NULL);
out:
    close_stage(&self);
    return code;
}

/* ---- in this process ---- */

static int run_here(const mw__args *args, mw__permit *permit)
{
    mw__session session;
    mw__complain(
        args->command->name, 0,
        "sandbox off: the script runs with all that you may do; only its calls are checked");
    int code = mw__session_open(&session, args, permit);
    if (code == MW_EXIT_OK) {
        mw__interrupt_watch(session.host->lua, true);
        int failed = mw__host_run_script(session.host, args->argv, args->argc, args->operand);
        fflush(stdout);
        if (mw__interrupt_seen()) {
            code = mw__complain(NULL, MW_EXIT_INTERRUPTED, "interrupted");
        } else if (failed < 0) {
            fprintf(stderr, "%s\n", moonwire_error(session.host));
            code = mw__exit_for(moonwire_error_kind(session.host));
        }
    }
    mw__session_close(&session);
    return code;
}

int mw__run_script(const mw__args *args, mw__permit *permit)
{
    script text;
    if (off(args))
        return run_here(args, permit);
    int code = read_script(args, permit->budgets.source, &text);
    if (code == MW_EXIT_OK)
        code = run_in_worker(args, permit, &text);
    drop_script(&text);
    return code;
}

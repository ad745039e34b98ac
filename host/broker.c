/* broker.c: a run from its start to its result: owns the worker's process, its channel and what serves it. Knows
 * nothing of what is in a frame, nor of the command line. Main thread. */
#define _GNU_SOURCE
#include "broker.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker_private.h"

enum { MAX_FRAME = MW_WIRE_MAX_CALL + 4096, MAX_TEXTS = 64 << 20, MAX_NODES = 4 << 20 };

/* Bytes of answers that a worker may leave unread before it is taken for stuck. */
static const uint64_t max_queued = UINT64_C(256) << 20;

/* ---- copies of the options ---- */

static const char *copy_text(mw__run *run, const char *text, size_t length)
{
    char *copy = mw_arena_alloc(run->texts, length + 1);
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

static char *const *copy_list(mw__run *run, char *const *list, size_t count)
{
    char **copy = mw_arena_alloc(run->texts, (count + 1) * sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = (char *)(uintptr_t)copy_text(run, list[i], strlen(list[i]));
        if (!copy[i])
            return NULL;
    }
    return copy;
}

static void fill_defaults(mw__budgets *budgets)
{
    if (!budgets->memory)
        budgets->memory = UINT64_C(64) << 20;
    if (!budgets->cpu_ms)
        budgets->cpu_ms = 30000;
    if (!budgets->tasks)
        budgets->tasks = 10000;
    if (!budgets->output)
        budgets->output = UINT64_C(10) << 20;
    if (!budgets->source)
        budgets->source = UINT64_C(1) << 20;
}

static bool copy_options(mw__run *run, const mw__run_options *given)
{
    mw__run_options *options = &run->options;
    size_t variables = 0;
    *options = *given;
    fill_defaults(&options->budgets);
    while (given->env && given->env[variables])
        variables++;
    if (options->source_length > options->budgets.source) /* never sent */
        options->source_length = 0;
    options->path = copy_text(run, given->path, strlen(given->path));
    options->chunk = copy_text(run, given->chunk, strlen(given->chunk));
    options->source = copy_text(run, given->source, options->source_length);
    options->folder = given->folder ? copy_text(run, given->folder, strlen(given->folder)) : "";
    options->lua_dir = given->lua_dir ? copy_text(run, given->lua_dir, strlen(given->lua_dir)) : "";
    options->args = copy_list(run, given->args, (size_t)given->arg_count);
    options->env =
        (const char *const *)copy_list(run, (char *const *)(uintptr_t)given->env, variables);
    if (!options->path || !options->chunk || !options->source || !options->folder ||
        !options->lua_dir || !options->args || !options->env)
        return false;
    if (!given->folder)
        options->folder = NULL;
    if (!given->lua_dir)
        options->lua_dir = NULL;
    return true;
}

/* ---- start and end ---- */

/* An attachment that a call names. */
static int open_attachment(const char *path, int *fd, mw_error *error, void *ud)
{
    mw__run *run = ud;
    return mw__grants_open(run->options.files, path, fd, error);
}

/* The channel has ended: the worker closed it, which it does by dying, or broke the protocol. */
static void on_end(int code, const char *message, void *ud)
{
    static const char prefix[] = "protocol: ";
    mw__run *run = ud;
    run->channel_ended = true;
    if (code == MW_DECODE) {
        if (strncmp(message, prefix, sizeof prefix - 1) == 0)
            message += sizeof prefix - 1;
        if (run->stage == MW__RUN_ENDED)
            run->concluded = false; /* what it has said at its end is worth nothing then */
        free(run->message);
        run->message = NULL;
        mw__run_conclude(run, MW_EXIT_PROTOCOL, "protocol", "", true,
                         "the worker broke the protocol: %s", message);
    } else if (code == MW_TOO_LARGE || code == MW_MEMORY) {
        mw__run_conclude(run, MW_EXIT_PROTOCOL, "protocol", "", true,
                         "the worker takes none of the answers that wait for it: %s", message);
    }
}

static int open_channel(mw__run *run, mw_error *error)
{
    mw_channel_options channel = {
        .fd = run->worker.socket,
        .max_frame = MAX_FRAME,
        .max_queued = max_queued,
        .on_frame = mw__run_frame,
        .on_end = on_end,
        .ud = run,
    };
    int code = mw_channel_new(run->options.loop, &channel, &run->channel, error);
    if (code != MW_OK)
        return code;
    run->worker.socket = -1; /* the channel's now */
    mw_wire_server_options server = {
        .loop = run->options.loop,
        .channel = run->channel,
        .open_file = open_attachment,
        .ud = run,
        .max_body = run->options.budgets.memory, /* more would not fit into the script */
    };
    return mw_wire_server_new(&server, &run->server);
}

static int open_files(mw__run *run)
{
    mw_error ignored;
    int code = MW_OK;
    if (!run->options.files) {
        code = mw__grants_new(&run->own_grants);
        run->options.files = run->own_grants;
    }
    if (code == MW_OK)
        code = mw__files_new(run->options.files, &run->files);
    if (code == MW_OK && run->options.folder) {
        code = mw__grants_new(&run->modules);
        if (code == MW_OK &&
            mw__grants_add(run->modules, run->options.folder, false, &ignored) != MW_OK) {
            mw__grants_free(run->modules); /* no folder, no modules */
            run->modules = NULL;
        }
    }
    if (code == MW_OK)
        code = mw__lines_new(run->options.output, STDOUT_FILENO, &run->out);
    if (code == MW_OK)
        code = mw__lines_new(run->options.output, STDERR_FILENO, &run->err);
    return code;
}

/* The worker is dead or dies now: what it leaves behind is taken down. */
static void finish(mw__run *run)
{
    mw_timer_stop(run->alarm);
    run->alarm = NULL;
    if (run->alive) {
        bool ours = run->kill || run->concluded;
        uint64_t cpu_ms = mw__worker_cpu_ms(&run->worker);
        mw__worker_kill(&run->worker);
        int status = mw__worker_reap(&run->worker);
        run->alive = false;
        run->cpu_ms = cpu_ms;
        if (!ours)
            mw__run_died(run, status, cpu_ms);
    }
    mw_wire_server_free(run->server);
    mw_channel_free(run->channel);
    run->server = NULL;
    run->channel = NULL;
    mw__files_free(run->files);
    run->files = NULL;
    if (run->out)
        mw__lines_end(run->out);
    run->stage = MW__RUN_OVER;
}

int mw__run_start(const mw__run_options *options, mw__run **result, mw_error *error)
{
    mw_error why = {0};
    int code = MW_MEMORY;
    mw__run *run = calloc(1, sizeof *run);
    if (!run)
        goto failed;
    run->worker = (mw__worker){.pid = -1, .socket = -1, .log = -1, .reaped = true};
    run->texts = mw_arena_new(MAX_TEXTS);
    run->arena = mw_arena_new(MAX_NODES);
    if (!run->texts || !run->arena || !copy_options(run, options))
        goto failed;
    if (options->source_length > run->options.budgets.source) {
        mw__run_too_long(run);
        run->stage = MW__RUN_OVER;
        *result = run;
        return MW_OK;
    }
    code = open_files(run);
    if (code != MW_OK)
        goto failed;
    run->started = mw_loop_now(options->loop);
    code = mw__worker_start(&run->options.budgets, run->options.lua_dir, NULL, &run->worker, &why);
    if (code != MW_OK)
        goto failed;
    run->alive = true;
    code = open_channel(run, &why);
    if (code != MW_OK)
        goto failed;
    mw__run_watch(run);
    *result = run;
    return MW_OK;

failed:
    mw_error_set(error, code, "", "can't start a worker: %s",
                 why.message[0] ? why.message : mw_err_text(code));
    mw__run_free(run);
    return code;
}

/* ---- going on ---- */

void mw__run_turn(mw__run *run)
{
    if (run->stage == MW__RUN_OVER)
        return;
    if (run->kill || run->channel_ended) {
        if (run->interrupted)
            mw__run_conclude(run, MW_EXIT_INTERRUPTED, "cancelled", "", true, "interrupted");
        finish(run);
        return;
    }
    mw__run_credit(run);
}

bool mw__run_over(const mw__run *run)
{
    return run->stage == MW__RUN_OVER;
}

void mw__run_interrupt(mw__run *run)
{
    if (run->stage == MW__RUN_OVER || run->interrupted)
        return;
    run->interrupted = true;
    run->interrupt_at = mw_loop_now(run->options.loop) + MW__INTERRUPT_GRACE_MS * 1000;
    kill(run->worker.pid, SIGUSR1); /* its pid stays its own until it is reaped */
    mw__run_watch(run);
}

const mw__result *mw__run_result(const mw__run *run)
{
    return &run->result;
}

uint64_t mw__run_cpu_ms(const mw__run *run)
{
    return run->alive ? mw__worker_cpu_ms(&run->worker) : run->cpu_ms;
}

void mw__run_free(mw__run *run)
{
    if (!run)
        return;
    run->kill = true;
    finish(run);
    mw__worker_free(&run->worker);
    mw__lines_free(run->out);
    mw__lines_free(run->err);
    mw__grants_free(run->modules);
    mw__grants_free(run->own_grants);
    mw_arena_free(run->arena);
    mw_arena_free(run->texts);
    free(run->message);
    free(run);
}

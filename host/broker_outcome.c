/* broker_outcome.c: how a run ends: the second line behind its budgets, and the words for every end. What a worker
 * says is never what decides which budget is used up. Knows no frames but END. Main thread. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker_private.h"
#include "units.h"

enum {
    MAX_TEXT = 64 * 1024,
    START_MS = 30000,  /* until HELLO */
    LEAVE_MS = 100,    /* from END to the end of the process */
    LEAST_LOOK_MS = 5, /* between two looks at the CPU time */
    MAX_WHERE = 240
};

void mw__clean(char *text, size_t length, bool lines)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool control = c < 0x20 || c == 0x7F;
        if (c == 0xC2 && i + 1 < length && ((unsigned char)text[i + 1] & 0xE0) == 0x80) {
            text[i] = '?'; /* one of the control characters behind ASCII */
            text[++i] = '?';
        } else if (control && c != '\t' && !(lines && c == '\n')) {
            text[i] = '?';
        }
    }
}

static void keep(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text);
}

void mw__run_conclude(mw__run *run, int exit_code, const char *kind, const char *budget, bool own,
                      const char *format, ...)
{
    if (run->concluded)
        return;
    run->concluded = true;
    keep(run->kind, sizeof run->kind, kind);
    keep(run->budget, sizeof run->budget, budget);
    run->result = (mw__result){
        .exit_code = exit_code, .kind = run->kind, .budget = run->budget, .own = own, .message = ""};
    if (!format)
        return;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&run->message, format, arguments);
    va_end(arguments);
    if (length < 0) {
        run->message = NULL;
        run->result.message = "the script failed, and there is no memory left to say how";
        return;
    }
    mw_loop_redact(run->options.loop, run->message);
    run->result.message = run->message;
}

/* "; last call contacts:list, last line loop.lua:12", as far as that is known. The page is hostile, and the
 * worker may still write to it. */
static const char *last_seen(mw__run *run, char *text, size_t size)
{
    char where[MAX_WHERE] = "";
    const char *call = mw_wire_server_last(run->server);
    const volatile char *from = run->worker.page ? run->worker.page->where : "";
    for (size_t i = 0; i + 1 < sizeof where && (where[i] = from[i]) != '\0'; i++)
        where[i + 1] = '\0';
    mw__clean(where, strlen(where), false);
    snprintf(text, size, "%s%s%s%s%s", *call || *where ? "; " : "", *call ? "last call " : "", call,
             *where ? (*call ? ", last line " : "last line ") : "", where);
    return text;
}

/* The second line has struck. */
static void kill_for(mw__run *run, const char *budget, const char *what, const char *most,
                     uint64_t used_ms)
{
    char seen[512];
    char used[32];
    mw__run_conclude(run, mw__exit_for_budget(budget), "budget", budget, true,
                     "the %s of %s is used up (killed at %s)%s", what, most,
                     mw__show_seconds(used_ms, used, sizeof used),
                     last_seen(run, seen, sizeof seen));
    run->kill = true;
}

static void kill_for_cpu(mw__run *run, uint64_t used_ms)
{
    char most[32];
    kill_for(run, "cpu", "CPU time",
             mw__show_seconds(run->options.budgets.cpu_ms, most, sizeof most), used_ms);
}

static void on_alarm(void *ud)
{
    mw__run *run = ud;
    run->alarm = NULL;
    mw__run_watch(run);
}

static void sooner(int64_t *next, int64_t at)
{
    if (at && (!*next || at < *next))
        *next = at;
}

/* Whether a moment has come; else the next look is not after it. */
static bool due(int64_t at, int64_t now, int64_t *next)
{
    if (at && now >= at)
        return true;
    sooner(next, at);
    return false;
}

/* The CPU time of a process goes no faster than the clock: so the next look is when it could be used up. */
static void watch_cpu(mw__run *run, int64_t now, int64_t *next)
{
    uint64_t used = mw__worker_cpu_ms(&run->worker);
    uint64_t most = run->options.budgets.cpu_ms + MW__KILL_AFTER_MS;
    if (used >= most) {
        kill_for_cpu(run, used);
        return;
    }
    uint64_t left = most - used < LEAST_LOOK_MS ? LEAST_LOOK_MS : most - used;
    sooner(next, now + (int64_t)left * 1000);
}

static void watch_going(mw__run *run, int64_t now, int64_t *next)
{
    char most[32];
    const mw__budgets *budgets = &run->options.budgets;
    uint64_t since = (uint64_t)(now - run->started) / 1000;
    int64_t wall = budgets->wall_ms
                       ? run->started + (int64_t)(budgets->wall_ms + MW__KILL_AFTER_MS) * 1000
                       : 0;
    if (due(run->interrupt_at, now, next)) {
        run->kill = true;
    } else if (due(run->overrun_at, now, next)) {
        kill_for(run, "output", "output", mw__show_size(budgets->output, most, sizeof most), since);
    } else if (due(wall, now, next)) {
        kill_for(run, "wall", "wall time", mw__show_seconds(budgets->wall_ms, most, sizeof most),
                 since);
    } else if (run->stage == MW__RUN_STARTING &&
               due(run->started + INT64_C(1000) * START_MS, now, next)) {
        mw__run_conclude(run, MW_EXIT_CRASH, "crash", "", true,
                         "worker did not start within %d s; try again", START_MS / 1000);
        run->kill = true;
    } else {
        watch_cpu(run, now, next);
    }
}

void mw__run_watch(mw__run *run)
{
    int64_t now = mw_loop_now(run->options.loop);
    int64_t next = 0;
    mw_timer_stop(run->alarm);
    run->alarm = NULL;
    if (run->stage == MW__RUN_ENDED)
        run->kill = due(run->leave_at, now, &next) || run->kill;
    else if (run->stage != MW__RUN_OVER)
        watch_going(run, now, &next);
    if (run->kill || !next)
        return;
    uint64_t wait = (uint64_t)(next - now) / 1000 + 1;
    if (mw_timer_start(run->options.loop, wait, on_alarm, run, &run->alarm) == MW_OK)
        return;
    run->alarm = NULL;
    mw__run_conclude(run, MW_EXIT_SCRIPT, "memory", "", true, "can't go on: out of memory");
    run->kill = true;
}

void mw__run_too_long(mw__run *run)
{
    char most[32];
    mw__run_conclude(run, MW_EXIT_SOURCE, "budget", "source", true,
                     "the source of %s is used up: '%s' holds more; --max-source raises it",
                     mw__show_size(run->options.budgets.source, most, sizeof most),
                     run->options.path);
}

/* ---- a worker's own end ---- */

/* The first line of what was written to the log pipe, such as a library's last words; "" when there is none. */
static const char *last_words(mw__run *run, char *text, size_t size)
{
    ssize_t count = run->worker.log < 0 ? -1 : read(run->worker.log, text, size - 1);
    text[count > 0 ? count : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    mw__clean(text, strlen(text), false);
    return text;
}

/* What only the worker counts was used up, and its script went on all the same. */
static void died_of(mw__run *run, const char *budget, uint64_t bytes)
{
    char most[32];
    kill_for(run, budget, budget, mw__show_size(bytes, most, sizeof most),
             (uint64_t)(mw_loop_now(run->options.loop) - run->started) / 1000);
}

void mw__run_died(mw__run *run, int status, uint64_t cpu_ms)
{
    char seen[512];
    char words[200];
    int left = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (run->overrun_at || left == MW__EXIT_STUCK_OUTPUT) {
        died_of(run, "output", run->options.budgets.output);
    } else if (left == MW__EXIT_STUCK_MEMORY) {
        died_of(run, "memory", run->options.budgets.memory);
    } else if (WIFSIGNALED(status)) {
        int number = WTERMSIG(status);
        /* Looking for the line of a script that is stuck may crash it. */
        bool over = cpu_ms >= run->options.budgets.cpu_ms;
        if (number == SIGXCPU || (over && (number == SIGKILL || number == SIGSEGV)))
            kill_for_cpu(run, cpu_ms);
        else
            mw__run_conclude(run, MW_EXIT_CRASH, "crash", "", true, "worker %s (signal %d)%s",
                             number == SIGSYS ? "killed for a forbidden system call" : "crashed",
                             number, last_seen(run, seen, sizeof seen));
    } else {
        last_words(run, words, sizeof words);
        mw__run_conclude(run, MW_EXIT_CRASH, "crash", "", true,
                         "worker ended without a word (exit %d)%s%s%s", left, *words ? ": " : "",
                         words, last_seen(run, seen, sizeof seen));
    }
}

/* The kinds that are the broker's to find. */
static bool may_claim(const char *kind)
{
    static const char *const own[] = {"crash", "protocol", "sandbox", ""};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(own[i], kind) == 0)
            return false;
    return true;
}

/* An optional text of END; false when it is something else. */
static bool optional(const mw_value *end, const char *name, char *text, size_t size)
{
    const mw_value *value = mw_value_member(end, name);
    text[0] = '\0';
    if (!value || value->type == MW_V_NULL)
        return true;
    if (value->type != MW_V_STRING || value->length >= size)
        return false;
    memcpy(text, value->as.string, value->length);
    text[value->length] = '\0';
    return true;
}

/* The script's own text, which may have several lines. */
static void conclude_script(mw__run *run, const char *kind, const char *budget, const mw_value *text)
{
    size_t length = text ? text->length : 0;
    length = length < MAX_TEXT ? length : MAX_TEXT;
    char *copy = malloc(length + 1);
    if (copy) {
        if (length)
            memcpy(copy, text->as.string, length);
        copy[length] = '\0';
        mw__clean(copy, length, true);
    }
    mw__run_conclude(run,
                     *budget ? mw__exit_for_budget(budget)
                             : mw__exit_for(may_claim(kind) ? kind : "script"),
                     *budget           ? "budget"
                     : may_claim(kind) ? kind
                                       : "script",
                     budget, false, "%s",
                     copy ? copy : "the script failed, and there is no memory left to say how");
    free(copy);
}

void mw__run_ended(mw__run *run, const mw_frame *frame)
{
    mw_value end;
    bool ok;
    char kind[24];
    char budget[24];
    if (!mw__run_unpack(run, frame, &end) || !mw__run_boolean(run, frame, &end, "ok", &ok))
        return;
    const mw_value *text = mw_value_member(&end, "text");
    if (!optional(&end, "kind", kind, sizeof kind) ||
        !optional(&end, "budget", budget, sizeof budget) || (text && text->type != MW_V_STRING) ||
        (*budget && !mw__exit_for_budget(budget))) {
        mw__run_breach(run, frame, 0, "an end without sense");
        return;
    }
    if (ok && run->overrun_at) {
        ok = false;
        keep(budget, sizeof budget, "output");
    }
    if (run->interrupted && !*budget && (ok || strcmp(kind, mw_err_kind(MW_CANCELLED)) == 0))
        mw__run_conclude(run, MW_EXIT_INTERRUPTED, "cancelled", "", true, "interrupted");
    else if (ok && !*budget)
        mw__run_conclude(run, MW_EXIT_OK, "", "", false, NULL);
    else
        conclude_script(run, kind, budget, text);
    run->stage = MW__RUN_ENDED;
    run->leave_at = mw_loop_now(run->options.loop) + INT64_C(1000) * LEAVE_MS;
    mw__run_watch(run);
}

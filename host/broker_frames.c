/* broker_frames.c: what a worker says, frame by frame, but for its calls and asks. Everything in a frame is
 * hostile: what an honest worker would not send is a breach of the protocol and ends the run. Knows no
 * budgets' texts. Main thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker_private.h"
#include "sandbox.h"

void mw__run_breach(mw__run *run, const mw_frame *frame, size_t at, const char *problem)
{
    mw_channel_fail(run->channel, frame->offset + at, problem);
}

bool mw__run_unpack(mw__run *run, const mw_frame *frame, mw_value *object)
{
    size_t at = 0;
    const char *problem = "a value that is too large";
    mw_arena_reset(run->arena);
    int code = mw_value_unpack(frame->data, frame->length, &at, run->arena, object, &problem);
    if (code == MW_OK && at != frame->length)
        problem = "bytes behind the value";
    else if (code == MW_OK && object->type == MW_V_EMPTY)
        *object = (mw_value){.type = MW_V_OBJECT};
    else if (code == MW_OK && object->type != MW_V_OBJECT)
        problem = "no object";
    if (code == MW_OK && at == frame->length && object->type == MW_V_OBJECT)
        return true;
    mw__run_breach(run, frame, at, problem);
    return false;
}

static const mw_value *member(mw__run *run, const mw_frame *frame, const mw_value *object,
                              const char *name, mw_value_type type)
{
    const mw_value *value = mw_value_member(object, name);
    if (value && value->type == type)
        return value;
    char problem[96];
    snprintf(problem, sizeof problem, "a frame of type %u without '%s'", frame->type, name);
    mw__run_breach(run, frame, 0, problem);
    return NULL;
}

bool mw__run_text(mw__run *run, const mw_frame *frame, const mw_value *object, const char *name,
                  const char **text, size_t *length)
{
    const mw_value *value = member(run, frame, object, name, MW_V_STRING);
    if (!value)
        return false;
    *text = value->as.string;
    *length = value->length;
    return true;
}

bool mw__run_integer(mw__run *run, const mw_frame *frame, const mw_value *object, const char *name,
                     int64_t least, int64_t most, int64_t *value)
{
    const mw_value *found = member(run, frame, object, name, MW_V_INTEGER);
    if (!found)
        return false;
    *value = found->as.integer;
    if (*value >= least && *value <= most)
        return true;
    mw__run_breach(run, frame, 0, "a number out of bounds");
    return false;
}

bool mw__run_boolean(mw__run *run, const mw_frame *frame, const mw_value *object, const char *name,
                     bool *value)
{
    const mw_value *found = member(run, frame, object, name, MW_V_BOOLEAN);
    if (found)
        *value = found->as.boolean;
    return found != NULL;
}

static mw_value string(const char *text)
{
    return (mw_value){.type = MW_V_STRING, .length = strlen(text), .as.string = text};
}

/* {NAME = "value", ...} from "NAME=value"; "NAME" is a variable that is granted and not set. */
static bool pack_env(mw__run *run, mw_value *object)
{
    const char *const *env = run->options.env;
    size_t count = 0;
    while (env && env[count])
        count++;
    mw_member *members = mw_arena_alloc(run->arena, (count + 1) * sizeof *members);
    if (!members)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(env[i], "=");
        char *name = mw_arena_alloc(run->arena, length + 1);
        if (!name)
            return false;
        memcpy(name, env[i], length);
        members[i] = (mw_member){.name = name,
                                 .name_length = length,
                                 .value = env[i][length] ? string(env[i] + length + 1)
                                                         : (mw_value){.type = MW_V_NULL}};
    }
    *object = (mw_value){.type = MW_V_OBJECT, .length = count, .as.members = members};
    return true;
}

/* The first bytes of a user that reach the worker. */
static int send_setup(mw__run *run)
{
    const mw__run_options *options = &run->options;
    mw_arena_reset(run->arena);
    mw_value *args = mw_arena_alloc(run->arena, ((size_t)options->arg_count + 1) * sizeof *args);
    mw_value env;
    if (!args || !pack_env(run, &env))
        return MW_MEMORY;
    for (int i = 0; i < options->arg_count; i++)
        args[i] = string(options->args[i]);
    mw_member members[] = {
        {.name = "chunk", .name_length = 5, .value = string(options->chunk)},
        {.name = "source",
         .name_length = 6,
         .value = {.type = MW_V_STRING,
                   .length = options->source_length,
                   .as.string = options->source}},
        {.name = "args",
         .name_length = 4,
         .value = {.type = MW_V_ARRAY, .length = (size_t)options->arg_count, .as.items = args}},
        {.name = "script", .name_length = 6, .value = string(options->path)},
        {.name = "source_cap",
         .name_length = 10,
         .value = {.type = MW_V_INTEGER, .as.integer = (int64_t)options->budgets.source}},
        {.name = "env", .name_length = 3, .value = env},
    };
    mw_value setup = {
        .type = MW_V_OBJECT, .length = sizeof members / sizeof members[0], .as.members = members};
    return mw_channel_send_value(run->channel, MW__F_SETUP, 0, &setup);
}

/* A line of the broker's own among the script's log lines. */
static void say(mw__run *run, const char *level, const char *line, size_t length)
{
    run->log_pending += strlen(level) + 2 + length + 1;
    mw__lines_add(run->err, level, strlen(level));
    mw__lines_add(run->err, ": ", 2);
    mw__lines_add(run->err, line, length);
    mw__lines_add(run->err, "\n", 1);
}

static void take_hello(mw__run *run, const mw_frame *frame)
{
    mw_value hello;
    int64_t active;
    char names[256];
    char reasons[320] = "";
    if (run->stage != MW__RUN_STARTING) {
        mw__run_breach(run, frame, 0, "a second greeting");
        return;
    }
    if (!mw__run_unpack(run, frame, &hello) ||
        !mw__run_integer(run, frame, &hello, "active", 0, UINT32_MAX, &active))
        return;
    const mw_value *missing = mw_value_member(&hello, "missing");
    if (missing && missing->type == MW_V_STRING && missing->length > 0) {
        size_t length = missing->length < 256 ? missing->length : 256;
        snprintf(reasons, sizeof reasons, " (%.*s)", (int)length, missing->as.string);
        mw__clean(reasons, strlen(reasons), false);
    }
    run->stage = MW__RUN_GOING;
    if (mw__sandbox_missing((unsigned)active, names, sizeof names)) {
        if (!run->options.best_effort) {
            mw__run_conclude(run, MW_EXIT_SANDBOX, "sandbox", "", true,
                             "the sandbox lacks %s%s; `moonwire selfcheck` shows more, and "
                             "--sandbox=best-effort goes on without",
                             names, reasons);
            run->kill = true;
            return;
        }
        char line[640];
        int length = snprintf(line, sizeof line, "the sandbox lacks %s%s", names, reasons);
        say(run, "warn", line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    }
    if (send_setup(run) != MW_OK) {
        mw__run_conclude(run, MW_EXIT_SCRIPT, "memory", "", true, "can't start: out of memory");
        run->kill = true;
    }
}

/* How much of `length` more bytes of output the budget lets through. */
static size_t within_budget(mw__run *run, size_t length)
{
    uint64_t budget = run->options.budgets.output;
    uint64_t left = run->printed < budget ? budget - run->printed : 0;
    run->printed += length;
    if (length <= left)
        return length;
    if (!run->overrun_at) { /* an honest worker ends by itself now */
        run->overrun_at = mw_loop_now(run->options.loop) + MW__KILL_AFTER_MS * 1000;
        mw__run_watch(run);
    }
    return (size_t)left;
}

/* Whether so much output may come now: no more than the window is on its way. */
static bool in_window(mw__run *run, const mw_frame *frame, size_t most)
{
    if (run->unwritten <= MW__OUTPUT_WINDOW && frame->length <= most) {
        run->unwritten += frame->length;
        return true;
    }
    mw__run_breach(run, frame, 0, "more output than the window holds");
    return false;
}

static void take_print(mw__run *run, const mw_frame *frame)
{
    if (frame->id != 1) {
        mw__run_breach(run, frame, 0, "output to a stream that does not exist");
        return;
    }
    if (!in_window(run, frame, MW__MAX_PRINT))
        return;
    size_t length = within_budget(run, frame->length);
    if (mw__lines_add(run->out, frame->data, length) != MW_OK)
        run->credit += length; /* what is beyond the budget is never given back */
}

static void take_log(mw__run *run, const mw_frame *frame)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    mw_value value;
    const char *level = NULL;
    const char *given;
    const char *line;
    size_t given_length;
    size_t length;
    if (!in_window(run, frame, MW__OUTPUT_WINDOW + MW__MAX_PRINT) ||
        !mw__run_unpack(run, frame, &value) ||
        !mw__run_text(run, frame, &value, "level", &given, &given_length) ||
        !mw__run_text(run, frame, &value, "line", &line, &length))
        return;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strlen(levels[i]) == given_length && memcmp(levels[i], given, given_length) == 0)
            level = levels[i];
    if (!level) {
        mw__run_breach(run, frame, 0, "a log line of no level");
        return;
    }
    if (within_budget(run, frame->length) < frame->length)
        return;
    run->log_payload += frame->length;
    char *copy = malloc(length + 1);
    if (!copy)
        return;
    memcpy(copy, line, length);
    copy[length] = '\0';
    mw__clean(copy, length, false);
    mw_loop_redact(run->options.loop, copy);
    say(run, level, copy, strlen(copy));
    free(copy);
}

void mw__run_credit(mw__run *run)
{
    uint64_t written = mw__lines_written(run->err);
    run->credit += mw__lines_written(run->out);
    run->log_pending -= written < run->log_pending ? written : run->log_pending;
    if (run->log_pending == 0) {
        run->credit += run->log_payload;
        run->log_payload = 0;
    }
    if (run->credit < MW__OUTPUT_WINDOW / 4 || run->stage != MW__RUN_GOING || run->channel_ended)
        return;
    mw_member bytes = {
        .name = "bytes",
        .name_length = 5,
        .value = {.type = MW_V_INTEGER, .as.integer = (int64_t)run->credit},
    };
    mw_value credit = {.type = MW_V_OBJECT, .length = 1, .as.members = &bytes};
    if (mw_channel_send_value(run->channel, MW__F_CREDIT, 0, &credit) != MW_OK)
        return;
    run->unwritten -= run->credit < run->unwritten ? run->credit : run->unwritten;
    run->credit = 0;
}

void mw__run_frame(const mw_frame *frame, void *ud)
{
    mw__run *run = ud;
    if (run->kill || run->channel_ended)
        return;
    if (run->stage == MW__RUN_STARTING && frame->type != MW__F_HELLO) {
        mw__run_breach(run, frame, 0, "a frame before the greeting");
    } else if (run->stage != MW__RUN_STARTING && run->stage != MW__RUN_GOING) {
        mw__run_breach(run, frame, 0, "a frame after the end");
    } else if (frame->type <= MW_WIRE_TYPES) {
        mw_wire_server_frame(run->server, frame);
    } else {
        switch (frame->type) {
        case MW__F_HELLO:
            take_hello(run, frame);
            break;
        case MW__F_PRINT:
            take_print(run, frame);
            break;
        case MW__F_LOG:
            take_log(run, frame);
            break;
        case MW__F_CONNECT:
        case MW__F_REQUIRE:
        case MW__F_FILE:
            mw__run_ask(run, frame);
            break;
        case MW__F_END:
            mw__run_ended(run, frame);
            break;
        default:
            mw__run_breach(run, frame, 0, "a frame of an unknown type");
        }
    }
}

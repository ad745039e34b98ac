/* wire_server.c: owns the broker's end of a wire: the calls that a worker has in flight, and what is wrong
 * with its frames. Checks nothing of the arguments itself: they go the way of everybody's. Loop's thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel_private.h"
#include "gate_private.h"
#include "request_private.h"
#include "wire_codec.h"
#include "wire_doors.h"

enum {
    TABLE = MW_WIRE_CALLS,
    ARENA = 16 * 1024 * 1024,
    MOST_FILES =
        256, /* open for calls that are unanswered: the descriptors are those of all workers */
    LAST = 96,
    WARNING = 256
};

/* A call whose answer has not come yet. */
typedef struct served served;
struct served {
    mw_wire_server *server;
    served *next; /* in its chain of the table, or at rest */
    uint32_t id;
    uint32_t door;
    mw_call_id call;
    size_t bytes; /* of its frame */
    size_t files; /* that are open for it */
    char warning[WARNING];
};

struct mw_wire_server {
    mw_wire_server_options options;
    mw__wire_doors doors;
    served *table[TABLE]; /* by id */
    served *rest;         /* memory of calls that have ended */
    unsigned live;
    size_t bytes;
    size_t files;
    mw_arena *arena;
    char last[LAST];
    bool freed; /* by its owner; the memory goes with the last call */
};

/* ---- the table ---- */

static served **find(mw_wire_server *server, uint32_t id)
{
    served **link = &server->table[id % TABLE];
    while (*link && (*link)->id != id)
        link = &(*link)->next;
    return link;
}

static served *take_up(mw_wire_server *server, const mw_frame *frame)
{
    served *call = server->rest;
    if (call)
        server->rest = call->next;
    else
        call = malloc(sizeof *call);
    if (!call)
        return NULL;
    call->server = server;
    call->id = frame->id;
    call->bytes = frame->length;
    call->call = 0;
    call->files = 0;
    call->warning[0] = '\0';
    call->next = NULL;
    *find(server, frame->id) = call;
    server->live++;
    server->bytes += frame->length;
    return call;
}

static void free_memory(mw_wire_server *server)
{
    while (server->rest) {
        served *call = server->rest;
        server->rest = call->next;
        free(call);
    }
    mw_arena_free(server->arena);
    mw__wire_doors_free(&server->doors);
    free(server);
}

static void put_down(served *call)
{
    mw_wire_server *server = call->server;
    served **link = &server->table[call->id % TABLE];
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    call->next = server->rest;
    server->rest = call;
    server->live--;
    server->bytes -= call->bytes;
    server->files -= call->files;
    if (server->freed && server->live == 0)
        free_memory(server);
}

/* ---- answers ---- */

static int send_answer(mw_wire_server *server, uint32_t id, const mw__wire_answer *answer)
{
    char *payload;
    char *texts;
    size_t size = mw__wire_answer_size(answer);
    int rc = mw__channel_reserve(server->options.channel, MW__W_ANSWER, id, size, &payload);
    if (rc != MW_OK)
        return rc;
    mw__wire_pack_answer(answer, payload, &texts);
    mw_loop_redact_bytes(server->options.loop, texts, size - (size_t)(texts - payload));
    return MW_OK;
}

/* An answer that says why there is none. */
static int send_failure(mw_wire_server *server, uint32_t id, const mw_answer *cause, int code,
                        const char *message, const char *field, uint64_t sent)
{
    mw__wire_answer answer = {.answer = {.retry_after = -1}, .sent = sent};
    if (cause) {
        answer.answer = *cause;
        answer.answer.headers = NULL;
        answer.answer.header_count = 0;
        answer.answer.body_length = 0;
    }
    answer.answer.code = code;
    answer.answer.message = message;
    answer.answer.field = field;
    return send_answer(server, id, &answer);
}

/* Nothing is as bad as an answer that never comes. */
static void give_up(mw_wire_server *server, int rc)
{
    if (rc != MW_OK && rc != MW_CANCELLED)
        mw__channel_end(server->options.channel, rc, "an answer can't be sent: %s", mw_err_text(rc));
}

static void on_answer(const mw_answer *answer, void *ud)
{
    served *call = ud;
    mw_wire_server *server = call->server;
    if (!server->freed) {
        mw__wire_answer out = {.answer = *answer,
                               .warning = call->warning,
                               .sent = mw__wire_doors_sent(&server->doors, call->door)};
        int rc = MW_TOO_LARGE;
        if (answer->body_length <= MW_WIRE_MAX_BODY)
            rc = send_answer(server, call->id, &out);
        if (rc == MW_TOO_LARGE)
            rc = send_failure(server, call->id, answer, rc,
                              "the body is larger than a script may get", "", out.sent);
        if (rc == MW_MEMORY)
            rc = send_failure(server, call->id, answer, rc, mw_err_text(rc), "", out.sent);
        give_up(server, rc);
    }
    put_down(call);
}

/* ---- calls ---- */

static int open_nothing(const char *path, int *fd, mw_error *error, void *ud)
{
    (void)path;
    (void)fd;
    (void)ud;
    return mw_error_set(error, MW_DENIED, NULL, "this script may read no files");
}

static void name_call(mw_wire_server *server, const mw__wire_call *in)
{
    if (in->operation)
        snprintf(server->last, sizeof server->last, "%s:%s", in->operation->module,
                 in->operation->method);
    else
        snprintf(server->last, sizeof server->last, "%s %.80s", mw_verb_name(in->verb),
                 in->raw_path);
    for (char *c = server->last; *c; c++) { /* it is shown, and no path was checked yet */
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

/* Counts the files that are open for a call. */
static int take_files(mw_wire_server *server, served *call, const mw_request *request,
                      mw_error *error)
{
    size_t files = 0;
    for (size_t i = 0; i < request->parts.count; i++)
        files += request->parts.list[i].fd >= 0;
    if (files > MOST_FILES - server->files)
        return mw_error_set(error, MW_BUDGET, "open files",
                            "%s: more than %d files are open for the calls of this script that are "
                            "under way; wait for some of them",
                            request->name, MOST_FILES);
    call->files = files;
    server->files += files;
    return MW_OK;
}

static int make_request(mw_wire_server *server, mw_gate *gate, mw__wire_call *in,
                        mw_request **request, mw_error *error)
{
    in->options.open_file = server->options.open_file ? server->options.open_file : open_nothing;
    in->options.open_ud = server->options.ud;
    if (in->options.max_body > server->options.max_body)
        in->options.max_body = server->options.max_body;
    if (in->operation)
        return mw_gate_request(gate, in->operation, in->path, in->path_count, in->params,
                               &in->options, request, error);
    return mw_gate_request_raw(gate, in->verb, in->raw_path, in->params, &in->options, request,
                               error);
}

/* Makes and submits the request. `whole` false: the arguments took more memory than they may. */
static int pass_on(mw_wire_server *server, served *call, mw__wire_call *in, bool whole,
                   mw_error *error)
{
    mw_gate *gate = mw__wire_doors_gate(&server->doors, in->door);
    if (!whole)
        return mw_error_set(error, MW_TOO_LARGE, NULL,
                            "%s: the arguments take more memory than those of one call may",
                            server->last);
    mw_request *request = NULL;
    int rc = make_request(server, gate, in, &request, error);
    if (rc != MW_OK)
        return rc;
    snprintf(call->warning, sizeof call->warning, "%s", mw_request_warning(request));
    rc = take_files(server, call, request, error);
    if (rc == MW_OK)
        rc = mw_gate_submit(gate, request, on_answer, call, &call->call, error);
    if (rc != MW_OK)
        mw_request_free(request);
    return rc;
}

static void serve(mw_wire_server *server, const mw_frame *frame, mw__wire_call *in, bool whole)
{
    name_call(server, in);
    served *call = take_up(server, frame);
    mw_error error = {0};
    int rc = MW_MEMORY;
    if (call) {
        call->door = in->door;
        rc = pass_on(server, call, in, whole, &error);
    }
    if (rc == MW_OK)
        return;
    if (call)
        put_down(call);
    if (!error.message[0])
        mw_error_set(&error, rc, NULL, "%s: %s", server->last, mw_err_text(rc));
    give_up(server, send_failure(server, frame->id, NULL, rc, error.message, error.field,
                                 mw__wire_doors_sent(&server->doors, in->door)));
}

static const char *window_problem(const mw_wire_server *server, const mw_frame *frame)
{
    if (frame->length > MW_WIRE_MAX_CALL)
        return "a call that is too large";
    if (server->live >= MW_WIRE_CALLS || frame->length > MW_WIRE_BYTES - server->bytes)
        return "more calls than the window holds";
    return NULL;
}

static void on_call(mw_wire_server *server, const mw_frame *frame)
{
    mw_channel *channel = server->options.channel;
    const char *problem = window_problem(server, frame);
    if (problem) {
        mw_channel_fail(channel, frame->offset - MW_FRAME_HEADER, problem);
        return;
    }
    if (*find(server, frame->id)) {
        mw_channel_fail(channel, frame->offset - 4, "the id of a call that is unanswered");
        return;
    }
    mw__wire_call in;
    size_t at = 0;
    int rc = mw__wire_unpack_call(frame->data, frame->length, server->arena, &in, &at, &problem);
    if (rc != MW_DECODE && in.door >= server->doors.count) {
        rc = MW_DECODE;
        at = 0;
        problem = "no such door";
    }
    if (rc == MW_DECODE)
        mw_channel_fail(channel, frame->offset + at, problem);
    else
        serve(server, frame, &in, rc == MW_OK);
    mw_arena_reset(server->arena);
}

static void on_cancel(mw_wire_server *server, const mw_frame *frame)
{
    if (frame->length > 0) {
        mw_channel_fail(server->options.channel, frame->offset, "bytes behind the end of a cancel");
        return;
    }
    const served *call = *find(server, frame->id);
    if (call) /* else its answer is on the way */
        mw_gate_cancel(mw__wire_doors_gate(&server->doors, call->door), call->call);
}

static void on_stats(mw_wire_server *server, const mw_frame *frame)
{
    mw_channel *channel = server->options.channel;
    if (frame->length > 0)
        mw_channel_fail(channel, frame->offset, "bytes behind the end of a question");
    else if (frame->id >= server->doors.count)
        mw_channel_fail(channel, frame->offset - 4, "no such door");
    else
        give_up(server, mw__wire_doors_stats(&server->doors, frame->id));
}

void mw_wire_server_frame(mw_wire_server *server, const mw_frame *frame)
{
    if (frame->type == MW__W_CALL)
        on_call(server, frame);
    else if (frame->type == MW__W_CANCEL)
        on_cancel(server, frame);
    else if (frame->type == MW__W_STATS)
        on_stats(server, frame);
    else
        mw_channel_fail(server->options.channel, frame->offset - MW_FRAME_HEADER + 5,
                        "neither a call nor a cancel nor a question");
}

/* ---- the beginning and the end ---- */

int mw_wire_server_new(const mw_wire_server_options *options, mw_wire_server **out)
{
    mw_wire_server *server = calloc(1, sizeof *server);
    if (!server)
        return MW_MEMORY;
    server->options = *options;
    if (server->options.max_body == 0 || server->options.max_body > MW_WIRE_MAX_BODY)
        server->options.max_body = MW_WIRE_MAX_BODY;
    server->arena = mw_arena_new(ARENA);
    if (!server->arena) {
        free(server);
        return MW_MEMORY;
    }
    server->doors.channel = options->channel;
    mw__channel_throttle(options->channel, MW_WIRE_BACKLOG);
    *out = server;
    return MW_OK;
}

int mw_wire_server_offer(mw_wire_server *server, mw_gate *gate, uint32_t *number)
{
    return mw__wire_doors_add(&server->doors, gate, number);
}

const char *mw_wire_server_last(const mw_wire_server *server)
{
    return server->last;
}

unsigned mw_wire_server_live(const mw_wire_server *server)
{
    return server->live;
}

void mw_wire_server_free(mw_wire_server *server)
{
    if (!server || server->freed)
        return;
    for (size_t i = 0; i < TABLE; i++) {
        for (const served *call = server->table[i]; call; call = call->next)
            mw_gate_cancel(mw__wire_doors_gate(&server->doors, call->door), call->call);
    }
    mw__wire_doors_close(&server->doors);
    server->freed = true;
    if (server->live == 0)
        free_memory(server);
}

/* broker_asks.c: what a script asks the broker for besides calls: connections, modules and files. A worker that
 * does not read the answers is not heard any more (MW_WIRE_BACKLOG). Knows no budgets. Main thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker_private.h"
#include "source.h"
#include "units.h"

enum { MAX_NAME = 200 };

/* A failing send ends the channel, which ends the run. */
static void reply(mw__run *run, const mw_frame *ask, const mw_member *members, size_t count)
{
    mw_value object = {.type = count ? MW_V_OBJECT : MW_V_EMPTY, .length = count};
    if (count)
        object.as.members = members;
    if (mw_channel_send_value(run->channel, MW__F_REPLY, ask->id, &object) != MW_OK)
        mw__run_breach(run, ask, 0, "an answer that can't be sent");
}

static mw_member text_member(const char *name, const char *text, size_t length)
{
    return (mw_member){.name = name,
                       .name_length = strlen(name),
                       .value = {.type = MW_V_STRING, .length = length, .as.string = text}};
}

static mw_member integer_member(const char *name, int64_t value)
{
    return (mw_member){.name = name,
                       .name_length = strlen(name),
                       .value = {.type = MW_V_INTEGER, .as.integer = value}};
}

static void refuse(mw__run *run, const mw_frame *ask, mw_error *error)
{
    mw_loop_redact(run->options.loop, error->message);
    mw_member members[] = {
        integer_member("code", error->code),
        text_member("message", error->message, strlen(error->message)),
        text_member("field", error->field, strlen(error->field)),
    };
    reply(run, ask, members, 3);
}

/* A copy of a text of the worker, NUL-ended, in the arena; NULL after having refused what can't be a name. */
static const char *name_of(mw__run *run, const mw_frame *ask, const char *what, const char *text,
                           size_t length, size_t most)
{
    mw_error error = {0};
    char *copy = NULL;
    if (length > most || memchr(text, '\0', length))
        mw_error_set(&error, MW_INVALID, what, "a %s of %zu bytes, or with a NUL in it, is none",
                     what, length);
    else if (!(copy = mw_arena_alloc(run->arena, length + 1)))
        mw_error_set(&error, MW_MEMORY, what, "out of memory");
    if (!copy) {
        refuse(run, ask, &error);
        return NULL;
    }
    memcpy(copy, text, length);
    return copy;
}

/* ---- connections ---- */

static int find_door(mw__run *run, mw_gate *gate, uint32_t *door, mw_error *error)
{
    for (unsigned i = 0; i < run->door_count; i++) {
        if (run->doors[i].gate == gate) {
            *door = run->doors[i].door;
            return MW_OK;
        }
    }
    if (run->door_count == MW__MAX_DOORS)
        return mw_error_set(error, MW_INVALID, "",
                            "connect: more than %d connections of one script", MW__MAX_DOORS);
    int code = mw_wire_server_offer(run->server, gate, door);
    if (code != MW_OK)
        return mw_error_set(error, code, "", "connect: %s", mw_err_text(code));
    run->doors[run->door_count].gate = gate;
    run->doors[run->door_count++].door = *door;
    return MW_OK;
}

static void connect_profile(mw__run *run, const mw_frame *ask, const mw_value *args)
{
    const char *text;
    size_t length;
    const char *name;
    mw_error error = {0};
    mw_gate *gate = NULL;
    char label[256] = "";
    uint32_t door = 0;
    if (!mw__run_text(run, ask, args, "name", &text, &length) ||
        !(name = name_of(run, ask, "name", text, length, MAX_NAME)))
        return;
    int code = run->options.connect
                   ? run->options.connect(name, &gate, label, sizeof label, &error, run->options.ud)
                   : mw_error_set(&error, MW_INVALID, "",
                                  "connect: there is no profile \"%s\"; the host lends none", name);
    if (code == MW_OK)
        code = find_door(run, gate, &door, &error);
    if (code != MW_OK) {
        error.code = code;
        refuse(run, ask, &error);
        return;
    }
    mw_loop_redact(run->options.loop, label);
    mw_member members[] = {
        integer_member("door", door),
        integer_member("service", mw_gate_service(gate)),
        text_member("label", label, strlen(label)),
    };
    reply(run, ask, members, 3);
}

/* ---- modules ---- */

/* Words of letters, digits and '_' with dots between them; in `path` with slashes. */
static bool module_path(const char *name, char *path)
{
    bool word = false;
    for (; *name; name++) {
        bool part = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
                    (*name >= '0' && *name <= '9') || *name == '_';
        if (!part && (*name != '.' || !word))
            return false;
        *path++ = *name == '.' ? '/' : *name;
        word = part;
    }
    *path = '\0';
    return word;
}

static int read_module(mw__run *run, const char *name, char **path, char **source, size_t *length,
                       mw_error *error)
{
    char relative[MAX_NAME + 1];
    int fd = -1;
    size_t cap = (size_t)run->options.budgets.source;
    if (!module_path(name, relative))
        return mw_error_set(error, MW_INVALID, "",
                            "module '%s' not found: a name is words with dots between them", name);
    if (!run->modules)
        return mw_error_set(error, MW_INVALID, "",
                            "module '%s' not found: a script from standard input has no folder to "
                            "look in",
                            name);
    size_t size = strlen(run->options.folder) + strlen(relative) + sizeof "/.lua";
    *path = mw_arena_alloc(run->arena, size);
    if (!*path)
        return mw_error_set(error, MW_MEMORY, "", "module '%s': out of memory", name);
    bool root = strcmp(run->options.folder, "/") == 0;
    snprintf(*path, size, "%s%s%s.lua", run->options.folder, root ? "" : "/", relative);
    mw_error why = {0};
    int code = mw__grants_open(run->modules, *path, &fd, &why);
    if (code != MW_OK)
        return mw_error_set(error, MW_INVALID, "", "module '%s' not found: %s", name, why.message);
    code = mw__source_read(fd, cap, source, length);
    close(fd);
    char most[32];
    if (code == MW_TOO_LARGE)
        return mw_error_set(error, MW_BUDGET, "source",
                            "module '%s': '%s' is over the budget of %s of source; --max-source "
                            "raises it",
                            name, *path, mw__show_size(cap, most, sizeof most));
    if (code != MW_OK)
        return mw_error_set(error, code, "", "module '%s': can't read '%s': %s", name, *path,
                            code == MW_MEMORY ? "out of memory" : strerror(errno));
    return MW_OK;
}

static void require_module(mw__run *run, const mw_frame *ask, const mw_value *args)
{
    const char *text;
    size_t length;
    const char *name;
    char *path = NULL;
    char *source = NULL;
    mw_error error = {0};
    if (!mw__run_text(run, ask, args, "name", &text, &length) ||
        !(name = name_of(run, ask, "name", text, length, MAX_NAME)))
        return;
    int code = read_module(run, name, &path, &source, &length, &error);
    if (code != MW_OK) {
        error.code = code;
        refuse(run, ask, &error);
        return;
    }
    mw_member members[] = {text_member("source", source, length),
                           text_member("path", path, strlen(path))};
    reply(run, ask, members, 2);
    free(source);
}

/* ---- files ---- */

static void finish_file(mw__run *run, const mw_frame *ask, int code, mw_error *error,
                        const mw_member *members, size_t count)
{
    if (code == MW_OK) {
        reply(run, ask, members, count);
        return;
    }
    error->code = code;
    refuse(run, ask, error);
}

/* "open" and "exists": what takes a path. */
static void ask_path(mw__run *run, const mw_frame *ask, const mw_value *args, bool open)
{
    const char *text;
    const char *mode = "r";
    const char *path;
    size_t length;
    size_t mode_length = 1;
    mw_error error = {0};
    if (!mw__run_text(run, ask, args, "path", &text, &length) ||
        (open && !mw__run_text(run, ask, args, "mode", &mode, &mode_length)))
        return;
    if (mode_length != 1 || !memchr("rwa", mode[0], 3)) {
        mw__run_breach(run, ask, 0, "a file opened in no known mode");
        return;
    }
    if (!(path = name_of(run, ask, "path", text, length, 4095)))
        return;
    if (open) {
        uint32_t handle = 0;
        int code = mw__files_open(run->files, path, mode[0], &handle, &error);
        mw_member member = integer_member("handle", handle);
        finish_file(run, ask, code, &error, &member, 1);
    } else {
        bool exists = false;
        int code = mw__files_exists(run->files, path, &exists, &error);
        mw_member member = {.name = "exists",
                            .name_length = 6,
                            .value = {.type = MW_V_BOOLEAN, .as.boolean = exists}};
        finish_file(run, ask, code, &error, &member, 1);
    }
}

static void read_file(mw__run *run, const mw_frame *ask, const mw_value *args, uint32_t handle)
{
    int64_t size;
    mw_error error = {0};
    if (!mw__run_integer(run, ask, args, "size", 1, MW__FILE_CHUNK, &size))
        return;
    size_t length = (size_t)size;
    char *data = malloc(length);
    int code = data ? mw__files_read(run->files, handle, data, &length, &error)
                    : mw_error_set(&error, MW_MEMORY, "", "out of memory");
    mw_member member = text_member("data", data, code == MW_OK ? length : 0);
    finish_file(run, ask, code, &error, &member, 1);
    free(data);
}

static void write_file(mw__run *run, const mw_frame *ask, const mw_value *args, uint32_t handle)
{
    const char *data;
    size_t length;
    mw_error error = {0};
    if (!mw__run_text(run, ask, args, "data", &data, &length))
        return;
    if (length > MW__FILE_CHUNK) {
        mw__run_breach(run, ask, 0, "a piece of a file that is too large");
        return;
    }
    int code = mw__files_write(run->files, handle, data, length, &error);
    finish_file(run, ask, code, &error, NULL, 0);
}

static void close_file(mw__run *run, const mw_frame *ask, const mw_value *args, uint32_t handle)
{
    bool keep;
    mw_error error = {0};
    if (!mw__run_boolean(run, ask, args, "keep", &keep))
        return;
    int code = mw__files_close(run->files, handle, keep, &error);
    finish_file(run, ask, code, &error, NULL, 0);
}

static void use_file(mw__run *run, const mw_frame *ask, const mw_value *args)
{
    static const struct {
        const char *name;
        void (*fn)(mw__run *run, const mw_frame *ask, const mw_value *args, uint32_t handle);
    } ops[] = {{"read", read_file}, {"write", write_file}, {"close", close_file}};
    const char *op;
    size_t length;
    int64_t handle;
    if (!mw__run_text(run, ask, args, "op", &op, &length))
        return;
    bool open = length == 4 && memcmp(op, "open", 4) == 0;
    if (open || (length == 6 && memcmp(op, "exists", 6) == 0)) {
        ask_path(run, ask, args, open);
        return;
    }
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (strlen(ops[i].name) != length || memcmp(ops[i].name, op, length) != 0)
            continue;
        if (mw__run_integer(run, ask, args, "handle", 0, UINT32_MAX, &handle))
            ops[i].fn(run, ask, args, (uint32_t)handle);
        return;
    }
    mw__run_breach(run, ask, 0, "something unknown to do with a file");
}

void mw__run_ask(mw__run *run, const mw_frame *ask)
{
    mw_value args;
    if (!mw__run_unpack(run, ask, &args))
        return;
    if (ask->type == MW__F_CONNECT)
        connect_profile(run, ask, &args);
    else if (ask->type == MW__F_REQUIRE)
        require_module(run, ask, &args);
    else
        use_file(run, ask, &args);
}

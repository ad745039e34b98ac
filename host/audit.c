/* audit.c: one JSON line for each decision and each request sent. Owns the file. What it writes passes through the
 * loops' redaction twice: as text, and as the JSON that holds it. Main thread. */
#define _GNU_SOURCE
#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "mw/value.h"

#define ARENA (72u * 1024u * 1024u) /* a body is at most 64 MiB */
#define MAX_LINE (400u * 1024u * 1024u)
#define MAX_LOOPS 8
#define MAX_MEMBERS 16

struct mw__audit {
    int fd;
    char *path;
    char *script;
    bool bodies;
    bool failed;
    mw_loop *loops[MAX_LOOPS];
    size_t loop_count;
    mw_arena *arena;
};

/* A line while it is made. */
typedef struct line {
    mw__audit *audit;
    mw_member members[MAX_MEMBERS];
    size_t count;
    bool failed; /* out of memory */
} line;

int mw__audit_open(const char *path, const char *script, bool bodies, mw__audit **audit,
                   mw_error *error)
{
    mw__audit *made = calloc(1, sizeof *made);
    int rc = MW_OK;
    if (!made)
        return mw_error_set(error, MW_MEMORY, "", "can't open '%.300s': out of memory", path);
    made->bodies = bodies;
    made->path = strdup(path);
    made->script = strdup(script);
    made->arena = mw_arena_new(ARENA);
    made->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (made->fd < 0)
        rc = mw_error_set(error, MW_INVALID, "", "can't write the audit to '%.300s': %s", path,
                          strerror(errno));
    else if (!made->path || !made->script || !made->arena)
        rc = mw_error_set(error, MW_MEMORY, "", "can't open '%.300s': out of memory", path);
    if (rc < 0)
        mw__audit_close(made, NULL);
    else
        *audit = made;
    return rc;
}

void mw__audit_redact(mw__audit *audit, mw_loop *loop)
{
    for (size_t i = 0; i < audit->loop_count; i++)
        if (audit->loops[i] == loop)
            return;
    if (audit->loop_count < MAX_LOOPS)
        audit->loops[audit->loop_count++] = loop;
}

static void redact(const mw__audit *audit, char *text)
{
    for (size_t i = 0; i < audit->loop_count; i++)
        mw_loop_redact(audit->loops[i], text);
}

static mw_value *add(line *l, const char *name, mw_value_type type)
{
    mw_member *member = &l->members[l->count++];
    *member = (mw_member){.name = name, .name_length = strlen(name), .value.type = type};
    return &member->value;
}

static void add_integer(line *l, const char *name, int64_t integer)
{
    add(l, name, MW_V_INTEGER)->as.integer = integer;
}

/* How many bytes from `text` on are one UTF-8 character; 0: none. */
static size_t character(const unsigned char *text, size_t left)
{
    unsigned char c = *text;
    size_t size = c < 0x80                ? 1
                  : c >= 0xC2 && c < 0xE0 ? 2
                  : c >= 0xE0 && c < 0xF0 ? 3
                  : c >= 0xF0 && c < 0xF5 ? 4
                                          : 0;
    if (size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    if ((c == 0xE0 && text[1] < 0xA0) || (c == 0xED && text[1] > 0x9F) ||
        (c == 0xF0 && text[1] < 0x90) || (c == 0xF4 && text[1] > 0x8F))
        return 0;
    return size;
}

/* A copy, redacted, with '?' for what is no UTF-8. */
static void add_text(line *l, const char *name, const char *text, size_t length)
{
    char *copy = mw_arena_alloc(l->audit->arena, length + 1);
    if (!copy) {
        l->failed = true;
        return;
    }
    memcpy(copy, text, length);
    for (size_t i = 0; i < length;) {
        size_t size = character((const unsigned char *)copy + i, length - i);
        if (size == 0 || copy[i] == '\0')
            copy[i] = '?';
        i += size > 0 ? size : 1;
    }
    redact(l->audit, copy);
    mw_value *value = add(l, name, MW_V_STRING);
    value->as.string = copy;
    value->length = strlen(copy);
}

static void add_string(line *l, const char *name, const char *text)
{
    if (text)
        add_text(l, name, text, strlen(text));
}

/* Whether a parameter of that name holds what is nobody's business. */
static bool is_secret(const char *name, size_t length)
{
    static const char *const words[] = {"token",      "secret", "password",  "passwd",
                                        "auth",       "key",    "signature", "hash",
                                        "credential", "cookie", "session"};
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        size_t size = strlen(words[w]);
        for (size_t i = 0; i + size <= length; i++)
            if (strncasecmp(name + i, words[w], size) == 0)
                return true;
    }
    return false;
}

/* The query, with '*' for the values of parameters that look secret. */
static void add_query(line *l, const char *query)
{
    size_t length = strlen(query);
    char *copy = mw_arena_alloc(l->audit->arena, length + 1);
    if (!copy) {
        l->failed = true;
        return;
    }
    size_t to = 0;
    for (const char *at = query; *at;) {
        size_t part = strcspn(at, "&");
        size_t name = strcspn(at, "=&");
        bool hide = name < part && is_secret(at, name);
        size_t keep = hide ? name + 1 : part;
        memcpy(copy + to, at, keep);
        to += keep;
        if (hide && part > keep)
            copy[to++] = '*';
        at += part;
        if (*at)
            copy[to++] = *at++;
    }
    add_string(l, "query", copy);
}

static void add_time(line *l)
{
    struct timespec now;
    struct tm parts;
    char *text = mw_arena_alloc(l->audit->arena, 40);
    if (!text || clock_gettime(CLOCK_REALTIME, &now) < 0 || !gmtime_r(&now.tv_sec, &parts)) {
        l->failed = true;
        return;
    }
    size_t length = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, 40 - length, ".%03dZ", (int)(now.tv_nsec / 1000000));
    mw_value *value = add(l, "time", MW_V_STRING);
    value->as.string = text;
    value->length = strlen(text);
}

static void fill(line *l, const mw_policy_event *event)
{
    add_time(l);
    add_string(l, "script", l->audit->script);
    add_string(l, "event", event->done ? "sent" : "decision");
    add_string(l, "operation", event->name);
    add_string(l, "verb", mw_verb_name(event->verb));
    add_string(l, "account", event->account);
    add_string(l, "path", event->path);
    if (event->query && *event->query)
        add_query(l, event->query);
    if (!event->done) {
        add_string(l, "decision", mw_decision_name(event->decision));
        if (event->reason && *event->reason)
            add_string(l, "reason", event->reason);
        if (l->audit->bodies && event->body)
            add_text(l, "body", event->body, event->body_length);
        return;
    }
    add_integer(l, "status", event->status);
    add_string(l, "code", event->code == MW_OK ? "ok" : mw_err_kind(event->code));
    add(l, "ms", MW_V_NUMBER)->as.number = (double)(event->elapsed_us / 100) / 10;
    add_integer(l, "attempts", event->attempts);
}

/* In one write, where the system takes it whole, so that lines of two runs don't mix. 0 or an errno. */
static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        text += n;
        length -= (size_t)n;
    }
    return 0;
}

int mw__audit_event(mw__audit *audit, const mw_policy_event *event, mw_error *error)
{
    line l = {.audit = audit};
    char *text = NULL;
    size_t length = 0;
    int reason = EIO;
    if (!audit->failed) {
        fill(&l, event);
        mw_value object = {MW_V_OBJECT, l.count, {.members = l.members}};
        reason = l.failed || mw_json_write(&object, MAX_LINE, &text, &length, NULL) < 0 ? ENOMEM : 0;
    }
    if (reason == 0) {
        redact(audit, text);
        length = strlen(text);
        text[length++] = '\n'; /* over the NUL */
        reason = write_all(audit->fd, text, length);
    }
    free(text);
    mw_arena_reset(audit->arena);
    audit->failed = reason != 0;
    if (reason == 0)
        return MW_OK;
    return mw_error_set(error, MW_INVALID, "",
                        "can't write the audit to '%.300s': %s; without it nothing may be sent",
                        audit->path, strerror(reason));
}

int mw__audit_close(mw__audit *audit, mw_error *error)
{
    int rc = MW_OK;
    if (!audit)
        return MW_OK;
    if (audit->fd >= 0 && close(audit->fd) < 0 && errno != EINTR)
        rc = mw_error_set(error, MW_INVALID, "", "can't write the audit to '%.300s': %s",
                          audit->path, strerror(errno));
    free(audit->path);
    free(audit->script);
    mw_arena_free(audit->arena);
    free(audit);
    return rc;
}

/* plan.c: owns the file of a plan and the layout of its lines. Knows nothing of what made the events. One thread. */
#define _GNU_SOURCE
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_STRING = 256 * 1024 * 1024 };

struct mw__plan {
    char *path;
    char *other; /* the name it is written under; NULL once it is kept */
    FILE *file;
    int failed; /* the errno of the first write that failed, ENOMEM, or 0 */
};

static int refuse(const char *path, int reason, mw_error *error)
{
    return mw_error_set(error, MW_INVALID, "plan", "can't write the plan '%s': %s", path,
                        strerror(reason));
}

/* Opens a new file beside `path`. 0 or an errno. */
static int open_other(mw__plan *plan)
{
    struct stat info;
    if (stat(plan->path, &info) == 0 && !S_ISREG(info.st_mode))
        return S_ISDIR(info.st_mode) ? EISDIR : ENOTSUP; /* no device gives way to a file */
    if (asprintf(&plan->other, "%s.XXXXXX", plan->path) < 0) {
        plan->other = NULL;
        return ENOMEM;
    }
    int fd = mkostemp(plan->other, O_CLOEXEC);
    if (fd < 0) {
        int reason = errno;
        free(plan->other);
        plan->other = NULL;
        return reason;
    }
    plan->file = fdopen(fd, "w");
    if (plan->file)
        return 0;
    close(fd);
    return ENOMEM;
}

int mw__plan_new(const char *path, mw__plan **result, mw_error *error)
{
    mw__plan *plan = calloc(1, sizeof *plan);
    if (plan)
        plan->path = strdup(path);
    int reason = plan && plan->path ? open_other(plan) : ENOMEM;
    if (reason == 0) {
        *result = plan;
        return MW_OK;
    }
    mw__plan_free(plan);
    if (reason == ENOMEM)
        return mw_error_set(error, MW_MEMORY, "plan", "can't write the plan: out of memory");
    return refuse(path, reason, error);
}

static void put(mw__plan *plan, const char *text, size_t length)
{
    errno = 0;
    if (plan->failed == 0 && fwrite(text, 1, length, plan->file) != length)
        plan->failed = errno ? errno : EIO;
}

static void put_text(mw__plan *plan, const char *text)
{
    put(plan, text, strlen(text));
}

/* A string with its quotes. Bytes that are no UTF-8 have no JSON: then there is null. */
static void put_string(mw__plan *plan, const char *text, size_t length)
{
    mw_value value = {.type = MW_V_STRING, .length = length, .as.string = text};
    char *json = NULL;
    size_t size = 0;
    int rc = mw_json_write(&value, MAX_STRING, &json, &size, NULL);
    if (rc == MW_OK)
        put(plan, json, size);
    else if (rc == MW_INVALID)
        put_text(plan, "null");
    else if (plan->failed == 0)
        plan->failed = ENOMEM;
    free(json);
}

static void put_member(mw__plan *plan, const char *name, const char *text)
{
    put_text(plan, name);
    if (text)
        put_string(plan, text, strlen(text));
    else
        put_text(plan, "null");
}

/* The core writes JSON or an url-encoded form, where these characters are never first. */
static void put_body(mw__plan *plan, const char *body, size_t length)
{
    put_text(plan, ",\"body\":");
    if (!body)
        put_text(plan, "null");
    else if (length > 0 && strchr("{[\"", body[0]))
        put(plan, body, length);
    else
        put_string(plan, body, length);
}

void mw__plan_add(mw__plan *plan, const char *profile, const mw_policy_event *event)
{
    if (event->done || event->decision != MW_DECIDED_HOLD || plan->failed)
        return;
    put_member(plan, "{\"operation\":", event->name);
    put_member(plan, ",\"verb\":", mw_verb_name(event->verb));
    put_member(plan, ",\"path\":", event->path);
    if (event->query)
        put_member(plan, ",\"query\":", event->query);
    put_body(plan, event->body, event->body_length);
    put_member(plan, ",\"profile\":", profile);
    put_text(plan, ",\"arguments\":");
    put_text(plan, event->arguments ? event->arguments : "null");
    put_text(plan, ",\"gives\":");
    put_text(plan, event->placeholders ? event->placeholders : "{}");
    put_text(plan, "}\n");
}

int mw__plan_keep(mw__plan *plan, mw_error *error)
{
    errno = 0;
    bool written = fflush(plan->file) == 0 && fsync(fileno(plan->file)) == 0;
    if (!written && plan->failed == 0)
        plan->failed = errno ? errno : EIO;
    fclose(plan->file);
    plan->file = NULL;
    if (plan->failed == 0 && rename(plan->other, plan->path) != 0)
        plan->failed = errno;
    if (plan->failed)
        return refuse(plan->path, plan->failed, error);
    free(plan->other);
    plan->other = NULL;
    return MW_OK;
}

void mw__plan_free(mw__plan *plan)
{
    if (!plan)
        return;
    if (plan->file)
        fclose(plan->file);
    if (plan->other)
        unlink(plan->other);
    free(plan->other);
    free(plan->path);
    free(plan);
}

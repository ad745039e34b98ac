/* parts.c: owns the parts of multipart bodies and their open files. Must not know how they are sent. */
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "urlencode.h"

enum { MAX_NAME = 256, MAX_TEXT = 64 * 1024 * 1024, MAX_PATH = 4096, MOST_PARTS = 4096 };

static mw__part *new_part(mw__parts *parts, const char *name)
{
    if (parts->count == parts->capacity) {
        size_t capacity = parts->capacity ? 2 * parts->capacity : 8;
        mw__part *list = realloc(parts->list, capacity * sizeof *list);
        if (!list)
            return NULL;
        parts->list = list;
        parts->capacity = capacity;
    }
    mw__part *part = &parts->list[parts->count];
    *part = (mw__part){.fd = -1, .name = strdup(name)};
    if (!part->name)
        return NULL;
    parts->count++;
    return part;
}

static int add_text(mw__parts *parts, const char *name, const mw_value *value)
{
    mw__part *part = new_part(parts, name);
    if (!part)
        return MW_MEMORY;
    mw__buf buf;
    mw__buf_init(&buf, MAX_TEXT);
    mw__scalar_text(&buf, value);
    int status = buf.status;
    part->text = mw__buf_take(&buf, &part->length);
    return part->text ? MW_OK : status ? status : MW_MEMORY;
}

static int refuse_file(mw_error *error, const char *operation, const char *name, const char *path,
                       const char *why)
{
    return mw_error_set(error, MW_INVALID, name, "%s: can't send the file '%s' as '%s': %s",
                        operation, path, name, why);
}

static int add_file(mw__parts *parts, const char *operation, const char *name,
                    const mw_value *value, mw_error *error)
{
    char path[MAX_PATH];
    if (value->length == 0 || value->length >= sizeof path ||
        memchr(value->as.string, '\0', value->length))
        return refuse_file(error, operation, name, "", "that is no path");
    memcpy(path, value->as.string, value->length);
    path[value->length] = '\0';

    mw__part *part = new_part(parts, name);
    const char *slash = strrchr(path, '/');
    if (part)
        part->file_name = strdup(slash ? slash + 1 : path);
    if (!part || !part->file_name)
        return MW_MEMORY;
    for (char *c = part->file_name; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '_'; /* it stands in a header of the part */
    }
    part->mime = mw__mime_type(part->file_name);
    if (parts->open_file) {
        mw_error why = {0};
        int rc = parts->open_file(path, &part->fd, &why, parts->open_ud);
        if (rc != MW_OK)
            return mw_error_set(error, rc, name, "%s: '%s': %s", operation, name, why.message);
    } else {
        part->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }
    if (part->fd < 0)
        return refuse_file(error, operation, name, path, strerror(errno));
    struct stat info;
    if (fstat(part->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return refuse_file(error, operation, name, path, "it is not a regular file");
    part->size = (uint64_t)info.st_size;
    return MW_OK;
}

static int add_members(mw__parts *parts, const char *operation, const mw_field *field,
                       const char *name, const mw_value *value, mw_error *error)
{
    for (size_t i = 0; i < value->length; i++) {
        const mw_member *member = &value->as.members[i];
        char nested[MAX_NAME];
        int n = snprintf(nested, sizeof nested, "%s[%s]", name, member->name);
        if (n < 0 || (size_t)n >= sizeof nested || strpbrk(nested, "\r\n\"") ||
            strlen(member->name) != member->name_length)
            return mw_error_set(error, MW_INVALID, name,
                                "%s: a key of '%s' can't be a form field's name", operation, name);
        const mw_field *known = mw__field_find(field->fields, member->name, member->name_length);
        int rc = mw__parts_add(parts, operation, known ? known : &(mw_field){.name = ""}, nested,
                               &member->value, error);
        if (rc != MW_OK)
            return rc;
    }
    return MW_OK;
}

static int add_items(mw__parts *parts, const char *operation, const mw_field *field,
                     const char *name, const mw_value *value, mw_error *error)
{
    char listed[MAX_NAME];
    size_t length = strlen(name);
    bool bracketed = length > 2 && strcmp(name + length - 2, "[]") == 0;
    snprintf(listed, sizeof listed, "%s%s", name, bracketed ? "" : "[]");
    const mw_field *item = field->item ? field->item : &(mw_field){.name = ""};
    for (size_t i = 0; i < value->length; i++) {
        int rc = mw__parts_add(parts, operation, item, listed, &value->as.items[i], error);
        if (rc != MW_OK)
            return rc;
    }
    return MW_OK;
}

int mw__parts_add(mw__parts *parts, const char *operation, const mw_field *field, const char *name,
                  const mw_value *value, mw_error *error)
{
    if (parts->count == MOST_PARTS) /* each takes far more memory than the value that it comes from */
        return mw_error_set(error, MW_INVALID, name, "%s: a form with files has at most %d parts",
                            operation, MOST_PARTS);
    switch (value->type) {
    case MW_V_OBJECT:
        return add_members(parts, operation, field, name, value, error);
    case MW_V_ARRAY:
        return add_items(parts, operation, field, name, value, error);
    case MW_V_EMPTY:
        return MW_OK;
    default:
        if (field->type == MW_T_FILE && value->type == MW_V_STRING)
            return add_file(parts, operation, name, value, error);
        return add_text(parts, name, value);
    }
}

void mw__parts_free(mw__parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        mw__part *part = &parts->list[i];
        if (part->fd >= 0)
            close(part->fd);
        free(part->name);
        free(part->text);
        free(part->file_name);
    }
    free(parts->list);
    *parts = (mw__parts){0};
}

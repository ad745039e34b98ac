/* dry_run.c: owns the placeholders of a dry run: making them up, and finding them again; and what a request was made
 * from, as JSON. What an answer looks like is dry_run_shape.c's. Must not know clients or policies. One thread at a
 * time. */
#include "dry_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mw/policy.h"

enum { DIGITS = 16, MAX_TEXT = 128 * 1024 * 1024 };

/* ---- what the request was made from ---- */

/* The members one by one: what a body may nest, its members may. */
static int write_params(mw__buf *buf, const mw_value *params, mw_error *error)
{
    mw__buf_puts(buf, ",\"params\":{");
    for (size_t i = 0; params && params->type == MW_V_OBJECT && i < params->length; i++) {
        const mw_member *member = &params->as.members[i];
        mw__buf_puts(buf, i > 0 ? "," : "");
        if (!mw__is_utf8(member->name, member->name_length))
            return mw_error_set(error, MW_INVALID, NULL, "a key is not valid UTF-8");
        mw__json_string(buf, member->name, member->name_length);
        mw__buf_putc(buf, ':');
        int rc = mw__json_write(buf, &member->value, NULL, error);
        if (rc != MW_OK)
            return rc;
    }
    return mw__buf_putc(buf, '}');
}

static void write_options(mw__buf *buf, const mw_call_options *options)
{
    bool any =
        options && (options->account || options->unchecked || options->retries || options->once);
    if (!any)
        return;
    const char *comma = "";
    mw__buf_puts(buf, ",\"options\":{");
    if (options->account) {
        mw__buf_puts(buf, "\"account_id\":");
        mw__json_string(buf, options->account, strlen(options->account));
        comma = ",";
    }
    if (options->unchecked) {
        mw__buf_puts(buf, comma);
        mw__buf_puts(buf, "\"unchecked\":true");
        comma = ",";
    }
    if (options->retries) {
        char number[16];
        snprintf(number, sizeof number, "%u",
                 options->retries == MW_NO_RETRIES ? 0 : options->retries);
        mw__buf_puts(buf, comma);
        mw__buf_puts(buf, "\"retries\":");
        mw__buf_puts(buf, number);
        comma = ",";
    }
    if (options->once) {
        mw__buf_puts(buf, comma);
        mw__buf_puts(buf, "\"once\":");
        mw__json_string(buf, options->once, strlen(options->once));
    }
    mw__buf_putc(buf, '}');
}

static int write_arguments(const mw_request *request, const mw_operation *operation,
                           const char *raw_path, const mw__dry_arguments *arguments,
                           const mw_call_options *options, mw__buf *buf, mw_error *error)
{
    if (operation) {
        mw_value list = {
            .type = MW_V_ARRAY, .length = arguments->path_count, .as.items = arguments->path};
        mw__buf_puts(buf, "{\"path\":");
        int rc = mw__json_write(buf, &list, NULL, error);
        if (rc != MW_OK)
            return rc;
    } else {
        mw__buf_puts(buf, "{\"verb\":\"");
        mw__buf_puts(buf, mw_verb_name(request->verb));
        mw__buf_puts(buf, "\",\"path\":");
        mw__json_string(buf, raw_path, strlen(raw_path));
    }
    int rc = write_params(buf, arguments->params, error);
    if (rc != MW_OK)
        return rc;
    write_options(buf, options);
    return mw__buf_putc(buf, '}');
}

static int refuse(const mw_request *request, mw_error *error)
{
    mw_error why = error ? *error : (mw_error){0};
    return mw_error_set(error, MW_INVALID, NULL, "%s: a dry run can't write down the arguments: %s",
                        request->name, why.message);
}

int mw__dry_run_prepare(mw_request *request, const mw_operation *operation, const char *raw_path,
                        const mw_value *path, size_t path_count, const mw_value *params,
                        const mw_call_options *options, mw_error *error)
{
    mw__dry_arguments arguments = {.path = path, .path_count = path_count, .params = params};
    mw__buf buf;
    mw__buf_init(&buf, MAX_TEXT);
    int rc = write_arguments(request, operation, raw_path, &arguments, options, &buf, error);
    if (rc == MW_OK) {
        request->arguments = mw__buf_take(&buf, NULL);
        rc = request->arguments ? mw__dry_run_shape(request, &arguments, &buf, error) : MW_MEMORY;
    }
    if (rc == MW_OK) {
        request->given = mw__buf_take(&buf, NULL);
        rc = request->given ? MW_OK : MW_MEMORY;
    }
    mw__buf_free(&buf);
    if (rc == MW_INVALID)
        return refuse(request, error);
    if (rc != MW_OK)
        return mw_error_set(error, rc, NULL, "%s: %s", request->name, mw_err_text(rc));
    return MW_OK;
}

/* ---- finding them again ---- */

/* How digits may be hidden in a text. */
typedef enum coding { PLAIN, URL_ENCODED, JSON_TEXT } coding;

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character at `*at`, decoded; moves behind it. What is no digit may come as anything else that is none. */
static char take_character(const char *text, size_t length, size_t *at, coding how)
{
    char c = text[(*at)++];
    size_t digits = 0;
    if (how == URL_ENCODED && c == '%') {
        digits = 2;
    } else if (how == JSON_TEXT && c == '\\' && *at < length) {
        c = text[(*at)++];
        if (c != 'u')
            return c;
        digits = 4;
    }
    int code = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = *at + i < length ? hex_digit(text[*at + i]) : -1;
        if (digit < 0)
            return c;
        code = code * 16 + digit;
    }
    if (digits == 0)
        return c;
    *at += digits;
    return code < 0x80 ? (char)code : '?';
}

static bool holds(const char *text, size_t length, coding how, uint64_t made)
{
    uint64_t number = 0;
    size_t digits = 0;
    for (size_t at = 0; text && at <= length;) {
        bool end = at == length;
        char c = end ? '\0' : take_character(text, length, &at, how);
        if (!end && c >= '0' && c <= '9') {
            number = digits < DIGITS ? number * 10 + (uint64_t)(c - '0') : number;
            digits++;
            continue;
        }
        if (digits == DIGITS && number > MW_PLACEHOLDER && number - MW_PLACEHOLDER <= made)
            return true;
        digits = 0;
        number = 0;
        if (end)
            break;
    }
    return false;
}

bool mw__dry_run_refers(const mw_request *request, const char *target, uint64_t made)
{
    if (made == 0)
        return false;
    bool json = request->content_type && strcmp(request->content_type, "application/json") == 0;
    if (holds(target, target ? strlen(target) : 0, URL_ENCODED, made) ||
        holds(request->body, request->body_length, json ? JSON_TEXT : URL_ENCODED, made))
        return true;
    for (size_t i = 0; i < request->parts.count; i++) {
        const mw__part *part = &request->parts.list[i];
        if (holds(part->name, strlen(part->name), PLAIN, made) ||
            holds(part->text, part->length, PLAIN, made))
            return true;
    }
    return false;
}

/* ---- making them up ---- */

typedef struct filler {
    uint64_t *made;
    uint64_t thing; /* 0: not made yet */
    mw__buf body;
    mw__buf places;
    const char *place; /* of the next mark */
} filler;

static void add_place(filler *fill, uint64_t id)
{
    size_t length = strcspn(fill->place, "\n");
    if (fill->places.length > 1)
        mw__buf_putc(&fill->places, ',');
    mw__json_string(&fill->places, fill->place, length);
    mw__buf_putc(&fill->places, ':');
    mw__json_integer(&fill->places, (int64_t)id);
    fill->place += length;
    if (*fill->place)
        fill->place++;
}

static void add_id(filler *fill, char mark)
{
    bool thing = mark == MW_MARK_THING || mark == MW_MARK_THING_TEXT;
    bool text = mark == MW_MARK_THING_TEXT || mark == MW_MARK_ID_TEXT;
    uint64_t id = thing ? fill->thing : 0;
    if (id == 0)
        id = (uint64_t)MW_PLACEHOLDER + ++*fill->made;
    if (thing)
        fill->thing = id;
    if (text)
        mw__buf_puts(&fill->body, "\"placeholder-");
    mw__json_integer(&fill->body, (int64_t)id);
    if (text)
        mw__buf_putc(&fill->body, '"');
    add_place(fill, id);
}

static void fill_in(filler *fill, const char *shape)
{
    static const char marks[] = {
        MW_MARK_THING, MW_MARK_THING_TEXT, MW_MARK_ID, MW_MARK_ID_TEXT, '\n', '\0'};
    fill->place = strchr(shape, '\n');
    fill->place = fill->place ? fill->place + 1 : "";
    mw__buf_putc(&fill->places, '{');
    while (*shape && *shape != '\n') {
        size_t plain = strcspn(shape, marks);
        mw__buf_append(&fill->body, shape, plain);
        shape += plain;
        if (*shape && *shape != '\n')
            add_id(fill, *shape++);
    }
    mw__buf_putc(&fill->places, '}');
}

int mw__dry_run_answer(const mw_request *request, uint64_t *made, char **body, size_t *length,
                       char **placeholders)
{
    filler fill = {.made = made};
    mw__buf shape;
    mw__buf_init(&shape, MAX_TEXT);
    mw__buf_init(&fill.body, MAX_TEXT);
    mw__buf_init(&fill.places, MAX_TEXT);
    *body = NULL;
    *placeholders = NULL;
    uint64_t before = *made;
    int rc = MW_OK;
    if (!request->given)
        rc = mw__dry_run_shape(request, &(mw__dry_arguments){0}, &shape, NULL);
    if (rc == MW_OK) {
        fill_in(&fill, request->given ? request->given : shape.data ? shape.data : "");
        *body = mw__buf_take(&fill.body, length);
        *placeholders = mw__buf_take(&fill.places, NULL);
    }
    mw__buf_free(&shape);
    mw__buf_free(&fill.body);
    mw__buf_free(&fill.places);
    if (*body && *placeholders)
        return MW_OK;
    free(*body);
    free(*placeholders);
    *body = NULL;
    *placeholders = NULL;
    *made = before;
    return MW_MEMORY;
}

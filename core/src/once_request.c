/* once_request.c: owns what a key adds to a request before it is sent: the mark in its body and the question that finds
 * the object again, by the columns of its row. Must not know journals or clients. One thread at a time. */
#include "once_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* ---- what is to be made, as a number ---- */

/* The finalizer of SplitMix64. */
static uint64_t mix(uint64_t n)
{
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
    return n ^ (n >> 31);
}

static uint64_t of_bytes(uint64_t seed, const char *bytes, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u ^ mix(seed);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return mix(hash + length);
}

/* The members of an object have no order. `depth` ends what the writing of the body will refuse. */
static uint64_t of_value(const mw_value *value, int depth)
{
    uint64_t hash = (uint64_t)value->type + 1;
    int64_t whole;
    if (depth > MW_MAX_DEPTH)
        return 0;
    switch (value->type) {
    case MW_V_BOOLEAN:
        return mix(hash * 2 + value->as.boolean);
    case MW_V_INTEGER:
        return mix((uint64_t)value->as.integer);
    case MW_V_NUMBER:
        if (mw__whole_number(value->as.number, &whole))
            return mix((uint64_t)whole);
        return of_bytes(hash, (const char *)&value->as.number, sizeof value->as.number);
    case MW_V_STRING:
        return of_bytes(hash, value->as.string, value->length);
    case MW_V_ARRAY:
        for (size_t i = 0; i < value->length; i++)
            hash = mix(hash + of_value(&value->as.items[i], depth + 1));
        return hash;
    case MW_V_OBJECT:
        for (size_t i = 0; i < value->length; i++) {
            const mw_member *member = &value->as.members[i];
            uint64_t name = of_bytes(hash, member->name, member->name_length);
            hash += mix(name ^ of_value(&member->value, depth + 1));
        }
        return mix(hash);
    default:
        return mix(hash);
    }
}

static uint64_t of_request(const mw__maker *make)
{
    const mw_request *request = make->request;
    uint64_t hash = of_bytes((uint64_t)request->service, request->name, strlen(request->name));
    for (size_t i = 0; i < MW_MAX_SEGMENTS; i++) {
        if (request->segments[i])
            hash = of_bytes(hash, request->segments[i], strlen(request->segments[i]));
    }
    return mix(hash + (make->params ? of_value(make->params, 0) : 0));
}

uint64_t mw__once_what(const mw_request *request, const char *account)
{
    const char *to = account ? account : "";
    return of_bytes(request->once->what, to, strlen(to));
}

/* ---- whether there is a way ---- */

static int check_key(const mw__maker *make, const char *key)
{
    size_t length = strlen(key);
    bool good = length > 0 && length <= MW_MAX_ONCE && mw__is_utf8(key, length);
    for (const char *c = key; *c; c++)
        good = good && (unsigned char)*c >= 0x20 && *c != 0x7F;
    if (good)
        return MW_OK;
    return mw_error_set(
        make->error, MW_INVALID, "once",
        "%s: `once` must be a key of 1 to %d bytes, UTF-8 without control characters",
        make->request->name, MW_MAX_ONCE);
}

/* "identifier or email". */
static void list_keys(const mw_once *row, char *text, size_t size)
{
    *text = '\0';
    for (const mw_once_key *key = row->by; key && key->field; key++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", used > 0 ? " or " : "", key->field);
    }
}

static int refuse_operation(const mw__maker *make)
{
    char all[480] = "";
    size_t count;
    const mw_operation *const *rows = mw_operations(make->operation->service, &count);
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(all);
        if (rows[i]->once.find)
            snprintf(all + used, sizeof all - used, "%s%s:%s", used > 0 ? ", " : "",
                     rows[i]->module, rows[i]->method);
    }
    return mw_error_set(make->error, MW_INVALID, "once",
                        "%s: `once` needs something to find the object by, and this operation has "
                        "nothing; leave it out, and look by hand after an error of kind "
                        "\"ambiguous\"%s%s",
                        make->request->name, all[0] ? "; it works with " : "", all);
}

/* ---- the mark ---- */

/* Puts the mark into its field of the body, which the caller may have filled. */
static int mark_body(mw__maker *make, mw__once_request *once, const char *field)
{
    mw_member *given = NULL;
    for (size_t i = 0; i < make->body_count; i++) {
        if (strcmp(make->body[i].name, field) == 0)
            given = &make->body[i];
    }
    if (!given && make->body_count < MW_MAX_FIELDS) {
        given = &make->body[make->body_count++];
        *given = (mw_member){.name = field, .name_length = strlen(field)};
    }
    mw_value_type type = given ? given->value.type : MW_V_STRING;
    bool fits = type == MW_V_OBJECT || type == MW_V_EMPTY || type == MW_V_NULL || type == MW_V_NONE;
    size_t count = type == MW_V_OBJECT ? given->value.length : 0;
    for (size_t i = 0; i < count; i++)
        fits = fits && strcmp(given->value.as.members[i].name, MW_ONCE_MARK) != 0;
    if (!fits)
        return mw_error_set(make->error, MW_INVALID, field,
                            "%s: `once` keeps a mark in '%s', which must be a table without '%s'",
                            make->request->name, field, MW_ONCE_MARK);
    once->marked = calloc(count + 1, sizeof *once->marked);
    if (!once->marked)
        return MW_MEMORY;
    if (count > 0)
        memcpy(once->marked, given->value.as.members, count * sizeof *once->marked);
    once->marked[count] = (mw_member){
        .name = MW_ONCE_MARK,
        .name_length = strlen(MW_ONCE_MARK),
        .value = {.type = MW_V_STRING, .length = strlen(once->mark), .as.string = once->mark}};
    given->value = (mw_value){.type = MW_V_OBJECT, .length = count + 1, .as.members = once->marked};
    return MW_OK;
}

/* ---- the natural key ---- */

static const mw_value *field_value(const mw__maker *make, const char *name)
{
    for (size_t i = 0; i < make->body_count; i++) {
        if (strcmp(make->body[i].name, name) == 0)
            return &make->body[i].value;
    }
    return NULL;
}

/* The value as text, or NULL: there is none, or nothing that an object could be known by. `*rc` gets MW_MEMORY. */
static char *key_text(const mw_value *value, int *rc)
{
    char digits[24];
    int64_t whole;
    char *text = NULL;
    if (value && value->type == MW_V_STRING) {
        if (value->length == 0 || memchr(value->as.string, '\0', value->length))
            return NULL;
        text = strndup(value->as.string, value->length);
    } else if (value &&
               (value->type == MW_V_INTEGER ||
                (value->type == MW_V_NUMBER && mw__whole_number(value->as.number, &whole)))) {
        if (value->type == MW_V_INTEGER)
            whole = value->as.integer;
        snprintf(digits, sizeof digits, "%" PRId64, whole);
        text = strdup(digits);
    } else {
        return NULL;
    }
    if (!text)
        *rc = MW_MEMORY;
    return text;
}

static int take_key(const mw__maker *make, mw__once_request *once)
{
    const mw_once *row = &make->operation->once;
    int rc = MW_OK;
    for (once->by = row->by; once->by->field; once->by++) {
        once->value = key_text(field_value(make, once->by->field), &rc);
        if (once->value || rc != MW_OK)
            return rc;
    }
    char keys[120];
    list_keys(row, keys, sizeof keys);
    return mw_error_set(make->error, MW_INVALID, row->by->field,
                        "%s: `once` finds the object again by its %s: give one",
                        make->request->name, keys);
}

/* ---- the look ---- */

static mw_value text_value(const char *text)
{
    return (mw_value){.type = MW_V_STRING, .length = strlen(text), .as.string = text};
}

static mw_member text_member(const char *name, const char *text)
{
    return (mw_member){.name = name, .name_length = strlen(name), .value = text_value(text)};
}

/* { payload = { { attribute_key = KEY, filter_operator = "equal_to", values = { VALUE } } } }, or the field that the
 * finder takes along, or nothing. */
static int make_look(const mw__maker *make, mw__once_request *once)
{
    const mw_operation *operation = make->operation;
    const mw_once *row = &operation->once;
    const mw_operation *finder = mw_operation_find(operation->service, operation->module, row->find);
    int rc = MW_OK;
    char *along = row->along ? key_text(field_value(make, row->along), &rc) : NULL;
    if (rc != MW_OK)
        return rc;
    mw_value value = text_value(once->value ? once->value : "");
    mw_member condition[] = {text_member("attribute_key", once->by ? once->by->field : ""),
                             text_member("filter_operator", "equal_to"),
                             {.name = "values",
                              .name_length = strlen("values"),
                              .value = {.type = MW_V_ARRAY, .length = 1, .as.items = &value}}};
    mw_value conditions = {.type = MW_V_OBJECT, .length = 3, .as.members = condition};
    mw_member payload = {.name = "payload",
                         .name_length = strlen("payload"),
                         .value = {.type = MW_V_ARRAY, .length = 1, .as.items = &conditions}};
    mw_member query =
        row->along ? text_member(row->along, along ? along : row->along_else) : payload;
    mw_value params = {.type = MW_V_OBJECT,
                       .length = 1,
                       .as.members = finder->body == MW_BODY_JSON ? &payload : &query};
    if (finder->body != MW_BODY_JSON && !row->along)
        params.type = MW_V_NONE;
    mw_call_options options = make->request->options;
    options.account = make->request->account;
    options.unchecked = false;
    rc = mw_request_new(finder, make->path, make->path_count, &params, &options, &once->look,
                        make->error);
    free(along);
    return rc;
}

int mw__once_prepare(mw__maker *make, const char *key)
{
    const mw_once *row = &make->operation->once;
    int rc = check_key(make, key);
    if (rc != MW_OK)
        return rc;
    if (!row->find)
        return refuse_operation(make);
    mw__once_request *once = calloc(1, sizeof *once);
    if (!once)
        return MW_MEMORY;
    make->request->once = once;
    snprintf(once->key, sizeof once->key, "%s", key);
    once->what = of_request(make);
    if (row->marker) {
        snprintf(once->mark, sizeof once->mark, "%016" PRIx64,
                 of_bytes(once->what, key, strlen(key)));
        rc = mark_body(make, once, row->marker);
    } else {
        rc = take_key(make, once);
    }
    return rc == MW_OK ? make_look(make, once) : rc;
}

static char *copy_text(const char *text, bool *fine)
{
    char *copy = text ? strdup(text) : NULL;
    *fine = *fine && (copy || !text);
    return copy;
}

mw_request *mw__once_page(const mw_request *look, int64_t before)
{
    mw_request *page = calloc(1, sizeof *page);
    if (!page)
        return NULL;
    bool fine = true;
    char query[64];
    if (before > 0)
        snprintf(query, sizeof query, "%s=%" PRId64, look->operation->items.page_by, before);
    page->operation = look->operation;
    page->service = look->service;
    page->verb = look->verb;
    memcpy(page->name, look->name, sizeof page->name);
    for (size_t i = 0; i < MW_MAX_SEGMENTS; i++)
        page->segments[i] = copy_text(look->segments[i], &fine);
    page->account = copy_text(look->account, &fine);
    page->query = copy_text(before > 0 ? query : look->query, &fine);
    page->body = copy_text(look->body, &fine);
    page->body_length = look->body_length;
    page->content_type = look->content_type;
    page->options = look->options;
    page->accounts = look->accounts;
    page->inboxes = look->inboxes;
    if (fine)
        return page;
    mw_request_free(page);
    return NULL;
}

void mw__once_request_free(mw__once_request *once)
{
    if (!once)
        return;
    mw_request_free(once->look);
    free(once->marked);
    free(once->value);
    free(once);
}

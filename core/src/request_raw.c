/* request_raw.c: owns requests to any path of a service, the escape hatch from the rows. Must not
 * know clients. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "maker.h"
#include "urlencode.h"

enum { MAX_NAME = 240 };

static const mw_field raw_query = {.name = "query", .type = MW_T_OBJECT};
static const mw_field raw_form = {.name = "form", .type = MW_T_OBJECT};

static const mw_value *member_of(const mw_value *object, const char *name)
{
    for (size_t i = 0; object && object->type == MW_V_OBJECT && i < object->length; i++) {
        if (strcmp(object->as.members[i].name, name) == 0)
            return &object->as.members[i].value;
    }
    return NULL;
}

static int check_names(const mw_request *request, const mw_value *params, mw_error *error)
{
    static const char *const names[] = {"query", "body", "form", "token", NULL};
    if (params && params->type != MW_V_OBJECT && params->type != MW_V_EMPTY &&
        params->type != MW_V_NULL && params->type != MW_V_NONE)
        return mw_error_set(error, MW_INVALID, NULL,
                            "%s: give a table of query, body, form and token", request->name);
    for (size_t i = 0; params && params->type == MW_V_OBJECT && i < params->length; i++) {
        const char *name = params->as.members[i].name;
        size_t n = 0;
        while (names[n] && strcmp(names[n], name) != 0)
            n++;
        if (!names[n])
            return mw_error_set(error, MW_INVALID, name,
                                "%s: unknown field '%s' (query, body, form, token)", request->name,
                                name);
    }
    return MW_OK;
}

/* Pairs of a query or a form: scalars, or lists of them, sent as name[]=. */
static int write_pairs(const mw_request *request, const mw_field *where, const mw_value *object,
                       mw__buf *buf, mw_error *error)
{
    if (object->type == MW_V_EMPTY)
        return MW_OK;
    if (object->type != MW_V_OBJECT)
        return mw_error_set(error, MW_INVALID, where->name,
                            "%s: '%s' must be a table of named values", request->name, where->name);
    for (size_t i = 0; i < object->length; i++) {
        const mw_member *member = &object->as.members[i];
        const mw_value *value = &member->value;
        bool list = value->type == MW_V_ARRAY;
        for (size_t j = 0; j < (list ? value->length : 1); j++) {
            mw_value_type type = list ? value->as.items[j].type : value->type;
            if (type != MW_V_BOOLEAN && type != MW_V_INTEGER && type != MW_V_NUMBER &&
                type != MW_V_STRING)
                return mw_error_set(
                    error, MW_INVALID, member->name,
                    "%s: '%s.%s' must be text, a number, a boolean or a list of them",
                    request->name, where->name, member->name);
        }
        char name[MAX_NAME + 4];
        if (member->name_length > MAX_NAME || strlen(member->name) != member->name_length)
            return mw_error_set(error, MW_INVALID, where->name,
                                "%s: a name in '%s' is longer than %d bytes or holds a NUL byte",
                                request->name, where->name, MAX_NAME);
        snprintf(name, sizeof name, "%s%s", member->name, list ? "[]" : "");
        mw__url_field(buf, &(mw_field){.name = name}, value, false);
    }
    return buf->status;
}

static int take_token(mw_request *request, const mw_value *value, mw_error *error)
{
    static const mw_token kinds[] = {MW_TOKEN_USER, MW_TOKEN_BOT, MW_TOKEN_PLATFORM, MW_TOKEN_OAUTH};
    for (size_t i = 0; value && value->type == MW_V_STRING && i < 4; i++) {
        const char *name = mw_token_name(kinds[i]);
        if (strlen(name) == value->length && memcmp(name, value->as.string, value->length) == 0)
            request->token = kinds[i];
    }
    if (value && !request->token)
        return mw_error_set(error, MW_INVALID, "token",
                            "%s: 'token' must be one of user, bot, platform, oauth", request->name);
    return MW_OK;
}

static int write_body(mw_request *request, const mw_value *body, const mw_value *form,
                      mw_error *error)
{
    if ((!body || body->type == MW_V_NONE) && !form)
        return MW_OK;
    if (body && form)
        return mw_error_set(error, MW_INVALID, "form", "%s: give either body or form, not both",
                            request->name);
    mw__buf buf;
    mw__buf_init(&buf, MW_MAX_REQUEST_BODY);
    int rc = body ? mw__json_write(&buf, body, NULL, error)
                  : write_pairs(request, &raw_form, form, &buf, error);
    if (rc == MW_OK) {
        request->content_type = body ? "application/json" : "application/x-www-form-urlencoded";
        request->body = mw__buf_take(&buf, &request->body_length);
        rc = request->body ? MW_OK : MW_MEMORY;
    }
    mw__buf_free(&buf);
    return rc;
}

static int write_query(mw_request *request, const mw_value *query, mw_error *error)
{
    if (!query)
        return MW_OK;
    mw__buf buf;
    mw__buf_init(&buf, MW_MAX_URL);
    int rc = write_pairs(request, &raw_query, query, &buf, error);
    if (rc == MW_OK && buf.length > 0) {
        request->query = mw__buf_take(&buf, NULL);
        rc = request->query ? MW_OK : MW_MEMORY;
    }
    mw__buf_free(&buf);
    return rc;
}

int mw_request_raw(mw_service service, mw_verb verb, const char *path, const mw_value *params,
                   const mw_call_options *options, mw_request **out, mw_error *error)
{
    const char *problem = mw__path_problem(path);
    if (!problem && strlen(path) > MW_MAX_URL / 2)
        problem = "is too long";
    if (problem)
        return mw_error_set(error, MW_INVALID, "path", "%s %.200s: the path %s", mw_verb_name(verb),
                            path, problem);
    if (error)
        *error = (mw_error){0};
    mw_request *request = calloc(1, sizeof *request);
    if (!request)
        return mw_error_set(error, MW_MEMORY, NULL, "request: out of memory");
    request->service = service;
    request->verb = verb;
    snprintf(request->name, sizeof request->name, "%s %.80s", mw_verb_name(verb), path);
    request->raw_path = strdup(path);
    int rc = request->raw_path ? MW_OK : MW_MEMORY;
    if (rc == MW_OK)
        rc = mw__request_options(request, options, error);
    if (rc == MW_OK && options && options->once)
        rc = mw_error_set(error, MW_INVALID, "once",
                          "%s: `once` is for operations, whose objects are known; leave it out",
                          request->name);
    if (rc == MW_OK)
        rc = check_names(request, params, error);
    if (rc == MW_OK)
        rc = take_token(request, member_of(params, "token"), error);
    if (rc == MW_OK)
        rc = write_query(request, member_of(params, "query"), error);
    if (rc == MW_OK)
        rc = write_body(request, member_of(params, "body"), member_of(params, "form"), error);
    return mw__request_finish(rc, request, out, error);
}

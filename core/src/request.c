/* request.c: owns the making of a request from a row and its arguments. Must not know clients or
 * the network. One thread at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "maker.h"
#include "once_request.h"
#include "urlencode.h"

const mw_field *mw__path_fields(const mw_operation *operation)
{
    const mw_field *fields = operation->path_params;
    return fields && mw_operation_takes_account(operation) ? fields + 1 : fields;
}

static int path_refused(const mw__maker *make, const char *name, const char *problem)
{
    return mw_error_set(make->error, MW_INVALID, name, "%s: path parameter '%s' %s",
                        make->request->name, name, problem);
}

static int make_segment(mw__maker *make, const mw_field *field, const mw_value *value,
                        char **segment)
{
    int64_t whole;
    bool integer = value->type == MW_V_INTEGER ||
                   (value->type == MW_V_NUMBER && mw__whole_number(value->as.number, &whole));
    bool text = value->type == MW_V_STRING;
    if (field->type == MW_T_INTEGER && text && value->length > 0 &&
        !mw__is_integer_text(value->as.string, value->length)) {
        const char *problem = mw__segment_problem(value->as.string, value->length);
        return path_refused(make, field->name, problem ? problem : "must be an integer");
    }
    if (!integer && !text)
        return path_refused(make, field->name,
                            field->type == MW_T_INTEGER ? "must be an integer" : "must be a string");
    mw__buf plain;
    mw__buf encoded;
    mw__buf_init(&plain, MW_MAX_URL);
    mw__buf_init(&encoded, MW_MAX_URL);
    mw__scalar_text(&plain, value);
    const char *problem = mw__segment_problem(plain.data ? plain.data : "", plain.length);
    int rc = MW_OK;
    if (plain.status == MW_MEMORY)
        rc = MW_MEMORY;
    else if (plain.status != MW_OK)
        rc = path_refused(make, field->name, "is too long");
    else if (problem)
        rc = path_refused(make, field->name, problem);
    else
        mw__url_escape(&encoded, plain.data, plain.length);
    if (rc == MW_OK) {
        *segment = mw__buf_take(&encoded, NULL);
        rc = *segment ? MW_OK : MW_MEMORY;
        mw__note_path(make, field, value);
    }
    mw__buf_free(&plain);
    mw__buf_free(&encoded);
    return rc;
}

static int make_path(mw__maker *make)
{
    const mw_field *fields = mw__path_fields(make->operation);
    size_t first = make->operation->path_params && fields != make->operation->path_params ? 1 : 0;
    size_t wanted = 0;
    for (; fields && fields[wanted].name; wanted++) {
        if (wanted >= make->path_count || make->path[wanted].type == MW_V_NONE ||
            make->path[wanted].type == MW_V_NULL)
            return mw_error_set(make->error, MW_INVALID, fields[wanted].name,
                                "%s: missing path parameter '%s'", make->request->name,
                                fields[wanted].name);
        int rc = make_segment(make, &fields[wanted], &make->path[wanted],
                              &make->request->segments[first + wanted]);
        if (rc != MW_OK)
            return rc;
    }
    if (make->path_count > wanted)
        return mw_error_set(make->error, MW_INVALID, NULL, "%s: takes %zu path parameter%s, got %zu",
                            make->request->name, wanted, wanted == 1 ? "" : "s", make->path_count);
    return MW_OK;
}

int mw__request_options(mw_request *request, const mw_call_options *options, mw_error *error)
{
    if (!options)
        return MW_OK;
    request->options = *options;
    request->options.account = NULL;
    request->options.once = NULL;
    request->parts.open_file = options->open_file;
    request->parts.open_ud = options->open_ud;
    if (options->retries > MW_MAX_RETRIES && options->retries != MW_NO_RETRIES)
        return mw_error_set(error, MW_INVALID, "retries", "%s: retries must be at most %u",
                            request->name, MW_MAX_RETRIES);
    if (!options->account)
        return MW_OK;
    if (!mw__is_integer_text(options->account, strlen(options->account)))
        return mw_error_set(error, MW_INVALID, "account_id", "%s: account_id must be an integer",
                            request->name);
    request->account = strdup(options->account);
    return request->account ? MW_OK : MW_MEMORY;
}

static int take_query(mw__buf *buf, mw_request *request, mw_error *error)
{
    if (buf->status == MW_TOO_LARGE)
        return mw_error_set(error, MW_INVALID, NULL, "%s: the query is longer than %u bytes",
                            request->name, MW_MAX_URL);
    if (buf->status != MW_OK)
        return buf->status;
    if (buf->length == 0)
        return MW_OK;
    request->query = mw__buf_take(buf, NULL);
    return request->query ? MW_OK : MW_MEMORY;
}

int mw__request_finish(int rc, mw_request *request, mw_request **out, mw_error *error)
{
    if (rc == MW_OK) {
        *out = request;
        return rc;
    }
    if (rc == MW_MEMORY)
        mw_error_set(error, rc, NULL, "%s: out of memory", request->name);
    if (rc == MW_INVALID && error && error->code == MW_OK)
        mw_error_set(error, rc, NULL, "%s: a number is NaN or infinite", request->name);
    if (rc == MW_TOO_LARGE)
        mw_error_set(error, rc, NULL, "%s: the body is larger than %u bytes", request->name,
                     MW_MAX_REQUEST_BODY);
    mw_request_free(request);
    return rc;
}

/* "contacts:get"; rows have short names. */
static void set_name(mw_request *request, const mw_operation *operation)
{
    size_t module = strlen(operation->module);
    size_t method = strlen(operation->method);
    if (module + method + 2 > sizeof request->name)
        return;
    memcpy(request->name, operation->module, module);
    request->name[module] = ':';
    memcpy(request->name + module + 1, operation->method, method + 1);
}

int mw_request_new(const mw_operation *operation, const mw_value *path, size_t path_count,
                   const mw_value *params, const mw_call_options *options, mw_request **out,
                   mw_error *error)
{
    if (!operation)
        return mw_error_set(error, MW_INVALID, NULL, "there is no such operation");
    mw_request *request = calloc(1, sizeof *request);
    if (!request)
        return mw_error_set(error, MW_MEMORY, NULL, "%s:%s: out of memory", operation->module,
                            operation->method);
    request->operation = operation;
    request->service = operation->service;
    request->verb = operation->verb;
    set_name(request, operation);

    if (error)
        *error = (mw_error){0};
    mw__maker make = {.operation = operation,
                      .path = path,
                      .path_count = path_count,
                      .params = params,
                      .request = request,
                      .error = error};
    make.check = (mw__check){.operation = request->name,
                             .error = error,
                             .warning = request->warning,
                             .warning_size = sizeof request->warning};
    mw__buf_init(&make.query, MW_MAX_URL);
    int rc = mw__request_options(request, options, error);
    if (rc == MW_OK)
        rc = make_path(&make);
    if (rc == MW_OK)
        rc = mw__fill(&make);
    if (rc == MW_OK)
        mw__note_params(&make);
    if (rc == MW_OK && options && options->once)
        rc = mw__once_prepare(&make, options->once);
    if (rc == MW_OK)
        rc = mw__write_body(&make);
    if (rc == MW_OK)
        rc = take_query(&make.query, request, error);
    mw__buf_free(&make.query);
    return mw__request_finish(rc, request, out, error);
}

bool mw__request_mutates(const mw_request *request)
{
    return request->operation ? request->operation->mutates : request->verb != MW_GET;
}

bool mw__request_idempotent(const mw_request *request)
{
    if (request->operation)
        return request->operation->idempotent;
    return request->verb == MW_GET || request->verb == MW_PUT || request->verb == MW_DELETE;
}

/* The encoded segment for a "{name}" of the template. */
static const char *segment_for(const mw_request *request, const char *name, size_t length,
                               const char *account)
{
    const mw_field *fields = request->operation->path_params;
    for (size_t i = 0; fields && fields[i].name; i++) {
        if (strlen(fields[i].name) == length && memcmp(fields[i].name, name, length) == 0)
            return request->segments[i] ? request->segments[i] : account;
    }
    return NULL;
}

int mw__request_target(const mw_request *request, const char *account, bool upstream, mw__buf *buf)
{
    const mw_operation *operation = request->operation;
    const char *template = request->raw_path;
    if (operation)
        template = upstream && operation->upstream ? operation->upstream : operation->path;
    while (*template) {
        const char *open = operation ? strchr(template, '{') : NULL;
        size_t plain = open ? (size_t)(open - template) : strlen(template);
        mw__buf_append(buf, template, plain);
        template += plain;
        if (!open)
            break;
        const char *close = strchr(open, '}');
        const char *segment =
            close ? segment_for(request, open + 1, (size_t)(close - open - 1), account) : NULL;
        if (!segment)
            return MW_INVALID;
        mw__buf_puts(buf, segment);
        template = close + 1;
    }
    if (request->query) {
        mw__buf_putc(buf, '?');
        mw__buf_puts(buf, request->query);
    }
    return buf->status;
}

const char *mw_request_name(const mw_request *request)
{
    return request->name;
}

const char *mw_request_warning(const mw_request *request)
{
    return request->warning;
}

void mw_request_free(mw_request *request)
{
    if (!request)
        return;
    for (size_t i = 0; i < MW_MAX_SEGMENTS; i++)
        free(request->segments[i]);
    free(request->raw_path);
    free(request->account);
    free(request->query);
    free(request->body);
    free(request->arguments);
    free(request->given);
    mw__once_request_free(request->once);
    mw__buf_free(&request->packed);
    mw__parts_free(&request->parts);
    free(request);
}

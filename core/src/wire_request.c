/* wire_request.c: owns the making of requests that travel: arguments packed, not checked. Must not know calls. One
 * thread at a time. */
#include <stdio.h>
#include <stdlib.h>

#include "wire_private.h"

/* Makes a request that is only what will travel. */
static int pack_request(const char *name, mw_service service, const mw__wire_call *call,
                        mw_request **out, mw_error *error)
{
    if (error)
        *error = (mw_error){0};
    mw_request *request = calloc(1, sizeof *request);
    if (!request)
        return mw_error_set(error, MW_MEMORY, NULL, "%s: out of memory", name);
    request->service = service;
    snprintf(request->name, sizeof request->name, "%s", name);
    mw__buf_init(&request->packed, MW_WIRE_MAX_CALL - MW__WIRE_DOOR);
    int rc = mw__wire_pack_call(call, &request->packed);
    if (rc == MW_OK) {
        *out = request;
        return MW_OK;
    }
    mw_request_free(request);
    if (rc == MW_TOO_LARGE)
        return mw_error_set(error, rc, NULL,
                            "%s: the arguments are larger than %u bytes, the most of one call of a "
                            "script",
                            name, MW_WIRE_MAX_CALL);
    if (rc == MW_INVALID)
        return mw_error_set(error, rc, NULL,
                            "%s: the arguments are nested deeper than %d levels, or too many", name,
                            MW_MAX_DEPTH);
    return mw_error_set(error, rc, NULL, "%s: out of memory", name);
}

int mw__wire_request(mw_gate *gate, const mw_operation *operation, const mw_value *path,
                     size_t path_count, const mw_value *params, const mw_call_options *options,
                     mw_request **request, mw_error *error)
{
    (void)gate;
    if (!operation)
        return mw_error_set(error, MW_INVALID, NULL, "there is no such operation");
    char name[96];
    snprintf(name, sizeof name, "%s:%s", operation->module, operation->method);
    mw__wire_call call = {
        .operation = operation, .path = path, .path_count = path_count, .params = params};
    if (options)
        call.options = *options;
    return pack_request(name, operation->service, &call, request, error);
}

int mw__wire_request_raw(mw_gate *gate, mw_verb verb, const char *path, const mw_value *params,
                         const mw_call_options *options, mw_request **request, mw_error *error)
{
    char name[96];
    snprintf(name, sizeof name, "%s %.80s", mw_verb_name(verb), path);
    mw__wire_call call = {.verb = verb, .raw_path = path, .params = params};
    if (options)
        call.options = *options;
    return pack_request(name, gate->service, &call, request, error);
}

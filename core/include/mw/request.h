/* mw/request.h: one call, checked and encoded, ready for a gate.
 *
 * `mw_request_new` is the only way to make a request for an operation, and it fails unless the
 * arguments fit the row: "every operation checked before a byte leaves". One thread at a time. */
#ifndef MW_REQUEST_H
#define MW_REQUEST_H

#include "mw/error.h"
#include "mw/operation.h"
#include "mw/value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mw_request mw_request;

/* Of an option `retries`: send nothing again. */
#define MW_NO_RETRIES UINT32_MAX
#define MW_MAX_RETRIES 1000u

#define MW_MAX_ONCE 200 /* bytes of a key */

/* Options of one call. Zero means: as the client has it. All milliseconds. */
typedef struct mw_call_options {
    /* All attempts, the back-offs between them and the looks for `once`; the time in the queue of a lane (mw/limits.h)
     * does not count. */
    uint32_t timeout_ms;
    uint32_t connect_timeout_ms; /* until connected */
    uint32_t stall_timeout_ms;   /* no byte for so long */
    uint64_t max_body;           /* bytes of the answer */
    const char *account; /* another account than the client's; borrowed until mw_request_new returns */
    /* How often it may be sent again, up to MW_MAX_RETRIES, or MW_NO_RETRIES. Anything is sent again when it did not
     * leave (no connection; not when a certificate is not trusted or a proxy refuses) or was answered with 429, once
     * its lane goes on (mw/limits.h). What is idempotent is sent again when it left and got no answer, or 502, 503 or
     * 504. A back-off that would not end within timeout_ms is not begun: the failure is final. */
    uint32_t retries;
    /* A key, 1 to MW_MAX_ONCE bytes of UTF-8 without control characters, for an operation that makes something and
     * whose row says how that is found again: with the same key it is made once, whatever happens. The intent goes into
     * the client's journal before a byte is sent. When the outcome is unknown, of an attempt of this call (within
     * `retries`) or of a call in the past that never ended, the service is first asked whether the object is there. A
     * call whose key is done gets the answer of then. NULL: none; borrowed until mw_request_new returns. */
    const char *once;
    bool unchecked; /* skip the checks of body fields; path and query are checked all the same */
    /* Opens a file that the parameters name: MW_OK and `*fd` (the request owns it), or a negative mw_err
     * with `error`. What is no regular file is refused afterwards. NULL: open(2). */
    int (*open_file)(const char *path, int *fd, mw_error *error, void *ud);
    void *open_ud;
} mw_call_options;

/* Checks arguments and makes the request.
 *   operation  the row; NULL, as a look-up of an unknown name gives it, is MW_INVALID.
 *   path    values of the path parameters in path order, without the account where the client
 * supplies it; integers or strings. A segment that is empty, "." or "..", or holds a NUL, is
 * refused. params  an object (or MW_V_EMPTY, MW_V_NULL, NULL for none): query parameters and body
 * fields together; an optional member "extra" (an object) passes fields that the row does not list,
 * unchecked. A body field that is required, missing, and named as a path parameter is taken from
 * the path. Returns 0 and `*request` (owned: free with mw_request_free, or hand it to
 * mw_gate_submit), MW_INVALID with `error` naming operation and field ("contacts:update: unknown
 * field 'nmae' (did you mean 'name'?)"), MW_TOO_LARGE (a body of more than 64 MiB besides files) or
 * MW_MEMORY. Nothing borrowed is kept. Files are opened here, so a file that can't be read is
 * MW_INVALID. */
int mw_request_new(const mw_operation *operation, const mw_value *path, size_t path_count,
                   const mw_value *params, const mw_call_options *options, mw_request **request,
                   mw_error *error);

/* The escape hatch: any path of the service below the base URL. `path` begins with '/', is percent-encoded
 * already and holds no '?', '#', "." or ".." segment, nor control characters. `params` is an object
 * with any of: query (object), body (any value: JSON), form (object: url-encoded), token ("user",
 * "bot", "platform", "oauth"; without it the first kind the client has). Returns as above. */
int mw_request_raw(mw_service service, mw_verb verb, const char *path, const mw_value *params,
                   const mw_call_options *options, mw_request **request, mw_error *error);

/* A name for messages: "contacts:get" or "GET /api/v1/labels". Borrowed from the request. */
const char *mw_request_name(const mw_request *request);

/* Something worth telling the user about a request that is sent all the same (an event filter that
 * the documents do not know), or "". Borrowed from the request. */
const char *mw_request_warning(const mw_request *request);

/* Frees a request that was never submitted. NULL is fine. */
void mw_request_free(mw_request *request);

#ifdef __cplusplus
}
#endif
#endif

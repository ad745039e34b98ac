/* maker.h: the making of one request, shared by the files that do it in turn: request.c (path,
 * options), fill.c (which parameter goes where, and may it), body.c (the bytes). */
#ifndef MW_MAKER_H
#define MW_MAKER_H

#include "check.h"
#include "request_private.h"

#define MW_MAX_FIELDS 64

typedef struct mw__maker {
    const mw_operation *operation;
    const mw_value *path; /* one value a path parameter, the client's account left out */
    size_t path_count;
    const mw_value *params;
    const mw_value *extra; /* the member "extra", or NULL */
    mw_request *request;
    mw_error *error;
    mw__check check;
    mw__buf query;
    mw_member body[MW_MAX_FIELDS]; /* what goes into the body, in the caller's order */
    size_t body_count;
    bool has_file;
} mw__maker;

/* The path parameters that the caller gives: all but the account where the client supplies it. */
const mw_field *mw__path_fields(const mw_operation *operation);

/* Sends each parameter to query or body, checked; then what is required and what is extra. */
int mw__fill(mw__maker *make);

/* policy_names.c: notes in request->accounts and request->inboxes what a path parameter, or what all the
 * others of a filled request name. */
void mw__note_path(mw__maker *make, const mw_field *field, const mw_value *value);
void mw__note_params(mw__maker *make);

/* Writes the body of a filled request. */
int mw__write_body(mw__maker *make);

/* What every request has: its options, and its end (`rc` MW_OK gives it to `*out`, else it is freed). */
int mw__request_options(mw_request *request, const mw_call_options *options, mw_error *error);
int mw__request_finish(int rc, mw_request *request, mw_request **out, mw_error *error);

#endif

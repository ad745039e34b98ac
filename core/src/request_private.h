/* request_private.h: what a checked request is made of, for the gates. */
#ifndef MW_REQUEST_PRIVATE_H
#define MW_REQUEST_PRIVATE_H

#include "buf.h"
#include "mw/request.h"
#include "parts.h"

#define MW_MAX_SEGMENTS 8
#define MW_MAX_REQUEST_BODY (64u * 1024u * 1024u)
#define MW_MAX_URL (64u * 1024u)

/* The accounts or inboxes that parameters of a request name, for policies (policy_names.c). */
#define MW_MAX_NAMED 4
#define MW_MAX_NAMED_LENGTH 64

typedef struct mw__named {
    char ids[MW_MAX_NAMED][MW_MAX_NAMED_LENGTH]; /* different ones */
    size_t count;
    bool unclear; /* something is named that no list can hold, or more than there is room for */
} mw__named;

typedef struct mw__once_request mw__once_request;

struct mw_request {
    const mw_operation *operation; /* NULL: raw */
    mw_service service;
    mw_verb verb;
    char name[96];
    char warning[256];
    char *raw_path;
    char *segments[MW_MAX_SEGMENTS]; /* encoded path parameters in path order; [0] is NULL where the
                                      * client's account goes */
    char *account;                   /* another account than the client's, or NULL */
    char *query;                     /* encoded, or NULL */
    char *body;
    size_t body_length;
    const char *content_type; /* of `body`; static; NULL: no body */
    mw__parts parts;          /* a multipart body, when there is one */
    unsigned token;           /* raw: the kind asked for, or 0 */
    mw_call_options options;
    mw__once_request *once; /* of a call with a key (once_request.h), else NULL */
    mw__named accounts;     /* without the one that the client or the options supply */
    mw__named inboxes;
    mw__buf packed; /* of a wire gate: the arguments as they travel; then all but `name` is empty */
    /* Of a gate in dry run (dry_run.h), else NULL. */
    char *arguments; /* JSON: what makes the request again */
    char *given;     /* JSON: the plausible answer, as far as the arguments say */
};

/* Whether the request changes something; whether sending it twice does what once does. */
bool mw__request_mutates(const mw_request *request);
bool mw__request_idempotent(const mw_request *request);

/* Appends the path below the base URL: the template of the row (`upstream`: its other one) with its
 * segments filled in and `account` where the client supplies it, or the raw path; then "?query". */
int mw__request_target(const mw_request *request, const char *account, bool upstream, mw__buf *buf);

#endif

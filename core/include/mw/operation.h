/* mw/operation.h: the operations as rows.
 *
 * Every documented operation of a service is one constant row. The row is the only place that knows
 * the operation: the Lua methods, the argument checks, the paths, the token choice, paging, pacing,
 * the twin's routes and `moonwire ops` are all read from it. Rows live as long as the program;
 * nothing here allocates, and every function may be called from any thread. */
#ifndef MW_OPERATION_H
#define MW_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mw_service { MW_OOCTOPUS, MW_CIRCUIT, MW_SERVICES } mw_service;

typedef enum mw_verb { MW_GET, MW_POST, MW_PUT, MW_PATCH, MW_DELETE, MW_VERBS } mw_verb;

/* Token kinds, as bits: a row names every kind that serves it; 0 means that no token is sent. */
typedef enum mw_token {
    MW_TOKEN_USER = 1,     /* ooctopus: userApiKey */
    MW_TOKEN_BOT = 2,      /* ooctopus: agentBotApiKey */
    MW_TOKEN_PLATFORM = 4, /* ooctopus: platformAppApiKey */
    MW_TOKEN_OAUTH = 8     /* circuit: OAuth 2.0 bearer */
} mw_token;

/* A lane is a group of operations that share one rate limit on the server. */
typedef enum mw_lane {
    MW_LANE_ALL,     /* 3000/min per IP (circuit: no documented limit) */
    MW_LANE_SEARCH,  /* contacts/search: 100/min per account */
    MW_LANE_REPORTS, /* reports: 100/min per user, 1000/min per account */
    MW_LANE_WRITE,   /* whatever changes something: within `all`, behind the reads */
    MW_LANE_UPLOAD,  /* may carry files: within `write` */
    MW_LANES
} mw_lane;

typedef enum mw_type {
    MW_T_ANY,
    MW_T_STRING,
    MW_T_INTEGER,
    MW_T_NUMBER,
    MW_T_BOOLEAN,
    MW_T_ARRAY,
    MW_T_OBJECT,
    MW_T_FILE /* a path to a file; makes the body multipart. Documented as string, format binary */
} mw_type;

/* What a parameter names, where a policy cares. A text in a path names an inbox by its identifier, any
 * other parameter by its id. */
typedef enum mw_names {
    MW_NAMES_NOTHING,
    MW_NAMES_ACCOUNT,
    MW_NAMES_INBOX,
    MW_NAMES_SUBJECT /* what the parameter "type" beside it says: an inbox where that is "inbox" */
} mw_names;

/* One parameter, body field or field of an answer. A list of fields ends with `.name == NULL`. */
typedef struct mw_field {
    const char *name; /* in Lua and in the documents; an element of an array has "" */
    const char *wire; /* on the wire where that differs ("labels[]"), else NULL */
    mw_type type;
    const struct mw_field *item;   /* array: its element; NULL: anything */
    const struct mw_field *fields; /* object: the documented fields; NULL: free */
    const char *const *values;     /* the only values allowed, NULL-ended, or NULL */
    const char *const *known; /* values known to the documents; others are sent all the same, or NULL */
    const char *preset;       /* the documented default, for the manual; never sent, or NULL */
    const char *format;       /* documented format ("date-time"), or NULL */
    uint32_t max_length;      /* in bytes; 0: no limit */
    bool required;
    bool nullable; /* required, and null says something (no bot); optional ones always may be null */
    bool beyond;   /* served by the platform though its documents do not list it */
    mw_names names; /* an account or an inbox */
} mw_field;

typedef enum mw_body { MW_BODY_NONE, MW_BODY_JSON, MW_BODY_FORM } mw_body;

/* Where a list sits in the answer and how to get its next page. */
typedef struct mw_items {
    const char *at;      /* "data.payload"; "" when the answer itself is the list; NULL: no list */
    const char *page_by; /* "page" counts from 1; "before" takes the least id seen; NULL: one page */
    uint32_t page_size;  /* 0: not documented */
} mw_items;

typedef struct mw_response {
    int status;
    const char *meaning; /* "" where the documents give none */
} mw_response;

/* A field of the body that no two objects have alike, and that they show under the same name. */
typedef struct mw_once_key {
    const char *field;
    bool folded; /* the server keeps it without white space around it, in lower case */
} mw_once_key;

/* How an object that an operation has made is found again, for the option `once`: by the first key that the body has,
 * or by a mark of ours. */
typedef struct mw_once {
    /* A method of the same module that lists such objects; one with a body takes the key as a condition of its
     * filter. NULL: there is no way. */
    const char *find;
    const mw_once_key *by;  /* ends with .field == NULL; or NULL */
    const char *marker;     /* a free object in the body that keeps a mark; or NULL */
    const char *along;      /* a field of the body that the finder's query takes; or NULL */
    const char *along_else; /* its value where the body has none */
    const char *wrap; /* where the operation's answer has the object; NULL: it is the answer */
} mw_once;

typedef struct mw_operation {
    mw_service service;
    const char *module; /* "contacts", "platform.users" */
    const char *method; /* "get" */
    const char *id;     /* the documented id, "contactDetails" */
    const char *alias;  /* its snake_case alias */
    const char *title;
    mw_verb verb;
    const char *path;     /* documented template, "/api/v1/accounts/{account_id}/contacts/{id}" */
    const char *upstream; /* what upstream Chatwoot serves where that differs, else NULL */
    unsigned auth;        /* mw_token bits */
    mw_lane lane;
    bool mutates;                /* changes something on the server */
    bool idempotent;             /* sending it twice does what sending it once does */
    bool at_least_one;           /* an update without any field is refused */
    const mw_field *path_params; /* in path order, or NULL */
    const mw_field *query;       /* or NULL */
    mw_body body;
    const char *body_name; /* documented name and type of the body, or NULL */
    const char *body_type;
    const mw_field *fields; /* of the body, or NULL */
    mw_items items;
    const char *returns;          /* documented type of a good answer, or NULL */
    const mw_field *answer;       /* its shape: one field named "", or NULL */
    const mw_response *responses; /* documented statuses, ends with status 0 */
    const char *const *scopes;    /* circuit: OAuth scopes, NULL-ended, or NULL */
    mw_once once;                 /* of what makes objects */
} mw_operation;

/* All rows of a service, in the order of its module and method names; `*count` gets their number. */
const mw_operation *const *mw_operations(mw_service service, size_t *count);

/* The row by "module" and "method"; by documented id or alias. NULL when there is none. */
const mw_operation *mw_operation_find(mw_service service, const char *module, const char *method);
const mw_operation *mw_operation_by_id(mw_service service, const char *id_or_alias);

/* Whether the first path parameter is the account that the client supplies (all but the platform's
 * own rows). */
bool mw_operation_takes_account(const mw_operation *operation);

/* "GET", "ooctopus", "user", "search", "string"; any thread, static storage. */
const char *mw_verb_name(mw_verb verb);
const char *mw_service_name(mw_service service);
const char *mw_token_name(mw_token token);
const char *mw_lane_name(mw_lane lane);
const char *mw_type_name(mw_type type);

/* Did you mean: the candidate (NULL-ended list) that is closest to `word`, or NULL when none is
 * close enough. */
const char *mw_closest(const char *word, const char *const *candidates);

#ifdef __cplusplus
}
#endif
#endif

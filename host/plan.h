/* plan.h: what a dry run held back, as a file of JSON lines that `moonwire apply` sends. Knows no command line and no
 * policy. One thread.
 *
 *     {"operation":"ooctopus:contacts.create","verb":"POST","path":"/api/v1/accounts/1/contacts","query":"a=b",
 *      "body":{...},"profile":"ooctopus","arguments":{"path":[],"params":{...},"options":{...}},
 *      "gives":{"payload.contact.id":8888000000000001}}
 *
 * `operation`, `profile`, `arguments` and `gives` are what apply goes by; verb, path, query and body are for whoever
 * reads the file: what would have been sent. A body that is no JSON is a string; of a multipart body there is none.
 * `gives` is where the answer holds the ids that stand as placeholders in later lines. */
#ifndef MOONWIRE_PLAN_H
#define MOONWIRE_PLAN_H

#include <stdint.h>

#include "mw/policy.h"

typedef struct mw__plan mw__plan;

/* Begins a plan. It is written beside `path` under another name, mode 0600, and takes its name in mw__plan_keep: until
 * then a file of that name stays as it is. MW_INVALID with `error` (it can't be written there), MW_MEMORY. */
int mw__plan_new(const char *path, mw__plan **plan, mw_error *error);

/* Adds what `event` tells of a request that is held back (MW_DECIDED_HOLD, not done); other events do nothing.
 * `profile` is the name that the client was connected by. What goes wrong here is said by mw__plan_keep. */
void mw__plan_add(mw__plan *plan, const char *profile, const mw_policy_event *event);

/* Finishes the file and gives it its name. Once. MW_INVALID with `error` when any of it could not be written: then
 * nothing takes the name. */
int mw__plan_keep(mw__plan *plan, mw_error *error);

/* What was not kept is removed. NULL is fine. */
void mw__plan_free(mw__plan *plan);

#endif

/* dry_run.h: what stands in for the server in a dry run: plausible answers, their placeholders, and finding
 * placeholders in later requests. Must not know clients or policies. One thread at a time.
 *
 * A placeholder is the number MW_PLACEHOLDER + n of the nth id that a dry run made up, 16 digits that no real
 * id has. Where an id is text, the digits are part of it ("placeholder-8888000000000001"), so that one search
 * for digits finds every reference, in a path, a query, a number or a sentence. */
#ifndef MW_DRY_RUN_H
#define MW_DRY_RUN_H

#include "request_private.h"

/* Keeps in `request` what mw__dry_run_answer wants of the arguments: request->arguments and request->given.
 * `operation` NULL: raw, with `raw_path`. MW_OK, MW_MEMORY, or MW_INVALID with `error`. */
int mw__dry_run_prepare(mw_request *request, const mw_operation *operation, const char *raw_path,
                        const mw_value *path, size_t path_count, const mw_value *params,
                        const mw_call_options *options, mw_error *error);

/* Whether path, query, body or parts of the request hold one of the first `made` placeholders. `target` is
 * what mw__request_target gives. */
bool mw__dry_run_refers(const mw_request *request, const char *target, uint64_t made);

/* Makes the answer: `*body` (JSON, or "" for an answer without a body) and `*placeholders` (a JSON object of
 * place -> placeholder, "{}" for none; the same placeholder may stand at several places), both to be freed
 * with free(). `*made` counts the ids that were made up. MW_OK or MW_MEMORY. */
int mw__dry_run_answer(const mw_request *request, uint64_t *made, char **body, size_t *length,
                       char **placeholders);

/* ---- between dry_run.c and dry_run_shape.c ----
 * The text of an answer before its ids are made up: JSON in which one byte stands for each of them, then the
 * places of these marks in the same order, each behind a newline. "" for an answer without a body. */
#define MW_MARK_THING '\1' /* the id of what the answer is about: one number, wherever it stands */
#define MW_MARK_THING_TEXT '\2' /* the same as text */
#define MW_MARK_ID '\3'         /* another number */
#define MW_MARK_ID_TEXT '\4'

typedef struct mw__dry_arguments {
    const mw_value *path; /* zeroed: the arguments are not known */
    size_t path_count;
    const mw_value *params;
} mw__dry_arguments;

/* Appends it for a request. What sticks in `out`, or MW_INVALID with `error`. */
int mw__dry_run_shape(const mw_request *request, const mw__dry_arguments *arguments, mw__buf *out,
                      mw_error *error);

#endif

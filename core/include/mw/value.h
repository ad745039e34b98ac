/* mw/value.h: arguments on their way into a request, as a tree.
 *
 * A front end (the Lua bindings, a frame from a worker, a C program) turns its arguments into a
 * tree of `mw_value`; `mw_request_new` checks the tree against the row and writes path, query and
 * body from it. The nodes of a tree are bump-allocated from an arena and go with it; strings are
 * borrowed: they must stay valid until the request is made.
 *
 * One thread at a time. */
#ifndef MW_VALUE_H
#define MW_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mw/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MW_MAX_DEPTH 100 /* levels of nesting, in and out */

typedef enum mw_value_type {
    MW_V_NONE, /* not given */
    MW_V_NULL,
    MW_V_BOOLEAN,
    MW_V_INTEGER,
    MW_V_NUMBER, /* never NaN or infinite once checked */
    MW_V_STRING, /* UTF-8, or the request is refused */
    MW_V_ARRAY,
    MW_V_OBJECT,
    MW_V_EMPTY /* an empty Lua table: [] where the facts say array, {} elsewhere */
} mw_value_type;

typedef struct mw_value mw_value;
typedef struct mw_member mw_member;

struct mw_value {
    mw_value_type type;
    size_t length; /* bytes of the string, items of the array, members of the object */
    union {
        bool boolean;
        int64_t integer;
        double number;
        const char *string;       /* borrowed, `length` bytes, may hold NUL */
        const mw_value *items;    /* in the arena */
        const mw_member *members; /* in the arena */
    } as;
};

struct mw_member {
    const char *name; /* borrowed, NUL-ended at name_length; may hold NUL before */
    size_t name_length;
    mw_value value;
};

/* An arena. `cap` bytes at most; an allocation beyond it fails. */
typedef struct mw_arena mw_arena;
mw_arena *mw_arena_new(size_t cap); /* NULL when out of memory */
void *mw_arena_alloc(mw_arena *arena,
                     size_t size);    /* aligned, zeroed; NULL at the cap or out of memory */
void mw_arena_reset(mw_arena *arena); /* frees all nodes, keeps the first block */
void mw_arena_free(mw_arena *arena);  /* NULL is fine */

/* Writes `value` as JSON text: integers exactly, numbers as the shortest text that reads back to
 * the same double (1.0 stays "1.0"), strings byte for byte except for what JSON must escape,
 * MW_V_EMPTY as "{}". On success `*text` is a NUL-ended buffer of `*length` bytes that the caller
 * frees with free(). Fails with MW_INVALID (NaN, infinity, not UTF-8, deeper than MW_MAX_DEPTH), MW_TOO_LARGE
 * (more than `cap` bytes) or MW_MEMORY. */
int mw_json_write(const mw_value *value, size_t cap, char **text, size_t *length, mw_error *error);

#ifdef __cplusplus
}
#endif
#endif

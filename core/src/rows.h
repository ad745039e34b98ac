/* rows.h: the words that the rows of the operations are written in. Owns nothing and is included by
 * the row tables alone. It knows the columns of mw/operation.h and must not know any operation.
 *
 * Every macro gives an initialiser for a constant table, so rows need no code at start and no
 * memory at run time. Further columns follow the name: MW_INT("page", .preset = "1"). */
#ifndef MW__ROWS_H
#define MW__ROWS_H

#include "mw/operation.h"

/* The formatter takes initialisers in macros for blocks of code. */
/* clang-format off */

/* Fields by type. */
#define MW_STR(...) {.type = MW_T_STRING, .name = __VA_ARGS__}
#define MW_INT(...) {.type = MW_T_INTEGER, .name = __VA_ARGS__}
#define MW_NUM(...) {.type = MW_T_NUMBER, .name = __VA_ARGS__}
#define MW_BOOL(...) {.type = MW_T_BOOLEAN, .name = __VA_ARGS__}
#define MW_FILE(...) {.type = MW_T_FILE, .name = __VA_ARGS__}

/* A string that is one of a list; an object with a list of fields (NULL: free). */
#define MW_ENUM(n, ...) {.name = n, .type = MW_T_STRING, .values = __VA_ARGS__}
#define MW_OBJ(n, ...) {.name = n, .type = MW_T_OBJECT, .fields = __VA_ARGS__}

/* Arrays of strings, integers, files, enumerated strings, objects. */
#define MW_STRS(...) {.type = MW_T_ARRAY, .item = MW_EACH(MW_T_STRING), .name = __VA_ARGS__}
#define MW_INTS(...) {.type = MW_T_ARRAY, .item = MW_EACH(MW_T_INTEGER), .name = __VA_ARGS__}
#define MW_FILES(...) {.type = MW_T_ARRAY, .item = MW_EACH(MW_T_FILE), .name = __VA_ARGS__}
#define MW_ENUMS(n, list) \
    {.name = n, .type = MW_T_ARRAY, .item = MW_EACH(MW_T_STRING, .values = list)}
#define MW_OBJS(n, list) {.name = n, .type = MW_T_ARRAY, .item = MW_ONE(list)}

/* Path parameters: an integer, a string, the account. */
#define MW_ID(...) {.type = MW_T_INTEGER, .required = true, .name = __VA_ARGS__}
#define MW_KEY(...) {.type = MW_T_STRING, .required = true, .name = __VA_ARGS__}
#define MW_ACCOUNT MW_ID("account_id", .names = MW_NAMES_ACCOUNT)

/* Lists, written in place. MW_END closes those that are written as arrays. */
#define MW_END {.name = NULL}
#define MW_FIELDS(...) ((const mw_field[]){__VA_ARGS__, MW_END})
#define MW_WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Shapes without a name: an element, one object, a list of objects. */
#define MW_EACH(...) (&(const mw_field){.name = "", .type = __VA_ARGS__})
#define MW_ONE(list) (&(const mw_field){.name = "", .type = MW_T_OBJECT, .fields = list})
#define MW_MANY(list) (&(const mw_field){.name = "", .type = MW_T_ARRAY, .item = MW_ONE(list)})

/* Keys by which objects are found again: {.field = "name"}. */
#define MW_BY(...) ((const mw_once_key[]){__VA_ARGS__, {.field = NULL}})

/* Documented answers. Most operations share these. */
#define MW_401 {401, "Unauthorized"}
#define MW_403 {403, "Access denied"}
#define MW_RESPONSES(...) ((const mw_response[]){__VA_ARGS__, {0, NULL}})
#define MW_OK_OR(...) MW_RESPONSES({200, "Success"}, __VA_ARGS__)

/* clang-format on */
#endif

/* sqlite_lib.h: SQLite, opened on first use, because most scripts keep nothing. Any thread. */
#ifndef MW_SQLITE_LIB_H
#define MW_SQLITE_LIB_H

#include <sqlite3.h>

#include "mw/error.h"

#define MW_SQLITE_FUNCTIONS(X)                                                                     \
    X(bind_int64)                                                                                  \
    X(bind_text64)                                                                                 \
    X(busy_handler)                                                                                \
    X(busy_timeout)                                                                                \
    X(clear_bindings)                                                                              \
    X(close)                                                                                       \
    X(column_bytes)                                                                                \
    X(column_double)                                                                               \
    X(column_int64)                                                                                \
    X(column_text)                                                                                 \
    X(column_type)                                                                                 \
    X(create_function_v2)                                                                          \
    X(db_config)                                                                                   \
    X(db_readonly)                                                                                 \
    X(errstr)                                                                                      \
    X(exec)                                                                                        \
    X(extended_errcode)                                                                            \
    X(file_control)                                                                                \
    X(finalize)                                                                                    \
    X(last_insert_rowid)                                                                           \
    X(limit)                                                                                       \
    X(open_v2)                                                                                     \
    X(prepare_v2)                                                                                  \
    X(prepare_v3)                                                                                  \
    X(reset)                                                                                       \
    X(result_int)                                                                                  \
    X(step)                                                                                        \
    X(system_errno)                                                                                \
    X(value_int64)

typedef struct mw__sqlite {
#define MW_X(name) __typeof__(&sqlite3_##name) name;
    MW_SQLITE_FUNCTIONS(MW_X)
#undef MW_X
} mw__sqlite;

/* The library, loaded for good; NULL with MW_INVALID in `error` when the system has none. */
const mw__sqlite *mw__sqlite_get(mw_error *error);

#endif

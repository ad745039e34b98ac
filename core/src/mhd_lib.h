/* mhd_lib.h: libmicrohttpd, opened on first use. Loading it with the gnutls it needs takes longer than most scripts
 * run, and most scripts serve nothing, so nothing links it. Any thread. */
#ifndef MW_MHD_LIB_H
#define MW_MHD_LIB_H

#include <stdbool.h>

#include <microhttpd.h>

#include "mw/error.h"

#define MW_MHD_FUNCTIONS(X)                                                                        \
    X(add_response_header)                                                                         \
    X(create_response_from_buffer)                                                                 \
    X(create_response_from_callback)                                                               \
    X(destroy_response)                                                                            \
    X(get_connection_info)                                                                         \
    X(get_connection_values_n)                                                                     \
    X(get_daemon_info)                                                                             \
    X(get_timeout)                                                                                 \
    X(get_version)                                                                                 \
    X(queue_response)                                                                              \
    X(resume_connection)                                                                           \
    X(run)                                                                                         \
    X(start_daemon)                                                                                \
    X(stop_daemon)                                                                                 \
    X(suspend_connection)

typedef struct mw__mhd {
#define MW_X(name) __typeof__(&MHD_##name) name;
    MW_MHD_FUNCTIONS(MW_X)
#undef MW_X
    bool keeps_lines; /* the header lines still lie in its buffer as they came in; see server_check.c */
} mw__mhd;

/* The library, loaded for good; NULL with MW_NETWORK in `error` when the system has none. */
const mw__mhd *mw__mhd_get(mw_error *error);

#endif

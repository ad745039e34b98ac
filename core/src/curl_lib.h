/* curl_lib.h: libcurl, loaded when the first client is made.
 *
 * Linking libcurl would load its 30 libraries at every start and cost 4 ms even for a script that
 * sends nothing, so it is opened on first use. Every call goes through `mw__curl->easy_init(...)`.
 * Any thread may load; the table is constant afterwards. */
#ifndef MW_CURL_LIB_H
#define MW_CURL_LIB_H

#define CURL_DISABLE_TYPECHECK 1 /* the type-checking macros call functions by name */
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#include "mw/error.h"

#define MW_CURL_FUNCTIONS(X)                                                                       \
    X(easy_cleanup)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_init)                                                                                   \
    X(easy_setopt)                                                                                 \
    X(easy_strerror)                                                                               \
    X(free)                                                                                        \
    X(getdate)                                                                                     \
    X(global_init)                                                                                 \
    X(mime_addpart)                                                                                \
    X(mime_data)                                                                                   \
    X(mime_data_cb)                                                                                \
    X(mime_filename)                                                                               \
    X(mime_free)                                                                                   \
    X(mime_init)                                                                                   \
    X(mime_name)                                                                                   \
    X(mime_type)                                                                                   \
    X(multi_add_handle)                                                                            \
    X(multi_cleanup)                                                                               \
    X(multi_info_read)                                                                             \
    X(multi_init)                                                                                  \
    X(multi_remove_handle)                                                                         \
    X(multi_setopt)                                                                                \
    X(multi_socket_action)                                                                         \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(url)                                                                                         \
    X(url_cleanup)                                                                                 \
    X(url_get)                                                                                     \
    X(url_set)                                                                                     \
    X(version)

typedef struct mw__curl_table {
#define X(name) __typeof__(&curl_##name) name;
    MW_CURL_FUNCTIONS(X)
#undef X
} mw__curl_table;

/* NULL until mw__curl_load has succeeded. */
extern const mw__curl_table *mw__curl;

/* Loads libcurl once for the process; SSLKEYLOGFILE is not seen by it. MW_NETWORK with `error` when
 * there is none. */
int mw__curl_load(mw_error *error);

#endif

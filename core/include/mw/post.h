/* mw/post.h: one HTTP POST of given bytes to any http or https URL: a webhook that is delivered.
 *
 * It goes out once or not at all: on a connection of its own, without redirects, proxies, cookies, credentials of the
 * system or second tries. Its bytes and header lines are the caller's; Host, Content-Length, Accept and, unless given,
 * User-Agent are added, and no Content-Type is.
 *
 * All functions on the loop's thread. libcurl is loaded when the first one is made. */
#ifndef MW_POST_H
#define MW_POST_H

#include "mw/gate.h" /* mw_answer, mw_header */
#include "mw/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mw_post mw_post;

/* Everything is copied. Zeroed fields take the default in brackets. */
typedef struct mw_post_options {
    const char *url; /* no user, no password; a fragment is not sent */
    const mw_header *
        headers; /* Host and what frames the message (Content-Length, Connection ...) are not yours */
    size_t header_count;
    const char *body;
    size_t body_length;
    uint32_t timeout_ms; /* for all of it, from the name's look-up to the answer's last byte [5000] */
    uint64_t max_body;   /* bytes of the answer's body; more is MW_TOO_LARGE [65536] */
    /* Connect to loopback addresses (127.0.0.0/8, ::1) alone. What counts is the address that a connection would be
     * made to: a name that leads elsewhere is MW_DENIED, and nothing is sent. */
    bool loopback;
} mw_post_options;

/* Sends. Returns 0 and calls `done` exactly once, later, from the loop; or returns MW_INVALID (URL, headers; `error`
 * says which), MW_NETWORK (there is no libcurl) or MW_MEMORY, and never calls it. `*post` serves mw_post_cancel until
 * `done` is called; then it is gone.
 *
 * The answer's code is MW_OK for every answer that came back whole, whatever its status; else MW_NETWORK, MW_TIMEOUT,
 * MW_TLS, MW_TOO_LARGE, MW_DENIED, MW_MEMORY or, when the loop ends, MW_CANCELLED. Its `sent` says whether the request
 * left, its `message` begins with "POST host:port/path: ". Neither that nor its `url` holds a query. */
int mw_post_start(mw_loop *loop, const mw_post_options *options, mw_answer_fn done, void *ud,
                  mw_post **post, mw_error *error);

/* Gives it up: `done` is not called. NULL is fine. */
void mw_post_cancel(mw_post *post);

#ifdef __cplusplus
}
#endif
#endif

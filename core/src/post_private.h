/* post_private.h: a post from the inside: shared by post.c (start, end, what became of it) and post_request.c (what is
 * sent). Loop's thread. */
#ifndef MW_POST_PRIVATE_H
#define MW_POST_PRIVATE_H

#include <netinet/in.h>

#include "client_private.h"
#include "mw/post.h"

struct mw_post {
    mw__transfer transfer; /* first: the transfer is the post */
    mw_loop *loop;
    mw_answer_fn done;
    void *ud;
    mw__closer closer;
    struct curl_slist *lines;
    char *body;
    mw__buf answer;
    mw__headers head;
    uint64_t max_body;
    bool too_large;
    unsigned sends;
    int64_t started_us;
    char elsewhere[INET6_ADDRSTRLEN]; /* an address that it may not connect to, or "" */
    char url[800];                    /* as it may be shown */
    char trouble[CURL_ERROR_SIZE];
};

/* Checks what is to be sent and sets the handle up for it. Returns MW_INVALID with `error`, or MW_MEMORY. */
int mw__post_set_up(mw_post *post, const mw_post_options *options, mw_error *error);

#endif

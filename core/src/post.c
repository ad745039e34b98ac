/* post.c: owns one POST to a URL that somebody gave, from its start to its end, and says what became of it. Must not
 * know services, tokens or policies. Loop's thread. */
#include "mw/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "post_private.h"

enum { MESSAGE = 1024 };

static void free_post(mw_post *post)
{
    mw__loop_off_close(&post->closer);
    if (post->transfer.easy)
        mw__curl->easy_cleanup(post->transfer.easy);
    mw__curl->slist_free_all(post->lines);
    mw__buf_free(&post->answer);
    mw__headers_free(&post->head);
    free(post->body);
    free(post);
}

/* A post that was started is taken off the loop. */
static void leave(mw_post *post)
{
    mw__loop_off_close(&post->closer);
    mw__loop_release(post->loop);
}

/* Hands the end over and frees the post. `why`: what went wrong, or "". */
static void deliver(mw_post *post, mw_answer *answer, const char *why)
{
    char text[MESSAGE] = "";
    if (*why)
        snprintf(text, sizeof text, "POST %s: %s", strstr(post->url, "://") + 3, why);
    mw__clean_text(text);
    mw_loop_redact(post->loop, text);
    answer->elapsed_us = mw_loop_now(post->loop) - post->started_us;
    answer->attempts = post->sends;
    answer->retry_after = -1;
    answer->request_id = "";
    answer->field = "";
    answer->url = post->url;
    answer->message = text;
    if (!answer->body)
        answer->body = "";
    leave(post);
    mw__loop_stir(post->loop);
    post->done(answer, post->ud);
    free_post(post);
}

static int code_of(const mw_post *post, CURLcode result)
{
    if (post->too_large || post->head.trouble == MW_HEADERS_TOO_LARGE)
        return MW_TOO_LARGE;
    if (post->head.trouble == MW_HEADERS_NO_MEMORY || post->answer.status == MW_MEMORY)
        return MW_MEMORY;
    return post->elsewhere[0] && post->sends == 0 ? MW_DENIED : mw__transport_code(result);
}

static void explain(const mw_post *post, CURLcode result, int code, char why[MESSAGE])
{
    double seconds = (double)(mw_loop_now(post->loop) - post->started_us) / 1e6;
    if (post->too_large)
        snprintf(why, MESSAGE,
                 "the answer's body is larger than %llu bytes (max_body raises the limit)",
                 (unsigned long long)post->max_body);
    else if (code == MW_TOO_LARGE)
        snprintf(why, MESSAGE, "headers and trailers are larger than %u bytes", MW_MAX_HEADERS);
    else if (code == MW_DENIED)
        snprintf(why, MESSAGE,
                 "this leads to %s, and only loopback addresses are allowed; nothing was sent",
                 post->elsewhere);
    else if (code == MW_MEMORY)
        snprintf(why, MESSAGE, "%s", mw_err_text(code));
    else if (code == MW_TIMEOUT)
        snprintf(why, MESSAGE, "%s after %.1f s", post->sends ? "no whole answer" : "not connected",
                 seconds);
    else if (post->head.trouble == MW_HEADERS_BAD_LENGTH)
        snprintf(why, MESSAGE, "the answer's Content-Length is no usable number");
    else
        snprintf(why, MESSAGE, "%s",
                 post->trouble[0] ? post->trouble : mw__curl->easy_strerror(result));
}

static mw_sent sent(const mw_post *post)
{
    long bytes = 0;
    mw__curl->easy_getinfo(post->transfer.easy, CURLINFO_REQUEST_SIZE, &bytes);
    return post->sends == 0 || bytes == 0 ? MW_SENT_NOT : MW_SENT_UNKNOWN;
}

static void on_done(mw__transfer *transfer, CURLcode result)
{
    mw_post *post = (mw_post *)transfer;
    mw_answer answer = {.sent = MW_SENT_ANSWERED};
    char why[MESSAGE] = "";
    long status = 0;
    mw__curl->easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
    if (result == CURLE_OK) {
        answer.code = mw__headers_list(&post->head);
        answer.headers = post->head.list;
        answer.header_count = post->head.count;
        answer.body = post->answer.data;
        answer.body_length = post->answer.length;
        snprintf(why, sizeof why, "%s", answer.code ? mw_err_text(answer.code) : "");
    } else {
        answer.code = code_of(post, result);
        answer.sent = sent(post);
        explain(post, result, answer.code, why);
    }
    deliver(post, &answer, why);
}

static void on_loop_close(mw__closer *closer)
{
    mw_post *post = (mw_post *)(void *)((char *)closer - offsetof(mw_post, closer));
    mw_answer answer = {.code = MW_CANCELLED, .sent = sent(post)};
    mw__transport_remove(mw__transport_of(post->loop), &post->transfer);
    deliver(post, &answer, "the loop ends");
}

/* Copies the body, sets the handle up and puts it on the wire. */
static int start(mw_post *post, const mw_post_options *options, mw_error *error)
{
    mw__transport *transport = mw__transport_of(post->loop);
    post->transfer.easy = mw__curl->easy_init();
    post->body = malloc(options->body_length + 1);
    if (!transport || !post->transfer.easy || !post->body)
        return MW_MEMORY;
    if (options->body_length > 0)
        memcpy(post->body, options->body, options->body_length);
    int rc = mw__post_set_up(post, options, error);
    return rc == MW_OK ? mw__transport_add(transport, &post->transfer) : rc;
}

int mw_post_start(mw_loop *loop, const mw_post_options *options, mw_answer_fn done, void *ud,
                  mw_post **out, mw_error *error)
{
    int rc = mw__curl_load(error);
    if (rc != MW_OK)
        return rc;
    mw_post *post = calloc(1, sizeof *post);
    if (!post)
        return mw_error_set(error, MW_MEMORY, "", "post: %s", mw_err_text(MW_MEMORY));
    post->loop = loop;
    post->done = done;
    post->ud = ud;
    post->transfer.on_done = on_done;
    post->max_body = options->max_body ? options->max_body : 65536;
    post->started_us = mw_loop_now(loop);
    mw__buf_init(&post->answer, (size_t)post->max_body);
    mw__headers_init(&post->head);
    rc = start(post, options, error);
    if (rc != MW_OK) {
        free_post(post);
        return rc == MW_MEMORY ? mw_error_set(error, rc, "", "post: %s", mw_err_text(rc)) : rc;
    }
    post->closer.fn = on_loop_close;
    mw__loop_on_close(loop, &post->closer);
    mw__loop_hold(loop);
    *out = post;
    return MW_OK;
}

void mw_post_cancel(mw_post *post)
{
    if (!post)
        return;
    mw__transport_remove(mw__transport_of(post->loop), &post->transfer);
    leave(post);
    free_post(post);
}

/* local_gate.c: owns the calls of a client between submit and answer: their states, cancel and close.
 * Must not know curl options, what may go, or in which order. Loop's thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_private.h"
#include "dry_run.h"
#include "once.h"
#include "policy_private.h"

static void link_call(mw_client *client, mw__call *call)
{
    call->next = client->calls;
    call->prev = &client->calls;
    if (call->next)
        call->next->prev = &call->next;
    client->calls = call;
}

static void unlink_call(mw__call *call)
{
    *call->prev = call->next;
    if (call->next)
        call->next->prev = call->prev;
}

static void free_client_memory(mw_client *client)
{
    while (client->wires) {
        mw__wire *wire = client->wires;
        client->wires = wire->next;
        mw__wire_free(wire);
    }
    for (size_t k = 0; k <= MW_TOKEN_KINDS; k++) {
        for (size_t c = 0; c < MW_CONTENT_TYPES; c++)
            mw__curl->slist_free_all(client->headers[k][c]);
    }
    free(client->url);
    free(client->origin);
    free(client->prefix);
    free(client->account);
    free(client->user_agent);
    free(client->ca_file);
    free(client->proxy);
    free(client->journal_path);
    mw__journal_close(client->journal);
    free(client);
}

static void free_call(mw__call *call)
{
    mw__call_rest(call);
    mw__buf_free(&call->body);
    mw__headers_free(&call->headers);
    mw_request_free(call->request);
    free(call->problem);
    free(call->held);
    mw__once_free(call->once);
    free(call);
}

/* The call has had its answer. */
static void retire(mw__call *call)
{
    mw_client *client = call->client;
    unlink_call(call);
    if (client->loop)
        mw__loop_release(client->loop);
    free_call(call);
    if (client->calls) {
        mw__client_go(client);
        return;
    }
    if (client->loop_closes)
        client->loop = NULL;
    if (client->freed)
        free_client_memory(client);
}

/* Why a call ended that nobody cancelled and that got no answer. */
static void explain_end(mw__call *call, char *text, size_t size)
{
    const char *problem = call->problem ? call->problem : mw_err_text(call->post_code);
    double left = (double)(call->pause_ends_us - mw_loop_now(call->client->loop)) / 1e6;
    if (call->pause_ends_us > 0)
        snprintf(text, size, "%s: the server has asked to wait %.0f s more",
                 call->attempts > 0 ? "not sent again" : "not sent", left > 1 ? left : 1);
    else
        snprintf(text, size, "%s", problem);
}

static void on_post(mw__post *post)
{
    mw__call *call = (mw__call *)(void *)((char *)post - offsetof(mw__call, post));
    char text[sizeof((mw_error *)0)->message];
    if (call->post_code == MW_OK) {
        mw__call_held(call);
    } else {
        explain_end(call, text, sizeof text);
        mw__call_fail(call, call->post_code, text);
    }
    retire(call);
}

/* The call leaves the wire. */
static void give_place(mw__call *call)
{
    call->client->running--;
    mw__queue_done(call);
}

void mw__call_end(mw__call *call, int code)
{
    if (call->state == MW_CALL_ENDING) {
        if (call->held)
            call->post_code = code; /* its answer has not been given yet */
        return;
    }
    mw__retry_stop(call);
    mw__once_stop(call);
    if (call->state == MW_CALL_WAITING)
        mw__queue_drop(call);
    if (call->state == MW_CALL_RUNNING) {
        mw__transport_remove(mw__loop_transport(call->client->loop), &call->wire->transfer);
        give_place(call);
    }
    call->state = MW_CALL_ENDING;
    call->post_code = code;
    call->post.fn = on_post;
    mw__loop_post(call->client->loop, &call->post);
}

static void on_retry(mw__call *call)
{
    mw__retry_stop(call);
    if (call->once && call->before == MW_SENT_UNKNOWN) {
        mw__once_look(call);
        return;
    }
    mw__queue_push(call, MW_TURN_AGAIN);
    mw__client_go(call->client);
}

/* Whether the call goes again; then it waits for that by now. Who is refused stops its lane, even if it does not. */
static bool goes_again(mw__call *call, const mw__attempt *attempt)
{
    mw_client *client = call->client;
    bool again = mw__retry_wanted(call, attempt);
    if (attempt->status != 429) {
        again = again && mw__retry_wait(call, attempt, on_retry);
        if (again)
            call->state = MW_CALL_RETRYING;
        return again;
    }
    int64_t now = mw_loop_now(client->loop);
    uint64_t random = mw__random_next(mw__loop_random(client->loop));
    int64_t wait = mw__retry_delay_us(attempt, call->retries, random);
    mw__queue_refused(call, now, mw__retry_window_begin_us(attempt, now), wait);
    if (!again || mw__queue_too_long(call, wait))
        return false;
    mw__retry_begin(call, attempt);
    mw__queue_push(call, MW_TURN_AGAIN);
    return true;
}

void mw__wire_done(mw__transfer *transfer, CURLcode result)
{
    mw__call *call = ((mw__wire *)(void *)transfer)->call;
    char *url = NULL;
    if (mw__headers_list(&call->headers) != MW_OK)
        result = CURLE_OUT_OF_MEMORY;
    if (result == CURLE_OK && mw__call_redirect(call, &url)) {
        call->redirects++;
        int rc = mw__call_send(call, url, NULL);
        mw__curl->free(url);
        if (rc == MW_OK)
            return;
        result = CURLE_OUT_OF_MEMORY;
    }
    give_place(call);
    mw__attempt attempt = mw__call_attempt(call, result);
    if (mw__once_doubts(call, &attempt) || goes_again(call, &attempt)) {
        mw__client_go(call->client);
        return;
    }
    call->state = MW_CALL_ENDING;
    mw__call_answer(call, result);
    retire(call);
}

static void start(mw__call *call)
{
    mw_error error = {0};
    call->state = MW_CALL_RUNNING;
    call->client->running++;
    int rc = mw__call_start(call, &error);
    if (rc == MW_OK)
        return;
    give_place(call);
    call->state = MW_CALL_NEW;
    call->problem = error.message[0] ? strdup(error.message) : NULL;
    mw__call_end(call, rc);
}

void mw__client_go(mw_client *client)
{
    mw__call *call;
    if (client->closed)
        return; /* what waits has ended */
    while (client->running < client->concurrency && (call = mw__queue_next(client)) != NULL)
        start(call);
    mw__queue_rest(client);
}

/* Where the call has to wait. */
static int find_way(mw__call *call, mw_error *error)
{
    mw_client *client = call->client;
    const mw_request *request = call->request;
    mw_lane raw = request->verb == MW_GET ? MW_LANE_ALL : MW_LANE_WRITE;
    mw__payer payer = {.lane = request->operation ? request->operation->lane : raw,
                       .account = request->account ? request->account : client->account,
                       .token = call->token};
    for (size_t k = 0; k < MW_TOKEN_KINDS; k++) {
        if (call->token & (1u << k))
            payer.token_text = client->tokens[k];
    }
    return mw__pacer_way(&client->pacer, &payer, &call->way, error);
}

static int submit(mw_gate *gate, mw_request *request, mw_answer_fn done, void *ud, mw_call_id *id,
                  mw_error *error)
{
    mw_client *client = (mw_client *)(void *)gate;
    mw__call *call = calloc(1, sizeof *call);
    if (!call)
        return mw_error_set(error, MW_MEMORY, NULL, "%s: out of memory", request->name);
    int rc = mw__admit(client, request, call, error);
    if (rc != MW_OK) {
        free(call);
        return rc;
    }
    call->client = client;
    call->request = request;
    call->done = done;
    call->ud = ud;
    call->id = ++client->last_id;
    call->submitted_us = mw_loop_now(client->loop);
    call->waits_since_us = call->submitted_us;
    link_call(client, call);
    mw__loop_hold(client->loop);
    if (id)
        *id = call->id;
    if (call->held) {
        mw__call_end(call, MW_OK);
        return MW_OK;
    }
    mw_error problem = {0};
    rc = find_way(call, &problem);
    if (rc != MW_OK) { /* it has been counted as one that goes */
        call->problem = problem.message[0] ? strdup(problem.message) : NULL;
        mw__call_end(call, rc);
        return MW_OK;
    }
    if (request->once && !mw__once_begin(call))
        return MW_OK;
    mw__queue_push(call, MW_TURN_FIRST);
    mw__client_go(client);
    return MW_OK;
}

static void cancel(mw_gate *gate, mw_call_id id)
{
    mw_client *client = (mw_client *)(void *)gate;
    mw__call *call = client->calls;
    while (call && call->id != id)
        call = call->next;
    if (!call)
        return;
    mw__call_end(call, MW_CANCELLED);
    mw__client_go(client);
}

static int keep_request(int rc, mw_request **request)
{
    if (rc != MW_OK) {
        mw_request_free(*request);
        *request = NULL;
    }
    return rc;
}

static int make_request(mw_gate *gate, const mw_operation *operation, const mw_value *path,
                        size_t path_count, const mw_value *params, const mw_call_options *options,
                        mw_request **request, mw_error *error)
{
    const mw_policy *policy = ((mw_client *)(void *)gate)->policy;
    int rc = mw_request_new(operation, path, path_count, params, options, request, error);
    if (rc != MW_OK || !policy || !policy->dry_run)
        return rc;
    rc = mw__dry_run_prepare(*request, operation, NULL, path, path_count, params, options, error);
    return keep_request(rc, request);
}

static int make_request_raw(mw_gate *gate, mw_verb verb, const char *path, const mw_value *params,
                            const mw_call_options *options, mw_request **request, mw_error *error)
{
    const mw_policy *policy = ((mw_client *)(void *)gate)->policy;
    int rc = mw_request_raw(gate->service, verb, path, params, options, request, error);
    if (rc != MW_OK || !policy || !policy->dry_run)
        return rc;
    rc = mw__dry_run_prepare(*request, NULL, path, NULL, 0, params, options, error);
    return keep_request(rc, request);
}

static int stats(mw_gate *gate, mw_lane_stats list[MW_LANES])
{
    mw__queue_stats((mw_client *)(void *)gate, list);
    return MW_OK;
}

static const mw__gate_kind local_gate = {.request = make_request,
                                         .request_raw = make_request_raw,
                                         .submit = submit,
                                         .cancel = cancel,
                                         .stats = stats};

static void on_loop_close(mw__closer *closer)
{
    mw_client *client = (mw_client *)(void *)((char *)closer - offsetof(mw_client, closer));
    mw_client_close(client);
    client->loop_closes = true;
    if (!client->calls)
        client->loop = NULL;
}

void mw__client_open(mw_client *client)
{
    client->gate.kind = &local_gate;
    client->closer.fn = on_loop_close;
    mw__loop_on_close(client->loop, &client->closer);
}

void mw_client_close(mw_client *client)
{
    if (client->closed)
        return;
    client->closed = true;
    for (mw__call *call = client->calls; call; call = call->next)
        mw__call_end(call, MW_CANCELLED);
    mw__queue_close(client);
    mw__pacer_close(&client->pacer);
}

static void drop_secret(mw_loop *loop, char **secret)
{
    if (!*secret)
        return;
    if (loop)
        mw__loop_drop_secret(loop, *secret);
    explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

void mw_client_free(mw_client *client)
{
    if (!client)
        return;
    mw_client_close(client);
    mw__gate_forget(&client->gate);
    mw__loop_off_close(&client->closer);
    for (size_t k = 0; k < MW_TOKEN_KINDS; k++)
        drop_secret(client->loop, &client->tokens[k]);
    for (size_t k = 0; k < 2; k++)
        drop_secret(client->loop, &client->proxy_secrets[k]);
    for (mw__call *call = client->calls; call && client->policy; call = call->next)
        mw__admission_ended(call, &(mw_answer){.code = MW_CANCELLED});
    client->policy = NULL; /* its owner may free it now */
    mw_policy_free(client->own);
    client->own = NULL;
    client->freed = true;
    if (!client->calls)
        free_client_memory(client);
}

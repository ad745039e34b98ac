/* local_gate.c: owns the calls of a client between submit and answer: the queue, cancel and close.
 * Must not know curl options or what may go. Loop's thread. */
#include <stdlib.h>
#include <string.h>

#include "client_private.h"
#include "dry_run.h"
#include "policy_private.h"

static void start_next(mw_client *client);

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
        start_next(client);
        return;
    }
    if (client->loop_closes)
        client->loop = NULL;
    if (client->freed)
        free_client_memory(client);
}

static void on_post(mw__post *post)
{
    mw__call *call = (mw__call *)(void *)((char *)post - offsetof(mw__call, post));
    if (call->post_code == MW_OK)
        mw__call_held(call);
    else
        mw__call_fail(call, call->post_code,
                      call->problem ? call->problem : mw_err_text(call->post_code));
    retire(call);
}

/* Ends a call from outside of its own callback: the answer comes on the next turn. */
static void end_later(mw__call *call, int code)
{
    if (call->state == MW_CALL_ENDING) {
        if (call->held)
            call->post_code = code; /* its answer has not been given yet */
        return;
    }
    mw__retry_stop(call);
    if (call->state == MW_CALL_RUNNING) {
        mw__transport_remove(mw__loop_transport(call->client->loop), &call->wire->transfer);
        call->client->running--;
    }
    call->state = MW_CALL_ENDING;
    call->post_code = code;
    call->post.fn = on_post;
    mw__loop_post(call->client->loop, &call->post);
}

static void leave_queue(mw_client *client, mw__call *call);

/* A call that is to be sent again goes before those that wait for their first turn, unless its time is up. */
static void on_retry(mw__call *call)
{
    mw_client *client = call->client;
    if (call->state == MW_CALL_WAITING) {
        leave_queue(client, call);
        call->problem = strdup("no turn to be sent again before its timeout");
        end_later(call, MW_TIMEOUT);
        return;
    }
    call->state = MW_CALL_WAITING;
    call->next_waiting = client->waiting;
    if (!client->waiting)
        client->waiting_end = &call->next_waiting;
    client->waiting = call;
    mw__retry_queued(call);
    start_next(client);
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
    call->client->running--;
    mw__attempt attempt = mw__call_attempt(call, result);
    if (mw__retry_wait(call, &attempt, on_retry)) {
        call->state = MW_CALL_RETRYING;
        start_next(call->client);
        return;
    }
    call->state = MW_CALL_ENDING;
    mw__call_answer(call, result);
    retire(call);
}

static void start(mw__call *call)
{
    mw_error error = {0};
    mw__retry_stop(call);
    int rc = mw__call_start(call, &error);
    if (rc == MW_OK) {
        call->state = MW_CALL_RUNNING;
        call->client->running++;
        return;
    }
    call->problem = error.message[0] ? strdup(error.message) : NULL;
    end_later(call, rc);
}

static void start_next(mw_client *client)
{
    while (client->waiting && client->running < client->concurrency) {
        mw__call *call = client->waiting;
        client->waiting = call->next_waiting;
        call->next_waiting = NULL;
        if (!client->waiting)
            client->waiting_end = &client->waiting;
        start(call);
    }
}

static void leave_queue(mw_client *client, mw__call *call)
{
    mw__call **link = &client->waiting;
    while (*link && *link != call)
        link = &(*link)->next_waiting;
    if (!*link)
        return;
    *link = call->next_waiting;
    if (client->waiting_end == &call->next_waiting)
        client->waiting_end = link;
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
    call->state = MW_CALL_WAITING;
    call->submitted_us = mw_loop_now(client->loop);
    call->waits_since_us = call->submitted_us;
    link_call(client, call);
    mw__loop_hold(client->loop);
    if (call->held) {
        if (id)
            *id = call->id;
        end_later(call, MW_OK);
        return MW_OK;
    }
    *client->waiting_end = call;
    client->waiting_end = &call->next_waiting;
    if (id)
        *id = call->id;
    start_next(client);
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
    leave_queue(client, call);
    end_later(call, MW_CANCELLED);
    start_next(client);
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

static const mw__gate_kind local_gate = {
    .request = make_request, .request_raw = make_request_raw, .submit = submit, .cancel = cancel};

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
    client->waiting_end = &client->waiting;
    client->closer.fn = on_loop_close;
    mw__loop_on_close(client->loop, &client->closer);
}

void mw_client_close(mw_client *client)
{
    if (client->closed)
        return;
    client->closed = true;
    client->waiting = NULL;
    client->waiting_end = &client->waiting;
    for (mw__call *call = client->calls; call; call = call->next)
        end_later(call, MW_CANCELLED);
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

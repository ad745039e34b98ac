/* outcome.c: owns what became of a call: from libcurl's result and the status to one code, one line
 * and whether the request left. Must not know queues. Loop's thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client_private.h"
#include "once.h"

static int of_status(const mw_request *request, long status)
{
    /* A gateway speaks here: the server behind it may have done the work. */
    bool gateway = status == 502 || status == 503 || status == 504;
    if (gateway && mw__request_mutates(request) && !mw__request_idempotent(request))
        return MW_AMBIGUOUS;
    if (status >= 200 && status < 300)
        return MW_OK;
    if (status >= 500)
        return MW_SERVER;
    switch (status) {
    case 401:
        return MW_AUTH;
    case 403:
        return MW_FORBIDDEN;
    case 404:
        return MW_NOT_FOUND;
    case 409:
        return MW_CONFLICT;
    case 429:
        return MW_RATE_LIMITED;
    default:
        return MW_REJECTED;
    }
}

static int of_result(const mw__call *call, CURLcode result)
{
    if (call->body_too_large || call->headers.trouble == MW_HEADERS_TOO_LARGE)
        return MW_TOO_LARGE;
    return mw__transport_code(result);
}

static mw_sent sent(const mw__call *call, CURLcode result)
{
    if (result == CURLE_OK)
        return MW_SENT_ANSWERED;
    long bytes = 0;
    mw__curl->easy_getinfo(call->wire->transfer.easy, CURLINFO_REQUEST_SIZE, &bytes);
    bool nothing = call->attempt_sends == 0 || (bytes == 0 && call->attempt_sends == 1);
    return nothing ? MW_SENT_NOT : MW_SENT_UNKNOWN;
}

enum { MESSAGE = 640, SHOWN_URL = 2048, SHOWN_LOCATION = 300 };

static void explain_timeout(const mw__call *call, char *text)
{
    const mw_call_options *own = &call->request->options;
    uint32_t total = own->timeout_ms ? own->timeout_ms : call->client->timeout_ms;
    int64_t spent = (mw_loop_now(call->client->loop) - call->started_us) / 1000;
    double seconds = (double)spent / 1000;
    if (call->attempt_sends == 0)
        snprintf(text, MESSAGE, "not connected after %.1f s", seconds);
    else if (spent + 50 >= total)
        snprintf(text, MESSAGE, "no whole answer after %.1f s", seconds);
    else
        snprintf(text, MESSAGE, "the answer stalled; given up after %.1f s", seconds);
}

static void explain_result(const mw__call *call, CURLcode result, int code, char *text)
{
    const char *detail = call->wire->trouble;
    if (call->body_too_large)
        snprintf(text, MESSAGE, "the body is larger than %llu bytes (max_body raises the limit)",
                 (unsigned long long)call->max_body);
    else if (code == MW_TOO_LARGE)
        snprintf(text, MESSAGE, "headers and trailers are larger than %u bytes", MW_MAX_HEADERS);
    else if (call->headers.trouble == MW_HEADERS_BAD_LENGTH)
        snprintf(text, MESSAGE, "the answer's Content-Length is no usable number");
    else if (call->sent_twice)
        snprintf(text, MESSAGE, "the connection died before the answer");
    else if (result == CURLE_ABORTED_BY_CALLBACK)
        snprintf(text, MESSAGE, "a file that was to be sent could not be read to its end");
    else if (code == MW_TIMEOUT)
        explain_timeout(call, text);
    else
        snprintf(text, MESSAGE, "%s", detail[0] ? detail : mw__curl->easy_strerror(result));
}

static const char *documented(const mw_request *request, long status)
{
    const mw_response *response = request->operation ? request->operation->responses : NULL;
    for (; response && response->status; response++) {
        if (response->status == status)
            return response->meaning;
    }
    return "";
}

static void explain_status(const mw__call *call, long status, char *text)
{
    const char *location = mw__headers_get(&call->headers, "location");
    const char *meaning = documented(call->request, status);
    if (status >= 300 && status < 400 && location) {
        char shown[SHOWN_LOCATION];
        snprintf(shown, sizeof shown, "%s", location);
        mw__redact_url(shown);
        snprintf(text, MESSAGE,
                 "the server redirects to %s, which is not followed; check the base URL", shown);
    } else if (meaning[0]) {
        snprintf(text, MESSAGE, "the server answered %ld: %s", status, meaning);
    } else {
        snprintf(text, MESSAGE, "the server answered %ld", status);
    }
}

/* Seconds, or a date by the server's own clock where it gives one. */
static double retry_after(const mw__headers *headers)
{
    const char *value = mw__headers_get(headers, "retry-after");
    if (!value)
        return -1;
    char *end;
    double seconds = strtod(value, &end);
    if (end != value && *end == '\0')
        return seconds >= 0 && seconds < 1e9 ? seconds : -1;
    time_t then = mw__curl->getdate(value, NULL);
    const char *date = mw__headers_get(headers, "date");
    time_t now = date ? mw__curl->getdate(date, NULL) : time(NULL);
    if (then == -1 || now == -1)
        return -1;
    return then > now ? difftime(then, now) : 0;
}

/* Whether a request that got no answer may get one the next time; what is wrong with a certificate, an answer or a
 * file stays wrong, and so does what a proxy does not allow. */
static bool passing(const mw__call *call, CURLcode result)
{
    if (call->body_too_large || call->headers.trouble != MW_HEADERS_FINE)
        return false;
    long proxy = 0;
    mw__curl->easy_getinfo(call->wire->transfer.easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
    if (call->attempt_sends == 0 && proxy >= 400 && proxy < 500 && proxy != 429)
        return false;
    switch (result) {
    case CURLE_ABORTED_BY_CALLBACK:
        return call->sent_twice;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}

mw__attempt mw__call_attempt(const mw__call *call, CURLcode result)
{
    mw__attempt attempt = {
        .sent = sent(call, result), .retry_after = -1, .window_ms = mw__way_window_ms(call->way)};
    if (result != CURLE_OK) {
        attempt.passing = passing(call, result);
        return attempt;
    }
    long status = 0;
    mw__curl->easy_getinfo(call->wire->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    attempt.status = (int)status;
    attempt.retry_after = retry_after(&call->headers);
    if (status != 429)
        return attempt;
    const char *date = mw__headers_get(&call->headers, "date");
    time_t now = date ? mw__curl->getdate(date, NULL) : time(NULL);
    attempt.server_time = now == -1 ? time(NULL) : now;
    return attempt;
}

static void add_text(char *text, const char *more)
{
    size_t length = strlen(text);
    snprintf(text + length, MESSAGE - length, "%s", more);
}

/* Hands the answer over; `text` is the message. */
static void deliver(mw__call *call, mw_answer *answer, char *text)
{
    mw_loop *loop = call->client->loop;
    char url[SHOWN_URL] = "";
    char *effective = NULL;
    if (call->wire)
        mw__curl->easy_getinfo(call->wire->transfer.easy, CURLINFO_EFFECTIVE_URL, &effective);
    if (effective) {
        snprintf(url, sizeof url, "%s", effective);
        mw__redact_url(url);
        mw_loop_redact(loop, url);
    }
    mw__clean_text(text);
    mw_loop_redact(loop, text);
    int64_t now = mw_loop_now(loop);
    answer->elapsed_us = now - call->submitted_us;
    answer->waited_us = call->waited_us + (call->waits_since_us ? now - call->waits_since_us : 0);
    answer->attempts = call->attempts > 0 || call->held || call->once ? call->attempts : 1;
    answer->url = url;
    answer->message = text;
    if (!answer->field)
        answer->field = "";
    answer->headers = call->headers.list;
    answer->header_count = call->headers.count;
    if (!answer->request_id)
        answer->request_id = "";
    if (!answer->body)
        answer->body = "";
    mw__once_ended(call, answer);
    mw__loop_stir(loop);
    if (call->client->policy)
        mw__admission_ended(call, answer);
    call->done(answer, call->ud);
}

void mw__call_held(mw__call *call)
{
    mw_answer answer = {.code = MW_OK,
                        .status = 200,
                        .sent = MW_SENT_NOT,
                        .retry_after = -1,
                        .body = call->held,
                        .body_length = call->held_length};
    if (call->once)
        answer.body = mw__once_body(call, &answer.body_length);
    if (call->attempts > 0)
        answer.sent = MW_SENT_ANSWERED; /* it came, as was found */
    deliver(call, &answer, (char[MESSAGE]){0});
}

void mw__call_fail(mw__call *call, int code, const char *message)
{
    mw_answer answer = {.code = code, .retry_after = -1};
    char text[MESSAGE];
    answer.sent = call->attempt_sends > 0 ? MW_SENT_UNKNOWN : call->before;
    if (code == MW_TIMEOUT && answer.sent == MW_SENT_UNKNOWN && mw__request_mutates(call->request))
        answer.code = MW_AMBIGUOUS;
    if (call->pause_ends_us > 0) {
        int64_t left = call->pause_ends_us - mw_loop_now(call->client->loop);
        answer.retry_after = left > 0 ? (double)left / 1e6 : 0;
    }
    snprintf(text, sizeof text, "%s", message);
    deliver(call, &answer, text);
}

void mw__call_answer(mw__call *call, CURLcode result)
{
    mw_answer answer = {.retry_after = -1, .sent = sent(call, result)};
    char text[MESSAGE] = "";
    long status = 0;
    mw__curl->easy_getinfo(call->wire->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
    if (result == CURLE_OK) {
        answer.code = of_status(call->request, status);
        /* "No such thing" of the second DELETE may be the work of the first. */
        if (answer.code != MW_OK && mw__request_mutates(call->request))
            answer.sent = mw__retry_sent(call->before, answer.sent);
        answer.retry_after = retry_after(&call->headers);
        answer.request_id = mw__headers_get(&call->headers, "x-request-id");
        answer.body = call->body.data;
        answer.body_length = call->body.length;
        if (answer.code != MW_OK)
            explain_status(call, status, text);
    } else {
        answer.code = of_result(call, result);
        explain_result(call, result, answer.code, text);
        if (answer.sent == MW_SENT_NOT && call->before == MW_SENT_UNKNOWN)
            add_text(text, "; an attempt before this one went out");
        answer.sent = mw__retry_sent(call->before, answer.sent);
        bool unclear = answer.sent == MW_SENT_UNKNOWN && answer.code != MW_TOO_LARGE &&
                       answer.code != MW_MEMORY && mw__request_mutates(call->request);
        if (unclear)
            answer.code = MW_AMBIGUOUS;
    }
    deliver(call, &answer, text);
}

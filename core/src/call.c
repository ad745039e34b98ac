/* call.c: owns one call on the wire: an easy handle set up so that libcurl does what was checked
 * and no more. Must not know queues or what the answer means. Loop's thread. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client_private.h"
#include "once.h"
#include "policy_private.h"
#include "urlencode.h"

#define SET(easy, option, value) mw__curl->easy_setopt(easy, option, value)

static size_t on_body(char *data, size_t size, size_t count, void *ud)
{
    (void)size;
    mw__call *call = ((mw__wire *)ud)->call;
    if (call->body.length == 0 && call->headers.length > 0 &&
        (uint64_t)call->headers.length <= call->max_body)
        mw__buf_reserve(&call->body, (size_t)call->headers.length);
    if (mw__buf_append(&call->body, data, count) == MW_OK)
        return count;
    call->body_too_large = call->body.status == MW_TOO_LARGE;
    return CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *line, size_t size, size_t count, void *ud)
{
    (void)size;
    mw__call *call = ((mw__wire *)ud)->call;
    if (!mw__headers_line(&call->headers, line, count))
        return CURL_WRITEFUNC_ERROR;
    if (call->headers.length > 0 && (uint64_t)call->headers.length > call->max_body) {
        call->body_too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return count;
}

/* Called each time the request begins to go out. libcurl itself sends again on a fresh connection
 * when a reused one dies before the answer, whatever the verb: what may go out only once stops here. */
static int on_send(void *ud, char *ip, char *local_ip, int port, int local_port)
{
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    mw__call *call = ((mw__wire *)ud)->call;
    bool again = mw__request_idempotent(call->request) && mw__retry_left(call);
    if (call->hop_sends > 0 && !again) {
        call->sent_twice = true;
        return CURL_PREREQFUNC_ABORT;
    }
    mw__once_sends(call);
    if (call->hop_sends > 0) {
        call->attempts++;
        call->retries++;
        call->before = MW_SENT_UNKNOWN;
    }
    call->hop_sends++;
    call->attempt_sends++;
    call->sends++;
    if (call->sends > 1 && call->client->policy)
        mw__policy_resent(call->client->policy, call->bytes);
    call->client->gate.sent++;
    call->client->queue.lanes[call->way->lane].sent++;
    return CURL_PREREQFUNC_OK;
}

/* What is the same for all calls of a client is set once a handle. */
static void set_up(mw__wire *wire, const mw_client *client)
{
    CURL *easy = wire->transfer.easy;
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_NOPROGRESS, 1L);
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_PATH_AS_IS, 1L);
    SET(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(easy, CURLOPT_USERAGENT, client->user_agent);
    SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(easy, CURLOPT_SSL_VERIFYPEER, client->insecure ? 0L : 1L);
    SET(easy, CURLOPT_SSL_VERIFYHOST, client->insecure ? 0L : 2L);
    if (client->ca_file)
        SET(easy, CURLOPT_CAINFO, client->ca_file); /* the system's folder of certificates stays */
    SET(easy, CURLOPT_PIPEWAIT, strncmp(client->origin, "https:", 6) == 0 ? 1L : 0L);
    SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(easy, CURLOPT_PROXY, client->proxy ? client->proxy : "");
    if (!client->proxy_from_env)
        SET(easy, CURLOPT_NOPROXY, "");
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, wire);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_HEADERDATA, wire);
    SET(easy, CURLOPT_PREREQFUNCTION, on_send);
    SET(easy, CURLOPT_PREREQDATA, wire);
    SET(easy, CURLOPT_ERRORBUFFER, wire->trouble);
}

static mw__wire *take_wire(mw_client *client)
{
    mw__wire *wire = client->wires;
    if (wire) {
        client->wires = wire->next;
        return wire;
    }
    wire = calloc(1, sizeof *wire);
    if (!wire)
        return NULL;
    wire->transfer.on_done = mw__wire_done;
    wire->transfer.easy = mw__curl->easy_init();
    if (!wire->transfer.easy) {
        free(wire);
        return NULL;
    }
    set_up(wire, client);
    mw__transport_set_up(mw__loop_transport(client->loop), &wire->transfer);
    return wire;
}

void mw__wire_free(mw__wire *wire)
{
    mw__curl->easy_cleanup(wire->transfer.easy);
    free(wire);
}

void mw__call_rest(mw__call *call)
{
    mw__wire *wire = call->wire;
    if (!wire)
        return;
    SET(wire->transfer.easy, CURLOPT_HTTPHEADER, NULL);
    SET(wire->transfer.easy, CURLOPT_POSTFIELDS, NULL);
    if (call->mime) {
        SET(wire->transfer.easy, CURLOPT_MIMEPOST, NULL);
        mw__curl->mime_free(call->mime);
        call->mime = NULL;
    }
    wire->call = NULL;
    wire->next = call->client->wires;
    call->client->wires = wire;
    call->wire = NULL;
}

/* Sends what was there when the request was made: a file that has grown since would spill into the next request on
 * the connection. */
static size_t read_file(char *buffer, size_t size, size_t count, void *ud)
{
    mw__part *part = ud;
    uint64_t left = part->size - part->offset;
    size_t room = size * count;
    if (left == 0)
        return 0;
    ssize_t n = pread(part->fd, buffer, left < room ? (size_t)left : room, (off_t)part->offset);
    if (n <= 0)
        return CURL_READFUNC_ABORT; /* it has shrunk */
    part->offset += (uint64_t)n;
    return (size_t)n;
}

static int seek_file(void *ud, curl_off_t offset, int origin)
{
    mw__part *part = ud;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > part->size)
        return CURL_SEEKFUNC_FAIL;
    part->offset = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool add_part(curl_mime *mime, mw__part *part)
{
    curl_mimepart *made = mw__curl->mime_addpart(mime);
    CURLcode code = made ? mw__curl->mime_name(made, part->name) : CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK)
        return false;
    if (part->fd < 0)
        return mw__curl->mime_data(made, part->text, part->length) == CURLE_OK;
    code = mw__curl->mime_data_cb(made, (curl_off_t)part->size, read_file, seek_file, NULL, part);
    if (code == CURLE_OK)
        code = mw__curl->mime_filename(made, part->file_name);
    return code == CURLE_OK && mw__curl->mime_type(made, part->mime) == CURLE_OK;
}

static int set_parts(mw__call *call)
{
    CURL *easy = call->wire->transfer.easy;
    call->mime = mw__curl->mime_init(easy);
    if (!call->mime)
        return MW_MEMORY;
    mw__parts *parts = &call->request->parts;
    for (size_t i = 0; i < parts->count; i++) {
        parts->list[i].offset = 0;
        if (!add_part(call->mime, &parts->list[i]))
            return MW_MEMORY;
    }
    SET(easy, CURLOPT_MIMEPOST, call->mime);
    return MW_OK;
}

static int set_body(mw__call *call)
{
    CURL *easy = call->wire->transfer.easy;
    const mw_request *request = call->request;
    bool wants_body =
        request->verb == MW_POST || request->verb == MW_PUT || request->verb == MW_PATCH;
    if (request->parts.count > 0) {
        int rc = set_parts(call);
        if (rc != MW_OK)
            return rc;
    } else if (request->body || wants_body) {
        SET(easy, CURLOPT_POST, 1L);
        SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
        SET(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    } else {
        SET(easy, CURLOPT_HTTPGET, 1L);
    }
    bool as_is = request->verb == MW_GET ? !request->body : request->verb == MW_POST;
    SET(easy, CURLOPT_CUSTOMREQUEST, as_is ? NULL : mw_verb_name(request->verb));
    return MW_OK;
}

static struct curl_slist *make_headers(const mw_client *client, unsigned kind, size_t content)
{
    static const char *const types[MW_CONTENT_TYPES] = {
        NULL, "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded",
        "Content-Type:"};
    mw__buf token;
    mw__buf_init(&token, 16 * 1024);
    if (kind > 0) {
        bool bearer = client->gate.service == MW_CIRCUIT;
        mw__buf_puts(&token, bearer ? "Authorization: Bearer " : "api_access_token: ");
        mw__buf_puts(&token, client->tokens[kind - 1]);
    }
    /* No "Expect: 100-continue": servers that don't know it cost a second of waiting. */
    const char *lines[] = {"Accept: application/json", "Expect:", types[content],
                           kind > 0 ? token.data : NULL};
    struct curl_slist *list = NULL;
    bool fine = token.status == MW_OK;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0] && fine; i++) {
        if (!lines[i])
            continue;
        struct curl_slist *longer = mw__curl->slist_append(list, lines[i]);
        fine = longer != NULL;
        list = longer ? longer : list;
    }
    if (token.data)
        explicit_bzero(token.data, token.length);
    mw__buf_free(&token);
    if (!fine) {
        mw__curl->slist_free_all(list);
        list = NULL;
    }
    return list;
}

static int set_headers(mw__call *call)
{
    mw_client *client = call->client;
    unsigned kind = 0;
    for (unsigned bits = call->token; bits; bits >>= 1)
        kind++;
    const char *type = call->request->content_type;
    size_t content = call->request->parts.count > 0 ? 0 : 3;
    if (type)
        content = strcmp(type, "application/json") == 0 ? 1 : 2;
    struct curl_slist **list = &client->headers[kind][content];
    if (!*list)
        *list = make_headers(client, kind, content);
    if (!*list)
        return MW_MEMORY;
    SET(call->wire->transfer.easy, CURLOPT_HTTPHEADER, *list);
    return MW_OK;
}

static void set_limits(mw__call *call)
{
    const mw_client *client = call->client;
    const mw_call_options *own = &call->request->options;
    CURL *easy = call->wire->transfer.easy;
    uint32_t stall = own->stall_timeout_ms ? own->stall_timeout_ms : client->stall_timeout_ms;
    if (!own->stall_timeout_ms && own->timeout_ms > stall)
        stall = own->timeout_ms; /* who allows a slow answer more time means it */
    uint32_t connect =
        own->connect_timeout_ms ? own->connect_timeout_ms : client->connect_timeout_ms;
    SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect);
    SET(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(easy, CURLOPT_LOW_SPEED_TIME, ((long)stall + 999) / 1000);
    call->max_body = own->max_body ? own->max_body : client->max_body;
}

/* What libcurl understands must be what was checked, to the byte. Asking its parser costs a tenth of
 * a call, so it is asked once about the origin, and then where there is something to ask. */
static int set_url(mw__call *call, const char *url, mw_error *error)
{
    mw_client *client = call->client;
    size_t origin = strlen(client->origin);
    bool plain = strncmp(url, client->origin, origin) == 0 && mw__url_is_plain(url + origin);
    int rc = MW_MEMORY;
    if (plain && client->origin_kept)
        return SET(call->wire->transfer.easy, CURLOPT_URL, url) == CURLE_OK ? MW_OK : rc;
    CURLU *parsed = mw__curl->url();
    char *sent = NULL;
    if (!parsed)
        return rc;
    CURLUcode code = mw__curl->url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS);
    if (code == CURLUE_OK)
        code = mw__curl->url_get(parsed, CURLUPART_URL, &sent, 0);
    if (code == CURLUE_OUT_OF_MEMORY)
        goto out;
    if (code != CURLUE_OK || strcmp(url, sent) != 0) {
        rc = mw_error_set(error, MW_INVALID, "url", "%s: the URL can't be sent as it was checked",
                          mw_request_name(call->request));
        goto out;
    }
    client->origin_kept |= plain;
    rc = SET(call->wire->transfer.easy, CURLOPT_URL, url) == CURLE_OK ? MW_OK : MW_MEMORY;
out:
    mw__curl->free(sent);
    mw__curl->url_cleanup(parsed);
    return rc;
}

int mw__call_send(mw__call *call, const char *url, mw_error *error)
{
    int rc = set_url(call, url, error);
    if (rc != MW_OK)
        return rc;
    int64_t left = (mw__retry_deadline_us(call) - mw_loop_now(call->client->loop)) / 1000;
    SET(call->wire->transfer.easy, CURLOPT_TIMEOUT_MS, (long)(left > 0 ? left : 1));
    mw__buf_free(&call->body);
    mw__buf_init(&call->body, call->max_body);
    mw__headers_free(&call->headers);
    mw__headers_init(&call->headers);
    call->wire->trouble[0] = '\0';
    call->hop_sends = 0;
    return mw__transport_add(mw__transport_of(call->client->loop), &call->wire->transfer);
}

int mw__call_start(mw__call *call, mw_error *error)
{
    const mw_client *client = call->client;
    int64_t now = mw_loop_now(client->loop);
    if (call->started_us == 0)
        call->started_us = now;
    call->waited_us += now - call->waits_since_us;
    call->waits_since_us = 0;
    call->attempts++;
    call->attempt_sends = 0;
    call->redirects = 0;
    call->sent_twice = false;
    call->wire = take_wire(call->client);
    if (!call->wire)
        return MW_MEMORY;
    call->wire->call = call;
    set_limits(call);
    int rc = set_headers(call);
    if (rc == MW_OK)
        rc = set_body(call);
    if (rc != MW_OK)
        return rc;
    mw__buf url;
    mw__buf_init(&url, 2 * MW_MAX_URL);
    mw__buf_puts(&url, client->origin);
    mw__buf_puts(&url, client->prefix);
    const char *account = call->request->account ? call->request->account : client->account;
    rc = mw__request_target(call->request, account, client->upstream, &url);
    if (rc == MW_OK)
        rc = mw__call_send(call, url.data, error);
    mw__buf_free(&url);
    return rc;
}

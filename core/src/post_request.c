/* post_request.c: owns what a post sends: what of it is refused, what libcurl is told and what it may do. Must not
 * know what becomes of it. Loop's thread. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "mw/version.h"
#include "post_private.h"

#define MAX_URL (8u * 1024u)
#define MAX_LINE (64u * 1024u) /* of one header */

/* ---- what libcurl calls ---- */

static size_t on_body(char *data, size_t size, size_t count, void *ud)
{
    (void)size;
    mw_post *post = ud;
    if (mw__buf_append(&post->answer, data, count) == MW_OK)
        return count;
    post->too_large = post->answer.status == MW_TOO_LARGE;
    return CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *line, size_t size, size_t count, void *ud)
{
    (void)size;
    mw_post *post = ud;
    if (!mw__headers_line(&post->head, line, count))
        return CURL_WRITEFUNC_ERROR;
    post->too_large = post->head.length > 0 && (uint64_t)post->head.length > post->max_body;
    return post->too_large ? CURL_WRITEFUNC_ERROR : count;
}

static int on_send(void *ud, char *ip, char *local_ip, int port, int local_port)
{
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    mw_post *post = ud;
    if (post->sends > 0)
        return CURL_PREREQFUNC_ABORT;
    post->sends++;
    return CURL_PREREQFUNC_OK;
}

static bool is_loopback(const struct sockaddr *addr, const void **bytes)
{
    if (addr->sa_family == AF_INET) {
        const struct in_addr *v4 = &((const struct sockaddr_in *)(const void *)addr)->sin_addr;
        *bytes = v4;
        return ntohl(v4->s_addr) >> 24 == 127;
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
    *bytes = v6;
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

/* Called with each address that libcurl would connect to, before it does. */
static curl_socket_t on_socket(void *ud, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    mw_post *post = ud;
    const void *bytes;
    bool known = address->family == AF_INET || address->family == AF_INET6;
    if (known && is_loopback(&address->addr, &bytes))
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (!known || !inet_ntop(address->family, bytes, post->elsewhere, sizeof post->elsewhere))
        snprintf(post->elsewhere, sizeof post->elsewhere, "an address of another kind");
    return CURL_SOCKET_BAD;
}

/* ---- what is refused ---- */

/* Headers that say how the message is framed and whom it is for. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {
        "host", "content-length", "transfer-encoding", "expect",        "connection", "keep-alive",
        "te",   "trailer",        "upgrade",           "http2-settings"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

static int check_header(const mw_header *header, mw_error *error)
{
    if (!mw__is_token(header->name, strlen(header->name)))
        return mw_error_set(error, MW_INVALID, "headers",
                            "post: the header name '%s' holds characters that are not allowed",
                            header->name);
    if (!mw__is_header_text(header->value, strlen(header->value)))
        return mw_error_set(error, MW_INVALID, "headers",
                            "post: the value of header '%s' holds control characters", header->name);
    if (is_ours(header->name))
        return mw_error_set(error, MW_INVALID, "headers",
                            "post: header '%s' follows from URL and body; leave it out",
                            header->name);
    return MW_OK;
}

static int add_line(mw_post *post, const char *line)
{
    struct curl_slist *longer = mw__curl->slist_append(post->lines, line);
    if (!longer)
        return MW_MEMORY;
    post->lines = longer;
    return MW_OK;
}

static int add_header(mw_post *post, const mw_header *header, mw__buf *line, mw_error *error)
{
    int rc = check_header(header, error);
    if (rc != MW_OK)
        return rc;
    const char *value = header->value + strspn(header->value, " \t");
    line->length = 0;
    mw__buf_puts(line, header->name);
    mw__buf_puts(line, *value ? ": " : ";"); /* libcurl's way to send one without a value */
    mw__buf_puts(line, value);
    if (line->status == MW_TOO_LARGE)
        return mw_error_set(error, MW_INVALID, "headers", "post: header '%.64s' is too long",
                            header->name);
    return line->status == MW_OK ? add_line(post, line->data) : line->status;
}

static int set_headers(mw_post *post, const mw_post_options *options, mw_error *error)
{
    mw__buf line;
    bool typed = false;
    mw__buf_init(&line, MAX_LINE);
    int rc = add_line(post, "Expect:");
    for (size_t i = 0; i < options->header_count && rc == MW_OK; i++) {
        typed = typed || strcasecmp(options->headers[i].name, "content-type") == 0;
        rc = add_header(post, &options->headers[i], &line, error);
    }
    if (rc == MW_OK && !typed)
        rc = add_line(post, "Content-Type:"); /* else libcurl says that it is a form */
    mw__buf_free(&line);
    return rc;
}

static int refuse_url(mw_error *error, const char *why)
{
    return mw_error_set(error, MW_INVALID, "url",
                        "post: the URL %s; it must be like http://host:port/path", why);
}

static const char *bad_characters(const char *url)
{
    for (const char *at = url; *at; at++)
        if ((unsigned char)*at <= 0x20 || (unsigned char)*at >= 0x7f)
            return "holds characters that are not percent-encoded";
    return strlen(url) > MAX_URL ? "is too long" : NULL;
}

/* The text of one part without secrets, which must be whole to be found; "" where there is none. False: out of
 * memory. */
static bool copy_part(const mw_post *post, CURLU *parsed, CURLUPart part, char *text, size_t size)
{
    char *got = NULL;
    CURLUcode code = mw__curl->url_get(parsed, part, &got, CURLU_DEFAULT_PORT);
    if (got)
        mw_loop_redact(post->loop, got);
    snprintf(text, size, "%s", got ? got : "");
    mw__curl->free(got);
    return code != CURLUE_OUT_OF_MEMORY;
}

/* The URL as it may be shown, without the query and cut where it is too long. */
static bool describe(mw_post *post, CURLU *parsed)
{
    char scheme[16], host[256], port[8], path[512];
    bool fine = copy_part(post, parsed, CURLUPART_SCHEME, scheme, sizeof scheme) &&
                copy_part(post, parsed, CURLUPART_HOST, host, sizeof host) &&
                copy_part(post, parsed, CURLUPART_PORT, port, sizeof port) &&
                copy_part(post, parsed, CURLUPART_PATH, path, sizeof path);
    snprintf(post->url, sizeof post->url, "%s://%s:%s%s", scheme, host, port, path);
    return fine;
}

static int set_parsed(mw_post *post, CURLU *parsed, const char *url, mw_error *error)
{
    char *sent = NULL;
    CURLUcode code =
        mw__curl->url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS | CURLU_DISALLOW_USER);
    if (code == CURLUE_OUT_OF_MEMORY)
        return MW_MEMORY;
    if (code == CURLUE_USER_NOT_ALLOWED)
        return refuse_url(error, "holds a user");
    if (code != CURLUE_OK)
        return refuse_url(error, "can't be understood");
    if (!describe(post, parsed))
        return MW_MEMORY;
    if (strncmp(post->url, "http://", 7) != 0 && strncmp(post->url, "https://", 8) != 0)
        return refuse_url(error, "is neither http nor https");
    mw__curl->url_set(parsed, CURLUPART_FRAGMENT, NULL, 0);
    code = mw__curl->url_get(parsed, CURLUPART_URL, &sent, 0);
    bool fine = code == CURLUE_OK &&
                mw__curl->easy_setopt(post->transfer.easy, CURLOPT_URL, sent) == CURLE_OK;
    mw__curl->free(sent);
    return fine ? MW_OK : MW_MEMORY;
}

static int set_url(mw_post *post, const char *url, mw_error *error)
{
    const char *bad = bad_characters(url);
    if (bad)
        return refuse_url(error, bad);
    CURLU *parsed = mw__curl->url();
    if (!parsed)
        return MW_MEMORY;
    int rc = set_parsed(post, parsed, url, error);
    mw__curl->url_cleanup(parsed);
    return rc;
}

static int set_handle(mw_post *post, const mw_post_options *options)
{
    CURL *easy = post->transfer.easy;
    unsigned failed = 0;
#define SET(option, value) failed |= (unsigned)mw__curl->easy_setopt(easy, option, value)
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_NOPROGRESS, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_USERAGENT, "moonwire/" MW_VERSION);
    /* libcurl sends again by itself when a kept connection dies. */
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_PREREQFUNCTION, on_send);
    SET(CURLOPT_PREREQDATA, post);
    SET(CURLOPT_TIMEOUT_MS, options->timeout_ms ? (long)options->timeout_ms : 5000L);
    SET(CURLOPT_HTTPHEADER, post->lines);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options->body_length);
    SET(CURLOPT_POSTFIELDS, post->body);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, post);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, post);
    SET(CURLOPT_ERRORBUFFER, post->trouble);
    if (options->loopback) {
        SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
        SET(CURLOPT_OPENSOCKETDATA, post);
    }
#undef SET
    return failed ? MW_MEMORY : MW_OK;
}

int mw__post_set_up(mw_post *post, const mw_post_options *options, mw_error *error)
{
    int rc = set_url(post, options->url, error);
    if (rc == MW_OK)
        rc = set_headers(post, options, error);
    return rc == MW_OK ? set_handle(post, options) : rc;
}

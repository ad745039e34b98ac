/* server_check.c: owns what is refused before a handler sees it: whatever two parties could read in two ways.
 * libmicrohttpd takes most of it (two Content-Lengths, Transfer-Encoding beside Content-Length, bare LF, NUL, folded
 * lines), so it is looked for here. Must not know what a handler does. Loop's thread. */
#include "server_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "headers.h"

/* A hostile header block of 32 KiB could hold thousands, and whoever joins repeated ones would pay for each. */
#define MAX_HEADERS 128u

typedef struct check {
    mw_exchange *exchange;
    const char *text;   /* why it is refused; NULL as long as it is not */
    const char *cursor; /* where the next header line must begin */
    bool lines;         /* the lines can be looked at */
    bool many;          /* more headers than anyone needs */
    bool memory;        /* out of memory */
    bool http_1_1;
    unsigned hosts, lengths, encodings;
    bool chunked;
    bool expects;
    uint64_t content_length;
} check;

/* libmicrohttpd 0.9 splits lines in place: CR LF becomes two NULs, a bare LF one, and what follows a NUL in a line
 * is forgotten though its bytes stay. So a header is what it seems exactly if the pieces fill the block without a
 * gap. */
static bool line_is_whole(check *c, const char *name, size_t name_length, const char *value,
                          size_t value_length)
{
    if (name != c->cursor || name[name_length] != '\0' || value <= name + name_length)
        return false;
    for (const char *at = name + name_length + 1; at < value; at++)
        if (*at != ' ' && *at != '\t')
            return false;
    c->cursor = value + value_length + 2;
    return value[value_length] == '\0' && value[value_length + 1] == '\0';
}

static char *push(mw_exchange *exchange, const char *text, size_t length)
{
    char *at = exchange->block + exchange->block_length;
    memcpy(at, text, length);
    at[length] = '\0';
    exchange->block_length += length + 1;
    return at;
}

static bool keep(mw_exchange *exchange, const char *name, size_t name_length, const char *value,
                 size_t value_length)
{
    if (exchange->header_count == exchange->header_capacity) {
        size_t capacity = exchange->header_capacity ? exchange->header_capacity * 2 : 16;
        mw_header *headers = realloc(exchange->headers, capacity * sizeof *headers);
        if (!headers)
            return false;
        exchange->headers = headers;
        exchange->header_capacity = capacity;
    }
    char *lower = push(exchange, name, name_length);
    for (char *at = lower; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at | 0x20);
    exchange->headers[exchange->header_count++] =
        (mw_header){.name = lower, .value = push(exchange, value, value_length)};
    return true;
}

static const char *check_length(check *c, const char *value)
{
    if (c->lengths++)
        return "more than one Content-Length";
    uint64_t length = 0;
    for (const char *at = value; *at; at++) {
        if (*at < '0' || *at > '9' || length > (UINT64_MAX - 9) / 10)
            return "Content-Length is not a number";
        length = length * 10 + (uint64_t)(*at - '0');
    }
    c->content_length = length;
    return *value ? NULL : "Content-Length is empty";
}

static const char *check_framing(check *c, const char *name, const char *value)
{
    if (strcmp(name, "content-length") == 0)
        return check_length(c, value);
    if (strcmp(name, "transfer-encoding") == 0) {
        c->chunked = strcasecmp(value, "chunked") == 0;
        if (c->encodings++ || !c->chunked || !c->http_1_1)
            return "Transfer-Encoding is not just 'chunked'";
    } else if (strcmp(name, "host") == 0 && c->hosts++) {
        return "more than one Host";
    } else if (strcmp(name, "expect") == 0) {
        c->expects = true;
    }
    return NULL;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    check *c = cls;
    if (!value)
        value = "";
    if (c->lines && !line_is_whole(c, name, name_length, value, value_length)) {
        c->text = "a header line holds a NUL, is folded, or does not end with CR LF";
        return MHD_NO;
    }
    while (value_length > 0 && (value[value_length - 1] == ' ' || value[value_length - 1] == '\t'))
        value_length--;
    if (!mw__is_token(name, name_length) || !mw__is_header_text(value, value_length)) {
        c->text = "a header holds characters that are not allowed";
        return MHD_NO;
    }
    if (c->exchange->header_count == MAX_HEADERS) {
        c->many = true;
        return MHD_NO;
    }
    if (!keep(c->exchange, name, name_length, value, value_length)) {
        c->memory = true;
        return MHD_NO;
    }
    const mw_header *header = &c->exchange->headers[c->exchange->header_count - 1];
    c->text = check_framing(c, header->name, header->value);
    return c->text ? MHD_NO : MHD_YES;
}

static const char *check_target(const char *verb, const char *target)
{
    if (target[0] != '/' && !(strcmp(target, "*") == 0 && strcmp(verb, "OPTIONS") == 0))
        return "the target is not a path";
    bool in_path = true;
    for (const char *at = target; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c <= 0x20 || c >= 0x7f || c == '#')
            return "the target holds characters that are not percent-encoded";
        if (c == '?')
            in_path = false;
        if (in_path && c == '%' && at[1] == '0' && at[2] == '0')
            return "the path holds %00";
    }
    return NULL;
}

/* Makes room so that no header needs a second look at the block. */
static bool reserve(mw_exchange *exchange, size_t header_size)
{
    size_t needed = exchange->block_length + header_size + 16;
    if (needed <= exchange->block_capacity)
        return true;
    char *block = realloc(exchange->block, needed);
    if (!block)
        return false;
    exchange->block = block;
    exchange->block_capacity = needed;
    return true;
}

static mw__refusal check_body(check *c)
{
    mw_exchange *exchange = c->exchange;
    exchange->close_after =
        c->chunked; /* chunk lines are not seen here, so nothing behind them is trusted */
    if (c->content_length <= exchange->server->options.max_body)
        return (mw__refusal){0};
    /* A peer that waits for leave, or wants to send without end, is told at once. */
    if (c->expects || c->content_length - exchange->server->options.max_body > MW__SERVER_DISCARD)
        exchange->close_after = true;
    return (mw__refusal){.status = 413, .text = "the body is too large"};
}

static const char *check_request_line(check *c, const char *verb, const char *url,
                                      const char *version)
{
    c->http_1_1 = strcmp(version, "HTTP/1.1") == 0;
    if (!c->http_1_1 && strcmp(version, "HTTP/1.0") != 0)
        return "the version is not HTTP/1.0 or HTTP/1.1";
    if (!mw__is_token(verb, strlen(verb)))
        return "the verb is not a word";
    if (c->lines) {
        bool whole =
            url == verb + strlen(verb) + 1 && version == url + strlen(c->exchange->block) + 1;
        c->cursor = version + strlen(version) + 2;
        if (!whole || c->cursor[-1] != '\0')
            return "the request line holds a NUL, two spaces, or does not end with CR LF";
    }
    return check_target(verb, c->exchange->block);
}

static const char *check_headers(check *c, const char *end)
{
    const mw__mhd *mhd = c->exchange->server->mhd;
    mhd->get_connection_values_n(c->exchange->connection, MHD_HEADER_KIND, on_header, c);
    if (c->text || c->many || c->memory)
        return c->text;
    if (c->lines && (c->cursor + 2 != end || c->cursor[0] != '\0' || c->cursor[1] != '\0'))
        return "a header line holds a NUL, is folded, or does not end with CR LF";
    return c->encodings && c->lengths ? "both Transfer-Encoding and Content-Length" : NULL;
}

mw__refusal mw__exchange_check(mw_exchange *exchange, const char *verb, const char *url,
                               const char *version)
{
    mw_server *server = exchange->server;
    const union MHD_ConnectionInfo *info = server->mhd->get_connection_info(
        exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t header_size = info ? info->header_size : 0;
    check c = {.exchange = exchange, .lines = server->mhd->keeps_lines};

    exchange->close_after =
        true; /* unless all is well: what follows on the connection can't be trusted */
    if (header_size > server->options.max_header)
        return (mw__refusal){.status = 431, .text = "the headers are too large"};
    if (!reserve(exchange, header_size))
        return (mw__refusal){.status = 503, .text = "out of memory"};
    const char *text = check_request_line(&c, verb, url, version);
    if (!text)
        text = check_headers(&c, verb + header_size);
    if (c.many)
        return (mw__refusal){.status = 431, .text = "too many headers"};
    if (c.memory)
        return (mw__refusal){.status = 503, .text = "out of memory"};
    return text ? (mw__refusal){.status = 400, .text = text} : check_body(&c);
}

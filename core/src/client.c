/* client.c: owns the making of a client: its options, checked and copied. Must not know calls.
 * Loop's thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_private.h"
#include "json.h"
#include "mw/version.h"
#include "policy_private.h"
#include "urlencode.h"

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    DEFAULT_CONNECT_MS = 10000,
    DEFAULT_STALL_MS = 30000,
    DEFAULT_CONCURRENCY = 32,
    DEFAULT_RETRIES = 3,
    MAX_TOKEN = 8192
};
#define DEFAULT_MAX_BODY (32ull * 1024 * 1024)

static const char *const public_urls[MW_SERVICES] = {
    [MW_OOCTOPUS] = "https://app.ooctopus.com",
    [MW_CIRCUIT] = "https://circuitsandbox.net/rest/v2",
};

static int refuse(mw_error *error, const char *option, const char *what)
{
    return mw_error_set(error, MW_INVALID, option, "can't make a client: option '%s' %s", option,
                        what);
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = mw__curl->url_get(url, part, &text, 0) == CURLUE_OK;
    mw__curl->free(text);
    return has;
}

/* origin = scheme://host[:port], prefix = the path without its trailing slashes. */
static int split_url(mw_client *client, CURLU *url, mw_error *error)
{
    char *path = NULL;
    char *whole = NULL;
    int rc = MW_MEMORY;
    if (mw__curl->url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK ||
        mw__curl->url_set(url, CURLUPART_PATH, "/", 0) != CURLUE_OK ||
        mw__curl->url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
        goto out;
    const char *problem = mw__path_problem(path);
    if (problem) {
        rc = mw_error_set(error, MW_INVALID, "url",
                          "can't make a client: the path of option 'url' %s", problem);
        goto out;
    }
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/')
        length--;
    client->prefix = strndup(path, length);
    client->origin = strndup(whole, strlen(whole) - 1);
    if (!client->prefix || !client->origin)
        goto out;
    size_t size = strlen(client->origin) + strlen(client->prefix) + 1;
    client->url = malloc(size);
    if (client->url)
        snprintf(client->url, size, "%s%s", client->origin, client->prefix);
    rc = client->url ? MW_OK : MW_MEMORY;
out:
    mw__curl->free(path);
    mw__curl->free(whole);
    return rc;
}

static int take_url(mw_client *client, const char *text, mw_error *error)
{
    if (!text && client->upstream)
        return refuse(error, "url", "is needed: upstream Chatwoot has no public address of its own");
    if (!text)
        text = public_urls[client->gate.service];
    CURLU *url = mw__curl->url();
    if (!url)
        return MW_MEMORY;
    int rc;
    char *scheme = NULL;
    const char *host = strstr(text, "://");
    bool parsed = host && host[3] != '/' && /* libcurl would take the path's first segment for it */
                  mw__curl->url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK &&
                  mw__curl->url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
    if (!parsed || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        rc = refuse(error, "url", "must be an http:// or https:// address");
    else if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
        rc = refuse(error, "url", "must not hold a user or password; give the token as an option");
    else if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
        rc = refuse(error, "url", "must not hold a query or a fragment");
    else
        rc = split_url(client, url, error);
    mw__curl->free(scheme);
    mw__curl->url_cleanup(url);
    return rc;
}

/* What goes into a header is printable ASCII: no CR, LF or NUL can pass. */
static bool header_text(const char *text, bool spaces)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < (spaces ? 0x20 : 0x21) || c > 0x7E)
            return false;
    }
    return true;
}

/* Copies what must not show; mw_client_free wipes it. */
static int take_secret(mw_client *client, char **to, const char *text)
{
    *to = strdup(text);
    if (!*to || mw__loop_add_secret(client->loop, text) != MW_OK)
        return MW_MEMORY;
    return MW_OK;
}

static int take_token(mw_client *client, unsigned kind, const char *name, const char *text,
                      mw_error *error)
{
    if (!text)
        return MW_OK;
    if (text[0] == '\0')
        return refuse(error, name, "is empty");
    if (!header_text(text, false) || strlen(text) > MAX_TOKEN)
        return refuse(error, name,
                      "holds characters that no token has (spaces, line ends, controls)");
    return take_secret(client, &client->tokens[kind], text);
}

static int take_tokens(mw_client *client, const mw_client_options *options, mw_error *error)
{
    if (options->service == MW_CIRCUIT &&
        (options->user_token || options->bot_token || options->platform_token))
        return refuse(error, "token",
                      "of this kind does not exist at circuit, which takes an OAuth token");
    if (options->service != MW_CIRCUIT && options->oauth_token)
        return refuse(error, "oauth_token", "does not exist at ooctopus");
    int rc = take_token(client, 0, "token", options->user_token, error);
    if (rc == MW_OK)
        rc = take_token(client, 1, "bot_token", options->bot_token, error);
    if (rc == MW_OK)
        rc = take_token(client, 2, "platform_token", options->platform_token, error);
    if (rc == MW_OK)
        rc = take_token(client, 3, "token", options->oauth_token, error);
    return rc;
}

static int take_text(char **to, const char *text)
{
    if (!text)
        return MW_OK;
    *to = strdup(text);
    return *to ? MW_OK : MW_MEMORY;
}

/* The password of a proxy is a secret of the loop like a token. */
static int keep_proxy_secret(mw_client *client, CURLU *url)
{
    static const unsigned forms[] = {0, CURLU_URLDECODE};
    int rc = MW_OK;
    for (size_t i = 0; i < 2 && rc == MW_OK; i++) {
        char *text = NULL;
        if (mw__curl->url_get(url, CURLUPART_PASSWORD, &text, forms[i]) == CURLUE_OK)
            rc = take_secret(client, &client->proxy_secrets[i], text);
        mw__curl->free(text);
    }
    return rc;
}

static int take_proxy(mw_client *client, const char *proxy, mw_error *error)
{
    if (!proxy && strncmp(client->origin, "https:", 6) == 0) {
        proxy = getenv("HTTPS_PROXY");
        client->proxy_from_env = proxy && proxy[0];
    }
    if (!proxy || !proxy[0])
        return MW_OK;
    CURLU *url = mw__curl->url();
    char *scheme = NULL;
    int rc = MW_MEMORY;
    if (url) {
        unsigned flags = CURLU_DEFAULT_SCHEME | CURLU_NON_SUPPORT_SCHEME;
        bool good =
            header_text(proxy, false) &&
            mw__curl->url_set(url, CURLUPART_URL, proxy, flags) == CURLUE_OK &&
            mw__curl->url_get(url, CURLUPART_SCHEME, &scheme, CURLU_DEFAULT_SCHEME) == CURLUE_OK &&
            (strncmp(scheme, "http", 4) == 0 || strncmp(scheme, "socks", 5) == 0);
        rc = good ? keep_proxy_secret(client, url) : MW_INVALID;
        if (rc == MW_INVALID) /* without showing it: it may hold a password */
            refuse(error, client->proxy_from_env ? "HTTPS_PROXY" : "proxy",
                   "is no address of an http, https or socks proxy");
    }
    mw__curl->free(scheme);
    mw__curl->url_cleanup(url);
    return rc == MW_OK ? take_text(&client->proxy, proxy) : rc;
}

/* The options that limit what may be done become a policy of the client's own. */
static int take_budgets(mw_client *client, const mw_client_options *options)
{
    if (mw_policy_new(&client->own) != MW_OK)
        return MW_MEMORY;
    mw__policy_open(client->own, "client");
    mw_policy_read_only(client->own, options->read_only);
    if (options->max_calls > 0)
        mw_policy_limit(client->own, MW_LIMIT_CALLS, options->max_calls);
    return MW_OK;
}

static int check_limits(const mw_limits *limits, mw_error *error)
{
    for (size_t lane = 0; lane < MW_LANES; lane++) {
        const mw_lane_limit *limit = &limits->lanes[lane];
        bool rate = limit->count > 0 && limit->count != MW_NO_LIMIT;
        const char *name = mw_lane_name((mw_lane)lane);
        if ((rate && limit->count > MW_MAX_LIMIT) || limit->concurrency > MW_MAX_LIMIT)
            return mw_error_set(error, MW_INVALID, "limits",
                                "can't make a client: option 'limits': lane %s: at most %u are "
                                "counted",
                                name, MW_MAX_LIMIT);
        if (rate != (limit->window_ms > 0) || limit->window_ms > MW_MAX_WINDOW_MS)
            return mw_error_set(error, MW_INVALID, "limits",
                                "can't make a client: option 'limits': lane %s: a count wants a "
                                "window of at most a day, and a window a count",
                                name);
    }
    return MW_OK;
}

static int open_pacer(mw_client *client, const mw_limits *limits, mw_error *error)
{
    mw_error reason = {0};
    int rc = mw__pacer_open(&client->pacer, client->loop, client->gate.service, client->origin,
                            limits, &reason);
    if (rc == MW_INVALID)
        mw_error_set(error, rc, "limits", "can't make a client: option 'limits': %s",
                     reason.message);
    return rc;
}

static int take_options(mw_client *client, const mw_client_options *options, mw_error *error)
{
    const char *agent = options->user_agent ? options->user_agent : "moonwire/" MW_VERSION;
    if (options->account && !mw__is_integer_text(options->account, strlen(options->account)))
        return refuse(error, "account", "must be an account id, a whole number");
    if (!header_text(agent, true))
        return refuse(error, "user_agent", "holds control characters");
    if (options->retries > MW_MAX_RETRIES && options->retries != MW_NO_RETRIES)
        return refuse(error, "retries", "must be at most 1000");
    client->upstream = options->paths == MW_PATHS_UPSTREAM;
    int rc = take_url(client, options->url, error);
    if (rc == MW_OK)
        rc = take_tokens(client, options, error);
    if (rc == MW_OK)
        rc = take_text(&client->account, options->account);
    if (rc == MW_OK)
        rc = take_text(&client->user_agent, agent);
    if (rc == MW_OK)
        rc = take_text(&client->ca_file, options->ca_file);
    if (rc == MW_OK && options->journal && !options->journal[0])
        rc = refuse(error, "journal", "must be the path of a file");
    if (rc == MW_OK)
        rc = take_text(&client->journal_path, options->journal);
    if (rc == MW_OK)
        rc = take_proxy(client, options->proxy, error);
    client->insecure = options->insecure;
    client->policy = options->policy;
    if (rc == MW_OK && (options->read_only || options->max_calls > 0))
        rc = take_budgets(client, options);
    if (rc == MW_OK)
        rc = check_limits(&options->limits, error);
    if (rc == MW_OK)
        rc = open_pacer(client, &options->limits, error);
    client->max_body = options->max_body ? options->max_body : DEFAULT_MAX_BODY;
    client->timeout_ms = options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    client->connect_timeout_ms =
        options->connect_timeout_ms ? options->connect_timeout_ms : DEFAULT_CONNECT_MS;
    client->stall_timeout_ms =
        options->stall_timeout_ms ? options->stall_timeout_ms : DEFAULT_STALL_MS;
    client->retries = options->retries ? options->retries : DEFAULT_RETRIES;
    client->concurrency = options->concurrency ? options->concurrency : DEFAULT_CONCURRENCY;
    return rc;
}

int mw_client_new(mw_loop *loop, const mw_client_options *options, mw_client **out, mw_error *error)
{
    int rc = mw__curl_load(error);
    if (rc != MW_OK)
        return rc;
    mw_client *client = calloc(1, sizeof *client);
    if (!client)
        return mw_error_set(error, MW_MEMORY, NULL, "can't make a client: out of memory");
    client->gate.service = options->service;
    client->loop = loop;
    rc = take_options(client, options, error);
    if (rc == MW_OK && !mw__transport_of(loop))
        rc = MW_MEMORY;
    if (rc == MW_OK)
        rc = mw__queue_open(client);
    if (rc == MW_OK) {
        mw__client_open(client);
        *out = client;
        return MW_OK;
    }
    if (rc == MW_MEMORY)
        mw_error_set(error, rc, NULL, "can't make a client: out of memory");
    mw_client_free(client);
    return rc;
}

mw_gate *mw_client_gate(mw_client *client)
{
    return &client->gate;
}

const char *mw_client_url(const mw_client *client)
{
    return client->url;
}

const char *mw_client_transport(void)
{
    return mw__curl_load(NULL) == MW_OK ? mw__curl->version() : NULL;
}

const char *mw_client_env_proxy(void)
{
    static _Thread_local char shown[512];
    const char *proxy = getenv("HTTPS_PROXY");
    if (!proxy || !proxy[0])
        return NULL;
    const char *scheme = strstr(proxy, "://");
    const char *host = scheme ? scheme + 3 : proxy;
    const char *at = strrchr(host, '@');
    size_t n = scheme ? (size_t)(host - proxy) : 0;
    if (n >= sizeof shown)
        return NULL;
    memcpy(shown, proxy, n);
    strncpy(shown + n, at ? at + 1 : host, sizeof shown - n - 1);
    shown[sizeof shown - 1] = '\0';
    return shown;
}

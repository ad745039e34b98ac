/* pacer.c: owns which limits hold for which calls: the built-in ones, a client's own, and what counts towards what.
 * Must not know queues, nor where limits are kept. Loop's thread. */
#include "pacer.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mw/hmac.h"

enum { MINUTE = 60000, MOST_ACCOUNTS = 64, MOST_KEY = 64 * 1024, SHOWN_HASH = 32 };

/* The limits of the platform's documents; and by what an own limit of a lane counts: as its first row. */
static const struct {
    mw_service service;
    mw__rule rule;
} built_in[] = {
    {MW_OOCTOPUS, {MW_LANE_ALL, MW_BY_HOST, {.count = 3000, .window_ms = MINUTE}}},
    {MW_OOCTOPUS, {MW_LANE_SEARCH, MW_BY_ACCOUNT, {.count = 100, .window_ms = MINUTE}}},
    {MW_OOCTOPUS, {MW_LANE_REPORTS, MW_BY_TOKEN, {.count = 100, .window_ms = MINUTE}}},
    {MW_OOCTOPUS, {MW_LANE_REPORTS, MW_BY_ACCOUNT, {.count = 1000, .window_ms = MINUTE}}},
    {MW_OOCTOPUS, {MW_LANE_WRITE, MW_BY_TOKEN, {0}}},
    {MW_OOCTOPUS, {MW_LANE_UPLOAD, MW_BY_TOKEN, {0}}},
    {MW_CIRCUIT, {MW_LANE_ALL, MW_BY_HOST, {0}}},
    {MW_CIRCUIT, {MW_LANE_SEARCH, MW_BY_TOKEN, {0}}},
    {MW_CIRCUIT, {MW_LANE_REPORTS, MW_BY_TOKEN, {0}}},
    {MW_CIRCUIT, {MW_LANE_WRITE, MW_BY_TOKEN, {0}}},
    {MW_CIRCUIT, {MW_LANE_UPLOAD, MW_BY_TOKEN, {0}}},
};

/* What a lane counts towards; `all` towards itself. */
static const mw_lane towards[MW_LANES] = {[MW_LANE_ALL] = MW_LANE_ALL,
                                          [MW_LANE_SEARCH] = MW_LANE_ALL,
                                          [MW_LANE_REPORTS] = MW_LANE_ALL,
                                          [MW_LANE_WRITE] = MW_LANE_ALL,
                                          [MW_LANE_UPLOAD] = MW_LANE_WRITE};

/* Lanes that the server counts by themselves, so that a refusal is theirs even without a limit here. */
static const bool counted_apart[MW_LANES] = {
    [MW_LANE_ALL] = true, [MW_LANE_SEARCH] = true, [MW_LANE_REPORTS] = true};

static bool keeps(const mw__rule *rule)
{
    return counted_apart[rule->lane] || rule->limit.count > 0 || rule->limit.concurrency > 0;
}

static void set_rules(mw__pacer *pacer, const mw_limits *limits)
{
    bool seen[MW_LANES] = {false};
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++) {
        if (built_in[i].service != pacer->service)
            continue;
        mw__rule rule = built_in[i].rule;
        const mw_lane_limit *own = &limits->lanes[rule.lane];
        bool first = !seen[rule.lane];
        bool as_built_in = own->count == 0 && !limits->off;
        seen[rule.lane] = true;
        if (!first && !as_built_in)
            continue;
        if (!as_built_in)
            rule.limit = own->count == MW_NO_LIMIT ? (mw_lane_limit){0} : *own;
        rule.limit.concurrency = first ? own->concurrency : 0;
        if (keeps(&rule))
            pacer->rules[pacer->rule_count++] = rule;
    }
}

int mw__pacer_open(mw__pacer *pacer, mw_loop *loop, mw_service service, const char *origin,
                   const mw_limits *limits, mw_error *error)
{
    pacer->service = service;
    pacer->origin = origin;
    set_rules(pacer, limits);
    if (limits->shared)
        return mw__meters_shared(loop, limits->shared, &pacer->meters, error);
    pacer->meters = mw__meters_of(loop);
    return pacer->meters ? MW_OK : MW_MEMORY;
}

static void free_way(mw__way *way)
{
    for (size_t i = 0; i < way->count; i++)
        way->meters[i]->meters->kind->close(way->meters[i]);
    free(way->account);
    free(way);
}

void mw__pacer_close(mw__pacer *pacer)
{
    for (size_t lane = 0; lane < MW_LANES; lane++) {
        while (pacer->ways[lane]) {
            mw__way *way = pacer->ways[lane];
            pacer->ways[lane] = way->next;
            free_way(way);
        }
    }
}

/* Whether calls of the lane are counted so, there or where it counts towards. */
static bool counts_by(const mw__pacer *pacer, mw_lane lane, mw__counted by)
{
    for (;; lane = towards[lane]) {
        for (size_t i = 0; i < pacer->rule_count; i++) {
            if (pacer->rules[i].lane == lane && pacer->rules[i].by == by)
                return true;
        }
        if (lane == MW_LANE_ALL)
            return false;
    }
}

/* Keys may end up in a file: of a token they hold a hash that leads nowhere. Without libcrypto all tokens count as
 * one, which is too strict and never too lax. */
static void put_token(mw__buf *key, const char *token)
{
    static const char salt[] = "moonwire lanes";
    char hex[MW_HMAC_SHA256_HEX + 1] = "";
    if (token && mw_hmac_sha256(salt, sizeof salt - 1, token, strlen(token), hex, NULL) != MW_OK)
        hex[0] = '\0';
    hex[SHOWN_HASH] = '\0';
    mw__buf_puts(key, hex);
}

static int open_meter(const mw__pacer *pacer, const mw__rule *rule, const mw__payer *payer,
                      mw__meter **meter, mw_error *error)
{
    static const char *const scopes[] = {
        [MW_BY_HOST] = "", [MW_BY_ACCOUNT] = " account ", [MW_BY_TOKEN] = " token "};
    mw__buf key;
    mw__buf_init(&key, MOST_KEY);
    mw__buf_puts(&key, mw_service_name(pacer->service));
    mw__buf_putc(&key, ' ');
    mw__buf_puts(&key, pacer->origin);
    mw__buf_putc(&key, ' ');
    mw__buf_puts(&key, mw_lane_name(rule->lane));
    mw__buf_puts(&key, scopes[rule->by]);
    if (rule->by == MW_BY_ACCOUNT && payer->account)
        mw__buf_puts(&key, payer->account);
    if (rule->by == MW_BY_TOKEN)
        put_token(&key, payer->token_text);
    int rc = key.status;
    if (rc == MW_OK)
        rc = pacer->meters->kind->open(pacer->meters, key.data, &rule->limit, meter, error);
    mw__buf_free(&key);
    return rc;
}

static int open_meters(const mw__pacer *pacer, const mw__payer *payer, mw__way *way, mw_error *error)
{
    for (mw_lane lane = way->lane;; lane = towards[lane]) {
        bool rated = counted_apart[lane];
        size_t before = way->count;
        for (size_t i = 0; i < pacer->rule_count; i++) {
            const mw__rule *rule = &pacer->rules[i];
            if (rule->lane != lane)
                continue;
            int rc = open_meter(pacer, rule, payer, &way->meters[way->count], error);
            if (rc != MW_OK)
                return rc;
            way->lanes[way->count++] = lane;
            rated |= rule->limit.count > 0;
        }
        if (rated && way->paused_count == 0) {
            way->paused = before;
            way->paused_count = way->count - before;
        }
        if (lane == MW_LANE_ALL)
            return MW_OK;
    }
}

static int make_way(mw__pacer *pacer, const mw__payer *payer, mw__way **out, mw_error *error)
{
    mw__way *way = calloc(1, sizeof *way);
    if (!way)
        return MW_MEMORY;
    way->lane = payer->lane;
    way->token = payer->token;
    for (size_t turn = 0; turn < MW_TURNS; turn++)
        way->lines[turn].end = &way->lines[turn].first;
    int rc = MW_OK;
    if (payer->account) {
        way->account = strdup(payer->account);
        rc = way->account ? MW_OK : MW_MEMORY;
    }
    if (rc == MW_OK)
        rc = open_meters(pacer, payer, way, error);
    if (rc != MW_OK) {
        free_way(way);
        return rc;
    }
    way->next = pacer->ways[way->lane];
    pacer->ways[way->lane] = way;
    *out = way;
    return MW_OK;
}

static bool same_account(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static mw__way *find_way(const mw__pacer *pacer, const mw__payer *payer, size_t *count)
{
    mw__way *way = pacer->ways[payer->lane];
    *count = 0;
    while (way && (way->token != payer->token || !same_account(way->account, payer->account))) {
        way = way->next;
        ++*count;
    }
    return way;
}

int mw__pacer_way(mw__pacer *pacer, const mw__payer *payer, mw__way **way, mw_error *error)
{
    mw__payer who = *payer;
    size_t count = 0;
    if (!counts_by(pacer, who.lane, MW_BY_ACCOUNT))
        who.account = NULL;
    if (!counts_by(pacer, who.lane, MW_BY_TOKEN))
        who.token = 0;
    *way = find_way(pacer, &who, &count);
    if (!*way && count >= MOST_ACCOUNTS && who.account) {
        who.account = "*"; /* all others together */
        *way = find_way(pacer, &who, &count);
    }
    return *way ? MW_OK : make_way(pacer, &who, way, error);
}

uint32_t mw__pacer_allowed(const mw__pacer *pacer, mw_lane lane)
{
    uint32_t least = 0;
    for (size_t i = 0; i < pacer->rule_count; i++) {
        uint32_t count = pacer->rules[i].lane == lane ? pacer->rules[i].limit.count : 0;
        if (count > 0 && (least == 0 || count < least))
            least = count;
    }
    for (const mw__way *way = pacer->ways[lane]; way && least > 0; way = way->next) {
        for (size_t i = way->paused; i < way->paused + way->paused_count; i++) {
            uint32_t allowed = way->meters[i]->meters->kind->allowed(way->meters[i]);
            if (allowed > 0 && allowed < least)
                least = allowed;
        }
    }
    return least;
}

bool mw__way_take(mw__way *way, int64_t now, mw__denial *denial)
{
    mw__meters *meters = way->meters[0]->meters;
    return meters->kind->take(meters, way->meters, way->count, now, denial);
}

void mw__way_give(mw__way *way)
{
    mw__meters *meters = way->meters[0]->meters;
    meters->kind->give(meters, way->meters, way->count);
}

void mw__way_refused(mw__way *way, int64_t now, int64_t since, int64_t until)
{
    for (size_t i = way->paused; i < way->paused + way->paused_count; i++) {
        mw__meter *meter = way->meters[i];
        meter->meters->kind->refused(meter, now, since, until);
    }
}

uint32_t mw__way_window_ms(const mw__way *way)
{
    uint32_t own = way->meters[way->paused]->limit.window_ms;
    return own > 0 ? own : MINUTE;
}

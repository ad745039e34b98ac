/* json_scan.c: owns the scan that makes lua-cjson exact. cjson 2.1.0 makes every number a float,
 * loses digits beyond 2^53 and can't tell [] from {}; later releases differ. So the text is scanned
 * once while it is copied: what cjson would lose goes to it as a string that begins with a random
 * tag and a letter ('i' integer, 'f' float, 'a' empty array). The scan also refuses what JSON
 * refuses and cjson does not. Must not know what becomes of the text. Runs on the thread of the Lua
 * state. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lua_private.h"

#define KEEP_SCRATCH ((size_t)1 << 20)
#define EXACT_DIGITS 15 /* so many decimal digits survive a double */

typedef struct scanner {
    mw_lua *ctx;
    const char *at, *end;
    char *out;
    int depth;
    bool tagged;
    bool value; /* the last token was a tagged one: a value, never a key */
    const char *problem;
} scanner;

/* The tag: nobody outside this process can know it. */
static bool make_tag(mw_lua *ctx)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[MW__TAG_LENGTH - 1];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return false;
    ctx->tag[0] = 0x7f;
    for (size_t i = 0; i < sizeof bytes; i++)
        ctx->tag[i + 1] = alphabet[bytes[i] & 63];
    ctx->tag[MW__TAG_LENGTH] = '\0';
    return true;
}

/* Makes room for `more` bytes beyond the text that is still to be copied. */
static bool reserve(scanner *scan, size_t more)
{
    mw_lua *ctx = scan->ctx;
    size_t used = scan->out ? (size_t)(scan->out - ctx->scratch) : 0;
    size_t need = used + (size_t)(scan->end - scan->at) + more + 64;
    if (need <= ctx->scratch_size && ctx->scratch) {
        scan->out = ctx->scratch + used;
        return true;
    }
    size_t size = need + need / 2;
    char *scratch = realloc(ctx->scratch, size);
    if (!scratch) {
        scan->problem = "out of memory";
        return false;
    }
    ctx->scratch = scratch;
    ctx->scratch_size = size;
    scan->out = scratch + used;
    return true;
}

/* Writes a token that cjson takes for a string. */
static bool put_tagged(scanner *scan, char type, const char *text, size_t length)
{
    if (!reserve(scan, length + MW__TAG_LENGTH + 3))
        return false;
    *scan->out++ = '"';
    memcpy(scan->out, scan->ctx->tag, MW__TAG_LENGTH);
    scan->out += MW__TAG_LENGTH;
    *scan->out++ = type;
    memcpy(scan->out, text, length);
    scan->out += length;
    *scan->out++ = '"';
    scan->tagged = true;
    scan->value = true;
    return true;
}

static bool fail(scanner *scan, const char *problem)
{
    if (!scan->problem)
        scan->problem = problem;
    return false;
}

static bool scan_string(scanner *scan)
{
    const char *from = scan->at;
    const char *p = from + 1;
    const char *end = scan->end; /* a NUL stands there */
    for (;;) {
        while ((unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
            p++;
        if (*p == '"')
            break;
        if (p >= end)
            return fail(scan, "a string does not end");
        if (*p != '\\')
            return fail(scan, "a control character in a string");
        p += p + 1 < end ? 2 : 1;
    }
    p++;
    memcpy(scan->out, from, (size_t)(p - from));
    scan->out += p - from;
    scan->at = p;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool scan_number(scanner *scan)
{
    const char *from = scan->at;
    const char *p = from + (*from == '-');
    const char *whole = p;
    if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
        return fail(scan, "a number that is not JSON");
    while (is_digit(*p))
        p++;
    size_t digits = (size_t)(p - whole);
    bool fraction = false;
    bool point = *p == '.';
    if (point) {
        const char *first = ++p;
        for (; is_digit(*p); p++)
            fraction |= *p != '0';
        if (p == first)
            return fail(scan, "a number that is not JSON");
        digits += (size_t)(p - first);
    }
    bool exponent = *p == 'e' || *p == 'E';
    if (exponent) {
        p += p[1] == '+' || p[1] == '-' ? 2 : 1;
        if (!is_digit(*p))
            return fail(scan, "a number that is not JSON");
        while (is_digit(*p))
            p++;
    }
    size_t length = (size_t)(p - from);
    scan->at = p;
    if (digits <= EXACT_DIGITS && !exponent && (fraction || !point)) {
        memcpy(scan->out, from, length);
        scan->out += length;
        return true;
    }
    return put_tagged(scan, point || exponent ? 'f' : 'i', from, length);
}

static bool scan_word(scanner *scan)
{
    static const char *const words[] = {"true", "false", "null", NULL};
    size_t left = (size_t)(scan->end - scan->at);
    for (int i = 0; words[i]; i++) {
        size_t length = strlen(words[i]);
        if (left < length || memcmp(scan->at, words[i], length) != 0)
            continue;
        memcpy(scan->out, scan->at, length);
        scan->out += length;
        scan->at += length;
        return true;
    }
    return fail(scan, "an unknown word or character");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* '[' or '{': counts the level; an empty array becomes a tagged string. */
static bool scan_open(scanner *scan)
{
    if (scan->depth >= MW_MAX_DEPTH)
        return fail(scan, "nested deeper than 100 levels");
    const char *p = scan->at + 1;
    if (*scan->at == '[') {
        while (is_space(*p))
            p++;
        if (*p == ']') {
            scan->at = p + 1;
            return put_tagged(scan, 'a', "", 0);
        }
    }
    scan->depth++;
    *scan->out++ = *scan->at++;
    return true;
}

static bool scan_all(scanner *scan)
{
    bool good = true;
    while (good && scan->at < scan->end) {
        switch (*scan->at) {
        case '"':
            good = scan_string(scan);
            break;
        case '[':
        case '{':
            good = scan_open(scan);
            break;
        case ']':
        case '}':
            scan->depth--;
            /* fallthrough */
        case ',':
            scan->value = false;
            *scan->out++ = *scan->at++;
            break;
        case ':':
            good = !scan->value || fail(scan, "a key that is not a string");
            *scan->out++ = *scan->at++;
            break;
        case ' ':
        case '\n':
        case '\r':
        case '\t':
            *scan->out++ = ' ';
            while (scan->at < scan->end && is_space(*scan->at))
                scan->at++;
            break;
        default:
            good = *scan->at == '-' || is_digit(*scan->at) ? scan_number(scan) : scan_word(scan);
        }
    }
    return good;
}

/* The scratch buffer after use: a large one is not kept. */
static void drop_scratch(mw_lua *ctx)
{
    if (ctx->scratch_size <= KEEP_SCRATCH)
        return;
    free(ctx->scratch);
    ctx->scratch = NULL;
    ctx->scratch_size = 0;
}

bool mw__lua_json_scan(lua_State *L, mw_lua *ctx, const char *text, size_t length, bool *tagged)
{
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3; /* a byte order mark is not part of the text */
        length -= 3;
    }
    scanner scan = {.ctx = ctx, .at = text, .end = text + length};
    if (!ctx->tag[0] && !make_tag(ctx)) {
        lua_pushliteral(L, "the system has no random bytes to offer");
        return false;
    }
    if (!reserve(&scan, 0) || !scan_all(&scan)) {
        lua_pushfstring(L, "%s at byte %d", scan.problem, (int)(scan.at - text) + 1);
        drop_scratch(ctx);
        return false;
    }
    lua_pushlstring(L, ctx->scratch, (size_t)(scan.out - ctx->scratch));
    drop_scratch(ctx);
    *tagged = scan.tagged;
    return true;
}

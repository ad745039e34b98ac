/* redact.c: owns what is done to the words of a server before anybody reads them: secrets are struck
 * out, control characters are taken out. Must not know where the words go. Runs on the thread of the
 * Lua state. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lua_private.h"

void mw__lua_redact(const mw_lua *ctx, char *text, size_t length)
{
    if (!ctx->loop)
        return;
    for (size_t at = 0; at < length; at += strlen(text + at) + 1)
        mw_loop_redact(ctx->loop, text + at);
}

/* ---- JSON that was not decoded ---- */

static uint32_t hex4(const char *at, const char *end)
{
    uint32_t code = 0;
    if (end - at < 4)
        return UINT32_MAX;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0')
                         : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
                             ? (uint32_t)((c | 0x20) - 'a') + 10
                             : UINT32_MAX;
        if (digit == UINT32_MAX)
            return UINT32_MAX;
        code = code << 4 | digit;
    }
    return code;
}

/* Writes `text` without the escapes of JSON to `out`, which never gets longer. Returns its length. */
static size_t unescape(char *out, const char *text, size_t length)
{
    const char *end = text + length;
    char *to = out;
    while (text < end) {
        if (*text != '\\' || end - text < 2) {
            *to++ = *text++;
            continue;
        }
        char c = text[1];
        uint32_t code = c == 'u' ? hex4(text + 2, end) : (unsigned char)c;
        text += code == UINT32_MAX || c != 'u' ? 2 : 6;
        if (code == UINT32_MAX) {
            *to++ = c;
        } else if (code < 0x80) {
            *to++ = (char)code;
        } else if (code < 0x800) {
            *to++ = (char)(0xC0 | code >> 6);
            *to++ = (char)(0x80 | (code & 0x3F));
        } else {
            *to++ = (char)(0xE0 | code >> 12);
            *to++ = (char)(0x80 | (code >> 6 & 0x3F));
            *to++ = (char)(0x80 | (code & 0x3F));
        }
    }
    return (size_t)(to - out);
}

size_t mw__lua_redact_json(const mw_lua *ctx, char *text, size_t length)
{
    mw__lua_redact(ctx, text, length);
    if (!memchr(text, '\\', length))
        return length;
    char *plain = malloc(length + 1);
    char *redacted = malloc(length + 1);
    if (!plain || !redacted) {
        length = 0; /* rather nothing than a secret */
        goto out;
    }
    size_t size = unescape(plain, text, length);
    memcpy(redacted, plain, size);
    redacted[size] = '\0';
    mw__lua_redact(ctx, redacted, size);
    if (memcmp(plain, redacted, size) != 0) {
        memcpy(text, redacted, size + 1);
        length = size;
    }
out:
    free(plain);
    free(redacted);
    return length;
}

/* ---- JSON that was decoded ---- */

/* [-1, +1, memory] */
static void redact_string(lua_State *L, mw_lua *ctx)
{
    size_t length = 0;
    const char *text = lua_tolstring(L, -1, &length);
    luaL_Buffer copy;
    char *at = luaL_buffinitsize(L, &copy, length + 1);
    memcpy(at, text, length);
    at[length] = '\0';
    mw__lua_redact(ctx, at, length);
    luaL_pushresultsize(&copy, length);
    lua_remove(L, -2);
}

void mw__lua_redact_value(lua_State *L, mw_lua *ctx)
{
    luaL_checkstack(L, 12, "nested too deeply");
    if (lua_type(L, -1) == LUA_TSTRING)
        redact_string(L, ctx);
    if (lua_type(L, -1) != LUA_TTABLE)
        return;
    int table = lua_gettop(L);
    lua_newtable(L);
    if (lua_getmetatable(L, table)) /* of an array */
        lua_setmetatable(L, -2);
    for (lua_pushnil(L); lua_next(L, table);) {
        mw__lua_redact_value(L, ctx);
        lua_pushvalue(L, -2);
        if (lua_type(L, -1) == LUA_TSTRING)
            redact_string(L, ctx);
        lua_insert(L, -2);
        lua_rawset(L, table + 1);
    }
    lua_replace(L, table);
}

/* ---- lines ---- */

/* The length of the UTF-8 character at `text`, 0 when it is none. */
static size_t read_char(const unsigned char *text, size_t left, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = *text < 0x80 ? 1 : *text < 0xC2 ? 0 : *text < 0xE0 ? 2 : *text < 0xF0 ? 3 : 4;
    if (length == 0 || *text > 0xF4 || length > left)
        return 0;
    *code = length == 1 ? *text : *text & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3Fu);
    }
    bool surrogate = *code >= 0xD800 && *code < 0xE000;
    return *code < least[length] || surrogate || *code > 0x10FFFF ? 0 : length;
}

/* Whether a terminal would act on the character instead of showing it: C0, DEL, C1, the separators
 * of lines and paragraphs, and what turns the direction of the text. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

const char *mw__lua_push_clean(lua_State *L, const char *text, size_t length, size_t max)
{
    static const char dots[] = "...";
    bool cut = length > max;
    size_t room = cut && max > sizeof dots ? max - (sizeof dots - 1) : max;
    size_t used = 0;
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (size_t at = 0; at < length;) {
        uint32_t code = 0;
        size_t size = read_char((const unsigned char *)text + at, length - at, &code);
        bool shown = size > 0 && !is_control(code);
        used += shown ? size : 1;
        if (used > room)
            break;
        if (shown)
            luaL_addlstring(&line, text + at, size);
        else
            luaL_addchar(&line, size > 0 ? ' ' : '?');
        at += size > 0 ? size : 1;
    }
    luaL_addstring(&line, cut ? dots : "");
    luaL_pushresult(&line);
    return lua_tostring(L, -1);
}

/* hmac.c: owns core.hmac_sha256 and core.same, for the signatures of webhooks and for tokens. Must not know whose they
 * are. Runs on the thread of the Lua state. */
#include "lua_private.h"
#include "mw/hmac.h"

/* core.hmac_sha256(key, text) -> 64 lower-case hexadecimal digits. Raises "invalid" when libcrypto is not there, and
 * "denied" in a sandboxed script, which can't load it. [-2, +1, raises] */
static int l_hmac_sha256(lua_State *L)
{
    mw_lua *ctx = mw__lua_ctx(L);
    size_t key_length = 0;
    size_t length = 0;
    const char *key = luaL_checklstring(L, 1, &key_length);
    const char *text = luaL_checklstring(L, 2, &length);
    char hex[MW_HMAC_SHA256_HEX + 1];
    mw_error error = {0};
    mw__lua_unconfined(L, ctx, "hmac_sha256",
                       "hmac_sha256: a sandboxed script can't load the library that signs; run it "
                       "with --sandbox=off");
    if (mw_hmac_sha256(key, key_length, text, length, hex, &error) != MW_OK)
        return mw__lua_raise_core(L, ctx, &error, "hmac_sha256");
    lua_pushlstring(L, hex, MW_HMAC_SHA256_HEX);
    return 1;
}

/* core.same(a, b) -> whether two strings are equal, in a time that tells nothing but whether their lengths are.
 * [-2, +1, raises] */
static int l_same(lua_State *L)
{
    size_t a_length = 0;
    size_t b_length = 0;
    const char *a = luaL_checklstring(L, 1, &a_length);
    const char *b = luaL_checklstring(L, 2, &b_length);
    volatile unsigned char difference = a_length != b_length;
    for (size_t i = 0; a_length == b_length && i < a_length; i++)
        difference = (unsigned char)(difference | (a[i] ^ b[i]));
    lua_pushboolean(L, difference == 0);
    return 1;
}

void mw__lua_open_hmac(lua_State *L, mw_lua *ctx)
{
    static const luaL_Reg functions[] = {
        {"hmac_sha256", l_hmac_sha256}, {"same", l_same}, {NULL, NULL}};
    mw__lua_ctx_push(L, ctx);
    luaL_setfuncs(L, functions, 1);
}

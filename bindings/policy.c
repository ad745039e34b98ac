/* policy.c: owns the way from a table of a script to a policy of the core. Must not know operations. Runs on the
 * thread of the Lua state. */
#include <stdio.h>
#include <string.h>

#include "client_private.h"

typedef struct policy_options {
    bool allow, deny, accounts, inboxes; /* whether there is such a list */
    bool read_only, dry_run;
    uint64_t most[MW_LIMITS];
} policy_options;

static const mw__option option_rows[] = {
    {"allow", MW__OPT_TABLE, offsetof(policy_options, allow)},
    {"deny", MW__OPT_TABLE, offsetof(policy_options, deny)},
    {"accounts", MW__OPT_TABLE, offsetof(policy_options, accounts)},
    {"inboxes", MW__OPT_TABLE, offsetof(policy_options, inboxes)},
    {"read_only", MW__OPT_BOOLEAN, offsetof(policy_options, read_only)},
    {"dry_run", MW__OPT_BOOLEAN, offsetof(policy_options, dry_run)},
    {"max_calls", MW__OPT_COUNT64, offsetof(policy_options, most[MW_LIMIT_CALLS])},
    {"max_writes", MW__OPT_COUNT64, offsetof(policy_options, most[MW_LIMIT_WRITES])},
    {"max_bytes", MW__OPT_COUNT64, offsetof(policy_options, most[MW_LIMIT_BYTES])},
    {NULL, MW__OPT_STRING, 0},
};

typedef int (*add_fn)(mw_policy *policy, const char *text, mw_error *error);

/* Adds the text or the whole number at the top. [-0, +0, raises] */
static void add_one(lua_State *L, mw_lua *ctx, mw_policy *policy, const char *name, add_fn add,
                    bool numbers)
{
    char digits[24];
    mw_error error = {0};
    const char *text = NULL;
    if (lua_type(L, -1) == LUA_TSTRING && strlen(lua_tostring(L, -1)) == lua_rawlen(L, -1)) {
        text = lua_tostring(L, -1);
    } else if (numbers && lua_isinteger(L, -1)) {
        snprintf(digits, sizeof digits, "%lld", (long long)lua_tointeger(L, -1));
        text = digits;
    }
    if (!text)
        mw__lua_raise(L, ctx, MW_INVALID, "policy", "policy: an element of '%s' must be %s, got %s",
                      name, numbers ? "an id" : "a pattern", mw__lua_got(L, -1));
    if (add(policy, text, &error) != MW_OK)
        mw__lua_raise_core(L, ctx, &error, "policy");
}

/* Adds the elements of the list `name` of the table at `index`. [-0, +0, raises] */
static void add_list(lua_State *L, mw_lua *ctx, int index, mw_policy *policy, const char *name,
                     add_fn add, bool numbers)
{
    lua_getfield(L, index, name);
    int list = lua_gettop(L);
    if (!lua_istable(L, list)) /* a finalizer may have changed it */
        mw__lua_raise(L, ctx, MW_INVALID, "policy", "policy: '%s' must be a list, got %s", name,
                      mw__lua_got(L, list));
    lua_Unsigned length = lua_rawlen(L, list);
    lua_Unsigned members = 0;
    for (lua_pushnil(L); lua_next(L, list); lua_pop(L, 1))
        members++;
    if (members != length)
        mw__lua_raise(L, ctx, MW_INVALID, "policy", "policy: '%s' must be a list, { \"...\", ... }",
                      name);
    for (lua_Unsigned i = 1; i <= length; i++) {
        lua_rawgeti(L, list, (lua_Integer)i);
        add_one(L, ctx, policy, name, add, numbers);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void mw__lua_policy_read(lua_State *L, mw_lua *ctx, int index, mw__client *client)
{
    policy_options options = {0};
    char digits[24];
    mw__lua_options(L, ctx, index, "policy", option_rows, &options, digits);
    if (mw_policy_new(&client->policy) != MW_OK) {
        client->policy = NULL;
        luaL_error(L, "out of memory");
    }
    mw_policy *policy = client->policy;
    mw_error error = {0};
    if (options.allow)
        add_list(L, ctx, index, policy, "allow", mw_policy_allow, false);
    else if (mw_policy_allow(policy, "*:*", &error) != MW_OK)
        mw__lua_raise_core(L, ctx, &error, "policy");
    if (options.deny)
        add_list(L, ctx, index, policy, "deny", mw_policy_deny, false);
    if (options.accounts)
        add_list(L, ctx, index, policy, "accounts", mw_policy_account, true);
    if (options.inboxes)
        add_list(L, ctx, index, policy, "inboxes", mw_policy_inbox, true);
    for (int i = 0; i < MW_LIMITS; i++) {
        if (options.most[i] > 0)
            mw_policy_limit(policy, (mw_limit)i, options.most[i]);
    }
    mw_policy_read_only(policy, options.read_only);
    mw_policy_dry_run(policy, options.dry_run);
}

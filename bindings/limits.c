/* limits.c: owns the way from a script's or an environment's words to the limits of a client, and the place of files
 * that processes share. Must not know what limits do. Runs on the thread of the Lua state. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client_private.h"

#define SHARED_NAME "limits.db"

/* ---- the state folder ---- */

bool mw_lua_state_file(const char *name, char path[MW_STATE_PATH])
{
    const char *own = getenv("MOONWIRE_STATE");
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int length = -1;
    if (own && own[0] == '/')
        length = snprintf(path, MW_STATE_PATH, "%s/%s", own, name);
    else if (state && state[0] == '/')
        length = snprintf(path, MW_STATE_PATH, "%s/moonwire/%s", state, name);
    else if (home && home[0] == '/')
        length = snprintf(path, MW_STATE_PATH, "%s/.local/state/moonwire/%s", home, name);
    return length > 0 && length < MW_STATE_PATH;
}

bool mw_lua_state_folders(const char *path)
{
    char folder[MW_STATE_PATH];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
            return false;
    }
    return true;
}

void mw_lua_keep_state(mw_lua *ctx)
{
    ctx->keeps_state = true;
}

static int make_folders(const char *path, mw_error *error)
{
    if (mw_lua_state_folders(path))
        return MW_OK;
    return mw_error_set(error, MW_INVALID, "limits", "can't make the folder of '%.300s': %s", path,
                        strerror(errno));
}

/* ---- an environment's words ---- */

int mw_lua_limits(const char *variable, char *text, char *shared, mw_limits *limits, mw_error *error)
{
    mw_error why = {0};
    *limits = (mw_limits){0};
    if (!text)
        return MW_OK;
    if (shared && !mw_lua_state_file(SHARED_NAME, shared))
        shared = NULL;
    int rc = mw_limits_parse(text, shared, limits, &why);
    if (rc == MW_OK && limits->shared && limits->shared == shared)
        rc = make_folders(shared, &why);
    if (rc == MW_OK)
        return MW_OK;
    return mw_error_set(error, rc, "limits", "connect: the environment variable %s: %s", variable,
                        why.message);
}

/* ---- a script's words ---- */

typedef struct limits_options {
    bool lanes[MW_LANES]; /* whether there is such a member */
    bool shared;
} limits_options;

typedef struct lane_options {
    bool rate;
    uint32_t concurrency;
} lane_options;

static const mw__option lane_rows[] = {
    {"rate", MW__OPT_ANY, offsetof(lane_options, rate)},
    {"concurrency", MW__OPT_COUNT32, offsetof(lane_options, concurrency)},
    {NULL, MW__OPT_STRING, 0},
};

/* The text at the top, or NULL where it is none that C can read. [-0, +0, -] */
static const char *text_at_top(lua_State *L)
{
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    return text && strlen(text) == lua_rawlen(L, -1) ? text : NULL;
}

/* The rate at the top: a text, or false for none. [-0, +0, raises] */
static void read_rate(lua_State *L, mw_lua *ctx, const char *name, const char *wanted,
                      mw_lane_limit *limit)
{
    mw_error error = {0};
    const char *text = text_at_top(L);
    if (lua_isboolean(L, -1) && !lua_toboolean(L, -1))
        text = "off";
    if (!text)
        mw__lua_raise(L, ctx, MW_INVALID, "limits", "limits: '%s' must be %s, got %s", name, wanted,
                      mw__lua_got(L, -1));
    if (mw_limit_parse(text, limit, &error) != MW_OK)
        mw__lua_raise(L, ctx, MW_INVALID, "limits", "limits: '%s': %s", name, error.message);
}

/* The limit of a lane at the top. [-0, +0, raises] */
static void read_lane(lua_State *L, mw_lua *ctx, const char *name, mw_lane_limit *limit)
{
    lane_options options = {0};
    if (!lua_istable(L, -1)) {
        read_rate(L, ctx, name,
                  "a rate such as \"100/min\", false for no limit, or "
                  "{ rate = \"100/min\", concurrency = 4 }",
                  limit);
        return;
    }
    const char *what = lua_pushfstring(L, "limits.%s", name);
    mw__lua_options(L, ctx, -2, what, lane_rows, &options, NULL);
    limit->concurrency = options.concurrency;
    if (options.rate) {
        const char *rate = lua_pushfstring(L, "%s.rate", name);
        lua_getfield(L, -3, "rate");
        read_rate(L, ctx, rate, "a rate such as \"100/min\", or false for no limit", limit);
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

/* What `shared` at the top means, which takes its place. [-1, +1, raises] */
static const char *read_shared(lua_State *L, mw_lua *ctx)
{
    char path[MW_STATE_PATH];
    mw_error error = {0};
    const char *text = text_at_top(L);
    if (text && *text)
        return text;
    if (!lua_isboolean(L, -1))
        mw__lua_raise(L, ctx, MW_INVALID, "limits",
                      "limits: 'shared' must be true or the path of a file, got %s",
                      text ? "\"\"" : mw__lua_got(L, -1));
    if (!lua_toboolean(L, -1))
        return NULL;
    if (!ctx->keeps_state || !mw_lua_state_file(SHARED_NAME, path))
        mw__lua_raise(L, ctx, MW_INVALID, "limits",
                      "limits: there is no place for a shared file here; name one: "
                      "shared = \"/path/to/file\"");
    if (make_folders(path, &error) != MW_OK)
        mw__lua_raise(L, ctx, MW_INVALID, "limits", "limits: %s", error.message);
    lua_pop(L, 1);
    return lua_pushstring(L, path);
}

void mw__lua_limits_read(lua_State *L, mw_lua *ctx, int index, mw_limits *limits)
{
    mw__option rows[MW_LANES + 2] = {{NULL, MW__OPT_STRING, 0}};
    limits_options options = {0};
    *limits = (mw_limits){.off = lua_isboolean(L, index) && !lua_toboolean(L, index)};
    if (!limits->off && !lua_istable(L, index))
        mw__lua_raise(L, ctx, MW_INVALID, "limits",
                      "limits: option 'limits' must be a table such as { search = \"100/min\" }, or "
                      "false for none, got %s",
                      lua_isboolean(L, index) ? "true" : mw__lua_got(L, index));
    for (size_t i = 0; i < MW_LANES; i++)
        rows[i] = (mw__option){mw_lane_name((mw_lane)i), MW__OPT_ANY,
                               offsetof(limits_options, lanes) + i * sizeof(bool)};
    rows[MW_LANES] = (mw__option){"shared", MW__OPT_ANY, offsetof(limits_options, shared)};
    if (!limits->off)
        mw__lua_options(L, ctx, index, "limits", rows, &options, NULL);
    for (size_t i = 0; i < MW_LANES; i++) {
        if (!options.lanes[i])
            continue;
        lua_getfield(L, index, rows[i].name);
        read_lane(L, ctx, rows[i].name, &limits->lanes[i]);
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    if (options.shared) {
        lua_pop(L, 1);
        lua_getfield(L, index, "shared");
        limits->shared = read_shared(L, ctx);
    }
}

/* host.c: a host: its state, its loop, the clients lent to it, running scripts and keeping what
 * ended them. Knows nothing of the command line, signals or the terminal. On the host's thread,
 * except moonwire_interrupt. */
#define _GNU_SOURCE
#include "host.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"

struct mw__loan {
    mw_client *client;
    mw__loan *next;
};

static void clear_error(moonwire *host)
{
    free(host->error);
    host->error = NULL;
    host->kind[0] = '\0';
}

/* The host forgets the text rather than fail when there is no memory for it. */
static void keep_error(moonwire *host, const char *text, const char *kind)
{
    clear_error(host);
    host->error = strdup(text);
    for (size_t i = 0; kind[i] && i + 1 < sizeof host->kind; i++) {
        host->kind[i] = kind[i];
        host->kind[i + 1] = '\0';
    }
}

static int code_of(const char *kind)
{
    static const struct {
        const char *kind;
        int code;
    } codes[] = {
#define MW_X(name, code, kind, text) {kind, code},
        MW_ERRORS(MW_X)
#undef MW_X
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(codes[i].kind, kind) == 0)
            return codes[i].code;
    return MW_INVALID;
}

/* Keeps the error whose value is at `value` and whose text is on the top. Touches raw fields only,
 * so that nothing raises out here. [-0, +0, -] */
static int keep_failure(moonwire *host, int value)
{
    lua_State *L = host->L;
    const char *text =
        lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(error without a text)";
    const char *kind = mw__failure_field(L, value, "kind");
    if (!kind || strlen(kind) >= sizeof host->kind)
        kind = "script";
    keep_error(host, text, kind);
    return code_of(kind);
}

static const char *read_environment(const char *name, void *ud)
{
    (void)ud;
    return getenv(name);
}

moonwire *moonwire_new(const moonwire_options *options, mw_error *error)
{
    static const moonwire_options defaults = {0};
    if (!options)
        options = &defaults;
    moonwire *host = calloc(1, sizeof *host);
    if (!host || (options->lua_dir && !(host->lua_dir = strdup(options->lua_dir))))
        goto memory;
    int code = mw_loop_new(&host->loop);
    if (code < 0) {
        mw_error_set(error, code, "", "can't make an event loop: %s", mw_err_text(code));
        goto failed;
    }
    host->L = luaL_newstate();
    if (!host->L)
        goto memory;
    lua_pushcfunction(host->L, mw__state_open);
    lua_pushlightuserdata(host->L, host);
    if (lua_pcall(host->L, 1, 0, 0) != LUA_OK) {
        const char *text = lua_tostring(host->L, -1);
        mw_error_set(error, MW_MEMORY, "", "can't set up Lua: %s", text ? text : "out of memory");
        goto failed;
    }
    if (options->env_profiles) {
        mw_lua_on_env(host->lua, read_environment, NULL);
        mw_lua_keep_state(host->lua);
    }
    if (options->log)
        mw_lua_on_log(host->lua, options->log, options->log_ud);
    return host;

memory:
    mw_error_set(error, MW_MEMORY, "", "can't make a host: out of memory");
failed:
    moonwire_free(host);
    return NULL;
}

void mw__host_close_state(moonwire *host)
{
    if (host->L)
        lua_close(host->L);
    host->L = NULL;
}

void moonwire_free(moonwire *host)
{
    if (!host)
        return;
    mw__host_close_state(host);
    while (host->loans) {
        mw__loan *loan = host->loans;
        host->loans = loan->next;
        mw_client_free(loan->client);
        free(loan);
    }
    mw_loop_free(host->loop);
    clear_error(host);
    free(host->base_path);
    free(host->lua_dir);
    free(host);
}

mw_loop *moonwire_loop(moonwire *host)
{
    return host->loop;
}

int moonwire_lend(moonwire *host, const char *name, mw_client *client, mw_error *error)
{
    const char *shown = name ? name : "";
    mw__loan *loan = calloc(1, sizeof *loan);
    if (!loan)
        return mw_error_set(error, MW_MEMORY, "", "can't lend '%s': out of memory", shown);
    int code = mw_lua_lend(host->lua, name, mw_client_gate(client));
    if (code < 0) {
        free(loan);
        return mw_error_set(error, code, "name", "can't lend a client as '%s': %s", shown,
                            code == MW_INVALID ? "the name is empty or taken; choose another"
                                               : mw_err_text(code));
    }
    for (const mw__loan *other = host->loans; other; other = other->next) {
        if (other->client == client) { /* one more name: the client itself is freed once */
            free(loan);
            return MW_OK;
        }
    }
    *loan = (mw__loan){.client = client, .next = host->loans};
    host->loans = loan;
    return MW_OK;
}

/* What mw_lua_run and its like leave behind. [-2 or -0, +0, -] */
static int conclude(moonwire *host, int status)
{
    host->running = 0;
    if (status == LUA_OK)
        return MW_OK;
    int code = keep_failure(host, -2);
    lua_pop(host->L, 2);
    return code;
}

int mw__host_call(moonwire *host, int nargs, int nresults)
{
    clear_error(host);
    host->running = 1;
    if (host->leaves_tasks)
        return conclude(host, mw_lua_call(host->L, host->lua, nargs, nresults));
    return conclude(host, mw_lua_run(host->L, host->lua, nargs, nresults));
}

int mw__host_turn(moonwire *host)
{
    clear_error(host);
    host->running = 1;
    return conclude(host, mw_lua_turn(host->L, host->lua));
}

/* [-1, +1, raises] */
static int l_require(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

int mw__host_require(moonwire *host, const char *name)
{
    lua_pushcfunction(host->L, l_require);
    lua_pushstring(host->L, name);
    return mw__host_call(host, 1, 1);
}

/* What l_prepare is to load. */
typedef struct job {
    const moonwire *host;
    const char *text; /* NULL: the file */
    size_t length;
    const char *chunkname;
    char *const *argv;
    int argc;
    int script;
} job;

/* Gives the loaded chunk and its arguments. [-1, +n, raises] */
static int l_prepare(lua_State *L)
{
    const job *wanted = lua_touserdata(L, 1);
    const char *path = wanted->argv[wanted->script];
    bool input = !wanted->text && strcmp(path, "-") == 0;
    mw__state_set_arg(L, wanted->argv, wanted->argc, wanted->script);
    mw__state_set_path(L, wanted->host, wanted->text || input ? NULL : path);
    int status;
    if (wanted->text) {
        const char *name = lua_pushfstring(L, "=%s", wanted->chunkname);
        status = luaL_loadbufferx(L, wanted->text, wanted->length, name, "t");
    } else {
        status = luaL_loadfilex(L, input ? NULL : path, "t");
    }
    if (status != LUA_OK)
        return lua_error(L);
    int count = wanted->argc - wanted->script - 1;
    luaL_checkstack(L, count, "too many arguments to script");
    for (int i = 0; i < count; i++)
        lua_pushstring(L, wanted->argv[wanted->script + 1 + i]);
    return count + 1;
}

/* Loading fails without a traceback: a syntax error has its line in the message. */
static int run_job(moonwire *host, job *wanted)
{
    lua_State *L = host->L;
    wanted->host = host;
    clear_error(host);
    int base = lua_gettop(L);
    lua_pushcfunction(L, l_prepare);
    lua_pushlightuserdata(L, wanted);
    if (lua_pcall(L, 1, LUA_MULTRET, 0) != LUA_OK) {
        int code = keep_failure(host, -1);
        lua_pop(L, 1);
        return code;
    }
    return mw__host_call(host, lua_gettop(L) - base - 1, 0);
}

int mw__host_run_script(moonwire *host, char *const *argv, int argc, int script)
{
    return run_job(host, &(job){.argv = argv, .argc = argc, .script = script});
}

int moonwire_run_file(moonwire *host, const char *path, int argc, char *const *argv)
{
    const char **all = calloc((size_t)argc + 1, sizeof *all);
    if (!all) {
        keep_error(host, "can't run the script: out of memory", mw_err_kind(MW_MEMORY));
        return MW_MEMORY;
    }
    all[0] = path;
    for (int i = 0; i < argc; i++)
        all[i + 1] = argv[i];
    int code = mw__host_run_script(host, (char *const *)all, argc + 1, 0);
    free(all);
    return code;
}

int moonwire_run_buffer(moonwire *host, const char *text, size_t length, const char *chunkname)
{
    const char *argv[] = {chunkname};
    return run_job(host, &(job){.text = text,
                                .length = length,
                                .chunkname = chunkname,
                                .argv = (char *const *)argv,
                                .argc = 1});
}

const char *moonwire_error(const moonwire *host)
{
    if (host->error)
        return host->error;
    return host->kind[0] ? "the script failed, and there is no memory left to say how" : "";
}

const char *moonwire_error_kind(const moonwire *host)
{
    return host->kind;
}

void moonwire_interrupt(moonwire *host)
{
    if (host->running)
        mw_lua_interrupt(host->lua);
}

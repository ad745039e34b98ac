/* stop_test.c: ending and watching a script from a signal handler: mw_lua_stop, mw_lua_interrupt, mw_lua_peek. A real
 * timer strikes while the script runs. Which state it strikes is the only global: a handler has no other way. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include <lua.h>

#include <lauxlib.h>
#include <lualib.h>

#include "moonwire_lua.h"
#include "mw/mw.h"
#include "test.h"

static const char spent[] = "the CPU time of 30 s is used up";

static mw_lua *volatile struck;
static void (*volatile blow)(mw_lua *ctx);

static void on_alarm(int number)
{
    (void)number;
    if (struck)
        blow(struck);
}

static void stop(mw_lua *ctx)
{
    mw_lua_stop(ctx, MW_BUDGET, spent);
}

/* Strikes after `first_ms`, then every `again_ms` (0: once). */
static void arm(mw_lua *ctx, void (*fn)(mw_lua *), suseconds_t first_ms, suseconds_t again_ms)
{
    struck = NULL;
    blow = fn;
    struck = ctx;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL,
              &(struct itimerval){.it_value = {.tv_usec = first_ms * 1000},
                                  .it_interval = {.tv_usec = again_ms * 1000}},
              NULL);
}

static void disarm(void)
{
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    struck = NULL;
    signal(SIGALRM, SIG_DFL);
}

typedef struct state {
    mw_loop *loop;
    lua_State *L;
    mw_lua *ctx;
} state;

static state open_state(void)
{
    state s = {0};
    CHECK_INT(mw_loop_new(&s.loop), MW_OK);
    s.L = luaL_newstate();
    luaL_openlibs(s.L);
    s.ctx = mw_lua_preload(s.L, s.loop);
    CHECK_INT(luaL_dostring(s.L, "require 'moonwire.core'"), LUA_OK);
    return s;
}

static void close_state(state *s)
{
    CHECK_INT(mw_lua_live(s->ctx), 0);
    lua_close(s->L);
    CHECK_INT(mw_loop_live(s->loop), 0);
    mw_loop_free(s->loop);
}

static int run(state *s, const char *chunk, const char *script)
{
    CHECK_INT(luaL_loadbuffer(s->L, script, strlen(script), chunk), LUA_OK);
    return mw_lua_run(s->L, s->ctx, 0, 0);
}

/* A text field of the error below the traceback at the top. */
static const char *field(lua_State *L, const char *name)
{
    lua_getfield(L, -2, name);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1); /* the error object keeps it */
    return text;
}

/* The run has ended with that error and a traceback; both go. */
static void check_error(lua_State *L, const char *kind, const char *message, const char *where)
{
    CHECK_INT(lua_type(L, -2), LUA_TTABLE);
    if (lua_type(L, -2) != LUA_TTABLE)
        return;
    CHECK_STR(field(L, "kind"), kind);
    CHECK_STR(field(L, "message"), message);
    CHECK_STR(field(L, "sent"), NULL);
    const char *from = field(L, "where");
    CHECK(!where || (from && strncmp(from, where, strlen(where)) == 0));
    const char *trace = lua_tostring(L, -1);
    CHECK(trace && strstr(trace, message) && strstr(trace, "stack traceback:"));
    lua_pop(L, 2);
}

static const char *const endless[] = {
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "while true do pcall(error, 'x') end",
    "local r, c = coroutine.resume, coroutine.create"
    " while true do r(c(function() while true do end end)) end",
    "local w = coroutine.wrap(function() while true do coroutine.yield() end end) while true do w() end",
    "local t = setmetatable({}, { __index = function(t, k) return k end }) while true do t.x = t.x end",
    "local function f(n) if n == 0 then while true do end end return (select(2, pcall(f, n - 1))) end f(100)",
    "local mw = require 'moonwire.core' mw.sleep(1000)",
    "local mw = require 'moonwire.core' while true do pcall(mw.sleep, 1000) end",
    "local mw = require 'moonwire.core' mw.spawn(function() while true do pcall(mw.sleep, 1000) end end):wait()",
    "local mw = require 'moonwire.core' mw.spawn(function() while true do pcall(error) end end) mw.sleep(1000)",
    "local mw = require 'moonwire.core' while true do mw.spawn(function() mw.sleep(0) end):wait() end",
    "local mw = require 'moonwire.core' for i = 1, 100 do"
    " mw.spawn(function() coroutine.wrap(function() mw.sleep(1000) end)() end) end",
    "string.gsub(('a'):rep(1e6), 'a', function() while true do end end)",
    "table.sort({ 3, 2, 1 }, function() while true do pcall(next) end end)",
    "local x <close> = setmetatable({}, { __close = function() while true do end end }) while true do end",
};

TEST(a_stop_ends_whatever_lua_code_runs_or_waits)
{
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        state s = open_state();
        arm(s.ctx, stop, 30, 0);
        CHECK_INT(run(&s, "@script.lua", endless[i]), LUA_ERRRUN);
        disarm();
        check_error(s.L, "budget", spent, NULL);
        close_state(&s);
    }
}

TEST(a_stop_names_the_line_and_lasts)
{
    state s = open_state();
    arm(s.ctx, stop, 30, 0);
    CHECK_INT(run(&s, "@script.lua",
                  "local n = 0\nlocal function f()\n  while true do n = n + 1 end\nend\nf()"),
              LUA_ERRRUN);
    disarm();
    check_error(s.L, "budget", spent, "script.lua:3: ");
    mw_lua_stop(s.ctx, MW_CANCELLED, "another reason");
    for (int i = 0; i < 3; i++) { /* no run, interrupt or turn resets it */
        CHECK_INT(run(&s, "@script.lua", "ran = true"), LUA_ERRRUN);
        check_error(s.L, "budget", spent, "script.lua:1: ");
        mw_lua_interrupt(s.ctx);
        CHECK_INT(mw_lua_turn(s.L, s.ctx), LUA_ERRRUN);
        check_error(s.L, "budget", spent, NULL);
    }
    CHECK_INT(lua_getglobal(s.L, "ran"), LUA_TNIL);
    lua_pop(s.L, 1);
    close_state(&s);
}

TEST(a_stop_outlives_safe_views_and_tasks_that_catch_everything)
{
    static const char script[] =
        "local mw = require 'moonwire.core'\n"
        "local desk = mw.client{ service = 'ooctopus', url = 'http://127.0.0.1:1', token = 'x', account = 1 }\n"
        "local safe = desk:safe()\n"
        "for i = 1, 4 do mw.spawn(function() while true do pcall(safe.contacts.get, safe.contacts, 1) end end) end\n"
        "while true do safe.contacts:get(1) end";
    state s = open_state();
    arm(s.ctx, stop, 60, 0);
    CHECK_INT(run(&s, "@script.lua", script), LUA_ERRRUN);
    disarm();
    check_error(s.L, "budget", spent, NULL);
    close_state(&s);
}

TEST(an_interrupt_ends_with_its_run)
{
    state s = open_state();
    arm(s.ctx, mw_lua_interrupt, 30, 0);
    CHECK_INT(run(&s, "@script.lua", endless[1]), LUA_ERRRUN);
    disarm();
    check_error(s.L, "cancelled", "interrupted", "script.lua:1: ");
    CHECK_INT(run(&s, "@script.lua", "local n = 0 for i = 1, 1000 do n = n + i end"), LUA_OK);
    CHECK(lua_gethook(s.L) == NULL);
    close_state(&s);
}

/* What the peeks saw. */
static struct {
    volatile sig_atomic_t asked;
    int told;
    char where[2][64]; /* that line begins with; the second one may be "" */
    int strange;
} seen;

static void peek(mw_lua *ctx)
{
    seen.asked++;
    mw_lua_peek(ctx);
}

/* After some looks the script is stopped: from here, where no Lua is touched. */
static void on_peek(const char *where, void *ud)
{
    seen.told++;
    bool known = strcmp(where, seen.where[0]) == 0 || strcmp(where, seen.where[1]) == 0;
    seen.strange += known ? 0 : 1;
    if (seen.told == 5)
        stop(*(mw_lua **)ud);
}

static void watch(const char *script, const char *line, const char *other)
{
    state s = open_state();
    memset(&seen, 0, sizeof seen);
    snprintf(seen.where[0], sizeof seen.where[0], "%s", line);
    snprintf(seen.where[1], sizeof seen.where[1], "%s", other);
    CHECK_INT(run(&s, "@own.lua",
                  "local core = require 'moonwire.core'\n"
                  "core.own()\n"
                  "function spin() while true do local x = 1 end end\n"
                  "function call(f) while true do f() end end"),
              LUA_OK);
    mw_lua_on_peek(s.ctx, on_peek, &s.ctx);
    arm(s.ctx, peek, 10, 10);
    CHECK_INT(run(&s, "@script.lua", script), LUA_ERRRUN);
    disarm();
    check_error(s.L, "budget", spent, "script.lua:");
    CHECK_INT(seen.told, 5);
    CHECK(seen.asked >= seen.told);
    CHECK_INT(seen.strange, 0);
    close_state(&s);
}

TEST(a_peek_tells_the_line_of_the_script)
{
    watch("local x = 0\nwhile true do x = x + 1 end", "script.lua:2", "");
    watch("\n\nlocal x = 0\nlocal function f() while true do x = x + 1 end end\nf()",
          "script.lua:4", "");
    watch("\nspin()", "script.lua:2", ""); /* not that of the library */
    watch("\n\ncall(function()\n end)", "script.lua:4", "script.lua:3");
    watch("coroutine.wrap(function()\n while true do end\nend)()", "script.lua:2", "");
    watch("local mw = require 'moonwire.core'\nmw.spawn(function()\n while true do end\nend):wait()",
          "script.lua:3", "");
}

TEST(a_peek_leaves_no_hook_and_no_trace)
{
    state s = open_state();
    memset(&seen, 0, sizeof seen);
    mw_lua_peek(s.ctx); /* nobody listens */
    CHECK(lua_gethook(s.L) == NULL);
    mw_lua_on_peek(s.ctx, on_peek, &s.ctx);
    for (int i = 0; i < 3; i++)
        mw_lua_peek(s.ctx);
    CHECK_INT(
        run(&s, "@script.lua", "local n = 0 for i = 1, 1000 do n = n + i end assert(n == 500500)"),
        LUA_OK);
    CHECK_INT(seen.told, 1); /* once for all that came before */
    CHECK(lua_gethook(s.L) == NULL);
    CHECK_INT(run(&s, "@script.lua", "local n = 0"), LUA_OK);
    CHECK_INT(seen.told, 1);
    close_state(&s);
}

/* waits_test.c: what becomes of the waits that a gate tells of in a Lua state: the handler of mw.on_wait, the log, what
 * the handler does wrong. The gate is a real client's; what it tells is told by hand, so that no limit has to be waited
 * for. */
#include <stdio.h>
#include <stdlib.h>

#include <lua.h>

#include <lauxlib.h>
#include <lualib.h>

#include "gate_private.h"
#include "moonwire_lua.h"
#include "mw/mw.h"
#include "test.h"

typedef struct state {
    mw_loop *loop;
    mw_client *client;
    lua_State *L;
    mw_lua *ctx;
    char logged[2000];
} state;

static void on_log(const char *level, const char *line, void *ud)
{
    state *s = ud;
    size_t length = strlen(s->logged);
    snprintf(s->logged + length, sizeof s->logged - length, "%s: %s\n", level, line);
}

/* tell(lane, seconds): the gate tells of a wait, as from the loop. Upvalue 1: the state. */
static int l_tell(lua_State *L)
{
    const state *s = lua_touserdata(L, lua_upvalueindex(1));
    mw_wait wait = {.service = MW_OOCTOPUS,
                    .lane = (mw_lane)luaL_checkinteger(L, 1),
                    .reason = MW_WAIT_LIMIT,
                    .seconds = luaL_checknumber(L, 2),
                    .waiting = 12,
                    .allowed = (uint32_t)luaL_optinteger(L, 3, 100),
                    .window_ms = 60000};
    mw__gate_tell(mw_client_gate(s->client), &wait);
    return 0;
}

/* trouble(text): the gate tells of a shared file that has failed. Upvalue 1: the state. */
static int l_trouble(lua_State *L)
{
    const state *s = lua_touserdata(L, lua_upvalueindex(1));
    mw_wait wait = {.reason = MW_WAIT_UNSHARED, .trouble = luaL_checkstring(L, 1)};
    mw__gate_tell(mw_client_gate(s->client), &wait);
    return 0;
}

static void open_state(state *s)
{
    *s = (state){0};
    mw_client_options options = {.url = "http://127.0.0.1:9", .account = "1", .user_token = "t"};
    CHECK_INT(mw_loop_new(&s->loop), MW_OK);
    CHECK_INT(mw_client_new(s->loop, &options, &s->client, NULL), MW_OK);
    s->L = luaL_newstate();
    luaL_openlibs(s->L);
    s->ctx = mw_lua_preload(s->L, s->loop);
    mw_lua_on_log(s->ctx, on_log, s);
    CHECK_INT(mw_lua_lend(s->ctx, "desk", mw_client_gate(s->client)), MW_OK);
    lua_pushlightuserdata(s->L, s);
    lua_pushcclosure(s->L, l_tell, 1);
    lua_setglobal(s->L, "tell");
    lua_pushlightuserdata(s->L, s);
    lua_pushcclosure(s->L, l_trouble, 1);
    lua_setglobal(s->L, "trouble");
}

static void close_state(state *s)
{
    CHECK_INT(mw_lua_live(s->ctx), 0);
    lua_close(s->L);
    CHECK(mw_client_gate(s->client)->watches == NULL); /* the state has taken its clients off */
    mw_client_free(s->client);
    while (mw_loop_run(s->loop, false)) {}
    CHECK_INT(mw_loop_live(s->loop), 0);
    mw_loop_free(s->loop);
}

/* Runs a script that asserts; `core` is the module, `desk` a client on the gate. */
static void check(state *s, const char *script)
{
    lua_pushfstring(s->L,
                    "local core = require 'moonwire.core'"
                    " local desk = core.connect 'desk'\n%s",
                    script);
    const char *text = lua_tostring(s->L, -1);
    CHECK_INT(luaL_loadbuffer(s->L, text, strlen(text), "@script.lua"), LUA_OK);
    int status = mw_lua_run(s->L, s->ctx, 0, 0);
    CHECK_STR(status == LUA_OK ? NULL : lua_tostring(s->L, -1), NULL);
    lua_settop(s->L, 0);
}

TEST(the_handler_gets_the_wait_as_a_task)
{
    state s;
    open_state(&s);
    check(&s,
          "local got, inside = {}, nil\n"
          "core.on_wait(function(w) inside = coroutine.isyieldable(); core.sleep(0); got[#got + 1] = w end)\n"
          "tell(1, 34.5); assert(#got == 0)\n"
          "core.sleep(0.001); core.sleep(0.001)\n"
          "assert(#got == 1 and inside)\n"
          "local w = got[1]\n"
          "assert(w.service == 'ooctopus' and w.lane == 'search' and w.reason == 'limit')\n"
          "assert(w.seconds == 34.5 and math.type(w.waiting) == 'integer' and w.waiting == 12)\n"
          "assert(math.type(w.allowed) == 'integer' and w.allowed == 100 and w.window == 60)\n"
          "assert(w.text:find('search', 1, true))\n"
          "tell(0, 3, 0); core.sleep(0.001); core.sleep(0.001)\n"
          "assert(#got == 2 and got[2].allowed == nil and got[2].window == nil)\n");
    CHECK_STR(s.logged, "");
    close_state(&s);
}

TEST(trouble_with_a_shared_file_is_no_wait)
{
    state s;
    open_state(&s);
    check(&s,
          "trouble('limits.db is ' .. 'gone'); tell(0, 5); core.sleep(0.001); core.sleep(0.001)\n");
    CHECK_STR(s.logged,
              "warn: limits.db is gone\n"
              "info: waiting 5 s for the limit of the lane all (100/min); 12 calls are queued\n");
    s.logged[0] = '\0';
    check(
        &s,
        "local got = {}\n"
        "core.on_wait(function(w) got[#got + 1] = w end)\n"
        "tell(0, 5); trouble(('x'):rep(255)); core.sleep(0.001); core.sleep(0.001)\n"
        "assert(#got == 2 and got[1].reason == 'limit', #got)\n"
        "local w = got[2]\n"
        "assert(w.reason == 'unshared' and w.text == ('x'):rep(255))\n"
        "assert(w.service == 'ooctopus' and w.lane == 'all' and w.waiting == 0 and not w.allowed)\n");
    CHECK_STR(s.logged, "");
    close_state(&s);
}

TEST(a_wait_is_told_once_however_many_clients_share_the_gate)
{
    state s;
    open_state(&s);
    check(&s, "local other, count, last = core.connect 'desk', 0, nil\n"
              "core.on_wait(function(w) count = count + 1; last = w end)\n"
              "tell(1, 1); tell(1, 2); core.sleep(0.001); core.sleep(0.001)\n"
              "assert(count == 1 and last.seconds == 2, count)\n"
              "tell(1, 1); tell(2, 1); core.sleep(0.001); core.sleep(0.001)\n"
              "assert(count == 3, count)\n"
              "other:close(); desk:close(); tell(1, 9); core.sleep(0.001); core.sleep(0.001)\n"
              "assert(count == 3, count)\n");
    close_state(&s);
}

TEST(without_a_handler_it_is_a_log_line)
{
    state s;
    open_state(&s);
    check(&s, "tell(1, 34); core.sleep(0.001)\n"
              "core.on_wait(function() end); core.on_wait(nil); tell(2, 34)");
    CHECK(strstr(s.logged, "info: waiting 34 s for the limit of the lane search (100/min); "
                           "12 calls are queued\n") == s.logged);
    CHECK(strstr(s.logged, "reports") != NULL);
    close_state(&s);
}

TEST(what_the_handler_does_wrong_hurts_nobody_else)
{
    state s;
    open_state(&s);
    check(&s, "core.on_wait(function(w) core.sleep(0); error 'bad handler' end)\n"
              "tell(1, 3); core.sleep(0.001)\n"
              "local answer, err = desk:safe():request('GET', '/x', nil, { retries = 0 })\n"
              "assert(answer == nil and err.kind == 'network', tostring(err))\n");
    CHECK(strstr(s.logged,
                 "error: the handler of mw.on_wait failed: script.lua:2: bad handler\n") != NULL);
    s.logged[0] = '\0';
    check(&s,
          "core.on_wait(function() error(setmetatable({}, { __tostring = function() error 'x' end })) end)\n"
          "tell(1, 3)");
    CHECK(strstr(s.logged, "error: the handler of mw.on_wait failed") == s.logged);
    check(&s,
          "for _, bad in ipairs { 5, 'print', {}, true } do\n"
          "  local ok, e = pcall(core.on_wait, bad)\n"
          "  assert(not ok and e.kind == 'invalid' and e.message:find 'must be a function', tostring(e))\n"
          "end\n");
    close_state(&s);
}

/* A handler that never comes back holds up neither calls nor other handlers. */
TEST(a_handler_that_hangs_holds_up_nothing)
{
    state s;
    open_state(&s);
    check(&s,
          "local started, over = 0, false\n"
          "core.on_wait(function() started = started + 1; while not over do core.sleep(0.001) end end)\n"
          "for i = 1, 3 do tell(1, i); core.sleep(0.001); core.sleep(0.001) end\n"
          "assert(started == 3)\n"
          "local answer, err = desk:safe():request('GET', '/x', nil, { retries = 0 })\n"
          "assert(answer == nil and err.kind == 'network')\n"
          "over = true");
    close_state(&s);
}

TEST(no_more_waits_are_kept_than_there_is_room_for)
{
    state s;
    open_state(&s);
    check(&s, "local count = 0\n"
              "core.on_wait(function(w) count = count + 1 end)\n"
              "for round = 1, 100 do for lane = 0, 4 do tell(lane, round) end end\n"
              "core.sleep(0.001); core.sleep(0.001)\n"
              "assert(count == 5, count)\n");
    close_state(&s);
}

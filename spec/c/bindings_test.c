/* bindings_test.c: every allocation fails in turn while a script opens the module, encodes and
 * decodes, runs tasks, works on files and makes a call: first one of Lua or of C, once (so that Lua collects in the
 * middle of it and goes on), then one of Lua for good. Nothing crashes, nothing leaks (the sanitize
 * build says so), and the same script succeeds in the same state afterwards. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lua.h>

#include <lauxlib.h>
#include <lualib.h>

#include "failing_alloc.h"
#include "moonwire_lua.h"
#include "mw/mw.h"
#include "test.h"

enum { MOST = 20000 }; /* more allocations than any of these scripts makes */

typedef struct memory {
    unsigned left; /* until one of Lua's fails; 0: none does */
    bool failed;
} memory;

/* Fails twice, because Lua tries again after a collection. A block that shrinks never fails. */
static void *allocate(void *ud, void *block, size_t old_size, size_t size)
{
    memory *m = ud;
    if (size == 0) {
        free(block);
        return NULL;
    }
    bool grows = !block || size > old_size;
    if (grows && m->left > 0 && (m->left == 1 || --m->left == 1)) {
        if (m->failed)
            m->left = 0;
        m->failed = true;
        return NULL;
    }
    void *made = realloc(block, size);
    return made || grows ? made : block;
}

static lua_State *open_state(memory *m, mw_loop *loop, mw_lua **ctx)
{
    *m = (memory){0};
    lua_State *L = lua_newstate(allocate, m);
    luaL_openlibs(L);
    /* A metatable of Lua's own buffers that is made half because memory fails stays half for good. */
    CHECK_INT(luaL_dostring(L, "return ('x'):rep(100000)"), LUA_OK);
    lua_settop(L, 0);
    *ctx = mw_lua_preload(L, loop);
    return L;
}

static void ignore_log(const char *level, const char *line, void *ud)
{
    (void)level;
    (void)line;
    (void)ud;
}

/* Pushes the script and its argument twice: to push is to allocate. */
static void load(lua_State *L, const char *script, const char *url)
{
    for (int i = 0; i < 2; i++) {
        CHECK_INT(luaL_loadstring(L, script), LUA_OK);
        lua_pushstring(L, url);
    }
}

/* Runs what is at the top; an error is dropped. */
static int run(lua_State *L, mw_lua *ctx)
{
    int top = lua_gettop(L) - 2;
    int status = mw_lua_run(L, ctx, 1, 0);
    lua_settop(L, top);
    return status;
}

/* Runs `script` in fresh states with each allocation failing: one of Lua or of C, or of Lua only. */
static void torture(const char *script, mw_loop *loop, const char *url, bool of_c)
{
    unsigned nth = 1;
    for (; nth < MOST && !mw_test_failed(); nth++) {
        memory m;
        mw_lua *ctx;
        lua_State *L = open_state(&m, loop, &ctx);
        mw_lua_on_log(ctx, ignore_log, NULL);
        load(L, script, url);
        if (of_c)
            fail_allocation(nth);
        else
            m.left = nth + 1;
        int status = run(L, ctx);
        bool failed = of_c ? allocation_failed() : m.failed;
        fail_allocation(0);
        m.left = 0;
        CHECK(failed || status == LUA_OK);
        CHECK_INT(mw_lua_live(ctx), 0);
        CHECK_INT(run(L, ctx), LUA_OK);
        CHECK_INT(mw_lua_live(ctx), 0);
        lua_close(L);
        if (!failed)
            break;
    }
    CHECK(nth > 10 && nth < MOST);
}

static const char open_script[] = "local core = require 'moonwire.core'"
                                  " assert(core.json_encode and core.server and core.spawn)";

static const char json_script[] =
    "local core = require 'moonwire.core'"
    " local text = core.json_encode{ a = { 1, 2.5, 'x' }, b = core.array{}, c = core.null, d = true }"
    " local back = core.json_decode(text)"
    " assert(back.a[2] == 2.5 and core.is_array(back.b) and back.c == core.null)"
    " assert(not pcall(core.json_decode, '[1,'))"
    " assert(not pcall(core.json_encode, { print }))";

static const char task_script[] =
    "local core = require 'moonwire.core'"
    " local a = core.spawn(function(...) core.sleep(0) return ... end, 1, 2, 3)"
    " local b = core.spawn(function() error({ 'mine' }) end)"
    " local c = core.spawn(function()"
    "   local mark <close> = setmetatable({}, { __close = function() core.sleep(0) end })"
    "   core.sleep(60) end)"
    " local d = core.spawn(function() coroutine.yield() return 1 end)"
    " local e = core.spawn(function() return coroutine.wrap(function() core.sleep(0) return 5 end)() end)"
    " assert(select('#', a:wait()) == 3)"
    " assert(not pcall(b.wait, b))"
    " c:cancel() assert(not pcall(c.wait, c))"
    " assert(core.join{ a, d } == nil and e:wait() == 5)";

static const char deadline_script[] =
    "local core = require 'moonwire.core'"
    " local left"
    " assert(core.deadline(60, function(x) left = core.spawn(core.sleep, 0) core.sleep(0) return x end, 3) == 3)"
    " left:wait()"
    " local ok, problem = pcall(core.deadline, 60, core.deadline, 0.001, coroutine.wrap(function()"
    "   return core.spawn(function() core.sleep(0) core.sleep(60) end):wait() end))"
    " assert(not ok and problem.kind == 'timeout')";

static const char text_script[] =
    "local core = require 'moonwire.core'"
    " assert(core.str.trim ' x ' == 'x' and #core.str.split('a,b,c', ',') == 3)"
    " for line in core.str.lines 'a\\nb' do assert(#line == 1) end"
    " assert(not pcall(core.str.split, 'a', '') and not pcall(function() return core.env.HOME end))"
    " local long = ('x'):rep(3000)"
    " core.fs.write(..., long .. '\\n') core.fs.append(..., long .. '\\n')"
    " assert(core.fs.exists(...) and #core.fs.read(...) == 6002)"
    " for line in core.fs.lines(...) do assert(line == long) end";

static const char documents_script[] =
    "local core = require 'moonwire.core'"
    " local count = 0"
    " local file <close> = core.documents{ path = ... }"
    " file:write{ { 'a', '1', ('x'):rep(3000) }, { 'b', '1', 'y' }, { 'b', '1', false } }"
    " assert(not pcall(file.write, file, { { 'a', '2', 'z' }, { 'a', 3 } }))"
    " file:each(function(kind, id, body) count = count + 1 assert(kind .. id == 'a1' and #body == 3000) end)"
    " assert(not pcall(file.each, file, error) and not pcall(core.documents, { path = ... }))"
    " assert(count == 1 and core.same(core.hmac_sha256('k', 't'), core.hmac_sha256('k', 't')))";

static const char call_script[] =
    "local core = require 'moonwire.core'"
    " local desk <close> = core.client{ service = 'ooctopus', url = ..., token = 't0ken-of-us',"
    "   account = 1, limits = { all = false, search = '100/min', reports = false,"
    "     write = { rate = '1000/s', concurrency = 4 } } }"
    " core.on_wait(function() end)"
    " assert(desk:stats().lanes.all.sent == 0)"
    " local answer, response = desk.conversations:assign(12, { assignee_id = 3 })"
    " assert(answer.ok and response.status == 200)"
    " assert(desk:call('contactDetails', { id = 7, account_id = 2 }))"
    " local task = core.spawn(function() return desk:request('GET', '/x') end)"
    " assert(task:wait().ok)"
    " local ok, problem = desk:safe():request('GET', '/bad')"
    " assert(not ok and problem.body.error == 'no' and tostring(problem))";

static void answer_request(mw_exchange *exchange, const mw_incoming *incoming, void *ud)
{
    (void)ud;
    bool bad = strcmp(incoming->target, "/bad") == 0;
    const char *body = bad ? "{\"error\":\"no\"}" : "{\"ok\":true,\"list\":[]}";
    mw_exchange_answer(exchange, bad ? 422 : 200, NULL, 0, body, strlen(body));
}

static void torture_both(const char *script)
{
    mw_loop *loop;
    mw_server *server;
    char url[64];
    CHECK_INT(mw_loop_new(&loop), MW_OK);
    CHECK_INT(mw_server_new(loop, &(mw_server_options){0}, answer_request, NULL, &server, NULL),
              MW_OK);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", mw_server_port(server));
    torture(script, loop, url, true);
    torture(script, loop, url, false);
    mw_server_free(server);
    mw_loop_free(loop);
}

TEST(the_module_opens_again_after_any_failing_allocation)
{
    torture_both(open_script);
}

TEST(json_survives_any_failing_allocation_of_lua)
{
    torture_both(json_script);
}

TEST(tasks_survive_any_failing_allocation_of_lua)
{
    torture_both(task_script);
}

TEST(deadlines_survive_any_failing_allocation)
{
    torture_both(deadline_script);
}

TEST(a_call_of_a_script_survives_any_failing_allocation)
{
    torture_both(call_script);
}

TEST(files_and_text_survive_any_failing_allocation)
{
    char folder[] = "/tmp/mw_bindings_XXXXXX";
    char path[64];
    mw_loop *loop;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/file", folder);
    CHECK_INT(mw_loop_new(&loop), MW_OK);
    torture(text_script, loop, path, true);
    torture(text_script, loop, path, false);
    mw_loop_free(loop);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(rmdir(folder), 0); /* no draft is left */
}

TEST(documents_survive_any_failing_allocation)
{
    char folder[] = "/tmp/mw_bindings_XXXXXX";
    char path[64];
    mw_loop *loop;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/file", folder);
    CHECK_INT(mw_loop_new(&loop), MW_OK);
    torture(documents_script, loop, path, true);
    torture(documents_script, loop, path, false);
    mw_loop_free(loop);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(rmdir(folder), 0); /* each of them was closed */
}

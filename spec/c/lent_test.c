/* lent_test.c: what a host lends to a state instead of the real thing, and what it refuses: gates by name, files,
 * variables, clients of its own, tasks beyond a number. The refusing gate answers as one does whose service is in
 * another process: what is wrong comes as an answer, and the script sees what it would see without. */
#include <stdio.h>
#include <stdlib.h>

#include <lua.h>

#include <lauxlib.h>
#include <lualib.h>

#include "gate_private.h"
#include "moonwire_lua.h"
#include "mw/mw.h"
#include "request_private.h"
#include "test.h"

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
    return s;
}

static void close_state(state *s)
{
    CHECK_INT(mw_lua_live(s->ctx), 0);
    lua_close(s->L);
    CHECK_INT(mw_loop_live(s->loop), 0);
    mw_loop_free(s->loop);
}

/* Runs a script that asserts; `core` is the module. */
static void check(state *s, const char *script)
{
    lua_pushfstring(s->L,
                    "local core = require 'moonwire.core'"
                    " local function fails(f, ...) local ok, e = pcall(f, ...)"
                    " assert(not ok and core.is_error(e), tostring(e)) return e end\n%s",
                    script);
    const char *text = lua_tostring(s->L, -1);
    CHECK_INT(luaL_loadbuffer(s->L, text, strlen(text), "@script.lua"), LUA_OK);
    int status = mw_lua_run(s->L, s->ctx, 0, 0);
    CHECK_STR(status == LUA_OK ? NULL : lua_tostring(s->L, -1), NULL);
    lua_settop(s->L, 0);
}

/* ---- a gate whose service refuses in another place ---- */

typedef struct far_gate {
    mw_gate gate;
    mw_gate *near; /* checks as the other process does */
    mw_loop *loop;
    mw_error error;
    mw_answer_fn done;
    void *ud;
    mw_timer *timer;
    mw_error forced; /* what it says instead, if anything */
} far_gate;

/* A request of that name which was not checked. */
static mw_request *stand_in(const char *first, const char *mark, const char *rest)
{
    mw_request *request = NULL;
    const mw_operation *row = mw_operation_find(MW_OOCTOPUS, "profile", "get");
    CHECK_INT(mw_request_new(row, NULL, 0, NULL, NULL, &request, NULL), MW_OK);
    snprintf(request->name, sizeof request->name, "%s%s%.70s", first, mark, rest);
    return request;
}

/* Takes what the near gate says for later. */
static int far_request(mw_gate *gate, const mw_operation *row, const mw_value *path, size_t count,
                       const mw_value *params, const mw_call_options *options, mw_request **request,
                       mw_error *error)
{
    far_gate *far = (far_gate *)(void *)gate;
    far->error = (mw_error){0};
    far->error.code =
        mw_gate_request(far->near, row, path, count, params, options, request, &far->error);
    if (far->error.code != MW_OK)
        *request = stand_in(row->module, ":", row->method);
    (void)error;
    return MW_OK;
}

static int far_request_raw(mw_gate *gate, mw_verb verb, const char *path, const mw_value *params,
                           const mw_call_options *options, mw_request **request, mw_error *error)
{
    far_gate *far = (far_gate *)(void *)gate;
    far->error = (mw_error){0};
    far->error.code =
        mw_gate_request_raw(far->near, verb, path, params, options, request, &far->error);
    if (far->error.code != MW_OK)
        *request = stand_in(mw_verb_name(verb), " ", path);
    (void)error;
    return MW_OK;
}

static void on_timer(void *ud)
{
    far_gate *far = ud;
    mw_answer answer = {.code = far->error.code,
                        .sent = MW_SENT_NOT,
                        .retry_after = -1,
                        .attempts = 1,
                        .elapsed_us = 1000,
                        .url = "",
                        .request_id = "",
                        .message = far->error.message,
                        .field = far->error.field,
                        .body = ""};
    far->timer = NULL;
    far->done(&answer, far->ud);
}

static int far_submit(mw_gate *gate, mw_request *request, mw_answer_fn done, void *ud,
                      mw_call_id *id, mw_error *error)
{
    far_gate *far = (far_gate *)(void *)gate;
    (void)error;
    if (far->error.code == MW_OK && far->forced.code == MW_OK) {
        far->error.code = mw_gate_submit(far->near, request, done, ud, NULL, &far->error);
        CHECK(far->error.code != MW_OK); /* this gate only refuses */
    }
    if (far->forced.code != MW_OK)
        far->error = far->forced;
    mw_request_free(request);
    far->done = done;
    far->ud = ud;
    *id = 1;
    return mw_timer_start(far->loop, 0, on_timer, far, &far->timer);
}

static void far_cancel(mw_gate *gate, mw_call_id id)
{
    (void)gate;
    (void)id;
}

static const mw__gate_kind far_kind = {.request = far_request,
                                       .request_raw = far_request_raw,
                                       .submit = far_submit,
                                       .cancel = far_cancel};

static const char same_refusals[] =
    "local near, far = core.connect 'near', core.connect 'far'\n"
    "local function both(f)\n"
    "  local a, b = fails(f, near), fails(f, far)\n"
    "  for k, v in pairs(a) do assert(b[k] == v, k .. ': ' .. tostring(v) .. ' and ' .. tostring(b[k])) end\n"
    "  for k, v in pairs(b) do assert(a[k] == v, k .. ': ' .. tostring(a[k]) .. ' and ' .. tostring(v)) end\n"
    "  assert(tostring(a) == tostring(b) and a.sent == 'no' and a.where == b.where)\n"
    "  return b\n"
    "end\n"
    "local e = both(function(c) c.contacts:update(1, { nmae = 'x' }) end)\n"
    "assert(e.kind == 'invalid' and e.field == 'nmae' and e.message:find \"'name'\")\n"
    "assert(e.operation == 'contacts:update' and e.where == 'script.lua:10: ', e.where)\n"
    "e = both(function(c) c.contacts:update(1, { timeout = 3, name = 'x' }) end)\n"
    "assert(e.message:find 'option of the call' and e.field == 'timeout')\n"
    "e = both(function(c) c:call('contactUpdate', { id = 1, timeout = 3 }) end)\n"
    "assert(e.message:find 'option of the call')\n"
    "e = both(function(c) c:call('contactDetails', { id = 1, account_id = 'x' }) end)\n"
    "assert(not e.message:find 'option of the call')\n"
    "both(function(c) c.contacts:get('..') end)\n"
    "e = both(function(c) c:request('POST', '/x', { bdy = 1 }) end)\n"
    "assert(e.operation == 'request' and e.field == 'bdy')\n"
    "both(function(c) c:request('GET', '/x?y') end)\n"
    "e = both(function(c) c.contacts:delete(1) end)\n"
    "assert(e.kind == 'denied' and e.message == 'contacts:delete: the client is read-only', e.message)\n"
    "e = both(function(c) c:request('DELETE', '/x') end)\n"
    "assert(e.kind == 'denied')\n"
    "local ok, failure = far:safe().contacts:update(1, { nmae = 1 })\n"
    "assert(ok == nil and failure.field == 'nmae')";

TEST(what_another_process_refuses_looks_as_if_this_one_did)
{
    state s = open_state();
    mw_client *client = NULL;
    CHECK_INT(mw_client_new(s.loop,
                            &(mw_client_options){.service = MW_OOCTOPUS,
                                                 .url = "http://127.0.0.1:1",
                                                 .account = "1",
                                                 .user_token = "t",
                                                 .read_only = true},
                            &client, NULL),
              MW_OK);
    far_gate far = {.gate = {.kind = &far_kind, .service = MW_OOCTOPUS},
                    .near = mw_client_gate(client),
                    .loop = s.loop};
    CHECK_INT(mw_lua_lend(s.ctx, "near", far.near), MW_OK);
    CHECK_INT(mw_lua_lend(s.ctx, "far", &far.gate), MW_OK);
    check(&s, same_refusals);
    mw_error_set(&far.forced, MW_BUDGET, "writes",
                 "contacts:get: the budget of 3 writes is used up");
    check(&s,
          "local e = fails(function() core.connect('far').contacts:get(1) end)\n"
          "assert(e.kind == 'budget' and e.budget == 'writes' and e.field == nil and e.sent == 'no')\n"
          "assert(e.attempts == nil and e.operation == 'contacts:get')");
    far.forced = (mw_error){.code = MW_NETWORK, .message = "no answer came back"};
    check(&s, "local e = fails(function() core.connect('far').contacts:get(1) end)\n"
              "assert(e.kind == 'network' and e.attempts == 1 and e.sent == 'no')");
    lua_close(s.L);
    mw_client_free(client);
    CHECK_INT(mw_loop_live(s.loop), 0);
    mw_loop_free(s.loop);
}

/* ---- names ---- */

static int connect_name(const char *name, mw_gate **gate, char *label, size_t size, mw_error *error,
                        void *ud)
{
    if (strcmp(name, "desk") != 0)
        return mw_error_set(error, MW_INVALID, "name",
                            "connect: there is no profile \"%s\"; there are desk", name);
    snprintf(label, size, "ooctopus at https://desk.example, account 7");
    *gate = ud;
    return MW_OK;
}

TEST(a_host_gives_gates_by_name)
{
    state s = open_state();
    far_gate far = {.gate = {.kind = &far_kind, .service = MW_OOCTOPUS}, .loop = s.loop};
    mw_lua_on_connect(s.ctx, connect_name, &far.gate);
    check(
        &s,
        "local desk = core.connect 'desk'\n"
        "assert(tostring(desk) == 'moonwire.client (ooctopus at https://desk.example, account 7)')\n"
        "assert(desk.contacts and core.connect 'desk' ~= desk)\n"
        "for _, name in ipairs { 'ooctopus', 'circuit', '', 'x' } do\n"
        "  local e = fails(core.connect, name)\n"
        "  assert(e.kind == 'invalid' and e.operation == 'connect' and e.message:find 'there are desk')\n"
        "end\n"
        "assert(fails(core.connect, {}).kind == 'invalid')");
    close_state(&s);
}

/* ---- what is refused ---- */

TEST(a_confined_script_makes_no_clients_and_servers)
{
    state s = open_state();
    mw_lua_confine(s.ctx);
    check(&s,
          "local function denied(f, ...)\n"
          "  local e = fails(f, ...)\n"
          "  assert(e.kind == 'denied' and e.sent == 'no' and e.message:find('--sandbox=off', 1, true), e.message)\n"
          "end\n"
          "denied(core.client, { service = 'ooctopus', url = 'http://127.0.0.1:1', token = 't' })\n"
          "denied(core.client)\n"
          "denied(core.server, { handler = print })\n"
          "denied(core.server)\n"
          "denied(core.post, { url = 'http://127.0.0.1:1' })\n"
          "denied(core.post)\n"
          "assert(fails(core.connect, 'ooctopus').kind == 'invalid')\n"
          "assert(fails(core.fs.read, '/etc/passwd').kind == 'denied')\n"
          "assert(fails(core.fs.write, '/tmp/x', '').kind == 'denied')\n"
          "assert(fails(core.fs.lines, '/etc/passwd').kind == 'denied')\n"
          "assert(fails(core.fs.exists, '/etc/passwd').kind == 'denied')\n"
          "assert(fails(function() return core.env.PATH end).kind == 'denied')");
    CHECK_INT(mw_loop_live(s.loop), 0);
    close_state(&s);
}

TEST(tasks_have_a_budget_of_those_that_live)
{
    state s = open_state();
    mw_lua_limit_tasks(s.ctx, 3);
    check(&s, "local tasks = {}\n"
              "for i = 1, 3 do tasks[i] = core.spawn(core.sleep, 0) end\n"
              "local e = fails(core.spawn, core.sleep, 0)\n"
              "assert(e.kind == 'budget' and e.budget == 'tasks' and e.where == 'script.lua:1: ')\n"
              "assert(e.message == 'spawn: the budget of 3 tasks is used up')\n"
              "tasks[2]:wait()\n"
              "for i = 1, 10 do core.spawn(core.sleep, 0):wait() end");
    mw_lua_limit_tasks(s.ctx, 0);
    check(&s, "for i = 1, 100 do core.spawn(core.sleep, 0) end");
    close_state(&s);
}

/* ---- variables ---- */

static int find_variable(const char *name, const char **value, mw_error *error, void *ud)
{
    *value = strcmp(name, "SET") == 0 ? ud : NULL;
    if (*value || strcmp(name, "UNSET") == 0)
        return MW_OK;
    return mw_error_set(error, MW_DENIED, name,
                        "env: '%s' is not granted; --allow-env %s grants it", name, name);
}

TEST(variables_come_from_the_host)
{
    state s = open_state();
    char value[] = "a value";
    mw_lua_on_variable(s.ctx, find_variable, value);
    check(&s,
          "assert(core.env.SET == 'a value' and core.env['UNSET'] == nil)\n"
          "local e = fails(function() return core.env.HOME end)\n"
          "assert(e.kind == 'denied' and e.field == 'HOME' and e.message:find('--allow-env HOME', 1, true))\n"
          "for _, name in ipairs { '', 'A=B', 'A\\0B', 1, true } do\n"
          "  assert(fails(function() return core.env[name] end).kind == 'invalid')\n"
          "end\n"
          "fails(function() core.env.SET = 'x' end)\n"
          "assert(getmetatable(core.env) == false and tostring(core.env) == 'moonwire.env')");
    close_state(&s);
}

/* ---- files ---- */

/* One file of some size, whose bytes are 'a' and a newline at each hundredth place. */
typedef struct store {
    size_t size, at;
    size_t largest; /* request */
    unsigned open, kept, dropped;
    unsigned fail_at; /* the nth read or write fails */
} store;

static int open_one(const char *path, char mode, uint32_t *handle, mw_error *error, void *ud)
{
    store *files = ud;
    if (strcmp(path, "granted") != 0)
        return mw_error_set(error, MW_DENIED, "path",
                            "can't %s '%s': no folder that holds it is granted",
                            mode == 'r' ? "read" : "write", path);
    files->at = 0;
    files->open++;
    *handle = 77;
    return MW_OK;
}

static int read_one(uint32_t handle, char *data, size_t *length, mw_error *error, void *ud)
{
    store *files = ud;
    CHECK_INT(handle, 77);
    if (files->fail_at > 0 && --files->fail_at == 0)
        return mw_error_set(error, MW_INVALID, "", "the disk is gone");
    if (*length > files->largest)
        files->largest = *length;
    if (*length > files->size - files->at)
        *length = files->size - files->at;
    for (size_t i = 0; i < *length; i++, files->at++)
        data[i] = files->at % 100 == 99 ? '\n' : 'a';
    return MW_OK;
}

static int write_one(uint32_t handle, const char *data, size_t length, mw_error *error, void *ud)
{
    store *files = ud;
    (void)data;
    CHECK_INT(handle, 77);
    if (files->fail_at > 0 && --files->fail_at == 0)
        return mw_error_set(error, MW_INVALID, "", "the disk is full");
    if (length > files->largest)
        files->largest = length;
    files->at += length;
    return MW_OK;
}

static int close_one(uint32_t handle, bool keep, mw_error *error, void *ud)
{
    store *files = ud;
    (void)error;
    CHECK_INT(handle, 77);
    files->open--;
    files->kept += keep;
    files->dropped += !keep;
    return MW_OK;
}

static int exists_one(const char *path, bool *exists, mw_error *error, void *ud)
{
    (void)ud;
    *exists = strcmp(path, "granted") == 0;
    return *exists ? MW_OK : mw_error_set(error, MW_DENIED, "path", "can't look at '%s'", path);
}

static const mw_lua_files one_file = {
    .open = open_one, .read = read_one, .write = write_one, .close = close_one, .exists = exists_one};

TEST(files_go_through_the_host_in_chunks)
{
    const size_t chunk = (size_t)256 << 10;
    const size_t sizes[] = {0, 1, 100, chunk - 1, chunk, chunk + 1, 3 * chunk + 50};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        state s = open_state();
        store files = {.size = sizes[i]};
        mw_lua_on_files(s.ctx, &one_file, &files);
        lua_pushinteger(s.L, (lua_Integer)sizes[i]);
        lua_setglobal(s.L, "size");
        check(&s,
              "local text = core.fs.read 'granted'\n"
              "assert(#text == size and not text:find '[^a\\n]')\n"
              "local count, bytes = 0, 0\n"
              "for line in core.fs.lines 'granted' do count, bytes = count + 1, bytes + #line end\n"
              "assert(bytes == size - size // 100 and count == (size + 99) // 100)");
        CHECK_INT(files.open, 0);
        check(&s, "core.fs.write('granted', ('x'):rep(size)) assert(core.fs.exists 'granted')");
        CHECK_INT(files.at, sizes[i]);
        CHECK_INT(files.kept, 1);
        check(&s, "core.fs.append('granted', ('x'):rep(size))");
        CHECK_INT(files.kept, 2);
        CHECK_INT(files.open, 0);
        CHECK(files.largest <= chunk);
        close_state(&s);
    }
}

TEST(files_are_closed_whatever_happens)
{
    state s = open_state();
    store files = {.size = 1000000};
    mw_lua_on_files(s.ctx, &one_file, &files);
    check(&s, "for _ in core.fs.lines 'granted' do break end");
    CHECK_INT(files.open, 0);
    check(&s, "pcall(function() for _ in core.fs.lines 'granted' do error 'x' end end)");
    CHECK_INT(files.open, 0);
    check(&s, "local f = core.fs.lines 'granted' f() f = nil collectgarbage() collectgarbage()");
    CHECK_INT(files.open, 0);
    files.fail_at = 2;
    check(&s, "local e = fails(core.fs.read, 'granted') assert(e.message == 'the disk is gone')");
    files.fail_at = 3;
    check(&s, "fails(function() for _ in core.fs.lines 'granted' do end end)");
    CHECK_INT(files.open, 0);
    CHECK_INT(files.kept, 0);
    files.fail_at = 2;
    check(
        &s,
        "local e = fails(core.fs.write, 'granted', ('x'):rep(1e6)) assert(e.message == 'the disk is full')");
    CHECK_INT(files.open, 0);
    CHECK_INT(files.kept, 0);
    check(&s, "for _, f in ipairs { core.fs.read, core.fs.lines, core.fs.exists } do\n"
              "  local e = fails(f, 'other')\n"
              "  assert(e.kind == 'denied' and e.field == 'path' and e.operation:find '^fs%.')\n"
              "  for _, path in ipairs { '', 'a\\0b', 12, ('x'):rep(5000), {} } do\n"
              "    assert(fails(f, path).kind == 'invalid')\n"
              "  end\n"
              "end\n"
              "assert(fails(core.fs.write, 'granted', 12).kind == 'invalid')\n"
              "assert(fails(core.fs.append, 'granted').kind == 'invalid')\n"
              "keep = core.fs.lines 'granted' keep()");
    CHECK_INT(files.open, 1);
    close_state(&s);
    CHECK_INT(files.open, 0); /* the state has closed it */
}

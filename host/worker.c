/* worker.c: the life of a worker: it takes its descriptors, builds everything that needs the system, locks itself in,
 * gets a script from the broker, runs it, and says how it ended. Must not know what becomes of what it says. The
 * worker's only thread. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "budget_timer.h"
#include "failure.h"
#include "frames.h"
#include "sandbox.h"
#include "units.h"
#include "worker_private.h"

enum { LOG = 2, CHANNEL = 3, PAGE = 4, FIRST_FREE = 5, ARGUMENTS = 10, MAX_TEXT = 60 * 1024 };

/* ---- before the sandbox ---- */

/* A worker that can't start has nobody but the log pipe to tell. */
static void give_up(const char *what)
{
    size_t length = strlen(what);
    if (write(LOG, what, length) != (ssize_t)length)
        _exit(3);
    _exit(2);
}

static void take_descriptors(mw__inside *inside)
{
    void *page = mmap(NULL, sizeof *inside->page, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE, 0);
    if (page == MAP_FAILED)
        give_up("the worker has no page: start it with moonwire run\n");
    inside->page = page;
    close(PAGE);
    close_range(FIRST_FREE, ~0u, 0);
}

/* Ctrl-C is the broker's business. A crash is to be seen as one, also under the sanitizers. */
static void settle_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
#if defined(__SANITIZE_ADDRESS__)
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        signal(crashes[i], SIG_DFL);
#endif
}

/* Reads the file of the time zone now: with TZ unset the C library looks for it at every conversion. */
static void settle_time(const char *zone)
{
    setenv("TZ", *zone ? zone : ":/etc/localtime", 1);
    tzset();
}

static void on_over(void *ud)
{
    mw__inside *inside = ud;
    inside->collect = true;
    mw_lua_peek(inside->vm.lua);
}

static void on_refuse(bool used_up, void *ud)
{
    mw__inside *inside = ud;
    inside->was_refused = true;
    if (!mw_lua_line(inside->vm.lua, inside->refused, sizeof inside->refused))
        inside->refused[0] = '\0';
    if (!used_up)
        return;
    mw__timer_publish(inside->refused);
    mw__timer_stop(MW__STOP_MEMORY);
}

static void on_frame(const mw_frame *frame, void *ud)
{
    mw__inside *inside = ud;
    mw__tree tree;
    if (frame->type <= MW_WIRE_TYPES) {
        mw_wire_frame(inside->wire, frame);
        return;
    }
    char *data = frame->type == MW__F_CREDIT ? malloc(frame->length + 1) : NULL;
    if (!data)
        _exit(1);
    memcpy(data, frame->data, frame->length);
    if (mw__tree_take(&tree, data, frame->length) != MW_OK)
        _exit(1);
    const mw_value *bytes = mw__tree_get(&tree, "bytes", MW_V_INTEGER);
    if (bytes && bytes->as.integer > 0)
        mw__output_credit(inside, (uint64_t)bytes->as.integer);
    mw__tree_drop(&tree);
}

/* Without a broker nothing that this process does is of use. */
static void on_end(int code, const char *message, void *ud)
{
    (void)code;
    (void)message;
    (void)ud;
    _exit(0);
}

static void on_warning(const char *text, void *ud)
{
    mw__output_log("warn", text, ud);
}

/* The running code says where it is; a good moment to send what waits, and to collect what was put off. */
static void on_peek(const char *where, void *ud)
{
    mw__inside *inside = ud;
    mw__timer_publish(where);
    mw__output_nudge(inside);
    if (!inside->collect)
        return;
    inside->collect = false;
    lua_gc(mw_lua_running(inside->vm.lua), LUA_GCCOLLECT);
    if (!mw__heap_over(&inside->vm.heap))
        return;
    snprintf(inside->refused, sizeof inside->refused, "%s", where);
    mw__timer_stop(MW__STOP_MEMORY);
}

static int build(mw__inside *inside, const char *lua_dir, mw_error *error)
{
    int code = mw_loop_new(&inside->loop);
    if (code != MW_OK)
        return mw_error_set(error, code, "", "can't make an event loop: %s", mw_err_text(code));
    mw_channel_options channel = {.fd = CHANNEL,
                                  .max_frame = MW_WIRE_MAX_ANSWER,
                                  .background = true,
                                  .on_frame = on_frame,
                                  .on_end = on_end,
                                  .ud = inside};
    code = mw_channel_new(inside->loop, &channel, &inside->channel, error);
    if (code != MW_OK)
        return code;
    code = mw_wire_new(inside->loop, inside->channel, on_warning, inside, &inside->wire);
    if (code != MW_OK)
        return mw_error_set(error, code, "", "can't make the wire: %s", mw_err_text(code));
    mw__vm_options vm = {.loop = inside->loop,
                         .lua_dir = *lua_dir ? lua_dir : NULL,
                         .print = mw__output_print,
                         .module = mw__ask_module,
                         .ud = inside};
    code = mw__vm_open(&inside->vm, &vm, error);
    if (code != MW_OK)
        return code;
    mw__ask_hooks(inside);
    mw_lua_on_log(inside->vm.lua, mw__output_log, inside);
    mw_lua_on_peek(inside->vm.lua, on_peek, inside);
    mw_lua_confine(inside->vm.lua);
    mw_lua_limit_tasks(inside->vm.lua, (unsigned)inside->budgets.tasks);
    return MW_OK;
}

/* ---- inside ---- */

/* Says that it is ready, and waits for the script. */
static void greet(mw__inside *inside, pid_t broker)
{
    unsigned active = 0;
    char missing[256] = "";
    char *data = NULL;
    size_t length = 0;
    mw__sandbox sandbox = {.broker = broker,
                           .memory = inside->budgets.memory,
                           .cpu = (double)inside->budgets.cpu_ms / 1000};
    mw__sandbox_enter(&sandbox, &active, missing, sizeof missing);
    mw_member members[] = {
        mw__member("active", (mw_value){.type = MW_V_INTEGER, .as.integer = active}),
        mw__member("missing", mw__text(missing, strlen(missing)))};
    mw_value hello = {.type = MW_V_OBJECT, .length = 2, .as.members = members};
    if (mw_channel_ask(inside->channel, MW__F_HELLO, 0, &hello, MW__F_SETUP, &data, &length) !=
            MW_OK ||
        mw__tree_take(&inside->setup, data, length) != MW_OK)
        _exit(1);
}

/* Pushes the script's chunk and its arguments, and sets `arg`. 1: the worker. [-1, +n, raises] */
static int l_prepare(lua_State *L)
{
    const mw__inside *inside = lua_touserdata(L, 1);
    const mw__tree *setup = &inside->setup;
    const mw_value *source = mw__tree_get(setup, "source", MW_V_STRING);
    const mw_value *args = mw__tree_get(setup, "args", MW_V_ARRAY);
    int count = args ? (int)args->length : 0;
    lua_createtable(L, count, 1);
    lua_pushstring(L, mw__tree_text(setup, "script"));
    lua_rawseti(L, -2, 0);
    for (int i = 0; i < count; i++) {
        lua_pushlstring(L, args->as.items[i].as.string, args->as.items[i].length);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushvalue(L, -1);
    lua_setglobal(L, "arg");
    luaL_checkstack(L, count + 2, "too many arguments to script");
    if (!source ||
        mw__vm_load(L, source->as.string, source->length, mw__tree_text(setup, "chunk")) != LUA_OK)
        return source ? lua_error(L) : luaL_error(L, "there is no script");
    for (int i = 1; i <= count; i++)
        lua_rawgeti(L, 2, i);
    return count + 1;
}

/* ---- the end ---- */

typedef struct ending {
    bool ok;
    const char *kind, *budget, *text;
    char line[512];
} ending;

/* Budgets that calls and tasks run into; the others are for flags to say, not for error objects. */
static bool may_name(const char *budget)
{
    static const char *const names[] = {"calls", "writes", "bytes sent", "tasks", "source"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], budget) == 0)
            return true;
    }
    return false;
}

/* A budget is used up, whatever the script has returned. */
static void end_by_budget(mw__inside *inside, mw__stop which, bool failed, ending *end)
{
    lua_State *L = inside->vm.L;
    const char *message = failed ? mw__failure_field(L, -2, "message") : NULL;
    const char *where =
        which == MW__STOP_MEMORY && *inside->refused ? inside->refused : inside->page->where;
    end->ok = false;
    end->kind = mw_err_kind(MW_BUDGET);
    end->budget = mw__stop_name(which);
    if (message && strcmp(message, mw__stop_text(which)) == 0 && lua_type(L, -1) == LUA_TSTRING) {
        end->text = lua_tostring(L, -1);
        return;
    }
    snprintf(end->line, sizeof end->line, "%s%s%s: %s", where, *where ? ": " : "", end->kind,
             mw__stop_text(which));
    end->text = end->line;
}

/* One request was larger than the whole budget, and nobody caught that: the budget did not suffice. */
static void end_by_size(mw__inside *inside, ending *end)
{
    char most[32];
    snprintf(end->line, sizeof end->line, "%s%snot enough memory (the script may use %s)",
             inside->refused, *inside->refused ? ": " : "",
             mw__show_size(inside->budgets.memory, most, sizeof most));
    end->text = end->line;
    end->kind = mw_err_kind(MW_BUDGET);
    end->budget = mw__stop_name(MW__STOP_MEMORY);
}

/* The error whose value is below its text. */
static void end_by_error(mw__inside *inside, ending *end)
{
    lua_State *L = inside->vm.L;
    const char *kind = mw__failure_field(L, -2, "kind");
    const char *budget = mw__failure_field(L, -2, "budget");
    end->text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(error without a text)";
    end->kind = kind && strlen(kind) < 24 ? kind : "script";
    if (strcmp(end->kind, mw_err_kind(MW_BUDGET)) == 0 && budget && may_name(budget))
        end->budget = budget;
}

/* Says how it ended. Nothing is freed: no finalizer of a hostile heap is to run any more, and all of it goes with the
 * process. */
static void leave(mw__inside *inside, const ending *end)
{
    size_t length = strnlen(end->text, MAX_TEXT);
    mw_member members[] = {
        mw__member("ok", (mw_value){.type = MW_V_BOOLEAN, .as.boolean = end->ok}),
        mw__member("kind", mw__text(end->kind, strlen(end->kind))),
        mw__member("text", mw__text(end->text, length)),
        mw__member("budget", mw__text(end->budget, strlen(end->budget))),
    };
    mw_value value = {.type = MW_V_OBJECT, .length = 4, .as.members = members};
    mw__timer_rest();
    if (mw_channel_send_value(inside->channel, MW__F_END, 0, &value) != MW_OK ||
        mw_channel_flush(inside->channel, -1) != MW_OK)
        _exit(1);
    _exit(0);
}

static void run(mw__inside *inside)
{
    lua_State *L = inside->vm.L;
    const mw_value *cap = mw__tree_get(&inside->setup, "source_cap", MW_V_INTEGER);
    if (cap && cap->as.integer > 0)
        inside->vm.source_cap = (size_t)cap->as.integer;
    inside->vm.heap.on_refuse = on_refuse;
    inside->vm.heap.on_over = on_over;
    inside->vm.heap.ud = inside;
    mw__heap_limit(&inside->vm.heap, (size_t)inside->budgets.memory);
    mw__timer_start();
    mw_lua_peek(inside->vm.lua); /* for the first line, lest that one never ends */
    lua_pushcfunction(L, l_prepare);
    lua_pushlightuserdata(L, inside);
    int status = lua_pcall(L, 1, LUA_MULTRET, 0);
    if (status == LUA_OK)
        status = mw_lua_run(L, inside->vm.lua, lua_gettop(L) - 1, 0);
    else
        lua_pushvalue(L, -1); /* its text as well */
    ending end = {.ok = status == LUA_OK, .kind = "", .budget = "", .text = ""};
    mw__stop which = mw__timer_stopped();
    if (which != MW__STOP_NONE)
        end_by_budget(inside, which, status != LUA_OK, &end);
    else if (status == LUA_ERRMEM && inside->was_refused) /* else it is a script's own words */
        end_by_size(inside, &end);
    else if (status != LUA_OK)
        end_by_error(inside, &end);
    leave(inside, &end);
}

int mw__worker_main(int argc, char **argv)
{
    mw__inside inside = {0};
    mw_error error = {0};
    pid_t broker = getppid();
    if (argc != ARGUMENTS)
        give_up("the worker is started by moonwire run\n");
    if (*argv[7])
        mw__probe_main(argc, argv);
    inside.budgets = (mw__budgets){
        .memory = strtoull(argv[2], NULL, 10),
        .cpu_ms = strtoull(argv[3], NULL, 10),
        .wall_ms = strtoull(argv[4], NULL, 10),
        .tasks = strtoull(argv[5], NULL, 10),
        .output = strtoull(argv[6], NULL, 10),
    };
    take_descriptors(&inside);
    settle_signals();
    settle_time(argv[9]);
    prctl(PR_SET_NAME, "moonwire-worker", 0, 0, 0);
    if (build(&inside, argv[8], &error) != MW_OK)
        give_up(error.message);
    mw__timer_prepare(&inside.budgets, inside.vm.lua, &inside.vm.heap, inside.page);
    greet(&inside, broker);
    run(&inside);
    return 0;
}

/* cmd_repl.c: `moonwire repl`: reads, runs, prints. Owns the entry that is being typed; knows
 * nothing of terminals (line.c) or of how values look (lua/moonwire/repl.lua). Main thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "line.h"
#include "mw/version.h"
#include "policy_flags.h"

#define CHUNK "=stdin"

typedef struct repl {
    mw__session session;
    mw__line *line;
    lua_State *L;
    char *entry; /* what has been typed of an entry so far */
    size_t length;
    bool interrupted; /* SIGINT came and nobody is there to go on typing */
    bool turning;     /* tasks run while a person types */
    bool failed;      /* something has failed */
    bool leave;       /* it was asked for */
} repl;

/* Adds a line to the entry. */
static bool append(repl *self, const char *text, size_t length)
{
    char *longer = realloc(self->entry, self->length + length + 2);
    if (!longer)
        return false;
    self->entry = longer;
    if (self->length)
        self->entry[self->length++] = '\n';
    memcpy(self->entry + self->length, text, length);
    self->length += length;
    self->entry[self->length] = '\0';
    return true;
}

static void forget(repl *self)
{
    free(self->entry);
    self->entry = NULL;
    self->length = 0;
}

/* Whether more lines would help: the message on the top says that the text ended too early. [-0,
 * +0, -] */
static bool incomplete(lua_State *L, int status)
{
    static const char mark[] = "<eof>";
    if (status != LUA_ERRSYNTAX || lua_type(L, -1) != LUA_TSTRING)
        return false;
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    return length >= sizeof mark - 1 && strcmp(text + length - (sizeof mark - 1), mark) == 0;
}

/* Compiles the entry: as an expression, then as statements. [-0, +1 (the function, or a message),
 * -] */
static int compile(repl *self)
{
    lua_State *L = self->L;
    static const char prefix[] = "return ";
    size_t before = sizeof prefix - 1;
    char *expression = malloc(before + self->length);
    if (expression) {
        memcpy(expression, prefix, before);
        memcpy(expression + before, self->entry, self->length);
        int status = luaL_loadbufferx(L, expression, before + self->length, CHUNK, "t");
        free(expression);
        if (status == LUA_OK || incomplete(L, status))
            return status;
        lua_pop(L, 1);
    }
    return luaL_loadbufferx(L, self->entry, self->length, CHUNK, "t");
}

/* A traceback is of use only where code other than the entry itself was involved. */
static void print_error(repl *self, const char *text)
{
    self->failed = true;
    static const char start[] = "\nstack traceback:";
    const char *traceback = strstr(text, start);
    size_t length = traceback ? (size_t)(traceback - text) : strlen(text);
    for (const char *at = traceback ? traceback + sizeof start - 1 : ""; *at;
         at += strcspn(at, "\n")) {
        at++;
        at += strspn(at, "\t");
        if (strncmp(at, "[C]", 3) != 0 && strncmp(at, "stdin:", 6) != 0 &&
            strncmp(at, "(...", 4) != 0) {
            length = strlen(text);
            break;
        }
    }
    fflush(stdout);
    fprintf(stderr, "%.*s\n", (int)length, text);
}

/* Prints the values above `base`, formatted by the Lua library. [-n, +0, -] */
static int print_values(repl *self, int base)
{
    lua_State *L = self->L;
    moonwire *host = self->session.host;
    int count = lua_gettop(L) - base;
    if (count == 0)
        return MW_OK;
    int code = mw__host_require(host, "moonwire.repl");
    if (code < 0 || !lua_checkstack(L, 1))
        return code;
    lua_insert(L, base + 1);
    code = mw__host_call(host, count, 1);
    if (code < 0)
        return code;
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    if (text) {
        fwrite(text, 1, length, stdout);
        putchar('\n');
    }
    return MW_OK;
}

/* Runs the function on the top. [-1, +0, -] */
static void run(repl *self)
{
    lua_State *L = self->L;
    moonwire *host = self->session.host;
    int base = lua_gettop(L) - 1;
    mw__interrupt_watch(host->lua, !mw__line_interactive(self->line));
    int code = mw__host_call(host, 0, LUA_MULTRET);
    if (code == MW_OK)
        code = print_values(self, base);
    if (mw__interrupt_seen()) {
        fputs("interrupted\n", stderr);
        self->interrupted = !mw__line_interactive(self->line);
    } else if (code < 0) {
        print_error(self, moonwire_error(host));
    }
    mw__interrupt_watch(NULL, false);
    fflush(stdout);
    lua_settop(L, base);
}

/* `print` and `io.write` of the session: make room above the line. Upvalues: the repl, Lua's own
 * function. [-n, +results, raises] */
static int l_above(lua_State *L)
{
    repl *self = lua_touserdata(L, lua_upvalueindex(1));
    if (self->turning)
        mw__line_wipe(self->line);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* Replaces a function of the table at the top. [-0, +0, memory] */
static void put_above(repl *self, const char *name)
{
    lua_pushlightuserdata(self->L, self);
    lua_getfield(self->L, -2, name);
    lua_pushcclosure(self->L, l_above, 2);
    lua_setfield(self->L, -2, name);
}

static void print_log(const char *level, const char *line, void *ud)
{
    repl *self = ud;
    if (self->turning)
        mw__line_wipe(self->line);
    fprintf(stderr, "%s: %s\n", level, line);
}

/* Lets the tasks go on that can. A person's line stays as it is. */
static void turn(repl *self)
{
    moonwire *host = self->session.host;
    bool person = mw__line_interactive(self->line);
    if (!mw_lua_ready(host->lua))
        return;
    self->turning = person;
    if (person)
        mw__line_suspend(self->line);
    mw__interrupt_watch(host->lua, !person);
    int code = mw__host_turn(host);
    bool interrupted = mw__interrupt_seen();
    mw__interrupt_watch(NULL, false);
    if (person && (interrupted || code < 0))
        mw__line_wipe(self->line);
    if (interrupted) {
        fputs("interrupted\n", stderr);
        self->interrupted = !person;
    } else if (code < 0) {
        print_error(self, moonwire_error(host));
    }
    if (person)
        mw__line_resume(self->line);
    self->turning = false;
}

/* Drives the tasks until there is something to read. */
static void wait_for_input(void *ud)
{
    repl *self = ud;
    mw_lua *lua = self->session.host->lua;
    mw_loop *loop = self->session.host->loop;
    for (;;) {
        mw_loop_run(loop, false);
        turn(self);
        struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = mw_loop_fd(loop), .events = POLLIN}};
        int count = poll(fds, 2, mw_lua_ready(lua) ? 0 : mw_loop_timeout(loop));
        if (fds[0].revents || (count < 0 && errno != EINTR))
            return;
    }
}

/* The end of piped input: what is left to do is done, as at the end of a script. */
static void drain(repl *self)
{
    moonwire *host = self->session.host;
    if (mw__line_interactive(self->line))
        return;
    while (mw_lua_live(host->lua) > 0 && !self->interrupted) {
        turn(self);
        if (mw_lua_live(host->lua) == 0)
            return;
        if (!mw_lua_ready(host->lua) && !mw_loop_run(host->loop, true)) {
            print_error(self, "nothing is left that could end the tasks that still wait");
            return;
        }
    }
}

/* The words that a newcomer types, unless they are the names of something. */
static bool take_word(repl *self)
{
    static const char help[] =
        "Type Lua; `moonwire ops` lists the operations, `moonwire repl --help` "
        "tells of this prompt, exit leaves.";
    static const char *const words[] = {"help", "exit", "quit"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = strlen(words[i]);
        if (strncmp(self->entry, words[i], length) != 0)
            continue;
        const char *rest = self->entry + length;
        if (strncmp(rest, "()", 2) == 0)
            rest += 2;
        lua_pushglobaltable(self->L);
        lua_pushstring(self->L, words[i]);
        bool word = lua_rawget(self->L, -2) == LUA_TNIL && rest[strspn(rest, " \t\n")] == '\0';
        lua_pop(self->L, 2);
        if (word && i == 0)
            puts(help);
        self->leave = word && i > 0;
        return word;
    }
    return false;
}

/* Runs the entry if it is whole; at the end of the input it is taken as it is. */
static void take(repl *self, bool end)
{
    if (take_word(self)) {
        forget(self);
        return;
    }
    int status = compile(self);
    if (!end && incomplete(self->L, status))
        lua_pop(self->L, 1);
    else if (status == LUA_OK) {
        run(self);
        forget(self);
    } else {
        print_error(self, lua_tostring(self->L, -1) ? lua_tostring(self->L, -1) : "out of memory");
        lua_pop(self->L, 1);
        forget(self);
    }
}

/* Reads until the input ends, or SIGINT has ended a piped entry. At the prompt SIGINT ends the
 * program, but for the editor, which takes Ctrl-C as a key. */
static int loop(repl *self)
{
    for (;;) {
        const char *text = NULL;
        size_t length = 0;
        if (!mw__line_interactive(self->line)) {
            mw_loop_run(self->session.host->loop, false);
            turn(self);
        }
        mw__line_result result =
            mw__line_read(self->line, self->entry ? ">> " : "> ", &text, &length);
        int problem = errno;
        if (result == MW__LINE_ABANDONED) {
            forget(self);
            continue;
        }
        if (result == MW__LINE_READ) {
            mw__line_remember(self->line, text);
            if (!append(self, text, length))
                return mw__complain("repl", MW_EXIT_SCRIPT, "out of memory");
            take(self, false);
            if (self->interrupted)
                return MW_EXIT_INTERRUPTED;
            if (!self->leave)
                continue;
        }
        if (self->entry)
            take(self, true);
        drain(self);
        if (result == MW__LINE_FAILED)
            return mw__complain("repl", MW_EXIT_SCRIPT, "can't read standard input: %s",
                                strerror(problem));
        if (self->interrupted)
            return MW_EXIT_INTERRUPTED;
        return self->failed && !mw__line_interactive(self->line) ? MW_EXIT_SCRIPT : MW_EXIT_OK;
    }
}

/* The globals of a session, and the banner. */
static int prepare(repl *self, const mw__args *args)
{
    static const char globals[] =
        "mw = require 'moonwire'\n"
        "if ... then desk, circuit = mw.connect 'ooctopus', mw.connect 'circuit' end\n";
    moonwire *host = self->session.host;
    bool twin = mw__args_get(args, "--twin") != NULL;
    char *argv[] = {args->argv[0]};
    mw__state_set_arg(self->L, argv, 1, 0);
    if (luaL_loadbufferx(self->L, globals, sizeof globals - 1, "=repl", "t") != LUA_OK)
        return mw__complain("repl", MW_EXIT_SCRIPT, "out of memory");
    if (twin)
        lua_pushboolean(self->L, true);
    if (mw__host_call(host, twin ? 1 : 0, 0) < 0)
        return mw__complain("repl", mw__exit_for(moonwire_error_kind(host)), "%s",
                            moonwire_error(host));
    host->leaves_tasks = true;
    if (!mw__line_interactive(self->line))
        return MW_EXIT_OK;
    mw__line_on_wait(self->line, wait_for_input, self);
    mw_lua_on_log(host->lua, print_log, self);
    lua_pushglobaltable(self->L);
    put_above(self, "print");
    lua_getfield(self->L, -1, "io");
    put_above(self, "write");
    lua_pop(self->L, 2);
    printf("moonwire %s, %s%s\nAn expression prints its value; Ctrl-C ends a call, Ctrl-D leaves.\n",
           MW_VERSION, LUA_RELEASE,
           twin ? ", with a twin: try desk.contacts:list()"
                : "; to connect: desk = mw.connect \"ooctopus\", or start with --twin");
    return MW_EXIT_OK;
}

/* The prompt, from here to its end. */
static int use(repl *self, const mw__args *args, mw__permit *permit)
{
    int code = mw__session_open(&self->session, args, permit);
    if (code == MW_EXIT_OK) {
        self->L = self->session.host->L;
        self->line = mw__line_new();
        if (!self->line)
            code = mw__complain("repl", MW_EXIT_SCRIPT, "out of memory");
    }
    if (code == MW_EXIT_OK)
        code = prepare(self, args);
    if (code == MW_EXIT_OK)
        code = loop(self);
    fflush(stdout);
    mw__line_free(self->line);
    forget(self);
    mw__session_close(&self->session);
    return code;
}

int mw__cmd_repl(const mw__args *args)
{
    repl self = {0};
    mw__permit permit;
    int code = mw__permit_open(args, NULL, &permit);
    if (code < 0)
        code = mw__permit_end(&permit, use(&self, args, &permit));
    mw__permit_close(&permit);
    return code;
}

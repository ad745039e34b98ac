/* cmd_apply.c: `moonwire apply`: gives a plan to the library (lua/moonwire/cli/apply.lua), and what it needs of the
 * outside: the terminal, and the folders that files may be sent from. Knows nothing of what a plan holds. Main
 * thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "policy_flags.h"

enum { MAX_PLAN = 64 * 1024 * 1024 };

typedef struct apply {
    const mw__args *args;
    mw__session session;
    mw__permit permit;
    char *text;
    size_t length;
    long long line;  /* that leaves now, 0: none yet */
    char before[96]; /* what was done before it */
} apply;

/* ---- the plan ---- */

static int read_all(apply *self, int fd, size_t size)
{
    self->text = malloc(size + 1);
    if (!self->text)
        return ENOMEM;
    while (self->length < size) {
        ssize_t count = read(fd, self->text + self->length, size - self->length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno;
        if (count == 0)
            break;
        self->length += (size_t)count;
    }
    return 0;
}

static int read_plan(apply *self, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat info;
    int code = MW_EXIT_OK;
    int reason = fd < 0 || fstat(fd, &info) != 0 ? errno : 0;
    if (reason == 0 && !S_ISREG(info.st_mode))
        code =
            mw__complain("apply", MW_EXIT_USAGE, "can't read '%s': it is not a regular file", path);
    else if (reason == 0 && info.st_size > MAX_PLAN)
        code = mw__complain("apply", MW_EXIT_USAGE, "can't read '%s': a plan has at most %d MiB",
                            path, MAX_PLAN >> 20);
    else if (reason == 0)
        reason = read_all(self, fd, (size_t)info.st_size);
    if (reason != 0)
        code = mw__complain("apply", MW_EXIT_USAGE, "can't read '%s': %s; check the path", path,
                            strerror(reason));
    if (fd >= 0)
        close(fd);
    return code;
}

/* ---- what the library gets of the outside; upvalue 1: the apply ---- */

/* say(line) [-1, +0, raises] */
static int l_say(lua_State *L)
{
    puts(luaL_checkstring(L, 1));
    fflush(stdout);
    return 0;
}

/* ask(question) -> boolean: asks the person at the terminal, where there is one. [-1, +1, raises] */
static int l_ask(lua_State *L)
{
    const apply *self = lua_touserdata(L, lua_upvalueindex(1));
    const char *question = luaL_checkstring(L, 1);
    char answer[16] = "";
    if (mw__args_get(self->args, "--yes") || !isatty(STDIN_FILENO)) {
        lua_pushboolean(L, true);
        return 1;
    }
    fputs(question, stdout);
    fflush(stdout);
    if (!fgets(answer, sizeof answer, stdin))
        answer[0] = '\0';
    answer[strcspn(answer, "\r\n")] = '\0';
    lua_pushboolean(L, strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0);
    return 1;
}

/* may_read(path) -> true, or nil and why not. [-1, +1 or +2, raises] */
static int l_may_read(lua_State *L)
{
    apply *self = lua_touserdata(L, lua_upvalueindex(1));
    size_t length;
    const char *path = luaL_checklstring(L, 1, &length);
    mw_error error = {0};
    int fd = -1;
    int code = strlen(path) == length
                   ? mw__grants_open(self->permit.files, path, &fd, &error)
                   : mw_error_set(&error, MW_INVALID, "", "can't read '%s': that is no path", path);
    if (code == MW_OK) {
        close(fd);
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, error.message);
    return 2;
}

/* sending(line, before): for who interrupts it. [-2, +0, raises] */
static int l_sending(lua_State *L)
{
    apply *self = lua_touserdata(L, lua_upvalueindex(1));
    self->line = luaL_checkinteger(L, 1);
    snprintf(self->before, sizeof self->before, "%s", luaL_checkstring(L, 2));
    return 0;
}

/* ---- the run ---- */

/* moonwire.cli.apply(text, { say =, ... }) leaves kind and message. [-0, +2 or +0, -] */
static int call_library(apply *self)
{
    static const luaL_Reg functions[] = {{"say", l_say},
                                         {"ask", l_ask},
                                         {"may_read", l_may_read},
                                         {"sending", l_sending},
                                         {NULL, NULL}};
    moonwire *host = self->session.host;
    int code = mw__host_require(host, "moonwire.cli.apply");
    if (code < 0)
        return code;
    lua_pushlstring(host->L, self->text, self->length);
    luaL_newlibtable(host->L, functions);
    lua_pushlightuserdata(host->L, self);
    luaL_setfuncs(host->L, functions, 1);
    return mw__host_call(host, 2, 2);
}

static int conclude(const apply *self, const char *kind, const char *message)
{
    if (!*kind)
        return MW_EXIT_OK;
    if (strcmp(kind, "usage") == 0)
        return mw__complain("apply", MW_EXIT_USAGE, "%s: %s", self->args->argv[self->args->operand],
                            message);
    int code = strcmp(kind, "declined") == 0 ? MW_EXIT_SCRIPT : mw__exit_for(kind);
    return mw__complain("apply", code, "%s", message);
}

static int run(apply *self)
{
    moonwire *host = self->session.host;
    mw__interrupt_watch(host->lua, true);
    int failed = call_library(self);
    if (mw__interrupt_seen() && self->line > 0)
        return mw__complain("apply", MW_EXIT_INTERRUPTED,
                            "interrupted at line %lld, which may have been sent; %s", self->line,
                            self->before);
    if (mw__interrupt_seen())
        return mw__complain("apply", MW_EXIT_INTERRUPTED, "interrupted; nothing was sent");
    if (failed < 0)
        return mw__complain("apply", mw__exit_for(moonwire_error_kind(host)), "%s",
                            moonwire_error(host));
    const char *kind = lua_tostring(host->L, -2);
    const char *message = lua_tostring(host->L, -1);
    return conclude(self, kind ? kind : "script", message ? message : "");
}

/* Whoever may apply a plan has seen it: raw requests need no grant of their own. -1 or an exit code. */
static int open_permit(apply *self)
{
    mw_error error = {0};
    int code = mw__permit_open(self->args, NULL, &self->permit);
    if (code < 0 && mw_policy_allow(self->permit.policy, "*:request", &error) < 0)
        return mw__complain("apply", MW_EXIT_SCRIPT, "%s", error.message);
    return code;
}

int mw__cmd_apply(const mw__args *args)
{
    apply self = {.args = args};
    int code = read_plan(&self, args->argv[args->operand]);
    if (code == MW_EXIT_OK)
        code = open_permit(&self);
    if (code < 0) {
        code = mw__session_open(&self.session, args, &self.permit);
        if (code == MW_EXIT_OK)
            code = run(&self);
        mw__session_close(&self.session);
        code = mw__permit_end(&self.permit, code);
    }
    mw__permit_close(&self.permit);
    free(self.text);
    return code;
}

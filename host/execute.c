/* execute.c: os.execute for scripts. C's system() ignores SIGINT in its caller while the command
 * runs, so that Ctrl-C would end the command and not the script; this one leaves signals alone.
 * Knows nothing else of the host. On the host's thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

/* Starts `/bin/sh -c command` with signals as a program expects them. 0 or an errno. */
static int start_shell(const char *command, pid_t *child)
{
    char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};
    posix_spawnattr_t how;
    sigset_t usual;
    sigset_t none;
    int rc = posix_spawnattr_init(&how);
    if (rc != 0)
        return rc;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGINT);
    sigaddset(&usual, SIGQUIT);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &usual);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = posix_spawn(child, "/bin/sh", NULL, &how, argv, environ);
    posix_spawnattr_destroy(&how);
    return rc;
}

int mw__l_execute(lua_State *L)
{
    const char *command = luaL_optstring(L, 1, NULL);
    if (!command) {
        lua_pushboolean(L, access("/bin/sh", X_OK) == 0);
        return 1;
    }
    pid_t child = 0;
    int status = 0;
    int rc = start_shell(command, &child);
    if (rc != 0) {
        errno = rc;
        return luaL_fileresult(L, 0, NULL);
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return luaL_fileresult(L, 0, NULL);
    }
    return luaL_execresult(L, status);
}

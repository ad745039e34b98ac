/* interrupt.c: what SIGINT does to a running script. Owns the process's handlers, and the only
 * global state of the host: a signal handler has no other way to its context. Knows nothing of
 * commands.
 *
 * Most code ends through the error that mw_lua_interrupt raises. What it can't reach (a C function
 * that never returns, such as string.find with a hostile pattern; a finalizer; a script that
 * catches every error) ends with the process, when the timer that the first SIGINT arms runs out.
 */
#define _GNU_SOURCE
#include "interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "exit_codes.h"
#include "line.h"

enum { GRACE_US = 120000, LOOP_GRACE_US = 500000, FLUSH_US = 40000 };

static mw_lua *volatile watched;
static mw_loop *volatile woken;
static volatile sig_atomic_t bound;
static volatile sig_atomic_t seen;
static volatile sig_atomic_t leaving;

static void arm(suseconds_t microseconds)
{
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = microseconds}}, NULL);
}

/* Ends the process with what the script has printed so far. Flushing in a handler is not safe in
 * general: the stream may be locked, or its pipe full. Then the timer strikes a second time and the
 * process ends without it. */
static void leave(void)
{
    static const char message[] = "moonwire: interrupted\n";
    mw__line_restore();
    if (leaving)
        _exit(MW_EXIT_INTERRUPTED);
    leaving = 1;
    arm(FLUSH_US);
    fflush(stdout);
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
        _exit(MW_EXIT_INTERRUPTED);
    _exit(MW_EXIT_INTERRUPTED);
}

static void on_alarm(int number)
{
    (void)number;
    leave();
}

static void on_interrupt(int number)
{
    (void)number;
    if ((!watched && !woken) || seen)
        leave();
    seen = 1;
    if (woken) {
        mw_loop_wake(woken);
        arm(LOOP_GRACE_US);
        return;
    }
    mw_lua_interrupt(watched);
    if (bound)
        arm(GRACE_US);
}

/* A connection that the peer has closed is an error that the core reports; a closed standard output
 * ends the program, as it does for every filter (`moonwire ops | head -3`). */
static void on_pipe(int number)
{
    struct pollfd outputs[] = {{.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};
    if (poll(outputs, 2, 0) > 0 && ((outputs[0].revents | outputs[1].revents) & POLLERR) != 0) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

static void handle(int number, void (*fn)(int), int flags)
{
    struct sigaction action = {.sa_handler = fn, .sa_flags = SA_RESTART | flags};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void mw__interrupt_install(void)
{
    handle(SIGINT, on_interrupt, SA_NODEFER);
    handle(SIGALRM, on_alarm, SA_NODEFER);
    handle(SIGPIPE, on_pipe, 0);
}

void mw__interrupt_watch(mw_lua *lua, bool bounded)
{
    watched = NULL;
    woken = NULL;
    seen = 0;
    bound = bounded;
    watched = lua;
}

void mw__interrupt_watch_loop(mw_loop *loop)
{
    mw__interrupt_watch(NULL, false);
    woken = loop;
}

void mw__interrupt_done(void)
{
    arm(0);
}

bool mw__interrupt_seen(void)
{
    return seen != 0;
}

/* budget_timer.c: owns the worker's signal handlers, and the only global state of the worker: a handler has no other
 * way to its context. Must not know why memory or output is used up. Main thread, and its signal handlers.
 *
 * The timer of CPU time fires every 50 ms of it, and at its end. In between the handler asks the running code for its
 * line, which the hook then gives. Of times the broker knows by itself when they are used up, and kills; of memory and
 * output it does not, so that a script that goes on after those is ended here. */
#define _GNU_SOURCE
#include "budget_timer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "units.h"

enum { TICK_US = 50000, LEAST_US = 1000, STUCK_US = 100000 };

static struct {
    mw_lua *volatile lua;
    mw__heap *heap;
    mw__page *page;
    uint64_t cpu_us, wall_us;
    volatile uint64_t until_us; /* CPU time at which a script that goes on is ended here */
    char text[MW__STOPS][64];
} watched;

static volatile sig_atomic_t stopped;
static volatile sig_atomic_t interrupted;

static const char *const names[] = {"", "cpu", "wall", "memory", "output"};

const char *mw__stop_name(mw__stop which)
{
    return names[which];
}

const char *mw__stop_text(mw__stop which)
{
    return watched.text[which];
}

mw__stop mw__timer_stopped(void)
{
    return (mw__stop)stopped;
}

bool mw__timer_ends(void)
{
    return stopped || interrupted;
}

static uint64_t cpu_us(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

/* What the broker does not see being used up. */
static bool counted_here(mw__stop which)
{
    return which == MW__STOP_MEMORY || which == MW__STOP_OUTPUT;
}

void mw__timer_stop(mw__stop which)
{
    if (!stopped) {
        if (counted_here(which))
            watched.until_us = cpu_us() + MW__KILL_AFTER_MS * 1000;
        stopped = (sig_atomic_t)which;
    }
    mw__heap_relax(watched.heap);
    mw_lua_stop(watched.lua, MW_BUDGET, watched.text[stopped]);
}

void mw__timer_publish(const char *where)
{
    mw__page *page = watched.page;
    size_t length = strlen(where);
    if (length >= sizeof page->where)
        length = sizeof page->where - 1;
    memcpy(page->where, where, length);
    page->where[length] = '\0';
}

static void arm(int timer, uint64_t us)
{
    setitimer(timer,
              &(struct itimerval){.it_value = {.tv_sec = (time_t)(us / 1000000),
                                               .tv_usec = (suseconds_t)(us % 1000000)}},
              NULL);
}

/* Fires again after a while, or a moment after the end of the CPU time: it is counted in ticks of the system. */
static void arm_tick(uint64_t used, uint64_t end)
{
    uint64_t left = end > used ? end - used : 0;
    uint64_t next = left < TICK_US ? left : TICK_US;
    arm(ITIMER_PROF, next > LEAST_US ? next : LEAST_US);
}

/* The script has been told to end and still runs: it is in C code that does not come back. Where, the broker tells
 * when it has killed it. */
static void tell_stuck(void)
{
    char where[sizeof watched.page->where];
    if (mw_lua_line(watched.lua, where, sizeof where))
        mw__timer_publish(where);
}

static void on_tick(int number)
{
    (void)number;
    int saved = errno;
    uint64_t used = cpu_us();
    if (counted_here((mw__stop)stopped)) {
        if (used >= watched.until_us)
            _exit(stopped == MW__STOP_MEMORY ? MW__EXIT_STUCK_MEMORY : MW__EXIT_STUCK_OUTPUT);
        arm_tick(used, watched.until_us);
    } else if (stopped) {
        tell_stuck();
    } else if (used >= watched.cpu_us) {
        mw__timer_stop(MW__STOP_CPU);
        arm(ITIMER_PROF, STUCK_US);
    } else {
        mw_lua_peek(watched.lua);
        arm_tick(used, watched.cpu_us);
    }
    errno = saved;
}

static void on_alarm(int number)
{
    (void)number;
    int saved = errno;
    mw__timer_stop(MW__STOP_WALL);
    arm(ITIMER_PROF, STUCK_US);
    errno = saved;
}

static void on_interrupt(int number)
{
    (void)number;
    int saved = errno;
    interrupted = 1;
    mw_lua_interrupt(watched.lua);
    errno = saved;
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask); /* none of them within another */
    sigaction(number, &action, NULL);
}

void mw__timer_prepare(const mw__budgets *budgets, mw_lua *lua, mw__heap *heap, mw__page *page)
{
    char most[32];
    watched.lua = lua;
    watched.heap = heap;
    watched.page = page;
    watched.cpu_us = budgets->cpu_ms * 1000;
    watched.wall_us = budgets->wall_ms * 1000;
    snprintf(watched.text[MW__STOP_CPU], sizeof watched.text[0],
             "the CPU time of %s is used up; --cpu raises it",
             mw__show_seconds(budgets->cpu_ms, most, sizeof most));
    snprintf(watched.text[MW__STOP_WALL], sizeof watched.text[0],
             "the wall time of %s is used up; --wall raises it",
             mw__show_seconds(budgets->wall_ms, most, sizeof most));
    snprintf(watched.text[MW__STOP_MEMORY], sizeof watched.text[0],
             "the memory of %s is used up; --memory raises it",
             mw__show_size(budgets->memory, most, sizeof most));
    snprintf(watched.text[MW__STOP_OUTPUT], sizeof watched.text[0],
             "the output of %s is used up; --output raises it",
             mw__show_size(budgets->output, most, sizeof most));
    handle(SIGPROF, on_tick);
    handle(SIGALRM, on_alarm);
    handle(SIGUSR1, on_interrupt);
}

void mw__timer_start(void)
{
    arm_tick(cpu_us(), watched.cpu_us);
    if (watched.wall_us)
        arm(ITIMER_REAL, watched.wall_us);
}

void mw__timer_rest(void)
{
    arm(ITIMER_PROF, 0);
}

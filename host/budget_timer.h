/* budget_timer.h: what ends a script from within, as the first of two lines: the budgets of CPU and wall time by
 * timers, those of memory and output by whoever counts them, and the broker's SIGUSR1. Also looks, every now and then,
 * where the script is. One per process. */
#ifndef MOONWIRE_BUDGET_TIMER_H
#define MOONWIRE_BUDGET_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "heap.h"
#include "moonwire_lua.h"
#include "worker.h"

typedef enum mw__stop {
    MW__STOP_NONE,
    MW__STOP_CPU,
    MW__STOP_WALL,
    MW__STOP_MEMORY,
    MW__STOP_OUTPUT,
    MW__STOPS
} mw__stop;

/* Takes SIGPROF, SIGALRM and SIGUSR1; inside of the sandbox that can't be done any more. Everything is borrowed, for
 * good. Places go into the page. */
void mw__timer_prepare(const mw__budgets *budgets, mw_lua *lua, mw__heap *heap, mw__page *page);
/* Lets the times run: CPU time since the process began, wall time from now on. */
void mw__timer_start(void);

/* Ends the script: that budget is used up. The first one counts. Async-signal-safe. */
void mw__timer_stop(mw__stop which);
/* Which one was it, so far? */
mw__stop mw__timer_stopped(void);
/* The script has ended: from now on only the broker ends this process. */
void mw__timer_rest(void);
/* Whether the script is to end: by a budget or by the broker's signal. */
bool mw__timer_ends(void);

const char *mw__stop_name(mw__stop which); /* "cpu" */
const char *mw__stop_text(mw__stop which); /* "the CPU time of 30 s is used up" */

/* Puts a place ("file:line") where the broker sees it. */
void mw__timer_publish(const char *where);

#endif

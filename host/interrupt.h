/* interrupt.h: Ctrl-C, for the command line. Main thread; the handlers run on whatever thread a
 * signal hits. */
#ifndef MOONWIRE_INTERRUPT_H
#define MOONWIRE_INTERRUPT_H

#include <stdbool.h>

#include "moonwire_lua.h"

/* Handlers for SIGINT, SIGALRM and SIGPIPE. */
void mw__interrupt_install(void);

/* From now on SIGINT interrupts `lua`. With `bounded` the process ends 120 ms later with code 130,
 * however stuck the code is; without, a second SIGINT does that. NULL: SIGINT ends the process at
 * once. Forgets earlier SIGINTs. */
void mw__interrupt_watch(mw_lua *lua, bool bounded);

/* From now on SIGINT wakes `loop`, whose owner asks mw__interrupt_seen. A second SIGINT, or half a second, ends the
 * process with code 130. */
void mw__interrupt_watch_loop(mw_loop *loop);

/* What SIGINT was to end has ended: the process is not ended any more by an earlier one. */
void mw__interrupt_done(void);

/* Whether SIGINT came since mw__interrupt_watch. */
bool mw__interrupt_seen(void);

#endif

/* run_script.h: one script of the command line, from its file to its exit code, in a worker or, with --sandbox=off, in
 * this process. Main thread. */
#ifndef MOONWIRE_RUN_SCRIPT_H
#define MOONWIRE_RUN_SCRIPT_H

#include "policy_flags.h"

/* Whether the script that the command line names can be run, and --sandbox says something known. Returns 0, or the
 * exit code after having said what is wrong. */
int mw__run_check(const mw__args *args);

/* Runs it with what `permit` allows; prints what ended it. Returns the exit code, for mw__permit_end. */
int mw__run_script(const mw__args *args, mw__permit *permit);

#endif

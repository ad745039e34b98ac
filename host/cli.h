/* cli.h: commands and options as rows. Main thread. */
#ifndef MOONWIRE_CLI_H
#define MOONWIRE_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "env.h"
#include "exit_codes.h"
#include "host.h"
#include "twin.h"

enum { MW__MAX_OPTIONS = 32 };

typedef struct mw__option {
    const char *name;     /* "--data"; NULL ends the list */
    const char *argument; /* what follows it, for the manual; NULL: nothing does */
    const char *help;
} mw__option;

typedef struct mw__args mw__args;
struct mw__permit;   /* policy_flags.h */
struct mw__profiles; /* profiles.h */

typedef struct mw__command {
    const char *name;
    const char *operand; /* "SCRIPT [ARGS...]", "[PATTERN]" or NULL: none */
    const char *help;
    const char *more;          /* for its own --help; NULL: nothing more to say */
    bool required;             /* there must be an operand */
    bool script;               /* what follows the first operand is the script's */
    const mw__option *options; /* at most MW__MAX_OPTIONS */
    int (*run)(const mw__args *args);
} mw__command;

/* A command line that has been checked against its row. All borrowed from main. */
struct mw__args {
    const mw__command *command;
    char **argv;
    int argc;
    int operand;                         /* index in argv, 0: none */
    const char *values[MW__MAX_OPTIONS]; /* per row of command->options; NULL: not given */
};

extern const mw__command mw__commands[]; /* ends with name NULL */

/* The value of option `name`, "" for one without argument, NULL when it is not given. */
const char *mw__args_get(const mw__args *args, const char *name);

/* The values of an option that is given several times, in order: begin with `*at` 0, until NULL. */
const char *mw__args_each(const mw__args *args, const char *name, int *at);

/* Checks argv from argv[2] on against `command`. Returns -1 to go on, else the exit code (help was
 * asked for, or something is wrong; then it has been said). */
int mw__args_parse(const mw__command *command, int argc, char **argv, mw__args *args);

/* "moonwire: COMMAND: ..." as one line on standard error; returns `code`. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
int mw__complain(const char *command, int code, const char *format, ...);

/* Prints the manual of one command, or of all (NULL). */
void mw__help_print(FILE *file, const mw__command *command);

/* The folder for the library's files from --lua-dir or MOONWIRE_LUA_DIR, or NULL. Returns 0, or the
 * exit code after having said that there is no library in it. */
int mw__args_lua_dir(const mw__args *args, const char **dir);

/* What run, learn and repl share: the profile variables, from the environment or, with --twin, from a
 * twin; and a host that answers mw.connect from them, where the script runs in this process. */
typedef struct mw__session {
    moonwire *host; /* NULL after mw__session_prepare */
    const char *lua_dir;
    mw__twin *twin;
    mw__env env;
    struct mw__profiles *profiles; /* of the host */
} mw__session;

/* Opens a session, whose clients ask `permit` (NULL: everything is allowed); mw__session_prepare
 * without a host. Returns 0 or the exit code after having said what is wrong; close it in any case,
 * before the permit. */
int mw__session_open(mw__session *session, const mw__args *args, struct mw__permit *permit);
int mw__session_prepare(mw__session *session, const mw__args *args);
void mw__session_close(mw__session *session);

int mw__cmd_run(const mw__args *args);
int mw__cmd_learn(const mw__args *args);
int mw__cmd_repl(const mw__args *args);
int mw__cmd_apply(const mw__args *args);
int mw__cmd_twin(const mw__args *args);
int mw__cmd_ops(const mw__args *args);
int mw__cmd_selfcheck(const mw__args *args);
int mw__cmd_version(const mw__args *args);
int mw__cmd_help(const mw__args *args);

#endif

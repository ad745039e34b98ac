/* policy_flags.h: what a run is allowed, as one thing: from the policy file, the options of the command line and the
 * configuration, with its budgets, folders, variables, audit and plan. Knows no broker. Main thread.
 *
 *     mw__permit permit;
 *     int code = mw__permit_open(args, script, &permit);
 *     if (code < 0) { ... clients with permit.policy, mw__run_options with permit.files, .env, .budgets ...;
 *                     mw__permit_end(&permit, code_of_the_run) ... }
 *     mw__permit_close(&permit); */
#ifndef MOONWIRE_POLICY_FLAGS_H
#define MOONWIRE_POLICY_FLAGS_H

#include "cli.h"
#include "files.h"
#include "mw/policy.h"
#include "worker.h"

struct mw__audit;
struct mw__plan;

/* What permit.c and policy_flags.c have in common. */
typedef struct mw__permit_parts {
    const char *command;
    mw_policy *policy;
    struct mw__audit *audit;
    struct mw__plan *plan;
    const char *plan_path;
    char profiles[MW_SERVICES][32]; /* that are connected */
    bool unclear;     /* two of one service are, and events don't tell which they are of */
    char **env;       /* NULL-ended */
    uint64_t refused; /* calls in the audit */
    bool failed;      /* of the audit; `failure` says why */
    mw_error failure;
    void (*on_failure)(void *ud);
    void *on_failure_ud;
    mw_policy_fn watch;
    void *watch_ud;
} mw__permit_parts;

/* All owned by the permit; must outlive clients and runs that it was given to. */
typedef struct mw__permit {
    mw_policy *policy;   /* for mw_client_options.policy of every client; never NULL when open */
    mw__grants *files;   /* granted folders; never NULL when open */
    mw__budgets budgets; /* with defaults filled in, calls, writes and bytes too */
    /* Granted variables, "NAME=value" or, where not set, "NAME"; NULL-ended, or NULL. */
    const char *const *env;
    bool dry_run;
    bool found; /* there is a policy: a file, or an option that narrows */
    mw__permit_parts *parts;
} mw__permit;

/* The options of commands that take a policy, for their rows: `MW__POLICY_OPTIONS, MW__BUDGET_OPTIONS`. */
// clang-format off
#define MW__POLICY_OPTIONS                                                                                     \
    {"--policy", "FILE", "rules and budgets as a file; moonwire run finds SCRIPT.policy.lua by itself"},       \
    {"--allow", "PATTERN", "allow these operations: 'ooctopus:contacts.*', '*:read'; may repeat"},             \
    {"--deny", "PATTERN", "deny these, whatever is allowed; may repeat"},                                      \
    {"--read-only", NULL, "allow nothing that changes something"},                                             \
    {"--account", "ID", "allow this account alone; may repeat"},                                               \
    {"--inbox", "ID", "allow this inbox alone; may repeat"},                                                   \
    {"--max-calls", "N", "at most so many calls"},                                                             \
    {"--max-writes", "N", "at most so many calls that change something"},                                      \
    {"--max-bytes", "SIZE", "at most so much sent, such as 10M"},                                               \
    {"--dry-run", NULL, "send nothing that changes something; make up the answers"},                           \
    {"--plan", "FILE", "a dry run that writes what it holds back to FILE, for moonwire apply"},                \
    {"--audit", "FILE", "append a JSON line to FILE for each decision and each call sent"},                    \
    {"--audit-bodies", NULL, "write the bodies that are sent to the audit as well"}
#define MW__FILE_OPTIONS                                                                                       \
    {"--allow-read", "DIR", "let the script read files below DIR; may repeat"},                                \
    {"--allow-write", "DIR", "let the script write files below DIR; may repeat"},                              \
    {"--allow-env", "NAME", "let the script read this variable; may repeat"}
#define MW__BUDGET_OPTIONS                                                                                     \
    {"--memory", "SIZE", "memory of the script [64M]"},                                                        \
    {"--cpu", "TIME", "CPU time of the script, such as 30 or 1.5s [30s]"},                                      \
    {"--wall", "TIME", "time from start to end, such as 10m; 0: no limit [0]"},                                 \
    {"--output", "SIZE", "what it may print and log [10M]"},                                                   \
    {"--max-tasks", "N", "tasks that live at once [10000]"},                                                   \
    {"--max-source", "SIZE", "size of the script and of each module [1M]"}
// clang-format on

/* Reads policy file, options and configuration. `script` is its path, "-" for standard input, NULL for the prompt,
 * which has no policy file beside it and is not told that there is no policy. Returns -1 to go on, else the exit
 * code after having said what is wrong. mw__permit_close in any case. */
int mw__permit_open(const mw__args *args, const char *script, mw__permit *permit);
/* The same for learning: the file beside the script does not count, and what no option narrows is allowed, raw requests
 * too. */
int mw__permit_learn(const mw__args *args, const char *script, mw__permit *permit);
/* "triage.lua" -> "triage.policy.lua"; freed with free(), NULL: out of memory. */
char *mw__permit_file_of(const char *script);

/* Tells what is decided which profile it is of ("ooctopus", "chatwoot", "circuit"), for the plan: to be called by
 * whoever answers mw.connect, before the client is used. `loop` is where its clients' secrets are known, for the
 * audit. */
void mw__permit_profile(mw__permit *permit, const char *profile, mw_service service, mw_loop *loop);

/* Called when the audit can't be written any more: the run must end. The message is in mw__permit_failure. */
void mw__permit_on_failure(mw__permit *permit, void (*fn)(void *ud), void *ud);
const char *mw__permit_failure(const mw__permit *permit); /* NULL: none */

/* After the run and before mw__permit_close: finishes audit and plan, and says what a dry run held back. `code` is
 * the exit code of the run; returns it, or another one when something could not be written. */
int mw__permit_end(mw__permit *permit, int code);
void mw__permit_close(mw__permit *permit);

/* The function of the policy's events (permit.c). */
void mw__permit_event(const mw_policy_event *event, void *parts);

/* One more observer of the policy's events, beside audit and plan. */
void mw__permit_watch(mw__permit *permit, mw_policy_fn fn, void *ud);

#endif

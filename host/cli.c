/* cli.c: the command line: the rows of all commands, their manual, and the way from argv to a
 * command. Knows nothing of what a command does. Main thread. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "interrupt.h"
#include "mw/operation.h"
#include "policy_flags.h"
#include "worker.h"

static const char lua_dir_help[] = "read the library from DIR/moonwire, not the one built in";
// clang-format off
#define LUA_DIR {"--lua-dir", "DIR", lua_dir_help}
// clang-format on

static const mw__option run_options[] = {
    {"--twin", NULL, "run against a twin of both services, started for this run"},
    {"--sandbox", "MODE", "on, best-effort or off, see above [on]"},
    MW__POLICY_OPTIONS,
    MW__FILE_OPTIONS,
    MW__BUDGET_OPTIONS,
    LUA_DIR,
    {0}};

static const mw__option learn_options[] = {
    {"--twin", NULL, "against a twin of both services, started for this run"},
    {"--to", "FILE", "write the policy to FILE [SCRIPT.policy.lua beside the script]"},
    {"--force", NULL, "also where there is such a file already"},
    {"--sandbox", "MODE", "on, best-effort or off, as in moonwire run [on]"},
    MW__POLICY_OPTIONS,
    MW__FILE_OPTIONS,
    MW__BUDGET_OPTIONS,
    LUA_DIR,
    {0}};

static const mw__option repl_options[] = {
    {"--twin", NULL, "against a twin; `desk` and `circuit` are ready to use"},
    MW__POLICY_OPTIONS,
    LUA_DIR,
    {0}};

static const mw__option apply_options[] = {
    {"--twin", NULL, "send it to a twin of both services, started for this"},
    {"--yes", NULL, "don't ask"},
    {"--allow-read", "DIR", "send files below DIR where the plan names them; may repeat"},
    {"--audit", "FILE", "append a JSON line to FILE for each call"},
    {"--audit-bodies", NULL, "write the bodies that are sent to the audit as well"},
    LUA_DIR,
    {0}};

static const mw__option twin_options[] = {
    {"--listen", "HOST:PORT", "where to listen [127.0.0.1:0, that is any free port]"},
    {"--data", "DATA",
     "what is in it: demo, a plausible desk; empty; or FILE.json of export [demo]"},
    {"--state", "FILE", "keep everything in FILE, an SQLite database, across restarts"},
    {"--limits", "LIMITS", "platform, or one limit for all: 60/min; see above [none]"},
    {"--retry-after", NULL, "say with each 429 how long to wait"},
    {"--fault", "FAULT", "fail on purpose, see above; may repeat"},
    {"--seed", "N", "which requests the faults hit; the same N, the same ones [1]"},
    {"--deliver-anywhere", NULL, "post webhooks to any address, not to this machine alone"},
    LUA_DIR,
    {0}};

static const mw__option ops_options[] = {
    {"--fields", NULL, "with parameters and body fields, also where several operations match"},
    {"--json", NULL, "the whole rows, as one JSON array"},
    {0}};

static const mw__option version_options[] = {
    {"--verbose", NULL, "also the libraries in use, and the proxy in force"}, {0}};

const mw__command mw__commands[] = {
    {
        .name = "run",
        .operand = "SCRIPT [ARGS...]",
        .help = "run a Lua script; `-` reads it from standard input",
        .more =
            "The script gets its arguments as `...` and in `arg`. mw.connect takes the settings of a\n"
            "profile from the environment:\n\n"
            "  \"ooctopus\"  OOCTOPUS_URL [https://app.ooctopus.com], OOCTOPUS_ACCOUNT_ID, and at least\n"
            "              one of OOCTOPUS_TOKEN, OOCTOPUS_BOT_TOKEN, OOCTOPUS_PLATFORM_TOKEN\n"
            "  \"chatwoot\"  the same variables, under the paths of upstream Chatwoot; needs OOCTOPUS_URL\n"
            "  \"circuit\"   CIRCUIT_URL [https://circuitsandbox.net/rest/v2], CIRCUIT_TOKEN\n\n"
            "OOCTOPUS_LIMITS and CIRCUIT_LIMITS say how fast they may go where the built-in limits do not fit:\n"
            "\"search=50/min,write=10/s,write.concurrency=4\", \"off\"; \"shared\" makes processes share them.\n"
            "With --twin there are none but those.\n"
            "A wait of more than 2 s for a limit is a line on standard error.\n\n"
            "The script runs in a process of its own that holds no token, no file, no network and no\n"
            "environment. Of Lua it has all but io, debug, package, dofile, loadfile, and of os only time,\n"
            "clock, date and difftime. What it calls is checked against the policy, and what it uses up\n"
            "against the budgets; each has an exit code. `require` finds moonwire and the *.lua beside the\n"
            "script. `moonwire selfcheck` shows what keeps the script in.\n\n"
            "Without a policy (a file, or one of the options from --allow to --max-bytes) the script may use\n"
            "every operation of the profiles that it connects; the run says so. The first --allow closes all\n"
            "that it does not name. client:request needs --allow SERVICE:request in any case.\n\n"
            "SIZE is in bytes or with k, M or G; TIME in seconds or with ms, s, m or h.\n\n"
            "--sandbox=on refuses to run where a layer of the sandbox is missing; best-effort runs there as\n"
            "well and names it. off runs the script in this process with all of Lua and with all that you may\n"
            "do: the policy still counts its calls, but files, variables and the other budgets are open. Run\n"
            "only scripts so that you trust.\n",
        .required = true,
        .script = true,
        .options = run_options,
        .run = mw__cmd_run,
    },
    {
        .name = "learn",
        .operand = "SCRIPT [ARGS...]",
        .help = "run a script and write the smallest policy that it needs",
        .more =
            "Runs the script as moonwire run does, with every operation and raw request that no option\n"
            "forbids, and writes what it used to SCRIPT.policy.lua, one entry a line. moonwire run finds that\n"
            "file by itself; folders, variables and raw requests count only in a file that --policy names.\n"
            "A script that takes another way another time may need more: then the run ends as denied, and\n"
            "says what it lacks. Variables are written as they were granted. After a run that failed\n"
            "nothing is written.\n",
        .required = true,
        .script = true,
        .options = learn_options,
        .run = mw__cmd_learn,
    },
    {
        .name = "repl",
        .help = "type Lua, see values",
        .more =
            "An expression prints its value. Ctrl-C ends the running call or leaves the line; exit, quit\n"
            "or Ctrl-D leaves. Profiles are those of moonwire run. The history is in\n"
            "$XDG_STATE_HOME/moonwire/history.\n\n"
            "Tasks of mw.spawn go on while you type; what they print appears above the line. Ctrl-C while\n"
            "one of them computes ends it; leaving cancels those that wait.\n\n"
            "Input may be piped: entries run one after the other, tasks go on between them and to their\n"
            "end, and the exit code is 1 when anything failed.\n",
        .options = repl_options,
        .run = mw__cmd_repl,
    },
    {
        .name = "apply",
        .operand = "PLAN",
        .help = "send what `moonwire run --dry-run --plan PLAN` held back",
        .more =
            "Checks every line of the plan, shows what there is to send, asks if a person sits at the\n"
            "terminal, and sends the calls in order, one after the other. Where a line holds a placeholder\n"
            "for the id of something that an earlier line makes, the real id takes its place. The first\n"
            "failure ends it, and says what was sent and what was not; a plan that is sent again makes all\n"
            "of its changes again.\n\n"
            "A line says what to send with `operation`, `profile` and `arguments`; its `path` and `body` are\n"
            "for reading. Profiles are those of moonwire run.\n",
        .required = true,
        .options = apply_options,
        .run = mw__cmd_apply,
    },
    {
        .name = "twin",
        .operand = "[export]",
        .help = "serve a local double of both services until Ctrl-C",
        .more =
            "Prints the settings as lines for a shell. Its tokens are fixed and no secret. All 115 operations\n"
            "work on one state; webhooks are posted, and automation rules run.\n\n"
            "Without --state all is forgotten at the end. --data fills a new FILE; what a FILE holds already\n"
            "stays. `moonwire twin export` writes the records of --state FILE, or of --data, as JSON to\n"
            "standard output: a file for --data, to be changed as you like.\n\n"
            "--limits=platform counts as the platform does: 3000 requests a minute from one address, 100\n"
            "contact searches a minute in an account, 100 reports a minute of a user and 1000 in an account,\n"
            "in fixed windows.\n\n"
            "A FAULT is OPERATION:KIND or OPERATION:KIND:RATE, as in messages.create:drop-after-commit:10%.\n"
            "OPERATION is MODULE.METHOD or a pattern, '*' for all. KIND is one of drop, reset,\n"
            "drop-after-commit, reset-after-commit, truncate, html, status=CODE and delay=TIME. RATE is N%\n"
            "or 1/N, every request without it.\n\n"
            "Under /_twin/ a program can switch faults, turn the clock on, save and restore the state and\n"
            "read what was asked for; the header X-Twin-Token opens it. docs/twin.md has it all.\n",
        .options = twin_options,
        .run = mw__cmd_twin,
    },
    {
        .name = "ops",
        .operand = "[PATTERN]",
        .help = "list the operations: name, verb, path, tokens",
        .more =
            "PATTERN is a name, a part of service/module:method, or a glob over it:\n"
            "contacts, 'circuit/*', '*:list'. Where it fits one operation alone (contacts:search),\n"
            "that one is shown with its path parameters, its query and its body.\n",
        .options = ops_options,
        .run = mw__cmd_ops,
    },
    {
        .name = "selfcheck",
        .help = "show what keeps scripts in, and try to get out",
        .more =
            "Prints the layers of the sandbox that this system gives to a script's process, then tries what\n"
            "no script may do, each attempt in such a process of its own, which has to be killed for it. The\n"
            "exit code is 12 when a required layer is missing or an attempt was not killed. landlock needs\n"
            "Linux 5.13 and is a second lock behind seccomp: scripts run without it as well.\n",
        .run = mw__cmd_selfcheck,
    },
    {
        .name = "version",
        .help = "print the version",
        .options = version_options,
        .run = mw__cmd_version,
    },
    {
        .name = "help",
        .operand = "[COMMAND]",
        .help = "print this, or more about one command",
        .run = mw__cmd_help,
    },
    {0},
};

static void print_options(FILE *file, const mw__command *command)
{
    fputs("\nOptions:\n", file);
    char left[48];
    for (const mw__option *option = command->options; option && option->name; option++) {
        snprintf(left, sizeof left, "%s%s%s", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        fprintf(file, "  %-20s %s\n", left, option->help);
    }
    fprintf(file, "  %-20s %s\n", "--help", "print this");
}

static void print_all(FILE *file)
{
    fputs("moonwire: automate chat and support desks in Lua\n\nUsage: moonwire COMMAND [OPTIONS] [ARGS...]\n\n"
          "Commands:\n",
          file);
    char left[48];
    for (const mw__command *command = mw__commands; command->name; command++) {
        snprintf(left, sizeof left, "%s %s", command->name,
                 command->operand ? command->operand : "");
        fprintf(file, "  %-22s %s\n", left, command->help);
    }
    fputs("\nEach command has --help. Exit codes:\n", file);
    int code;
    const char *meaning;
    for (unsigned i = 0; mw__exit_row(i, &code, &meaning); i++)
        fprintf(file, "  %3d  %s\n", code, meaning);
}

void mw__help_print(FILE *file, const mw__command *command)
{
    if (!command) {
        print_all(file);
        return;
    }
    fprintf(file, "moonwire %s: %s\n\nUsage: moonwire %s%s%s%s\n", command->name, command->help,
            command->name, command->options ? " [OPTIONS]" : "", command->operand ? " " : "",
            command->operand ? command->operand : "");
    if (command->more)
        fprintf(file, "\n%s", command->more);
    print_options(file, command);
}

/* The row of `name`, or NULL after having said so. */
static const mw__command *find(const char *name)
{
    const char *names[32] = {0};
    size_t count = 0;
    for (const mw__command *command = mw__commands; command->name; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
        names[count++] = command->name;
    }
    const char *closest = mw_closest(name, names);
    mw__complain(NULL, 0, "unknown %s '%s'%s%s%s; see moonwire help",
                 name[0] == '-' ? "option" : "command", name, closest ? " (did you mean '" : "",
                 closest ? closest : "", closest ? "'?)" : "");
    return NULL;
}

int mw__cmd_help(const mw__args *args)
{
    const mw__command *command = NULL;
    if (args->operand) {
        command = find(args->argv[args->operand]);
        if (!command)
            return MW_EXIT_USAGE;
    }
    mw__help_print(stdout, command);
    return MW_EXIT_OK;
}

/* Output that can't be written is a failure, also when only the last flush finds out. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    int failed =
        mw__complain(NULL, MW_EXIT_SCRIPT, "can't write to standard output: %s", strerror(errno));
    return code == MW_EXIT_OK ? failed : code;
}

/* A standard stream that came closed: the next file or socket would get its number, and output would go there. What
 * takes its place fails when it is used. */
static void fill_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int moonwire_cli(int argc, char **argv)
{
    fill_standard_streams();
    /* The process that a script runs in: before anything else, and without a word on standard output. */
    if (argc > 1 && strcmp(argv[1], "--worker") == 0)
        return mw__worker_main(argc, argv);
    if (argc < 2) {
        fputs("Usage: moonwire COMMAND [OPTIONS] [ARGS...]; see moonwire help\n", stderr);
        return MW_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0)
        name = "version";
    const mw__command *command = find(name);
    if (!command)
        return MW_EXIT_USAGE;
    mw__args args;
    int code = mw__args_parse(command, argc, argv, &args);
    if (code < 0) {
        mw__interrupt_install();
        code = command->run(&args);
    }
    return finish(code);
}

/* policy_flags.c: makes a permit of the policy file, the options and the configuration, and says what is wrong with
 * them. Must not know how a run uses it. Main thread. */
#include "policy_flags.h"

#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "config.h"
#include "plan.h"
#include "policy_file.h"

typedef int (*policy_fn)(mw_policy *policy, const char *text, mw_error *error);

/* The lists of a policy: what the file and the options add to it. */
static const struct {
    int list;
    const char *option;
    policy_fn add;
    bool replaces; /* the option's values stand for the file's, not beside them */
} rules[] = {
    {MW__LIST_ALLOW, "--allow", mw_policy_allow, false},
    {MW__LIST_DENY, "--deny", mw_policy_deny, false},
    {MW__LIST_ACCOUNTS, "--account", mw_policy_account, true},
    {MW__LIST_INBOXES, "--inbox", mw_policy_inbox, true},
};

/* Options that make a policy where there is no file. */
static const char *const narrowing[] = {"--allow", "--deny",      "--read-only",  "--account",
                                        "--inbox", "--max-calls", "--max-writes", "--max-bytes"};

/* Names that are never handed to a script. */
static const char *const secret_names[] = {
#define MW_X(name, secret) secret ? #name : "",
    MW__VARIABLES(MW_X)
#undef MW_X
};

/* All that a permit is made of, while it is made. */
typedef struct making {
    const mw__args *args;
    const char *command;
    const char *script;
    bool learn;
    bool has_file;
    mw__policy_file file;
    mw__permit *permit;
} making;

static int no_memory(const making *m)
{
    return mw__complain(m->command, MW_EXIT_SCRIPT, "out of memory");
}

/* A fault of a file or an option, as it was said. */
static int refuse(const making *m, const char *where, const mw_error *error)
{
    int code = error->code == MW_MEMORY ? MW_EXIT_SCRIPT : MW_EXIT_USAGE;
    return mw__complain(m->command, code, "%s%s%s", where, *where ? ": " : "", error->message);
}

char *mw__permit_file_of(const char *script)
{
    size_t length = strlen(script);
    if (length > 4 && strcmp(script + length - 4, ".lua") == 0)
        length -= 4;
    char *path = malloc(length + sizeof ".policy.lua");
    if (path) {
        memcpy(path, script, length);
        memcpy(path + length, ".policy.lua", sizeof ".policy.lua");
    }
    return path;
}

/* The file beside the script may take away, not give. */
static int find_file(making *m)
{
    char asks[256];
    mw_error error = {0};
    bool missing = false;
    char *path = mw__permit_file_of(m->script);
    if (!path)
        return no_memory(m);
    int rc = mw__policy_file_read(path, &m->file, &missing, &error);
    int code = -1;
    m->has_file = rc == MW_OK;
    if (rc < 0 && !missing)
        code = refuse(m, "", &error);
    else if (rc == MW_OK && mw__policy_file_widens(&m->file, asks, sizeof asks))
        code = mw__complain(m->command, MW_EXIT_USAGE,
                            "%s, found beside the script, asks for %s: --policy %s grants it", path,
                            asks, path);
    free(path);
    return code;
}

static int read_file(making *m)
{
    mw_error error = {0};
    const char *path = mw__args_get(m->args, "--policy");
    if (!path)
        return m->script && !m->learn && strcmp(m->script, "-") != 0 ? find_file(m) : -1;
    m->has_file = true;
    return mw__policy_file_read(path, &m->file, NULL, &error) < 0 ? refuse(m, "", &error) : -1;
}

static int set_budgets(making *m)
{
    mw__permit *permit = m->permit;
    for (unsigned i = 0; i < MW__BUDGET_COUNT; i++) {
        const mw__budget_row *row = mw__budget_row_at(i);
        uint64_t *value = mw__budget_in(&permit->budgets, i);
        const char *text = mw__args_get(m->args, row->option);
        *value = m->file.has[i] ? m->file.budgets[i] : row->preset;
        const char *wrong = text ? mw__budget_parse(i, text, value) : NULL;
        if (wrong)
            return mw__complain(m->command, MW_EXIT_USAGE, "%s must be %s, not '%s'", row->option,
                                wrong, text);
    }
    mw_policy_limit(permit->policy, MW_LIMIT_CALLS, permit->budgets.calls);
    mw_policy_limit(permit->policy, MW_LIMIT_WRITES, permit->budgets.writes);
    mw_policy_limit(permit->policy, MW_LIMIT_BYTES, permit->budgets.bytes);
    return -1;
}

/* The values of one rule, from the file and from its option. */
static int add_rule(making *m, unsigned index)
{
    mw_error error = {0};
    mw_policy *policy = m->permit->policy;
    const char *const *list = m->file.lists[rules[index].list];
    bool given = mw__args_get(m->args, rules[index].option) != NULL;
    for (; list && *list && !(given && rules[index].replaces); list++)
        if (rules[index].add(policy, *list, &error) < 0)
            return refuse(m, m->file.path, &error);
    int at = 0;
    const char *value;
    while ((value = mw__args_each(m->args, rules[index].option, &at)) != NULL)
        if (rules[index].add(policy, value, &error) < 0)
            return refuse(m, rules[index].option, &error);
    return -1;
}

static int set_rules(making *m)
{
    mw_policy *policy = m->permit->policy;
    mw_error error = {0};
    for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++) {
        int code = add_rule(m, i);
        if (code >= 0)
            return code;
    }
    /* Without a word on what is allowed, everything is; raw requests have to be named. */
    bool open = !m->file.lists[MW__LIST_ALLOW] && !mw__args_get(m->args, "--allow");
    if (open && mw_policy_allow(policy, "*:*", &error) < 0)
        return refuse(m, "", &error);
    if (open && m->learn && mw_policy_allow(policy, "*:request", &error) < 0)
        return refuse(m, "", &error);
    mw_policy_read_only(policy, m->file.read_only || mw__args_get(m->args, "--read-only"));
    return -1;
}

static int grant(making *m, int list, const char *option, bool write)
{
    mw_error error = {0};
    for (const char *const *folder = m->file.lists[list]; folder && *folder; folder++)
        if (mw__grants_add(m->permit->files, *folder, write, &error) < 0)
            return refuse(m, m->file.path, &error);
    int at = 0;
    const char *value;
    while ((value = mw__args_each(m->args, option, &at)) != NULL)
        if (mw__grants_add(m->permit->files, value, write, &error) < 0)
            return refuse(m, option, &error);
    return -1;
}

static int add_variable(const making *m, const char *where, const char *name, size_t *count)
{
    mw__permit_parts *parts = m->permit->parts;
    for (size_t i = 0; i < sizeof secret_names / sizeof *secret_names; i++)
        if (strcmp(name, secret_names[i]) == 0)
            return mw__complain(m->command, MW_EXIT_USAGE,
                                "%s: %s holds a token, which no script is given", where,
                                *name ? name : "a variable without a name");
    if (strchr(name, '='))
        return mw__complain(m->command, MW_EXIT_USAGE, "%s: '%s' is no name of a variable", where,
                            name);
    const char *value = getenv(name);
    size_t size = strlen(name) + (value ? strlen(value) : 0) + 2;
    char **env = realloc(parts->env, (*count + 2) * sizeof *env);
    if (!env)
        return no_memory(m);
    parts->env = env;
    env[*count] = malloc(size);
    env[*count + 1] = NULL;
    if (!env[*count])
        return no_memory(m);
    snprintf(env[(*count)++], size, "%s%s%s", name, value ? "=" : "", value ? value : "");
    return -1;
}

static int set_variables(making *m)
{
    size_t count = 0;
    int code = -1;
    for (const char *const *name = m->file.lists[MW__LIST_ENV]; code < 0 && name && *name; name++)
        code = add_variable(m, m->file.path, *name, &count);
    int at = 0;
    const char *value;
    while (code < 0 && (value = mw__args_each(m->args, "--allow-env", &at)) != NULL)
        code = add_variable(m, "--allow-env", value, &count);
    m->permit->env = (const char *const *)m->permit->parts->env;
    return code;
}

/* Audit and plan. */
static int open_records(making *m)
{
    mw_error error = {0};
    mw__permit_parts *parts = m->permit->parts;
    const char *audit = mw__args_get(m->args, "--audit");
    bool bodies = mw__args_get(m->args, "--audit-bodies") != NULL;
    mw_policy_dry_run(m->permit->policy, m->permit->dry_run);
    if (bodies && !audit)
        return mw__complain(m->command, MW_EXIT_USAGE, "--audit-bodies needs --audit FILE");
    if (audit && mw__audit_open(audit, m->script ? m->script : m->command, bodies, &parts->audit,
                                &error) < 0)
        return refuse(m, "--audit", &error);
    if (parts->plan_path && mw__plan_new(parts->plan_path, &parts->plan, &error) < 0)
        return refuse(m, "--plan", &error);
    if (parts->audit || parts->plan)
        mw_policy_on_event(m->permit->policy, mw__permit_event, parts);
    return -1;
}

/* Whether there is a policy, and what follows when there is none. */
static int check_policy(making *m)
{
    mw_error error = {0};
    mw__config config;
    m->permit->found = m->has_file;
    for (size_t i = 0; i < sizeof narrowing / sizeof *narrowing; i++)
        m->permit->found |= mw__args_get(m->args, narrowing[i]) != NULL;
    if (!m->script)
        return -1;
    if (mw__config_read(&config, &error) < 0)
        return refuse(m, "", &error);
    bool harmless = m->learn && (mw__args_get(m->args, "--twin") || m->permit->dry_run);
    if (m->permit->found || harmless)
        return -1;
    if (config.require_policy && m->learn)
        return mw__complain(
            m->command, MW_EXIT_DENIED,
            "%s requires a policy: learn from a twin, with --twin, or from a --dry-run",
            config.required_by);
    if (config.require_policy)
        return mw__complain(
            m->command, MW_EXIT_DENIED,
            "no policy for %s, and %s requires one: give --policy FILE or --allow PATTERN; "
            "`moonwire learn --twin` writes a policy",
            m->script, config.required_by);
    if (m->learn)
        mw__complain(
            m->command, 0,
            "the script may use every operation of the profiles that it connects, and change things there; "
            "with --twin or --dry-run it can't");
    else if (strcmp(m->script, "-") == 0)
        mw__complain(
            m->command, 0,
            "no policy: the script may use every operation of the profiles that it connects; --allow "
            "PATTERN or --policy FILE narrows that");
    else
        mw__complain(
            m->command, 0,
            "no policy: %s may use every operation of the profiles that it connects; `moonwire learn %s` "
            "writes one",
            m->script, m->script);
    return -1;
}

static int open_permit(const mw__args *args, const char *script, bool learn, mw__permit *permit)
{
    making m = {.args = args,
                .command = args->command->name,
                .script = script,
                .learn = learn,
                .permit = permit};
    *permit = (mw__permit){.parts = calloc(1, sizeof *permit->parts)};
    if (!permit->parts || mw_policy_new(&permit->policy) < 0 || mw__grants_new(&permit->files) < 0)
        return no_memory(&m);
    permit->parts->command = m.command;
    permit->parts->policy = permit->policy;
    permit->parts->plan_path = mw__args_get(args, "--plan");
    permit->dry_run = permit->parts->plan_path || mw__args_get(args, "--dry-run");
    int code = read_file(&m);
    if (code < 0)
        code = set_budgets(&m);
    if (code < 0)
        code = set_rules(&m);
    if (code < 0)
        code = grant(&m, MW__LIST_READ, "--allow-read", false);
    if (code < 0)
        code = grant(&m, MW__LIST_WRITE, "--allow-write", true);
    if (code < 0)
        code = set_variables(&m);
    if (code < 0)
        code = open_records(&m);
    if (code < 0)
        code = check_policy(&m);
    mw__policy_file_free(&m.file);
    return code;
}

int mw__permit_open(const mw__args *args, const char *script, mw__permit *permit)
{
    return open_permit(args, script, false, permit);
}

int mw__permit_learn(const mw__args *args, const char *script, mw__permit *permit)
{
    return open_permit(args, script, true, permit);
}

/* options.c: reads a command line against the row of its command: the one parser. Knows nothing of
 * what commands do. Main thread. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "mw/operation.h"

int mw__complain(const char *command, int code, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    line[strcspn(line, "\n")] = '\0';
    fflush(stdout);
    fprintf(stderr, "moonwire: %s%s%s\n", command ? command : "", command ? ": " : "", line);
    return code;
}

const char *mw__args_get(const mw__args *args, const char *name)
{
    const mw__option *options = args->command->options;
    for (int i = 0; options && options[i].name; i++)
        if (strcmp(options[i].name, name) == 0)
            return args->values[i];
    return NULL;
}

int mw__args_lua_dir(const mw__args *args, const char **dir)
{
    const char *given = mw__args_get(args, "--lua-dir");
    const char *value = given ? given : getenv("MOONWIRE_LUA_DIR");
    *dir = value && *value ? value : NULL;
    char path[4096];
    if (!*dir)
        return MW_EXIT_OK;
    int length = snprintf(path, sizeof path, "%s/moonwire/init.lua", *dir);
    if (length > 0 && (size_t)length < sizeof path && access(path, R_OK) == 0)
        return MW_EXIT_OK;
    return mw__complain(args->command->name, MW_EXIT_USAGE,
                        "no library in '%s': can't read %s/moonwire/init.lua; check %s", *dir, *dir,
                        given ? "--lua-dir" : "MOONWIRE_LUA_DIR");
}

static int unknown_option(const mw__command *command, const char *word, size_t length)
{
    const char *names[MW__MAX_OPTIONS + 2] = {0};
    size_t count = 0;
    for (const mw__option *option = command->options; option && option->name; option++)
        names[count++] = option->name;
    names[count] = "--help";
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(length < 60 ? length : 60), word);
    const char *closest = mw_closest(name, names);
    return mw__complain(command->name, MW_EXIT_USAGE,
                        "unknown option '%s'%s%s%s; see moonwire %s --help", name,
                        closest ? " (did you mean '" : "", closest ? closest : "",
                        closest ? "'?)" : "", command->name);
}

/* The row of the option at argv[*at], which moves on to its value where that stands by itself; -1 when
 * there is no such row. `*value` is "" for an option without argument, NULL where it is missing or there
 * is one too many. */
static int read_option(const mw__args *args, int *at, const char **value)
{
    const mw__option *options = args->command->options;
    const char *word = args->argv[*at];
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    for (int i = 0; options && options[i].name; i++) {
        if (strlen(options[i].name) != length || strncmp(options[i].name, word, length) != 0)
            continue;
        if (!options[i].argument)
            *value = equals ? NULL : "";
        else if (equals)
            *value = equals + 1;
        else
            *value = *at + 1 < args->argc ? args->argv[++*at] : NULL;
        return i;
    }
    return -1;
}

/* Returns -1 or an exit code. */
static int parse_option(mw__args *args, int *at)
{
    const mw__command *command = args->command;
    const char *word = args->argv[*at];
    const char *value;
    int row = read_option(args, at, &value);
    if (row < 0)
        return unknown_option(command, word, strcspn(word, "="));
    const mw__option *option = &command->options[row];
    if (!value && !option->argument)
        return mw__complain(command->name, MW_EXIT_USAGE, "option %s takes no value", option->name);
    if (!value)
        return mw__complain(command->name, MW_EXIT_USAGE, "option %s needs a value: %s",
                            option->name, option->argument);
    args->values[row] = value;
    return -1;
}

const char *mw__args_each(const mw__args *args, const char *name, int *at)
{
    int end = args->command->script && args->operand ? args->operand : args->argc;
    for (int i = *at < 2 ? 2 : *at; i < end && strcmp(args->argv[i], "--") != 0; i++) {
        const char *value;
        if (args->argv[i][0] != '-' || !args->argv[i][1])
            continue;
        int row = read_option(args, &i, &value);
        if (row >= 0 && value && strcmp(args->command->options[row].name, name) == 0) {
            *at = i + 1;
            return value;
        }
    }
    return NULL;
}

int mw__args_parse(const mw__command *command, int argc, char **argv, mw__args *args)
{
    *args = (mw__args){.command = command, .argv = argv, .argc = argc};
    bool options = true;
    for (int i = 2; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            mw__help_print(stdout, command);
            return MW_EXIT_OK;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            int code = parse_option(args, &i);
            if (code >= 0)
                return code;
        } else if (!command->operand || args->operand) {
            return mw__complain(command->name, MW_EXIT_USAGE,
                                "'%s' is one argument too many; see moonwire %s --help", argv[i],
                                command->name);
        } else {
            args->operand = i;
            if (command->script)
                break;
        }
    }
    if (command->required && !args->operand)
        return mw__complain(command->name, MW_EXIT_USAGE, "no %.*s given; see moonwire %s --help",
                            (int)strcspn(command->operand, " "), command->operand, command->name);
    return -1;
}

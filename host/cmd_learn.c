/* cmd_learn.c: `moonwire learn`: runs a script and writes down what it needed, as a policy file. Knows nothing of how
 * scripts are run. Main thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_script.h"

#define MAX_NOTES 10000

/* Different texts, sorted once the run is over. */
typedef struct notes {
    char **list;
    size_t count;
    bool failed; /* out of memory, or too many */
} notes;

typedef struct lesson {
    notes operations;
    notes read, write, looked; /* folders; `looked`: for mw.fs.exists, which either grant allows */
} lesson;

static void note(notes *self, const char *text)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->list[i], text) == 0)
            return;
    char **list =
        self->count < MAX_NOTES ? realloc(self->list, (self->count + 1) * sizeof *list) : NULL;
    if (list)
        self->list = list;
    char *copy = list ? strdup(text) : NULL;
    if (copy)
        list[self->count++] = copy;
    else
        self->failed = true;
}

static void forget(notes *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->list[i]);
    free(self->list);
    *self = (notes){0};
}

static void on_event(const mw_policy_event *event, void *ud)
{
    lesson *self = ud;
    if (event->done || (event->decision != MW_DECIDED_ALLOW && event->decision != MW_DECIDED_HOLD))
        return;
    note(&self->operations, event->name);
    if (event->look)
        note(&self->operations, event->look);
}

static void on_folder(const char *folder, char use, void *ud)
{
    lesson *self = ud;
    note(use == 'r' ? &self->read : use == 'w' ? &self->write : &self->looked, folder);
}

static bool is_below(const char *path, const char *folder)
{
    size_t length = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Whether one of `folders`, but for the one at `self`, holds `path`. */
static bool is_covered(const notes *folders, const char *path, const char *self)
{
    for (size_t i = 0; i < folders->count; i++)
        if (folders->list[i] != self && is_below(path, folders->list[i]))
            return true;
    return false;
}

/* Leaves folders that need a line of their own. */
static void reduce(lesson *self)
{
    for (size_t i = 0; i < self->looked.count; i++)
        if (!is_covered(&self->read, self->looked.list[i], NULL) &&
            !is_covered(&self->write, self->looked.list[i], NULL))
            note(&self->read, self->looked.list[i]);
    notes *each[] = {&self->read, &self->write};
    for (int n = 0; n < 2; n++) {
        for (size_t i = each[n]->count; i-- > 0;) {
            if (!is_covered(each[n], each[n]->list[i], each[n]->list[i]))
                continue;
            free(each[n]->list[i]);
            each[n]->list[i] = each[n]->list[--each[n]->count];
        }
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void write_text(FILE *file, const char *text)
{
    fputc('"', file);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(file, "\\%c", *c);
        else if (*c < ' ' || *c == 0x7F)
            fprintf(file, "\\%03u", *c);
        else
            fputc(*c, file);
    }
    fputc('"', file);
}

/* One entry a line. `from`: the folder that names below it are shortened by, or NULL. */
static void write_list(FILE *file, const char *key, notes *list, const char *from)
{
    if (list->count > 0)
        qsort(list->list, list->count, sizeof *list->list, compare);
    fprintf(file, "    %s = {\n", key);
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->list[i];
        if (from && strcmp(text, from) == 0)
            text = ".";
        else if (from && strcmp(from, "/") != 0 && is_below(text, from))
            text += strlen(from) + 1;
        fputs("        ", file);
        write_text(file, text);
        fputs(",\n", file);
    }
    fputs("    },\n", file);
}

static void write_policy(FILE *file, const char *script, lesson *self, const char *const *env,
                         const char *from)
{
    notes names = {0};
    for (; env && *env; env++) {
        char *name = strndup(*env, strcspn(*env, "="));
        note(&names, name ? name : "");
        names.failed |= !name;
        free(name);
    }
    fputs("-- What ", file);
    for (; *script; script++)
        fputc((unsigned char)*script < ' ' ? '?' : *script, file);
    fputs(" needed, written by moonwire learn. What is not named here is denied.\nreturn {\n", file);
    write_list(file, "allow", &self->operations, NULL);
    if (self->read.count > 0)
        write_list(file, "read", &self->read, from);
    if (self->write.count > 0)
        write_list(file, "write", &self->write, from);
    if (names.count > 0)
        write_list(file, "env", &names, NULL);
    fputs("}\n", file);
    self->operations.failed |= names.failed;
    forget(&names);
}

/* The folder of `path`, without links; freed with free(). NULL with errno. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = slash ? strndup(path, (size_t)(slash - path) + (slash == path)) : strdup(".");
    char *real = name ? realpath(name, NULL) : NULL;
    free(name);
    return real;
}

/* Writes beside `path` and gives it the name when all is there. 0 or an errno. */
static int save(const char *path, const char *script, lesson *self, const char *const *env)
{
    char *other = NULL;
    char *folder = folder_of(path);
    FILE *file = NULL;
    int reason = folder ? 0 : errno;
    mode_t mask = umask(077);
    umask(mask);
    if (reason == 0 && asprintf(&other, "%s.XXXXXX", path) < 0) {
        other = NULL;
        reason = ENOMEM;
    }
    int fd = reason == 0 ? mkostemp(other, O_CLOEXEC) : -1;
    if (reason == 0 && fd < 0)
        reason = errno;
    if (fd >= 0 && !(file = fdopen(fd, "w")))
        reason = errno;
    if (file) {
        write_policy(file, script, self, env, folder);
        if (self->operations.failed || self->read.failed || self->write.failed ||
            self->looked.failed)
            reason = ENOMEM;
        else if (ferror(file) || fflush(file) != 0 || fchmod(fd, 0666 & ~mask) != 0)
            reason = errno;
        if (fclose(file) != 0 && reason == 0)
            reason = errno;
    }
    if (fd >= 0 && reason == 0 && rename(other, path) < 0)
        reason = errno;
    if (fd >= 0 && reason != 0)
        unlink(other);
    free(other);
    free(folder);
    return reason;
}

/* Says what was written and how it is used. */
static int tell(const mw__permit *permit, const char *path, bool beside, const lesson *self)
{
    size_t raw = 0;
    for (size_t i = 0; i < self->operations.count; i++)
        raw += strstr(self->operations.list[i], ":request") != NULL;
    size_t operations = self->operations.count - raw;
    /* What counts only in a file that is named. */
    const char *more[3];
    int count = 0;
    if (raw > 0)
        more[count++] = "raw requests";
    if (self->read.count > 0 || self->write.count > 0)
        more[count++] = "folders";
    if (permit->env && *permit->env)
        more[count++] = "variables";
    char text[64] = "";
    for (int i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                 i + 1 == count ? " and " : ", ", more[i]);
    const char *plural = operations == 1 ? "" : "s";
    if (beside && count == 0)
        return mw__complain("learn", MW_EXIT_OK,
                            "%s allows %zu operation%s; moonwire run finds it beside the script",
                            path, operations, plural);
    return mw__complain("learn", MW_EXIT_OK,
                        "%s allows %zu operation%s%s; it has to be named: moonwire run --policy %s",
                        path, operations, plural, text, path);
}

static int check_target(const mw__args *args, const char *path)
{
    struct stat info;
    if (mw__args_get(args, "--to") || mw__args_get(args, "--force") || lstat(path, &info) < 0)
        return -1;
    return mw__complain("learn", MW_EXIT_USAGE,
                        "%s is there already; --force replaces it, --to FILE writes another", path);
}

static int learn(const mw__args *args, const char *script, const char *path)
{
    lesson self = {0};
    mw__permit permit;
    int code = check_target(args, path);
    if (code >= 0)
        return code;
    code = mw__permit_learn(args, script, &permit);
    if (code < 0) {
        mw__permit_watch(&permit, on_event, &self);
        mw__grants_on_use(permit.files, on_folder, &self);
        code = mw__permit_end(&permit, mw__run_script(args, &permit));
        if (code != MW_EXIT_OK) {
            mw__complain("learn", code, "the run failed, so %s is not written", path);
        } else {
            reduce(&self);
            int reason = save(path, script, &self, permit.env);
            code = reason == 0 ? tell(&permit, path, !mw__args_get(args, "--to"), &self)
                               : mw__complain("learn", MW_EXIT_SCRIPT, "can't write '%s': %s", path,
                                              strerror(reason));
        }
    }
    mw__permit_close(&permit);
    forget(&self.operations);
    forget(&self.read);
    forget(&self.write);
    forget(&self.looked);
    return code;
}

int mw__cmd_learn(const mw__args *args)
{
    const char *script = args->argv[args->operand];
    const char *to = mw__args_get(args, "--to");
    int code = mw__run_check(args);
    if (code != MW_EXIT_OK)
        return code;
    if (!to && strcmp(script, "-") == 0)
        return mw__complain("learn", MW_EXIT_USAGE,
                            "a script from standard input has no file beside it; give --to FILE");
    char *path = to ? strdup(to) : mw__permit_file_of(script);
    if (!path)
        return mw__complain("learn", MW_EXIT_SCRIPT, "out of memory");
    code = learn(args, script, path);
    free(path);
    return code;
}

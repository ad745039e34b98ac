/* literal.c: reads Lua tables that are data alone. Owns nothing; must not know what they mean. The text is hostile.
 * Any thread. */
#include "literal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "literal_scan.h"

#define MAX_NAMES 1000 /* in one table: each is compared with all before it */

static int read_value(mw__scan *scan, mw_value *value, unsigned depth);

/* Items while a table is read; turned into an array or an object at its end. */
typedef struct item {
    mw_member member; /* name NULL: of a list */
    struct item *next;
} item;

static int expect(mw__scan *scan, char wanted, const char *place)
{
    if (scan->token == wanted)
        return mw__scan_next(scan);
    return mw__scan_fail(scan, "'%c' expected %s, not %s", wanted, place, mw__scan_shown(scan));
}

/* name = , ["name"] = , or nothing. */
static int read_name(mw__scan *scan, mw_member *member)
{
    bool brackets = scan->token == '[';
    int rc = MW_OK;
    if (!brackets && !(scan->token == MW__T_NAME && mw__scan_at_equals(scan)))
        return MW_OK;
    if (brackets)
        rc = mw__scan_next(scan);
    if (rc == MW_OK && brackets && scan->token != MW__T_STRING)
        rc = mw__scan_fail(scan, "only a text may stand in the brackets, not %s",
                           mw__scan_shown(scan));
    if (rc < 0)
        return rc;
    member->name = scan->text;
    member->name_length = scan->length;
    if (strlen(scan->text) != scan->length)
        return mw__scan_fail(scan, "a name holds no NUL");
    rc = mw__scan_next(scan);
    if (rc == MW_OK && brackets)
        rc = expect(scan, ']', "after the name");
    return rc < 0 ? rc : expect(scan, '=', "after the name");
}

/* Whether `added` fits what the table holds already. */
static int check_item(mw__scan *scan, const item *first, const mw_member *added)
{
    if (first && !first->member.name != !added->name)
        return mw__scan_fail(scan, "a table holds either a list or names, not both");
    unsigned names = 0;
    for (; added->name && first; first = first->next, names++)
        if (strcmp(first->member.name, added->name) == 0)
            return mw__scan_fail(scan, "'%.60s' stands here twice", added->name);
    return names < MAX_NAMES ? MW_OK
                             : mw__scan_fail(scan, "more than %d names in one table", MAX_NAMES);
}

static int finish_table(mw__scan *scan, const item *first, size_t count, mw_value *value)
{
    value->length = count;
    value->type = !first ? MW_V_EMPTY : first->member.name ? MW_V_OBJECT : MW_V_ARRAY;
    if (!first)
        return MW_OK;
    mw_value *items = NULL;
    mw_member *members = NULL;
    if (value->type == MW_V_OBJECT)
        value->as.members = members = mw__scan_alloc(scan, count * sizeof *members);
    else
        value->as.items = items = mw__scan_alloc(scan, count * sizeof *items);
    if (!items && !members)
        return MW_MEMORY;
    for (size_t i = 0; first; i++, first = first->next) {
        if (members)
            members[i] = first->member;
        else
            items[i] = first->member.value;
    }
    return MW_OK;
}

static int read_table(mw__scan *scan, mw_value *value, unsigned depth)
{
    item *first = NULL;
    item **last = &first;
    size_t count = 0;
    if (depth > MW__LITERAL_DEPTH)
        return mw__scan_fail(scan, "more than %d tables in one another", MW__LITERAL_DEPTH);
    int rc = mw__scan_next(scan);
    while (rc == MW_OK && scan->token != '}') {
        item *added = mw__scan_alloc(scan, sizeof *added);
        if (!added)
            return MW_MEMORY;
        rc = read_name(scan, &added->member);
        if (rc == MW_OK)
            rc = check_item(scan, first, &added->member);
        if (rc == MW_OK)
            rc = read_value(scan, &added->member.value, depth);
        if (rc < 0)
            return rc;
        *last = added;
        last = &added->next;
        count++;
        if (scan->token != ',' && scan->token != ';')
            break;
        rc = mw__scan_next(scan);
    }
    if (rc == MW_OK)
        rc = expect(scan, '}', "at the end of the table");
    return rc < 0 ? rc : finish_table(scan, first, count, value);
}

static int read_value(mw__scan *scan, mw_value *value, unsigned depth)
{
    switch (scan->token) {
    case '{':
        return read_table(scan, value, depth + 1);
    case MW__T_STRING:
        *value = (mw_value){MW_V_STRING, scan->length, {.string = scan->text}};
        return mw__scan_next(scan);
    case MW__T_INTEGER:
        *value = (mw_value){MW_V_INTEGER, 0, {.integer = scan->integer}};
        return mw__scan_next(scan);
    case MW__T_NUMBER:
        *value = (mw_value){MW_V_NUMBER, 0, {.number = scan->number}};
        return mw__scan_next(scan);
    case MW__T_NAME:
        if (strcmp(scan->text, "true") == 0 || strcmp(scan->text, "false") == 0) {
            *value = (mw_value){MW_V_BOOLEAN, 0, {.boolean = scan->text[0] == 't'}};
            return mw__scan_next(scan);
        }
        break;
    default:
        break;
    }
    return mw__scan_fail(scan, "%s is no data; %s holds texts, numbers, booleans and tables",
                         mw__scan_shown(scan), scan->what);
}

int mw__literal_read(const char *text, size_t length, const char *name, const char *what,
                     mw_arena *arena, mw_value *value, mw_error *error)
{
    mw__scan scan = {.name = name, .what = what, .arena = arena, .error = error};
    *value = (mw_value){0};
    if (length > MW__LITERAL_MAX)
        return mw_error_set(error, MW_INVALID, "", "%s: larger than %u bytes", name,
                            MW__LITERAL_MAX);
    int rc = mw__scan_start(&scan, text, length);
    if (rc == MW_OK && scan.token == MW__T_NAME && strcmp(scan.text, "return") == 0)
        rc = mw__scan_next(&scan);
    if (rc == MW_OK && scan.token != '{')
        rc = mw__scan_fail(&scan, "%s is one table, return { ... }, not %s", what,
                           mw__scan_shown(&scan));
    if (rc == MW_OK)
        rc = read_table(&scan, value, 1);
    if (rc == MW_OK && scan.token == ';')
        rc = mw__scan_next(&scan);
    if (rc == MW_OK && scan.token != MW__T_END)
        rc = mw__scan_fail(&scan, "nothing may follow the table; here is %s", mw__scan_shown(&scan));
    if (rc == MW_MEMORY)
        mw_error_set(error, MW_MEMORY, "", "%s: out of memory", name);
    return rc;
}

/* At most MW__LITERAL_MAX bytes, of a file that may be anything. MW_OK, or an errno. */
static int read_all(int fd, char **text, size_t *length)
{
    size_t size = MW__LITERAL_MAX + 1;
    char *made = malloc(size + 1);
    size_t got = 0;
    if (!made)
        return ENOMEM;
    while (got < size) {
        ssize_t n = read(fd, made + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int reason = errno;
            free(made);
            return reason;
        }
        if (n == 0)
            break;
        got += (size_t)n;
    }
    made[got] = '\0';
    *text = made;
    *length = got;
    return 0;
}

int mw__literal_load(const char *path, char **text, size_t *length, bool *missing, mw_error *error)
{
    struct stat info;
    *text = NULL;
    *length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int reason = fd < 0 || fstat(fd, &info) < 0 ? errno : 0;
    if (missing)
        *missing = fd < 0 && reason == ENOENT;
    if (reason == 0 && S_ISDIR(info.st_mode))
        reason = EISDIR;
    if (reason == 0)
        reason = read_all(fd, text, length);
    if (fd >= 0)
        close(fd);
    if (reason == ENOMEM)
        return mw_error_set(error, MW_MEMORY, "", "can't read '%.300s': out of memory", path);
    if (reason != 0)
        return mw_error_set(error, MW_INVALID, "", "can't read '%.300s': %s", path,
                            strerror(reason));
    return MW_OK;
}

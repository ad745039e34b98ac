/* policy_path.c: owns which accounts a raw path names. The server may read a path in other ways than it is
 * written, so each reading has to fit. Must not know requests. Pure functions. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy_private.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes in place until nothing encoded is left: what comes out of "%25" may begin the next one. */
static void decode_wholly(char *path)
{
    size_t used = 0;
    for (const char *c = path; *c; c++) {
        path[used++] = *c;
        while (used >= 3 && path[used - 3] == '%' && hex_value(path[used - 2]) >= 0 &&
               hex_value(path[used - 1]) >= 0) {
            int byte = 16 * hex_value(path[used - 2]) + hex_value(path[used - 1]);
            used -= 2;
            path[used - 1] = byte ? (char)byte : '/';
        }
    }
    path[used] = '\0';
}

/* Whether every account that the path names is in the list and no segment climbs; `*count` gets how many
 * there are. Changes `path`. */
static bool all_listed(char *path, const mw__words *accounts, size_t *count)
{
    bool wanted = false;
    *count = 0;
    char *rest = path;
    for (char *segment = strtok_r(path, "/\\", &rest); segment;
         segment = strtok_r(NULL, "/\\", &rest)) {
        size_t dots = strspn(segment, ".");
        if (dots > 0 && (segment[dots] == '\0' || segment[dots] == ';'))
            return false; /* "..;x" climbs where parameters of a segment are cut off first */
        if (wanted && !mw__words_hold(accounts, segment))
            return false;
        *count += wanted;
        size_t length = strcspn(segment, ";?#");
        wanted = length == 8 && strncasecmp(segment, "accounts", length) == 0;
    }
    return true;
}

bool mw__path_fits(const char *path, const mw__words *accounts)
{
    size_t written = 0;
    size_t decoded = 0;
    char *copy = strdup(path);
    bool fits = copy && all_listed(copy, accounts, &written) && written > 0;
    free(copy);
    if (!fits || !strchr(path, '%'))
        return fits;
    copy = strdup(path);
    if (copy)
        decode_wholly(copy);
    fits = copy && all_listed(copy, accounts, &decoded);
    free(copy);
    return fits;
}

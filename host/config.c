/* config.c: finds and reads the configuration. Must not know what it is for. Main thread. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "literal.h"
#include "mw/operation.h"

#define SYSTEM_FILE "/etc/moonwire/config.lua"

static int read_entry(mw__config *config, const char *path, const mw_member *member, mw_error *error)
{
    static const char *const keys[] = {"require_policy", NULL};
    if (strcmp(member->name, keys[0]) != 0) {
        const char *closest = mw_closest(member->name, keys);
        return mw_error_set(error, MW_INVALID, "", "%s: unknown entry '%.60s'%s%s%s", path,
                            member->name, closest ? " (did you mean '" : "", closest ? closest : "",
                            closest ? "'?)" : "");
    }
    if (member->value.type != MW_V_BOOLEAN)
        return mw_error_set(error, MW_INVALID, "", "%s: 'require_policy' must be true or false",
                            path);
    if (member->value.as.boolean && !config->require_policy) {
        config->require_policy = true;
        snprintf(config->required_by, sizeof config->required_by, "%s", path);
    }
    return MW_OK;
}

/* `must`: it has to be there. */
static int read_file(mw__config *config, const char *path, bool must, mw_error *error)
{
    char *text = NULL;
    size_t length = 0;
    bool missing = false;
    mw_value table = {0};
    int rc = mw__literal_load(path, &text, &length, &missing, error);
    if (rc < 0)
        return missing && !must ? MW_OK : rc;
    mw_arena *arena = mw_arena_new(MW__LITERAL_ARENA);
    rc = arena ? mw__literal_read(text, length, path, "a configuration", arena, &table, error)
               : mw_error_set(error, MW_MEMORY, "", "%s: out of memory", path);
    if (rc == MW_OK && table.type == MW_V_ARRAY)
        rc = mw_error_set(error, MW_INVALID, "",
                          "%s: a configuration has named entries, such as require_policy = true",
                          path);
    for (size_t i = 0; rc == MW_OK && i < table.length; i++)
        rc = read_entry(config, path, &table.as.members[i], error);
    mw_arena_free(arena);
    free(text);
    return rc;
}

int mw__config_read(mw__config *config, mw_error *error)
{
    *config = (mw__config){0};
    int rc = read_file(config, SYSTEM_FILE, false, error);
    const char *named = getenv("MOONWIRE_CONFIG");
    if (rc < 0 || (named && *named))
        return rc < 0 ? rc : read_file(config, named, true, error);
    char path[4096];
    const char *folder = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int length = 0;
    if (folder && folder[0] == '/')
        length = snprintf(path, sizeof path, "%s/moonwire/config.lua", folder);
    else if (home && home[0] == '/')
        length = snprintf(path, sizeof path, "%s/.config/moonwire/config.lua", home);
    if (length <= 0)
        return MW_OK;
    if ((size_t)length >= sizeof path)
        return mw_error_set(error, MW_INVALID, "",
                            "the path of the configuration is too long; set MOONWIRE_CONFIG");
    return read_file(config, path, false, error);
}

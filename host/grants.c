/* grants.c: granted folders, and the way from a path to a descriptor below one of them. Owns the folders'
 * descriptors. The names of paths decide only which folder is asked; whether something lies in it, the kernel
 * decides (openat2, RESOLVE_BENEATH). Must not know scripts or frames. One thread. */
#define _GNU_SOURCE
#include "grants.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_GRANTS 256
#define MAX_TRIES 200 /* of an openat2 that a rename beside it disturbed (EAGAIN) */

typedef struct grant {
    int folder; /* O_PATH */
    bool write;
    char *real;  /* absolute, without symbolic links, when it was granted */
    char *typed; /* absolute, as the user wrote it; NULL where that has ".." in the middle */
    char *given; /* as the user wrote it, without '/' at its end */
} grant;

struct mw__grants {
    grant *list;
    size_t count;
    char start[MW__MAX_PATH]; /* the working directory when the grants were made */
    mw__grants_fn on_use;
    void *ud;
};

int mw__grants_new(mw__grants **grants)
{
    mw__grants *made = calloc(1, sizeof *made);
    if (!made)
        return MW_MEMORY;
    if (!getcwd(made->start, sizeof made->start) || made->start[0] != '/')
        made->start[0] = '\0'; /* gone or out of reach: only absolute names can be resolved */
    *grants = made;
    return MW_OK;
}

static void drop(grant *made)
{
    if (made->folder >= 0)
        close(made->folder);
    free(made->real);
    free(made->typed);
    free(made->given);
}

void mw__grants_free(mw__grants *grants)
{
    if (!grants)
        return;
    for (size_t i = 0; i < grants->count; i++)
        drop(&grants->list[i]);
    free(grants->list);
    free(grants);
}

void mw__grants_on_use(mw__grants *grants, mw__grants_fn fn, void *ud)
{
    grants->on_use = fn;
    grants->ud = ud;
}

/* Appends one part of a path to `text`, which has no '/' at its end. */
static bool add_part(char *text, size_t *length, const char *part, size_t size)
{
    if (*length + size + 2 > MW__MAX_PATH)
        return false;
    text[(*length)++] = '/';
    memcpy(text + *length, part, size);
    *length += size;
    text[*length] = '\0';
    return true;
}

/* The path as an absolute name without ".", "..", or "//". ".." is taken only at the beginning of a relative
 * path, where no symbolic link can come before it. 0 or an errno. */
static int make_absolute(const char *start, const char *path, char *text)
{
    size_t length = 0;
    bool leading = path[0] != '/';
    if (!*path)
        return ENOENT;
    if (leading) {
        if (!*start)
            return ENOENT;
        length = strcmp(start, "/") == 0 ? 0 : strlen(start);
        memcpy(text, start, length);
    }
    text[length] = '\0';
    for (const char *at = path; *at;) {
        size_t size = strcspn(at, "/");
        if (size == 2 && memcmp(at, "..", 2) == 0) {
            if (!leading)
                return EBADMSG;
            while (length > 0 && text[length] != '/')
                length--;
            text[length] = '\0';
        } else if (size > 0 && !(size == 1 && *at == '.')) {
            leading = false;
            if (!add_part(text, &length, at, size))
                return ENAMETOOLONG;
        }
        at += size;
        at += strspn(at, "/");
    }
    if (length == 0)
        memcpy(text, "/", 2);
    return 0;
}

static const char *reason_text(int reason)
{
    switch (reason) {
    case EBADMSG:
        return "'..' is not followed in the middle of a path; write the path without it";
    case EXDEV:
        return "a link in it leads out of the granted folder";
    case ELOOP:
        return "it is a symbolic link, or links lead in a circle";
    case ENXIO:
    case EINVAL:
        return "it is no regular file";
    case EISDIR:
        return "it is a folder; name a file in it";
    case ENOSYS:
        return "this system has no openat2 (Linux 5.6), so nothing is opened";
    default:
        return strerror(reason);
    }
}

int mw__place_fail(const mw__place *place, int reason, mw_error *error)
{
    return mw_error_set(error, reason == EXDEV ? MW_DENIED : MW_INVALID, "",
                        "can't %s '%.300s': %s", place->verb, place->path, reason_text(reason));
}

int mw__grants_add(mw__grants *grants, const char *folder, bool write, mw_error *error)
{
    char typed[MW__MAX_PATH];
    grant made = {.folder = -1, .write = write};
    size_t length = strlen(folder);
    while (length > 0 && folder[length - 1] == '/')
        length--;
    made.given = strndup(folder, length);
    made.typed = make_absolute(grants->start, folder, typed) == 0 ? strdup(typed) : NULL;
    made.real = realpath(folder, NULL);
    made.folder = made.real ? open(made.real, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    int reason = made.folder < 0 ? errno : 0;
    if (reason == 0 && grants->count == MAX_GRANTS)
        reason = EDQUOT;
    grant *list = NULL;
    if (reason == 0 && made.given)
        list = realloc(grants->list, (grants->count + 1) * sizeof *list);
    if (list) {
        grants->list = list;
        grants->list[grants->count++] = made;
        return MW_OK;
    }
    drop(&made);
    if (reason == 0)
        return mw_error_set(error, MW_MEMORY, "", "can't grant the folder '%.300s': out of memory",
                            folder);
    return mw_error_set(error, MW_INVALID, "", "can't grant the folder '%.300s': %s", folder,
                        reason == EDQUOT ? "too many folders are granted" : strerror(reason));
}

/* What is left of `path` below `folder`, or NULL when it is not below it. */
static const char *below(const char *folder, const char *path)
{
    if (!folder)
        return NULL;
    size_t length = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    if (strncmp(folder, path, length) != 0 || (path[length] && path[length] != '/'))
        return NULL;
    return path[length] ? path + length + 1 : "";
}

/* What is left of `path` below the grant, the shortest that its names give, or NULL. `absolute` is NULL for a path
 * with ".." in its middle: such a one must begin as the grant was written, "../lib/../scripts". */
static const char *left_of(const grant *self, const char *path, const char *absolute, char *buffer)
{
    if (!absolute) {
        size_t length = strlen(self->given);
        bool begins = strncmp(path, self->given, length) == 0 && path[length] == '/';
        return begins && make_absolute("", path + length, buffer) == 0 ? buffer + 1 : NULL;
    }
    const char *real = below(self->real, absolute);
    const char *typed = below(self->typed, absolute);
    return real && (!typed || strlen(real) <= strlen(typed)) ? real : typed;
}

int mw__grants_find(mw__grants *grants, const char *path, unsigned want, mw__place *place,
                    mw_error *error)
{
    char absolute[MW__MAX_PATH];
    char buffer[MW__MAX_PATH];
    const grant *found = NULL;
    place->path = path;
    place->verb = want == MW__WANT_READ ? "read" : want == MW__WANT_WRITE ? "write" : "look for";
    int reason = make_absolute(grants->start, path, absolute);
    if (reason != 0 && reason != EBADMSG)
        return mw__place_fail(place, reason, error);
    for (size_t i = 0; i < grants->count; i++) {
        const grant *each = &grants->list[i];
        const char *left = NULL;
        if (want & (each->write ? MW__WANT_WRITE : MW__WANT_READ))
            left = left_of(each, path, reason == 0 ? absolute : NULL, buffer);
        if (!left || (found && strlen(left) >= strlen(place->rest)))
            continue;
        found = each;
        memcpy(place->rest, left, strlen(left) + 1);
    }
    if (!found && reason == EBADMSG)
        return mw__place_fail(place, reason, error);
    if (!found)
        return mw_error_set(
            error, MW_DENIED, "",
            "can't %s '%.300s': no folder that holds it is granted%s; --allow-%s DIR grants one",
            place->verb, path, want == MW__WANT_WRITE ? " for writing" : "",
            want == MW__WANT_WRITE ? "write" : "read");
    place->folder = found->folder;
    if (grants->on_use)
        grants->on_use(found->real,
                       want == MW__WANT_READ    ? 'r'
                       : want == MW__WANT_WRITE ? 'w'
                                                : 'e',
                       grants->ud);
    return MW_OK;
}

/* EAGAIN means that something was renamed on the way, and that the kernel can't tell whether ".." of a link still
 * led nowhere outside. */
static int open_beneath(int folder, const char *name, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC,
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;
    for (int i = 0; i < MAX_TRIES; i++) {
        fd = syscall(SYS_openat2, folder, name, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return (int)fd;
}

static bool has_openat2(int folder)
{
    int fd = open_beneath(folder, ".", O_PATH | O_DIRECTORY, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || (errno != ENOSYS && errno != EPERM);
}

/* EPERM is either the file's own, or of a filter that does not know the call. */
static int reason_of(int folder, int reason)
{
    return reason == EPERM && !has_openat2(folder) ? ENOSYS : reason;
}

int mw__place_open(const mw__place *place, const char *name, int flags, mode_t mode, mw_error *error)
{
    struct stat info;
    bool is_folder = flags & O_DIRECTORY;
    if (!name)
        name = place->rest;
    if (!*name && !is_folder)
        return mw__place_fail(place, EISDIR, error);
    int fd = open_beneath(place->folder, *name ? name : ".",
                          is_folder ? flags : flags | O_NONBLOCK | O_NOCTTY, mode);
    if (fd < 0) {
        int reason = errno;
        return mw__place_fail(place, reason_of(place->folder, reason), error);
    }
    int reason = fstat(fd, &info) < 0 ? errno : 0;
    if (reason == 0 && !is_folder && !S_ISREG(info.st_mode))
        reason = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    if (reason == 0)
        return fd;
    close(fd);
    return mw__place_fail(place, reason, error);
}

int mw__place_exists(const mw__place *place, bool *exists, mw_error *error)
{
    int fd = open_beneath(place->folder, *place->rest ? place->rest : ".", O_PATH, 0);
    int reason = fd < 0 ? errno : 0;
    *exists = fd >= 0;
    if (fd >= 0)
        close(fd);
    if (reason == 0 || reason == ENOENT || reason == ENOTDIR)
        return MW_OK;
    return mw__place_fail(place, reason_of(place->folder, reason), error);
}

int mw__grants_open(mw__grants *grants, const char *path, int *fd, mw_error *error)
{
    mw__place place;
    int rc = mw__grants_find(grants, path, MW__WANT_READ, &place, error);
    if (rc < 0)
        return rc;
    *fd = mw__place_open(&place, NULL, O_RDONLY, 0, error);
    return *fd < 0 ? *fd : MW_OK;
}

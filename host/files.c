/* files.c: the files of one run that are open below granted folders. Owns their descriptors and the temporary files
 * that new ones are written to. Must not know frames or scripts. One thread. */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "grants.h"

#define MAX_FILES 64u /* a power of two: the low bits of a handle */

typedef struct file {
    uint32_t handle; /* 0: free */
    int fd;
    int folder; /* 'w': where it takes its name; else -1 */
    char mode;
    char *name;    /* 'w': what it will be called */
    char made[40]; /* 'w': what it is called until then */
    char *path;    /* as it was given, for messages */
} file;

struct mw__files {
    mw__grants *grants;
    file list[MAX_FILES];
    uint32_t generation;
};

int mw__files_new(mw__grants *grants, mw__files **files)
{
    *files = calloc(1, sizeof **files);
    if (!*files)
        return MW_MEMORY;
    (*files)->grants = grants;
    return MW_OK;
}

static void clear(file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->folder >= 0 && f->made[0])
        unlinkat(f->folder, f->made, 0);
    if (f->folder >= 0)
        close(f->folder);
    free(f->name);
    free(f->path);
    *f = (file){.fd = -1, .folder = -1};
}

void mw__files_free(mw__files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < MAX_FILES; i++)
        if (files->list[i].handle)
            clear(&files->list[i]);
    free(files);
}

static const char *verb_of(const file *f)
{
    return f->mode == 'r' ? "read" : "write";
}

static int fail(const file *f, int reason, mw_error *error)
{
    return mw_error_set(error, MW_INVALID, "", "can't %s '%.300s': %s", verb_of(f), f->path,
                        strerror(reason));
}

/* The permissions that a new file gets: of the one that it replaces, or the usual ones. */
static mode_t usual_mode(void)
{
    mode_t mask = umask(077);
    umask(mask);
    return 0666 & ~mask;
}

/* Looks at what stands where the new file will be. 0 or an errno. */
static int check_target(const file *f, mode_t *mode)
{
    struct stat info;
    if (fstatat(f->folder, f->name, &info, AT_SYMLINK_NOFOLLOW) < 0) {
        *mode = usual_mode();
        return errno == ENOENT ? 0 : errno;
    }
    *mode = info.st_mode & 0777;
    if (S_ISLNK(info.st_mode))
        return ELOOP;
    if (S_ISDIR(info.st_mode))
        return EISDIR;
    return S_ISREG(info.st_mode) ? 0 : EINVAL;
}

/* Opens the folder of the new file and a temporary file in it. */
static int open_new(file *f, mw__place *place, mw_error *error)
{
    char *slash = strrchr(place->rest, '/');
    const char *name = slash ? slash + 1 : place->rest;
    if (!*name)
        return mw__place_fail(place, EISDIR, error);
    f->name = strdup(name);
    if (!f->name)
        return mw_error_set(error, MW_MEMORY, "", "can't write '%.300s': out of memory",
                            place->path);
    *(slash ? slash : place->rest) = '\0';
    f->folder = mw__place_open(place, NULL, O_PATH | O_DIRECTORY, 0, error);
    if (f->folder < 0)
        return f->folder;
    mode_t mode;
    int reason = check_target(f, &mode);
    if (reason != 0)
        return mw__place_fail(place, reason, error);
    for (int i = 0; i < 16 && f->fd < 0; i++) {
        uint64_t random;
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
            return mw__place_fail(place, errno, error);
        snprintf(f->made, sizeof f->made, ".moonwire-%016llx", (unsigned long long)random);
        f->fd =
            openat(f->folder, f->made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (f->fd < 0 && errno != EEXIST)
            break;
    }
    if (f->fd < 0) {
        reason = errno;
        f->made[0] = '\0'; /* not ours */
        return mw__place_fail(place, reason, error);
    }
    return fchmod(f->fd, mode) == 0 ? MW_OK : mw__place_fail(place, errno, error);
}

static int open_file(mw__files *files, file *f, const char *path, mw_error *error)
{
    mw__place place;
    int rc = mw__grants_find(files->grants, path, f->mode == 'r' ? MW__WANT_READ : MW__WANT_WRITE,
                             &place, error);
    if (rc < 0)
        return rc;
    f->path = strdup(path);
    if (!f->path)
        return mw_error_set(error, MW_MEMORY, "", "can't open '%.300s': out of memory", path);
    if (f->mode == 'w')
        return open_new(f, &place, error);
    int flags = f->mode == 'r' ? O_RDONLY : O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW;
    f->fd = mw__place_open(&place, NULL, flags, 0666, error);
    return f->fd < 0 ? f->fd : MW_OK;
}

int mw__files_open(mw__files *files, const char *path, char mode, uint32_t *handle, mw_error *error)
{
    if (mode != 'r' && mode != 'w' && mode != 'a')
        return mw_error_set(error, MW_INVALID, "mode",
                            "can't open '%.300s': the mode must be r, w or a", path);
    uint32_t slot = 0;
    while (slot < MAX_FILES && files->list[slot].handle)
        slot++;
    if (slot == MAX_FILES)
        return mw_error_set(error, MW_BUDGET, "files",
                            "can't open '%.300s': %u files are open; close one first", path,
                            MAX_FILES);
    file *f = &files->list[slot];
    *f = (file){.fd = -1, .folder = -1, .mode = mode};
    int rc = open_file(files, f, path, error);
    if (rc < 0) {
        clear(f);
        return rc;
    }
    files->generation = files->generation % (UINT32_MAX / MAX_FILES - 1) + 1;
    f->handle = files->generation * MAX_FILES + slot;
    *handle = f->handle;
    return MW_OK;
}

static file *find(mw__files *files, uint32_t handle, mw_error *error)
{
    file *f = &files->list[handle % MAX_FILES];
    if (handle != 0 && f->handle == handle)
        return f;
    mw_error_set(error, MW_INVALID, "", "the file is closed");
    return NULL;
}

int mw__files_read(mw__files *files, uint32_t handle, char *data, size_t *length, mw_error *error)
{
    file *f = find(files, handle, error);
    if (!f)
        return MW_INVALID;
    if (f->mode != 'r')
        return mw_error_set(error, MW_INVALID, "", "can't read '%.300s': it is open for writing",
                            f->path);
    size_t got = 0;
    while (got < *length) {
        ssize_t n = read(f->fd, data + got, *length - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(f, errno, error);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *length = got;
    return MW_OK;
}

int mw__files_write(mw__files *files, uint32_t handle, const char *data, size_t length,
                    mw_error *error)
{
    file *f = find(files, handle, error);
    if (!f)
        return MW_INVALID;
    if (f->mode == 'r')
        return mw_error_set(error, MW_INVALID, "", "can't write '%.300s': it is open for reading",
                            f->path);
    while (length > 0) {
        ssize_t n = write(f->fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(f, errno, error);
        data += n;
        length -= (size_t)n;
    }
    return MW_OK;
}

int mw__files_close(mw__files *files, uint32_t handle, bool keep, mw_error *error)
{
    file *f = find(files, handle, error);
    int rc = MW_OK;
    if (!f)
        return MW_INVALID;
    if (f->mode != 'r') {
        /* Some file systems tell here that what was written found no room. */
        int closed = close(f->fd);
        f->fd = -1;
        if (closed < 0 && errno != EINTR)
            rc = fail(f, errno, error);
    }
    if (rc == MW_OK && f->mode == 'w' && keep) {
        if (renameat(f->folder, f->made, f->folder, f->name) == 0)
            f->made[0] = '\0';
        else
            rc = fail(f, errno, error);
    }
    clear(f);
    return rc;
}

int mw__files_exists(mw__files *files, const char *path, bool *exists, mw_error *error)
{
    mw__place place;
    int rc = mw__grants_find(files->grants, path, MW__WANT_READ | MW__WANT_WRITE, &place, error);
    return rc < 0 ? rc : mw__place_exists(&place, exists, error);
}

/* fs_plain.c: owns the files of the process as mw.fs has them where the host gives nothing else: no limit but that of
 * the user who runs it. Regular files only; a file that is written is complete, or is not there. Must not know Lua. One
 * thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs_private.h"

#define MOST 64
#define TRIES 16

typedef struct plain_file {
    int fd;       /* -1: free */
    char *target; /* of a new file: the name that it takes when it is kept, and the one it has */
    char *draft;
} plain_file;

struct mw__plain {
    plain_file files[MOST];
};

mw__plain *mw__lua_plain_new(void)
{
    mw__plain *plain = calloc(1, sizeof *plain);
    for (size_t i = 0; plain && i < MOST; i++)
        plain->files[i].fd = -1;
    return plain;
}

/* Forgets a file; a draft that is still there goes. */
static void drop(plain_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->draft)
        unlink(file->draft);
    free(file->draft);
    free(file->target);
    *file = (plain_file){.fd = -1};
}

void mw__lua_plain_free(mw__plain *plain)
{
    for (size_t i = 0; plain && i < MOST; i++)
        drop(&plain->files[i]);
    free(plain);
}

static int refuse(mw_error *error, const char *verb, const char *path, int number)
{
    return mw_error_set(error, MW_INVALID, "path", "can't %s '%.300s': %s", verb, path,
                        strerror(number));
}

/* Whether `fd` is a regular file; if not, says so. */
static int check_regular(int fd, const char *verb, const char *path, mw_error *error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return refuse(error, verb, path, errno);
    if (!S_ISREG(info.st_mode))
        return mw_error_set(error, MW_INVALID, "path", "can't %s '%.300s': it is no regular file",
                            verb, path);
    return MW_OK;
}

/* Makes the draft beside the target, so that its rename is one step. */
static int open_draft(plain_file *file, mode_t mode)
{
    const char *slash = strrchr(file->target, '/');
    int folder = slash ? (int)(slash - file->target) + 1 : 0;
    for (int i = 0; i < TRIES; i++) {
        uint64_t salt = 0;
        if (getrandom(&salt, sizeof salt, 0) != (ssize_t)sizeof salt)
            return -1;
        free(file->draft);
        if (asprintf(&file->draft, "%.*s.moonwire-%016llx", folder, file->target,
                     (unsigned long long)salt) < 0) {
            file->draft = NULL;
            return -1;
        }
        file->fd = open(file->draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (file->fd >= 0 || errno != EEXIST)
            break;
    }
    int number = errno;
    if (file->fd < 0) { /* the name is not ours */
        free(file->draft);
        file->draft = NULL;
    }
    errno = number;
    return file->fd;
}

/* A file that is there keeps its mode, and a symbolic link goes on to lead to it. */
static int open_new(plain_file *file, const char *path, mw_error *error)
{
    struct stat info;
    bool there = stat(path, &info) == 0;
    if (there && !S_ISREG(info.st_mode))
        return mw_error_set(error, MW_INVALID, "path",
                            "can't write '%.300s': it is no regular file", path);
    file->target = there ? realpath(path, NULL) : strdup(path);
    if (!file->target)
        return refuse(error, "write", path, errno);
    if (open_draft(file, there ? 0600 : 0666) < 0)
        return refuse(error, "write", path, errno);
    if (there && fchmod(file->fd, info.st_mode & 0777) != 0)
        return refuse(error, "write", path, errno);
    return MW_OK;
}

static int open_plain(const char *path, char mode, uint32_t *handle, mw_error *error, void *ud)
{
    mw__plain *plain = ud;
    const char *verb = mode == 'r' ? "read" : mode == 'w' ? "write" : "append to";
    uint32_t slot = 0;
    while (slot < MOST && plain->files[slot].fd >= 0)
        slot++;
    if (slot == MOST)
        return mw_error_set(error, MW_BUDGET, "open files",
                            "can't %s '%.300s': %d files are open already", verb, path, MOST);
    plain_file *file = &plain->files[slot];
    int rc = MW_OK;
    if (mode == 'w') {
        rc = open_new(file, path, error);
    } else {
        int flags = mode == 'r' ? O_RDONLY : O_WRONLY | O_APPEND | O_CREAT;
        file->fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
        rc = file->fd < 0 ? refuse(error, verb, path, errno)
                          : check_regular(file->fd, verb, path, error);
    }
    if (rc != MW_OK)
        drop(file);
    *handle = slot;
    return rc;
}

static int read_plain(uint32_t handle, char *data, size_t *length, mw_error *error, void *ud)
{
    const mw__plain *plain = ud;
    size_t wanted = *length;
    *length = 0;
    while (*length < wanted) {
        ssize_t count = read(plain->files[handle].fd, data + *length, wanted - *length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return mw_error_set(error, MW_INVALID, "", "can't read on: %s", strerror(errno));
        if (count == 0)
            break;
        *length += (size_t)count;
    }
    return MW_OK;
}

static int write_plain(uint32_t handle, const char *data, size_t length, mw_error *error, void *ud)
{
    const mw__plain *plain = ud;
    while (length > 0) {
        ssize_t count = write(plain->files[handle].fd, data, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return mw_error_set(error, MW_INVALID, "", "can't write on: %s", strerror(errno));
        data += count;
        length -= (size_t)count;
    }
    return MW_OK;
}

static int close_plain(uint32_t handle, bool keep, mw_error *error, void *ud)
{
    mw__plain *plain = ud;
    plain_file *file = &plain->files[handle];
    int rc = MW_OK;
    if (keep && file->draft) {
        if (rename(file->draft, file->target) != 0) {
            rc = refuse(error, "write", file->target, errno);
        } else {
            free(file->draft);
            file->draft = NULL;
        }
    }
    drop(file);
    return rc;
}

static int exists_plain(const char *path, bool *exists, mw_error *error, void *ud)
{
    struct stat info;
    (void)ud;
    *exists = stat(path, &info) == 0;
    if (*exists || errno == ENOENT || errno == ENOTDIR)
        return MW_OK;
    return refuse(error, "look at", path, errno);
}

const mw_lua_files mw__lua_plain_files = {.open = open_plain,
                                          .read = read_plain,
                                          .write = write_plain,
                                          .close = close_plain,
                                          .exists = exists_plain};

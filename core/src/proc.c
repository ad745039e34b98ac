/* proc.c: owns the reading of /proc. Must not know what is done with it. Any thread. */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_STAT 1024
#define STATE 3 /* fields of /proc/PID/stat as proc(5) counts them */
#define START 22

/* Reads the start of a file into `text`, NUL-ended. False when there is nothing. */
static bool read_start(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, size - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

bool mw__proc_boot(char id[MW_BOOT_ID])
{
    if (!read_start("/proc/sys/kernel/random/boot_id", id, MW_BOOT_ID))
        return false;
    id[strcspn(id, "\n")] = '\0';
    return *id != '\0';
}

/* 1: there, 0: gone, -1: can't be told. */
static int look(int64_t pid, int64_t *start)
{
    char path[64], text[MOST_STAT];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    if (!read_start(path, text, sizeof text))
        return -1;
    char *at = strrchr(text, ')'); /* the name before it may hold anything, this too */
    if (!at || at[1] != ' ')
        return -1;
    at++; /* before each field there is one space */
    char state = at[1];
    for (int field = STATE; at && field < START; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return -1;
    *start = strtoll(at, NULL, 10);
    return state == 'Z' || state == 'X' ? 0 : 1;
}

bool mw__proc_start(int64_t pid, int64_t *start)
{
    return look(pid, start) == 1;
}

bool mw__proc_alive(int64_t pid, int64_t start)
{
    int64_t begun = 0;
    if (pid < 1 || pid > INT32_MAX)
        return false;
    int found = look(pid, &begun);
    if (found >= 0)
        return found == 1 && begun == start;
    /* Nothing there, hidden from this user, or this process has no descriptors left. */
    return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

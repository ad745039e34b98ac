/* landlock.c: denies the file system, TCP and signals by the kernel's landlock, with rules for nothing. Knows the
 * kernel's interface by its numbers, because the headers of Debian 12 are older than many kernels that run it. The
 * worker's only thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "layers.h"

enum { VERSION = 1 }; /* LANDLOCK_CREATE_RULESET_VERSION */

/* struct landlock_ruleset_attr; an older kernel takes the beginning of it. */
typedef struct ruleset {
    uint64_t files;
    uint64_t net;
    uint64_t scopes;
} ruleset;

/* All rights that version `abi` of the interface handles. Returns the size of the ruleset that it takes. */
static size_t handle_all(int abi, ruleset *all)
{
    unsigned rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
    *all = (ruleset){
        .files = (UINT64_C(1) << rights) - 1,
        .net = abi >= 4 ? 3 : 0,    /* bind and connect of TCP */
        .scopes = abi >= 6 ? 3 : 0, /* abstract sockets of others, signals to others */
    };
    return abi >= 6 ? sizeof *all : abi >= 4 ? offsetof(ruleset, scopes) : offsetof(ruleset, net);
}

static bool refused(const char *what, char *problem, size_t size)
{
    if (errno == ENOSYS)
        snprintf(problem, size, "not in this kernel");
    else if (errno == EOPNOTSUPP)
        snprintf(problem, size, "switched off in this kernel");
    else
        snprintf(problem, size, "%s: %s", what, strerror(errno));
    return false;
}

bool mw__landlock_enter(char *problem, size_t size)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, VERSION);
    if (abi < 1)
        return refused("landlock_create_ruleset", problem, size);
    ruleset all;
    size_t length = handle_all(abi, &all);
    int fd = (int)syscall(SYS_landlock_create_ruleset, &all, length, 0);
    if (fd < 0)
        return refused("landlock_create_ruleset", problem, size);
    bool entered = syscall(SYS_landlock_restrict_self, fd, 0) == 0;
    if (!entered)
        refused("landlock_restrict_self", problem, size);
    close(fd);
    return entered;
}

/* proc.h: what the system says of itself and of its processes (/proc). Any thread. */
#ifndef MW_PROC_H
#define MW_PROC_H

#include <stdbool.h>
#include <stdint.h>

#define MW_BOOT_ID 64 /* bytes, with the NUL */

/* The name of this run of the machine, new at each start. False when the system does not tell. */
bool mw__proc_boot(char id[MW_BOOT_ID]);

/* When a process began, in the system's own count: with the pid it names a process once and for all. False when there
 * is none (one that has ended but that nobody has waited for is none), or when it can't be told. */
bool mw__proc_start(int64_t pid, int64_t *start);

/* Whether the process of that pid and start is still there; when it can't be told, whether one of that pid is. */
bool mw__proc_alive(int64_t pid, int64_t start);

#endif

/* layers.h: the two layers of the sandbox that are more than a call: landlock and the filter of system calls.
 * Private to the sandbox. The worker's only thread. */
#ifndef MOONWIRE_LAYERS_H
#define MOONWIRE_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

/* Handles every right that this kernel's landlock knows and grants none. False with the reason. */
bool mw__landlock_enter(char *problem, size_t size);

/* A filter of system calls that is ready to be loaded. It is made before the other layers, because it opens
 * libseccomp, and loaded behind them. */
typedef struct mw__filter mw__filter;

/* Lists of descriptors end with -1. NULL with the reason. */
mw__filter *mw__filter_new(const int *readable, const int *writable, char *problem, size_t size);
/* From here on every other system call kills the process. False with the reason. */
bool mw__filter_load(mw__filter *filter, char *problem, size_t size);
void mw__filter_free(mw__filter *filter); /* NULL is fine; also inside of the filter */

#endif

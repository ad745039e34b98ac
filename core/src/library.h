/* library.h: shared libraries that are opened on first use and stay for the life of the process. Any thread. */
#ifndef MW_LIBRARY_H
#define MW_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* A function by its name, and where its address goes: `slot` points to a function pointer. */
typedef struct mw__symbol {
    const char *name;
    void *slot;
} mw__symbol;

/* Opens the library `file` and fills all slots. false with `reason`, a text of up to `size` bytes, when there is no
 * such library or it lacks a function. */
bool mw__library_open(const char *file, const mw__symbol *symbols, size_t count, char *reason,
                      size_t size);

#endif

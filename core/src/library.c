/* library.c: opens shared libraries. Must not know what they are for. Any thread. */
#include "library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

bool mw__library_open(const char *file, const mw__symbol *symbols, size_t count, char *reason,
                      size_t size)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *text = dlerror();
        snprintf(reason, size, "%s", text ? text : "unknown reason");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        if (!symbol) {
            snprintf(reason, size, "it has no %s", symbols[i].name);
            return false;
        }
        /* A function pointer out of an object pointer, without the cast that ISO C does not define. */
        memcpy(symbols[i].slot, &symbol, sizeof symbol);
    }
    return true;
}

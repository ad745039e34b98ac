/* embedded.h: the Lua library inside the program: a table that the build writes from lua/moonwire.
 * Constant data, any thread. */
#ifndef MOONWIRE_EMBEDDED_H
#define MOONWIRE_EMBEDDED_H

#include <stddef.h>

typedef struct mw_embedded {
    const char *name; /* as require has it: "moonwire", "moonwire.each" */
    const char *source;
    size_t length;
} mw_embedded;

extern const mw_embedded mw_embedded_lua[]; /* ends with name NULL */

#endif

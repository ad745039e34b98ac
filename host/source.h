/* source.h: the text of a script or a module, as Lua's own loader takes it from a file. Any thread. */
#ifndef MOONWIRE_SOURCE_H
#define MOONWIRE_SOURCE_H

#include <stddef.h>

#include "mw/error.h"

/* Reads `fd` to its end: without a byte order mark, and with a first line that begins with '#' emptied, so that
 * the lines keep their numbers. `*text` is NUL-ended beyond `*length`; free it with free(). MW_TOO_LARGE (more
 * than `cap` bytes), MW_MEMORY, or MW_INVALID with errno. */
int mw__source_read(int fd, size_t cap, char **text, size_t *length);

#endif

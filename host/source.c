/* source.c: reads a script's text. Owns nothing. Any thread. */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Drops what Lua's own loader skips: a byte order mark, and a first line for the shell but for its end. */
static void trim(char *text, size_t *length)
{
    size_t skip = *length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    if (skip < *length && text[skip] == '#') {
        const char *end = memchr(text + skip, '\n', *length - skip);
        skip = end ? (size_t)(end - text) : *length;
    }
    *length -= skip;
    memmove(text, text + skip, *length + 1);
}

int mw__source_read(int fd, size_t cap, char **result, size_t *length)
{
    size_t room = 16384;
    size_t used = 0;
    char *text = malloc(room + 1);
    while (text) {
        ssize_t count = read(fd, text + used, room - used);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            int failed = errno;
            free(text);
            errno = failed;
            return MW_INVALID;
        }
        used += (size_t)count;
        if (used > cap) {
            free(text);
            return MW_TOO_LARGE;
        }
        if (count == 0)
            break;
        if (used < room)
            continue;
        room = room * 2 > cap ? cap + 1 : room * 2;
        char *longer = realloc(text, room + 1);
        if (!longer)
            free(text);
        text = longer;
    }
    if (!text)
        return MW_MEMORY;
    text[used] = '\0';
    trim(text, &used);
    *result = text;
    *length = used;
    return MW_OK;
}

/* suggest.c: "did you mean". Knows words, nothing of operations or fields. Works in buffers on the
 * stack and allocates nothing; any thread. */
#include <string.h>

#include "mw/operation.h"

/* A longer word is data in the wrong place rather than a name with a slip of the fingers. */
#define MAX_WORD 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Slips between two words: letters put in, left out, changed, or two neighbours swapped
 * (Damerau-Levenshtein, each letter touched once). Both at most MAX_WORD long. */
static size_t slips(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][MAX_WORD + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_length; j++)
        above[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t changed = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(changed, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b_length];
}

/* strnlen without the feature macro. */
static size_t bounded_length(const char *word)
{
    const char *end = memchr(word, '\0', MAX_WORD + 1);
    return end ? (size_t)(end - word) : MAX_WORD + 1;
}

const char *mw_closest(const char *word, const char *const *candidates)
{
    if (!word || !candidates)
        return NULL;
    size_t length = bounded_length(word);
    if (length == 0 || length > MAX_WORD)
        return NULL;

    const char *best = NULL;
    size_t fewest = 0;
    for (; *candidates; candidates++) {
        size_t other = bounded_length(*candidates);
        if (other == 0 || other > MAX_WORD)
            continue;
        /* One slip in a short word, a third of a long one; never every letter of it. */
        size_t allowed = least((length > other ? length : other) / 3, 4);
        if (allowed == 0)
            allowed = 1;
        size_t found = slips(word, length, *candidates, other);
        if (found <= allowed && found < least(length, other) && (!best || found < fewest)) {
            best = *candidates;
            fewest = found;
        }
    }
    return best;
}

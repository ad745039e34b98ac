/* line.h: reads lines: from a person, with editing and history, or from a pipe. Main thread. */
#ifndef MOONWIRE_LINE_H
#define MOONWIRE_LINE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mw__line mw__line;

typedef enum mw__line_result {
    MW__LINE_READ,
    MW__LINE_END,       /* no more input */
    MW__LINE_ABANDONED, /* Ctrl-C: forget what was typed so far */
    MW__LINE_FAILED     /* reading failed; errno says why */
} mw__line_result;

/* Opens standard input: with editing where it and standard output are a terminal and libedit is
 * there. NULL: out of memory. Freed with mw__line_free. */
mw__line *mw__line_new(void);

/* Whether a person is typing. */
bool mw__line_interactive(const mw__line *line);

/* The next line without its newline, NUL-ended, borrowed until the next call. A person sees
 * `prompt` (at most 15 bytes). */
mw__line_result mw__line_read(mw__line *line, const char *prompt, const char **text, size_t *length);

/* Keeps an entry in the history, if there is one: the file $XDG_STATE_HOME/moonwire/history,
 * readable by its owner alone. */
void mw__line_remember(mw__line *line, const char *text);

void mw__line_free(mw__line *line); /* NULL is fine */

#endif

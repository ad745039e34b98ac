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

/* While a person has not typed on, `fn` is called before every read: it may do other things, and
 * returns as soon as standard input has something to read. Without editing it is called once a line;
 * a pipe is read without. */
void mw__line_on_wait(mw__line *line, void (*fn)(void *ud), void *ud);

/* Around what `fn` lets run: Ctrl-C is SIGINT again. Whatever prints in between calls `wipe` first,
 * which takes the line that is being typed off the screen; `resume` shows it again below. */
void mw__line_suspend(mw__line *line);
void mw__line_wipe(mw__line *line);
void mw__line_resume(mw__line *line);

/* The next line without its newline, NUL-ended, borrowed until the next call. A person sees
 * `prompt` (at most 15 bytes). */
mw__line_result mw__line_read(mw__line *line, const char *prompt, const char **text, size_t *length);

/* Keeps an entry in the history, if there is one: the file $XDG_STATE_HOME/moonwire/history,
 * readable by its owner alone. */
void mw__line_remember(mw__line *line, const char *text);

void mw__line_free(mw__line *line); /* NULL is fine */

/* Gives the terminal back as it was found; nothing before mw__line_new. Also at exit. Async-signal-safe. */
void mw__line_restore(void);

#endif

/* line.c: line input. Owns the editor, the history and its file; knows nothing of what the lines
 * mean. Main thread.
 *
 * While a line is edited, Ctrl-C is a key like any other (the terminal sends no signal), bound to
 * leaving the line; while code runs the terminal is as it was, and Ctrl-C is SIGINT. The line
 * is drawn again only when code that ran between two keys has printed something, since most turns of
 * most tasks print nothing. */
#define _GNU_SOURCE
#include "line.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "libedit.h"
#include "moonwire_lua.h"

enum { HISTORY_SIZE = 1000 };

struct mw__line {
    const mw__libedit *lib; /* NULL: plain reading */
    EditLine *editor;
    History *history;
    char *history_path; /* NULL: none is kept */
    char prompt[16];    /* of the running mw__line_read */
    bool interactive;
    bool abandoned;      /* Ctrl-C in the running mw__line_read */
    bool wiped;          /* the edited line is not on the screen */
    struct termios mode; /* while suspended: the editor's */
    bool moded;
    void (*wait)(void *ud); /* NULL: nothing to do meanwhile */
    void *wait_ud;
    char *buffer; /* the last line */
    size_t size;
};

/* ~/.local/state/moonwire/history, its folders made where missing; NULL when there is no place for
 * it. */
static char *find_history(void)
{
    char path[MW_STATE_PATH];
    if (!mw_lua_state_file("history", path) || !mw_lua_state_folders(path))
        return NULL;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return NULL;
    close(file);
    return strdup(path);
}

/* The terminal as it was found: a process that ends while a line is edited has to give it back. */
static struct termios usual;
static volatile sig_atomic_t have_usual;

void mw__line_restore(void)
{
    if (have_usual)
        tcsetattr(STDIN_FILENO, TCSANOW, &usual);
}

static char *prompt_of(EditLine *editor)
{
    static char empty[1];
    void *ud = NULL;
    mw__libedit_load()->el_get(editor, EL_CLIENTDATA, &ud);
    mw__line *line = ud;
    return line ? line->prompt : empty;
}

/* The key Ctrl-C. */
static unsigned char abandon(EditLine *editor, wint_t key)
{
    void *ud = NULL;
    (void)key;
    mw__libedit_load()->el_get(editor, EL_CLIENTDATA, &ud);
    ((mw__line *)ud)->abandoned = true;
    return CC_EOF;
}

/* In place of libedit's own reading: waits first, then reads as libedit does. */
static int read_key(EditLine *editor, wchar_t *key)
{
    const mw__libedit *lib = mw__libedit_load();
    void *ud = NULL;
    lib->el_get(editor, EL_CLIENTDATA, &ud);
    mw__line *line = ud;
    if (line->wait)
        line->wait(line->wait_ud);
    lib->el_wset(editor, EL_GETCFN, EL_BUILTIN_GETCFN);
    int count = lib->el_wgetc(editor, key);
    lib->el_wset(editor, EL_GETCFN, read_key);
    return count;
}

static void open_history(mw__line *line)
{
    HistEvent event;
    line->history = line->lib->history_init();
    if (!line->history)
        return;
    line->lib->history(line->history, &event, H_SETSIZE, HISTORY_SIZE);
    line->lib->history(line->history, &event, H_SETUNIQUE, 1);
    line->lib->el_set(line->editor, EL_HIST, line->lib->history, line->history);
    line->history_path = find_history();
    if (line->history_path)
        line->lib->history(line->history, &event, H_LOAD, line->history_path);
}

static void open_editor(mw__line *line)
{
    line->lib = mw__libedit_load();
    if (!line->lib)
        return;
    setlocale(LC_CTYPE, ""); /* for libedit alone: how many columns a character takes */
    line->editor = line->lib->el_init("moonwire", stdin, stdout, stderr);
    if (!line->editor) {
        line->lib = NULL;
        return;
    }
    line->lib->el_set(line->editor, EL_CLIENTDATA, line);
    line->lib->el_set(line->editor, EL_PROMPT, prompt_of);
    line->lib->el_set(line->editor, EL_EDITOR, "emacs");
    line->lib->el_set(line->editor, EL_SIGNAL, 0);
    line->lib->el_source(line->editor, NULL);
    /* Wide, because el_set leaks the two names. */
    line->lib->el_wset(line->editor, EL_ADDFN, L"moonwire-abandon", L"leave this line", abandon);
    line->lib->el_set(line->editor, EL_BIND, "^C", "moonwire-abandon", NULL);
    line->lib->el_set(line->editor, EL_SETTY, "-d", "-isig", NULL);
    line->lib->el_wset(line->editor, EL_GETCFN, read_key);
    open_history(line);
}

mw__line *mw__line_new(void)
{
    mw__line *line = calloc(1, sizeof *line);
    if (!line)
        return NULL;
    line->interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (line->interactive) {
        have_usual = tcgetattr(STDIN_FILENO, &usual) == 0;
        atexit(mw__line_restore);
        open_editor(line);
    }
    return line;
}

bool mw__line_interactive(const mw__line *line)
{
    return line->interactive;
}

void mw__line_on_wait(mw__line *line, void (*fn)(void *ud), void *ud)
{
    line->wait = fn;
    line->wait_ud = ud;
}

void mw__line_suspend(mw__line *line)
{
    line->wiped = false;
    line->moded = tcgetattr(STDIN_FILENO, &line->mode) == 0;
    if (line->moded) {
        struct termios mode = line->mode;
        mode.c_lflag |= ISIG;
        tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    }
}

void mw__line_wipe(mw__line *line)
{
    static const char back[] = "\r\033[K";
    if (!line->wiped && line->lib && write(STDOUT_FILENO, back, sizeof back - 1) < 0)
        return;
    line->wiped = true;
    fflush(stdout);
}

void mw__line_resume(mw__line *line)
{
    fflush(stdout);
    if (line->moded)
        tcsetattr(STDIN_FILENO, TCSANOW, &line->mode);
    if (!line->wiped)
        return;
    if (line->lib)
        line->lib->el_wset(line->editor, EL_REFRESH);
    else
        fputs(line->prompt, stdout);
    fflush(stdout);
}

static mw__line_result read_plain(mw__line *line, const char **text, size_t *length)
{
    if (line->interactive) {
        fputs(line->prompt, stdout);
        fflush(stdout);
        if (line->wait)
            line->wait(line->wait_ud);
    }
    errno = 0;
    ssize_t count = getline(&line->buffer, &line->size, stdin);
    if (count < 0)
        return ferror(stdin) ? MW__LINE_FAILED : MW__LINE_END;
    *length = (size_t)count;
    if (*length && line->buffer[*length - 1] == '\n')
        line->buffer[--*length] = '\0';
    *text = line->buffer;
    return MW__LINE_READ;
}

static mw__line_result read_edited(mw__line *line, const char **text, size_t *length)
{
    int count = 0;
    line->abandoned = false;
    line->lib->el_resize(line->editor);
    const char *typed = line->lib->el_gets(line->editor, &count);
    if (line->abandoned) {
        fputs("^C\n", stdout);
        return MW__LINE_ABANDONED;
    }
    if (!typed || count <= 0) {
        fputs("\n", stdout);
        return count < 0 ? MW__LINE_FAILED : MW__LINE_END;
    }
    *length = (size_t)count;
    if (typed[*length - 1] == '\n')
        --*length;
    free(line->buffer);
    line->buffer = strndup(typed, *length);
    line->size = *length + 1;
    *text = line->buffer;
    return line->buffer ? MW__LINE_READ : MW__LINE_FAILED;
}

mw__line_result mw__line_read(mw__line *line, const char *prompt, const char **text, size_t *length)
{
    snprintf(line->prompt, sizeof line->prompt, "%s", prompt);
    return line->lib ? read_edited(line, text, length) : read_plain(line, text, length);
}

/* Saved at once, for code that ends the program. What looks like a token is not kept. */
void mw__line_remember(mw__line *line, const char *text)
{
    HistEvent event;
    if (!line->history || !*text || strcasestr(text, "token"))
        return;
    line->lib->history(line->history, &event, H_ENTER, text);
    if (line->history_path)
        line->lib->history(line->history, &event, H_SAVE, line->history_path);
}

void mw__line_free(mw__line *line)
{
    if (!line)
        return;
    if (line->editor)
        line->lib->el_end(line->editor);
    if (line->history)
        line->lib->history_end(line->history);
    free(line->history_path);
    free(line->buffer);
    free(line);
}

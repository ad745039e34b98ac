/* journal.h: what was to be made once, kept in a file that outlives the process: an entry for each key of a server, as
 * an intent until it is known what became of it, and then with the answer. Several processes may use a file at once; an
 * entry is in one hand at a time, and a process that dies lets go of what it had. One thread at a time for each one. */
#ifndef MW_JOURNAL_H
#define MW_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mw/error.h"

#define MW_JOURNAL_MAX_BODY ((size_t)256 * 1024) /* bytes of an answer that is kept */
#define MW_JOURNAL_DAYS 30                       /* for which a done entry is kept */

typedef struct mw__journal mw__journal;

typedef enum mw__journal_state {
    MW__JOURNAL_NEW,  /* there was no entry: it is an intent from now on */
    MW__JOURNAL_OPEN, /* an intent of before, with an outcome that nobody knows */
    MW__JOURNAL_DONE
} mw__journal_state;

/* An entry in hand: the caller's memory, from mw__journal_begin to mw__journal_release. */
typedef struct mw__journal_entry mw__journal_entry;
struct mw__journal_entry {
    mw__journal_state state;
    int64_t id;
    int64_t began; /* seconds since 1970 by this machine's clock */
    int64_t sent;  /* the same, of the last time it went out: before a byte of that left */
    char *body;    /* done: the answer, free() it; NULL: it was too large to be kept */
    size_t length;
    uint64_t lock;
    mw__journal_entry *next; /* of those in hand */
    mw__journal_entry **prev;
};

/* Opens a journal, which is made when it is missing, with the folders of its path, for its owner alone;
 * MW_JOURNAL_MEMORY is no file. `*journal` (owned: mw__journal_close) or MW_INVALID with `error`: no file of this kind,
 * one of another program, damaged, not to be read or written; MW_MEMORY. Removes entries that have been done for longer
 * than MW_JOURNAL_DAYS. */
int mw__journal_open(const char *path, mw__journal **journal, mw_error *error);
/* No entry is in hand any more. NULL is fine. */
void mw__journal_close(mw__journal *journal);

/* Takes the entry of `key` at `server` in hand, if it is not done; `what` tells what is to be made. MW_INVALID with
 * `error`: the key was used for something else, somebody has it in hand, the file fails or is not in its place any
 * more; MW_MEMORY. Then nothing is in hand. */
int mw__journal_begin(mw__journal *journal, const char *server, const char *key, uint64_t what,
                      mw__journal_entry *entry, mw_error *error);

/* It is going to be sent now. MW_OK, MW_INVALID or MW_MEMORY with `error`. */
int mw__journal_again(mw__journal *journal, mw__journal_entry *entry, mw_error *error);

/* It is done, with that answer; it was not and will not be. What fails leaves the intent, which is safe: a look is
 * taken the next time. Both let go of the entry. */
int mw__journal_done(mw__journal *journal, mw__journal_entry *entry, const char *body,
                     size_t length);
int mw__journal_drop(mw__journal *journal, mw__journal_entry *entry);

/* Lets go of the entry as it is. Twice is fine. */
void mw__journal_release(mw__journal *journal, mw__journal_entry *entry);

#endif

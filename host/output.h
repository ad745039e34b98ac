/* output.h: standard output and standard error, written by a thread of its own, so that a full pipe or a
 * stopped terminal holds up nobody but who waits for it. Owns the thread and the queue. Functions are the
 * main thread's. */
#ifndef MOONWIRE_OUTPUT_H
#define MOONWIRE_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "mw/loop.h"

typedef struct mw__output mw__output;

/* A stream of lines of one script. Only whole lines are written, so that those of two scripts don't mix; a
 * line of more than 64 KiB goes in pieces. */
typedef struct mw__lines mw__lines;

/* Wakes `loop` when something has been written. MW_MEMORY. */
int mw__output_new(mw_loop *loop, mw__output **output);
/* Waits until all is written, at most `grace_ms` (-1: as long as it takes), and ends the thread; what can't be
 * written any more is dropped. NULL is fine. */
void mw__output_free(mw__output *output, int grace_ms);
/* Waits until all is written. Returns as mw__output_error. */
int mw__output_flush(mw__output *output);
/* 0, or the errno with which a write failed (EPIPE, ENOSPC): then everything later is dropped. */
int mw__output_error(const mw__output *output);

/* Lines to `fd`, 1 or 2. MW_MEMORY. */
int mw__lines_new(mw__output *output, int fd, mw__lines **lines);
/* Takes a copy. MW_MEMORY. */
int mw__lines_add(mw__lines *lines, const char *text, size_t length);
/* Hands over a last line without its end. */
void mw__lines_end(mw__lines *lines);
/* Bytes of this stream that have been written (or dropped) since the last time it was asked. */
uint64_t mw__lines_written(mw__lines *lines);
void mw__lines_free(mw__lines *lines); /* what was taken is written all the same */

#endif

/* heap.h: the memory of a Lua state with a budget, as a lua_Alloc. Counts what an allocation really takes, not what
 * was asked for. Knows no Lua state. One thread.
 *
 * Who is out of memory learns it in two ways. A single request that is far beyond the whole budget (a string of
 * 8 GiB) says nothing about what is in use: it fails, and that is an ordinary error. Any other request that does
 * not fit fails once, so that Lua collects its garbage and asks again; when it does not fit then either, the
 * budget is used up.
 *
 * Lua's string buffers don't ask again. So a large request may go somewhat beyond the budget, and whoever owns the
 * state is told to collect as soon as that can be done, and to look at mw__heap_over then. Who is out of memory
 * may go there as well: there has to be room for the error that says so. */
#ifndef MOONWIRE_HEAP_H
#define MOONWIRE_HEAP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct mw__heap {
    size_t limit; /* bytes; SIZE_MAX: none */
    size_t slack; /* bytes beyond it */
    size_t used, most;
    volatile sig_atomic_t relaxed;
    bool failed; /* the last growth did not fit, and Lua has been told */
    /* From within the allocator, so they must not allocate; each may be NULL. A growth is refused; with `used_up` it is
     * the end. A growth has gone beyond the limit: collect soon. */
    void (*on_refuse)(bool used_up, void *ud);
    void (*on_over)(void *ud);
    void *ud;
} mw__heap;

/* What an allocation of `size` bytes takes of the process's memory. */
size_t mw__heap_cost(size_t size);

/* No limit so far. */
void mw__heap_init(mw__heap *heap);
/* From here on `budget` bytes more than are in use now. */
void mw__heap_limit(mw__heap *heap, size_t budget);
/* Whether more than the budget is in use. */
bool mw__heap_over(const mw__heap *heap);
/* The end is near, and an error has to be made: all may go beyond the limit. Async-signal-safe. */
void mw__heap_relax(mw__heap *heap);

/* The lua_Alloc; `ud` is the heap. */
void *mw__heap_alloc(void *ud, void *block, size_t old_size, size_t size);

#endif

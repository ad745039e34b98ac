/* heap.h: the memory of a Lua state with a budget, as a lua_Alloc. Counts what an allocation really takes, not what
 * was asked for. Knows no Lua state. One thread.
 *
 * Who is out of memory learns it in two ways. A single request that is far beyond the whole budget (a string of
 * 8 GiB) says nothing about what is in use: it fails, and that is an ordinary error. Any other request that does
 * not fit fails once, so that Lua collects its garbage and asks again; when it does not fit then either, the
 * budget is used up. From then on a reserve is open, so that there is room for the error that says so. */
#ifndef MOONWIRE_HEAP_H
#define MOONWIRE_HEAP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct mw__heap {
    size_t limit;   /* bytes; SIZE_MAX: none */
    size_t reserve; /* bytes beyond it, once the heap is relaxed */
    size_t used, most;
    volatile sig_atomic_t relaxed;
    bool failed; /* the last growth did not fit, and Lua has been told */
    /* A growth is refused: for good (`used_up`), or as one that is larger than all. From within the allocator: it
     * must not allocate. May be NULL. */
    void (*on_refuse)(bool used_up, void *ud);
    void *ud;
} mw__heap;

/* What an allocation of `size` bytes takes of the process's memory. */
size_t mw__heap_cost(size_t size);

/* No limit so far. */
void mw__heap_init(mw__heap *heap);
/* From here on `budget` bytes more than are in use now. */
void mw__heap_limit(mw__heap *heap, size_t budget);
/* Opens the reserve: the end is near, and an error has to be made. Async-signal-safe. */
void mw__heap_relax(mw__heap *heap);

/* The lua_Alloc; `ud` is the heap. */
void *mw__heap_alloc(void *ud, void *block, size_t old_size, size_t size);

#endif

/* heap.c: owns the count of what a Lua state has allocated, and the decision what still fits. Must not know Lua or
 * budgets of other kinds. One thread; mw__heap_relax from signal handlers too. */
#include "heap.h"

#include <stdint.h>
#include <stdlib.h>

/* glibc's malloc: a header of 8 bytes, multiples of 16, at least 32; from 128 KiB on pages of their own. */
enum { HEADER = 8, STEP = 16, LEAST = 32, PAGE = 4096, LARGE = 128 * 1024 };

enum { BUFFER = 1024, SHARE = 5 }; /* what is large; the part of the budget that the slack is */

size_t mw__heap_cost(size_t size)
{
    if (size == 0)
        return 0;
    if (size > SIZE_MAX / 2)
        return SIZE_MAX / 2;
    if (size >= LARGE)
        return (size + 2 * (size_t)HEADER + PAGE - 1) & ~((size_t)PAGE - 1);
    size_t cost = (size + HEADER + STEP - 1) & ~((size_t)STEP - 1);
    return cost < LEAST ? LEAST : cost;
}

void mw__heap_init(mw__heap *heap)
{
    *heap = (mw__heap){.limit = SIZE_MAX};
}

void mw__heap_limit(mw__heap *heap, size_t budget)
{
    heap->limit = budget < SIZE_MAX - heap->used ? heap->used + budget : SIZE_MAX;
    heap->slack = budget / SHARE;
}

void mw__heap_relax(mw__heap *heap)
{
    heap->relaxed = 1;
}

bool mw__heap_over(const mw__heap *heap)
{
    return heap->used > heap->limit;
}

static bool below(const mw__heap *heap, size_t more, size_t slack)
{
    size_t limit = heap->limit <= SIZE_MAX - slack ? heap->limit + slack : SIZE_MAX;
    return heap->used <= limit && more <= limit - heap->used;
}

/* An eighth of the slack stays for errors. */
static bool fits(const mw__heap *heap, size_t more)
{
    if (below(heap, more, heap->relaxed ? heap->slack : 0))
        return true;
    return more >= BUFFER && below(heap, more, heap->slack - heap->slack / 8);
}

/* A growth does not fit, or the system has no memory. True: it fits now. */
static bool refuse(mw__heap *heap, size_t cost, size_t more)
{
    bool enormous = cost > heap->limit && cost - heap->limit > heap->limit / 4;
    bool used_up = !enormous && heap->failed && !heap->relaxed;
    heap->failed =
        !enormous && !heap->failed; /* if it was the first time, Lua collects and asks again */
    if (heap->on_refuse)
        heap->on_refuse(used_up, heap->ud);
    if (used_up)
        heap->relaxed = 1;
    return used_up && fits(heap, more);
}

static void *grow(mw__heap *heap, void *block, size_t old_cost, size_t size)
{
    size_t cost = mw__heap_cost(size);
    size_t more = cost - old_cost;
    if (!fits(heap, more) && !refuse(heap, cost, more))
        return NULL;
    void *grown = realloc(block, size);
    if (!grown && refuse(heap, cost, more))
        grown = realloc(block, size);
    if (!grown)
        return NULL;
    heap->failed = false;
    heap->used += more;
    if (heap->used > heap->most)
        heap->most = heap->used;
    if (heap->used > heap->limit && !heap->relaxed && heap->on_over)
        heap->on_over(heap->ud);
    return grown;
}

void *mw__heap_alloc(void *ud, void *block, size_t old_size, size_t size)
{
    mw__heap *heap = ud;
    size_t old_cost =
        block ? mw__heap_cost(old_size) : 0; /* without a block it is the kind of object */
    if (size == 0) {
        free(block);
        heap->used -= old_cost;
        return NULL;
    }
    size_t cost = mw__heap_cost(size);
    if (cost > old_cost)
        return grow(heap, block, old_cost, size);
    void *kept = realloc(block, size);
    if (!kept)
        return block; /* Lua takes a shrink for granted */
    heap->used -= old_cost - cost;
    return kept;
}

/* heap.c: owns the count of what a Lua state has allocated, and the decision what still fits. Must not know Lua or
 * budgets of other kinds. One thread; mw__heap_relax from signal handlers too. */
#include "heap.h"

#include <stdint.h>
#include <stdlib.h>

/* glibc's malloc: a header of 8 bytes, multiples of 16, at least 32; from 128 KiB on pages of their own. */
enum { HEADER = 8, STEP = 16, LEAST = 32, PAGE = 4096, LARGE = 128 * 1024 };

enum { MOST_RESERVE = 2 * 1024 * 1024 };

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
    heap->reserve = budget / 8 < MOST_RESERVE ? budget / 8 : MOST_RESERVE;
}

void mw__heap_relax(mw__heap *heap)
{
    heap->relaxed = 1;
}

static bool fits(const mw__heap *heap, size_t more)
{
    size_t limit = heap->limit;
    if (heap->relaxed && limit <= SIZE_MAX - heap->reserve)
        limit += heap->reserve;
    return heap->used <= limit && more <= limit - heap->used;
}

/* A growth does not fit, or the system has no memory. True: it fits now. */
static bool refuse(mw__heap *heap, size_t cost, size_t more)
{
    if (heap->relaxed)
        return false;
    bool enormous = cost > heap->limit && cost - heap->limit > heap->limit / 4;
    if (!enormous && !heap->failed) {
        heap->failed = true; /* Lua collects and asks again */
        return false;
    }
    heap->failed = false;
    if (heap->on_refuse)
        heap->on_refuse(!enormous, heap->ud);
    if (enormous)
        return false;
    heap->relaxed = 1;
    return fits(heap, more);
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

/* arena.c: owns the nodes of argument trees. Knows nothing of what they mean. One thread at a time. */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "mw/value.h"

enum { BLOCK = 4096 };

typedef struct block {
    struct block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char bytes[];
} block;

struct mw_arena {
    block *first; /* the one that mw_arena_reset keeps */
    block *top;
    size_t cap;
    size_t total;
};

static block *block_new(mw_arena *arena, size_t size)
{
    if (size > arena->cap - arena->total)
        return NULL;
    block *made = malloc(sizeof *made + size);
    if (!made)
        return NULL;
    made->next = NULL;
    made->size = size;
    made->used = 0;
    arena->total += size;
    return made;
}

mw_arena *mw_arena_new(size_t cap)
{
    mw_arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        return NULL;
    arena->cap = cap < BLOCK ? BLOCK : cap;
    arena->first = block_new(arena, BLOCK);
    arena->top = arena->first;
    if (!arena->first) {
        free(arena);
        return NULL;
    }
    return arena;
}

void *mw_arena_alloc(mw_arena *arena, size_t size)
{
    if (size > arena->cap)
        return NULL;
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    block *top = arena->top;
    if (size > top->size - top->used) {
        block *made = block_new(arena, size > BLOCK ? size : BLOCK);
        if (!made)
            return NULL;
        made->next = top->next;
        top->next = made;
        arena->top = made;
        top = made;
    }
    void *memory = top->bytes + top->used;
    top->used += size;
    memset(memory, 0, size);
    return memory;
}

void mw_arena_reset(mw_arena *arena)
{
    block *extra = arena->first->next;
    while (extra) {
        block *next = extra->next;
        arena->total -= extra->size;
        free(extra);
        extra = next;
    }
    arena->first->next = NULL;
    arena->first->used = 0;
    arena->top = arena->first;
}

void mw_arena_free(mw_arena *arena)
{
    if (!arena)
        return;
    mw_arena_reset(arena);
    free(arena->first);
    free(arena);
}

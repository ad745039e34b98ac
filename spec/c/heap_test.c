/* heap_test.c: the memory of a Lua state with a budget: what is counted, what is refused, and what Lua makes of it.
 * Knows no worker. */
#include "heap.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>

#include "test.h"

enum { MIB = 1024 * 1024 };

/* What the heap has told. */
typedef struct told {
    mw__heap heap;
    int refused, used_up, over;
} told;

static void on_refuse(bool used_up, void *ud)
{
    told *t = ud;
    t->refused++;
    t->used_up += used_up;
}

static void on_over(void *ud)
{
    told *t = ud;
    t->over++;
}

static void start(told *t, size_t budget)
{
    *t = (told){0};
    mw__heap_init(&t->heap);
    t->heap.on_refuse = on_refuse;
    t->heap.on_over = on_over;
    t->heap.ud = t;
    mw__heap_limit(&t->heap, budget);
}

static void *get(told *t, void *block, size_t old_size, size_t size)
{
    return mw__heap_alloc(&t->heap, block, old_size, size);
}

TEST(counts_what_the_system_takes)
{
#if !defined(__SANITIZE_ADDRESS__)
    static const size_t sizes[] = {1, 8, 24, 25, 40, 41, 100, 1000, 5000, 100000, 200000, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *block = malloc(sizes[i]);
        CHECK(mw__heap_cost(sizes[i]) >= malloc_usable_size(block) + sizeof(size_t));
        CHECK(mw__heap_cost(sizes[i]) <= malloc_usable_size(block) + 4096 + 16);
        free(block);
    }
#endif
    CHECK_INT(mw__heap_cost(0), 0);
    CHECK_INT(mw__heap_cost(1), 32);
    CHECK_INT(mw__heap_cost(25), 48);
    CHECK(mw__heap_cost(SIZE_MAX) >= SIZE_MAX / 2);
}

TEST(gives_back_what_it_has_counted)
{
    told t;
    start(&t, MIB);
    void *block = get(&t, NULL, LUA_TSTRING, 100); /* without a block the old size is a kind */
    CHECK_INT(t.heap.used, mw__heap_cost(100));
    block = get(&t, block, 100, 300000);
    CHECK_INT(t.heap.used, mw__heap_cost(300000));
    block = get(&t, block, 300000, 50);
    CHECK_INT(t.heap.used, mw__heap_cost(50));
    CHECK_INT(t.heap.most, mw__heap_cost(300000));
    CHECK(get(&t, block, 50, 0) == NULL);
    CHECK_INT(t.heap.used, 0);
    CHECK(get(&t, NULL, 0, 0) == NULL);
    CHECK_INT(t.heap.used, 0);
    CHECK_INT(t.refused, 0);
}

TEST(refuses_twice_before_the_budget_is_used_up)
{
    told t;
    start(&t, MIB);
    void *full = get(&t, NULL, 0, MIB - 8192);
    void *rest[600];
    size_t count = 0;
    while (count < 600 && (rest[count] = get(&t, NULL, 0, 16)) != NULL)
        count++;
    CHECK(count > 0 && count < 600);
    CHECK_INT(t.refused, 1);
    CHECK_INT(t.used_up, 0);
    CHECK(!t.heap.relaxed);
    void *last = get(&t, NULL, 0, 16); /* Lua has collected, and still there is no room */
    CHECK_INT(t.used_up, 1);
    CHECK(t.heap.relaxed);
    CHECK(last != NULL); /* from here on there is room for an error */
    CHECK(mw__heap_over(&t.heap));
    get(&t, last, 16, 0);
    for (size_t i = 0; i < count; i++)
        get(&t, rest[i], 16, 0);
    get(&t, full, MIB - 8192, 0);
    CHECK_INT(t.heap.used, 0);
}

TEST(a_growth_that_fits_forgives_the_refusal_before)
{
    told t;
    start(&t, MIB);
    for (int i = 0; i < 3; i++) {
        void *full = get(&t, NULL, 0, MIB - 64 * 1024);
        CHECK(get(&t, NULL, 0, 512 * 1024) == NULL);
        get(&t, full, MIB - 64 * 1024, 0);
        void *small = get(&t, NULL, 0, 512 * 1024);
        CHECK(small != NULL);
        get(&t, small, 512 * 1024, 0);
    }
    CHECK_INT(t.refused, 3);
    CHECK_INT(t.used_up, 0);
}

TEST(what_is_larger_than_all_is_an_error_and_no_end)
{
    told t;
    start(&t, MIB);
    for (int i = 0; i < 5; i++) {
        CHECK(get(&t, NULL, 0, (size_t)1 << 33) == NULL);
        CHECK(get(&t, NULL, 0, SIZE_MAX) == NULL);
        CHECK(get(&t, NULL, 0, MIB + MIB / 2) == NULL);
    }
    CHECK_INT(t.refused, 15);
    CHECK_INT(t.used_up, 0);
    CHECK_INT(t.heap.used, 0);
}

TEST(large_blocks_may_go_a_little_beyond_and_say_so)
{
    told t;
    start(&t, MIB);
    void *most = get(&t, NULL, 0, MIB - 64 * 1024);
    void *more = get(&t, NULL, 0, 128 * 1024);
    CHECK(more != NULL);
    CHECK_INT(t.over, 1);
    CHECK(mw__heap_over(&t.heap));
    CHECK(get(&t, NULL, 0, 512) == NULL); /* small ones collect at once */
    CHECK(get(&t, NULL, 0, 256 * 1024) == NULL);
    CHECK(t.heap.used <= MIB + MIB / 5);
    get(&t, more, 128 * 1024, 0);
    CHECK(!mw__heap_over(&t.heap));
    get(&t, most, MIB - 64 * 1024, 0);
}

/* ---- a real state ---- */

static lua_State *new_state(told *t, size_t budget)
{
    *t = (told){0};
    mw__heap_init(&t->heap);
    t->heap.on_refuse = on_refuse;
    t->heap.on_over = on_over;
    t->heap.ud = t;
    lua_State *L = lua_newstate(mw__heap_alloc, &t->heap);
    if (L) {
        luaL_openlibs(L);
        lua_gc(L, LUA_GCCOLLECT);
        mw__heap_limit(&t->heap, budget);
    }
    return L;
}

TEST(garbage_never_uses_it_up)
{
    told t;
    lua_State *L = new_state(&t, 4 * MIB);
    CHECK_INT(luaL_dostring(L, "local keep = ('x'):rep(3 << 19)"
                               " for i = 1, 200000 do local t = {i, {i}, tostring(i)} end"),
              LUA_OK);
    CHECK_INT(t.used_up, 0);
    CHECK(t.heap.most <= t.heap.limit);
    lua_close(L);
    CHECK_INT(t.heap.used, 0);
}

TEST(what_is_kept_uses_it_up_once)
{
    told t;
    lua_State *L = new_state(&t, 4 * MIB);
    int status = luaL_dostring(L, "local t = {} for i = 1, 1 << 40 do t[i] = {i} end");
    CHECK(status != LUA_OK);
    CHECK_INT(t.used_up, 1);
    CHECK(t.heap.most <= t.heap.limit + t.heap.slack);
    lua_close(L);
    CHECK_INT(t.heap.used, 0);
}

TEST(a_caught_giant_leaves_all_as_it_was)
{
    told t;
    lua_State *L = new_state(&t, 4 * MIB);
    CHECK_INT(luaL_dostring(L, "for i = 1, 50 do assert(not pcall(string.rep, 'x', 1 << 30)) end"
                               " local s = ('x'):rep(1 << 20) assert(#s == 1 << 20)"),
              LUA_OK);
    CHECK_INT(t.used_up, 0);
    CHECK(t.refused >= 50);
    lua_close(L);
    CHECK_INT(t.heap.used, 0);
}

TEST(without_a_limit_nothing_is_refused)
{
    told t;
    lua_State *L = new_state(&t, SIZE_MAX);
    CHECK_INT(t.heap.limit == SIZE_MAX, 1);
    CHECK_INT(luaL_dostring(L, "local s = ('x'):rep(64 << 20)"), LUA_OK);
    CHECK_INT(t.refused, 0);
    CHECK(t.heap.most > (size_t)64 * MIB);
    lua_close(L);
}

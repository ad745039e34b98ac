/* loop_test.c: timers, posts and the end of a loop. */
#include <poll.h>
#include <pthread.h>

#include "loop_private.h"
#include "test.h"

typedef struct counted_post {
    mw__post post;
    mw_loop *loop;
    int runs;
    int again;
} counted_post;

static void on_post(mw__post *post)
{
    counted_post *counted = (counted_post *)(void *)post;
    counted->runs++;
    if (counted->again-- > 0)
        mw__loop_post(counted->loop, post);
}

static void count(void *ud)
{
    ++*(int *)ud;
}

TEST(a_timer_fires_once)
{
    mw_loop *loop;
    mw_timer *timer;
    int fired = 0;
    CHECK_INT(mw_loop_new(&loop), MW_OK);
    CHECK_INT(mw_timer_start(loop, 1, count, &fired, &timer), MW_OK);
    CHECK_INT(mw_loop_live(loop), 1);
    while (mw_loop_run(loop, true)) {}
    CHECK_INT(fired, 1);
    CHECK_INT(mw_loop_live(loop), 0);
    mw_loop_free(loop);
}

TEST(a_stopped_timer_and_one_of_a_freed_loop_do_not_fire)
{
    mw_loop *loop;
    mw_timer *stopped;
    mw_timer *left;
    int fired = 0;
    mw_loop_new(&loop);
    mw_timer_start(loop, 0, count, &fired, &stopped);
    mw_timer_start(loop, 100000, count, &fired, &left);
    mw_timer_stop(stopped);
    mw_loop_run(loop, false);
    CHECK_INT(mw_loop_timeout(loop) > 1000, 1);
    mw_loop_free(loop);
    CHECK_INT(fired, 0);
}

TEST(posts_run_on_the_next_turn_in_order_and_can_be_taken_back)
{
    mw_loop *loop;
    mw_loop_new(&loop);
    counted_post first = {.post.fn = on_post, .loop = loop, .again = 1};
    counted_post second = {.post.fn = on_post, .loop = loop};
    counted_post third = {.post.fn = on_post, .loop = loop};
    mw__loop_post(loop, &first.post);
    mw__loop_post(loop, &first.post);
    mw__loop_post(loop, &second.post);
    mw__loop_post(loop, &third.post);
    mw__loop_unpost(&third.post);
    mw__loop_unpost(&third.post);
    CHECK_INT(first.runs, 0);
    mw_loop_run(loop, false);
    CHECK_INT(first.runs, 1);
    CHECK_INT(second.runs, 1);
    mw_loop_run(loop, true);
    CHECK_INT(first.runs, 2);
    CHECK_INT(third.runs, 0);
    CHECK(!mw_loop_run(loop, false));
    mw_loop_free(loop);
}

static void *wake_from_elsewhere(void *loop)
{
    mw_loop_wake(loop);
    return NULL;
}

TEST(an_idle_loop_lets_its_host_wait)
{
    mw_loop *loop;
    mw_timer *timer;
    int fired = 0;
    mw_loop_new(&loop);
    CHECK_INT(mw_loop_timeout(loop), -1);
    mw_timer_start(loop, 0, count, &fired, &timer);
    CHECK_INT(mw_loop_timeout(loop), 0);
    while (mw_loop_run(loop, true)) {}
    CHECK_INT(mw_loop_timeout(loop), -1);
    mw_loop_free(loop);
}

TEST(a_wake_up_of_an_idle_loop_is_heard_once)
{
    mw_loop *loop;
    mw_loop_new(&loop);
    mw_loop_run(loop, false);
    struct pollfd readable = {.fd = mw_loop_fd(loop), .events = POLLIN};
    mw_loop_wake(loop);
    CHECK_INT(poll(&readable, 1, 1000), 1);
    CHECK(!mw_loop_run(loop, false));
    CHECK_INT(poll(&readable, 1, 0), 0);
    mw_loop_free(loop);
}

TEST(another_thread_ends_a_wait)
{
    mw_loop *loop;
    mw_timer *timer;
    int fired = 0;
    pthread_t thread;
    mw_loop_new(&loop);
    mw_timer_start(loop, 60000, count, &fired, &timer);
    CHECK_INT(pthread_create(&thread, NULL, wake_from_elsewhere, loop), 0);
    mw_loop_run(loop, true);
    pthread_join(thread, NULL);
    CHECK_INT(fired, 0);
    mw_loop_free(loop);
}

typedef struct chain {
    mw_loop *loop;
    int first;
    int second;
} chain;

static void start_second(void *ud)
{
    chain *c = ud;
    mw_timer *timer;
    c->first++;
    mw_timer_start(c->loop, 300, count, &c->second, &timer);
}

/* libuv runs the timers first and would go on to wait for the next thing. */
TEST(a_turn_comes_back_with_what_a_timer_brought)
{
    chain c = {0};
    mw_timer *timer;
    mw_loop_new(&c.loop);
    mw_timer_start(c.loop, 0, start_second, &c, &timer);
    while (c.first == 0)
        mw_loop_run(c.loop, true);
    CHECK_INT(c.second, 0);
    mw_loop_free(c.loop);
}

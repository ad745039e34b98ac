/* bucket_test.c: token buckets against a naive model that remembers every token: no window of any position sees more
 * than there are, nobody is held back who could go, and refusals teach. */
#include "bucket.h"
#include "test.h"

enum { MOST = 256 };

typedef struct model {
    mw__bucket bucket;
    int64_t slots[MOST];
    int64_t taken[4096]; /* all times, in order */
    size_t count;
} model;

static int64_t get(void *ud, uint32_t slot)
{
    return ((model *)ud)->slots[slot];
}

static model new_model(uint32_t count, int64_t window)
{
    return (model){.bucket = {.count = count, .allowed = count, .window_us = window}};
}

static mw__slots slots_of(model *m)
{
    return (mw__slots){.get = get, .ud = m};
}

/* A window and the hundredth that is kept free between windows. */
static int64_t span(const model *m)
{
    return m->bucket.window_us + m->bucket.window_us / 100;
}

static uint32_t within(const model *m, int64_t from, int64_t to)
{
    uint32_t n = 0;
    for (size_t i = 0; i < m->count; i++)
        n += m->taken[i] > from && m->taken[i] <= to;
    return n;
}

static bool try_take(model *m, int64_t now, int64_t *until)
{
    mw__slots slots = slots_of(m);
    if (!mw__bucket_ready(&m->bucket, &slots, now, until))
        return false;
    m->slots[mw__bucket_take(&m->bucket)] = now;
    m->taken[m->count++] = now;
    return true;
}

/* At each instant of a short world, any subset of instants asks: what the bucket says is what the model counts. */
TEST(small_buckets_do_as_a_naive_model_says)
{
    enum { WINDOW = 4, INSTANTS = 14 };
    for (uint32_t count = 1; count <= 3; count++) {
        for (unsigned asks = 0; asks < 1u << INSTANTS; asks++) {
            model m = new_model(count, WINDOW);
            bool right = true;
            for (int64_t now = 100; now < 100 + INSTANTS; now++) {
                if (!(asks >> (now - 100) & 1))
                    continue;
                int64_t until = 0;
                bool free = within(&m, now - span(&m), now) < count;
                bool took = try_take(&m, now, &until);
                right = right && took == free && (took || until > now);
                if (took)
                    continue;
                right = right && within(&m, until - span(&m), until) < count &&
                        within(&m, until - 1 - span(&m), until - 1) == count;
            }
            CHECK(right);
            if (!right)
                return;
        }
    }
}

/* Takes whenever it may, at odd times. */
TEST(no_window_of_any_position_holds_more_than_there_are)
{
    static const uint32_t counts[] = {1, 2, 7, 50, 255};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        model m = new_model(counts[c], 10000);
        uint64_t random = 7;
        int64_t until = 0;
        for (int64_t now = 1; now < 100000 && m.count < 3000;) {
            if (!try_take(&m, now, &until)) {
                now = until;
                continue;
            }
            random = random * 6364136223846793005u + 1442695040888963407u;
            now += (int64_t)(random >> 33) % 60;
        }
        for (size_t i = 0; i + counts[c] < m.count; i++)
            CHECK(m.taken[i + counts[c]] - m.taken[i] > 10000);
        CHECK(m.count >= 9 * counts[c]);
    }
}

TEST(when_tells_the_time_of_later_tokens)
{
    model m = new_model(3, 1000);
    mw__slots slots = slots_of(&m);
    int64_t until;
    CHECK_INT(mw__bucket_when(&m.bucket, &slots, 50, 3), 50);
    CHECK_INT(mw__bucket_when(&m.bucket, &slots, 50, 4), 50 + 1010);
    CHECK(try_take(&m, 100, &until) && try_take(&m, 200, &until));
    CHECK_INT(mw__bucket_when(&m.bucket, &slots, 250, 1), 250);
    CHECK_INT(mw__bucket_when(&m.bucket, &slots, 250, 2), 100 + 1010);
    CHECK_INT(mw__bucket_when(&m.bucket, &slots, 250, 3), 200 + 1010);
    CHECK_INT(mw__bucket_when(&m.bucket, &slots, 250, 5), 100 + 2 * 1010);
    m.bucket.paused_us = 5000;
    CHECK_INT(mw__bucket_when(&m.bucket, &slots, 250, 1), 5000);
    mw__bucket none = {.paused_us = 700};
    CHECK_INT(mw__bucket_when(&none, &slots, 250, 9), 700);
    CHECK_INT(mw__bucket_when(&none, &slots, 900, 9), 900);
}

/* Takes so many, a unit of time apart, and returns the time after. */
static int64_t take_many(model *m, uint32_t count, int64_t now)
{
    int64_t until;
    for (uint32_t i = 0; i < count; i++)
        CHECK(try_take(m, now++, &until));
    return now;
}

TEST(a_refusal_pauses_and_teaches_how_much_is_let_through)
{
    model m = new_model(100, 10000);
    mw__slots slots = slots_of(&m);
    int64_t until;
    int64_t now = take_many(&m, 60, 20001); /* the server lets 40 through, and refuses 20 */
    for (int i = 0; i < 20; i++)
        mw__bucket_refused(&m.bucket, &slots, now, 20000, 30000);
    CHECK_INT(m.bucket.allowed, 40);
    CHECK(!try_take(&m, now, &until));
    CHECK_INT(
        until,
        30061); /* the first token that counts is back at 30121, but more are in use before that */
    CHECK(!try_take(&m, 30060, &until));
    now = take_many(&m, 45, 30200); /* 40 and, a window later, 5 more */
    CHECK(!try_take(&m, now, &until));
    CHECK_INT(m.bucket.allowed, 45);
}

TEST(what_was_learnt_is_forgotten_slowly)
{
    model m = new_model(100, 10000);
    mw__slots slots = slots_of(&m);
    int64_t until;
    int64_t now = take_many(&m, 50, 20001);
    mw__bucket_refused(&m.bucket, &slots, now, 20000, now + 1);
    CHECK_INT(m.bucket.allowed, 49);
    int64_t learnt = m.bucket.learnt_us;
    for (uint32_t windows = 1; windows <= 12; windows++) {
        mw__bucket_ready(&m.bucket, &slots, learnt + windows * 10000 - 1, &until);
        CHECK_INT(m.bucket.allowed, 49 + 5 * (windows - 1) < 100 ? 49 + 5 * (windows - 1) : 100);
        mw__bucket_ready(&m.bucket, &slots, learnt + windows * 10000, &until);
        CHECK_INT(m.bucket.allowed, 49 + 5 * windows < 100 ? 49 + 5 * windows : 100);
    }
    now = take_many(&m, 60, learnt + 300001);
    mw__bucket_refused(&m.bucket, &slots, now, learnt + 300000, now + 1);
    CHECK_INT(m.bucket.allowed, 59);
    mw__bucket_ready(&m.bucket, &slots, INT64_C(1) << 60, &until); /* all at once */
    CHECK_INT(m.bucket.allowed, 100);
}

TEST(one_refusal_leaves_a_quarter_and_never_nothing)
{
    model m = new_model(100, 10000);
    mw__slots slots = slots_of(&m);
    int64_t now = take_many(&m, 2, 20001); /* others have used the window up */
    mw__bucket_refused(&m.bucket, &slots, now, 20000, 30000);
    CHECK_INT(m.bucket.allowed, 25);
    for (int i = 0; i < 100; i++)
        mw__bucket_refused(&m.bucket, &slots, now, 20000, 30000);
    CHECK_INT(m.bucket.allowed, 1);
    model one = new_model(1, 10000);
    slots = slots_of(&one);
    now = take_many(&one, 1, 20001);
    mw__bucket_refused(&one.bucket, &slots, now, 20000, 30000);
    CHECK_INT(one.bucket.allowed, 1);
}

/* A server whose windows are shorter refuses again and again in one of ours. */
TEST(pauses_that_end_within_the_window_teach_little)
{
    model m = new_model(100, 10000);
    mw__slots slots = slots_of(&m);
    int64_t now = take_many(&m, 30, 20001);
    mw__bucket_refused(&m.bucket, &slots, now, 20000, 24000);
    CHECK_INT(m.bucket.allowed, 29);
    mw__bucket_refused(&m.bucket, &slots, 24001, 20000, 28000);
    CHECK_INT(m.bucket.allowed, 28);
    mw__bucket_refused(&m.bucket, &slots, 28001, 20000, 29000);
    CHECK_INT(m.bucket.allowed, 27);
}

TEST(the_next_window_teaches_anew)
{
    model m = new_model(100, 10000);
    mw__slots slots = slots_of(&m);
    int64_t now = take_many(&m, 60, 20001);
    mw__bucket_refused(&m.bucket, &slots, now, 20000, 30050);
    CHECK_INT(m.bucket.allowed, 59);
    now = take_many(&m, 30, 30200);
    mw__bucket_refused(&m.bucket, &slots, now, 30000, 40050);
    CHECK_INT(m.bucket.allowed, 29);
}

TEST(a_pause_is_never_cut_short)
{
    mw__bucket none = {0};
    int64_t until;
    mw__slots slots = {0};
    mw__bucket_refused(&none, &slots, 100, 50, 5000);
    mw__bucket_refused(&none, &slots, 200, 50, 3000);
    CHECK(!mw__bucket_ready(&none, &slots, 4999, &until));
    CHECK_INT(until, 5000);
    CHECK(mw__bucket_ready(&none, &slots, 5000, &until));
    CHECK_INT(none.allowed, 0);
}

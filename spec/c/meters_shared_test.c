/* meters_shared_test.c: limits that processes share by a file: with real processes, which are really killed. No handle
 * of SQLite crosses a fork: processes are started before the file is opened. Times run ahead of the clock where no
 * other process takes part. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "failing_alloc.h"
#include "meters_shared_private.h"
#include "proc.h"
#include "test.h"

#define SECOND INT64_C(1000000)
#define DAY (INT64_C(24) * 3600 * SECOND)

enum { PROCESSES = 4 };

typedef struct place {
    char folder[32];
    char path[64];
} place;

static place make_place(void)
{
    place p = {.folder = "/tmp/mw_meters_XXXXXX"};
    CHECK(mkdtemp(p.folder) != NULL);
    snprintf(p.path, sizeof p.path, "%s/file", p.folder);
    return p;
}

/* Nothing but the file itself is there. */
static void remove_place(const place *p)
{
    CHECK_INT(unlink(p->path), 0);
    CHECK_INT(rmdir(p->folder), 0);
}

/* The file may have others beside it. */
static void remove_all(const place *p)
{
    static const char *const ends[] = {"-wal", "-shm"};
    char path[80];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s", p->path, ends[i]);
        unlink(path);
    }
    remove_place(p);
}

/* The file as another loop, or another process, has it. */
typedef struct user {
    mw_loop *loop;
    mw__meters *meters;
} user;

static user use(const char *path)
{
    user u = {0};
    mw_error error = {0};
    CHECK_INT(mw_loop_new(&u.loop), MW_OK);
    CHECK_INT(mw__meters_shared(u.loop, path, &u.meters, &error), MW_OK);
    CHECK_STR(error.message, "");
    return u;
}

static mw__meter *meter(const user *u, const char *key, uint32_t count, uint32_t window_ms,
                        uint32_t concurrency)
{
    mw__meter *m = NULL;
    const mw_lane_limit limit = {count, window_ms, concurrency};
    CHECK_INT(u->meters->kind->open(u->meters, key, &limit, &m, NULL), MW_OK);
    return m;
}

static bool take(mw__meter *m, int64_t now, mw__denial *denial)
{
    mw__denial ignored;
    return m->meters->kind->take(m->meters, &m, 1, now, denial ? denial : &ignored);
}

static void give(mw__meter *m)
{
    m->meters->kind->give(m->meters, &m, 1);
}

static void drop(mw__meter *m)
{
    m->meters->kind->close(m);
}

/* How many can be taken at a time. */
static unsigned take_all(mw__meter *m, int64_t now)
{
    unsigned taken = 0;
    while (taken < 100000 && take(m, now, NULL))
        taken++;
    return taken;
}

/* Runs SQL on the file beside everybody else. */
static void tamper(const char *path, const char *sql)
{
    const mw__sqlite *lib = mw__sqlite_get(NULL);
    sqlite3 *db = NULL;
    CHECK_INT(lib->open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    CHECK_INT(lib->exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(lib->close(db), SQLITE_OK);
}

/* The first value of a query on an open set's own connection. */
static void check_value(const user *u, const char *sql, const char *wanted)
{
    CHECK_INT(mw__database_expect(&((mw__shared *)u->meters)->file, sql, wanted), SQLITE_OK);
}

/* ---- processes ---- */

typedef struct child {
    pid_t pid;
    int said; /* the child's words come here */
} child;

/* Forks; in the child `pid` is 0 and `said` is where its words go. */
static child begin_child(void)
{
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    close(ends[pid == 0 ? 0 : 1]);
    return (child){.pid = pid, .said = ends[pid == 0 ? 1 : 0]};
}

static void say(const child *c)
{
    if (write(c->said, "x", 1) != 1)
        _exit(3);
}

static bool hear(const child *c)
{
    char word;
    return read(c->said, &word, 1) == 1;
}

_Noreturn static void wait_for_the_end(void)
{
    for (;;)
        pause();
}

static void end_child(const child *c, int wanted_signal)
{
    int status = 0;
    if (wanted_signal)
        CHECK_INT(kill(c->pid, wanted_signal), 0);
    CHECK_INT(waitpid(c->pid, &status, 0), c->pid);
    if (wanted_signal)
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == wanted_signal);
    else
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(c->said);
}

/* ---- one bucket ---- */

TEST(tokens_and_places_are_the_same_for_all)
{
    place p = make_place();
    user a = use(p.path), b = use(p.path);
    mw__meter *ma = meter(&a, "host", 3, 1000, 0), *mb = meter(&b, "host", 3, 1000, 0);
    mw__meter *other = meter(&b, "host", 4, 1000, 0);
    mw__meter *ca = meter(&a, "host", 0, 0, 2), *cb = meter(&b, "host", 0, 0, 2);
    mw__denial denial = {0};
    int64_t now = mw_loop_now(a.loop) + 10 * SECOND;
    struct stat info;
    CHECK_INT(stat(p.path, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);

    CHECK(take(ma, now, NULL) && take(mb, now + 1, NULL) && take(ma, now + 2, NULL));
    CHECK(!take(mb, now + 3, &denial));
    CHECK_INT(denial.reason, MW_WAIT_LIMIT);
    CHECK_INT(denial.until, now + SECOND + SECOND / 100);
    CHECK(!take(ma, denial.until - 1, NULL));
    CHECK_INT(mb->meters->kind->when(mb, now + 3, 2), now + 1 + SECOND + SECOND / 100);
    CHECK(take(mb, denial.until, NULL));
    CHECK(!take(ma, denial.until, NULL));
    CHECK_INT(take_all(other, now), 4); /* another limit, another meter */

    CHECK(take(ca, now, NULL) && take(cb, now, NULL));
    CHECK(!take(ca, now, &denial));
    CHECK_INT(denial.reason, MW_WAIT_CONCURRENCY);
    CHECK(denial.until > now && denial.until < now + SECOND);
    give(cb);
    CHECK(take(ca, now, NULL));
    CHECK(!take(cb, now, NULL));
    drop(ca); /* with two places */
    CHECK_INT(take_all(cb, now), 2);
    drop(cb);
    drop(ma);
    drop(mb);
    drop(other);
    CHECK_STR(a.meters->trouble, "");
    mw_loop_free(a.loop);
    mw_loop_free(b.loop);
    remove_place(&p);
}

TEST(one_file_is_opened_once_for_a_loop)
{
    place p = make_place();
    char link[80], dangling[80];
    snprintf(link, sizeof link, "%s/link", p.folder);
    snprintf(dangling, sizeof dangling, "%s/dangling", p.folder);
    user a = use(p.path), b = use(p.path);
    mw__meters *again = NULL;
    mw_error error = {0};
    CHECK_INT(symlink("file", link), 0);
    CHECK_INT(symlink("nowhere", dangling), 0);
    CHECK_INT(mw__meters_shared(a.loop, link, &again, NULL), MW_OK);
    CHECK(again == a.meters && again != b.meters);
    CHECK_INT(mw__meters_shared(a.loop, dangling, &again, &error), MW_INVALID);
    CHECK(strstr(error.message, "can't open '") != NULL);
    mw__meter *one = meter(&a, "k", 5, 1000, 1);
    CHECK(meter(&a, "k", 5, 1000, 1) == one);
    mw__meter *other = meter(&b, "k", 5, 1000, 1);
    CHECK(other != one);
    drop(one);
    CHECK(take(one, mw_loop_now(a.loop), NULL)); /* there was one more user */
    drop(one);
    drop(other);
    mw_loop_free(a.loop);
    mw_loop_free(b.loop);
    CHECK_INT(unlink(link), 0);
    CHECK_INT(unlink(dangling), 0);
    remove_place(&p);
}

TEST(a_take_of_several_is_all_or_nothing)
{
    place p = make_place();
    user a = use(p.path), b = use(p.path);
    mw__meter *list[] = {meter(&a, "all", 10, 1000, 10), meter(&a, "search", 2, 1000, 0),
                         meter(&a, "only for pauses", 0, 0, 0)};
    mw__meter *all = meter(&b, "all", 10, 1000, 10);
    mw__denial denial = {0};
    int64_t now = mw_loop_now(a.loop) + 10 * SECOND;
    CHECK(a.meters->kind->take(a.meters, list, 3, now, &denial));
    CHECK(a.meters->kind->take(a.meters, list, 3, now, &denial));
    CHECK(!a.meters->kind->take(a.meters, list, 3, now, &denial));
    CHECK_INT(denial.meter, 1);
    check_value(&a, "SELECT taken FROM meters WHERE key = 'all'", "2");
    check_value(&a, "SELECT sum(n) FROM places", "2");
    CHECK_INT(take_all(all, now), 8);
    a.meters->kind->give(a.meters, list, 3);
    check_value(&a, "SELECT sum(n) FROM places", "9");

    list[2]->meters->kind->refused(list[2], now, now, now + 5 * SECOND);
    CHECK(!a.meters->kind->take(a.meters, list, 3, now + 2 * SECOND, &denial));
    CHECK_INT(denial.meter, 2);
    CHECK_INT(denial.reason, MW_WAIT_REFUSED);
    CHECK_INT(denial.until, now + 5 * SECOND);
    check_value(&a, "SELECT taken FROM meters WHERE key = 'search'", "2");
    for (int i = 0; i < 3; i++)
        drop(list[i]);
    drop(all);
    mw_loop_free(a.loop);
    mw_loop_free(b.loop);
    remove_place(&p);
}

TEST(refusals_teach_the_others)
{
    place p = make_place();
    user a = use(p.path), b = use(p.path);
    mw__meter *ma = meter(&a, "host", 20, 1000, 0), *mb = meter(&b, "host", 20, 1000, 0);
    mw__denial denial = {0};
    int64_t now = mw_loop_now(a.loop) + 10 * SECOND;
    for (int i = 0; i < 10; i++)
        CHECK(take(i % 2 ? ma : mb, now, NULL));
    CHECK_INT(mb->meters->kind->allowed(mb), 20);
    ma->meters->kind->refused(ma, now, now - SECOND, now + 2 * SECOND);
    CHECK(!take(mb, now + SECOND, &denial));
    CHECK_INT(denial.reason, MW_WAIT_REFUSED);
    CHECK_INT(denial.until, now + 2 * SECOND);
    CHECK_INT(mb->meters->kind->allowed(mb), 9);
    mb->meters->kind->refused(mb, now + SECOND, now, now + 3 * SECOND);
    CHECK_INT(ma->meters->kind->allowed(ma), 8);
    CHECK_INT(take_all(ma, now + 3 * SECOND) + take_all(mb, now + 3 * SECOND),
              10); /* 2 windows on */
    drop(ma);
    drop(mb);
    mw_loop_free(a.loop);
    mw_loop_free(b.loop);
    remove_place(&p);
}

/* ---- many processes ---- */

enum { MOST_TAKES = 20000 };

typedef struct record {
    uint32_t count;
    int64_t at[MOST_TAKES];
} record;

/* Takes as fast as it may until `end`, and writes down what the file says of the times. */
static void take_until(const char *path, uint32_t count, uint32_t window_ms, int64_t end, record *r)
{
    user u = use(path);
    mw__meter *m = meter(&u, "host", count, window_ms, 0);
    const mw__shared_meter *own = (const mw__shared_meter *)m;
    mw__denial denial;
    int64_t now;
    while ((now = mw_loop_now(u.loop)) < end && r->count < MOST_TAKES) {
        if (take(m, now, &denial))
            r->at[r->count++] = own->times[(own->own.taken - 1) % count];
        else if (denial.until > now)
            usleep((useconds_t)(denial.until - now > 20000 ? 20000 : denial.until - now));
    }
    drop(m);
    CHECK_STR(u.meters->trouble, "");
    mw_loop_free(u.loop);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec / 1000;
}

/* Lets processes take for a while; returns the share of what is allowed that was taken. */
static double share_of_what_is_allowed(uint32_t count, uint32_t window_ms, int64_t lasts)
{
    place p = make_place();
    size_t size = sizeof(record[PROCESSES]);
    record *records = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int64_t *all = malloc(sizeof(int64_t[PROCESSES][MOST_TAKES]));
    int64_t window = (int64_t)window_ms * 1000, end = clock_us() + lasts;
    child children[PROCESSES];
    size_t taken = 0;
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = begin_child();
        if (children[i].pid == 0) {
            take_until(p.path, count, window_ms, end, &records[i]);
            _exit(mw_test_failed());
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        end_child(&children[i], 0);
        memcpy(all + taken, records[i].at, records[i].count * sizeof *all);
        taken += records[i].count;
    }
    qsort(all, taken, sizeof *all, by_time);
    CHECK(taken > count);
    unsigned excess = 0;
    for (size_t i = 0; i + count < taken; i++)
        excess += all[i + count] - all[i] < window;
    CHECK_INT(excess, 0);
    int64_t guard = window / 100;
    double windows = (double)(end - all[0]) / (double)(window + guard);
    double whole = (double)(int64_t)windows;
    double rest = (windows - whole) * (double)window > SECOND / 20 ? 1 : 0;
    munmap(records, size);
    free(all);
    mw_loop_free(use(p.path).loop); /* when all close at once, nobody may be the last to tidy up */
    remove_place(&p);
    return (double)taken / ((whole + rest) * count);
}

TEST(no_window_sees_more_than_the_limit_and_little_is_left)
{
    CHECK(share_of_what_is_allowed(300, 1000, 4 * SECOND - SECOND / 2) >= 0.95);
}

TEST(no_small_window_sees_more_than_the_limit)
{
    CHECK(share_of_what_is_allowed(20, 10, SECOND) > 0);
    CHECK(share_of_what_is_allowed(1, 2, SECOND) > 0);
}

TEST(all_may_make_the_file_at_once)
{
    for (int round = 0; round < 10; round++) {
        place p = make_place();
        child children[PROCESSES];
        for (int i = 0; i < PROCESSES; i++) {
            children[i] = begin_child();
            if (children[i].pid == 0) {
                user u = use(p.path);
                mw__meter *m = meter(&u, "host", 100, 60000, 0);
                CHECK(take(m, mw_loop_now(u.loop), NULL));
                drop(m);
                mw_loop_free(u.loop);
                _exit(mw_test_failed());
            }
        }
        for (int i = 0; i < PROCESSES; i++)
            end_child(&children[i], 0);
        user u = use(p.path);
        check_value(&u, "SELECT taken FROM meters", "4");
        mw_loop_free(u.loop);
        remove_place(&p);
    }
}

/* ---- processes that are killed ---- */

TEST(the_dead_give_back_their_places)
{
    place p = make_place();
    for (int round = 0; round < 20; round++) {
        child c = begin_child();
        if (c.pid == 0) {
            user u = use(p.path);
            mw__meter *m = meter(&u, "host", 0, 0, 3);
            if (take_all(m, mw_loop_now(u.loop)) != 3)
                _exit(1);
            say(&c);
            wait_for_the_end();
        }
        CHECK(hear(&c));
        user u = use(p.path);
        mw__meter *m = meter(&u, "host", 0, 0, 3);
        mw__denial denial = {0};
        siginfo_t info;
        int64_t now = mw_loop_now(u.loop);
        CHECK(!take(m, now, &denial));
        CHECK_INT(denial.reason, MW_WAIT_CONCURRENCY);
        CHECK_INT(kill(c.pid, SIGKILL), 0);
        CHECK_INT(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
        now += SECOND;
        if (round % 2) { /* nobody has waited for it: it is still in the list of processes */
            CHECK_INT(take_all(m, now), 3);
            end_child(&c, SIGKILL);
        } else {
            end_child(&c, SIGKILL);
            CHECK_INT(take_all(m, now), 3);
        }
        drop(m);
        mw_loop_free(u.loop);
    }
    remove_place(&p);
}

TEST(a_pid_that_is_used_again_is_another_process)
{
    place p = make_place();
    user u = use(p.path);
    mw__meter *m = meter(&u, "host", 0, 0, 2);
    int64_t now = mw_loop_now(u.loop), start = 0;
    char sql[128];
    CHECK(take(m, now, NULL));
    CHECK(mw__proc_start(getppid(), &start));
    snprintf(sql, sizeof sql, "INSERT INTO places VALUES (1, %d, %" PRId64 ", 1)", getppid(), start);
    tamper(p.path, sql);
    CHECK(!take(m, now + SECOND, NULL));
    tamper(p.path, "UPDATE places SET start = start - 1 WHERE pid = (SELECT min(pid) FROM places)");
    CHECK(take(m, now + 2 * SECOND, NULL));
    drop(m);
    mw_loop_free(u.loop);
    remove_place(&p);
}

TEST(the_file_stays_good_when_takers_are_killed)
{
    place p = make_place();
    for (int round = 0; round < 20; round++) {
        child children[2];
        for (int i = 0; i < 2; i++) {
            children[i] = begin_child();
            if (children[i].pid == 0) {
                user u = use(p.path);
                mw__meter *list[] = {meter(&u, "host", 100000, 60000, 4),
                                     meter(&u, "host", 100000, 1, 0)};
                mw__denial denial;
                for (unsigned n = 0;; n++) {
                    if (u.meters->kind->take(u.meters, list, 2, mw_loop_now(u.loop), &denial) &&
                        n % 3)
                        u.meters->kind->give(u.meters, list, 2);
                    if (n == 20)
                        say(&children[i]);
                }
            }
        }
        for (int i = 0; i < 2; i++)
            CHECK(hear(&children[i]));
        usleep((useconds_t)(round * 137));
        for (int i = 0; i < 2; i++)
            end_child(&children[i], SIGKILL);
        user u = use(p.path);
        mw__meter *m = meter(&u, "host", 100000, 60000, 4);
        check_value(&u, "PRAGMA integrity_check", "ok");
        CHECK_INT(take_all(m, mw_loop_now(u.loop) + SECOND), 4);
        drop(m);
        mw_loop_free(u.loop);
    }
    remove_place(&p);
}

/* ---- what is in the file ---- */

TEST(what_is_of_an_earlier_run_of_the_machine_is_gone)
{
    place p = make_place();
    user u = use(p.path);
    mw__meter *m = meter(&u, "host", 3, 60000, 2);
    int64_t now = mw_loop_now(u.loop);
    CHECK_INT(take_all(m, now), 2);
    drop(m);
    mw_loop_free(u.loop);
    u = use(p.path);
    m = meter(&u, "host", 3, 60000, 2);
    CHECK_INT(take_all(m, now), 1); /* the same run: the tokens are taken */
    drop(m);
    mw_loop_free(u.loop);
    tamper(p.path, "UPDATE machine SET boot = '3e8d8c8e-0000-0000-0000-000000000000'");
    u = use(p.path);
    m = meter(&u, "host", 3, 60000, 2);
    check_value(&u, "SELECT count(*) FROM meters", "0");
    check_value(&u, "SELECT count(*) FROM tokens", "0");
    CHECK_INT(take_all(m, now), 2);
    drop(m);
    mw_loop_free(u.loop);
    remove_place(&p);
}

TEST(what_nobody_uses_any_more_is_removed)
{
    place p = make_place();
    user u = use(p.path);
    mw__meter *list[] = {meter(&u, "old", 1, 1000, 0), meter(&u, "young", 1, 1000, 0)};
    for (int i = 0; i < 2; i++) {
        CHECK(take(list[i], mw_loop_now(u.loop), NULL));
        drop(list[i]);
    }
    mw_loop_free(u.loop);
    tamper(p.path, "UPDATE meters SET used_us = -86400000000 WHERE key = 'old'");
    u = use(p.path);
    check_value(&u, "SELECT group_concat(key) FROM meters", "young");
    check_value(&u, "SELECT count(*) FROM tokens", "1");
    mw_loop_free(u.loop);
    remove_place(&p);
}

TEST(numbers_that_cannot_be_stop_nobody)
{
    static const char *const pranks[] = {
        "UPDATE tokens SET at_us = 9223372036854775807",
        "UPDATE tokens SET at_us = -9223372036854775807",
        "UPDATE meters SET paused_us = 9223372036854775807",
        "UPDATE meters SET allowed = 0, learnt_us = 9223372036854775807",
        "UPDATE meters SET allowed = 9223372036854775807, taken = 9223372036854775807",
        "UPDATE meters SET allowed = -1, taken = -1, learnt_us = -9223372036854775807",
        "UPDATE meters SET taken = 4000000000",
        "DELETE FROM tokens",
        "DELETE FROM meters",
        "UPDATE places SET n = -5",
        "UPDATE places SET n = 9223372036854775807, pid = -1",
        "UPDATE places SET pid = 9223372036854775807",
    };
    place p = make_place();
    user u = use(p.path);
    mw__meter *m = meter(&u, "host", 4, 1000, 5);
    int64_t now = mw_loop_now(u.loop);
    for (size_t i = 0; i < sizeof pranks / sizeof pranks[0]; i++) {
        mw__denial denial = {0};
        now += 10 * SECOND;
        CHECK(take(m, now, NULL));
        tamper(p.path, pranks[i]);
        bool taken = take(m, now + 2 * SECOND, &denial);
        if (!taken && denial.until <= now + 4 * SECOND)
            taken = take(m, denial.until, &denial);
        if (!taken)
            CHECK_STR(pranks[i], "one more can be taken");
        give(m);
        give(m);
    }
    CHECK_STR(u.meters->trouble, "");
    drop(m);
    mw_loop_free(u.loop);
    remove_place(&p);
}

/* ---- files that are none ---- */

static void write_file(const char *path, const char *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, length, file) == length);
    if (file)
        fclose(file);
}

static void check_refused(const char *path, const char *reason)
{
    mw_loop *loop = NULL;
    mw__meters *meters = NULL;
    mw_error error = {0};
    CHECK_INT(mw_loop_new(&loop), MW_OK);
    CHECK_INT(mw__meters_shared(loop, path, &meters, &error), MW_INVALID);
    CHECK(meters == NULL);
    if (!strstr(error.message, reason) || !strstr(error.message, "can't "))
        CHECK_STR(error.message, reason);
    mw_loop_free(loop);
}

TEST(files_of_others_are_refused_and_left_alone)
{
    static const char text[] =
        "these are notes, and longer than the header of a file of SQLite is: "
        "one hundred bytes, that is";
    static const struct {
        const char *sql, *reason;
    } others[] = {
        {"CREATE TABLE x (y)", "belongs to another program"},
        {"PRAGMA application_id = 1836541039; CREATE TABLE x (y)", "belongs to another program"},
        {"PRAGMA application_id = 1836541037; PRAGMA user_version = 2; CREATE TABLE x (y)",
         "version 2"},
        {"PRAGMA application_id = 1836541037; PRAGMA user_version = 1; CREATE TABLE x (y)",
         "it is not a file of limits"},
    };
    place p = make_place();
    write_file(p.path, text, sizeof text);
    check_refused(p.path, "it is not a file of limits");
    write_file(p.path, text, 1);
    check_refused(p.path, "it is not a file of limits");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const mw__sqlite *lib = mw__sqlite_get(NULL);
        sqlite3 *db = NULL;
        CHECK_INT(unlink(p.path), 0);
        CHECK_INT(lib->open_v2(p.path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), 0);
        CHECK_INT(lib->exec(db, others[i].sql, NULL, NULL, NULL), SQLITE_OK);
        CHECK_INT(lib->close(db), SQLITE_OK);
        check_refused(p.path, others[i].reason);
    }
    remove_place(&p); /* nothing was left beside it */
}

TEST(damaged_files_are_refused)
{
    place p = make_place();
    user u = use(p.path);
    mw__meter *m = meter(&u, "host", 1000, 60000, 1);
    drop(m);
    mw_loop_free(u.loop);
    CHECK_INT(truncate(p.path, 4096), 0);
    check_refused(p.path, "it is damaged");
    CHECK_INT(truncate(p.path, 50), 0);
    check_refused(p.path, "it is not a file of limits");
    CHECK_INT(truncate(p.path, 0), 0); /* an empty one is a new one */
    mw_loop_free(use(p.path).loop);
    remove_place(&p);
}

TEST(places_where_no_file_can_be_are_refused)
{
    place p = make_place();
    char path[80];
    check_refused("", "give a path");
    check_refused(p.folder, "it is no regular file");
    snprintf(path, sizeof path, "%s/none/file", p.folder);
    check_refused(path, "No such file or directory");
    CHECK_INT(mkfifo(p.path, 0600), 0);
    check_refused(p.path, "it is no regular file");
    CHECK_INT(unlink(p.path), 0);
    mw_loop_free(use(p.path).loop);
    child c = begin_child();
    if (c.pid == 0) {
        if (geteuid() == 0 && seteuid(65534) != 0)
            _exit(2);
        check_refused(p.path, "Permission denied"); /* the folder is not open to strangers */
        _exit(mw_test_failed());
    }
    end_child(&c, 0);
    c = begin_child();
    if (c.pid == 0) {
        CHECK_INT(chmod(p.folder, 0755), 0);
        CHECK_INT(chmod(p.path, 0444), 0);
        if (geteuid() == 0 && seteuid(65534) != 0)
            _exit(2);
        check_refused(p.path, "it may not be written");
        _exit(mw_test_failed());
    }
    end_child(&c, 0);
    remove_place(&p);
}

/* ---- a file that fails in the middle ---- */

/* Of 5 tokens 2 are taken; the others can be had alone, and no more. The trouble is told once. */
static void check_alone(user *u, mw__meter *m, int64_t now, const char *reason)
{
    mw__denial denial = {0};
    CHECK_INT(take_all(m, now + 1), 3);
    if (!strstr(u->meters->trouble, reason))
        CHECK_STR(u->meters->trouble, reason);
    u->meters->trouble[0] = '\0';
    CHECK(!take(m, now + 2, &denial));
    CHECK_INT(denial.until, now + SECOND + SECOND / 100);
    CHECK_INT(m->meters->kind->when(m, now + 2, 1), denial.until);
    CHECK_INT(take_all(m, denial.until), 2);
    m->meters->kind->refused(m, denial.until, now, denial.until + 3 * SECOND);
    CHECK(m->meters->kind->allowed(m) < 5);
    CHECK(!take(m, denial.until + 2 * SECOND, &denial));
    CHECK_INT(denial.reason, MW_WAIT_REFUSED);
    CHECK_STR(u->meters->trouble, "");
}

TEST(limits_go_on_alone_when_the_file_is_gone)
{
    place p = make_place();
    user u = use(p.path);
    mw__meter *m = meter(&u, "host", 5, 1000, 0), *cap = meter(&u, "host", 0, 0, 2);
    int64_t now = mw_loop_now(u.loop) + SECOND;
    CHECK(take(m, now, NULL) && take(m, now, NULL) && take(cap, now, NULL));
    CHECK_INT(unlink(p.path), 0);
    user v = use(p.path); /* another file of that name */
    check_alone(&u, m, now, "the file has been moved, removed or replaced");
    CHECK(take(cap, now, NULL) && !take(cap, now, NULL));
    give(cap);
    CHECK(take(cap, now, NULL) && !take(cap, now, NULL));
    user w = {.loop = u.loop}; /* whoever asks from now on gets the new file */
    CHECK_INT(mw__meters_shared(w.loop, p.path, &w.meters, NULL), MW_OK);
    CHECK(w.meters != u.meters);
    drop(cap);
    drop(m);
    mw_loop_free(u.loop);
    check_value(&v, "SELECT count(*) FROM meters", "0");
    m = meter(&v, "host", 5, 1000, 0);
    CHECK_INT(take_all(m, now), 5);
    drop(m);
    mw_loop_free(v.loop);
    remove_place(&p);
}

TEST(limits_go_on_alone_when_the_file_is_damaged)
{
    place p = make_place();
    user u = use(p.path);
    mw__meter *m = meter(&u, "host", 5, 1000, 0);
    int64_t now = mw_loop_now(u.loop) + SECOND;
    CHECK(take(m, now, NULL) && take(m, now, NULL));
    tamper(p.path, "DROP TABLE tokens");
    check_alone(&u, m, now, "SQL logic error");
    drop(m);
    mw_loop_free(u.loop);
    check_refused(p.path, "it is not a file of limits");
    remove_all(&p);

    p = make_place();
    u = use(p.path);
    m = meter(&u, "host", 5, 1000, 0);
    CHECK(take(m, now, NULL) && take(m, now, NULL));
    tamper(p.path, "PRAGMA wal_checkpoint(TRUNCATE)");
    CHECK_INT(truncate(p.path, 4096), 0);
    check_alone(&u, m, now, "");
    drop(m);
    mw_loop_free(u.loop);
    remove_all(&p);
}

TEST(limits_go_on_alone_when_the_disk_is_full)
{
    place p = make_place();
    child c = begin_child();
    if (c.pid == 0) {
        user u = use(p.path);
        mw__meter *m = meter(&u, "host", 5, 1000, 0);
        int64_t now = mw_loop_now(u.loop) + SECOND;
        CHECK(take(m, now, NULL) && take(m, now, NULL));
        signal(SIGXFSZ, SIG_IGN);
        CHECK_INT(setrlimit(RLIMIT_FSIZE, &(struct rlimit){8192, 8192}), 0);
        check_alone(&u, m, now, "limits are not shared with other processes any more: ");
        drop(m);
        mw_loop_free(u.loop);
        _exit(mw_test_failed());
    }
    end_child(&c, 0);
    user u = use(p.path); /* and what was in the file is good */
    check_value(&u, "PRAGMA integrity_check", "ok");
    check_value(&u, "SELECT taken FROM meters", "2");
    mw_loop_free(u.loop);
    remove_place(&p);
}

/* A process that keeps the file locked, from its word on. */
static child begin_locker(const char *path, const child *go)
{
    child c = begin_child();
    if (c.pid == 0) {
        const mw__sqlite *lib = mw__sqlite_get(NULL);
        sqlite3 *db = NULL;
        if (!hear(go) || lib->open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
            lib->exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
            _exit(1);
        say(&c);
        wait_for_the_end();
    }
    return c;
}

TEST(a_file_that_is_locked_is_waited_for_but_not_for_ever)
{
    place p = make_place();
    int ends[2][2];
    child lockers[2];
    for (int i = 0; i < 2; i++) {
        CHECK_INT(pipe2(ends[i], O_CLOEXEC), 0);
        lockers[i] = begin_locker(p.path, &(child){.said = ends[i][0]});
    }
    user u = use(p.path);
    mw__meter *m = meter(&u, "host", 5, 1000, 0), *cap = meter(&u, "host", 0, 0, 1);
    mw__denial denial = {0};
    int64_t now = mw_loop_now(u.loop) + 60 * SECOND;
    CHECK(take(m, now, NULL) && take(m, now, NULL) && take(cap, now, NULL));

    say(&(child){.said = ends[0][1]});
    CHECK(hear(&lockers[0]));
    CHECK(!take(m, now, &denial));
    CHECK_INT(denial.reason, MW_WAIT_LIMIT);
    CHECK(denial.until > now && denial.until < now + SECOND);
    give(cap); /* nobody can be told */
    m->meters->kind->refused(m, now, now, now + 2 * SECOND);
    end_child(&lockers[0], SIGKILL);
    check_value(&u, "SELECT sum(n) FROM places", "1");
    CHECK(!take(m, now + SECOND, &denial)); /* the refusal was kept in mind */
    CHECK_INT(denial.reason, MW_WAIT_REFUSED);
    CHECK(take(cap, now + 3 * SECOND, NULL)); /* so was the place */
    check_value(&u, "SELECT sum(n) FROM places", "1");
    CHECK(take(m, now + 3 * SECOND, NULL)); /* one more when the file is given up */

    say(&(child){.said = ends[1][1]});
    CHECK(hear(&lockers[1]));
    unsigned denied = 0;
    while (denied < 1000 && !*u.meters->trouble && !take(m, now + 3 * SECOND, NULL))
        denied++;
    CHECK(denied > 100 && denied < 1000);
    check_alone(&u, m, now + 3 * SECOND, "another process keeps it locked");
    end_child(&lockers[1], SIGKILL);
    drop(m);
    drop(cap);
    mw_loop_free(u.loop);
    for (int i = 0; i < 4; i++)
        close(ends[i / 2][i % 2]);
    mw_loop_free(use(p.path).loop);
    remove_place(&p);
}

TEST(any_allocation_may_fail)
{
    place p = make_place();
    unsigned nth = 1;
    for (; nth < 100; nth++) {
        const mw_lane_limit limit = {1000, 1000, 0};
        mw_loop *loop = NULL;
        mw__meters *meters = NULL;
        mw__meter *m = NULL;
        mw_error error = {0};
        CHECK_INT(mw_loop_new(&loop), MW_OK);
        fail_allocation(nth);
        int rc = mw__meters_shared(loop, p.path, &meters, &error);
        if (rc == MW_OK)
            rc = meters->kind->open(meters, "host", &limit, &m, &error);
        unsigned taken = rc == MW_OK ? take_all(m, mw_loop_now(loop) + nth * 10 * SECOND) : 1000;
        bool failed = allocation_failed();
        fail_allocation(0);
        CHECK_INT(taken, 1000);
        CHECK(failed ? rc == MW_OK || rc == MW_MEMORY : rc == MW_OK);
        CHECK(rc == MW_OK || strstr(error.message, "out of memory"));
        if (m)
            drop(m);
        mw_loop_free(loop);
        if (!failed)
            break;
    }
    CHECK(nth > 3 && nth < 100);
    remove_place(&p);
}

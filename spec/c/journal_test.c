/* journal_test.c: journals as the core sees them: entries, who has one in hand, processes that race and die, files that
 * are none, and what happens when memory runs out. */
#define _GNU_SOURCE
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "failing_alloc.h"
#include "journal.h"
#include "mw/client.h"
#include "sqlite_lib.h"
#include "test.h"

#define SERVER "https://desk.example"

typedef struct place {
    char folder[32];
    char path[64];
} place;

static place make_place(void)
{
    place p = {.folder = "/tmp/mw_journal_XXXXXX"};
    CHECK(mkdtemp(p.folder) != NULL);
    snprintf(p.path, sizeof p.path, "%s/a/b/file", p.folder);
    return p;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static void remove_place(const place *p)
{
    CHECK_INT(nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static mw__journal *open_journal(const char *path)
{
    mw__journal *journal = NULL;
    mw_error error = {0};
    int rc = mw__journal_open(path, &journal, &error);
    CHECK_STR(error.message, "");
    CHECK_INT(rc, MW_OK);
    return journal;
}

static void begin(mw__journal *journal, const char *key, mw__journal_entry *entry,
                  mw__journal_state state)
{
    mw_error error = {0};
    CHECK_INT(mw__journal_begin(journal, SERVER, key, 7, entry, &error), MW_OK);
    CHECK_STR(error.message, "");
    CHECK_INT(entry->state, state);
}

static void check_busy(mw__journal *journal, const char *key)
{
    mw__journal_entry entry;
    mw_error error = {0};
    CHECK_INT(mw__journal_begin(journal, SERVER, key, 7, &entry, &error), MW_INVALID);
    CHECK(strstr(error.message, "another call with the key 'a' is under way") != NULL);
}

TEST(an_entry_is_new_then_open_then_done)
{
    place p = make_place();
    mw__journal *journal = open_journal(p.path);
    mw__journal_entry entry;
    mw_error error = {0};
    begin(journal, "a", &entry, MW__JOURNAL_NEW);
    mw__journal_release(journal, &entry);
    mw__journal_release(journal, &entry);
    mw__journal_close(journal);

    journal = open_journal(p.path);
    int64_t id = entry.id;
    begin(journal, "a", &entry, MW__JOURNAL_OPEN);
    CHECK_INT(entry.id, id);
    CHECK(entry.began > 0 && entry.sent == entry.began);
    CHECK_INT(mw__journal_again(journal, &entry, &error), MW_OK);
    CHECK_INT(mw__journal_done(journal, &entry, "{\"id\":1}", 8), MW_OK);
    mw__journal_close(journal);

    journal = open_journal(p.path);
    begin(journal, "a", &entry, MW__JOURNAL_DONE);
    CHECK_STR(entry.body, "{\"id\":1}");
    CHECK_INT(entry.length, 8);
    free(entry.body);
    CHECK_INT(mw__journal_drop(journal, &entry), MW_OK); /* what is done stays so */
    begin(journal, "a", &entry, MW__JOURNAL_DONE);
    free(entry.body);
    mw__journal_close(journal);
    remove_place(&p);
}

TEST(an_intent_that_is_dropped_was_never_there)
{
    place p = make_place();
    mw__journal *journal = open_journal(p.path);
    mw__journal_entry entry;
    begin(journal, "a", &entry, MW__JOURNAL_NEW);
    CHECK_INT(mw__journal_drop(journal, &entry), MW_OK);
    CHECK_INT(mw__journal_begin(journal, SERVER, "a", 8, &entry, NULL), MW_OK);
    CHECK_INT(entry.state, MW__JOURNAL_NEW);
    mw__journal_release(journal, &entry);
    mw__journal_close(journal);
    remove_place(&p);
}

TEST(a_key_means_one_thing_at_each_server)
{
    mw__journal *journal = open_journal(MW_JOURNAL_MEMORY);
    mw__journal_entry entry;
    mw__journal_entry other;
    mw_error error = {0};
    begin(journal, "a", &entry, MW__JOURNAL_NEW);
    CHECK_INT(mw__journal_begin(journal, "https://other.example", "a", 9, &other, &error), MW_OK);
    CHECK_INT(other.state, MW__JOURNAL_NEW);
    mw__journal_release(journal, &other);
    CHECK_INT(mw__journal_begin(journal, SERVER, "a", 9, &other, &error), MW_INVALID);
    CHECK_STR(error.field, "once");
    CHECK(strstr(error.message, "was used before for something else") != NULL);
    mw__journal_release(journal, &entry);
    mw__journal_close(journal);
}

TEST(an_answer_that_is_too_large_is_not_kept)
{
    mw__journal *journal = open_journal(MW_JOURNAL_MEMORY);
    mw__journal_entry entry;
    char *body = malloc(MW_JOURNAL_MAX_BODY + 1);
    memset(body, 'x', MW_JOURNAL_MAX_BODY + 1);
    for (size_t more = 0; more < 2; more++) {
        const char *key = more ? "more" : "most";
        begin(journal, key, &entry, MW__JOURNAL_NEW);
        CHECK_INT(mw__journal_done(journal, &entry, body, MW_JOURNAL_MAX_BODY + more), MW_OK);
        begin(journal, key, &entry, MW__JOURNAL_DONE);
        CHECK((entry.body == NULL) == (more == 1));
        CHECK_INT(entry.length, more ? 0 : MW_JOURNAL_MAX_BODY);
        free(entry.body);
    }
    free(body);
    mw__journal_close(journal);
}

TEST(an_entry_is_in_one_hand_at_a_time)
{
    place p = make_place();
    mw__journal *one = open_journal(p.path);
    mw__journal *two = open_journal(p.path);
    mw__journal_entry entry;
    mw__journal_entry other;
    begin(one, "a", &entry, MW__JOURNAL_NEW);
    begin(one, "b", &other, MW__JOURNAL_NEW);
    check_busy(one, "a");
    check_busy(two, "a");
    mw__journal_release(one, &entry);
    begin(two, "a", &entry, MW__JOURNAL_OPEN);
    check_busy(one, "a");
    mw__journal_done(two, &entry, "{}", 2);
    begin(one, "a", &entry, MW__JOURNAL_DONE);
    free(entry.body);
    mw__journal_release(one, &other);
    mw__journal_close(one);
    mw__journal_close(two);
    remove_place(&p);
}

/* ---- processes ---- */

/* Runs `fn` in a process of its own. */
static pid_t start(int (*fn)(const char *path, int say), const char *path, int say)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(fn(path, say));
    return pid;
}

/* Makes what is to be made once, slowly, and says so. */
static int make_once(const char *path, int say)
{
    mw__journal *journal = NULL;
    mw__journal_entry entry;
    if (mw__journal_open(path, &journal, NULL) != MW_OK)
        return 1;
    for (int i = 0; i < 2000; i++) {
        int rc = mw__journal_begin(journal, SERVER, "a", 7, &entry, NULL);
        if (rc == MW_OK && entry.state == MW__JOURNAL_DONE) {
            free(entry.body);
            mw__journal_close(journal);
            return 0;
        }
        if (rc == MW_OK) {
            ssize_t written = write(say, entry.state == MW__JOURNAL_NEW ? "n" : "o", 1);
            usleep(20000);
            if (written != 1 || mw__journal_done(journal, &entry, "{}", 2) != MW_OK)
                return 2;
        }
        usleep(1000);
    }
    return 3;
}

static int hold_for_ever(const char *path, int say)
{
    mw__journal *journal = NULL;
    mw__journal_entry entry;
    if (mw__journal_open(path, &journal, NULL) != MW_OK ||
        mw__journal_begin(journal, SERVER, "a", 7, &entry, NULL) != MW_OK ||
        write(say, entry.state == MW__JOURNAL_NEW ? "n" : "o", 1) != 1)
        return 1;
    for (;;)
        pause();
}

TEST(of_processes_that_race_one_makes_it)
{
    enum { PROCESSES = 8 };
    for (int round = 0; round < 5; round++) {
        place p = make_place();
        pid_t pids[PROCESSES];
        int ends[2];
        char said[PROCESSES + 1];
        CHECK_INT(pipe(ends), 0);
        for (int i = 0; i < PROCESSES; i++) /* the file is not there yet */
            pids[i] = start(make_once, p.path, ends[1]);
        close(ends[1]);
        for (int i = 0; i < PROCESSES; i++) {
            int status = -1;
            CHECK_INT(waitpid(pids[i], &status, 0), pids[i]);
            CHECK_INT(status, 0);
        }
        CHECK_INT(read(ends[0], said, sizeof said), 1);
        CHECK_INT(said[0], 'n');
        close(ends[0]);
        remove_place(&p);
    }
}

TEST(a_process_that_dies_lets_go)
{
    place p = make_place();
    int ends[2];
    char said;
    CHECK_INT(pipe(ends), 0);
    for (int round = 0; round < 5; round++) {
        pid_t pid = start(hold_for_ever, p.path, ends[1]);
        CHECK_INT(read(ends[0], &said, 1), 1);
        CHECK_INT(said, round == 0 ? 'n' : 'o');
        mw__journal *journal = open_journal(p.path);
        check_busy(journal, "a");
        CHECK_INT(kill(pid, SIGKILL), 0);
        CHECK_INT(waitpid(pid, NULL, 0), pid);
        mw__journal_entry entry;
        begin(journal, "a", &entry, MW__JOURNAL_OPEN);
        mw__journal_release(journal, &entry);
        mw__journal_close(journal);
    }
    close(ends[0]);
    close(ends[1]);
    remove_place(&p);
}

TEST(who_comes_by_a_link_meets_the_others)
{
    place p = make_place();
    char link[80];
    mw__journal *journal = open_journal(p.path);
    snprintf(link, sizeof link, "%s/link", p.folder);
    CHECK_INT(symlink("a/b/file", link), 0);
    mw__journal *other = open_journal(link);
    mw__journal_entry entry;
    begin(journal, "a", &entry, MW__JOURNAL_NEW);
    check_busy(other, "a");
    mw__journal_release(journal, &entry);
    begin(other, "a", &entry, MW__JOURNAL_OPEN);
    check_busy(journal, "a");
    mw__journal_release(other, &entry);
    mw__journal_close(other);
    mw__journal_close(journal);
    remove_place(&p);
}

/* ---- files ---- */

static void run_sql(const char *path, const char *sql)
{
    const mw__sqlite *lib = mw__sqlite_get(NULL);
    sqlite3 *db = NULL;
    CHECK_INT(lib->open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
    CHECK_INT(lib->exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    lib->close(db);
}

TEST(entries_that_are_done_for_long_go_when_it_is_opened)
{
    place p = make_place();
    static const char *const keys[] = {"a", "b", "c"};
    mw__journal *journal = open_journal(p.path);
    mw__journal_entry entry;
    for (size_t i = 0; i < 3; i++) {
        begin(journal, keys[i], &entry, MW__JOURNAL_NEW);
        if (i < 2)
            mw__journal_done(journal, &entry, "{}", 2);
        mw__journal_release(journal, &entry);
    }
    mw__journal_close(journal);
    run_sql(p.path, "UPDATE entries SET ended = ended - 31 * 86400 WHERE key = 'a';"
                    "UPDATE entries SET ended = ended - 29 * 86400 WHERE key = 'b';"
                    "UPDATE entries SET began = 1, sent = 1 WHERE key = 'c'");
    journal = open_journal(p.path);
    begin(journal, "a", &entry, MW__JOURNAL_NEW);
    mw__journal_release(journal, &entry);
    begin(journal, "b", &entry, MW__JOURNAL_DONE);
    free(entry.body);
    begin(journal, "c", &entry, MW__JOURNAL_OPEN); /* nobody knows what became of it */
    mw__journal_release(journal, &entry);
    mw__journal_close(journal);
    remove_place(&p);
}

TEST(a_journal_that_is_not_there_any_more_promises_nothing)
{
    static const char *const names[] = {"", "-lock"};
    for (size_t i = 0; i < 2; i++) {
        place p = make_place();
        char gone[80];
        mw_error error = {0};
        mw__journal_entry entry;
        mw__journal *journal = open_journal(p.path);
        snprintf(gone, sizeof gone, "%s%s", p.path, names[i]);
        CHECK_INT(unlink(gone), 0);
        CHECK_INT(mw__journal_begin(journal, SERVER, "a", 7, &entry, &error), MW_INVALID);
        CHECK(strstr(error.message, "moved, removed or replaced") != NULL);
        mw__journal_close(journal);
        remove_place(&p);
    }
}

TEST(times_that_cannot_be_are_set_right)
{
    place p = make_place();
    mw__journal_entry entry;
    static const char *const times[] = {"-1", "-9223372036854775807 - 1", "9223372036854775807",
                                        "-10000000000000"};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char sql[120];
        mw__journal *journal = open_journal(p.path);
        CHECK_INT(mw__journal_begin(journal, SERVER, "a", 7, &entry, NULL), MW_OK);
        mw__journal_release(journal, &entry);
        mw__journal_close(journal);
        snprintf(sql, sizeof sql, "UPDATE entries SET began = %s, sent = %s", times[i], times[i]);
        run_sql(p.path, sql);
        journal = open_journal(p.path);
        begin(journal, "a", &entry, MW__JOURNAL_OPEN);
        CHECK(entry.began >= 0 && entry.began <= (int64_t)time(NULL));
        CHECK_INT(entry.sent, entry.began);
        mw__journal_release(journal, &entry);
        mw__journal_close(journal);
    }
    remove_place(&p);
}

TEST(a_journal_is_for_its_owner_alone)
{
    place p = make_place();
    char beside[80];
    struct stat info;
    mode_t before = umask(0);
    mw__journal *journal = open_journal(p.path);
    static const char *const names[] = {"", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(beside, sizeof beside, "%s%s", p.path, names[i]);
        CHECK_INT(stat(beside, &info), 0);
        CHECK_INT(info.st_mode & 0777, 0600);
    }
    snprintf(beside, sizeof beside, "%s/a/b", p.folder);
    CHECK_INT(stat(beside, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0700);
    umask(before);
    mw__journal_close(journal);
    remove_place(&p);
}

static void check_refused(const char *path, const char *reason)
{
    mw__journal *journal = NULL;
    mw_error error = {0};
    CHECK_INT(mw__journal_open(path, &journal, &error), MW_INVALID);
    CHECK(journal == NULL);
    CHECK_STR(error.field, "path");
    if (!strstr(error.message, reason))
        CHECK_STR(error.message, reason);
}

static void write_file(const char *path, const char *text, size_t length)
{
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK_INT(fwrite(text, 1, length, file), (int64_t)length);
    fclose(file);
}

TEST(what_is_no_journal_is_left_alone)
{
    place p = make_place();
    char path[64];
    char text[400];
    snprintf(path, sizeof path, "%s/file", p.folder);
    memset(text, 'x', sizeof text);
    check_refused(p.folder, "it is no regular file");
    write_file(path, text, sizeof text);
    check_refused(path, "it is not a journal");
    write_file(path, text, 1);
    check_refused(path, "it is not a journal");
    CHECK_INT(unlink(path), 0);
    run_sql(path, "CREATE TABLE entries (id INTEGER)");
    check_refused(path, "it belongs to another program");
    run_sql(path, "PRAGMA application_id = 1836541035; PRAGMA user_version = 2");
    check_refused(path, "it is of version 2, and this program knows version 1");
    run_sql(path, "PRAGMA user_version = 1");
    check_refused(path, "it is not a journal");
    CHECK_INT(unlink(path), 0);
    CHECK_INT(mkfifo(path, 0600), 0);
    check_refused(path, "it is no regular file");
    CHECK_INT(unlink(path), 0);
    snprintf(text, sizeof text, "%s/file/below", p.folder);
    write_file(path, "", 0);
    check_refused(text, "Not a directory");
    snprintf(text, sizeof text, "%s-lock", path);
    CHECK_INT(symlink("/etc/passwd", text), 0);
    check_refused(path, "can't open the file -lock of ");
    remove_place(&p);
}

TEST(a_journal_that_was_tampered_with_is_refused)
{
    place p = make_place();
    mw__journal_entry entry;
    mw__journal *journal = open_journal(p.path);
    begin(journal, "a", &entry, MW__JOURNAL_NEW);
    mw__journal_release(journal, &entry);
    mw__journal_close(journal);
    run_sql(p.path, "CREATE TRIGGER t AFTER UPDATE ON entries BEGIN DELETE FROM entries; END");
    check_refused(p.path, "it is not a journal");
    run_sql(p.path, "DROP TRIGGER t");
    mw__journal_close(open_journal(p.path));
    CHECK_INT(truncate(p.path, 4096), 0);
    check_refused(p.path, "can't open '");
    remove_place(&p);
}

static int use_journal(const char *path)
{
    mw__journal *journal = NULL;
    mw__journal_entry entry;
    int rc = mw__journal_open(path, &journal, NULL);
    if (rc != MW_OK)
        return rc;
    rc = mw__journal_begin(journal, SERVER, "a", 7, &entry, NULL);
    if (rc == MW_OK && entry.state == MW__JOURNAL_DONE)
        free(entry.body);
    else if (rc == MW_OK)
        rc = mw__journal_done(journal, &entry, "{}", 2);
    mw__journal_close(journal);
    return rc;
}

TEST(any_allocation_of_a_journal_may_fail)
{
    place p = make_place();
    bool failed = true;
    mw__sqlite_get(NULL);
    for (unsigned nth = 1; failed && nth < 3000; nth++) {
        fail_allocation(nth);
        int rc = use_journal(p.path);
        failed = allocation_failed();
        fail_allocation(0);
        CHECK(rc == MW_OK || rc == MW_MEMORY || rc == MW_INVALID);
        CHECK(failed || rc == MW_OK);
    }
    CHECK(!failed);
    CHECK_INT(use_journal(p.path), MW_OK);
    remove_place(&p);
}

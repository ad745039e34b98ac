/* files_test.c: granted folders and the files below them, on a real file system, with links, races and other things
 * in the way. Knows nothing of scripts. */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

static mw_error error;
static char root[200]; /* a folder of the test's own */
static mw__grants *grants;
static mw__files *files;

/* "root/NAME", in one of a few buffers. */
static char *at(const char *name)
{
    static char paths[8][400];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");
    CHECK(file && fputs(text, file) >= 0);
    if (file)
        fclose(file);
}

static const char *get(const char *name)
{
    static char text[200];
    FILE *file = fopen(at(name), "r");
    if (!file)
        return NULL;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/mw_files.XXXXXX", tmp ? tmp : "/tmp");
    CHECK(mkdtemp(root) != NULL);
    CHECK(mkdir(at("in"), 0700) == 0 && mkdir(at("in/dir"), 0700) == 0 &&
          mkdir(at("out"), 0700) == 0);
    put("in/a", "inside");
    put("in/dir/secret", "inside");
    put("out/secret", "outside");
    CHECK_INT(mw__grants_new(&grants), MW_OK);
    CHECK_INT(mw__files_new(grants, &files), MW_OK);
}

static void teardown(void)
{
    mw__files_free(files);
    mw__grants_free(grants);
    pid_t child = fork();
    if (child == 0) {
        execlp("rm", "rm", "-rf", root, (char *)NULL);
        _exit(127);
    }
    waitpid(child, NULL, 0);
}

/* What a script would read, or the message. */
static const char *slurp(const char *path)
{
    static char data[200];
    uint32_t handle;
    size_t length = sizeof data - 1;
    error = (mw_error){0};
    if (mw__files_open(files, path, 'r', &handle, &error) < 0)
        return error.message;
    CHECK_INT(mw__files_read(files, handle, data, &length, &error), MW_OK);
    data[length] = '\0';
    CHECK_INT(mw__files_close(files, handle, false, &error), MW_OK);
    return data;
}

static int spit(const char *path, char mode, const char *text, bool keep)
{
    uint32_t handle;
    error = (mw_error){0};
    int rc = mw__files_open(files, path, mode, &handle, &error);
    if (rc == MW_OK)
        rc = mw__files_write(files, handle, text, strlen(text), &error);
    if (rc == MW_OK)
        rc = mw__files_close(files, handle, keep, &error);
    return rc;
}

static bool holds(const char *text, const char *part)
{
    return text && strstr(text, part) != NULL;
}

TEST(nothing_is_open_without_a_grant)
{
    setup();
    bool exists;
    CHECK(holds(slurp(at("in/a")),
                "no folder that holds it is granted; --allow-read DIR grants one"));
    CHECK_INT(error.code, MW_DENIED);
    CHECK_INT(spit(at("in/new"), 'w', "x", true), MW_DENIED);
    CHECK(holds(error.message, "granted for writing; --allow-write DIR"));
    CHECK_INT(mw__files_exists(files, at("in/a"), &exists, &error), MW_DENIED);
    CHECK(!get("in/new"));
    CHECK_INT(mw__grants_add(grants, at("in/a"), false, &error), MW_INVALID);
    CHECK(holds(error.message, "Not a directory"));
    CHECK_INT(mw__grants_add(grants, at("none"), false, &error), MW_INVALID);
    teardown();
}

TEST(reads_below_a_grant_and_nowhere_else)
{
    setup();
    bool exists = false;
    CHECK_INT(mw__grants_add(grants, at("in"), false, &error), MW_OK);
    CHECK_STR(slurp(at("in/a")), "inside");
    CHECK_STR(slurp(at("in//./dir/secret")), "inside");
    CHECK(holds(slurp(at("in")), "it is a folder"));
    CHECK(holds(slurp(at("in/none")), "No such file"));
    CHECK_INT(error.code, MW_INVALID);
    CHECK(holds(slurp(at("in/../out/secret")), "'..' is not followed"));
    CHECK(holds(slurp(at("out/secret")), "no folder"));
    CHECK(holds(slurp(at("inn")), "no folder"));
    CHECK(holds(slurp("/etc/passwd"), "no folder"));
    CHECK(holds(slurp("../../../../../../../../../../etc/passwd"), "no folder"));
    CHECK(holds(slurp(""), "No such file"));
    CHECK_INT(spit(at("in/new"), 'w', "x", true), MW_DENIED); /* reading is not writing */
    CHECK_INT(mw__files_exists(files, at("in/a"), &exists, &error), MW_OK);
    CHECK(exists);
    CHECK_INT(mw__files_exists(files, at("in/none/x"), &exists, &error), MW_OK);
    CHECK(!exists);
    CHECK_INT(mw__files_exists(files, at("in"), &exists, &error), MW_OK);
    CHECK(exists);
    teardown();
}

TEST(links_lead_nowhere_outside)
{
    setup();
    CHECK(symlink("../out", at("in/up")) == 0 && symlink(at("out/secret"), at("in/abs")) == 0);
    CHECK(symlink("a", at("in/good")) == 0 && symlink("loop", at("in/loop")) == 0);
    CHECK(symlink("/proc/self/root/etc/passwd", at("in/proc")) == 0 &&
          symlink("none", at("in/dangling")) == 0);
    CHECK_INT(mw__grants_add(grants, at("in"), false, &error), MW_OK);
    CHECK_INT(mw__grants_add(grants, at("in"), true, &error), MW_OK);
    CHECK(holds(slurp(at("in/up/secret")), "leads out of the granted folder"));
    CHECK_INT(error.code, MW_DENIED);
    CHECK(holds(slurp(at("in/abs")), "leads out"));
    CHECK(holds(slurp(at("in/proc")), "leads out"));
    CHECK_STR(slurp(at("in/good")), "inside");
    CHECK(holds(slurp(at("in/loop")), "symbolic link"));
    bool exists = true;
    CHECK_INT(mw__files_exists(files, at("in/up/secret"), &exists, &error), MW_DENIED);
    CHECK_INT(mw__files_exists(files, at("in/dangling"), &exists, &error), MW_OK);
    CHECK(!exists);
    CHECK_INT(spit(at("in/up/new"), 'w', "x", true), MW_DENIED);
    CHECK_INT(spit(at("in/up/secret"), 'a', "x", true), MW_DENIED);
    CHECK_INT(spit(at("in/abs"), 'a', "x", true), MW_INVALID);
    CHECK_INT(spit(at("in/abs"), 'w', "x", true), MW_INVALID);
    CHECK_INT(spit(at("in/good"), 'w', "x", true), MW_INVALID); /* a link is not replaced */
    CHECK_STR(get("out/secret"), "outside");
    CHECK(!get("out/new"));
    CHECK_STR(get("in/a"), "inside");
    teardown();
}

TEST(only_regular_files_are_opened)
{
    setup();
    CHECK(mkfifo(at("in/pipe"), 0600) == 0);
    CHECK_INT(mw__grants_add(grants, at("in"), false, &error), MW_OK);
    CHECK_INT(mw__grants_add(grants, at("in"), true, &error), MW_OK);
    CHECK_INT(mw__grants_add(grants, "/dev", false, &error), MW_OK);
    CHECK(holds(slurp(at("in/pipe")), "no regular file"));
    CHECK(holds(slurp("/dev/null"), "no regular file"));
    CHECK_INT(spit(at("in/pipe"), 'a', "x", true), MW_INVALID);
    CHECK_INT(spit(at("in/pipe"), 'w', "x", true), MW_INVALID);
    CHECK_INT(spit(at("in/dir"), 'w', "x", true), MW_INVALID);
    CHECK_INT(spit(at("in/dir/"), 'w', "x", true), MW_INVALID);
    CHECK_INT(spit(at("in"), 'w', "x", true), MW_INVALID);
    teardown();
}

TEST(a_new_file_takes_its_name_at_the_end)
{
    setup();
    struct stat info;
    mode_t mask = umask(027);
    uint32_t handle;
    CHECK_INT(mw__grants_add(grants, at("in"), true, &error), MW_OK);
    CHECK_INT(mw__files_open(files, at("in/a"), 'w', &handle, &error), MW_OK);
    CHECK_INT(mw__files_write(files, handle, "new", 3, &error), MW_OK);
    CHECK_STR(get("in/a"), "inside");
    CHECK_INT(mw__files_close(files, handle, true, &error), MW_OK);
    CHECK_STR(get("in/a"), "new");
    CHECK_INT(mw__files_close(files, handle, true, &error), MW_INVALID);
    CHECK_STR(error.message, "the file is closed");
    CHECK_INT(spit(at("in/b"), 'w', "b", true), MW_OK);
    CHECK(stat(at("in/b"), &info) == 0);
    CHECK_INT(info.st_mode & 0777, 0640);
    CHECK(chmod(at("in/b"), 0604) == 0);
    CHECK_INT(spit(at("in/b"), 'w', "bb", true), MW_OK);
    CHECK(stat(at("in/b"), &info) == 0);
    CHECK_INT(info.st_mode & 0777, 0604);
    CHECK_INT(spit(at("in/b"), 'w', "ccc", false), MW_OK);
    CHECK_STR(get("in/b"), "bb");
    CHECK_INT(spit(at("in/b"), 'a', "+", true), MW_OK);
    CHECK_STR(get("in/b"), "bb+");
    CHECK_INT(spit(at("in/c"), 'a', "c", true), MW_OK);
    CHECK_STR(get("in/c"), "c");
    CHECK(holds(slurp(at("in/a")),
                "no folder that holds it is granted;")); /* writing is not reading */
    umask(mask);
    /* What is open when the run ends is gone, and leaves nothing. */
    CHECK_INT(mw__files_open(files, at("in/dir/late"), 'w', &handle, &error), MW_OK);
    mw__files_free(files);
    files = NULL;
    CHECK(rmdir(at("in/dir")) < 0); /* holds `secret` */
    CHECK(unlink(at("in/dir/secret")) == 0);
    CHECK(rmdir(at("in/dir")) == 0);
    teardown();
}

TEST(handles_are_counted_and_never_reused)
{
    setup();
    uint32_t handles[64];
    uint32_t more = 0;
    char byte;
    size_t length = 1;
    CHECK_INT(mw__grants_add(grants, at("in"), false, &error), MW_OK);
    for (int i = 0; i < 64; i++)
        CHECK_INT(mw__files_open(files, at("in/a"), 'r', &handles[i], &error), MW_OK);
    CHECK_INT(mw__files_open(files, at("in/a"), 'r', &more, &error), MW_BUDGET);
    CHECK(holds(error.message, "64 files are open"));
    CHECK_INT(mw__files_close(files, handles[5], false, &error), MW_OK);
    CHECK_INT(mw__files_open(files, at("in/a"), 'r', &more, &error), MW_OK);
    CHECK(more != handles[5]);
    CHECK_INT(mw__files_read(files, handles[5], &byte, &length, &error), MW_INVALID);
    CHECK_INT(mw__files_read(files, 0, &byte, &length, &error), MW_INVALID);
    CHECK_INT(mw__files_read(files, UINT32_MAX, &byte, &length, &error), MW_INVALID);
    CHECK_INT(mw__files_write(files, more, "x", 1, &error), MW_INVALID);
    CHECK_INT(mw__files_read(files, more, &byte, &length, &error), MW_OK);
    CHECK_INT(byte, 'i');
    teardown();
}

static void note_use(const char *folder, char use, void *ud)
{
    snprintf(ud, 300, "%c %s", use, folder);
}

TEST(the_closest_grant_serves_and_is_told)
{
    setup();
    char used[300] = "";
    int fd = -1;
    char *real = realpath(root, NULL);
    char want[300];
    CHECK(symlink("in", at("alias")) == 0);
    CHECK_INT(mw__grants_add(grants, at("alias"), false, &error), MW_OK);
    CHECK_INT(mw__grants_add(grants, at("in/dir"), false, &error), MW_OK);
    mw__grants_on_use(grants, note_use, used);
    CHECK_STR(slurp(at("alias/a")), "inside"); /* as it was typed */
    CHECK_STR(slurp(at("in/a")), "inside");    /* as it is */
    snprintf(want, sizeof want, "r %s/in", real);
    CHECK_STR(used, want);
    CHECK_STR(slurp(at("in/dir/secret")), "inside");
    snprintf(want, sizeof want, "r %s/in/dir", real);
    CHECK_STR(used, want);
    /* The grant is of the folder, whatever its name means later. */
    CHECK(rename(at("in"), at("moved")) == 0 && rename(at("out"), at("in")) == 0);
    CHECK(holds(slurp(at("in/secret")), "No such file"));
    CHECK_STR(slurp(at("in/a")), "inside");
    CHECK_INT(mw__grants_open(grants, at("in/a"), &fd, &error), MW_OK);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    CHECK_INT(mw__grants_open(grants, at("none"), &fd, &error), MW_DENIED);
    free(real);
    teardown();
}

/* A script that is run as "bin/../scripts/x.lua" finds its modules as "bin/../scripts/y.lua". */
TEST(a_grant_with_dots_in_its_middle_serves_as_it_was_written)
{
    setup();
    CHECK_INT(mw__grants_add(grants, at("out/../in/"), false, &error), MW_OK);
    CHECK_STR(slurp(at("out/../in/a")), "inside");
    CHECK_STR(slurp(at("out/../in/./dir//secret")), "inside");
    CHECK_STR(slurp(at("in/a")), "inside");
    CHECK(holds(slurp(at("out/../in/../out/secret")), "'..' is not followed"));
    CHECK(holds(slurp(at("out/../inn")), "'..' is not followed"));
    CHECK(holds(slurp(at("in/../in/a")), "'..' is not followed"));
    CHECK(holds(slurp(at("out/../in")), "'..' is not followed"));
    teardown();
}

/* Swaps a folder and a link to the outside until it is killed. */
static void swap_for_ever(void)
{
    char dir[400];
    char link[400];
    char aside[400];
    snprintf(dir, sizeof dir, "%s/in/dir", root);
    snprintf(link, sizeof link, "%s/in/link", root);
    snprintf(aside, sizeof aside, "%s/in/aside", root);
    for (;;) {
        rename(dir, aside);
        rename(link, dir);
        rename(dir, link);
        rename(aside, dir);
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

TEST(a_race_of_links_leads_nowhere)
{
    setup();
    CHECK(symlink("../out", at("in/link")) == 0);
    CHECK_INT(mw__grants_add(grants, at("in"), false, &error), MW_OK);
    CHECK_INT(mw__grants_add(grants, at("in"), true, &error), MW_OK);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        /* It ends with the test, however that ends. */
        alarm(60);
        while (getppid() == parent)
            swap_for_ever();
        _exit(0);
    }
    CHECK(child > 0);
    unsigned inside = 0;
    unsigned refused = 0;
    unsigned written = 0;
    unsigned outside = 0;
    double start = seconds();
    while (seconds() - start < 1 || ((!inside || !refused || !written) && seconds() - start < 30)) {
        const char *got = slurp(at("in/dir/secret"));
        inside += strcmp(got, "inside") == 0;
        outside += strcmp(got, "outside") == 0;
        refused += error.code == MW_DENIED;
        written += spit(at("in/dir/new"), 'w', "written", true) == MW_OK;
        spit(at("in/dir/more"), 'a', "written", true);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    CHECK_INT(outside, 0);
    CHECK(inside > 0);
    CHECK(refused > 0);
    CHECK(written > 0);
    CHECK_STR(get("out/secret"), "outside");
    CHECK(access(at("out/new"), F_OK) < 0);
    CHECK(access(at("out/more"), F_OK) < 0);
    CHECK(rmdir(at("out")) < 0 && errno == ENOTEMPTY);
    CHECK(unlink(at("out/secret")) == 0);
    CHECK(rmdir(at("out")) == 0); /* nothing else has come there */
    teardown();
}

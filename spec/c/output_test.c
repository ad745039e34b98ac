/* output_test.c: the writer of standard output, on real pipes: whole lines, a reader that does not read, one that is
 * gone. */
#define _GNU_SOURCE
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

typedef struct bench {
    mw_loop *loop;
    mw__output *output;
    mw__lines *lines;
    int ends[2];
} bench;

static bool open_bench(bench *self)
{
    *self = (bench){0};
    bool good = pipe2(self->ends, O_CLOEXEC) == 0 && mw_loop_new(&self->loop) == MW_OK &&
                mw__output_new(self->loop, &self->output) == MW_OK &&
                mw__lines_new(self->output, self->ends[1], &self->lines) == MW_OK;
    CHECK(good);
    return good;
}

static void close_bench(bench *self, int grace_ms)
{
    mw__lines_free(self->lines);
    mw__output_free(self->output, grace_ms);
    mw_loop_free(self->loop);
    close(self->ends[0]);
    close(self->ends[1]);
}

/* What is in the pipe now. */
static size_t take(const bench *self, char *text, size_t size)
{
    ssize_t count = 0;
    if (poll(&(struct pollfd){.fd = self->ends[0], .events = POLLIN}, 1, 0) > 0)
        count = read(self->ends[0], text, size);
    return count > 0 ? (size_t)count : 0;
}

TEST(only_whole_lines_are_written)
{
    bench self;
    char text[64];
    if (!open_bench(&self))
        return;
    CHECK_INT(mw__lines_add(self.lines, "one\ntwo\nthr", 11), MW_OK);
    CHECK_INT(mw__output_flush(self.output), 0);
    size_t length = take(&self, text, sizeof text);
    CHECK_MEM(text, length, "one\ntwo\n", 8);
    CHECK_INT(mw__lines_written(self.lines), 8);
    CHECK_INT(mw__lines_written(self.lines), 0);
    CHECK_INT(mw__lines_add(self.lines, "ee\n", 3), MW_OK);
    CHECK_INT(mw__lines_add(self.lines, "four", 4), MW_OK);
    mw__lines_end(self.lines);
    CHECK_INT(mw__output_flush(self.output), 0);
    length = take(&self, text, sizeof text);
    CHECK_MEM(text, length, "three\nfour", 10);
    close_bench(&self, -1);
}

TEST(a_line_that_is_too_long_goes_in_pieces)
{
    enum { LONG = 64 * 1024 + 100 };
    bench self;
    char *text = calloc(1, LONG);
    char *got = calloc(1, LONG);
    if (!text || !got || !open_bench(&self)) {
        free(text);
        free(got);
        return;
    }
    memset(text, 'x', LONG);
    CHECK_INT(mw__lines_add(self.lines, text, LONG), MW_OK);
    CHECK_INT(mw__output_flush(self.output), 0); /* the pipe holds the first piece */
    size_t length = take(&self, got, LONG);
    CHECK_MEM(got, length, text, 64 * 1024);
    mw__lines_end(self.lines);
    CHECK_INT(mw__output_flush(self.output), 0);
    CHECK_INT(take(&self, got, LONG), 100);
    close_bench(&self, -1);
    free(text);
    free(got);
}

TEST(a_full_pipe_holds_up_nobody)
{
    bench self;
    char line[4096];
    memset(line, 'y', sizeof line);
    line[sizeof line - 1] = '\n';
    if (!open_bench(&self))
        return;
    for (int i = 0; i < 256; i++)
        CHECK_INT(mw__lines_add(self.lines, line, sizeof line), MW_OK);
    uint64_t written = 0;
    while (written < 65536) {
        mw_loop_run(self.loop, false);
        written += mw__lines_written(self.lines);
    }
    poll(NULL, 0, 20);
    CHECK_INT(written + mw__lines_written(self.lines), 65536); /* what a pipe takes */
    CHECK_INT(mw__output_error(self.output), 0);
    close_bench(&self, 10); /* the rest is dropped */
}

TEST(a_reader_that_has_gone_is_an_error_and_the_rest_is_dropped)
{
    bench self;
    if (!open_bench(&self))
        return;
    close(self.ends[0]);
    CHECK_INT(mw__lines_add(self.lines, "x\n", 2), MW_OK);
    CHECK_INT(mw__output_flush(self.output), EPIPE);
    CHECK_INT(mw__lines_add(self.lines, "yy\n", 3), MW_OK);
    CHECK_INT(mw__output_flush(self.output), EPIPE);
    CHECK_INT(mw__lines_written(self.lines), 5);
    self.ends[0] = dup(self.ends[1]);
    close_bench(&self, -1);
}

TEST(a_descriptor_that_does_not_wait_is_waited_for)
{
    enum { MUCH = 300 * 1000 };
    bench self;
    char line[1000];
    char got[10000];
    size_t total = 0;
    memset(line, 'z', sizeof line);
    line[sizeof line - 1] = '\n';
    if (!open_bench(&self))
        return;
    CHECK_INT(fcntl(self.ends[1], F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < MUCH / 1000; i++)
        CHECK_INT(mw__lines_add(self.lines, line, sizeof line), MW_OK);
    while (total < MUCH) {
        ssize_t count = read(self.ends[0], got, sizeof got);
        if (count <= 0)
            break;
        total += (size_t)count;
    }
    CHECK_INT(total, MUCH);
    CHECK_INT(mw__output_flush(self.output), 0);
    close_bench(&self, -1);
}

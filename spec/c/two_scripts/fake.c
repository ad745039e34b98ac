/* fake.c: what a worker that has been taken over could send. A process of its own, in no sandbox. */
#define _GNU_SOURCE
#include "fake.h"

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frames.h"
#include "mw/channel.h"

enum { CHANNEL = 3 };

/* A frame as it should be, but for what the caller says. */
static void send_raw(uint8_t type, uint32_t id, const void *data, size_t length)
{
    char header[MW_FRAME_HEADER] = {0};
    uint32_t size = (uint32_t)length;
    memcpy(header, &size, 4);
    header[4] = MW_FRAME_VERSION;
    header[5] = (char)type;
    memcpy(header + 8, &id, 4);
    if (send(CHANNEL, header, sizeof header, MSG_NOSIGNAL) < 0)
        exit(7);
    for (size_t at = 0; at < length;) {
        ssize_t count = send(CHANNEL, (const char *)data + at, length - at, MSG_NOSIGNAL);
        if (count < 0)
            exit(7);
        at += (size_t)count;
    }
}

static mw_member text(const char *name, const char *value)
{
    return (mw_member){.name = name,
                       .name_length = strlen(name),
                       .value = {.type = MW_V_STRING, .length = strlen(value), .as.string = value}};
}

static mw_member integer(const char *name, int64_t value)
{
    return (mw_member){.name = name,
                       .name_length = strlen(name),
                       .value = {.type = MW_V_INTEGER, .as.integer = value}};
}

static mw_member boolean(const char *name, bool value)
{
    return (mw_member){.name = name,
                       .name_length = strlen(name),
                       .value = {.type = MW_V_BOOLEAN, .as.boolean = value}};
}

static void send_object(uint8_t type, uint32_t id, const mw_member *members, size_t count)
{
    char *data = NULL;
    size_t length = 0, capacity = 0;
    mw_value object = {.type = MW_V_OBJECT, .length = count, .as.members = members};
    if (mw_value_pack(&object, &data, &length, &capacity) != MW_OK)
        exit(8);
    send_raw(type, id, data, length);
    free(data);
}

static void hello(int64_t active)
{
    mw_member members[] = {integer("active", active), text("missing", "")};
    send_object(MW__F_HELLO, 0, members, 2);
}

static void end(bool ok, const char *kind, const char *budget)
{
    mw_member members[] = {boolean("ok", ok), text("kind", kind), text("text", "fake.lua:1: over"),
                           text("budget", budget)};
    send_object(MW__F_END, 0, members, 4);
}

/* Until the broker has had enough, but no longer than a test may take. */
static void stay(void)
{
    poll(NULL, 0, 20000);
    exit(9);
}

static void nothing(void)
{
}

static void garbage(void)
{
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: broker\r\n\r\n";
    if (send(CHANNEL, bytes, sizeof bytes - 1, MSG_NOSIGNAL) < 0)
        exit(7);
    stay();
}

static void early(void)
{
    send_raw(MW__F_PRINT, 1, "x\n", 2);
    stay();
}

static void twice(void)
{
    hello(~0u);
    hello(~0u);
    stay();
}

static void bare(void)
{
    hello(0);
    stay();
}

static void unpacked(void)
{
    send_raw(MW__F_HELLO, 0, "\xFF\xFF\xFF\xFF", 4);
    stay();
}

static void unknown(void)
{
    hello(~0u);
    send_raw(MW__F_REPLY, 0, NULL, 0); /* the broker's own type */
    stay();
}

static void stream(void)
{
    hello(~0u);
    send_raw(MW__F_PRINT, 2, "x\n", 2);
    stay();
}

static void flood(void)
{
    char *block = calloc(1, MW__MAX_PRINT);
    hello(~0u);
    for (int i = 0; block && i < 1000; i++)
        send_raw(MW__F_PRINT, 1, block, MW__MAX_PRINT);
    free(block);
    stay();
}

/* As much as the budget allows and more, but never more at once than the window holds. */
static void overdone(void)
{
    hello(~0u);
    for (int i = 0; i < 2000; i++) {
        send_raw(MW__F_PRINT, 1, "0123456789\n", 11);
        poll(NULL, 0, 1);
    }
    stay();
}

static void large(void)
{
    hello(~0u);
    char *block = calloc(1, MW__MAX_PRINT + 1);
    if (block)
        send_raw(MW__F_PRINT, 1, block, MW__MAX_PRINT + 1);
    free(block);
    stay();
}

static void level(void)
{
    mw_member members[] = {text("level", "fatal"), text("line", "x")};
    hello(~0u);
    send_object(MW__F_LOG, 0, members, 2);
    stay();
}

static void lines(void)
{
    mw_member members[] = {text("level", "info"), text("line", "one\nerror: two\33[2J\r\xC2\x9B")};
    hello(~0u);
    send_object(MW__F_LOG, 0, members, 2);
    end(true, "", "");
}

static void call(void)
{
    hello(~0u);
    send_raw(1, 1, "\1\2\3", 3);
    stay();
}

static void ask(void)
{
    mw_member members[] = {integer("name", 7)};
    hello(~0u);
    send_object(MW__F_CONNECT, 1, members, 1);
    stay();
}

static void file(void)
{
    mw_member members[] = {text("op", "unlink"), text("path", "/etc/passwd")};
    hello(~0u);
    send_object(MW__F_FILE, 1, members, 2);
    stay();
}

static void handle(void)
{
    mw_member members[] = {text("op", "read"), integer("handle", -1), integer("size", 1)};
    hello(~0u);
    send_object(MW__F_FILE, 1, members, 3);
    stay();
}

/* Questions without end, and no answer is read. */
static void asks(void)
{
    hello(~0u);
    for (uint32_t i = 1; i < 100000; i++) {
        mw_member members[] = {text("name", "a.module.that.is.not.there")};
        send_object(MW__F_REQUIRE, i, members, 1);
    }
    stay();
}

static void ends(void)
{
    hello(~0u);
    end(true, "", "");
    end(true, "", "");
    stay();
}

static void after(void)
{
    hello(~0u);
    end(true, "", "");
    send_raw(MW__F_PRINT, 1, "x\n", 2);
    stay();
}

static void budget(void)
{
    hello(~0u);
    end(false, "budget", "patience");
    stay();
}

/* A good end with a kind that is the broker's to find: no more than a failure of the script. */
static void claim(void)
{
    hello(~0u);
    end(false, "sandbox", "");
}

/* Says that it is over, and does not go. */
static void lingers(void)
{
    hello(~0u);
    end(true, "", "");
    stay();
}

static void crash(void)
{
    hello(~0u);
    signal(SIGSEGV, SIG_DFL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    raise(SIGSEGV);
}

static void forbidden(void)
{
    hello(~0u);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    raise(SIGSYS);
}

static void leaves(void)
{
    static const char words[] = "fatal: \33[31mno more\nsecond line\n";
    hello(~0u);
    if (write(2, words, sizeof words - 1) < 0)
        exit(7);
    exit(3);
}

/* Half a frame. */
static void cut(void)
{
    hello(~0u);
    if (send(CHANNEL, "\x10\0\0", 3, MSG_NOSIGNAL) < 0)
        exit(7);
    exit(0);
}

/* Closes the channel and stays. */
static void deaf(void)
{
    hello(~0u);
    close(CHANNEL);
    stay();
}

static void spin(void)
{
    hello(~0u);
    for (;;) {}
}

static void sleeps(void)
{
    hello(~0u);
    stay();
}

static const struct {
    const char *name;
    void (*fn)(void);
} fakes[] = {
    {"nothing", nothing},     {"garbage", garbage},   {"early", early},     {"twice", twice},
    {"bare", bare},           {"unpacked", unpacked}, {"unknown", unknown}, {"stream", stream},
    {"flood", flood},         {"overdone", overdone}, {"large", large},     {"level", level},
    {"lines", lines},         {"call", call},         {"ask", ask},         {"file", file},
    {"handle", handle},       {"asks", asks},         {"ends", ends},       {"after", after},
    {"budget", budget},       {"claim", claim},       {"lingers", lingers}, {"crash", crash},
    {"forbidden", forbidden}, {"leaves", leaves},     {"cut", cut},         {"deaf", deaf},
    {"spin", spin},           {"sleeps", sleeps},
};

int fake_worker(const char *name)
{
    for (size_t i = 0; i < sizeof fakes / sizeof fakes[0]; i++) {
        if (strcmp(fakes[i].name, name) == 0) {
            fakes[i].fn();
            return 0;
        }
    }
    return 10;
}

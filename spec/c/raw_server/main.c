/* main.c: mw_raw_server, the server that specs prove requests against: it captures what comes in
 * byte for byte and behaves as badly as the request's path asks it to (answers.h).
 *
 * Owns the listening socket and one thread for each connection. It must not know moonwire: neither
 * its headers nor the operations. Prints "PORT PID" once it listens on 127.0.0.1, and ends on
 * SIGTERM, with its parent, when the pipe on its standard input closes, or after ten minutes. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answers.h"
#include "store.h"

enum { LIFETIME_S = 600, BACKLOG = 512 };

typedef struct connection {
    int fd;
    unsigned number;
} connection;

/* The target of the request line, NUL-ended in place, or "" when there is none. */
static void copy_target(const request *r, char *out, size_t size)
{
    const char *start = strchr(r->head, ' ');
    size_t length = start ? strcspn(start + 1, " \r\n") : 0;
    snprintf(out, size, "%.*s", (int)length, start ? start + 1 : "");
}

static void *serve(void *argument)
{
    connection c = *(connection *)argument;
    free(argument);
    stream peer = {.fd = c.fd};
    request r;
    next then = NEXT_KEEP;
    unsigned sequence = 0;
    while (then == NEXT_KEEP && stream_request(&peer, &r)) {
        static _Thread_local char target[65536];
        copy_target(&r, target, sizeof target);
        sequence++;
        if (!answers_is_control(target)) {
            store_capture(c.number, sequence, &r);
        }
        exchange x = {.stream = &peer, .request = &r, .sequence = sequence, .target = target};
        then = r.complete ? answers_serve(&x) : NEXT_CLOSE;
        request_free(&r);
    }
    if (then == NEXT_STALL) {
        stream_drain(&peer);
    }
    stream_close(&peer, then == NEXT_RESET);
    return NULL;
}

static int listen_on_loopback(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        perror("mw_raw_server: can't listen on 127.0.0.1");
        exit(1);
    }
    *port = ntohs(at.sin_port);
    return fd;
}

static void *end_with_stdin(void *unused)
{
    (void)unused;
    char bytes[256];
    while (read(STDIN_FILENO, bytes, sizeof bytes) > 0) {}
    _exit(0);
}

static void start_thread(void *(*fn)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, fn, argument) != 0) {
        fputs("mw_raw_server: can't start a thread\n", stderr);
        exit(1);
    }
    pthread_detach(thread);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    alarm(LIFETIME_S);
    struct stat in;
    if (fstat(STDIN_FILENO, &in) == 0 && (S_ISFIFO(in.st_mode) || S_ISSOCK(in.st_mode))) {
        start_thread(end_with_stdin, NULL);
    }
    uint16_t port = 0;
    int listening = listen_on_loopback(&port);
    printf("%u %ld\n", (unsigned)port, (long)getpid());
    fflush(stdout);
    for (unsigned number = 1;; number++) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        connection *c = malloc(sizeof *c);
        if (!c) {
            close(fd);
            continue;
        }
        *c = (connection){.fd = fd, .number = number};
        start_thread(serve, c);
    }
}

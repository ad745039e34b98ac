/* runner.c: runs scripts one after the other on one host, with a log of its own; Ctrl-C ends the
 * one that runs.
 *
 *     runner SCRIPT...
 *
 * Owns the host and the handler of SIGINT; knows nothing but the embedding header. Main thread. */
#include <signal.h>
#include <stdio.h>

#include "moonwire.h"

static moonwire *host; /* for the handler, which has no other way to it */

static void on_interrupt(int number)
{
    (void)number;
    moonwire_interrupt(host);
}

static void print_log(const char *level, const char *line, void *ud)
{
    int *count = ud;
    printf("log %d [%s] %s\n", ++*count, level, line);
}

int main(int argc, char **argv)
{
    int lines = 0;
    int failures = 0;
    mw_error error = {0};
    host = moonwire_new(&(moonwire_options){.log = print_log, .log_ud = &lines}, &error);
    if (!host) {
        fprintf(stderr, "runner: %s\n", error.message);
        return 1;
    }
    signal(SIGINT, on_interrupt);
    for (int i = 1; i < argc; i++) {
        char *arguments[] = {argv[0]};
        if (moonwire_run_file(host, argv[i], 1, arguments) == 0)
            continue;
        printf("%s failed (%s): %s\n", argv[i], moonwire_error_kind(host), moonwire_error(host));
        failures++;
    }
    printf("%d of %d failed, error now '%s'\n", failures, argc - 1, moonwire_error(host));
    signal(SIGINT, SIG_DFL);
    moonwire_free(host);
    return failures ? 1 : 0;
}

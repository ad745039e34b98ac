/* cmd_run.c: `moonwire run`: one script from start to exit code. Knows nothing of how scripts are
 * run. Main thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"

/* A script that isn't there is a fault of the command line, not of the script. Looks without opening
 * it: a pipe can be opened once. */
static int check_file(const char *path)
{
    struct stat info;
    if (access(path, R_OK) < 0 || stat(path, &info) < 0)
        return mw__complain("run", MW_EXIT_USAGE, "can't open '%s': %s; check the path", path,
                            strerror(errno));
    if (S_ISDIR(info.st_mode))
        return mw__complain("run", MW_EXIT_USAGE,
                            "can't run '%s': it is a folder; name a file in it", path);
    return MW_EXIT_OK;
}

int mw__cmd_run(const mw__args *args)
{
    const char *path = args->argv[args->operand];
    int code = strcmp(path, "-") == 0 ? MW_EXIT_OK : check_file(path);
    if (code != MW_EXIT_OK)
        return code;
    mw__session session;
    code = mw__session_open(&session, args);
    if (code == MW_EXIT_OK) {
        mw__interrupt_watch(session.host->lua, true);
        int failed = mw__host_run_script(session.host, args->argv, args->argc, args->operand);
        fflush(stdout);
        if (mw__interrupt_seen()) {
            code = mw__complain(NULL, MW_EXIT_INTERRUPTED, "interrupted");
        } else if (failed < 0) {
            fprintf(stderr, "%s\n", moonwire_error(session.host));
            code = mw__exit_for(moonwire_error_kind(session.host));
        }
    }
    mw__session_close(&session);
    return code;
}

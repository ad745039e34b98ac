/* cmd_run.c: `moonwire run`: what the script may do, and the script. Knows nothing of how scripts are run. Main
 * thread. */
#include "run_script.h"

int mw__cmd_run(const mw__args *args)
{
    int code = mw__run_check(args);
    if (code != MW_EXIT_OK)
        return code;
    mw__permit permit;
    code = mw__permit_open(args, args->argv[args->operand], &permit);
    if (code < 0)
        code = mw__permit_end(&permit, mw__run_script(args, &permit));
    mw__permit_close(&permit);
    return code;
}

/* meters_shared.c: limits in a file are not there yet: asking for them is an error. Loop's thread. */
#include "meters.h"

int mw__meters_shared(mw_loop *loop, const char *path, mw__meters **meters, mw_error *error)
{
    (void)loop;
    *meters = NULL;
    return mw_error_set(error, MW_INVALID, "limits",
                        "can't open '%s': limits can't be shared between processes", path);
}

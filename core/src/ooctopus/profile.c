/* ooctopus/profile.c: the row of profile: whom a token belongs to.
 * Constant data, for any thread; knows the rows of no other module. */
#include "../operation_rows.h"
#include "../rows.h"
#include "models.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

const mw_operation mw__ooctopus_profile[] = {
    {.service = MW_OOCTOPUS, .module = "profile", .method = "get",
     .id = "fetchProfile", .alias = "fetch_profile", .title = "Fetch user profile",
     .verb = MW_GET, .path = "/profile", .upstream = "/api/v1/profile",
     .auth = MW_TOKEN_USER, .lane = MW_LANE_ALL, .idempotent = true,
     .returns = "user", .answer = MW_ONE(mw__user),
     .responses = MW_OK_OR(MW_401)},
};

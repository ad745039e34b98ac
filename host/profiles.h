/* profiles.h: what mw.connect of a script gives: clients from the profile variables, made when they are first asked
 * for. The tokens stay here. Main thread. */
#ifndef MOONWIRE_PROFILES_H
#define MOONWIRE_PROFILES_H

#include "env.h"
#include "mw/client.h"
#include "policy_flags.h"

enum { MW__PROFILES = 3 };

typedef struct mw__profiles {
    mw_loop *loop;
    mw__env *env;
    mw__permit *permit; /* NULL: everything is allowed */
    uint64_t max_body;  /* bytes of an answer; 0: as a client has it */
    bool forgets; /* what calls with a key make is remembered for as long as the clients live */
    mw_client *clients[MW__PROFILES];
} mw__profiles;

/* A mw__run_options.connect and a mw_lua_connect_fn; `ud` is the mw__profiles. The same name gives the same gate, which
 * lives until mw__profiles_close. */
int mw__profiles_connect(const char *name, mw_gate **gate, char *label, size_t size,
                         mw_error *error, void *ud);
void mw__profiles_close(mw__profiles *profiles);

#endif

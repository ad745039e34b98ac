/* fs_private.h: what fs.c (mw.fs) and fs_plain.c (the files of the process) share. Thread of the Lua state. */
#ifndef MOONWIRE_FS_PRIVATE_H
#define MOONWIRE_FS_PRIVATE_H

#include "moonwire_lua.h"

/* Open files of the process, at most 64. `ud` of the functions is what mw__lua_plain_new gave. */
typedef struct mw__plain mw__plain;
extern const mw_lua_files mw__lua_plain_files;
mw__plain *mw__lua_plain_new(void); /* owned: mw__lua_plain_free; NULL: no memory */
/* Closes what is open; what was written and not kept is gone. NULL is fine. */
void mw__lua_plain_free(mw__plain *plain);

#endif

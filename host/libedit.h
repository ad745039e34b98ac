/* libedit.h: libedit, loaded when it is first needed: a script's start must not pay for a line
 * editor. Main thread. */
#ifndef MOONWIRE_LIBEDIT_H
#define MOONWIRE_LIBEDIT_H

#include <histedit.h>

#define MW__LIBEDIT(X)                                                                             \
    X(el_init)                                                                                     \
    X(el_end)                                                                                      \
    X(el_gets)                                                                                     \
    X(el_wgetc)                                                                                    \
    X(el_set)                                                                                      \
    X(el_wset)                                                                                     \
    X(el_get)                                                                                      \
    X(el_source)                                                                                   \
    X(el_resize)                                                                                   \
    X(history_init)                                                                                \
    X(history_end)                                                                                 \
    X(history)

typedef struct mw__libedit {
#define MW_X(name) __typeof__(&name) name;
    MW__LIBEDIT(MW_X)
#undef MW_X
} mw__libedit;

/* The library's functions, or NULL when the system has no libedit. Stays loaded. */
const mw__libedit *mw__libedit_load(void);

#endif

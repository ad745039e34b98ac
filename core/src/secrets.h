/* secrets.h: texts that must never be shown, and their replacement by '*'. Knows nothing of where
 * they come from. One thread at a time. */
#ifndef MW_SECRETS_H
#define MW_SECRETS_H

#include <stddef.h>

typedef struct mw__secret mw__secret;
typedef struct mw__secrets {
    mw__secret *first;
} mw__secrets;

/* Copied and counted: each add wants one drop. MW_MEMORY. */
int mw__secrets_add(mw__secrets *secrets, const char *text);
void mw__secrets_drop(mw__secrets *secrets, const char *text);
void mw__secrets_clear(mw__secrets *secrets);

/* Overwrites every occurrence in `text` with '*'. A secret of less than MW_MIN_SECRET bytes is left alone: no token is
 * that short, and striking out every 't' would say more than it hides. */
#define MW_MIN_SECRET 4
void mw__secrets_redact(const mw__secrets *secrets, char *text);

/* The same in `length` bytes that may hold NUL, and also in the forms in which JSON may write a secret ("\\u0041",
 * "\\/"); the length stays, so that JSON stays JSON. */
void mw__secrets_redact_bytes(const mw__secrets *secrets, char *text, size_t length);

#endif

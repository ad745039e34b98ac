/* once.h: a call with a key on its way through the local gate: what the journal knows of it, the looks whether the
 * object is there, and what is kept at the end. Loop's thread. */
#ifndef MW_ONCE_H
#define MW_ONCE_H

#include "client_private.h"

/* Takes the key of a call in hand that was let through. True: the request may go; else the call is looking, or on its
 * way to its end. */
bool mw__once_begin(mw__call *call);

/* Before an attempt whose predecessor ended in the dark: looks, and then has the call queued or ended. */
void mw__once_look(mw__call *call);

/* Whether the attempt's answer, that there is such a thing already, may be about what an attempt in the dark has made:
 * then the call is off the wire, and looks once more. */
bool mw__once_doubts(mw__call *call, const mw__attempt *attempt);

/* The request begins to go out: the journal gets to know when, since the call may have waited for long. */
void mw__once_sends(mw__call *call);

/* Ends a look that is under way. */
void mw__once_stop(mw__call *call);

/* The call has its answer: keeps what is known now, and notes in the answer how it came about. */
void mw__once_ended(mw__call *call, mw_answer *answer);

/* The answer of a call that ended well without one: what was found, or the answer of then. */
const char *mw__once_body(const mw__call *call, size_t *length);

/* NULL is fine. */
void mw__once_free(mw__once *once);

#endif

/* retry.h: whether a request that failed is sent again, and when. Loop's thread. */
#ifndef MW_RETRY_H
#define MW_RETRY_H

#include "mw/gate.h"

typedef struct mw__call mw__call;

/* What is known of an attempt that has ended. */
typedef struct mw__attempt {
    int status;          /* of a whole answer, 0 for none */
    mw_sent sent;        /* of this attempt alone */
    bool passing;        /* without an answer: the trouble may have passed the next time */
    double retry_after;  /* seconds that the server asks for, or -1 */
    int64_t server_time; /* of a 429: seconds since 1970 by the server's clock */
} mw__attempt;

/* Whether the request may be sent again. `idempotent`: sending it twice does what sending it once does. */
bool mw__retry_allowed(const mw__attempt *attempt, bool idempotent);

/* How long to wait before that, in microseconds. `retries` counts those before, `random` is any 64 bits. */
int64_t mw__retry_delay_us(const mw__attempt *attempt, uint32_t retries, uint64_t random);

/* What is known of a request with more than one attempt: `before` of the earlier ones, `sent` of this one. */
mw_sent mw__retry_sent(mw_sent before, mw_sent sent);

/* Most retries of the call; when it has to have ended. */
uint32_t mw__retry_limit(const mw__call *call);
int64_t mw__retry_deadline_us(const mw__call *call);

/* Takes a call whose attempt has failed off the wire and has `due` called, later, from the loop, when it is to be
 * sent again; or returns false: the failure is final. */
bool mw__retry_wait(mw__call *call, const mw__attempt *attempt, void (*due)(mw__call *call));

/* To be called by `due`: it is called once more when the call's time is up before it had its turn. */
void mw__retry_queued(mw__call *call);

/* Ends the wait: `due` is not called any more. Without a wait it does nothing. */
void mw__retry_stop(mw__call *call);

#endif

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
    uint32_t window_ms;  /* of the limit that a 429 is about */
} mw__attempt;

/* Whether the request may be sent again. `idempotent`: sending it twice does what sending it once does. */
bool mw__retry_allowed(const mw__attempt *attempt, bool idempotent);

/* How long to wait before that, in microseconds. `retries` counts those before, `random` is any 64 bits. */
int64_t mw__retry_delay_us(const mw__attempt *attempt, uint32_t retries, uint64_t random);

/* What is known of a request with more than one attempt: `before` of the earlier ones, `sent` of this one. */
mw_sent mw__retry_sent(mw_sent before, mw_sent sent);

/* When the server's window began that the attempt was refused in, by the loop's clock; up to a second too early. */
int64_t mw__retry_window_begin_us(const mw__attempt *attempt, int64_t now);

/* Most retries of the call; how long its attempts and back-offs may take; when they have to have ended. */
uint32_t mw__retry_limit(const mw__call *call);
int64_t mw__retry_timeout_us(const mw__call *call);
int64_t mw__retry_deadline_us(const mw__call *call);

/* Whether an attempt that begins after such a wait, in microseconds, still has time enough. */
bool mw__retry_in_time(const mw__call *call, int64_t wait);

/* Whether it may go out once more, by its number of retries and the budget for bytes. */
bool mw__retry_left(const mw__call *call);

/* Whether a call whose attempt has failed may have another one: it may be sent again, and has retries left. */
bool mw__retry_wanted(const mw__call *call, const mw__attempt *attempt);

/* Takes such a call off the wire and makes it ready for its next attempt. */
void mw__retry_begin(mw__call *call, const mw__attempt *attempt);

/* The same, and has `due` called, later, from the loop, when its back-off is over; or returns false: the failure is
 * final. */
bool mw__retry_wait(mw__call *call, const mw__attempt *attempt, void (*due)(mw__call *call));

/* Ends the back-off: `due` is not called any more. Without one it does nothing. */
void mw__retry_stop(mw__call *call);

#endif

/* broker_private.h: a run as the broker's own files see it. Main thread. */
#ifndef MOONWIRE_BROKER_PRIVATE_H
#define MOONWIRE_BROKER_PRIVATE_H

#include "broker.h"
#include "exit_codes.h"
#include "frames.h"
#include "mw/channel.h"
#include "mw/wire.h"

enum {
    MW__INTERRUPT_GRACE_MS = 120, /* behind Ctrl-C */
    MW__MAX_DOORS = 16            /* gates that one script may have connected */
};

typedef enum mw__stage {
    MW__RUN_STARTING, /* no HELLO yet */
    MW__RUN_GOING,
    MW__RUN_ENDED, /* END came; the worker is on its way out */
    MW__RUN_OVER
} mw__stage;

struct mw__run {
    mw__run_options options; /* path, chunk, source, folder, args and env: copies, owned by `texts` */
    mw_arena *texts;
    mw_arena *arena; /* of the frame that is being read */
    mw__worker worker;
    bool alive; /* the worker has not been reaped */
    mw_channel *channel;
    mw_wire_server *server;
    mw__stage stage;

    mw__grants *own_grants; /* none granted: an empty set */
    mw__grants *modules;    /* the script's folder, for `require`; NULL: none */
    mw__files *files;
    struct {
        mw_gate *gate;
        uint32_t door;
    } doors[MW__MAX_DOORS];
    unsigned door_count;

    mw__lines *out, *err;
    uint64_t unwritten;   /* bytes of PRINT and LOG payloads that were not credited */
    uint64_t credit;      /* of them, written */
    uint64_t log_payload; /* of them, LOG, not known to be written */
    uint64_t log_pending; /* bytes of standard error that are not known to be written */
    uint64_t printed;     /* all PRINT and LOG payloads */

    mw_timer *alarm; /* for the next of the moments below, microseconds of mw_loop_now; 0: none */
    int64_t started, leave_at, interrupt_at, overrun_at;
    bool interrupted;
    bool kill; /* on the next turn */
    bool channel_ended;

    mw__result result;
    uint64_t cpu_ms; /* when it ended */
    bool concluded;
    char kind[24];
    char budget[24];
    char *message; /* owned */
};

/* broker_frames.c */

/* A mw_channel_options.on_frame; `ud` is the run. */
void mw__run_frame(const mw_frame *frame, void *ud);
/* Ends the run as a breach of the protocol by this frame, `at` bytes behind its payload's first. */
void mw__run_breach(mw__run *run, const mw_frame *frame, size_t at, const char *problem);
/* The payload of a frame as an object in run->arena; false after a breach. */
bool mw__run_unpack(mw__run *run, const mw_frame *frame, mw_value *object);
/* A member that must be there; false after a breach. Strings are borrowed and may hold NUL. */
bool mw__run_text(mw__run *run, const mw_frame *frame, const mw_value *object, const char *name,
                  const char **text, size_t *length);
bool mw__run_integer(mw__run *run, const mw_frame *frame, const mw_value *object, const char *name,
                     int64_t least, int64_t most, int64_t *value);
bool mw__run_boolean(mw__run *run, const mw_frame *frame, const mw_value *object, const char *name,
                     bool *value);
/* Gives back what has been written of the script's output. */
void mw__run_credit(mw__run *run);

/* broker_asks.c */

/* Answers CONNECT, REQUIRE or FILE. */
void mw__run_ask(mw__run *run, const mw_frame *ask);

/* broker_outcome.c */

/* The result, unless there is one already. `format` NULL: no message. */
#if defined(__GNUC__)
__attribute__((format(printf, 6, 7)))
#endif
void mw__run_conclude(mw__run *run, int exit_code, const char *kind, const char *budget, bool own,
                      const char *format, ...);
/* The result of a worker that has ended by itself, from the status of waitpid. */
void mw__run_died(mw__run *run, int status, uint64_t cpu_ms);
/* The script is larger than the budget: there will be no worker. */
void mw__run_too_long(mw__run *run);
/* What END says. */
void mw__run_ended(mw__run *run, const mw_frame *frame);
/* Looks at the budgets and sets the alarm for the next look. */
void mw__run_watch(mw__run *run);
/* Replaces control characters but tabs in place, in `length` bytes; with `lines` newlines stay. */
void mw__clean(char *text, size_t length, bool lines);

#endif

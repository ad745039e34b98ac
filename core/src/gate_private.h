/* gate_private.h: what a gate is made of. A kind of gate embeds it first. */
#ifndef MW_GATE_PRIVATE_H
#define MW_GATE_PRIVATE_H

#include "mw/gate.h"

typedef struct mw__gate_kind {
    int (*request)(mw_gate *gate, const mw_operation *operation, const mw_value *path,
                   size_t path_count, const mw_value *params, const mw_call_options *options,
                   mw_request **request, mw_error *error);
    int (*request_raw)(mw_gate *gate, mw_verb verb, const char *path, const mw_value *params,
                       const mw_call_options *options, mw_request **request, mw_error *error);
    int (*submit)(mw_gate *gate, mw_request *request, mw_answer_fn done, void *ud, mw_call_id *id,
                  mw_error *error);
    void (*cancel)(mw_gate *gate, mw_call_id id);
    int (*stats)(mw_gate *gate, mw_lane_stats stats[MW_LANES]);
} mw__gate_kind;

struct mw_gate {
    const mw__gate_kind *kind;
    mw_service service;
    uint64_t sent;
    mw_gate_watch *watches;
};

/* Tells everybody who watches. */
void mw__gate_tell(mw_gate *gate, const mw_wait *wait);

/* Takes everybody off: the gate goes. */
void mw__gate_forget(mw_gate *gate);

#endif

/* gate.c: the door itself; what is behind it is another file's. Loop's thread. */
#include "gate_private.h"

#include <string.h>

int mw_gate_request(mw_gate *gate, const mw_operation *operation, const mw_value *path,
                    size_t path_count, const mw_value *params, const mw_call_options *options,
                    mw_request **request, mw_error *error)
{
    return gate->kind->request(gate, operation, path, path_count, params, options, request, error);
}

int mw_gate_request_raw(mw_gate *gate, mw_verb verb, const char *path, const mw_value *params,
                        const mw_call_options *options, mw_request **request, mw_error *error)
{
    return gate->kind->request_raw(gate, verb, path, params, options, request, error);
}

int mw_gate_submit(mw_gate *gate, mw_request *request, mw_answer_fn done, void *ud, mw_call_id *id,
                   mw_error *error)
{
    return gate->kind->submit(gate, request, done, ud, id, error);
}

void mw_gate_cancel(mw_gate *gate, mw_call_id id)
{
    gate->kind->cancel(gate, id);
}

mw_service mw_gate_service(const mw_gate *gate)
{
    return gate->service;
}

uint64_t mw_gate_sent(const mw_gate *gate)
{
    return gate->sent;
}

int mw_gate_stats(mw_gate *gate, mw_lane_stats stats[MW_LANES])
{
    memset(stats, 0, MW_LANES * sizeof *stats);
    return gate->kind->stats(gate, stats);
}

void mw_gate_watch_waits(mw_gate *gate, mw_gate_watch *watch)
{
    if (watch->prev)
        return;
    watch->next = gate->watches;
    watch->prev = &gate->watches;
    if (watch->next)
        watch->next->prev = &watch->next;
    gate->watches = watch;
}

void mw_gate_unwatch(mw_gate_watch *watch)
{
    if (!watch->prev)
        return;
    *watch->prev = watch->next;
    if (watch->next)
        watch->next->prev = watch->prev;
    watch->next = NULL;
    watch->prev = NULL;
}

void mw__gate_tell(mw_gate *gate, const mw_wait *wait)
{
    mw_gate_watch *next;
    for (mw_gate_watch *watch = gate->watches; watch; watch = next) {
        next = watch->next;
        watch->fn(wait, watch->ud);
    }
}

void mw__gate_forget(mw_gate *gate)
{
    while (gate->watches)
        mw_gate_unwatch(gate->watches);
}

/* fuzz.h: the fuzz target and its seeds, for libFuzzer (tools/fuzz) and for the driver in main.c. One thread. */
#ifndef MW_FUZZ_H
#define MW_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The first byte says which decoder gets the rest: a tree, a call to the broker, an answer or a wait to the worker,
 * stats, the JSON of a service, or a whole stream of frames to the broker. Aborts when a promise is broken. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The nth sound input; 0 when there are no more. At most `cap` bytes are written. */
size_t mw_fuzz_seed(unsigned n, uint8_t *data, size_t cap);

enum {
    FUZZ_TREE,
    FUZZ_CALL,
    FUZZ_ANSWER,
    FUZZ_STREAM,
    FUZZ_WAIT,
    FUZZ_STATS,
    FUZZ_JSON,
    FUZZ_KINDS
};

#endif

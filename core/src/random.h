/* random.h: numbers that need to differ between processes, not to be secret. One thread at a time. */
#ifndef MW_RANDOM_H
#define MW_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed, it takes its seed from the system on first use. */
typedef struct mw__random {
    uint64_t state;
    bool seeded;
} mw__random;

/* The next 64 bits. */
uint64_t mw__random_next(mw__random *random);

/* The same seed gives the same numbers: for tests. */
void mw__random_seed(mw__random *random, uint64_t seed);

#endif

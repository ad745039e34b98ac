/* random.c: owns the generator (splitmix64) and its seed. Must not know what the numbers are for. One thread at a
 * time. */
#include "random.h"

#include <sys/random.h>
#include <time.h>

/* Seeded late: a process that never draws, a worker in its sandbox say, never asks the system. */
static void seed_from_system(mw__random *random)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        seed = (uint64_t)now.tv_nsec ^ (uint64_t)(uintptr_t)random;
    }
    mw__random_seed(random, seed);
}

uint64_t mw__random_next(mw__random *random)
{
    if (!random->seeded)
        seed_from_system(random);
    random->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t bits = random->state;
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
    return bits ^ (bits >> 31);
}

void mw__random_seed(mw__random *random, uint64_t seed)
{
    random->state = seed;
    random->seeded = true;
}

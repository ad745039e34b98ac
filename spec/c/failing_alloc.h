/* failing_alloc.h: makes the nth allocation of the code under test fail, so that each path that
 * runs out of memory is walked once. One thread. */
#ifndef MW_FAILING_ALLOC_H
#define MW_FAILING_ALLOC_H

#include <stdbool.h>

/* The nth allocation from now (counted from 1) fails, once; 0: none. */
void fail_allocation(unsigned nth);

/* Whether it has failed since. */
bool allocation_failed(void);

#endif

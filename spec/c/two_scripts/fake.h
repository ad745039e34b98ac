/* fake.h: workers that break the protocol, each in its way. */
#ifndef FAKE_H
#define FAKE_H

#define FAKE_PREFIX "fake:"

/* Speaks to the broker on descriptor 3 as the fake of that name does. Returns an exit code. */
int fake_worker(const char *name);

#endif

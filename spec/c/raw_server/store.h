/* store.h: what the raw server keeps: the captured requests and the answers that a spec has left
 * with it.
 *
 * Owns all of it, behind one lock; knows no sockets. Any thread. */
#ifndef RAW_STORE_H
#define RAW_STORE_H

#include <stddef.h>

#include "stream.h"

/* Keeps a copy of the request. */
void store_capture(unsigned connection, unsigned sequence, const request *r);

/* Every captured request as "connection sequence complete head_bytes body_bytes\n", the bytes,
 * "\n". The caller frees the text. */
char *store_log(size_t *length);
void store_clear(void);

/* Bytes under a name: a copy to free, or NULL. An older answer of that name is replaced. */
void store_set_answer(const char *name, const char *bytes, size_t length);
char *store_answer(const char *name, size_t *length);

#endif

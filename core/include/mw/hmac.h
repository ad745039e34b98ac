/* mw/hmac.h: HMAC-SHA256, which signs what services post to a webhook. Any thread. */
#ifndef MW_HMAC_H
#define MW_HMAC_H

#include <stddef.h>

#include "mw/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MW_HMAC_SHA256_HEX 64

/* Writes the signature in lower-case hexadecimal, NUL-ended. libcrypto is loaded by the first call:
 * MW_INVALID with `error` when there is none or it refuses, or when the key is over 2 GiB. */
int mw_hmac_sha256(const char *key, size_t key_length, const char *text, size_t length,
                   char hex[MW_HMAC_SHA256_HEX + 1], mw_error *error);

#ifdef __cplusplus
}
#endif
#endif

/* hmac.c: owns the one handle on libcrypto, and HMAC-SHA256. Must not know what is signed. Any thread. */
#include "mw/hmac.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "library.h"

#define LIBRARY "libcrypto.so.3"
#define DIGEST 32

/* As openssl/hmac.h and openssl/evp.h have them; the library comes with libcurl, its headers don't. */
typedef struct evp_md_st EVP_MD;
typedef const EVP_MD *(*sha256_fn)(void);
typedef unsigned char *(*hmac_fn)(const EVP_MD *md, const void *key, int key_length,
                                  const unsigned char *text, size_t length, unsigned char *digest,
                                  unsigned int *digest_length);

static sha256_fn sha256;
static hmac_fn hmac;
static bool loaded;
static char reason[256];

static void load(void)
{
    static const mw__symbol symbols[] = {{"EVP_sha256", &sha256}, {"HMAC", &hmac}};
    loaded = mw__library_open(LIBRARY, symbols, sizeof symbols / sizeof symbols[0], reason,
                              sizeof reason);
}

int mw_hmac_sha256(const char *key, size_t key_length, const char *text, size_t length,
                   char hex[MW_HMAC_SHA256_HEX + 1], mw_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned char digest[DIGEST];
    unsigned int size = sizeof digest;
    pthread_once(&once, load);
    if (!loaded)
        return mw_error_set(error, MW_INVALID, "",
                            "can't sign: %s can't be loaded (%s); install libssl3", LIBRARY, reason);
    if (key_length > INT_MAX)
        return mw_error_set(error, MW_INVALID, "key", "can't sign: the key is over 2 GiB");
    if (!hmac(sha256(), key, (int)key_length, (const unsigned char *)text, length, digest, &size) ||
        size != DIGEST)
        return mw_error_set(error, MW_INVALID, "", "can't sign: %s refuses HMAC-SHA256", LIBRARY);
    for (size_t i = 0; i < DIGEST; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return MW_OK;
}

/* secrets.c: owns the list of secrets of one loop. Must not know clients or logs. Loop's thread. */
#define _GNU_SOURCE /* memmem */
#include "secrets.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mw/error.h"

struct mw__secret {
    mw__secret *next;
    size_t uses;
    size_t length;
    char text[];
};

static mw__secret **find(mw__secrets *secrets, const char *text)
{
    mw__secret **link = &secrets->first;
    while (*link && strcmp((*link)->text, text) != 0)
        link = &(*link)->next;
    return link;
}

int mw__secrets_add(mw__secrets *secrets, const char *text)
{
    mw__secret *known = *find(secrets, text);
    if (known) {
        known->uses++;
        return MW_OK;
    }
    size_t length = strlen(text);
    mw__secret *secret = calloc(1, sizeof *secret + length + 1);
    if (!secret)
        return MW_MEMORY;
    memcpy(secret->text, text, length + 1);
    secret->length = length;
    secret->uses = 1;
    /* Longest first: one secret may be the beginning of another. */
    mw__secret **link = &secrets->first;
    while (*link && (*link)->length > length)
        link = &(*link)->next;
    secret->next = *link;
    *link = secret;
    return MW_OK;
}

static void wipe_and_free(mw__secret *secret)
{
    explicit_bzero(secret->text, secret->length);
    free(secret);
}

void mw__secrets_drop(mw__secrets *secrets, const char *text)
{
    mw__secret **link = find(secrets, text);
    mw__secret *secret = *link;
    if (!secret || --secret->uses > 0)
        return;
    *link = secret->next;
    wipe_and_free(secret);
}

void mw__secrets_clear(mw__secrets *secrets)
{
    while (secrets->first) {
        mw__secret *secret = secrets->first;
        secrets->first = secret->next;
        wipe_and_free(secret);
    }
}

void mw__secrets_redact(const mw__secrets *secrets, char *text)
{
    for (const mw__secret *secret = secrets->first; secret; secret = secret->next) {
        if (secret->length < MW_MIN_SECRET)
            continue;
        char *at = text;
        while ((at = strstr(at, secret->text)) != NULL) {
            memset(at, '*', secret->length);
            at += secret->length;
        }
    }
}

/* ---- secrets that JSON has escaped ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes for which the escape at `at` stands ("\\u00e9" is two); `*size` is its own length. 0: it is none that a
 * secret can hold. */
static size_t unescape(const char *at, const char *end, char bytes[3], size_t *size)
{
    *size = end - at < 2 ? 1 : 2;
    if (*size == 1)
        return 0;
    bytes[0] = at[1];
    if (at[1] == '/' || at[1] == '"' || at[1] == '\\')
        return 1;
    if (at[1] != 'u' || end - at < 6)
        return 0;
    unsigned code = 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return 0;
        code = code << 4 | (unsigned)digit;
    }
    *size = 6;
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    bytes[0] = (char)(code < 0x800 ? 0xC0 | code >> 6 : 0xE0 | code >> 12);
    bytes[1] = (char)(0x80 | (code < 0x800 ? code & 0x3F : code >> 6 & 0x3F));
    bytes[2] = (char)(0x80 | (code & 0x3F));
    return code < 0x800 ? 2 : 3;
}

/* Where the rest of a secret, escaped or not, ends that begins at `at`; NULL: it is not there. */
static const char *match_rest(const char *rest, size_t left, const char *at, const char *end)
{
    while (left > 0 && at < end) {
        char bytes[3];
        size_t size = 1;
        size_t count = 1;
        if (*at == '\\')
            count = unescape(at, end, bytes, &size);
        else
            bytes[0] = *at;
        if (count == 0 || count > left || memcmp(bytes, rest, count) != 0)
            return NULL;
        rest += count;
        left -= count;
        at += size;
    }
    return left == 0 ? at : NULL;
}

/* Strikes out the secret whose first escaped character is at `escape`. */
static bool redact_around(const mw__secret *secret, char *text, char *escape, const char *end)
{
    for (size_t before = 0; before < secret->length && before <= (size_t)(escape - text); before++) {
        char *start = escape - before;
        if (memcmp(start, secret->text, before) != 0)
            continue;
        const char *stop = match_rest(secret->text + before, secret->length - before, escape, end);
        if (stop) {
            memset(start, '*', (size_t)(stop - start));
            return true;
        }
    }
    return false;
}

static void redact_escaped(const mw__secrets *secrets, char *text, size_t length)
{
    char *end = text + length;
    char *at = memchr(text, '\\', length);
    while (at) {
        char bytes[3];
        size_t size;
        size_t count = unescape(at, end, bytes, &size);
        const mw__secret *secret = count > 0 ? secrets->first : NULL;
        for (; secret; secret = secret->next) {
            if (secret->length >= MW_MIN_SECRET && memchr(secret->text, bytes[0], secret->length) &&
                redact_around(secret, text, at, end))
                break;
        }
        at += size;
        at = at < end ? memchr(at, '\\', (size_t)(end - at)) : NULL;
    }
}

void mw__secrets_redact_bytes(const mw__secrets *secrets, char *text, size_t length)
{
    for (const mw__secret *secret = secrets->first; secret; secret = secret->next) {
        if (secret->length < MW_MIN_SECRET)
            continue;
        char *at = text;
        char *end = text + length;
        while ((at = memmem(at, (size_t)(end - at), secret->text, secret->length)) != NULL) {
            memset(at, '*', secret->length);
            at += secret->length;
        }
    }
    if (secrets->first)
        redact_escaped(secrets, text, length);
}

/* secrets.c: owns the list of secrets of one loop. Must not know clients or logs. Loop's thread. */
#include "secrets.h"

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

/* store.c: the captured requests and the answers left by specs, behind one lock.
 *
 * Owns both lists until the process ends; knows no sockets. Any thread. */
#define _GNU_SOURCE
#include "store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct captured {
    unsigned connection;
    unsigned sequence;
    request request;
    struct captured *next;
} captured;

typedef struct answer {
    char name[64];
    char *bytes;
    size_t length;
    struct answer *next;
} answer;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static captured *first;
static captured **last = &first;
static answer *answers;

static void *must(void *memory)
{
    if (!memory) {
        abort();
    }
    return memory;
}

static char *copy(const char *bytes, size_t length)
{
    char *out = must(malloc(length + 1));
    if (length) {
        memcpy(out, bytes, length);
    }
    out[length] = '\0';
    return out;
}

void store_capture(unsigned connection, unsigned sequence, const request *r)
{
    captured *c = must(malloc(sizeof *c));
    *c = (captured){
        .connection = connection,
        .sequence = sequence,
        .request = {.head = copy(r->head, r->head_length),
                    .head_length = r->head_length,
                    .body = copy(r->body, r->body_length),
                    .body_length = r->body_length,
                    .complete = r->complete},
    };
    pthread_mutex_lock(&lock);
    *last = c;
    last = &c->next;
    pthread_mutex_unlock(&lock);
}

char *store_log(size_t *length)
{
    char *text = NULL;
    FILE *out = must(open_memstream(&text, length));
    pthread_mutex_lock(&lock);
    for (const captured *c = first; c; c = c->next) {
        const request *r = &c->request;
        fprintf(out, "%u %u %d %zu %zu\n", c->connection, c->sequence, r->complete, r->head_length,
                r->body_length);
        fwrite(r->head, 1, r->head_length, out);
        fwrite(r->body, 1, r->body_length, out);
        fputc('\n', out);
    }
    pthread_mutex_unlock(&lock);
    fclose(out);
    return must(text);
}

void store_clear(void)
{
    pthread_mutex_lock(&lock);
    while (first) {
        captured *next = first->next;
        request_free(&first->request);
        free(first);
        first = next;
    }
    last = &first;
    pthread_mutex_unlock(&lock);
}

static answer *find(const char *name)
{
    for (answer *a = answers; a; a = a->next) {
        if (strcmp(a->name, name) == 0) {
            return a;
        }
    }
    return NULL;
}

void store_set_answer(const char *name, const char *bytes, size_t length)
{
    pthread_mutex_lock(&lock);
    answer *a = find(name);
    if (!a) {
        a = must(calloc(1, sizeof *a));
        snprintf(a->name, sizeof a->name, "%s", name);
        a->next = answers;
        answers = a;
    }
    free(a->bytes);
    a->bytes = copy(bytes, length);
    a->length = length;
    pthread_mutex_unlock(&lock);
}

char *store_answer(const char *name, size_t *length)
{
    char *out = NULL;
    pthread_mutex_lock(&lock);
    const answer *a = find(name);
    if (a) {
        out = copy(a->bytes, a->length);
        *length = a->length;
    }
    pthread_mutex_unlock(&lock);
    return out;
}

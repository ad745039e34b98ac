/* wire_answer.c: owns the bytes of answers: `numbers`; the lengths of the texts, of the body and of each header's name
 * and value as u32, with the count of headers before theirs; then the texts, the headers and the body, each with a NUL
 * behind it. Must not know channels. One thread at a time. */
#include <stdlib.h>
#include <string.h>

#include "wire_codec.h"

typedef struct numbers {
    int32_t code;
    int32_t status;
    uint32_t sent;
    uint32_t attempts;
    uint32_t once;
    uint32_t unused; /* no bytes that nobody has set */
    int64_t elapsed_us;
    int64_t waited_us;
    double retry_after;
    uint64_t gate_sent;
} numbers;

enum { REQUEST_ID, URL, MESSAGE, FIELD, WARNING, TEXTS };

static void list_texts(const mw__wire_answer *answer, const char *texts[TEXTS])
{
    texts[REQUEST_ID] = answer->answer.request_id;
    texts[URL] = answer->answer.url;
    texts[MESSAGE] = answer->answer.message;
    texts[FIELD] = answer->answer.field;
    texts[WARNING] = answer->warning;
    for (size_t i = 0; i < TEXTS; i++)
        texts[i] = texts[i] ? texts[i] : "";
}

size_t mw__wire_answer_size(const mw__wire_answer *answer)
{
    const mw_answer *a = &answer->answer;
    const char *texts[TEXTS];
    list_texts(answer, texts);
    size_t size = sizeof(numbers) + (TEXTS + 2 + 2 * a->header_count) * sizeof(uint32_t);
    for (size_t i = 0; i < TEXTS; i++)
        size += strlen(texts[i]) + 1;
    for (size_t i = 0; i < a->header_count; i++)
        size += strlen(a->headers[i].name) + strlen(a->headers[i].value) + 2;
    return size + a->body_length + 1;
}

/* Writes the length to *lengths and the bytes with a NUL to *texts, and moves both on. */
static void put_both(char **lengths, char **texts, const char *text, size_t length)
{
    uint32_t length32 = (uint32_t)length;
    memcpy(*lengths, &length32, sizeof length32);
    *lengths += sizeof length32;
    if (length > 0)
        memcpy(*texts, text, length);
    (*texts)[length] = '\0';
    *texts += length + 1;
}

void mw__wire_pack_answer(const mw__wire_answer *answer, char *to, char **begin)
{
    const mw_answer *a = &answer->answer;
    numbers n = {.code = a->code,
                 .status = a->status,
                 .sent = (uint32_t)a->sent,
                 .attempts = a->attempts,
                 .once = (uint32_t)a->once,
                 .elapsed_us = a->elapsed_us,
                 .waited_us = a->waited_us,
                 .retry_after = a->retry_after,
                 .gate_sent = answer->sent};
    const char *list[TEXTS];
    list_texts(answer, list);
    memcpy(to, &n, sizeof n);
    char *lengths = to + sizeof n;
    char *texts = lengths + (TEXTS + 2 + 2 * a->header_count) * sizeof(uint32_t);
    *begin = texts;
    for (size_t i = 0; i < TEXTS; i++)
        put_both(&lengths, &texts, list[i], strlen(list[i]));
    char *body_length = lengths;
    uint32_t count = (uint32_t)a->header_count;
    memcpy(lengths + sizeof count, &count, sizeof count);
    lengths += 2 * sizeof count;
    for (size_t i = 0; i < a->header_count; i++) {
        put_both(&lengths, &texts, a->headers[i].name, strlen(a->headers[i].name));
        put_both(&lengths, &texts, a->headers[i].value, strlen(a->headers[i].value));
    }
    put_both(&body_length, &texts, a->body, a->body_length);
}

/* The next text, whose length stands at *lengths; moves *lengths on. With `inner` it may hold NULs. */
static const char *next_text(mw__reader *r, size_t *lengths, bool inner, size_t *length)
{
    uint32_t length32 = 0;
    if (r->status == MW_OK)
        memcpy(&length32, r->data + *lengths, sizeof length32);
    size_t here = *lengths;
    *lengths += sizeof length32;
    *length = length32;
    if (r->status == MW_OK && length32 >= r->length - r->at)
        mw__reader_bad(r, here, "a text beyond the end");
    if (r->status != MW_OK)
        return "";
    const char *text = r->data + r->at;
    if (text[length32] != '\0' || (!inner && memchr(text, '\0', length32)))
        mw__reader_bad(r, r->at, "a text that does not end where it says");
    else
        r->at += (size_t)length32 + 1;
    return text;
}

static void get_numbers(mw__reader *r, mw__wire_answer *answer)
{
    numbers n;
    mw__reader_get(r, &n, sizeof n);
    mw_answer *a = &answer->answer;
    if (n.code > MW_OK || n.code < MW_MEMORY)
        mw__reader_bad(r, offsetof(numbers, code), "no such code");
    if (n.status < 0 || n.status > 999)
        mw__reader_bad(r, offsetof(numbers, status), "no such status");
    if (n.sent > MW_SENT_UNKNOWN)
        mw__reader_bad(r, offsetof(numbers, sent), "neither sent nor not sent");
    if (n.once > MW_ONCE_DONE || n.unused != 0)
        mw__reader_bad(r, offsetof(numbers, once), "made once in no known way");
    if (n.elapsed_us < 0 || n.waited_us < 0)
        mw__reader_bad(r, offsetof(numbers, elapsed_us), "a time before it began");
    *a = (mw_answer){.code = n.code,
                     .status = n.status,
                     .sent = (mw_sent)(r->status == MW_OK ? n.sent : 0),
                     .attempts = n.attempts,
                     .once = (mw_once_how)(r->status == MW_OK ? n.once : 0),
                     .elapsed_us = n.elapsed_us,
                     .waited_us = n.waited_us,
                     .retry_after = n.retry_after};
    answer->sent = n.gate_sent;
}

/* Room for `count` headers. */
static void make_room(mw__reader *r, mw_header **headers, size_t *room, size_t count)
{
    if (r->status != MW_OK || count <= *room)
        return;
    mw_header *list = realloc(*headers, count * sizeof *list);
    if (!list) {
        r->status = MW_MEMORY;
        return;
    }
    *headers = list;
    *room = count;
}

int mw__wire_unpack_answer(const char *data, size_t length, mw_header **headers, size_t *room,
                           mw__wire_answer *answer, size_t *at, const char **problem)
{
    mw__reader r = {.data = data, .length = length};
    get_numbers(&r, answer);
    mw_answer *a = &answer->answer;
    size_t lengths = r.at;
    uint32_t fixed[TEXTS + 2];
    mw__reader_get(&r, fixed, sizeof fixed);
    size_t count = fixed[TEXTS + 1];
    if (r.status == MW_OK && count > (length - r.at) / (2 * sizeof(uint32_t)))
        mw__reader_bad(&r, r.at - sizeof(uint32_t), "more headers than there are bytes");
    if (r.status == MW_OK)
        r.at += count * 2 * sizeof(uint32_t);
    make_room(&r, headers, room, count);
    size_t ignored;
    a->request_id = next_text(&r, &lengths, false, &ignored);
    a->url = next_text(&r, &lengths, false, &ignored);
    a->message = next_text(&r, &lengths, false, &ignored);
    a->field = next_text(&r, &lengths, false, &ignored);
    answer->warning = next_text(&r, &lengths, false, &ignored);
    size_t body = lengths;
    lengths += 2 * sizeof(uint32_t);
    for (size_t i = 0; r.status == MW_OK && i < count; i++) {
        (*headers)[i].name = next_text(&r, &lengths, false, &ignored);
        (*headers)[i].value = next_text(&r, &lengths, false, &ignored);
    }
    a->headers = *headers;
    a->header_count = count;
    a->body = next_text(&r, &body, true, &a->body_length);
    if (r.at < length)
        mw__reader_bad(&r, r.at, "bytes behind the end of an answer");
    *at = r.at;
    *problem = r.problem;
    return r.status;
}

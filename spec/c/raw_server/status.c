/* status.c: answers that are nothing but a status, in the shapes the services use.
 *
 * Owns the table of shapes; must not know the operations. Runs on the thread of the connection that
 * asked. */
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CRLF "\r\n"
#define JSON "Content-Type: application/json\r\n"

typedef struct reason {
    int status;
    const char *text;
} reason;

static const reason reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {409, "Conflict"},
    {418, "I'm a teapot"},
    {422, "Unprocessable Entity"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {0, "Other"},
};

typedef struct variant {
    const char *name;
    const char *headers;
    const char *body; /* NULL: {"error": reason} */
} variant;

static const variant variants[] = {
    {"", JSON, NULL},
    {"attributes", JSON, "{\"message\":\"Name can't be blank\",\"attributes\":[\"name\"]}"},
    {"message", JSON, "{\"message\":\"something about it\"}"},
    {"plain", "Content-Type: text/plain" CRLF, "Retry later\n"},
    {"after", "Content-Type: text/plain" CRLF "Retry-After: 3" CRLF, "Retry later\n"},
    {"empty", "", ""},
    {"html", "Content-Type: text/html" CRLF, "<html><body><h1>Sorry</h1></body></html>\n"},
    {NULL, NULL, NULL},
};

/* "status/429-after/...": a 429 is plain text unless a variant is named, as the platform has it. */
next answers_status(exchange *x)
{
    char *end = NULL;
    int code = (int)strtol(x->rest + (*x->rest == '/'), &end, 10);
    const reason *why = reasons;
    while (why->status && why->status != code) {
        why++;
    }
    size_t length = strcspn(end, "/?");
    const char *name = *end == '-' ? end + 1 : "";
    length = *end == '-' ? length - 1 : 0;
    if (code == 429 && length == 0) {
        name = "plain";
        length = 5;
    }
    const variant *v = variants;
    while (v->name && (strlen(v->name) != length || strncmp(v->name, name, length) != 0)) {
        v++;
    }
    if (!v->name) {
        v = variants;
    }
    char line[64];
    char body[128];
    snprintf(line, sizeof line, "%d %s", code, why->text);
    snprintf(body, sizeof body, "{\"error\":\"%s\"}", why->text);
    const char *text = v->body ? v->body : body;
    answers_send(x, line, v->headers, text, strlen(text));
    return NEXT_KEEP;
}

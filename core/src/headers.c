/* headers.c: owns the headers of one answer, and what a name and a value may hold. Must not know what
 * they are for, except that a Content-Length that two parties could read in two ways ends the answer (libcurl takes an
 * overflowing one for "none" and calls a cut body a success). */
#include "headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mw/client.h"

void mw__headers_init(mw__headers *headers)
{
    *headers = (mw__headers){.length = -1};
    mw__buf_init(&headers->block, MW_MAX_HEADERS + 1);
}

void mw__headers_free(mw__headers *headers)
{
    mw__buf_free(&headers->block);
    free(headers->list);
    headers->list = NULL;
    headers->count = 0;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool take_length(mw__headers *headers, const char *value, size_t length)
{
    int64_t number = 0;
    if (length == 0 || length > 18)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9')
            return false;
        number = number * 10 + (value[i] - '0');
    }
    if (headers->length >= 0 && headers->length != number)
        return false;
    headers->length = number;
    return true;
}

static bool check_length(mw__headers *headers, const char *line, size_t length)
{
    static const char name[] = "content-length:";
    size_t n = sizeof name - 1;
    if (length < n || strncasecmp(line, name, n) != 0)
        return true;
    while (n < length && blank(line[n]))
        n++;
    while (length > n && blank(line[length - 1]))
        length--;
    return take_length(headers, line + n, length - n);
}

/* A new status line: an interim answer, or a proxy's, came before. */
static void start_over(mw__headers *headers)
{
    headers->block.length = 0;
    headers->complete = false;
    headers->length = -1;
}

bool mw__headers_line(mw__headers *headers, const char *line, size_t length)
{
    headers->bytes += length;
    if (headers->bytes > MW_MAX_HEADERS) {
        headers->trouble = MW_HEADERS_TOO_LARGE;
        return false;
    }
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        start_over(headers);
        return true;
    }
    if (headers->complete)
        return true; /* a trailer: counted, not believed */
    while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == '\n'))
        length--;
    if (length == 0) {
        headers->complete = true;
        return true;
    }
    if (!check_length(headers, line, length)) {
        headers->trouble = MW_HEADERS_BAD_LENGTH;
        return false;
    }
    mw__buf_append(&headers->block, line, length);
    if (mw__buf_append(&headers->block, "", 1) != MW_OK) {
        headers->trouble = MW_HEADERS_NO_MEMORY;
        return false;
    }
    return true;
}

static void lower(char *text)
{
    for (; *text; text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text + ('a' - 'A'));
    }
}

int mw__headers_list(mw__headers *headers)
{
    size_t lines = 0;
    for (size_t i = 0; i < headers->block.length; i++)
        lines += headers->block.data[i] == '\0';
    free(headers->list);
    headers->count = 0;
    headers->list = calloc(lines + 1, sizeof *headers->list);
    if (!headers->list)
        return MW_MEMORY;
    char *line = headers->block.data;
    for (size_t i = 0; i < lines; i++) {
        char *next = line + strlen(line) + 1;
        char *colon = strchr(line, ':');
        if (colon) {
            char *value = colon + 1;
            *colon = '\0';
            lower(line);
            while (blank(*value))
                value++;
            for (char *end = value + strlen(value); end > value && blank(end[-1]); end--)
                end[-1] = '\0';
            headers->list[headers->count++] = (mw_header){.name = line, .value = value};
        }
        line = next;
    }
    return MW_OK;
}

const char *mw__headers_get(const mw__headers *headers, const char *name)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (strcmp(headers->list[i].name, name) == 0)
            return headers->list[i].value;
    }
    return NULL;
}

bool mw__is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!alnum && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return length > 0;
}

bool mw__is_header_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

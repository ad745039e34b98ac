/* urlencode.c: owns the text of URLs and forms. Knows nothing of requests. Pure functions. */
#include "urlencode.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "json.h"

static bool unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void mw__url_escape(mw__buf *buf, const char *text, size_t length)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t start = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (unreserved(c))
            continue;
        mw__buf_append(buf, text + start, i - start);
        mw__buf_append(buf, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
        start = i + 1;
    }
    mw__buf_append(buf, text + start, length - start);
}

void mw__url_pair(mw__buf *buf, const char *name, const char *value, size_t length)
{
    if (buf->length > 0)
        mw__buf_putc(buf, '&');
    mw__url_escape(buf, name, strlen(name));
    mw__buf_putc(buf, '=');
    mw__url_escape(buf, value, length);
}

void mw__scalar_text(mw__buf *buf, const mw_value *value)
{
    int64_t integer;
    switch (value->type) {
    case MW_V_BOOLEAN:
        mw__buf_puts(buf, value->as.boolean ? "true" : "false");
        break;
    case MW_V_INTEGER:
        mw__json_integer(buf, value->as.integer);
        break;
    case MW_V_NUMBER:
        if (!isfinite(value->as.number))
            buf->status = MW_INVALID;
        else if (mw__whole_number(value->as.number, &integer))
            mw__json_integer(buf, integer);
        else
            mw__json_number(buf, value->as.number);
        break;
    case MW_V_STRING:
        mw__buf_append(buf, value->as.string, value->length);
        break;
    default:
        break;
    }
}

static void put_pair(mw__buf *buf, const char *name, const mw__buf *text)
{
    if (text->status != MW_OK)
        buf->status = text->status;
    else
        mw__url_pair(buf, name, text->data ? text->data : "", text->length);
}

void mw__url_field(mw__buf *buf, const mw_field *field, const mw_value *value, bool csv)
{
    const char *name = field->wire ? field->wire : field->name;
    const mw_value *items = value->type == MW_V_ARRAY ? value->as.items : value;
    size_t count = value->type == MW_V_ARRAY ? value->length : 1;
    bool empty_list = value->type == MW_V_EMPTY;
    if (empty_list && !csv)
        return;
    mw__buf text;
    mw__buf_init(&text, buf->cap);
    for (size_t i = 0; i < count && !empty_list; i++) {
        if (csv && i > 0)
            mw__buf_putc(&text, ',');
        mw__scalar_text(&text, &items[i]);
        if (!csv) {
            put_pair(buf, name, &text);
            text.length = 0;
        }
    }
    if (csv)
        put_pair(buf, name, &text);
    mw__buf_free(&text);
}

static bool dots(const char *text, size_t length)
{
    return (length == 1 && text[0] == '.') || (length == 2 && text[0] == '.' && text[1] == '.');
}

const char *mw__segment_problem(const char *text, size_t length)
{
    if (length == 0)
        return "is empty";
    if (memchr(text, '\0', length))
        return "holds a NUL byte";
    if (dots(text, length))
        return "is '.' or '..', which a path folds away";
    return NULL;
}

/* "." and ".." count in their encoded forms too: servers decode before they fold. */
static bool folds(const char *segment, size_t length)
{
    char plain[3];
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        if (used == sizeof plain)
            return false;
        bool encoded = length - i >= 3 && strncasecmp(segment + i, "%2e", 3) == 0;
        plain[used++] = encoded ? '.' : segment[i];
        i += encoded ? 2 : 0;
    }
    return dots(plain, used);
}

static bool hex_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

const char *mw__path_problem(const char *path)
{
    if (path[0] != '/')
        return "must begin with '/'";
    const char *segment = path + 1;
    for (const char *c = path + 1;; c++) {
        if (*c == '/' || *c == '\0') {
            if (folds(segment, (size_t)(c - segment)))
                return "holds a '.' or '..' segment";
            if (*c == '\0')
                return NULL;
            segment = c + 1;
        } else if (*c == '?' || *c == '#') {
            return "holds '?' or '#': give the query as a table, encode them as %3F and %23";
        } else if (*c == '%') {
            if (!hex_digit(c[1]) || !hex_digit(c[2]))
                return "holds a '%' that begins no encoded byte (a literal one is %25)";
            if (c[1] == '0' && c[2] == '0')
                return "holds a NUL byte";
        } else if (!unreserved((unsigned char)*c) && !strchr("!$&'()*+,;=:@", *c)) {
            return "holds a character that must be percent-encoded";
        }
    }
}

bool mw__url_is_plain(const char *tail)
{
    bool query = false;
    if (tail[0] != '/')
        return false;
    for (const char *c = tail + 1; *c; c++) {
        if (unreserved((unsigned char)*c) || (query && (*c == '=' || *c == '&')))
            continue;
        if (*c == '%' && hex_digit(c[1]) && hex_digit(c[2])) {
            c += 2;
        } else if (*c == '?' && !query && c[1] != '\0') {
            query = true;
        } else if (*c != '/' || query || c[-1] == '/') {
            return false;
        }
    }
    return true;
}

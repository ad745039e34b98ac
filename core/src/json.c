/* json.c: owns the JSON text of requests; json_read.c reads. One thread at a time. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_value(mw__buf *buf, const mw_value *value, const mw_field *field, int depth,
                       mw_error *error);

const mw_field *mw__field_find(const mw_field *fields, const char *name, size_t length)
{
    for (const mw_field *field = fields; field && field->name; field++) {
        if (strlen(field->name) == length && memcmp(field->name, name, length) == 0)
            return field;
    }
    return NULL;
}

/* The bytes that follow a lead byte; 0 for ASCII, -1 for what leads nothing. The bounds of the first that follows come
 * along (Unicode's table 3-7). */
static int followers(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 0;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 1;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 2;
    return lead >= 0xF0 && lead <= 0xF4 ? 3 : -1;
}

bool mw__is_utf8(const char *text, size_t length)
{
    const unsigned char *c = (const unsigned char *)text;
    const unsigned char *end = c + length;
    while (c < end) {
        unsigned char low;
        unsigned char high;
        int more = followers(*c++, &low, &high);
        if (more < 0 || end - c < more)
            return false;
        for (; more > 0; more--, c++) {
            if (*c < low || *c > high)
                return false;
            low = 0x80;
            high = 0xBF;
        }
    }
    return true;
}

bool mw__is_integer_text(const char *text, size_t length)
{
    size_t i = length > 0 && text[0] == '-' ? 1 : 0;
    size_t digits = length - i;
    if (digits == 0 || digits > 19 || (text[i] == '0' && length > 1))
        return false;
    for (; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
    }
    return true;
}

bool mw__whole_number(double number, int64_t *integer)
{
    if (!(fabs(number) <= 9007199254740992.0) || number != floor(number))
        return false;
    *integer = (int64_t)number;
    return true;
}

void mw__json_string(mw__buf *buf, const char *text, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    mw__buf_putc(buf, '"');
    size_t start = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
            continue;
        mw__buf_append(buf, text + start, i - start);
        start = i + 1;
        switch (c) {
        case '"':
            mw__buf_puts(buf, "\\\"");
            break;
        case '\\':
            mw__buf_puts(buf, "\\\\");
            break;
        case '\n':
            mw__buf_puts(buf, "\\n");
            break;
        case '\r':
            mw__buf_puts(buf, "\\r");
            break;
        case '\t':
            mw__buf_puts(buf, "\\t");
            break;
        default:
            mw__buf_append(buf, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
        }
    }
    mw__buf_append(buf, text + start, length - start);
    mw__buf_putc(buf, '"');
}

void mw__json_integer(mw__buf *buf, int64_t integer)
{
    char text[24];
    char *end = text + sizeof text;
    char *at = end;
    uint64_t left = integer < 0 ? -(uint64_t)integer : (uint64_t)integer;
    do
        *--at = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (integer < 0)
        *--at = '-';
    mw__buf_append(buf, at, (size_t)(end - at));
}

void mw__json_number(mw__buf *buf, double number)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    /* A host's locale may write a decimal comma; and 1.0 must not come back as an integer. */
    bool whole = true;
    for (char *c = text; *c; c++) {
        if (*c == ',')
            *c = '.';
        if (*c == '.' || *c == 'e')
            whole = false;
    }
    mw__buf_puts(buf, text);
    if (whole)
        mw__buf_puts(buf, ".0");
}

static int write_array(mw__buf *buf, const mw_value *value, const mw_field *field, int depth,
                       mw_error *error)
{
    mw__buf_putc(buf, '[');
    for (size_t i = 0; i < value->length; i++) {
        if (i > 0)
            mw__buf_putc(buf, ',');
        int rc = write_value(buf, &value->as.items[i], field ? field->item : NULL, depth, error);
        if (rc != MW_OK)
            return rc;
    }
    return mw__buf_putc(buf, ']');
}

static int write_object(mw__buf *buf, const mw_value *value, const mw_field *field, int depth,
                        mw_error *error)
{
    mw__buf_putc(buf, '{');
    for (size_t i = 0; i < value->length; i++) {
        const mw_member *member = &value->as.members[i];
        if (i > 0)
            mw__buf_putc(buf, ',');
        if (!mw__is_utf8(member->name, member->name_length))
            return mw_error_set(error, MW_INVALID, NULL, "a key is not valid UTF-8");
        mw__json_string(buf, member->name, member->name_length);
        mw__buf_putc(buf, ':');
        const mw_field *known =
            mw__field_find(field ? field->fields : NULL, member->name, member->name_length);
        int rc = write_value(buf, &member->value, known, depth, error);
        if (rc != MW_OK)
            return rc;
    }
    return mw__buf_putc(buf, '}');
}

/* An id goes out in its documented type: a string of digits as a number, an integer as a string. */
static int write_string(mw__buf *buf, const mw_value *value, const mw_field *field, mw_error *error)
{
    if (!mw__is_utf8(value->as.string, value->length))
        return mw_error_set(error, MW_INVALID, NULL, "a string is not valid UTF-8");
    bool number = field && (field->type == MW_T_INTEGER || field->type == MW_T_NUMBER);
    if (number && mw__is_integer_text(value->as.string, value->length))
        return mw__buf_append(buf, value->as.string, value->length);
    mw__json_string(buf, value->as.string, value->length);
    return buf->status;
}

static int write_integer(mw__buf *buf, int64_t integer, const mw_field *field)
{
    bool quoted = field && field->type == MW_T_STRING;
    if (quoted)
        mw__buf_putc(buf, '"');
    mw__json_integer(buf, integer);
    if (quoted)
        mw__buf_putc(buf, '"');
    return buf->status;
}

static int write_number(mw__buf *buf, double number, const mw_field *field, mw_error *error)
{
    if (!isfinite(number))
        return mw_error_set(error, MW_INVALID, NULL, "JSON has no NaN and no infinity");
    int64_t integer;
    if (field && field->type != MW_T_ANY && mw__whole_number(number, &integer))
        return write_integer(buf, integer, field);
    mw__json_number(buf, number);
    return buf->status;
}

static int write_value(mw__buf *buf, const mw_value *value, const mw_field *field, int depth,
                       mw_error *error)
{
    bool nests =
        value->type == MW_V_ARRAY || value->type == MW_V_OBJECT || value->type == MW_V_EMPTY;
    if (nests && ++depth > MW_MAX_DEPTH)
        return mw_error_set(error, MW_INVALID, NULL, "nested deeper than %d levels", MW_MAX_DEPTH);
    switch (value->type) {
    case MW_V_BOOLEAN:
        return mw__buf_puts(buf, value->as.boolean ? "true" : "false");
    case MW_V_INTEGER:
        return write_integer(buf, value->as.integer, field);
    case MW_V_NUMBER:
        return write_number(buf, value->as.number, field, error);
    case MW_V_STRING:
        return write_string(buf, value, field, error);
    case MW_V_ARRAY:
        return write_array(buf, value, field, depth, error);
    case MW_V_OBJECT:
        return write_object(buf, value, field, depth, error);
    case MW_V_EMPTY:
        return mw__buf_puts(buf, field && field->type == MW_T_ARRAY ? "[]" : "{}");
    default:
        return mw__buf_puts(buf, "null");
    }
}

int mw__json_write(mw__buf *buf, const mw_value *value, const mw_field *field, mw_error *error)
{
    return write_value(buf, value, field, 0, error);
}

int mw_json_write(const mw_value *value, size_t cap, char **text, size_t *length, mw_error *error)
{
    mw__buf buf;
    mw__buf_init(&buf, cap);
    int rc = mw__json_write(&buf, value, NULL, error);
    if (rc == MW_OK)
        *text = mw__buf_take(&buf, length);
    else
        mw__buf_free(&buf);
    if (rc == MW_TOO_LARGE)
        mw_error_set(error, rc, NULL, "the JSON text is larger than %zu bytes", cap);
    return rc;
}

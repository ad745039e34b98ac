/* json_text.c: owns strings and numbers of JSON text (RFC 8259): where they end, what they stand for. Bytes that are
 * not UTF-8 are kept as they are. Must not know Lua, nor what a text is for. One thread at a time. */
#include "json_text.h"

#include <float.h>
#include <string.h>

#define BYTES(c) (UINT64_C(0x0101010101010101) * (c))
#define INTEGER_DIGITS 18                  /* so many always fit into 64 bits */
#define MANTISSA_DIGITS 19                 /* so many fit without a sign */
#define EXACT_MANTISSA (UINT64_C(1) << 53) /* every integer up to here is a double */
#define EXACT_POWER 22                     /* every power of ten up to here is a double */

/* Eight bytes at a time. Bytes from 0x80 never end a run, so the mask `~word` takes their high bits out. */
const char *mw__json_plain(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        uint64_t hit = (word - BYTES(0x20)) | ((word ^ BYTES('"')) - BYTES(1)) |
                       ((word ^ BYTES('\\')) - BYTES(1));
        if (hit & ~word & BYTES(0x80))
            break;
        at += 8;
    }
    while ((unsigned char)*at >= 0x20 && *at != '"' && *at != '\\')
        at++;
    return at;
}

const char *mw__json_string_end(const char *at, const char *end, bool *escaped, const char **problem)
{
    *escaped = false;
    for (;;) {
        at = mw__json_plain(at, end);
        if (*at == '"')
            return at;
        if (*at != '\\' || at >= end)
            break;
        *escaped = true;
        at += at + 1 < end ? 2 : 1;
    }
    *problem = at >= end ? "a string does not end" : "a control character in a string";
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number of "\uXXXX" at `at`, or -1. A quote that comes too early is no digit. */
static int32_t code_unit(const char *at)
{
    int32_t code = 0;
    if (at[0] != '\\' || at[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

static char *put_utf8(char *to, int32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const int32_t lead[] = {0, 0xC0, 0xE0, 0xF0};
    *to++ = (char)(lead[more] | code >> (6 * more));
    while (more-- > 0)
        *to++ = (char)(0x80 | (code >> (6 * more) & 0x3F));
    return to;
}

/* Moves *at behind the escape of a character by its number. NULL: it is none. */
static char *put_code(const char **at, char *to)
{
    int32_t code = code_unit(*at);
    if (code < 0 || (code & 0xFC00) == 0xDC00)
        return NULL;
    *at += 6;
    if ((code & 0xFC00) == 0xD800) {
        int32_t low = code_unit(*at);
        if (low < 0 || (low & 0xFC00) != 0xDC00)
            return NULL;
        *at += 6;
        code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF);
    }
    return put_utf8(to, code);
}

char *mw__json_unescape(const char *at, const char *quote, char *to, const char **problem)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    while (at < quote) {
        const char *slash = memchr(at, '\\', (size_t)(quote - at));
        size_t plain = (size_t)((slash ? slash : quote) - at);
        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (!slash)
            break;
        const char *letter = at[1] ? strchr(letters, at[1]) : NULL;
        if (letter) {
            *to++ = meanings[letter - letters];
            at += 2;
        } else if (at[1] != 'u') {
            *problem = "invalid escape code";
            return NULL;
        } else {
            to = put_code(&at, to);
            if (!to) {
                *problem = "invalid unicode escape code";
                return NULL;
            }
        }
    }
    return to;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits into *value, which wraps when they are too many, and counts them. */
static const char *read_digits(const char *at, uint64_t *value, size_t *count)
{
    const char *from = at;
    for (; is_digit(*at); at++)
        *value = *value * 10 + (uint64_t)(*at - '0');
    *count += (size_t)(at - from);
    return at;
}

/* One correctly rounded division of two exact doubles is the nearest double (W. D. Clinger, "How to Read Floating Point
 * Numbers Accurately", 1990), as long as the processor keeps no digits more than a double has. */
static void make_float(mw__json_number *number, bool negative, uint64_t mantissa, size_t digits,
                       size_t fraction)
{
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (FLT_EVAL_METHOD != 0 || digits > MANTISSA_DIGITS || mantissa > EXACT_MANTISSA ||
        fraction > EXACT_POWER)
        return;
    double value = (double)mantissa / powers[fraction];
    number->type = MW__JSON_FLOAT;
    number->number = negative ? -value : value;
}

const char *mw__json_number_read(const char *at, mw__json_number *number)
{
    bool negative = *at == '-';
    at += negative;
    uint64_t value = 0;
    size_t digits = 0;
    if (*at == '0' && is_digit(at[1]))
        return NULL;
    at = read_digits(at, &value, &digits);
    if (digits == 0)
        return NULL;
    size_t whole = digits;
    bool point = *at == '.';
    if (point)
        at = read_digits(at + 1, &value, &digits);
    if (point && digits == whole)
        return NULL;
    number->type = MW__JSON_TEXT;
    if (*at == 'e' || *at == 'E') {
        at += at[1] == '+' || at[1] == '-' ? 2 : 1;
        if (!is_digit(*at))
            return NULL;
        while (is_digit(*at))
            at++;
    } else if (point) {
        make_float(number, negative, value, digits, digits - whole);
    } else if (digits <= INTEGER_DIGITS) {
        number->type = MW__JSON_INTEGER;
        number->integer = negative ? -(int64_t)value : (int64_t)value;
    }
    return at;
}

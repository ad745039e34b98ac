/* literal_scan.c: the words of a data-only Lua file. Knows Lua's comments, texts and numbers, and not what they are
 * good for. The text is hostile. Any thread. */
#include "literal_scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_DIGITS 15 /* of a number with a point: exact in a double */

int mw__scan_fail(mw__scan *scan, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return mw_error_set(scan->error, MW_INVALID, "", "%s:%u: %s", scan->name, scan->line, text);
}

void *mw__scan_alloc(mw__scan *scan, size_t size)
{
    return mw_arena_alloc(scan->arena, size);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character `ahead` of the next, or NUL at the end. */
static char peek(const mw__scan *scan, size_t ahead)
{
    return ahead < (size_t)(scan->end - scan->at) ? scan->at[ahead] : '\0';
}

const char *mw__scan_shown(mw__scan *scan)
{
    size_t length = (size_t)(scan->at - scan->start);
    if (scan->token == MW__T_END)
        return "the end";
    snprintf(scan->shown, sizeof scan->shown, "'%.*s'", (int)(length < 60 ? length : 60),
             scan->start);
    return scan->shown;
}

bool mw__scan_at_equals(const mw__scan *scan)
{
    mw__scan ahead = *scan;
    ahead.error = NULL;
    return mw__scan_next(&ahead) == MW_OK && ahead.token == '=';
}

/* At '[': the level of a long bracket, or -1. */
static int bracket_level(const mw__scan *scan)
{
    int level = 0;
    while (peek(scan, (size_t)level + 1) == '=')
        level++;
    return peek(scan, (size_t)level + 1) == '[' ? level : -1;
}

/* At "[==[": moves behind "]==]" and gives what stands between. */
static int skip_long(mw__scan *scan, int level, const char **text, size_t *length)
{
    scan->at += level + 2;
    *text = scan->at;
    for (; scan->at < scan->end; scan->at++) {
        if (*scan->at == '\n')
            scan->next_line++;
        if (*scan->at != ']')
            continue;
        size_t same = 1;
        while (peek(scan, same) == '=')
            same++;
        if (same != (size_t)level + 1 || peek(scan, same) != ']')
            continue;
        *length = (size_t)(scan->at - *text);
        scan->at += same + 1;
        return MW_OK;
    }
    return mw__scan_fail(scan, "a long bracket is not closed");
}

/* Blanks and comments. */
static int skip_blank(mw__scan *scan)
{
    const char *text;
    size_t length;
    for (;;) {
        char c = peek(scan, 0);
        if (scan->at >= scan->end)
            return MW_OK;
        if (c == '\n')
            scan->next_line++;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v') {
            scan->at++;
        } else if (c == '-' && peek(scan, 1) == '-') {
            scan->at += 2;
            scan->line = scan->next_line;
            int level = peek(scan, 0) == '[' ? bracket_level(scan) : -1;
            if (level >= 0 && skip_long(scan, level, &text, &length) < 0)
                return MW_INVALID;
            while (level < 0 && scan->at < scan->end && *scan->at != '\n')
                scan->at++;
        } else {
            return MW_OK;
        }
    }
}

static int long_string(mw__scan *scan, int level)
{
    const char *text;
    size_t length;
    scan->token = MW__T_STRING;
    int rc = skip_long(scan, level, &text, &length);
    if (rc < 0)
        return rc;
    if (length > 0 && *text == '\r') {
        text++;
        length--;
    }
    if (length > 0 && *text == '\n') {
        text++;
        length--;
    }
    char *copy = mw__scan_alloc(scan, length + 1);
    if (!copy)
        return MW_MEMORY;
    scan->text = copy;
    scan->length = 0;
    for (size_t i = 0; i < length; i++) /* a line ends with a newline alone, as Lua has it */
        if (!(text[i] == '\r' && i + 1 < length && text[i + 1] == '\n'))
            copy[scan->length++] = text[i];
    copy[scan->length] = '\0';
    return MW_OK;
}

/* \u{20AC} behind the 'u'. Writes at most 4 bytes. */
static int unicode_escape(mw__scan *scan, char **out)
{
    uint32_t code = 0;
    if (peek(scan, 0) != '{')
        return mw__scan_fail(scan, "'{' expected behind \\u");
    for (scan->at++; hex_digit(peek(scan, 0)) >= 0; scan->at++) {
        code = code * 16 + (uint32_t)hex_digit(*scan->at);
        if (code > 0x10FFFF)
            return mw__scan_fail(scan, "\\u{...} is larger than 10FFFF");
    }
    if (peek(scan, 0) != '}')
        return mw__scan_fail(scan, "'}' expected behind \\u{...");
    scan->at++;
    if (code < 0x80) {
        *(*out)++ = (char)code;
        return MW_OK;
    }
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    *(*out)++ = (char)((0xF0u << (3 - more) & 0xFFu) | code >> (6 * more));
    while (more-- > 0)
        *(*out)++ = (char)(0x80u | (code >> (6 * more) & 0x3Fu));
    return MW_OK;
}

/* \ddd and \xXX; the 'x' is taken already. */
static int number_escape(mw__scan *scan, bool hex, char **out)
{
    unsigned code = 0;
    unsigned digits = 0;
    if (hex) {
        for (; digits < 2 && hex_digit(peek(scan, 0)) >= 0; digits++)
            code = code * 16 + (unsigned)hex_digit(*scan->at++);
        if (digits < 2)
            return mw__scan_fail(scan, "two hexadecimal digits expected behind \\x");
    }
    for (; !hex && digits < 3 && is_digit(peek(scan, 0)); digits++)
        code = code * 10 + (unsigned)(*scan->at++ - '0');
    if (code > 255)
        return mw__scan_fail(scan, "\\%u is larger than 255", code);
    *(*out)++ = (char)code;
    return MW_OK;
}

static int escape(mw__scan *scan, char **out)
{
    static const char names[] = "abfnrtv\\\"'";
    static const char values[] = "\a\b\f\n\r\t\v\\\"'";
    char c = peek(scan, 0);
    const char *found = c ? strchr(names, c) : NULL;
    if (is_digit(c))
        return number_escape(scan, false, out);
    scan->at++;
    if (found) {
        *(*out)++ = values[found - names];
        return MW_OK;
    }
    if (c == '\n') {
        scan->next_line++;
        *(*out)++ = '\n';
        return MW_OK;
    }
    if (c == 'x')
        return number_escape(scan, true, out);
    if (c == 'u')
        return unicode_escape(scan, out);
    if (c != 'z')
        return mw__scan_fail(scan, "a text holds a \\ that means nothing");
    while (scan->at < scan->end && strchr(" \t\r\n\f\v", *scan->at) && *scan->at)
        if (*scan->at++ == '\n')
            scan->next_line++;
    return MW_OK;
}

static int quoted_string(mw__scan *scan)
{
    char quote = *scan->at++;
    const char *stop = scan->at;
    while (stop < scan->end && *stop != quote)
        stop += *stop == '\\' && stop + 1 < scan->end ? 2 : 1;
    /* No escape is longer than what it means. */
    char *out = mw__scan_alloc(scan, (size_t)(stop - scan->at) + 1);
    scan->token = MW__T_STRING;
    scan->text = out;
    if (!out)
        return MW_MEMORY;
    for (;;) {
        if (scan->at >= scan->end || *scan->at == '\n')
            return mw__scan_fail(scan, "a text is not closed");
        if (*scan->at == quote)
            break;
        int rc = MW_OK;
        if (*scan->at == '\\') {
            scan->at++;
            rc = escape(scan, &out);
        } else {
            *out++ = *scan->at++;
        }
        if (rc < 0)
            return rc;
    }
    scan->at++;
    *out = '\0';
    scan->length = (size_t)(out - scan->text);
    return MW_OK;
}

static int bad_number(mw__scan *scan)
{
    while (is_letter(peek(scan, 0)) || is_digit(peek(scan, 0)) || peek(scan, 0) == '.')
        scan->at++;
    return mw__scan_fail(scan, "%s is no number that can stand here", mw__scan_shown(scan));
}

static int number(mw__scan *scan)
{
    bool negative = *scan->at == '-';
    uint64_t digits = 0;
    unsigned count = 0;
    double scale = 0;
    scan->token = MW__T_INTEGER;
    for (scan->at += negative; is_digit(peek(scan, 0)) || peek(scan, 0) == '.'; scan->at++) {
        if (*scan->at == '.') {
            if (scale > 0)
                return bad_number(scan);
            scale = 1;
            continue;
        }
        uint64_t digit = (uint64_t)(*scan->at - '0');
        if (digits > (INT64_MAX - digit) / 10)
            return bad_number(scan);
        digits = digits * 10 + digit;
        scale *= 10;
        count++;
    }
    if (count == 0 || is_letter(peek(scan, 0)) || (scale > 0 && count > MAX_DIGITS))
        return bad_number(scan);
    scan->integer = negative ? -(int64_t)digits : (int64_t)digits;
    if (scale > 0) {
        scan->token = MW__T_NUMBER;
        scan->number = (double)scan->integer / scale;
    }
    return MW_OK;
}

static int name(mw__scan *scan)
{
    while (is_letter(peek(scan, 0)) || is_digit(peek(scan, 0)))
        scan->at++;
    scan->token = MW__T_NAME;
    scan->length = (size_t)(scan->at - scan->start);
    char *copy = mw__scan_alloc(scan, scan->length + 1);
    scan->text = copy;
    if (!copy)
        return MW_MEMORY;
    memcpy(copy, scan->start, scan->length);
    return MW_OK;
}

int mw__scan_next(mw__scan *scan)
{
    int rc = skip_blank(scan);
    scan->start = scan->at;
    scan->line = scan->next_line;
    if (rc < 0)
        return rc;
    scan->token = MW__T_END;
    if (scan->at >= scan->end)
        return MW_OK;
    char c = *scan->at;
    if (is_letter(c))
        return name(scan);
    if (is_digit(c) || ((c == '-' || c == '.') && is_digit(peek(scan, 1))))
        return number(scan);
    if (c == '"' || c == '\'')
        return quoted_string(scan);
    if (c == '[' && bracket_level(scan) >= 0)
        return long_string(scan, bracket_level(scan));
    scan->token = c && strchr("{}[]=,;", c) ? c : MW__T_OTHER;
    scan->at++;
    return MW_OK;
}

int mw__scan_start(mw__scan *scan, const char *text, size_t length)
{
    scan->at = text;
    scan->end = text + length;
    scan->next_line = 1;
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        scan->at += 3;
    return mw__scan_next(scan);
}

/* error.c: owns the names and sentences of failures. Knows nothing else. Any thread. */
#include "mw/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *mw_err_kind(int code)
{
    switch (code) {
    case MW_OK:
        return "ok";
#define MW_X(name, number, kind, text)                                                             \
    case number:                                                                                   \
        return kind;
        MW_ERRORS(MW_X)
#undef MW_X
    default:
        return "unknown";
    }
}

const char *mw_err_text(int code)
{
    switch (code) {
    case MW_OK:
        return "no error";
#define MW_X(name, number, kind, text)                                                             \
    case number:                                                                                   \
        return text;
        MW_ERRORS(MW_X)
#undef MW_X
    default:
        return "unknown error";
    }
}

/* Copies one line: cut at a whole UTF-8 character, control characters made visible. */
static void copy_line(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);
    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)from[length] & 0xC0) == 0x80)
            length--;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)from[i];
        to[i] = c < 0x20 || c == 0x7F ? '?' : (char)c;
    }
    to[length] = '\0';
}

int mw_error_set(mw_error *error, int code, const char *field, const char *format, ...)
{
    if (!error)
        return code;
    char line[2 * sizeof error->message];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    error->code = code;
    copy_line(error->field, sizeof error->field, field ? field : "");
    copy_line(error->message, sizeof error->message, line);
    return code;
}

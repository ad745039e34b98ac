/* redact.c: owns what of a text from outside may be shown. Pure. */
#include <string.h>

#include "client_private.h"

static bool secret_name(const char *name, size_t length)
{
    static const char *const words[] = {"token",  "secret",    "password", "api_key",
                                        "apikey", "signature", "hash",     "auth"};
    char copy[64];
    if (length >= sizeof copy)
        return true;
    for (size_t i = 0; i < length; i++)
        copy[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
    copy[length] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strstr(copy, words[i]))
            return true;
    }
    return false;
}

void mw__redact_url(char *url)
{
    char *name = strchr(url, '?');
    while (name && *name) {
        name++;
        size_t pair = strcspn(name, "&");
        char *value = memchr(name, '=', pair);
        if (value && secret_name(name, (size_t)(value - name)))
            memset(value + 1, '*', pair - (size_t)(value + 1 - name));
        name += pair;
    }
}

void mw__clean_text(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        bool c1 = c[0] == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9F; /* U+0080 to U+009F */
        if (*c < 0x20 || *c == 0x7F || c1) {
            c[0] = ' ';
            if (c1)
                c[1] = ' ';
        }
    }
}

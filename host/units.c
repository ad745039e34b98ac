/* units.c: reads and shows numbers with a unit. Knows nothing of what they bound. Any thread. */
#include "units.h"

#include <stdio.h>
#include <string.h>

typedef struct unit {
    const char *name;
    uint64_t worth;
} unit;

/* Beyond it nothing is a budget any more, and no sum of two overflows. */
static const uint64_t most = UINT64_C(1) << 50;

/* Digits with at most one point, exactly: up to nine digits behind it, in billionths. */
static bool read_number(const char **at, uint64_t *whole, uint64_t *billionths)
{
    const char *text = *at;
    uint64_t scale = UINT64_C(1000000000);
    *whole = 0;
    *billionths = 0;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        *whole = *whole * 10 + (uint64_t)(*text - '0');
        if (*whole > most)
            return false;
    }
    if (*text == '.') {
        text++;
        if (*text < '0' || *text > '9')
            return false;
        for (; *text >= '0' && *text <= '9'; text++) {
            scale /= 10; /* 0 beyond the ninth digit, which no budget needs */
            *billionths += (uint64_t)(*text - '0') * scale;
        }
    }
    *at = text;
    return true;
}

/* A number and one of the units; rounded up. */
static bool parse(const char *text, const unit *units, uint64_t *value)
{
    uint64_t whole;
    uint64_t billionths;
    if (!read_number(&text, &whole, &billionths))
        return false;
    for (const unit *row = units; row->name; row++) {
        if (strcmp(row->name, text) != 0)
            continue;
        if (whole > most / row->worth)
            return false;
        /* Both factors are below 2^31. */
        uint64_t rest = (billionths * row->worth + UINT64_C(999999999)) / UINT64_C(1000000000);
        *value = whole * row->worth + rest;
        return *value <= most;
    }
    return false;
}

bool mw__parse_size(const char *text, uint64_t *bytes)
{
    static const unit units[] = {
        {"", 1},         {"B", 1},          {"k", 1u << 10}, {"K", 1u << 10},   {"KiB", 1u << 10},
        {"M", 1u << 20}, {"MiB", 1u << 20}, {"G", 1u << 30}, {"GiB", 1u << 30}, {NULL, 0},
    };
    return parse(text, units, bytes);
}

bool mw__parse_seconds(const char *text, uint64_t *ms)
{
    static const unit units[] = {
        {"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}, {NULL, 0},
    };
    return parse(text, units, ms);
}

bool mw__parse_count(const char *text, uint64_t *count)
{
    static const unit units[] = {{"", 1}, {NULL, 0}};
    return !strchr(text, '.') && parse(text, units, count);
}

const char *mw__show_size(uint64_t bytes, char *text, size_t size)
{
    static const unit units[] = {{"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (bytes < units[i].worth)
            continue;
        uint64_t tenths = (bytes % units[i].worth) * 10 / units[i].worth;
        if (tenths)
            snprintf(text, size, "%llu.%llu %s", (unsigned long long)(bytes / units[i].worth),
                     (unsigned long long)tenths, units[i].name);
        else
            snprintf(text, size, "%llu %s", (unsigned long long)(bytes / units[i].worth),
                     units[i].name);
        return text;
    }
    snprintf(text, size, "%llu byte%s", (unsigned long long)bytes, bytes == 1 ? "" : "s");
    return text;
}

const char *mw__show_seconds(uint64_t ms, char *text, size_t size)
{
    snprintf(text, size, "%g s", (double)ms / 1000);
    return text;
}

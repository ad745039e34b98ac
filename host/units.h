/* units.h: numbers with a unit, as a person types them for a budget. Pure; any thread. */
#ifndef MOONWIRE_UNITS_H
#define MOONWIRE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "64M", "1.5G", "512k", "4096": bytes; k, M and G are powers of 1024. False for anything else. */
bool mw__parse_size(const char *text, uint64_t *bytes);
/* "30", "1.5s", "250ms", "2m", "1h": milliseconds, rounded up; a number alone is seconds. */
bool mw__parse_seconds(const char *text, uint64_t *ms);
/* "10000": digits alone. */
bool mw__parse_count(const char *text, uint64_t *count);

/* The way back, for messages: "64 MiB", "30 s", "0.25 s". Returns `text`. */
const char *mw__show_size(uint64_t bytes, char *text, size_t size);
const char *mw__show_seconds(uint64_t ms, char *text, size_t size);

#endif

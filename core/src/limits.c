/* limits.c: owns the reading of limits: a rate, and the limits of a client as one line. Must not know what becomes of
 * them. Any thread. */
#include "mw/limits.h"

#include <string.h>

static const struct {
    const char *name;
    uint32_t ms;
} units[] = {{"s", 1000}, {"min", 60 * 1000}, {"h", 3600 * 1000}};

enum { UNITS = sizeof units / sizeof units[0] };

/* Reads a whole number from 1 to `most` and moves `*text` behind it. */
static bool read_number(const char **text, uint32_t most, uint32_t *number)
{
    const char *at = *text;
    uint32_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint32_t digit = (uint32_t)(*at - '0');
        if (value > (most - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value == 0)
        return false;
    *text = at;
    *number = value;
    return true;
}

/* Reads "min" or "10s", up to the end of the text. */
static bool read_window(const char *text, uint32_t *ms)
{
    uint32_t times = 1;
    if (*text >= '0' && *text <= '9' && !read_number(&text, MW_MAX_WINDOW_MS / 1000, &times))
        return false;
    for (unsigned i = 0; i < UNITS; i++) {
        if (strcmp(text, units[i].name) != 0)
            continue;
        if (times > MW_MAX_WINDOW_MS / units[i].ms)
            return false;
        *ms = times * units[i].ms;
        return true;
    }
    return false;
}

int mw_limit_parse(const char *text, mw_lane_limit *limit, mw_error *error)
{
    const char *at = text;
    uint32_t count = 0, window_ms = 0;
    if (strcmp(text, "off") == 0) {
        limit->count = MW_NO_LIMIT;
        limit->window_ms = 0;
        return MW_OK;
    }
    if (!read_number(&at, MW_MAX_LIMIT, &count) || *at != '/' || !read_window(at + 1, &window_ms))
        return mw_error_set(
            error, MW_INVALID, "limits",
            "a rate looks like \"3000/min\", \"50/s\", \"100/10s\" or \"5000/h\", up to %u requests "
            "in at most 24h, or is \"off\"; got \"%.40s\"",
            MW_MAX_LIMIT, text);
    limit->count = count;
    limit->window_ms = window_ms;
    return MW_OK;
}

/* ---- as one line ---- */

/* The lane of that name, or MW_LANES. */
static mw_lane find_lane(const char *name)
{
    unsigned lane = 0;
    while (lane < MW_LANES && strcmp(mw_lane_name((mw_lane)lane), name) != 0)
        lane++;
    return (mw_lane)lane;
}

static int refuse_name(const char *name, mw_error *error)
{
    const char *known[MW_LANES + 3] = {0};
    for (unsigned lane = 0; lane < MW_LANES; lane++)
        known[lane] = mw_lane_name((mw_lane)lane);
    known[MW_LANES] = "off";
    known[MW_LANES + 1] = "shared";
    const char *near = mw_closest(name, known);
    if (near && strcmp(near, name) != 0)
        return mw_error_set(error, MW_INVALID, "limits",
                            "there is no lane '%.40s' (did you mean '%s'?)", name, near);
    return mw_error_set(error, MW_INVALID, "limits",
                        "'%.40s' is none of LANE=RATE, LANE.concurrency=NUMBER, shared, shared=FILE "
                        "and off; the lanes are all, search, reports, write, upload",
                        name);
}

static int refuse_twice(const char *name, mw_error *error)
{
    return mw_error_set(error, MW_INVALID, "limits", "'%.40s' stands there twice", name);
}

static int read_concurrency(const char *name, const char *text, mw_lane_limit *limit,
                            mw_error *error)
{
    uint32_t number = 0;
    if (limit->concurrency > 0)
        return refuse_twice(name, error);
    if (!read_number(&text, MW_MAX_LIMIT, &number) || *text)
        return mw_error_set(error, MW_INVALID, "limits",
                            "'%s.concurrency' must be a number from 1 to %u", name, MW_MAX_LIMIT);
    limit->concurrency = number;
    return MW_OK;
}

static int read_rate(const char *name, const char *text, mw_lane_limit *limit, mw_error *error)
{
    mw_error why = {0};
    if (limit->count > 0)
        return refuse_twice(name, error);
    if (mw_limit_parse(text, limit, &why) != MW_OK)
        return mw_error_set(error, MW_INVALID, "limits", "'%s': %s", name, why.message);
    return MW_OK;
}

/* "search=100/min" or "search.concurrency=4", cut at the '='. */
static int read_lane(char *name, const char *value, mw_limits *limits, mw_error *error)
{
    char *dot = strchr(name, '.');
    bool concurrency = dot && strcmp(dot, ".concurrency") == 0;
    if (concurrency)
        *dot = '\0';
    mw_lane lane = find_lane(name);
    if (lane == MW_LANES)
        return refuse_name(name, error);
    return concurrency ? read_concurrency(name, value, &limits->lanes[lane], error)
                       : read_rate(name, value, &limits->lanes[lane], error);
}

static int read_shared(const char *path, mw_limits *limits, mw_error *error)
{
    if (limits->shared)
        return refuse_twice("shared", error);
    if (!path || !*path)
        return mw_error_set(error, MW_INVALID, "limits",
                            "there is no place for a shared file; name one, shared=/path/to/file");
    limits->shared = path;
    return MW_OK;
}

static int read_part(char *part, const char *shared_default, mw_limits *limits, mw_error *error)
{
    char *value = strchr(part, '=');
    if (value)
        *value++ = '\0';
    if (strcmp(part, "shared") == 0)
        return read_shared(value ? value : shared_default, limits, error);
    if (value)
        return read_lane(part, value, limits, error);
    if (strcmp(part, "off") != 0)
        return refuse_name(part, error);
    limits->off = true;
    return MW_OK;
}

/* Cuts the part at `*text` out, without blanks around it, and moves `*text` to the next one or NULL. */
static char *next_part(char **text)
{
    char *part = *text + strspn(*text, " ");
    char *end = strchr(part, ',');
    *text = end ? end + 1 : NULL;
    end = end ? end : part + strlen(part);
    while (end > part && end[-1] == ' ')
        end--;
    *end = '\0';
    return part;
}

int mw_limits_parse(char *text, const char *shared_default, mw_limits *limits, mw_error *error)
{
    *limits = (mw_limits){0};
    while (text) {
        int rc = read_part(next_part(&text), shared_default, limits, error);
        if (rc != MW_OK)
            return rc;
    }
    return MW_OK;
}

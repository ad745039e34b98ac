/* wait.c: owns what is said of a wait. Must not know who waits. Any thread. */
#include <math.h>
#include <stdio.h>

#include "mw/limits.h"

const char *mw_wait_reason_name(mw_wait_reason reason)
{
    static const char *const names[] = {[MW_WAIT_LIMIT] = "limit",
                                        [MW_WAIT_REFUSED] = "refused",
                                        [MW_WAIT_CONCURRENCY] = "concurrency",
                                        [MW_WAIT_UNSHARED] = "unshared"};
    return (unsigned)reason < sizeof names / sizeof names[0] ? names[reason] : "?";
}

/* "100/min" */
static void rate_text(const mw_wait *wait, char *text, size_t size)
{
    static const struct {
        uint32_t ms;
        const char *name;
    } units[] = {{1000, "s"}, {60 * 1000, "min"}, {3600 * 1000, "h"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (wait->window_ms == units[i].ms) {
            snprintf(text, size, "%u/%s", wait->allowed, units[i].name);
            return;
        }
    }
    snprintf(text, size, "%u/%gs", wait->allowed, wait->window_ms / 1000.0);
}

/* "34 s", "49 min", "3 h" */
static void time_text(double seconds, char *text, size_t size)
{
    if (ceil(seconds) <= 120)
        snprintf(text, size, "%.0f s", ceil(seconds));
    else if (seconds <= 120 * 60)
        snprintf(text, size, "%.0f min", seconds / 60);
    else
        snprintf(text, size, "%.0f h", seconds / 3600);
}

void mw_wait_text(const mw_wait *wait, char *text, size_t size)
{
    char queued[48];
    char rate[48];
    char time[48];
    const char *lane = mw_lane_name(wait->lane);
    snprintf(queued, sizeof queued, "%u %s queued", wait->waiting,
             wait->waiting == 1 ? "call is" : "calls are");
    rate_text(wait, rate, sizeof rate);
    time_text(wait->seconds, time, sizeof time);
    switch (wait->reason) {
    case MW_WAIT_LIMIT:
        snprintf(text, size, "waiting %s for the limit of the lane %s (%s); %s", time, lane, rate,
                 queued);
        break;
    case MW_WAIT_REFUSED:
        snprintf(text, size, "waiting %s because the server refused the lane %s (429); %s", time,
                 lane, queued);
        break;
    case MW_WAIT_CONCURRENCY:
        snprintf(text, size, "waiting for a place in the lane %s, which others have taken; %s",
                 lane, queued);
        break;
    case MW_WAIT_UNSHARED:
        snprintf(text, size, "%s", wait->trouble ? wait->trouble : "limits are not shared any more");
        break;
    }
}

/* queue.c: owns the order in which the calls of a client leave, and what is told of those that wait. Must not know how
 * a call is sent, nor where limits are kept. Loop's thread.
 *
 * A way that was denied is asked again when its `until` has come. Each way has its own lines, so that one that waits
 * holds up no other; those of a lane take turns by the age of their calls. */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

#include "client_private.h"

#define MS INT64_C(1000)
#define MOST_PAUSE                                                                                 \
    (24 * 3600 * 1000 * MS) /* whatever a server says, it is asked again after a day */

struct mw__alarm {
    uv_timer_t timer;
    mw_client *client;
    int64_t at; /* 0: off */
};

static void on_tell(mw__post *post);

int mw__queue_open(mw_client *client)
{
    mw__alarm *alarm = calloc(1, sizeof *alarm);
    if (!alarm)
        return MW_MEMORY;
    alarm->client = client;
    alarm->timer.data = alarm;
    uv_timer_init(mw__loop_uv(client->loop), &alarm->timer);
    client->queue.alarm = alarm;
    client->queue.post.fn = on_tell;
    return MW_OK;
}

static void on_alarm_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void mw__queue_close(mw_client *client)
{
    mw__queue *queue = &client->queue;
    mw__loop_unpost(&queue->post);
    if (queue->alarm)
        uv_close((uv_handle_t *)&queue->alarm->timer, on_alarm_closed);
    queue->alarm = NULL;
}

static bool is_denied(const mw__way *way, int64_t now)
{
    return way->denial.until > now;
}

bool mw__queue_too_long(const mw__call *call, int64_t wait)
{
    int64_t window = ((int64_t)mw__way_window_ms(call->way) + 1000) * MS;
    int64_t timeout = mw__retry_timeout_us(call);
    return wait > (timeout > window ? timeout : window);
}

static void give_up(mw__call *call)
{
    call->pause_ends_us = call->way->denial.until;
    mw__call_end(call, MW_RATE_LIMITED);
}

void mw__queue_push(mw__call *call, mw__turn turn)
{
    mw__queue *queue = &call->client->queue;
    mw__way *way = call->way;
    mw__line *line = &way->lines[turn];
    call->state = MW_CALL_WAITING;
    call->turn = turn;
    call->queued_us = mw_loop_now(call->client->loop);
    call->next_waiting = NULL;
    call->link_waiting = line->end;
    *line->end = call;
    line->end = &call->next_waiting;
    way->waiting++;
    queue->waiting++;
    queue->lanes[way->lane].waiting++;
    if (is_denied(way, call->queued_us) && way->denial.reason == MW_WAIT_REFUSED &&
        mw__queue_too_long(call, way->denial.until - call->queued_us))
        give_up(call);
}

/* The time in the queue is not the call's: its deadline moves. */
static void leave(mw__call *call, int64_t now)
{
    mw__queue *queue = &call->client->queue;
    mw__way *way = call->way;
    mw_lane_stats *lane = &queue->lanes[way->lane];
    *call->link_waiting = call->next_waiting;
    if (call->next_waiting)
        call->next_waiting->link_waiting = call->link_waiting;
    else
        way->lines[call->turn].end = call->link_waiting;
    way->waiting--;
    queue->waiting--;
    lane->waiting--;
    lane->waited_us += now - call->queued_us;
    if (call->started_us > 0)
        call->started_us += now - call->queued_us;
}

void mw__queue_drop(mw__call *call)
{
    leave(call, mw_loop_now(call->client->loop));
}

static void end_hopeless(mw__way *way, int64_t now)
{
    int64_t wait = way->denial.until - now;
    if (wait <= ((int64_t)mw__way_window_ms(way) + 1000) * MS)
        return; /* too long for nobody */
    for (size_t turn = 0; turn < MW_TURNS; turn++) {
        mw__call *next;
        for (mw__call *call = way->lines[turn].first; call; call = next) {
            next = call->next_waiting;
            if (mw__queue_too_long(call, wait))
                give_up(call);
        }
    }
}

static void deny(mw__queue *queue, mw__way *way, const mw__denial *denial, int64_t now)
{
    way->denial = *denial;
    if (way->denial.until <= now)
        way->denial.until = now + MS;
    if (way->denied_us == 0)
        way->denied_us = now;
    queue->denied = true;
    queue->capped |= denial->reason == MW_WAIT_CONCURRENCY;
    if (denial->reason == MW_WAIT_REFUSED)
        end_hopeless(way, now);
}

/* Of the ways of a lane that may be asked, the one whose call is the oldest. */
static mw__way *oldest(const mw_client *client, size_t lane, size_t turn, int64_t now)
{
    mw__way *best = NULL;
    for (mw__way *way = client->pacer.ways[lane]; way; way = way->next) {
        const mw__call *call = way->lines[turn].first;
        if (call && !is_denied(way, now) && (!best || call->id < best->lines[turn].first->id))
            best = way;
    }
    return best;
}

mw__call *mw__queue_next(mw_client *client)
{
    mw__queue *queue = &client->queue;
    if (queue->waiting == 0)
        return NULL;
    int64_t now = mw_loop_now(client->loop);
    for (size_t turn = 0; turn < MW_TURNS; turn++) {
        for (size_t lane = 0; lane < MW_LANES; lane++) {
            mw__way *way;
            while ((way = oldest(client, lane, turn, now)) != NULL) {
                mw__denial denial = {0};
                if (!mw__way_take(way, now, &denial)) {
                    deny(queue, way, &denial, now);
                    continue;
                }
                mw__call *call = way->lines[turn].first;
                way->denied_us = 0;
                leave(call, now);
                queue->lanes[lane].running++;
                return call;
            }
        }
    }
    return NULL;
}

/* All ways, one after the other: after NULL the first, after the last NULL. */
static mw__way *next_way(const mw_client *client, const mw__way *way)
{
    mw__way *next = way ? way->next : NULL;
    for (size_t lane = way ? way->lane + 1u : 0; !next && lane < MW_LANES; lane++)
        next = client->pacer.ways[lane];
    return next;
}

static void ask_again(mw_client *client, bool only_capped)
{
    client->queue.capped = false;
    for (mw__way *way = NULL; (way = next_way(client, way)) != NULL;) {
        if (!only_capped || way->denial.reason == MW_WAIT_CONCURRENCY)
            way->denial.until = 0;
    }
}

void mw__queue_done(mw__call *call)
{
    mw_client *client = call->client;
    client->queue.lanes[call->way->lane].running--;
    mw__way_give(call->way);
    if (client->queue.capped)
        ask_again(client, true);
}

void mw__queue_refused(mw__call *call, int64_t now, int64_t since, int64_t wait)
{
    call->client->queue.lanes[call->way->lane].refused++;
    mw__way_refused(call->way, now, since, now + (wait < MOST_PAUSE ? wait : MOST_PAUSE));
    ask_again(call->client, false);
}

static void on_alarm(uv_timer_t *timer)
{
    mw__alarm *alarm = timer->data;
    alarm->at = 0;
    alarm->client->queue.denied = true; /* whoever still waits may have to be told again */
    mw__client_go(alarm->client);
}

static void set_alarm(mw__alarm *alarm, int64_t at, int64_t now)
{
    if (alarm->at == at)
        return;
    alarm->at = at;
    if (at == 0) {
        uv_timer_stop(&alarm->timer);
        return;
    }
    /* Never 0: libuv would call it again and again before anything else, the post that tells included. */
    int64_t wait = at > now ? (at - now + MS - 1) / MS : 1;
    uv_update_time(alarm->timer.loop);
    uv_timer_start(&alarm->timer, on_alarm, (uint64_t)wait, 0);
}

static void sooner(int64_t *at, int64_t than)
{
    *at = *at == 0 || than < *at ? than : *at;
}

/* When somebody has to be asked or told next; 0: never. */
static int64_t next_look(const mw_client *client, int64_t now)
{
    const mw__queue *queue = &client->queue;
    bool room = client->running < client->concurrency; /* else the end of a call asks again */
    int64_t at = 0;
    for (size_t lane = 0; lane < MW_LANES; lane++) {
        int64_t tell = queue->told_us[lane] + MW_WAIT_AGAIN_MS * MS;
        if (client->gate.watches && queue->told_us[lane] > 0 && tell > now)
            sooner(&at, tell);
    }
    for (const mw__way *way = NULL; (way = next_way(client, way)) != NULL;) {
        int64_t until = way->denial.until; /* its time may have come since it was denied */
        if (way->waiting > 0 && until > 0 && (until > now || room))
            sooner(&at, until);
    }
    return at;
}

void mw__queue_rest(mw_client *client)
{
    mw__queue *queue = &client->queue;
    if (!queue->alarm)
        return;
    bool news = client->pacer.meters->trouble[0] || (queue->denied && queue->waiting > 0);
    if (news && client->gate.watches)
        mw__loop_post(client->loop, &queue->post);
    if (queue->waiting == 0 && queue->alarm->at == 0)
        return;
    int64_t now = mw_loop_now(client->loop);
    set_alarm(queue->alarm, queue->waiting > 0 ? next_look(client, now) : 0, now);
}

/* ---- what is told ---- */

/* The meter that a way waits for, or NULL. */
static mw__meter *awaited(const mw__way *way, int64_t now)
{
    return way->waiting > 0 && is_denied(way, now) ? way->meters[way->denial.meter] : NULL;
}

/* Calls that wait for a meter. */
static uint32_t waiting_for(const mw_client *client, const mw__meter *meter, int64_t now)
{
    uint32_t calls = 0;
    for (const mw__way *way = NULL; (way = next_way(client, way)) != NULL;)
        calls += awaited(way, now) == meter ? way->waiting : 0;
    return calls;
}

/* Whether calls of the client itself may have taken places of a meter. */
static bool has_places(const mw_client *client, const mw__meter *meter)
{
    for (const mw__way *way = NULL; (way = next_way(client, way)) != NULL;) {
        for (size_t i = 0; client->queue.lanes[way->lane].running > 0 && i < way->count; i++) {
            if (way->meters[i] == meter)
                return true;
        }
    }
    return false;
}

/* What is to be said of a way that waits for a meter; false: its wait is not worth it. */
static bool describe(const mw_client *client, const mw__way *way, mw__meter *meter, int64_t now,
                     mw_wait *wait)
{
    const mw__denial *denial = &way->denial;
    const mw__meters_kind *kind = meter->meters->kind;
    int64_t most = MW_WAIT_TOLD_MS * MS;
    int64_t left = 0;
    if (denial->reason == MW_WAIT_CONCURRENCY) { /* own calls that are in flight are no news */
        if (now - way->denied_us <= most || has_places(client, meter))
            return false;
    } else {
        int64_t when = kind->when(meter, now, waiting_for(client, meter, now));
        left = (when > denial->until ? when : denial->until) - now;
        if (left <= most)
            return false;
    }
    *wait = (mw_wait){.service = client->gate.service,
                      .lane = way->lanes[denial->meter],
                      .reason = denial->reason,
                      .seconds = (double)left / 1e6,
                      .waiting = way->waiting,
                      .allowed = kind->allowed(meter),
                      .window_ms = meter->limit.window_ms};
    return true;
}

/* What is said of a lane's limit, of which each account has its own, is that of the longest wait. */
static void tell_limit(mw_client *client, size_t lane, int64_t now)
{
    mw__queue *queue = &client->queue;
    int64_t told = queue->told_us[lane];
    if (told > 0 && now - told < MW_WAIT_AGAIN_MS * MS)
        return;
    mw_wait longest = {0};
    uint32_t waiting = 0;
    for (const mw__way *way = NULL; (way = next_way(client, way)) != NULL;) {
        mw_wait wait;
        mw__meter *meter = awaited(way, now);
        if (!meter || way->lanes[way->denial.meter] != lane)
            continue;
        waiting += way->waiting;
        if (describe(client, way, meter, now, &wait) &&
            (longest.waiting == 0 || wait.seconds > longest.seconds))
            longest = wait;
    }
    if (longest.waiting == 0)
        return;
    queue->told_us[lane] = now;
    longest.waiting = waiting;
    mw__gate_tell(&client->gate, &longest);
}

/* For all clients that use the file: whoever comes first. */
static void tell_trouble(mw_client *client)
{
    char text[MW_MAX_TROUBLE];
    char *trouble = client->pacer.meters->trouble;
    if (!trouble[0] || !client->gate.watches)
        return;
    memcpy(text, trouble, sizeof text);
    trouble[0] = '\0';
    mw_wait wait = {.service = client->gate.service, .reason = MW_WAIT_UNSHARED, .trouble = text};
    mw__gate_tell(&client->gate, &wait);
}

static void on_tell(mw__post *post)
{
    mw_client *client = (mw_client *)(void *)((char *)post - offsetof(mw_client, queue.post));
    int64_t now = mw_loop_now(client->loop);
    client->queue.denied = false;
    tell_trouble(client);
    for (size_t lane = 0; lane < MW_LANES; lane++)
        tell_limit(client, lane, now);
    mw__queue_rest(client);
}

void mw__queue_stats(const mw_client *client, mw_lane_stats stats[MW_LANES])
{
    memcpy(stats, client->queue.lanes, sizeof client->queue.lanes);
    for (size_t lane = 0; lane < MW_LANES; lane++)
        stats[lane].allowed = mw__pacer_allowed(&client->pacer, (mw_lane)lane);
}

/* pacer.h: what the calls of a client have to wait for. A way is what calls of one lane, account and token have in
 * common: the meters that each of them takes from, those of its lane first. Loop's thread. */
#ifndef MW_PACER_H
#define MW_PACER_H

#include "meters.h"

typedef struct mw__call mw__call;

#define MW_WAY_METERS 4 /* at most: reports have two of their own, and that of all */

/* Calls in the order in which they came. */
typedef struct mw__line {
    mw__call *first;
    mw__call **end;
} mw__line;

/* What is to be sent again leaves before what was never sent. */
typedef enum mw__turn { MW_TURN_AGAIN, MW_TURN_FIRST, MW_TURNS } mw__turn;

typedef struct mw__way mw__way;
struct mw__way {
    mw__way *next; /* of the lane */
    mw_lane lane;
    unsigned token; /* kind; 0: its meters are those of every token */
    char *account;  /* NULL: of every account */
    mw__meter *meters[MW_WAY_METERS];
    mw_lane lanes[MW_WAY_METERS]; /* whose limit each of them is */
    size_t count;
    size_t paused; /* the first of those that a refusal pauses, and */
    size_t paused_count;
    /* queue.c's */
    mw__line lines[MW_TURNS];
    uint32_t waiting;
    mw__denial denial; /* what the first one waits for; `until` 0: nothing that is known */
    int64_t denied_us; /* since when, or 0 */
};

/* By what requests are counted, besides service and host. */
typedef enum mw__counted { MW_BY_HOST, MW_BY_ACCOUNT, MW_BY_TOKEN } mw__counted;

typedef struct mw__rule {
    mw_lane lane;
    mw__counted by;
    mw_lane_limit limit;
} mw__rule;

#define MW_MAX_RULES 8

typedef struct mw__pacer {
    mw__meters *meters;
    mw_service service;
    const char *origin; /* borrowed */
    mw__rule rules[MW_MAX_RULES];
    size_t rule_count;
    mw__way *ways[MW_LANES];
} mw__pacer;

/* Whose call it is. */
typedef struct mw__payer {
    mw_lane lane;
    const char *account;    /* or NULL */
    unsigned token;         /* kind, or 0 */
    const char *token_text; /* or NULL */
} mw__payer;

/* `origin` is kept, not copied. MW_MEMORY, or MW_INVALID with `error` (the shared file). */
int mw__pacer_open(mw__pacer *pacer, mw_loop *loop, mw_service service, const char *origin,
                   const mw_limits *limits, mw_error *error);

/* Frees its ways. All that was taken has been given back. Zeroed, or twice, is fine. */
void mw__pacer_close(mw__pacer *pacer);

/* The way of a call, made on first use; borrowed until mw__pacer_close. MW_MEMORY, or MW_INVALID with `error`. */
int mw__pacer_way(mw__pacer *pacer, const mw__payer *payer, mw__way **way, mw_error *error);

/* The least that a meter of the lane allows at present, in a window; 0: no limit. */
uint32_t mw__pacer_allowed(const mw__pacer *pacer, mw_lane lane);

/* As the meters have it (meters.h). */
bool mw__way_take(mw__way *way, int64_t now, mw__denial *denial);
void mw__way_give(mw__way *way);

/* A call of the way was refused: pauses and teaches its lane. `since`: when the server's window began. */
void mw__way_refused(mw__way *way, int64_t now, int64_t since, int64_t until);

/* The window of the lane that a refusal pauses. */
uint32_t mw__way_window_ms(const mw__way *way);

#endif

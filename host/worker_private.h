/* worker_private.h: what the files of the worker share. The worker's only thread. */
#ifndef MOONWIRE_WORKER_PRIVATE_H
#define MOONWIRE_WORKER_PRIVATE_H

#include "mw/channel.h"
#include "mw/wire.h"
#include "vm.h"
#include "worker.h"

/* A tree that has come, with the bytes that it borrows from. */
typedef struct mw__tree {
    char *data;
    mw_arena *arena;
    mw_value value; /* an object, or MW_V_EMPTY */
} mw__tree;

typedef struct mw__inside {
    mw__budgets budgets; /* those of the command line */
    mw__page *page;
    mw_loop *loop;
    mw_channel *channel;
    mw_wire *wire;
    mw__vm vm;
    mw__tree setup;
    uint32_t last_ask;
    uint64_t output;     /* bytes of print and log so far */
    uint64_t unwritten;  /* of them, those that the broker has not written yet */
    int64_t while_began; /* microseconds; of the output that */
    unsigned prompt;     /* left at once: so many times since then */
    bool collect;        /* the heap is over its limit: at the next chance */
    bool was_refused;    /* memory, at least once */
    char refused[256];   /* where it was refused last, "file:line", or "" */
} mw__inside;

/* ---- worker_asks.c ---- */

/* Takes the packed tree of `length` bytes, which it owns from here on, also when it fails. MW_MEMORY, MW_DECODE. */
int mw__tree_take(mw__tree *tree, char *data, size_t length);
void mw__tree_drop(mw__tree *tree); /* twice is fine */
/* The member of that type, or NULL. */
const mw_value *mw__tree_get(const mw__tree *tree, const char *name, mw_value_type type);
/* The member when it is a string, else "". */
const char *mw__tree_text(const mw__tree *tree, const char *name);

mw_value mw__text(const char *text, size_t length);
mw_member mw__member(const char *name, mw_value value);

/* What the VM's hooks do: they ask the broker. */
int mw__ask_module(const char *name, mw__source *source, mw_error *error, void *ud);
void mw__ask_hooks(mw__inside *inside); /* those of the bindings */

/* ---- worker_output.c ---- */

void mw__output_print(const char *text, size_t length, void *ud);
void mw__output_log(const char *level, const char *line, void *ud);
/* The broker has written so much. */
void mw__output_credit(mw__inside *inside, uint64_t bytes);
/* Sends what waits on its way, now and then. */
void mw__output_nudge(mw__inside *inside);

#endif

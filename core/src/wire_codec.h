/* wire_codec.h: calls and answers as bytes. Calls come from a worker and are hostile; answers are written by the
 * broker, and read as carefully. In the byte order of the machine. One thread at a time. */
#ifndef MW_WIRE_CODEC_H
#define MW_WIRE_CODEC_H

#include "buf.h"
#include "mw/wire.h"

/* Types of frames. The id of the last three is the door. */
enum {
    MW__W_CALL = 1,
    MW__W_CANCEL,
    MW__W_ANSWER,
    MW__W_STATS, /* no payload; answered by LANES */
    MW__W_LANES, /* mw__wire_pack_stats */
    MW__W_WAIT   /* mw__wire_pack_wait */
};

#define MW__WIRE_DOOR 4 /* bytes of the door, which comes before what mw__wire_pack_call writes */

/* Reads bytes; the first failure sticks, and `at` is its place. Then everything reads as zeros. */
typedef struct mw__reader {
    const char *data;
    size_t length;
    size_t at;
    int status;
    const char *problem;
} mw__reader;

void mw__reader_get(mw__reader *r, void *to, size_t length);
void mw__reader_bad(mw__reader *r, size_t at, const char *problem);

/* One call. Unpacked, its pointers are borrowed from the bytes and the arena. */
typedef struct mw__wire_call {
    uint32_t door;
    const mw_operation *operation; /* NULL: raw */
    mw_verb verb;                  /* raw */
    const char *raw_path;
    const mw_value *path;
    size_t path_count;
    const mw_value *params; /* of type MW_V_NONE for none */
    mw_call_options options;
} mw__wire_call;

/* Appends all but the door. MW_OK, MW_MEMORY, MW_TOO_LARGE (beyond the cap of `buf`), MW_INVALID (nested too deeply,
 * or more path parameters than any operation has). */
int mw__wire_pack_call(const mw__wire_call *call, mw__buf *buf);

/* Reads a frame of a call. MW_OK; MW_DECODE with the byte at fault and the problem; MW_MEMORY when the arena is full:
 * then all but path and params is there. */
int mw__wire_unpack_call(const char *data, size_t length, mw_arena *arena, mw__wire_call *call,
                         size_t *at, const char **problem);

/* One answer with what comes along. */
typedef struct mw__wire_answer {
    mw_answer answer;
    const char *warning;
    uint64_t sent; /* mw_gate_sent of the gate that it came from */
} mw__wire_answer;

/* The bytes that mw__wire_pack_answer writes to `to`; `*texts` is where the texts begin, body included: from there to
 * the end there is nothing else. */
size_t mw__wire_answer_size(const mw__wire_answer *answer);
void mw__wire_pack_answer(const mw__wire_answer *answer, char *to, char **texts);

/* Reads a frame of an answer. `*headers` is a list of `*room` elements that grows as needed and is used for the
 * headers; to be freed with free(). MW_OK, MW_MEMORY, or MW_DECODE as above. */
int mw__wire_unpack_answer(const char *data, size_t length, mw_header **headers, size_t *room,
                           mw__wire_answer *answer, size_t *at, const char **problem);

/* What mw_gate_sent and mw_gate_stats say of a gate. Unpacking: MW_OK, or MW_DECODE as above. */
#define MW__WIRE_STATS ((1 + 6 * MW_LANES) * sizeof(int64_t))
void mw__wire_pack_stats(uint64_t sent, const mw_lane_stats stats[MW_LANES], char *to);
int mw__wire_unpack_stats(const char *data, size_t length, uint64_t *sent,
                          mw_lane_stats stats[MW_LANES], size_t *at, const char **problem);

/* A wait that a gate tells of; its service is the gate's. Packed, it is numbers and the trouble with its NUL, if there
 * is one: mw__wire_wait_size bytes. Unpacked, the trouble is borrowed from the bytes. */
#define MW__WIRE_WAIT (sizeof(double) + 5 * sizeof(uint32_t))
size_t mw__wire_wait_size(const mw_wait *wait);
void mw__wire_pack_wait(const mw_wait *wait, char *to);
int mw__wire_unpack_wait(const char *data, size_t length, mw_wait *wait, size_t *at,
                         const char **problem);

#endif

/* main.c: runs the fuzz target without libFuzzer: sound inputs, and what becomes of them when bytes are changed, taken
 * away, doubled or moved. The same seed makes the same inputs. One thread.
 *
 *     mw_fuzz [ROUNDS [SEED]]      20000 rounds and seed 1 when nothing is said
 *     mw_fuzz --seeds FOLDER       writes the sound inputs for others
 *     mw_fuzz --file FILE          runs one input
 *
 * The last line is "N rounds"; whatever goes wrong ends the program otherwise. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { MOST = 4096, ROUNDS = 20000 };

static uint64_t state;

/* xorshift64* */
static uint32_t any(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 33) % below;
}

static void change_byte(uint8_t *data, size_t size)
{
    static const uint8_t edges[] = {0, 1, 4, 0x7f, 0x80, 0xff};
    size_t at = any((uint32_t)size);
    switch (any(4)) {
    case 0:
        data[at] = (uint8_t)any(256);
        break;
    case 1:
        data[at] = edges[any(sizeof edges)];
        break;
    case 2:
        data[at] ^= (uint8_t)(1u << any(8));
        break;
    default:
        data[at] = (uint8_t)(data[at] + (any(2) ? 1 : 0xff));
    }
}

/* Takes a piece away, doubles it, or puts it elsewhere. */
static size_t change_piece(uint8_t *data, size_t size)
{
    size_t at = any((uint32_t)size);
    size_t length = 1 + any(16);
    if (length > size - at)
        length = size - at;
    switch (any(3)) {
    case 0:
        memmove(data + at, data + at + length, size - at - length);
        return size - length;
    case 1:
        if (size + length > MOST)
            return size;
        memmove(data + at + length, data + at, size - at);
        return size + length;
    default:
        memmove(data + any((uint32_t)(size - length) + 1), data + at, length);
        return size;
    }
}

static size_t change(uint8_t *data, size_t size)
{
    for (uint32_t left = 1 + any(4); left > 0 && size > 1; left--) {
        if (any(4) > 0)
            change_byte(data + 1, size - 1);
        else
            size = 1 + change_piece(data + 1, size - 1);
    }
    return size;
}

static int run(uint64_t rounds)
{
    uint8_t data[MOST];
    unsigned seeds = 0;
    while (mw_fuzz_seed(seeds, data, sizeof data) > 0)
        seeds++;
    if (seeds == 0)
        return EXIT_FAILURE;
    for (uint64_t i = 0; i < rounds; i++) {
        size_t size = mw_fuzz_seed((unsigned)(i % seeds), data, sizeof data);
        if (i >= seeds) /* each of them once as it is */
            size = change(data, size);
        LLVMFuzzerTestOneInput(data, size);
    }
    printf("%" PRIu64 " rounds\n", rounds);
    return EXIT_SUCCESS;
}

static int write_seeds(const char *folder)
{
    uint8_t data[MOST];
    size_t size;
    for (unsigned n = 0; (size = mw_fuzz_seed(n, data, sizeof data)) > 0; n++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/seed-%u", folder, n);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
            fprintf(stderr, "can't write %s\n", path);
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}

static int run_file(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "can't read %s\n", path);
        return EXIT_FAILURE;
    }
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    puts("1 rounds");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--file") == 0)
        return run_file(argv[2]);
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    if (state == 0)
        state = 1;
    return run(argc > 1 ? strtoull(argv[1], NULL, 10) : ROUNDS);
}

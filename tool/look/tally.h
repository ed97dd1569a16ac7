/*
 * How many fibers are in which state, and wait for what.
 */
#ifndef GROVE_TOOL_TALLY_H
#define GROVE_TOOL_TALLY_H

#include <stdio.h>

#include "look/fibers.h"

#define REASON_SIZE 32
#define REASONS 128 /* that are told apart: the last stands for all others */

struct reason {
    char text[REASON_SIZE]; /* "recv", "sleep", ... */
    uint64_t count;
};

struct tally {
    uint64_t fibers, states[LOOK_STATES];
    struct reason reasons[REASONS];
    size_t reason_count;
    /* By where the text is in the process: which of them it is, from 1 on. */
    struct {
        uint64_t at;
        size_t reason;
    } known[1024];
};

/* What a fiber waits for: good as long as the tally; "" for nothing that is
 * known. */
const char *tally_text(struct tally *tally, struct target *t,
                       const struct look_fiber *f);

/* Counts it as well. */
const char *tally_count(struct tally *tally, struct target *t,
                        const struct look_fiber *f);

/* From zero on; the texts are still known. */
void tally_reset(struct tally *tally);

/* Writes them as a sentence: "3 fibers: 2 parked, 1 running; waiting: 2 recv".
 */
void tally_write(const struct tally *tally, FILE *to);

#endif

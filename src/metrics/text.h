/*
 * The numbers of hubs as text, as Prometheus reads it: for a program that tells
 * its own, and for the command that reads another's.
 *
 * Depends on nothing of the runtime; may be called on any thread.
 */
#ifndef GROVE_METRICS_TEXT_H
#define GROVE_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Delays are told by their length in so many classes at most. */
#define METRICS_DELAYS 64

/* Waits are told by so many kinds: those of enum grove_wait_kind. */
#define METRICS_WAITS 7

/* A hub. Times are in nanoseconds. */
struct metrics_hub {
    long thread; /* the system's number of it */
    bool asleep;
    int64_t idle_for; /* since its loop looked around; of no account while it is
                         asleep */
    uint64_t switches, spawned, ended, polls, posts, offloads; /* counted */
    uint64_t live, timers, descriptors;                        /* now */
    uint64_t delays[METRICS_DELAYS]; /* of each class, shorter than twice the
                                        one before; the last: all others */
    uint64_t delay_sum;
    int64_t delay_longest;
    uint64_t waits[METRICS_WAITS]; /* counted, by kind */
    uint64_t names_asked, names_found, names_failed, names_timed_out;
    int64_t names_time; /* of all but the first */
    uint64_t stalls;    /* counted */
};

/* So many of a kind. */
struct metrics_count {
    const char *kind; /* for people */
    uint64_t count;
};

struct metrics {
    const char *release; /* of the library */
    const struct metrics_hub *hubs;
    size_t hub_count;
    size_t delays;           /* classes that there are */
    unsigned delay_shortest; /* log2 of what those of the first are below */
    const struct metrics_count *states; /* fibers by state; NULL: not told */
    size_t state_count;
    const struct metrics_count *waits; /* by what they wait for; NULL: the same
                                        */
    size_t wait_count;
};

/* The text, *size bytes and a zero behind them, to be freed; NULL: no memory.
 */
char *metrics_text(const struct metrics *m, size_t *size);

#endif

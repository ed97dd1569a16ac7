/*
 * The hubs of a process, as they are at a moment.
 */
#ifndef GROVE_TOOL_HUBS_H
#define GROVE_TOOL_HUBS_H

#include "look/target.h"
#include "metrics/text.h"

#define HUB_DELAYS_MOST 64

struct look_hub {
    uint64_t at;      /* where it is */
    long thread;      /* the system's number of it */
    uint64_t current; /* the fiber that runs, or ran last */
    uint64_t loop_fiber;
    bool asleep;     /* it waits for events, or is about to */
    int64_t now;     /* the clock, when its loop looked last */
    uint64_t stacks; /* where what is known of its stacks is */
    /* Counted since the hub began: */
    uint64_t switches, spawned, polls, posts, offloads;
    uint64_t waits[METRICS_WAITS]; /* by enum grove_wait_kind */
    uint64_t names_asked, names_found, names_failed, names_timed_out;
    uint64_t names_time, stalls;
    /* Now: */
    uint64_t live, timers, descriptors;
    /* The run-queue delays, as of grove_each_hub(3). */
    uint64_t delays[HUB_DELAYS_MOST], delay_sum;
    int64_t delay_longest;
};

struct look_hubs {
    struct look_hub *list;
    size_t count;
};

/* Those that are there: in the order of their ring, no two the same. 0, or
 * -ENOMEM; where the process cannot be read any more, none. */
int hubs_read(struct look_hubs *hubs, struct target *t);
void hubs_free(struct look_hubs *hubs);

#endif

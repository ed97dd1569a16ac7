/*
 * Who runs, by looking often: each look reads a few words of every hub.
 */
#ifndef GROVE_TOOL_SAMPLE_H
#define GROVE_TOOL_SAMPLE_H

#include "look/fibers.h"

/* A fiber that was seen to run, or that is watched. */
struct sampled_fiber {
    uint64_t at, id; /* 0: the place is free */
    size_t hub;      /* its number among those that are sampled */
    unsigned ran;    /* looks at which it was the one that runs */
    unsigned looks;  /* at its state, which are fewer */
    unsigned ready;  /* of those: it could have run */
};

struct sampled_hub {
    struct look_hub before; /* when sampling began */
    uint64_t current;       /* as of the last look */
    unsigned looks, busy;   /* busy: it was not asleep */
    bool still; /* it has not switched, slept or looked around since then */
    int64_t cpu_before; /* what its thread had used, in nanoseconds */
};

#define SAMPLED_FIBERS 4096 /* a power of two */

struct sampler {
    struct target *t;
    struct sampled_hub *hubs;
    size_t hub_count;
    struct sampled_fiber fibers[SAMPLED_FIBERS]; /* hashed by address */
    size_t fiber_count;
    unsigned looks;
    int64_t began; /* by the monotonic clock, in nanoseconds */
    struct memory_piece *pieces;
    struct sampled_words *words;
};

/* From now on, of these hubs; what was seen before is forgotten. 0 or -ENOMEM.
 */
int sampler_begin(struct sampler *s, struct target *t,
                  const struct look_hubs *hubs);
void sampler_end(struct sampler *s);

/* One look. */
void sampler_look(struct sampler *s);

/* The fiber, if there is room made known if it was not; NULL. */
struct sampled_fiber *sampler_fiber(struct sampler *s, size_t hub, uint64_t at,
                                    uint64_t id);

/* What was seen of a fiber; NULL: it was not seen. */
const struct sampled_fiber *sampler_seen(const struct sampler *s, uint64_t at,
                                         uint64_t id);

/* Processor time of a thread, in nanoseconds; 0: it is not known. */
int64_t thread_cpu(pid_t pid, long thread);

/* The monotonic clock, in nanoseconds. */
int64_t look_clock(void);

#endif

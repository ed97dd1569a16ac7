/*
 * Looking for a post a short while before sleeping; spin.c says when that is
 * worth it. On the hub's own thread, if nothing else is said.
 */
#ifndef GROVE_HUB_SPIN_H
#define GROVE_HUB_SPIN_H

#include "hub/hub.h"

/* How long a hub looks at most, in nanoseconds, if the environment does not say
 * otherwise: much longer than another hub that spins as well takes to answer
 * (1 us), and about as long as it takes to wake one that sleeps. */
#define SPIN_TIME (20 * GROVE_MICROSECOND)

/* A post that ends a sleep shorter than this, in nanoseconds, would have been
 * seen by spinning, if both sides had done so: a sleep and a wake take most of
 * it. */
#define SPIN_SOON (50 * GROVE_MICROSECOND)

/* Spins in vain in a row, at most, before posts must come soon again: a trial.
 */
#define SPIN_TRIAL 4

/* After trials in vain only so many such posts lead to the next, at first and
 * at most: it doubles with each. */
#define SPIN_PATIENCE_LEAST 4
#define SPIN_PATIENCE_MOST 1024

/* What has become of a hub's sleeps so far. */
struct spin_counts {
    uint64_t soon;  /* sleeps that a post ended soon */
    uint64_t found; /* spins that a post ended */
    uint64_t vain;  /* spins that a sleep has followed */
};

/* The hub has nothing to do for timeout nanoseconds (-1: without limit) and is
 * about to sleep: waits for a post, if that is likely to come soon, having
 * looked at the descriptors. Whether there is something to do. */
bool hub_spin(struct hub *hub, int64_t timeout);

/* The hub goes to sleep: what hub_spin_slept is to be told. */
int64_t hub_spin_sleeps(const struct hub *hub);

/* It has been woken by a post. */
void hub_spin_slept(struct hub *hub, int64_t began);

const struct spin_counts *hub_spin_counts(const struct hub *hub);

/* How many hubs of the process spin at present; any thread. */
int hub_spinners(void);

/* How long hubs look from now on, in nanoseconds; 0: not at all. How long they
 * did. For tests; any thread. */
int64_t hub_spin_set_time(int64_t ns);

#endif

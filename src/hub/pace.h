/*
 * The pace of a hub: how long anybody may go on before the others get their
 * turn, and how long all of them together before the loop looks at timers,
 * descriptors and what other threads have sent. pace.c says how it is kept.
 *
 * To be given by every call that could have waited and need not: before it
 * takes what it would keep from others (a lock), otherwise when it is done, so
 * that nobody overtakes it.
 *
 *     hub_turn(hub);                      where others may run
 *
 * or, where the usual way is short, all else apart from it,
 *
 *     if (unlikely(hub_turn_due(hub)))
 *         return call_and_turn(...);      calls hub_turn_slow or hub_turn
 *
 * One that has to wait lets others run by that, and must not let any overtake
 * it before: those who wait get their turn in the order in which they came.
 *
 * It is not a cancellation point: who is killed meanwhile is told by its next
 * wait, so that no call fails that had something to deliver. Calls that promise
 * never to switch (the try calls, those that only wake) give none.
 *
 * On the hub's thread. In a callback, and while the thread ends, no turn is
 * given: nothing may be switched to then.
 */
#ifndef GROVE_HUB_PACE_H
#define GROVE_HUB_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "fiber/visibility.h"

struct hub;

/* By -Dturns (meson_options.txt) others run as often as they ever do on a slow
 * machine: who makes any call lets them (calls), the pass is over whenever the
 * clock is read (passes), or both (always). Nothing but the pace may hang on
 * that. */
#ifndef GROVE_TURNS_CALLS
#define GROVE_TURNS_CALLS 0
#endif
#ifndef GROVE_TURNS_PASSES
#define GROVE_TURNS_PASSES 0
#endif

/* Switches in a row between two looks of the loop, at most: the bound on how
 * long a busy queue can hold up I/O. At 10 ns a switch a look costs less than
 * 1 ns each. */
#define HUB_PASS 256

/* A pass that has taken so long, in nanoseconds, ends though there are switches
 * left. A look costs a thousandth of it. */
#define HUB_PASS_TIME (GROVE_TURNS_PASSES ? 0 : 700000)

/* Calls that could have waited in a row, by whichever fibers, before who makes
 * the next lets the others run, at most; and the nanoseconds that they are to
 * take, at most, while there are others. */
#define HUB_CALLS (GROVE_TURNS_CALLS ? 1 : 256)
#define HUB_CALLS_TIME 100000

/* A countdown of what is too cheap for a look at the clock each time. Its
 * length is such that it takes about as long as is wanted, going by the last
 * ones; nothing is known after a sleep, so that it begins with a few then. */
#define PACE_FIRST (GROVE_TURNS_CALLS ? 1 : 16)
struct pace {
    int length;     /* of the present countdown */
    int64_t began;  /* the clock, when it was last read; 0: not known */
    uint64_t count; /* how many there had been then */
};

/* It has run out, at `now`, after `count` altogether: the length of the next,
 * which is to take ns nanoseconds, or as little as can be (0). From 1 to most.
 */
int pace_next(struct pace *p, int64_t now, uint64_t count, int64_t ns,
              int most);

/* ---- a pass: hub_pass_begin is in hub.h -------------------------------------- */

/* The switches that were granted are used up: whether the pass goes on, with
 * more of them. */
bool hub_pass_extend(struct hub *hub);

/* Whether the pass has taken its time; it is timed from now on if it was not.
 */
bool hub_pass_is_over(struct hub *hub, int64_t now);

/* Nobody can be waiting for a look of the loop: who is not in the queue is
 * woken by who is. */
bool hub_awaits_nothing(const struct hub *hub);

/* The pass ends with the next switch, which is to the loop. */
void hub_pass_end(struct hub *hub);

/* A piece of work has cost as much as so many switches. */
void hub_pass_charge(struct hub *hub, int switches);

/* ---- calls: turn.c; hub_turn and hub_turn_due are in hub.h ------------------- */

/* For calls that need no hub where they need not wait, and end there: hub_turn,
 * if the thread has a hub. 0. Not inlined, so that the usual way saves no
 * registers. */
int hub_turn_found(void);

/* Sees to it that the others run and the loop looks around, if there is a
 * reason to. yields: now; otherwise the call is about to wait, and does it by
 * that. */
GROVE_HOST_API void hub_turn_slow(struct hub *hub, bool yields);

/* hub_turn_slow for a call on descriptor fd. False with EBADF: it was closed
 * meanwhile, and its number may be another file's. */
GROVE_HOST_API bool hub_turn_on_slow(struct hub *hub, int fd);

/* A wait whose deadline has passed, so that it does not park: who asks over and
 * over must let the others run. What such a call was to give by its wait is
 * given now; or more than was owed, if another has waited since. */
void hub_turn_in_vain(struct hub *hub);

#endif

/*
 * A fiber's life on its hub: its states, its record, its birth and its end.
 *
 *                 spawn                    its turn
 *      (nothing) ------> NEW, queued ------------------> RUNNING
 *                             ^                          |  |  |
 *                       wake  |        park              |  |  | function
 *             PARKED ------> READY, queued <-- yield ----+  |  | returns
 *                ^                                          |  v
 *                +------------------- park -----------------+  ENDED
 *
 * A fiber killed before its first turn goes from NEW to ENDED. All of it
 * belongs to the thread of the fiber's hub.
 */
#ifndef GROVE_HUB_LIFE_H
#define GROVE_HUB_LIFE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "fiber/fiber.h"
#include "grove.h"
#include "hub/run_queue.h"
#include "hub/timer.h"

struct hub;

enum fiber_state {
    FIBER_NEW,     /* its function has not begun; queued unless delayed */
    FIBER_READY,   /* queued, to go on where it stopped */
    FIBER_RUNNING, /* hub->current */
    FIBER_PARKED,  /* not queued, until it is woken */
    FIBER_ENDED,   /* its function has returned, or it never runs */
    FIBER_STRANDED /* a host's, in a child whose fork was to keep one: nothing
                      wakes it, and only a host's transfer makes it run */
};

/* What a fiber waits for, as grove_dump tells it. */
struct wait_reason {
    const char *what; /* "recv", "sleep", ... */
    int fd;           /* -1: none */
    int64_t since;    /* hub->now when it parked */
};

/* Of a fiber that a group owns: sync/group.c's, and not set for others. */
struct group_member {
    struct grove_fiber *next, *prev; /* in the group */
    grove_link end;                  /* tells the group of its end */
    int (*fn)(void *arg);            /* what the member was spawned for */
};

struct fiber_end_kind;

/* Something that is to be done at a fiber's end, on the fiber: who wants it
 * puts one of these into what it keeps for the fiber and registers it by
 * hub_at_end or hub_at_end_last. */
struct fiber_end {
    struct fiber_end *next; /* to be done after it */
    const struct fiber_end_kind *kind;
};

struct fiber_end_kind {
    /* The fiber's function has returned, or the thread whose own stack it is
     * ends. Must take `end` out, by hub_at_end_remove, and may wait. */
    void (*run)(struct grove_fiber *f, struct fiber_end *end);
    /* The fiber was ended by a fork, where it is not to be done: let go of what
     * is kept. `end` is out. */
    void (*forget)(struct grove_fiber *f, struct fiber_end *end);
};

/* In the order of use: two cache lines, which begin inside ->fiber, have what
 * switches, waking and locking touch, the third what else a fiber is born with,
 * the fourth what a wait has. */
struct grove_fiber {
    struct fiber fiber; /* first: the record of its stack */
    struct run run;     /* its place in the run queue */
    struct hub *hub;    /* it never moves to another */
    int wake_result;    /* what park returns */
    uint8_t state;      /* enum fiber_state */
    bool cancelled;     /* killed, not told yet */
    bool waiting;       /* parked by hub_wait: reason is set, a kill wakes it */
    uint8_t ending;     /* enum grove_ending: of its last wait that was ended
                           early */
    uint32_t references; /* handles, and one while it has not ended */
    int result;          /* once ended: 0, or -ECANCELED when it never ran */
    uint64_t identity;   /* what it is known by where it may be gone: of all
                            fibers of the process its alone, and a multiple of
                            FIBER_IDENTITIES; an address is used again */
    void *host;          /* the host's object; NULL: a fiber of C */
    struct grove_timeout *scope; /* innermost; NULL: none */
    struct grove_hold *held; /* locked last of those it holds: sync/held.c */
    /* the third: nothing at birth, up to fn, all at once */
    struct fiber_end *at_end;    /* what it has to do at its end, in order */
    struct shared_wait *shared;  /* the one it is parked in; NULL: none */
    struct grove_shield *shield; /* the innermost region that holds back a kill;
                                    NULL: none */
    void (*drop)(void *arg);   /* takes the argument back if fn is not entered;
                                  NULL: nobody need */
    struct locals *locals;     /* sync/local.c's; NULL: it has none */
    struct grove_group *group; /* that owns it; NULL: none, or it has ended */
    void *(*fn)(void *);       /* what it was spawned for */
    void *value;               /* the argument until it runs, then fn's value */
    /* the fourth */
    struct timer timer; /* of its present wait, or of its delayed start */
    struct wait_reason reason; /* of the last wait; see waiting */
    grove_link links; /* the ends of the ring of those to be called, in order,
                         when it has ended */
    const void *kill_cause;        /* of the last kill; see cancelled */
    const void *ending_cause;      /* see ending */
    struct grove_timeout *expired; /* the scope that the last wait to time out
                                      marked as expired; NULL: none */
    struct group_member member;    /* its place in its group */
};

/* Identities are multiples of this, from it on: there is room for flags in them
 * and for values that are nobody's. */
#define FIBER_IDENTITIES 8

/* ---- birth ------------------------------------------------------------------ */

/* A fiber of its own stack, NEW and not queued, with one reference, that will
 * run entry(f). NULL: out of memory or mappings. entry must call
 * fiber_started() first and hub_fiber_end() last. */
GROVE_HOST_API struct grove_fiber *hub_fiber_new(struct hub *hub,
                                                 enum stack_kind kind,
                                                 unsigned shift,
                                                 void (*entry)(void *f));

/* The caller's attributes; -EINVAL: they are not valid (spawn.c). */
int hub_take_attr(grove_attr *attr, const grove_attr *given);

/* ---- references ------------------------------------------------------------- */

static inline void hub_fiber_ref(struct grove_fiber *f)
{
    assert(f->references > 0);
    f->references++;
}

/* Give up a reference of a fiber; the last one, given up once it has ended,
 * gives back its stack. */
static inline void hub_fiber_unref(struct grove_fiber *f)
{
    assert(f->references > 0);
    if (--f->references == 0) {
        assert(f->state == FIBER_ENDED);
        stack_put(&f->fiber.stack);
    }
}

/* ---- end: hub_fiber_end, which leaves it for good, is in hub.h ---------------- */

/* Have `end` done at f's end: before all that has been asked for; after it. */
void hub_at_end(struct grove_fiber *f, struct fiber_end *end);
GROVE_HOST_API void hub_at_end_last(struct grove_fiber *f,
                                    struct fiber_end *end);

/* Not any more. Whether it was there. */
GROVE_HOST_API bool hub_at_end_remove(struct grove_fiber *f,
                                      struct fiber_end *end);

/* All of it is done now, on f; nothing of it. */
void hub_run_at_end(struct grove_fiber *f);
void hub_forget_at_end(struct grove_fiber *f);

/* f ends, or its thread does, holding what f->held says: sets that to NULL.
 * sync/held.c's, set before anything is held. On f's thread. */
extern GROVE_HOST_API void (*hub_holder_ends)(struct grove_fiber *f);

/* The values of hub's current fiber that f, which it spawns, inherits: 0, or
 * -ENOMEM. sync/local.c's; NULL: nothing is inherited. */
extern int (*hub_inherits)(struct hub *hub, struct grove_fiber *f);

/* The next identity of the thread's fibers. */
uint64_t hub_new_identity(struct hub *hub);

/* f has not run and never will: what its argument holds is given back, and what
 * it has inherited. */
void hub_drop_argument(struct grove_fiber *f);

/* Calls those who want to know that f has ended: wakes joiners, queues links.
 */
void hub_call_links(struct hub *hub, struct grove_fiber *f);

/* f has ended with result. */
static inline void hub_fiber_complete(struct hub *hub, struct grove_fiber *f,
                                      int result)
{
    assert(!run_queued(&f->run) && !timer_pending(&f->timer) && !f->at_end);
    if (unlikely(f->held != NULL))
        hub_holder_ends(f);
    f->state = FIBER_ENDED;
    f->result = result;
    if (f->links.next != &f->links)
        hub_call_links(hub, f);
}

/* Drop a fiber that is suspended and never to run again (a host's). */
GROVE_HOST_API void hub_fiber_drop(struct hub *hub, struct grove_fiber *f);

#endif

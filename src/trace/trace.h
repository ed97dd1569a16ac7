/*
 * A ring of what happened on a hub, and how an event gets into it: a few stores
 * and a reading of the processor's counter. README.md tells the rest.
 *
 * Invariants:
 *   1. Only the hub's thread adds; any thread may copy (copy.c).
 *   2. Record n is at n modulo their number, so the newest are kept.
 *   3. Fiber 0 is the hub itself.
 */
#ifndef GROVE_TRACE_TRACE_H
#define GROVE_TRACE_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fiber/visibility.h"
#include "trace/clock.h"

enum trace_kind {
    TRACE_BEGIN,  /* fiber runs, and it is the first that is known */
    TRACE_SPAWN,  /* fiber is there; other has spawned it */
    TRACE_END,    /* fiber has ended */
    TRACE_SWITCH, /* fiber is left, other goes on */
    TRACE_PARK,   /* fiber waits for the text at `other`, of descriptor value */
    TRACE_WAKE,   /* fiber will go on, woken by other, with result value */
    TRACE_SLEEP,  /* the hub is about to wait for what may come */
    TRACE_AWAKE   /* it is back */
};

struct trace_record {
    _Atomic uint64_t time; /* by trace_ticks */
    _Atomic uint64_t fiber;
    _Atomic uint64_t other; /* see enum trace_kind */
    _Atomic uint64_t rest;  /* the kind, and value in the upper half */
};

/* Bytes of a name with its end: a cache line with the number. */
#define TRACE_NAME_SIZE 56

struct trace_name {
    _Atomic uint64_t fiber; /* whose it is; 0: nobody's, or being written */
    _Atomic uint64_t text[TRACE_NAME_SIZE / 8];
};

struct trace_ring {
    struct trace_record *records;
    uint64_t mask;         /* their number, a power of two, less one */
    _Atomic uint64_t next; /* how many were added */
    struct trace_name *names;
    uint64_t name_mask; /* likewise */
    /* Under the lock of all rings, but for its hub's own reading */
    struct trace_ring *newer; /* in the list of all */
    unsigned number;          /* of the hub, from 1 on */
    long thread;              /* that the system has for its thread */
    uint64_t began;           /* by trace_ticks */
    uint64_t ended;           /* the same; 0: it goes on */
};

/* ---- the rings of a process: ring.c ------------------------------------------ */

/* Once a process, before the first ring: reads the environment. write.c. */
void trace_once(void);

/* A ring for the calling thread's hub; NULL: nothing is traced, or there is no
 * memory, which is told. */
struct trace_ring *trace_ring_begin(void);

/* The hub has ended. The ring is kept for the file. */
void trace_ring_end(struct trace_ring *ring);

/* In a forked child: ring is empty, the only one, and bound for a file of the
 * child's own. */
void trace_ring_forked(struct trace_ring *ring);

/* ---- events: the ring's own thread --------------------------------------------- */

/* An event of a moment that trace_ticks has told, after the event before. To
 * tell it is what an event costs, so events that are one moment share it. */
static inline void trace_add_at(struct trace_ring *ring, uint64_t time,
                                enum trace_kind kind, uint64_t fiber,
                                uint64_t other, int value)
{
    uint64_t n = atomic_load_explicit(&ring->next, memory_order_relaxed);
    struct trace_record *r = &ring->records[n & ring->mask];
    uint64_t rest = (uint64_t)kind | (uint64_t)(uint32_t)value << 32;
    atomic_store_explicit(&r->time, time, memory_order_relaxed);
    atomic_store_explicit(&r->fiber, fiber, memory_order_relaxed);
    atomic_store_explicit(&r->other, other, memory_order_relaxed);
    atomic_store_explicit(&r->rest, rest, memory_order_relaxed);
    atomic_store_explicit(&ring->next, n + 1, memory_order_release);
}

/* An event of now. */
static inline void trace_add(struct trace_ring *ring, enum trace_kind kind,
                             uint64_t fiber, uint64_t other, int value)
{
    trace_add_at(ring, trace_ticks(), kind, fiber, other, value);
}

/* Whether the ring has a name of the fiber, which is not 0. */
static inline bool trace_has_name(const struct trace_ring *ring, uint64_t fiber)
{
    const struct trace_name *name = &ring->names[fiber & ring->name_mask];
    return atomic_load_explicit(&name->fiber, memory_order_relaxed) == fiber;
}

/* Keep a name, cut where it is too long, in the place of one whose fiber has
 * the same remainder. names.c. */
void trace_name(struct trace_ring *ring, uint64_t fiber, const char *name);

#endif

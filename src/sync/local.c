/*
 * Fiber-local values.
 *
 * Keys are numbers handed out once a process, with their destructors. A fiber
 * has an array of values from its first grove_local_set on, as long as its
 * highest key needs; the hub holds it by its head, struct fiber_locals, and has
 * it destroyed on the fiber when that ends (the root's when its thread does).
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "hub/hub.h"

/* Destructors may set values anew; after this many rounds (POSIX's number for
 * threads) what is left is let go. */
#define ROUNDS 4

#define CAPACITY_MIN 8

struct locals {
    struct fiber_locals head; /* first: all that the hub knows */
    unsigned capacity;        /* of values: a power of two */
    void *values[];           /* by key; NULL: none was set */
};

static _Atomic unsigned keys; /* handed out: 0 to keys - 1 */
static void (*destructors[GROVE_LOCAL_MAX])(void *); /* NULL: none */

int grove_local_create(grove_local *key, void (*destroy)(void *))
{
    unsigned next = atomic_load(&keys);
    do {
        if (next == GROVE_LOCAL_MAX)
            return -EAGAIN;
    } while (!atomic_compare_exchange_weak(&keys, &next, next + 1));
    destructors[next] = destroy;
    *key = next;
    return 0;
}

static struct locals *locals_of(struct grove_fiber *f)
{
    return (struct locals *)f->locals;
}

void *grove_local_get(grove_local key)
{
    struct hub *hub = hub_of_thread;
    struct locals *l = hub ? locals_of(hub->current) : NULL;
    return l && key < l->capacity ? l->values[key] : NULL;
}

/* Whether there was a value with a destructor. */
static bool destroy_values(struct grove_fiber *f)
{
    bool any = false;
    /* A destructor that sets a value may move the array. */
    for (unsigned key = 0; key < locals_of(f)->capacity; key++) {
        void *value = locals_of(f)->values[key];
        if (!value || !destructors[key])
            continue;
        locals_of(f)->values[key] = NULL;
        destructors[key](value);
        any = true;
    }
    return any;
}

/* The hub has taken the array from the fiber; it gets it back meanwhile, so
 * that a destructor may look at other values. */
static void destroy_locals(struct fiber_locals *locals)
{
    struct grove_fiber *f = hub_of_thread->current;
    assert(locals && !f->locals);
    f->locals = locals;
    for (int round = 0; round < ROUNDS && destroy_values(f); round++)
        ;
    free(f->locals);
    f->locals = NULL;
}

/* Make room for key. 0 or -ENOMEM; then nothing has changed. */
static int grow(struct grove_fiber *f, grove_local key)
{
    struct locals *l = locals_of(f);
    unsigned old = l ? l->capacity : 0;
    assert(key >= old && key < GROVE_LOCAL_MAX);
    unsigned capacity = old ? old : CAPACITY_MIN;
    while (capacity <= key)
        capacity *= 2;
    l = realloc(l, sizeof(*l) + capacity * sizeof(l->values[0]));
    if (!l)
        return -ENOMEM;
    memset(&l->values[old], 0, (capacity - old) * sizeof(l->values[0]));
    l->capacity = capacity;
    l->head.destroy = destroy_locals;
    f->locals = &l->head;
    return 0;
}

int grove_local_set(grove_local key, void *value)
{
    if (key >= atomic_load_explicit(&keys, memory_order_relaxed))
        return -EINVAL;
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct grove_fiber *f = hub->current;
    struct locals *l = locals_of(f);
    if (!l || key >= l->capacity) {
        if (!value)
            return 0;
        int r = grow(f, key);
        if (r < 0)
            return r;
        l = locals_of(f);
    }
    l->values[key] = value;
    return 0;
}

/*
 * Fiber-local values.
 *
 * Keys are numbers handed out once a process, with their destructors. A fiber
 * has an array of values from its first grove_local_set on, as long as its
 * highest key needs, which is also one of the things that it does at its end
 * (the root, when its thread ends): after its cleanup handlers.
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
    struct fiber_end end; /* the last of what the fiber does at its end */
    unsigned capacity;    /* of values: a power of two */
    void *values[];       /* by key; NULL: none was set */
};

static _Atomic unsigned keys; /* handed out: 0 to keys - 1 */
static void (*destructors[GROVE_LOCAL_MAX])(void *); /* NULL: none */
static void *(*inheritors[GROVE_LOCAL_MAX])(void *); /* NULL: not inherited */

static int create(grove_local *key, void (*destroy)(void *),
                  void *(*inherit)(void *))
{
    unsigned next = atomic_load(&keys);
    do {
        if (next == GROVE_LOCAL_MAX)
            return -EAGAIN;
    } while (!atomic_compare_exchange_weak(&keys, &next, next + 1));
    destructors[next] = destroy;
    inheritors[next] = inherit;
    *key = next;
    return 0;
}

int grove_local_create(grove_local *key, void (*destroy)(void *))
{
    return create(key, destroy, NULL);
}

void *grove_local_get(grove_local key)
{
    struct hub *hub = hub_of_thread;
    struct locals *l = hub ? hub->current->locals : NULL;
    return l && key < l->capacity ? l->values[key] : NULL;
}

/* Whether there was a value with a destructor. */
static bool destroy_values(struct grove_fiber *f)
{
    bool any = false;
    /* A destructor that sets a value may move the array. */
    for (unsigned key = 0; key < f->locals->capacity; key++) {
        void *value = f->locals->values[key];
        if (!value || !destructors[key])
            continue;
        f->locals->values[key] = NULL;
        destructors[key](value);
        any = true;
    }
    return any;
}

/* A destructor may look at other values, and set some. */
static void destroy_locals(struct grove_fiber *f, struct fiber_end *end)
{
    assert(f->locals == container_of(end, struct locals, end));
    for (int round = 0; round < ROUNDS && destroy_values(f); round++)
        ;
    hub_at_end_remove(f, &f->locals->end);
    free(f->locals);
    f->locals = NULL;
}

static void forget_locals(struct grove_fiber *f, struct fiber_end *end)
{
    assert(f->locals == container_of(end, struct locals, end));
    free(f->locals);
    f->locals = NULL;
}

static const struct fiber_end_kind kind = {destroy_locals, forget_locals};

/* Make room for key. 0 or -ENOMEM; then nothing has changed. */
static int grow(struct grove_fiber *f, grove_local key)
{
    struct locals *l = f->locals;
    unsigned old = l ? l->capacity : 0;
    assert(key >= old && key < GROVE_LOCAL_MAX);
    unsigned capacity = old ? old : CAPACITY_MIN;
    while (capacity <= key)
        capacity *= 2;
    if (l) /* it may move */
        hub_at_end_remove(f, &l->end);
    struct locals *larger =
        realloc(l, sizeof(*l) + capacity * sizeof(l->values[0]));
    if (larger) {
        l = f->locals = larger;
        memset(&l->values[old], 0, (capacity - old) * sizeof(l->values[0]));
        l->capacity = capacity;
        l->end.kind = &kind;
    }
    if (l)
        hub_at_end_last(f, &l->end);
    return larger ? 0 : -ENOMEM;
}

int grove_local_set(grove_local key, void *value)
{
    if (key >= atomic_load_explicit(&keys, memory_order_relaxed))
        return -EINVAL;
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct grove_fiber *f = hub->current;
    struct locals *l = f->locals;
    if (!l || key >= l->capacity) {
        if (!value)
            return 0;
        int r = grow(f, key);
        if (r < 0)
            return r;
        l = f->locals;
    }
    l->values[key] = value;
    return 0;
}

/* ---- what is inherited --------------------------------------------------- */

/* As grove_local_set of f, which is being made. */
static int give(struct grove_fiber *f, grove_local key, void *value)
{
    if (!f->locals || key >= f->locals->capacity) {
        int r = grow(f, key);
        if (r < 0)
            return r;
    }
    f->locals->values[key] = value;
    return 0;
}

/* Room is made before a value is: then there is nothing to be taken back but
 * what f has. */
static int inherit_values(struct hub *hub, struct grove_fiber *f)
{
    const struct grove_fiber *parent = hub->current;
    int r = 0;
    /* What is called may set values, which moves the array. */
    for (unsigned key = 0; parent->locals && key < parent->locals->capacity;
         key++) {
        void *value = parent->locals->values[key];
        if (!value || !inheritors[key])
            continue;
        r = give(f, key, NULL);
        if (r < 0)
            break;
        f->locals->values[key] = inheritors[key](value);
    }
    if (r < 0 && f->locals)
        destroy_locals(f, &f->locals->end);
    return r;
}

int grove_local_create_inherited(grove_local *key, void (*destroy)(void *),
                                 void *(*inherit)(void *value))
{
    if (!inherit)
        return -EINVAL;
    int r = create(key, destroy, inherit);
    if (r == 0)
        __atomic_store_n(&hub_inherits, inherit_values, __ATOMIC_RELEASE);
    return r;
}

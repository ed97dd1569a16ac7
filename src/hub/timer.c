/*
 * The pairing heap of timers; see timer.h.
 *
 * A node's prev is its elder sibling, or its parent when it is the first
 * child; the root's prev is the root itself, so that prev tells whether a timer
 * is in a heap.
 */
#include "hub/timer.h"

#include <assert.h>

static bool earlier(const struct timer *a, const struct timer *b)
{
    return a->deadline < b->deadline ||
           (a->deadline == b->deadline && a->order < b->order);
}

/* Two roots become one: the later is the other's first child. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (earlier(b, a)) {
        struct timer *t = a;
        a = b;
        b = t;
    }
    assert(a != b && !earlier(b, a));
    b->next = a->child;
    b->prev = a;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* The root of a list of siblings: pairs from the left, then the pairs' roots
 * from the right. */
static struct timer *meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL; /* newest first, linked by next */
    while (first) {
        struct timer *a = first;
        struct timer *b = a->next;
        first = b ? b->next : NULL;
        a->next = NULL;
        if (b) {
            b->next = NULL;
            a = meld(a, b);
        }
        a->next = pairs;
        pairs = a;
    }
    struct timer *root = pairs;
    if (!root)
        return NULL;
    pairs = root->next;
    while (pairs) {
        struct timer *rest = pairs->next;
        root = meld(root, pairs);
        pairs = rest;
    }
    return root;
}

static void set_root(struct timer_heap *heap, struct timer *root)
{
    heap->root = root;
    if (root) {
        root->prev = root;
        root->next = NULL;
    }
}

void timer_add(struct timer_heap *heap, struct timer *timer, int64_t deadline)
{
    assert(!timer_pending(timer));
    /* One that adds itself with a deadline long past would stay ahead of all
     * others for good; behind those that are due now it cannot. */
    if (unlikely(heap->expiring) && deadline < heap->now)
        deadline = heap->now;
    timer->deadline = deadline;
    timer->order = heap->order++;
    timer->child = NULL;
    timer->next = NULL;
    heap->count++;
    set_root(heap, heap->root ? meld(heap->root, timer) : timer);
}

void timer_remove(struct timer_heap *heap, struct timer *timer)
{
    if (!timer_pending(timer))
        return;
    assert(heap->count > 0 && (timer->prev == timer) == (timer == heap->root));
    assert(!timer->next || timer->next->prev == timer);
    struct timer *rest = meld_siblings(timer->child);
    if (timer == heap->root) {
        set_root(heap, rest);
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->next;
        else
            timer->prev->next = timer->next;
        if (timer->next)
            timer->next->prev = timer->prev;
        if (rest)
            set_root(heap, meld(heap->root, rest));
    }
    timer->prev = NULL;
    heap->count--;
    assert((heap->count == 0) == (heap->root == NULL));
}

size_t timer_expire(struct timer_heap *heap, int64_t now)
{
    size_t n = 0;
    assert(!heap->expiring && now >= heap->now);
    /* One added meanwhile has a later order: it waits for the next pass, so
     * that a timer that adds itself cannot hold up the loop. */
    uint64_t end = heap->order;
    heap->expiring = true;
    heap->now = now;
    while (heap->root && heap->root->deadline <= now &&
           heap->root->order < end) {
        struct timer *timer = heap->root;
        timer_remove(heap, timer);
        assert(!heap->root || !earlier(heap->root, timer));
        timer->fn(timer);
        n++;
    }
    heap->expiring = false;
    return n;
}

/*
 * Signals for the thread whose own stack a hub of fibers runs on. It is no
 * fiber of ours, and what is sent to it alone the kernel has; but the kernel
 * would give it to whichever fiber runs and does not block it. So one that the
 * thread itself blocks is kept here for as long as there is such a fiber, and
 * given to the kernel, with which it stays pending, when the last has ended.
 *
 * A record is a part of its hub, and in a list of all, under a lock.
 */
#include "patch/threads/root.h"

#include <stdlib.h>

#include "fiber/tls_masks.h"
#include "hub/part.h"
#include "patch/threads/sent.h"
#include "patch/threads/thread.h"

struct root {
    struct hub_part part;
    struct root *next; /* of all */
    struct hub *hub;
    struct sent sent;
    grove_post poke; /* has its hub look at them */
};

static struct sent_lock lock;
static struct root *roots; /* under it */

/* ---- on the hub's thread ------------------------------------------------------------ */

static void on_end(struct hub_part *part)
{
    struct root *r = container_of(part, struct root, part);
    uint64_t before = sent_hold(&lock);
    struct root **at = &roots;
    while (*at && *at != r)
        at = &(*at)->next;
    if (*at)
        *at = r->next;
    sent_let_go(&lock, before);
    sent_drop(&r->sent);
    if (!__atomic_load_n(&r->poke.posted, __ATOMIC_ACQUIRE))
        free(r); /* else it is still in the mailbox */
}

static struct root *root_of(const struct hub *hub)
{
    struct hub_part *part = hub_part_find(hub, on_end);
    return part ? container_of(part, struct root, part) : NULL;
}

struct sent *root_sent(void)
{
    struct hub *hub = hub_of_thread;
    struct root *r = hub && hub->own_tls.tp ? root_of(hub) : NULL;
    return r ? &r->sent : NULL;
}

static void settle(struct root *r)
{
    struct tls_thread *home = &r->hub->own_tls;
    siginfo_t info;
    while (sent_take(&r->sent, tls_masks_asleep(home), &info))
        sent_raise(&info, true);
}

void root_settle(struct hub *hub)
{
    struct root *r = likely(!hub->own_tls.mask) ? NULL : root_of(hub);
    if (r)
        settle(r);
}

/* A callback of the hub, with the thread's own mask. */
static void on_poke(grove_post *post)
{
    struct root *r = container_of(post, struct root, poke);
    const struct sent *s = &r->sent;
    struct grove_fiber *f = &r->hub->root;
    siginfo_t info;
    bool ends = s->awaited || (s->masked && sent_due(s, 0));
    if (ends && f->state == FIBER_PARKED && f->waiting && !f->shared)
        hub_wake(f, -EINTR);
    else /* it has unblocked some meanwhile */
        while (sent_take(&r->sent, ~r->hub->own_tls.mask, &info))
            sent_raise(&info, true);
}

void root_begin(struct hub *hub)
{
    struct root *r = calloc(1, sizeof(*r));
    if (!r)
        return; /* the kernel has all of them */
    r->part.end = on_end;
    r->poke.fn = on_poke;
    r->hub = hub;
    hub_part_add(hub, &r->part);
    uint64_t before = sent_hold(&lock);
    r->next = roots;
    roots = r;
    sent_let_go(&lock, before);
}

/* ---- on any thread ------------------------------------------------------------------- */

/* It is the thread's that blocks n, and a fiber there does not. */
static bool is_for(const struct root *r, pthread_t id, int n)
{
    const struct tls_thread *home = &r->hub->own_tls;
    return home->tp == (void *)(uintptr_t)id && (home->mask & sent_bit(n)) &&
           tls_masks_let(&home->masks, n);
}

bool root_keep(pthread_t id, const siginfo_t *info)
{
    uint64_t before = sent_hold(&lock);
    struct root *r = roots;
    while (r && !is_for(r, id, info->si_signo))
        r = r->next;
    bool kept = r && sent_keep(&r->sent, info) == 0;
    if (kept)
        grove_hub_post((grove_hub *)r->hub, &r->poke);
    sent_let_go(&lock, before);
    return kept;
}

/* ---- around a fork --------------------------------------------------------------------- */

static uint64_t mask_of_forker; /* while the lock is held for it */

static void before_fork(void)
{
    uint64_t before = sent_hold(&lock);
    mask_of_forker = before;
}

static void in_parent(void)
{
    sent_let_go(&lock, mask_of_forker);
}

/* Other hubs are not there. */
static void in_child(void)
{
    struct hub *hub = hub_of_thread;
    roots = hub ? root_of(hub) : NULL;
    if (roots)
        roots->next = NULL;
    sent_let_go(&lock, mask_of_forker);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}

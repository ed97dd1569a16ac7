/*
 * Which hubs there are: the calling thread's, and the ring of all of the
 * process. The ring is for a fork, after which only one is left, and for those
 * who want to know of all: a list of all fibers on a signal (dump.c), readers
 * from outside (layout.c) and debuggers (tools/grove-gdb.py walks it by the
 * name hub_list). Any thread may call these.
 *
 * The lock is held for a few instructions, when a thread's hub comes or goes,
 * and around a fork. A signal handler cannot wait for it: what it finds held it
 * asks to be done when it is let go.
 */
#include "hub/list.h"

#include <assert.h>
#include <sched.h>

__thread struct hub *hub_of_thread __attribute__((tls_model("initial-exec")));

static _Atomic bool locked;
struct hub *hub_list;
static _Atomic unsigned hubs; /* how many there are */
/* While it was locked. */
static void (*_Atomic asked)(struct hub *hub, void *arg);

static bool try_lock(void)
{
    return !atomic_exchange_explicit(&locked, true, memory_order_acquire);
}

void hub_list_lock(void)
{
    while (!try_lock())
        sched_yield();
}

/* Locked. */
static void call_for_all(void (*fn)(struct hub *hub, void *arg), void *arg)
{
    struct hub *hub = hub_list;
    assert(atomic_load(&locked));
    if (!hub)
        return;
    do {
        assert(hub->next_hub->previous_hub == hub);
        fn(hub, arg);
        hub = hub->next_hub;
    } while (hub != hub_list);
}

void hub_list_unlock(void)
{
    void (*fn)(struct hub *, void *) = atomic_exchange(&asked, NULL);
    assert(atomic_load(&locked));
    if (fn)
        call_for_all(fn, NULL);
    atomic_store_explicit(&locked, false, memory_order_release);
}

void hub_list_ask(void (*fn)(struct hub *hub, void *arg))
{
    if (!try_lock()) {
        atomic_store(&asked, fn);
        return;
    }
    call_for_all(fn, NULL);
    hub_list_unlock();
}

void hub_list_each(void (*fn)(struct hub *hub, void *arg), void *arg)
{
    hub_list_lock();
    call_for_all(fn, arg);
    hub_list_unlock();
}

static void link_in(struct hub *hub)
{
    atomic_fetch_add(&hubs, 1);
    if (!hub_list)
        hub_list = hub->next_hub = hub->previous_hub = hub;
    hub->next_hub = hub_list;
    hub->previous_hub = hub_list->previous_hub;
    hub->previous_hub->next_hub = hub;
    hub->next_hub->previous_hub = hub;
}

void hub_list_add(struct hub *hub)
{
    assert(!hub->next_hub);
    hub_list_lock();
    link_in(hub);
    hub_list_unlock();
}

void hub_list_remove(struct hub *hub)
{
    hub_list_lock();
    assert(hub->next_hub->previous_hub == hub);
    hub->previous_hub->next_hub = hub->next_hub;
    hub->next_hub->previous_hub = hub->previous_hub;
    atomic_fetch_sub(&hubs, 1);
    if (hub_list == hub)
        hub_list = hub->next_hub == hub ? NULL : hub->next_hub;
    hub_list_unlock();
}

bool hub_list_is_alone(const struct hub *hub)
{
    assert(hub == hub_of_thread); /* so it is in the ring */
    (void)hub;
    return atomic_load(&hubs) == 1;
}

static void declare_dead(struct hub *hub, void *arg)
{
    (void)arg;
    hub->dead = true;
}

void hub_list_forked(struct hub *survivor)
{
    call_for_all(declare_dead, NULL);
    hub_list = NULL;
    atomic_store(&hubs, 0);
    if (survivor) {
        survivor->dead = false;
        link_in(survivor);
    }
}

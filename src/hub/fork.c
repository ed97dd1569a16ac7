/*
 * fork(): the child has the calling fiber and the thread's own stack, and a
 * fresh loop.
 *
 * Every other fiber of C ends there and then with -ECANCELED: nobody must find
 * two processes doing the same work. A host's fibers stay as they are, since
 * the host's objects refer to them, but what they waited for is gone. Hubs of
 * other threads do not exist in the child; their memory stays, unused.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/hub.h"

/* Fibers to end: collected first, because ending one gives back its stack. */
struct victims {
    struct grove_fiber *first; /* linked by run.next, as run is unqueued */
};

static void collect(struct grove_fiber *f, void *arg)
{
    struct victims *v = arg;
    timer_remove(&f->hub->timers, &f->timer);
    if (f->host || f == f->hub->current)
        return;
    f->fn = (void *(*)(void *))(uintptr_t)v->first;
    v->first = f;
}

static void forget_queue(struct hub *hub)
{
    while (!run_queue_empty(&hub->queue)) {
        struct run *run = hub->queue.ends.next;
        run_queue_remove(run);
        if (run->call || run->birth)
            continue;
        struct grove_fiber *f = container_of(run, struct grove_fiber, run);
        if (f->state == FIBER_READY)
            f->state = FIBER_PARKED;
    }
}

static void end_victims(struct hub *hub, struct victims *v)
{
    while (v->first) {
        struct grove_fiber *f = v->first;
        v->first = (struct grove_fiber *)(uintptr_t)f->fn;
        f->locals = NULL; /* its destructors are the parent's business */
        hub_fiber_complete(hub, f, -ECANCELED);
        hub->fibers--;
        hub_fiber_unref(f);
    }
}

static void in_child(void)
{
    struct hub *hub = hub_of_thread;
    if (!hub)
        return;
    forget_queue(hub);
    hub->timers = (struct timer_heap){0};
    atomic_store(&hub->mailbox, NULL);
    hub->mail = NULL;
    hub->holds = 0;
    int r = loop_renew(&hub->loop);
    if (r < 0) {
        static const char message[] =
            "grove: no event loop for the forked process\n";
        ssize_t n = write(STDERR_FILENO, message, sizeof(message) - 1);
        (void)n;
        abort();
    }
    struct victims v = {NULL};
    hub_each(hub, collect, &v);
    hub->root.timer.prev = NULL;
    /* A fork inside a callback leaves the loop fiber where it is; elsewhere it
     * is parked between two passes, in a poll or in giving way. */
    end_victims(hub, &v);
    if (hub->host)
        hub->host->forked(hub);
}

void hub_watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

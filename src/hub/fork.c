/*
 * fork(): the child has the calling fiber and the thread's own stack, and a
 * fresh loop.
 *
 * Every other fiber of C ends there and then with -ECANCELED: nobody must find
 * two processes doing the same work. Their stacks are never used again in the
 * child: whatever they waited in (an event, a list of the user's) may still
 * point there, and finds a fiber that has ended. A host's fibers stay as they
 * are, since the host's objects refer to them; they and the thread's own stack
 * go on waiting for what they waited for, timers and descriptors included.
 * Hubs of other threads do not exist in the child; their memory stays, unused.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/hub.h"

/* Fibers to end: first all are taken out of the hub, then all are ended, as the
 * end of one may concern another. */
struct victims {
    struct grove_fiber *first; /* linked by fn, which they need no more */
};

static void collect(struct grove_fiber *f, void *arg)
{
    struct victims *v = arg;
    struct hub *hub = f->hub;
    if (f->host || f == hub->current)
        return;
    if (run_queued(&f->run))
        run_queue_remove(&f->run);
    timer_remove(&hub->timers, &f->timer);
    f->state = FIBER_ENDED; /* nothing wakes it from here on */
    f->fn = (void *(*)(void *))(uintptr_t)v->first;
    v->first = f;
}

static void end_victims(struct hub *hub, struct victims *v)
{
    while (v->first) {
        struct grove_fiber *f = v->first;
        v->first = (struct grove_fiber *)(uintptr_t)f->fn;
        f->locals = NULL;     /* its destructors are the parent's business */
        hub_forget_defers(f); /* and so are these */
        if (f->shared)
            hub->shared_waits--;
        hub_fiber_complete(hub, f, -ECANCELED);
        hub->fibers--; /* and its reference stays, so that its stack does */
    }
}

/* Whether who waits so has ended. One whose node is not on its stack is not
 * found out: its wake will come to nothing. */
static bool has_ended(struct loop_wait *wait, void *arg)
{
    struct hub *hub = arg;
    struct stack *stack = stack_by_address(&hub->stacks, wait);
    return stack && ((struct grove_fiber *)stack)->state == FIBER_ENDED;
}

/* Posts come from other threads, which the child does not have. A wake that had
 * been on its way arrives; who has sent a message is told. */
static void forget_posts(grove_post *post)
{
    while (post) {
        grove_post *next = post->next;
        __atomic_store_n(&post->posted, 0, __ATOMIC_SEQ_CST);
        if (post->fn == hub_deliver_shared)
            post->fn(post);
        else if (post->fn == hub_message_arrive)
            hub_message_lose(post);
        post = next;
    }
}

static void renew_loop(struct hub *hub)
{
    int r = loop_renew(&hub->loop, has_ended, hub);
    if (r == 0)
        return;
    static const char message[] =
        "grove: no event loop for the forked process\n";
    ssize_t n = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)n;
    abort();
}

static void in_child(void)
{
    struct hub *hub = hub_of_thread;
    hub_list_forked(hub);
    hub_list_unlock();
    if (!hub)
        return;
    atomic_store(&hub->posters, 0);
    /* Both are taken first: who is told of a message may post. */
    grove_post *mail = hub->mail, *newer = atomic_exchange(&hub->mailbox, NULL);
    hub->mail = NULL;
    forget_posts(mail);
    forget_posts(newer);
    hub->holds = 0;
    /* A fork inside a callback leaves the loop fiber where it is; elsewhere it
     * is parked between two passes, in a poll or in giving way. */
    struct victims v = {NULL};
    hub_each(hub, collect, &v);
    renew_loop(hub);
    end_victims(hub, &v);
    for (struct hub_part *part = hub->parts; part; part = part->next) {
        if (part->forked)
            part->forked(part);
    }
    if (hub->host)
        hub->host->forked(hub);
}

void hub_watch_forks(void)
{
    pthread_atfork(hub_list_lock, hub_list_unlock, in_child);
}

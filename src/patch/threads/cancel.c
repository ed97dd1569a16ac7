/*
 * Cancelling threads: told at cancellation points, which are the waits of this
 * folder that POSIX has for such, pthread_testcancel, and the calls of the
 * layer above that ask thread_act. A thread that has asked to be cancelled at
 * once is told at the next of these as well: nothing interrupts a fiber that
 * computes.
 *
 *     cancel sets the flag, pokes the hub -->   a wait that it ends is ended;
 *                                               any other is killed once
 *     the thread sees the flag -->              pthread_exit, by libc
 */
#include <errno.h>
#include <pthread.h>

#include "patch/threads/lot.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

/* ---- on the thread --------------------------------------------------------------- */

static bool is_cancelled(const struct thread *t)
{
    return atomic_load(&t->cancelled) && !t->exiting &&
           t->cancel_state == PTHREAD_CANCEL_ENABLE;
}

bool thread_wants(const struct thread *t)
{
    return is_cancelled(t) || signals_due(t);
}

bool thread_is_interrupted(void)
{
    return thread_self && thread_wants(thread_self);
}

bool thread_may_wait(void)
{
    struct thread *t = thread_self;
    if (!t)
        return true;
    t->interruptible = true;
    return !thread_wants(t);
}

void thread_has_waited(void)
{
    if (thread_self)
        thread_self->interruptible = false;
}

bool thread_act(void)
{
    struct thread *t = thread_self;
    if (likely(!t))
        return false;
    bool any = signals_deliver(t);
    if (unlikely(is_cancelled(t)))
        patched_pthread_exit(PTHREAD_CANCELED);
    return any;
}

/* ---- from elsewhere ---------------------------------------------------------------- */

/* What it waits in, of another layer: ended as by a kill. */
static void end_other_wait(struct thread *t)
{
    if (is_cancelled(t))
        grove_kill(t->fiber);
    else if (t->fiber->waiting)
        hub_wake(t->fiber, -EINTR);
}

/* On t's hub. */
static void on_poke(grove_post *post)
{
    struct thread *t = container_of(post, struct thread, poke);
    struct grove_fiber *f = t->fiber;
    if (!f || f->state != FIBER_PARKED || t->exiting)
        return;
    if (!t->interruptible) {
        if (!f->shared && !f->shield && thread_wants(t))
            end_other_wait(t);
    } else if (!f->shared) {
        hub_wake(f, -EINTR);
    } else if (hub_claim(f->shared, t)) {
        hub_wake_shared(f->shared);
    }
}

int thread_poke(struct thread *t)
{
    grove_waiters *q = lot_lock(t);
    bool ended = t->ended;
    if (!ended && t->hub) {
        t->poke.fn = on_poke;
        grove_hub_post((grove_hub *)t->hub, &t->poke);
    }
    lot_unlock(q);
    return ended ? ESRCH : 0;
}

int patched_pthread_cancel(pthread_t id)
{
    struct thread *t = thread_of(id);
    if (!t)
        return pthread_cancel(id);
    atomic_store(&t->cancelled, true);
    if (t == thread_self) {
        if (t->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS)
            thread_act();
        return 0;
    }
    thread_poke(t); /* one that has ended may be cancelled */
    return 0;
}

/* ---- what the thread has asked for ---------------------------------------------------- */

int patched_pthread_setcancelstate(int state, int *before)
{
    struct thread *t = thread_self;
    if (!t)
        return pthread_setcancelstate(state, before);
    if (state != PTHREAD_CANCEL_ENABLE && state != PTHREAD_CANCEL_DISABLE)
        return EINVAL;
    if (before)
        *before = t->cancel_state;
    t->cancel_state = state;
    if (t->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS)
        thread_act();
    return 0;
}

int patched_pthread_setcanceltype(int type, int *before)
{
    struct thread *t = thread_self;
    if (!t)
        return pthread_setcanceltype(type, before);
    if (type != PTHREAD_CANCEL_DEFERRED && type != PTHREAD_CANCEL_ASYNCHRONOUS)
        return EINVAL;
    if (before)
        *before = t->cancel_type;
    t->cancel_type = type;
    if (type == PTHREAD_CANCEL_ASYNCHRONOUS)
        thread_act();
    return 0;
}

void patched_pthread_testcancel(void)
{
    if (thread_self)
        thread_act();
    else
        pthread_testcancel();
}

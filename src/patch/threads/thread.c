/*
 * A POSIX thread that is a fiber with a block of thread-local storage of its
 * own (fiber/tls_block.h): it is born, ends, and is joined. Its pthread_t is
 * the block's thread pointer, as that of any thread of libc's is, and so what
 * libc keeps for a thread (keys, cleanup handlers, C++'s thread_local) is
 * libc's business here, too.
 *
 *     create --> its function --> destructors --> ended --> joined --> freed
 *                     |               ^             |                    ^
 *                     +- pthread_exit +             +---- detached ------+
 *                        (unwound by libc)
 *
 * The record, and with it the pthread_t, is there until it is joined, or has
 * ended detached; the fiber and its stack go at its end. What is shared is
 * under the lock of the record's address in the lot, where those wait who join
 * it.
 */
#include "patch/threads/thread.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fiber/tls_block.h"
#include "patch/threads/deal.h"
#include "patch/threads/lot.h"
#include "patch/threads/root.h"
#include "patch/threads/threads.h"

__thread struct thread *thread_self __attribute__((tls_model("initial-exec")));

/* How many have not ended; who waits for the last waits for its address. */
static _Atomic size_t living;

size_t threads_living(void)
{
    return atomic_load(&living);
}

/* ---- end --------------------------------------------------------------------- */

static struct thread **self_in(void *tp)
{
    ptrdiff_t at = (char *)&thread_self - (char *)tls_pointer();
    return (struct thread **)tls_at(tp, at);
}

/* Nobody knows it any more. */
static void destroy(struct thread *t)
{
    *self_in(t->block->tp) = NULL;
    tls_block_put(t->block);
    sent_drop(&t->sent);
    free(t);
}

bool thread_has_ended(struct thread *t)
{
    grove_waiters *q = lot_lock(t);
    bool ended = t->ended;
    lot_unlock(q);
    return ended;
}

/* It has ended, but for its fiber, which does not touch the record any more.
 * false: a poke is on its way, which has to arrive first. */
static bool publish_end(struct thread *t)
{
    grove_waiters *q = lot_lock(t);
    if (__atomic_load_n(&t->poke.posted, __ATOMIC_ACQUIRE)) {
        lot_unlock(q);
        return false;
    }
    bool detached = t->detached;
    t->ended = true;
    t->fiber = NULL;
    struct waiter *joiners = lot_take(q, t, LOT_ALL);
    lot_unlock(q);
    if (detached)
        destroy(t);
    waiters_wake(joiners);
    if (atomic_fetch_sub(&living, 1) == 1)
        lot_wake(&living, LOT_ALL);
    return true;
}

/* On the fiber, with what it has in its block for the last time. */
static void on_end(struct grove_fiber *f, struct fiber_end *end)
{
    struct thread *t = container_of(end, struct thread, end);
    t->cancel_state = PTHREAD_CANCEL_DISABLE;
    tls_block_finish();
    hub_at_end_remove(f, end);
    if (f->at_end) { /* asked for meanwhile */
        hub_at_end_last(f, end);
        return;
    }
    thread_robust_end();
    tls_block_leave(&f->hub->thread, &f->fiber);
    sent_drop(&t->sent);
    root_settle(f->hub);
    while (!publish_end(t))
        grove_yield();
}

/* In the child of a fork, where another thread called it: as libc has it, the
 * thread is gone and its record stays. */
static void on_forget(struct grove_fiber *f, struct fiber_end *end)
{
    (void)end;
    tls_block_forget(&f->fiber);
    atomic_fetch_sub(&living, 1);
}

static const struct fiber_end_kind end_kind = {on_end, on_forget};

/* Its hub ended before it could begin. */
static void on_drop(void *arg)
{
    struct thread *t = arg;
    while (!publish_end(t)) {
    }
}

/* ---- birth ---------------------------------------------------------------------- */

/* Headers declare it only to code that is not unwound. */
void __pthread_register_cancel(__pthread_unwind_buf_t *frame);

/* The frame that cleanup handlers and pthread_exit unwind to, as libc's own
 * start of a thread has it. */
static void call_function(struct thread *t)
{
    union { /* libc's functions for both take the smaller one */
        __pthread_unwind_buf_t unwind;
        struct __jmp_buf_tag jump;
    } frame;
    keep_frame();
    if (__sigsetjmp(&frame.jump, 0) == 0) {
        __pthread_register_cancel(&frame.unwind);
        t->value = t->fn(t->arg);
    }
}

static void *run(void *arg)
{
    struct thread *t = arg;
    struct hub *hub = hub_of_thread;
    struct grove_fiber *f = hub->current;
    keep_frame();
    if (unlikely(!hub->own_tls.tp))
        root_begin(hub);
    tls_block_begin(&hub->thread, &hub->own_tls, &f->fiber, t->block);
    assert(thread_self == t);
    t->end.kind = &end_kind;
    hub_at_end_last(f, &t->end);
    fiber_set_name(&f->fiber, t->name);
    grove_waiters *q = lot_lock(t);
    t->hub = hub;
    t->fiber = f;
    lot_unlock(q);
    call_function(t);
    return NULL;
}

/* What attr asks for; NULL: the default. 0 or EINVAL. */
static int take_attributes(struct thread *t, const pthread_attr_t *attr)
{
    pthread_attr_t usual;
    int detach = PTHREAD_CREATE_JOINABLE;
    if (!attr && pthread_getattr_default_np(&usual) != 0)
        return EINVAL;
    const pthread_attr_t *a = attr ? attr : &usual;
    pthread_attr_getdetachstate(a, &detach);
    pthread_attr_getstacksize(a, &t->stack);
    pthread_attr_getguardsize(a, &t->guard);
    if (!attr)
        pthread_attr_destroy(&usual);
    t->detached = detach == PTHREAD_CREATE_DETACHED;
    if (!attr && deal_stack_size())
        t->stack = deal_stack_size();
    else if (!attr && t->stack > DEAL_STACK_MOST)
        t->stack = DEAL_STACK_MOST;
    return 0;
}

/* A size that fibers can have. */
static size_t stack_for(const struct thread *t)
{
    size_t size = t->stack + (t->stack < GROVE_STACK_MIN ? t->guard : 0);
    if (size < 2 * GROVE_STACK_MIN)
        return 2 * GROVE_STACK_MIN;
    return size > GROVE_STACK_MAX ? GROVE_STACK_MAX : size;
}

static struct thread *new_thread(const pthread_attr_t *attr,
                                 void *(*fn)(void *), void *arg)
{
    struct thread *t = calloc(1, sizeof(*t));
    if (!t || take_attributes(t, attr) != 0)
        goto fail;
    struct hub *hub = hub_of_thread;
    t->block = tls_block_take(hub ? &hub->own_tls : NULL);
    if (!t->block)
        goto fail;
    t->fn = fn;
    t->arg = arg;
    t->cancel_state = PTHREAD_CANCEL_ENABLE;
    t->cancel_type = PTHREAD_CANCEL_DEFERRED;
    *self_in(t->block->tp) = t;
    return t;
fail:
    free(t);
    return NULL;
}

static int create(pthread_t *id, const pthread_attr_t *attr,
                  void *(*fn)(void *), void *arg)
{
    struct hub *hub = deal_hub();
    if (!hub)
        return EAGAIN;
    struct thread *t = new_thread(attr, fn, arg);
    if (!t)
        return EAGAIN;
    grove_attr fiber = {
        .size = sizeof(fiber), .stack_size = stack_for(t), .drop = on_drop};
    *id = thread_id(t); /* it may be over before this returns */
    atomic_fetch_add(&living, 1);
    int r = hub == hub_of_thread
                ? grove_spawn_with(NULL, &fiber, run, t)
                : grove_hub_spawn_with((grove_hub *)hub, &fiber, run, t);
    if (r == 0)
        return 0;
    atomic_fetch_sub(&living, 1);
    destroy(t);
    return EAGAIN;
}

static pthread_once_t found_out = PTHREAD_ONCE_INIT;

int patched_pthread_create(pthread_t *id, const pthread_attr_t *attr,
                           void *(*fn)(void *), void *arg)
{
    pthread_once(&found_out, mutex_find_out);
    if (unlikely(tls_block_refused() != NULL))
        return pthread_create(id, attr, fn, arg);
    return create(id, attr, fn, arg);
}

/* ---- exit ------------------------------------------------------------------------- */

static pthread_key_t last_key; /* has a value in a thread that waits for all */
static pthread_once_t last_once = PTHREAD_ONCE_INIT;

static void await_all(struct hub *hub)
{
    while (atomic_load(&living) > 0) {
        struct lot_wait w;
        grove_waiters *q = lot_lock(&living);
        lot_enter(&w, hub, q, &living);
        lot_unlock(q);
        if (atomic_load(&living) > 0)
            lot_await(&w, GROVE_NEVER, "pthread_exit", false);
        else
            lot_leave(&w);
    }
}

/* A thread whose own stack a hub runs on has been left by pthread_exit, and its
 * cleanup handlers were called: its fibers go on until all threads have ended,
 * and then so does it, or with the main thread the process. */
static void outlive(void *arg)
{
    struct hub *hub = arg;
    await_all(hub);
    hub_ends_with_keys(hub, true);
    if (syscall(SYS_gettid) == getpid())
        exit(0);
}

static void make_last_key(void)
{
    pthread_key_create(&last_key, outlive);
}

void patched_pthread_exit(void *value)
{
    struct thread *t = thread_self;
    if (t) {
        t->exiting = true;
        t->value = value;
    } else if (lot_hub()) {
        pthread_once(&last_once, make_last_key);
        pthread_setspecific(last_key, hub_of_thread);
        hub_ends_with_keys(hub_of_thread, false);
    }
    pthread_exit(value);
}

/* ---- join --------------------------------------------------------------------------- */

/* Who joins is alone to. 0 or an error number. */
static int begin_join(struct thread *t)
{
    grove_waiters *q = lot_lock(t);
    int r = t == thread_self ? EDEADLK : t->detached || t->joined ? EINVAL : 0;
    if (r == 0)
        t->joined = true;
    lot_unlock(q);
    return r;
}

static void forgo_join(struct thread *t)
{
    grove_waiters *q = lot_lock(t);
    t->joined = false;
    lot_unlock(q);
}

static void end_join(struct thread *t, void **value)
{
    assert(t->ended && t->joined);
    if (value)
        *value = t->value;
    destroy(t);
}

/* Whether t has ended; if not, w has entered. */
static bool ended_or_enters(struct thread *t, struct lot_wait *w,
                            struct hub *hub)
{
    grove_waiters *q = lot_lock(t);
    bool ended = t->ended;
    if (!ended)
        lot_enter(w, hub, q, t);
    lot_unlock(q);
    return ended;
}

/* The joiner is cancelled: t can be joined by others. */
static void forgo(void *t)
{
    forgo_join(t);
}

static int await_end(struct thread *t, int64_t deadline)
{
    struct hub *hub = lot_hub_made();
    struct lot_wait w;
    int r = 0;
    if (!hub)
        return EAGAIN;
    pthread_cleanup_push(forgo, t);
    thread_act();
    while (r == 0 && !ended_or_enters(t, &w, hub)) {
        r = -lot_await(&w, deadline, "pthread_join", true);
        thread_act();
    }
    pthread_cleanup_pop(0);
    return r;
}

static int join(struct thread *t, void **value, int64_t deadline)
{
    int r = begin_join(t);
    if (r != 0)
        return r;
    r = await_end(t, deadline);
    if (r == 0)
        end_join(t, value);
    else
        forgo_join(t);
    return r;
}

/* An ordinary thread is joined by a worker. */
struct joining {
    pthread_t id;
    void **value;
};

static void *join_ordinary(void *arg)
{
    const struct joining *j = arg;
    return (void *)(intptr_t)pthread_join(j->id, j->value);
}

int patched_pthread_join(pthread_t id, void **value)
{
    struct thread *t = thread_of(id);
    if (t)
        return join(t, value, GROVE_NEVER);
    if (!lot_hub() || pthread_equal(id, pthread_self()))
        return pthread_join(id, value);
    struct joining j = {id, value};
    void *result;
    int r = pthread_tryjoin_np(id, value);
    if (r != EBUSY)
        return r;
    grove_shield shield;
    grove_shield_begin(&shield);
    r = grove_offload(join_ordinary, &j, &result);
    grove_shield_end(&shield);
    return r == 0 ? (int)(intptr_t)result : pthread_join(id, value);
}

int patched_pthread_tryjoin_np(pthread_t id, void **value)
{
    struct thread *t = thread_of(id);
    if (!t)
        return pthread_tryjoin_np(id, value);
    int r = begin_join(t);
    if (r != 0)
        return r;
    grove_waiters *q = lot_lock(t);
    bool ended = t->ended;
    t->joined = ended;
    lot_unlock(q);
    if (ended)
        end_join(t, value);
    else if (lot_hub())
        hub_turn(hub_of_thread); /* who asks again and again lets it run */
    return ended ? 0 : EBUSY;
}

int patched_pthread_clockjoin_np(pthread_t id, void **value, clockid_t clock,
                                 const struct timespec *abs)
{
    struct thread *t = thread_of(id);
    int64_t deadline;
    if (!t)
        return pthread_clockjoin_np(id, value, clock, abs);
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return EINVAL;
    if (lot_deadline(clock, abs, &deadline) != 0)
        return EINVAL;
    return join(t, value, deadline);
}

int patched_pthread_timedjoin_np(pthread_t id, void **value,
                                 const struct timespec *abs)
{
    return patched_pthread_clockjoin_np(id, value, CLOCK_REALTIME, abs);
}

int patched_pthread_detach(pthread_t id)
{
    struct thread *t = thread_of(id);
    if (!t)
        return pthread_detach(id);
    grove_waiters *q = lot_lock(t);
    int r = t->detached ? EINVAL : 0;
    bool ended = t->ended && !t->joined;
    t->detached = true;
    lot_unlock(q);
    if (r == 0 && ended)
        destroy(t);
    return r;
}

int patched_sched_yield(void)
{
    if (!lot_hub())
        return sched_yield();
    thread_act();
    grove_yield();
    return 0;
}

/*
 * A patched call: whether it may park, and what is kept of it while it does.
 */
#ifndef GROVE_PATCH_CALL_H
#define GROVE_PATCH_CALL_H

#include <errno.h>

#include "fiber/tls_block.h"
#include "hub/wait.h"
#include "patch/handlers.h"
#include "patch/patch.h"
#include "patch/threads/thread.h"

/* Whether a signal whose handlers all have SA_RESTART ends a call: signal(7).
 */
enum patch_signals {
    PATCH_RESTARTS,
    PATCH_RECEIVES, /* if it is a socket with SO_RCVTIMEO; and where a part has
                       come, that is told. Begun anew it must do no harm */
    PATCH_SENDS,    /* likewise, with SO_SNDTIMEO */
    PATCH_INTERRUPTED
};

/* On the stack of who makes it. */
struct patch_call {
    struct patch_call *next;   /* begun before it, on the same thread */
    struct patch_call **back;  /* what points to it */
    struct grove_fiber *fiber; /* who makes it */
    enum patch_signals signals;
    unsigned begun; /* handlers.run then: those that run later end it */
    bool ended;     /* one of them has */
    bool anew;      /* and the call is begun anew if there is nothing to tell */
    int error;      /* errno, which a call that succeeds does not change */
};

/* What is kept of a thread, whichever storage its fibers have. */
struct patch_thread {
    struct patch_call *calls; /* begun last first */
    struct handlers handlers;
    bool raises; /* what was sent to the fiber that runs, and to nobody else */
    struct {     /* handlers that have run and nobody was ended for */
        grove_post post; /* on its way while there are */
        bool any;
        bool restart;     /* all of them have SA_RESTART */
        uint64_t signals; /* whose they were, as bits */
        unsigned last;    /* handlers.run with the last of them */
        bool unspent;     /* nobody waited whom they would end; the rest is
                             still theirs */
    } noted;
};

extern __thread struct patch_thread patch_thread
    __attribute__((tls_model("initial-exec")));

/* The calling thread's. */
static inline struct patch_thread *patch_thread_self(void)
{
    return tls_block_own(&patch_thread);
}

/* Whether the caller is a signal's handler, or called by one. */
static inline bool patch_in_handler(void)
{
    return handlers_running(&patch_thread_self()->handlers);
}

/* A host's fiber, or one that may switch to a host's: that is asked, for it has
 * to know of waits inside code that is not its own. */
static inline bool patch_host_lets(const struct hub *hub)
{
    const struct grove_fiber *f = hub->current;
    return f->host && hub->host && hub->host->foreign_may_park(f);
}

/* 0 in the child of a fork that libc does not know of: its hub is the parent's,
 * with whose fibers' copies and loop it must not go on. */
extern const volatile char *patch_process;

/* What patch_hub asks of a thread that has a hub. */
static inline bool patch_may_park(const struct hub *hub)
{
    const struct grove_fiber *f = hub->current;
    if (unlikely(!*patch_process))
        return false;
    if (f == hub->loop_fiber || hub->ending || hub->keep_stacks)
        return false;
    if (unlikely(patch_in_handler()))
        return false;
    if (f->host || hub->host)
        return patch_host_lets(hub);
    if (hub->in_callback)
        return false;
    return f != &hub->root || hub_fibers(hub) > 0;
}

/* The thread's hub, if the call may park; NULL: libc's own is called. */
static inline struct hub *patch_hub(void)
{
    struct hub *hub = hub_of_thread;
    if (likely(!hub))
        return NULL;
    return patch_may_park(hub) ? hub : NULL;
}

/* The current fiber may park from now on in code that is not its own; has come
 * back from that. A host is told. */
static inline void patch_host_begin(struct hub *hub)
{
    if (unlikely(hub->current->host != NULL))
        hub->host->foreign_begin(hub->current);
}

static inline void patch_host_end(struct hub *hub)
{
    if (unlikely(hub->current->host != NULL))
        hub->host->foreign_end(hub->current);
}

static inline void patch_call_begin(struct patch_call *call, struct hub *hub,
                                    enum patch_signals signals)
{
    struct patch_thread *t = patch_thread_self();
    if (unlikely(thread_self != NULL))
        thread_act();
    t->raises = false; /* a handler may have been left by siglongjmp */
    call->fiber = hub->current;
    call->signals = signals;
    call->begun = t->handlers.run;
    call->ended = call->anew = false;
    call->error = errno;
    call->next = t->calls;
    call->back = &t->calls;
    if (call->next)
        call->next->back = &call->next;
    t->calls = call;
    patch_host_begin(hub);
}

static inline void patch_call_end(struct patch_call *call, bool ok)
{
    *call->back = call->next;
    if (call->next)
        call->next->back = call->back;
    patch_host_end(call->fiber->hub);
    if (ok)
        errno = call->error;
}

/* The call has failed. A maker that is a thread acts on what was sent to it
 * (threads/cancel.c), a cancel or signals. Whether signals were all that ended
 * the call, and the kernel would make it anew. errno is kept. */
bool patch_call_again(const struct patch_call *call);

/* The body of a patched function of libc's shape: libc's call where nothing may
 * park, else the other, in which `hub` is the thread's. */
#define PATCHED(type, signals, libcs, ours) \
    struct hub *hub = patch_hub(); \
    if (likely(!hub)) \
        return libcs; \
    struct patch_call call_; \
    type result_; \
    do { \
        patch_call_begin(&call_, hub, signals); \
        result_ = ours; \
        patch_call_end(&call_, result_ >= 0); \
    } while (unlikely(result_ < 0) && patch_call_again(&call_)); \
    return result_

/* A call that did not wait, and is none under way: it counts as one that could
 * have, and gives others their turn when that is due. errno is kept. */
void patch_turn_slow(struct hub *hub);

static inline void patch_turn(struct hub *hub)
{
    if (unlikely(hub_turn_due(hub)))
        patch_turn_slow(hub);
}

/* -1 with errno for a negative errno, or the number itself. */
static inline int patch_result(int r)
{
    if (r >= 0)
        return r;
    errno = -r;
    return -1;
}

/* Once a process, before the first slot is patched. 0 or -ENOMEM. */
int patch_calls_begin(void);

/* In the child of libc's fork. */
void patch_calls_forked(void);

/* The handler of signum runs on this thread; whether it has SA_RESTART. In it.
 */
void patch_calls_signalled(int signum, bool restarts);

/* Waits for want of anything to wait for: the pause before the next try, from a
 * quarter of a millisecond to 16. 0 at first. As hub_wait, but 0 when it is
 * over; what a handler ends that has run between two is ended, too. */
int patch_back_off(struct hub *hub, int64_t *pause, int64_t deadline,
                   const char *what);

/* A worker makes the system call. As syscall(2). */
long patch_on_worker(struct hub *hub, const char *what, long number, long a,
                     long b, long c, long d, long e, long f);

#endif

/*
 * A patched call: whether it may park, and what is kept of it while it does.
 */
#ifndef GROVE_PATCH_CALL_H
#define GROVE_PATCH_CALL_H

#include <errno.h>

#include "hub/wait.h"
#include "patch/handlers.h"
#include "patch/patch.h"

/* Whether a signal whose handlers all have SA_RESTART ends a call: signal(7).
 */
enum patch_signals { PATCH_RESTARTS, PATCH_INTERRUPTED };

/* On the stack of who makes it. */
struct patch_call {
    struct patch_call *next;   /* begun before it, on the same thread */
    struct patch_call **back;  /* what points to it */
    struct grove_fiber *fiber; /* who makes it */
    enum patch_signals signals;
    unsigned begun; /* handlers_run then: those that run later end it */
    int error;      /* errno, which a call that succeeds does not change */
};

/* Those of the thread, begun last first. */
extern __thread struct patch_call *patch_calls
    __attribute__((tls_model("initial-exec")));

/* What patch_hub asks of a thread that has a hub. */
static inline bool patch_may_park(const struct hub *hub)
{
    const struct grove_fiber *f = hub->current;
    if (f == hub->loop_fiber || hub->in_callback || hub->ending)
        return false;
    if (unlikely(handlers_running()))
        return false;
    /* A host has to know of waits inside code that is not its own. */
    if (f->host || hub->host)
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

static inline void patch_call_begin(struct patch_call *call, struct hub *hub,
                                    enum patch_signals signals)
{
    call->fiber = hub->current;
    call->signals = signals;
    call->begun = handlers_run;
    call->error = errno;
    call->next = patch_calls;
    call->back = &patch_calls;
    if (call->next)
        call->next->back = &call->next;
    patch_calls = call;
}

static inline void patch_call_end(struct patch_call *call, bool ok)
{
    *call->back = call->next;
    if (call->next)
        call->next->back = call->back;
    if (ok)
        errno = call->error;
}

/* The body of a patched function of libc's shape: libc's call where nothing may
 * park, else the other, in which `hub` is the thread's. */
#define PATCHED(type, signals, libcs, ours) \
    struct hub *hub = patch_hub(); \
    if (likely(!hub)) \
        return libcs; \
    struct patch_call call_; \
    patch_call_begin(&call_, hub, signals); \
    type result_ = ours; \
    patch_call_end(&call_, result_ >= 0); \
    return result_

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

/* A signal's handler runs on this thread; whether it has SA_RESTART. In it. */
void patch_calls_signalled(bool restarts);

/* Waits for want of anything to wait for: the pause before the next try, from a
 * quarter of a millisecond to 16. 0 at first. As hub_wait, but 0 when it is
 * over. */
int patch_back_off(struct hub *hub, int64_t *pause, int64_t deadline,
                   const char *what);

/* A worker makes the system call. As syscall(2). */
long patch_on_worker(struct hub *hub, const char *what, long number, long a,
                     long b, long c, long d, long e, long f);

#endif

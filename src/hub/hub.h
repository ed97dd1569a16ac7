/*
 * The hub: one thread's scheduler. It owns the thread's fibers, run queue,
 * timers and event loop.
 *
 *                 spawn                    its turn
 *      (nothing) ------> NEW, queued ------------------> RUNNING
 *                             ^                          |  |  |
 *                       wake  |        park              |  |  | function
 *             PARKED ------> READY, queued <-- yield ----+  |  | returns
 *                ^                                          |  v
 *                +------------------- park -----------------+  ENDED
 *
 * Invariants:
 *   1. Exactly one fiber of a hub is RUNNING while its thread is in grove code
 *      or user code; it is hub->current.
 *   2. A fiber is queued if and only if it is NEW (and not delayed) or READY.
 *   3. Nothing but park suspends a fiber and nothing but wake makes it READY,
 *      except a host's transfer, which goes to a fiber directly.
 *   4. A parking fiber switches straight to the next in the queue. The hub's
 * own fiber, hub->loop_fiber, runs when the queue is empty, when a callback is
 *      due, or after HUB_PASS switches in a row: it polls, expires timers and
 *      runs callbacks. While it is inside a callback (which only a host's
 *      transfer can leave), parking fibers return to it.
 *   5. The thread's own stack is a fiber like the others, hub->root, which
 *      never ends. When it parks and nothing can wake anybody, it is woken with
 *      -EDEADLK.
 *   6. Only the hub's own thread touches it, except hub->mailbox, ->polling,
 *      ->posters, the ring of hubs and the loop's wake-up.
 */
#ifndef GROVE_HUB_HUB_H
#define GROVE_HUB_HUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/single_threaded.h>
#include <time.h>

#include "fiber/fiber.h"
#include "grove.h"
#include "hub/run_queue.h"
#include "hub/timer.h"
#include "loop/loop.h"

/* Switches in a row between two looks at timers and descriptors: the bound on
 * how long a busy queue can hold up I/O. At 10 ns a switch a look costs less
 * than 1 ns each; with fibers that work 5 us a turn it comes every 1.3 ms. */
#define HUB_PASS 256

enum fiber_state {
    FIBER_NEW,
    FIBER_READY,
    FIBER_RUNNING,
    FIBER_PARKED,
    FIBER_ENDED
};

/* What a fiber waits for, as grove_dump tells it. */
struct wait_reason {
    const char *what; /* "recv", "sleep", ... */
    int fd;           /* -1: none */
    int64_t since;    /* hub->now when it parked */
};

/* woken by a host's transfer, not by hub_wake */
#define HUB_TRANSFERRED 1

/* Of a fiber that a group owns: sync/group.c's, and not set for others. */
struct group_member {
    struct grove_fiber *next, *prev; /* in the group */
    grove_link end;                  /* tells the group of its end */
    int (*fn)(void *arg);
};

struct grove_fiber {
    struct fiber fiber; /* first: the record of its stack */
    struct run run;     /* its place in the run queue */
    struct hub *hub;
    int wake_result; /* what park returns */
    uint8_t state;   /* enum fiber_state */
    bool cancelled;  /* killed, not told yet */
    bool waiting;    /* parked by hub_wait: reason is set, a kill wakes it */
    uint32_t references;         /* handles, and one while it has not ended */
    void *host;                  /* the host's object; NULL: a fiber of C */
    struct grove_timeout *scope; /* innermost; NULL: none */
    void *(*fn)(void *);
    void *value;        /* the argument until it runs, then fn's value */
    int result;         /* once ended: 0, or -ECANCELED when it never ran */
    struct timer timer; /* of its present wait, or of its delayed start */
    struct wait_reason reason;
    struct grove_timeout *expired; /* the scope that the last wait to time out
                                      marked as expired; NULL: none */
    struct shared_wait *shared;    /* the one it is parked in; NULL: none */
    unsigned shields;              /* regions that hold back a kill */
    struct defer *defers;          /* cleanup handlers, last first */
    grove_link links; /* the ends of the ring of those to be called, in order,
                         when it ends */
    struct fiber_locals *locals;
    struct grove_group *group; /* that owns it; NULL: none, or it has ended */
    struct group_member member;
};

/* Fiber-local values, as far as the hub knows them: what to call, on the fiber,
 * when it ends. Their keeper is sync/local.c. */
struct fiber_locals {
    void (*destroy)(struct fiber_locals *locals);
};

/* A wait that other hubs and plain threads may end, once, whoever comes first:
 * they claim it, and who has claimed it wakes it. It stands on the waiting
 * fiber's stack; src/hub/wait_shared.c says how it is safe there. */
struct shared_wait {
    struct grove_fiber *fiber;
    void *claimed_by; /* NULL: nobody yet. Atomic once there are threads. */
    bool delivered;   /* the wake has arrived; the fiber's hub's own */
    /* The thread of the fiber ends: take what waits out of where it waits. */
    void (*abandon)(struct shared_wait *w);
    grove_post post; /* the wake, from another thread */
};

/* How an embedder is told of switches and waits. Every member must be set. All
 * calls are made on the hub's thread. */
struct grove_host {
    /* A fiber whose host is not NULL is about to be left; has been resumed. */
    void (*suspend)(struct grove_fiber *f);
    void (*resume)(struct grove_fiber *f);
    /* The hub's own fiber, whose host is not NULL, runs for the first time. */
    void (*begin)(struct grove_fiber *f);
    /* A poll that may sleep is near: signals that came are to be dealt with,
     * and those to come kept for the poll. Returns the signal mask to poll
     * with, or NULL for the thread's. */
    const sigset_t *(*poll_prepare)(struct hub *hub);
    /* Just before it and after it; nothing of the host's happens in between. */
    void (*poll_begin)(struct hub *hub);
    void (*poll_end)(struct hub *hub, bool interrupted);
    /* Nothing can wake anybody. True when the host dealt with it. */
    bool (*deadlock)(struct hub *hub);
    /* In a forked child, after the hub was renewed. */
    void (*forked)(struct hub *hub);
    /* These may be called in a signal handler. f runs, has a host, and its
     * stack is full: whether what runs there will end in good order now that
     * its spare part is open. */
    bool (*overflow)(struct grove_fiber *f);
    /* What people call f, which has a host, as snprintf writes it. */
    void (*name)(const struct grove_fiber *f, char *text, size_t size);
    /* f runs and has a host: write on fd where it is. */
    void (*trace)(const struct grove_fiber *f, int fd);
};

/* Something that another thread wants done on a hub. It is told if the hub ends
 * before it has arrived, or has arrived and is not done yet: either way
 * somebody may be waiting for an answer. It may be sent again once it is done.
 */
struct hub_message {
    grove_post post;
    struct hub_message *next, **back; /* in hub->messages; back NULL: not */
    /* Both are called on the hub's thread; in lost it is done already. */
    void (*arrive)(struct hub *hub, struct hub_message *m);
    void (*lost)(struct hub_message *m);
    struct hub *hub; /* it is sent to */
};

/* What a layer above keeps for a hub. */
struct hub_part {
    struct hub_part *next;
    /* The hub's thread ends, on it, and no fiber of it runs any more. */
    void (*end)(struct hub_part *part);
    /* In a forked child, where the loop is a fresh one; before a host's. NULL:
     * nothing need be done. */
    void (*forked)(struct hub_part *part);
};

struct hub {
    struct fiber_thread thread;
    struct grove_fiber *current;
    struct run_queue queue;
    int budget;       /* switches left in this pass; 0 inside a callback */
    bool in_callback; /* the loop fiber is inside a callback */
    const struct grove_host *host;
    bool keep_stacks; /* when the thread ends: a host's objects point there */
    struct grove_fiber *loop_fiber;
    int64_t now; /* the clock when last looked at */
    struct timer_heap timers;
    uint64_t next_id;
    size_t holds;        /* see grove_hub_hold */
    size_t unref;        /* of the timers and waits, those that are no reason to
                            go on when nothing else is left */
    size_t shared_waits; /* parked where another thread may wake them */
    size_t fibers;       /* not ended, the root and the loop fiber left out */
    grove_link ended_links; /* ends of the ring of those due to be called */
    struct run ended_run;   /* queued while there are any */
    _Atomic(grove_post *) mailbox; /* newest first; HUB_CLOSED: it has ended */
    grove_post *mail;              /* taken from it, oldest first */
    struct run mail_run;           /* queued while there is any */
    _Atomic bool polling;          /* a poster must interrupt the loop */
    _Atomic unsigned posters;      /* other threads that are about to post or
                                      in the middle of it */
    _Atomic unsigned references;   /* the thread's, and of grove_hub_retain */
    struct hub_message *messages;  /* arrived and not done */
    uint64_t posts;                /* callbacks that have arrived, for people */
    bool dead;   /* in a forked child: its thread is not there */
    bool ending; /* its thread ends: nobody runs any more */
    struct hub *next_hub, *previous_hub; /* the ring of all; see hub_list.c */
    grove_post dump_post; /* a list of its fibers was asked for */
    struct stack_pool stacks;
    struct loop loop;
    struct grove_fiber root;
    uint64_t switches;      /* counted by passes, for people */
    unsigned loop_fibers;   /* how many loop_fiber there have been */
    unsigned calls;         /* of net/, since they last gave others a turn */
    struct hub_part *parts; /* newest first */
    struct dns *dns;        /* one of them, of net/: name look-ups */
};

extern GROVE_HOST_API __thread struct hub *hub_of_thread
    __attribute__((tls_model("initial-exec")));

/* The thread's hub, made now if it has none; NULL with errno. */
GROVE_HOST_API struct hub *hub_create(void);

static inline struct hub *hub_self(void)
{
    struct hub *hub = hub_of_thread;
    return likely(hub != NULL) ? hub : hub_create();
}

static inline int64_t hub_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * GROVE_SECOND + ts.tv_nsec;
}

/* Behind by a few milliseconds at most, for a quarter of the cost. */
static inline int64_t hub_clock_coarse(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (int64_t)ts.tv_sec * GROVE_SECOND + ts.tv_nsec;
}

/* now + ns, at most GROVE_NEVER. */
static inline int64_t hub_deadline(int64_t ns)
{
    int64_t now = hub_clock();
    return ns >= GROVE_NEVER - now ? GROVE_NEVER : now + ns;
}

/* ---- switching --------------------------------------------------------- */

/* Run `to` instead of the current fiber, which has been made READY or PARKED,
 * or is left as a host wants it. Returns when somebody comes back. */
__attribute__((always_inline)) static inline void
hub_switch(struct hub *hub, struct grove_fiber *from, struct grove_fiber *to)
{
    if (from->host)
        hub->host->suspend(from);
    hub->current = to;
    to->state = FIBER_RUNNING;
    fiber_switch(&hub->thread, &from->fiber, &to->fiber);
    if (from->host)
        hub->host->resume(from);
}

/* Cache lines of a parked stack that its fiber comes back through: after a
 * yield, and after a wait inside a call of net/. */
#define HUB_LINES_YIELD 2
#define HUB_LINES_WAIT 8

/* With many fibers each one's words and stack have left the cache when its turn
 * comes. So one switch ahead the stack of the next is asked for (its record
 * came with the switch before), and the record of the one after. Inlined by
 * force: gcc 12 takes a function that only prefetches for one without effect
 * and leaves out calls of it. */
__attribute__((always_inline)) static inline void hub_prefetch(struct run *next)
{
    struct run *after = next->next;
    __builtin_prefetch(after);
    __builtin_prefetch((char *)after + 64);
    if (likely(!next->call && !next->birth)) {
        struct grove_fiber *f = container_of(next, struct grove_fiber, run);
        char *sp = context_sp(&f->fiber.context);
        for (int i = 0; i < HUB_LINES_YIELD; i++)
            __builtin_prefetch(sp + 64 * i);
        if (f->waiting) {
            for (int i = HUB_LINES_YIELD; i < HUB_LINES_WAIT; i++)
                __builtin_prefetch(sp + 64 * i);
        }
    }
}

/* Who runs when the current fiber parks or ends: taken out of the queue. */
GROVE_HOST_API struct grove_fiber *hub_next_slow(struct hub *hub);

__attribute__((always_inline)) static inline struct grove_fiber *
hub_next(struct hub *hub)
{
    struct run *run = hub->queue.ends.next;
    /* The queue's end counts as a callback, and a callback that runs as a pass
     * that is over, so that two tests tell the usual case: a fiber. */
    if (likely(!run->call && !run->birth && --hub->budget > 0)) {
        run_queue_remove(run);
        hub_prefetch(hub->queue.ends.next);
        return container_of(run, struct grove_fiber, run);
    }
    return hub_next_slow(hub);
}

/* Park the current fiber until hub_wake. Returns what it was woken with;
 * HUB_TRANSFERRED when a host went to it directly. Not a cancellation point. */
GROVE_HOST_API int hub_park(struct hub *hub);

/* The same as a cancellation point, until deadline or that of the enclosing
 * scopes: also -ECANCELED, -ETIMEDOUT, -EDEADLK. reason is for grove_dump. */
GROVE_HOST_API int hub_wait(struct hub *hub, int64_t deadline, const char *what,
                            int fd);

/* Make f READY if it is parked; its park returns result. Otherwise nothing. */
static inline void hub_wake(struct grove_fiber *f, int result)
{
    if (f->state != FIBER_PARKED)
        return;
    f->state = FIBER_READY;
    f->wake_result = result;
    run_queue_push(&f->hub->queue, &f->run);
}

/* For a host: go to fiber `to` now, whatever it waits for, leaving the current
 * one as it is (neither queued nor woken). The host swaps its own state. */
__attribute__((always_inline)) static inline void
hub_transfer(struct hub *hub, struct grove_fiber *from, struct grove_fiber *to)
{
    if (run_queued(&to->run))
        run_queue_remove(&to->run);
    from->state = FIBER_PARKED;
    to->wake_result = HUB_TRANSFERRED;
    hub->current = to;
    to->state = FIBER_RUNNING;
    fiber_switch(&hub->thread, &from->fiber, &to->fiber);
}

/* ---- what the queue holds ---------------------------------------------- */

/* Queue run, which is not queued. */
static inline void hub_queue(struct hub *hub, struct run *run)
{
    run_queue_push(&hub->queue, run);
}

/* ---- fibers ------------------------------------------------------------- */

/* A fiber of its own stack, NEW and not queued, with one reference, that will
 * run entry(f). NULL: out of memory or mappings. entry must call
 * fiber_started() first and hub_fiber_end() last. */
GROVE_HOST_API struct grove_fiber *hub_fiber_new(struct hub *hub,
                                                 enum stack_kind kind,
                                                 unsigned shift,
                                                 void (*entry)(void *f));

/* Give up a reference of a fiber; the last one, given up once it has ended,
 * gives back its stack. */
static inline void hub_fiber_unref(struct grove_fiber *f)
{
    if (--f->references == 0)
        stack_put(&f->fiber.stack);
}

/* The current fiber has ended: gives its stack back (when no handle is left)
 * and goes to `next`, or to whoever is next when that is NULL. Inline, because
 * a call that never returns puts the return predictor off. */
__attribute__((always_inline, noreturn)) static inline void
hub_fiber_end(struct hub *hub, struct grove_fiber *f, struct grove_fiber *next)
{
    hub->fibers--;
    f->state = FIBER_ENDED;
    if (!next)
        next = hub_next(hub);
    else if (run_queued(&next->run))
        run_queue_remove(&next->run);
    hub->current = next;
    next->state = FIBER_RUNNING;
    hub_fiber_unref(f);
    fiber_leave(&hub->thread, &f->fiber, &next->fiber);
}

/* Drop a fiber that is suspended and never to run again (a host's). */
GROVE_HOST_API void hub_fiber_drop(struct hub *hub, struct grove_fiber *f);

/* Give the loop fiber a stack of this kind and size, for a host that runs its
 * callbacks there. Not from within a callback. 0 or -ENOMEM. */
GROVE_HOST_API int hub_set_loop_stack(struct hub *hub, enum stack_kind kind,
                                      unsigned shift);

/* The loop, forever; the loop fiber's body. */
GROVE_HOST_API void hub_run(struct hub *hub) __attribute__((noreturn));

/* ---- waits that other threads may end ------------------------------------- */

/* While the process has one thread, nobody but the fibers of one hub can be in
 * a primitive's critical section, and none of these parks. */
static inline bool hub_single_threaded(void)
{
    return __libc_single_threaded;
}

/* The calling fiber, of hub, is going to wait in w. */
static inline void shared_wait_init(struct shared_wait *w, struct hub *hub,
                                    void (*abandon)(struct shared_wait *w))
{
    w->fiber = hub->current;
    w->claimed_by = NULL;
    w->delivered = false;
    w->abandon = abandon;
    w->post.posted = 0;
}

/* For the waiting fiber: park it in w, which is initialised, until
 * it is woken by who claimed it. 0 when it was; otherwise as hub_wait (-EINTR
 * after a host's transfer), and then nobody will wake it any more, but it may
 * still be linked where it waited. */
GROVE_HOST_API int hub_wait_shared(struct hub *hub, struct shared_wait *w,
                                   int64_t deadline, const char *what);

/* For the fiber that was about to wait in w and will not: whether it is not
 * claimed. If it is, its wake has been waited for. */
GROVE_HOST_API bool hub_withdraw_shared(struct hub *hub, struct shared_wait *w);

/* For who would wake it, any thread, while it cannot go away (under the lock of
 * what it waits in): whether it is ours to wake, by. Then hub_wake_shared must
 * follow; the lock need not be held for that. */
static inline bool hub_claim(struct shared_wait *w, void *by);

/* Wake what was claimed. It may be gone when this returns. */
static inline void hub_wake_shared(struct shared_wait *w);

/* The same when another thread may be concerned. */
GROVE_HOST_API bool hub_claim_slow(struct shared_wait *w, void *by);
GROVE_HOST_API void hub_wake_shared_slow(struct shared_wait *w);

static inline bool hub_claim(struct shared_wait *w, void *by)
{
    if (unlikely(!hub_single_threaded() || w->fiber->hub != hub_of_thread))
        return hub_claim_slow(w, by);
    if (unlikely(w->fiber->state != FIBER_PARKED || w->claimed_by))
        return false;
    w->claimed_by = by;
    return true;
}

static inline void hub_wake_shared(struct shared_wait *w)
{
    if (unlikely(w->fiber->hub != hub_of_thread)) {
        hub_wake_shared_slow(w);
        return;
    }
    w->delivered = true;
    hub_wake(w->fiber, 0);
}

/* ---- descriptors --------------------------------------------------------- */

/* Wait until fd may be ready for direction (LOOP_READ or LOOP_WRITE). 0, or
 * -EBADF (closed meanwhile or no descriptor), -ENOMEM, or as hub_wait. Files
 * that cannot be polled are always ready. */
GROVE_HOST_API int hub_wait_fd(struct hub *hub, int fd, unsigned direction,
                               int64_t deadline, const char *what);

/* The same for a record that loop_register has just seen to, or that is owned
 * and registered. */
int hub_wait_record(struct hub *hub, struct loop_fd *record, unsigned direction,
                    int64_t deadline, const char *what);

/* ---- parts --------------------------------------------------------------- */

static inline void hub_part_add(struct hub *hub, struct hub_part *part)
{
    part->next = hub->parts;
    hub->parts = part;
}

static inline void hub_part_remove(struct hub *hub, struct hub_part *part)
{
    struct hub_part **at = &hub->parts;
    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
}

/* ---- between the files of hub/ -------------------------------------------- */

/* Wait until f, not the current fiber, has ended: 0, or as hub_wait. */
int hub_await_end(struct hub *hub, struct grove_fiber *f, int64_t deadline,
                  const char *what);

/* Calls kill(arg), then wait(arg, soon), over and over until wait returns
 * something else than that it is soon: what it returned, or -ETIMEDOUT once
 * deadline has passed. */
int hub_kill_rounds(struct hub *hub, int64_t deadline, void (*kill)(void *arg),
                    int (*wait)(void *arg, int64_t deadline), void *arg);

/* f has ended with result: wakes joiners, queues links, forgets its locals. */
void hub_fiber_complete(struct hub *hub, struct grove_fiber *f, int result);

/* link's fiber has ended: it is called in the hub's next pass. */
void hub_link_due(struct hub *hub, grove_link *link);

/* Calls the links that are due; hub->ended_run's function. */
void hub_call_ended_links(struct run *run);

/* Rings of links. */
static inline void links_init(grove_link *ends)
{
    ends->next = ends;
    ends->prev = ends;
}

static inline void links_append(grove_link *ends, grove_link *link)
{
    link->next = ends;
    link->prev = ends->prev;
    ends->prev->next = link;
    ends->prev = link;
}

static inline void links_remove(grove_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
}

/* The mailbox of a hub that has ended; nothing is posted to it any more. */
#define HUB_CLOSED ((grove_post *)&hub_closed)
extern char hub_closed;

/* Make m one that can be sent. */
void hub_message_init(struct hub_message *m,
                      void (*arrive)(struct hub *hub, struct hub_message *m),
                      void (*lost)(struct hub_message *m));

/* Send m to a hub that the caller knows not to be freed, from any thread. 0, or
 * -ESRCH when it has ended; one that is on its way is not sent again. */
int hub_message_send(struct hub *hub, struct hub_message *m);

/* m, which has arrived, is finished with. */
void hub_message_done(struct hub_message *m);

/* The post of a message; the message is lost. */
void hub_message_arrive(grove_post *post);
void hub_message_lose(grove_post *post);

/* The hub ends: no posts from here on, messages are lost. */
void hub_close_mailbox(struct hub *hub);

/* Gives up a reference of a hub; any thread. */
void hub_unref(struct hub *hub);

/* How long a poll may sleep: 0 while something is due, -1 without limit. */
int64_t hub_sleep_limit(struct hub *hub);

/* Queue the callbacks other threads have posted. Whether there were any. */
bool hub_take_mail(struct hub *hub);

/* The wait that hub_wait has just ended with result r has succeeded all the
 * same: a kill is told next time, a scope has not expired. */
void hub_wait_undo(struct grove_fiber *f, int r);

/* The post of a shared_wait. */
void hub_deliver_shared(grove_post *post);

/* The ring of all hubs of the process; see hub_list.c. */
void hub_list_add(struct hub *hub);
void hub_list_remove(struct hub *hub);
void hub_list_lock(void);
void hub_list_unlock(void);
void hub_list_forked(struct hub *survivor); /* locked */

/* With GROVE_DUMP=1 in the environment: SIGUSR2 has each hub list its fibers on
 * stderr at its next pass. */
void hub_list_watch_signal(void);

/* f's function has returned: calls its cleanup handlers, on f. */
void hub_run_defers(struct grove_fiber *f);

/* Lets them go, uncalled. */
void hub_forget_defers(struct grove_fiber *f);

/* The pthread_atfork handlers, once a process. */
void hub_watch_forks(void);

/* What people call f, as snprintf writes it. Async-signal-safe. */
void hub_fiber_name(const struct grove_fiber *f, char *text, size_t size);

/* What the hub has to say to an overflow of its fibers' stacks. */
extern const struct overflow_hooks hub_overflow_hooks;

/* Calls fn for every fiber of the hub that has not ended. */
GROVE_HOST_API void hub_each(struct hub *hub,
                             void (*fn)(struct grove_fiber *f, void *arg),
                             void *arg);

#endif

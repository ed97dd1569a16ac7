/*
 * Signals as events.
 *
 * A handler counts the signal and posts to every hub that waits for signals
 * (grove_hub_post may be called there; it writes to the hub's eventfd if the
 * hub sleeps: the self-pipe). Why no signalfd: it needs the signal blocked in
 * every thread, also in those the program has already started or a library
 * starts; children would inherit the mask through exec, and CPython as host has
 * handlers of its own. A handler needs none of that, and exec resets it.
 *
 *     kernel --> handler: count[signo]++ --> post to each hub in slots
 *                                                |
 *     fibers <-- event of each grove_signals <-- deliver, on the hub
 *
 * Invariants:
 *   1. A signal's handler is ours exactly while some grove_signals asks for it;
 *      users[] and old[] are guarded by `lock`, which no handler takes.
 *   2. A hub in slots lives: it leaves before it ends, and waits then until no
 *      handler is running that may have read its slot.
 *
 * Each thread has a list of its own; everything but the handler is called on
 * the thread that owns it.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "fiber/tls_block.h"
#include "grove.h"
#include "hub/part.h"
#include "hub/wait.h"
#include "sync/select.h"

#define SIGNALS 64
#define SLOTS 256 /* threads that wait for signals */

/* A thread that waits for signals. */
struct receiver {
    grove_post post;        /* the handler's: something has come */
    struct hub *hub;        /* its thread's */
    struct hub_part part;   /* tells of the hub's end */
    grove_signals *first;   /* those that ask, the newest first */
    unsigned seen[SIGNALS]; /* of count: what was delivered */
    unsigned asks[SIGNALS]; /* those of its list, which may be gone when the
                               hub ends */
    int slot;               /* where it stands in slots */
};

static _Atomic unsigned count[SIGNALS];         /* signal n's is count[n - 1] */
static _Atomic(struct receiver *) slots[SLOTS]; /* NULL: free */
static _Atomic unsigned handlers;               /* that are running */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users[SIGNALS];       /* who ask for it; under the lock */
static struct sigaction old[SIGNALS]; /* before the first did; likewise */

static __thread struct receiver *receiver_of_thread;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t bit(int n)
{
    return UINT64_C(1) << n;
}

/* ---- the handler ----------------------------------------------------------- */

static void handle(int signum)
{
    int error = errno;
    atomic_fetch_add(&handlers, 1);
    atomic_fetch_add(&count[signum - 1], 1);
    for (int i = 0; i < SLOTS; i++) {
        struct receiver *r = atomic_load(&slots[i]);
        if (r)
            grove_hub_post((grove_hub *)r->hub, &r->post);
    }
    atomic_fetch_sub(&handlers, 1);
    errno = error;
}

/* On the hub: hand what has come since to all that ask for it. */
static void deliver(grove_post *post)
{
    struct receiver *r = container_of(post, struct receiver, post);
    uint64_t come = 0;
    assert(r->hub == hub_of_thread);
    for (int n = 0; n < SIGNALS; n++) {
        unsigned now = atomic_load(&count[n]);
        if (now != r->seen[n])
            come |= bit(n);
        r->seen[n] = now;
    }
    for (grove_signals *s = r->first; s; s = s->next) {
        if (!(s->wanted & come))
            continue;
        s->pending |= s->wanted & come;
        grove_event_set(&s->come);
    }
}

/* Under the lock. */
static void stop_catching(int n, unsigned times)
{
    assert(users[n] >= times);
    if (times && !(users[n] -= times))
        sigaction(n + 1, &old[n], NULL);
}

/* ---- who receives ------------------------------------------------------------ */

static void receiver_leave(struct receiver *r)
{
    assert(atomic_load(&slots[r->slot]) == r);
    atomic_store(&slots[r->slot], NULL);
    while (atomic_load(&handlers))
        sched_yield();
}

static void on_hub_end(struct hub_part *part)
{
    struct receiver *r = container_of(part, struct receiver, part);
    pthread_mutex_lock(&lock);
    for (int n = 0; n < SIGNALS; n++)
        stop_catching(n, r->asks[n]);
    pthread_mutex_unlock(&lock);
    receiver_leave(r);
    receiver_of_thread = NULL;
    free(r);
}

/* The other threads are not there in the child. */
static void in_child(void)
{
    atomic_store(&handlers, 0);
    for (int i = 0; i < SLOTS; i++) {
        if (atomic_load(&slots[i]) != receiver_of_thread)
            atomic_store(&slots[i], NULL);
    }
    pthread_mutex_unlock(&lock);
}

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void once_a_process(void)
{
    tls_block_share(&receiver_of_thread);
    pthread_atfork(before_fork, after_fork, in_child);
}

/* A free slot; -1: none. */
static int take_slot(struct receiver *r)
{
    for (int i = 0; i < SLOTS; i++) {
        struct receiver *nobody = NULL;
        if (atomic_compare_exchange_strong(&slots[i], &nobody, r))
            return i;
    }
    return -1;
}

/* The thread's receiver, made if there is none. 0 or -errno. */
static int receiver_open(struct hub *hub)
{
    if (receiver_of_thread)
        return 0;
    pthread_once(&once, once_a_process);
    struct receiver *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->post.fn = deliver;
    r->hub = hub;
    for (int n = 0; n < SIGNALS; n++)
        r->seen[n] = atomic_load(&count[n]);
    r->slot = take_slot(r);
    if (r->slot < 0) {
        free(r);
        return -EAGAIN;
    }
    r->part.end = on_hub_end;
    r->part.forked = NULL;
    hub_part_add(hub, &r->part);
    receiver_of_thread = r;
    return 0;
}

/* Nobody on this thread asks for signals any more. */
static void receiver_close(struct receiver *r)
{
    receiver_leave(r);
    receiver_of_thread = NULL;
    hub_part_remove(r->hub, &r->part);
    /* The handler's last post may still be on its way through the mailbox. */
    while (__atomic_load_n(&r->post.posted, __ATOMIC_SEQ_CST))
        grove_yield();
    free(r);
}

/* ---- which signals ------------------------------------------------------------- */

/* Give back what r asks for of mask. */
static void give_back(struct receiver *r, uint64_t mask)
{
    pthread_mutex_lock(&lock);
    for (int n = 0; n < SIGNALS; n++) {
        if (!(mask & bit(n)))
            continue;
        stop_catching(n, 1);
        assert(r->asks[n] > 0);
        r->asks[n]--;
    }
    pthread_mutex_unlock(&lock);
}

static int catch_one(struct receiver *r, int n)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    if (users[n] == 0 && sigaction(n + 1, &action, &old[n]) < 0)
        return -errno;
    users[n]++;
    r->asks[n]++;
    return 0;
}

/* Ask for all of mask, or none: 0 or -errno. */
static int ask_for(struct receiver *r, uint64_t mask)
{
    uint64_t asked = 0;
    int result = 0;
    pthread_mutex_lock(&lock);
    for (int n = 0; n < SIGNALS && result == 0; n++) {
        if (!(mask & bit(n)))
            continue;
        result = catch_one(r, n);
        asked |= result == 0 ? bit(n) : 0;
    }
    pthread_mutex_unlock(&lock);
    if (result < 0)
        give_back(r, asked);
    return result;
}

static uint64_t mask_of(const sigset_t *set)
{
    uint64_t mask = 0;
    for (int n = 0; n < SIGNALS; n++) {
        if (sigismember(set, n + 1) == 1)
            mask |= bit(n);
    }
    return mask;
}

int grove_signals_open(grove_signals *s, const sigset_t *set)
{
    memset(s, 0, sizeof(*s));
    grove_event_init(&s->come);
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    uint64_t wanted = mask_of(set);
    if (!wanted)
        return -EINVAL;
    int r = receiver_open(hub);
    if (r < 0)
        return r;
    struct receiver *receiver = receiver_of_thread;
    r = ask_for(receiver, wanted);
    if (r < 0) {
        if (!receiver->first)
            receiver_close(receiver);
        return r;
    }
    s->wanted = wanted;
    s->next = receiver->first;
    s->back = &receiver->first;
    if (s->next)
        s->next->back = &s->next;
    receiver->first = s;
    return 0;
}

void grove_signals_close(grove_signals *s)
{
    if (!s->back)
        return;
    give_back(receiver_of_thread, s->wanted);
    *s->back = s->next;
    if (s->next)
        s->next->back = s->back;
    s->back = NULL;
    struct receiver *r = receiver_of_thread;
    if (!r->first)
        receiver_close(r);
}

/* ---- waiting ----------------------------------------------------------------- */

int grove_signals_wait_until(grove_signals *s, int64_t deadline)
{
    struct hub *hub = hub_self();
    if (s->pending)
        hub_turn(hub);
    while (!s->pending) {
        hub->holds++; /* a signal may come from outside */
        int r = grove_event_wait_until(&s->come, deadline);
        if (hub->holds) /* a fork may have let go since */
            hub->holds--;
        if (r < 0)
            return r;
    }
    return signals_take(s);
}

int grove_signals_wait(grove_signals *s)
{
    return grove_signals_wait_until(s, GROVE_NEVER);
}

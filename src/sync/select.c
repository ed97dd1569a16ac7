/*
 * Waiting for the first of several things, and doing it.
 *
 * A round:
 *
 *     ask the kernel which descriptors are ready
 *     lock everything the clauses are about, in the order of addresses
 *     a clause can be done? do it, unlock, finished      (in random order)
 *     queue a waiter for each clause; unlock
 *     wait; whoever claims the wait has done its clause, and no other's
 *     take the waiters out of the queues again
 *
 * As everything is locked while the clauses are looked at and queued for,
 * nothing can come in between; as all waiters share one shared_wait, only one
 * clause is done. The end of a fiber of the same thread needs no lock, only a
 * link; that of a process is a descriptor of its own; signals are an event. A
 * descriptor's edge only says that something has changed: then there is another
 * round. A new kind of clause is a case in try_clause and one in queue_of.
 */
#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "hub/links.h"
#include "sync/channel.h"
#include "sync/select.h"

/* What a clause needs while it is worked on. */
struct clause_wait {
    struct waiter waiter;        /* first: what the wait is claimed by */
    struct loop_wait io;         /* of a descriptor: linked while it waits */
    struct loop_stamp stamp;     /* of the descriptor, then */
    struct selection *selection; /* it is part of */
    grove_waiters *queue;        /* NULL: the clause has none */
    int io_result;               /* of the edge: 0, or why it will not come */
    short revents;               /* of a descriptor, as poll(2) told */
    grove_link link;             /* to a fiber's end, while it waits */
};

int (*select_process_fd)(const grove_process *p);

/* A call of grove_select. */
struct selection {
    struct shared_wait wait;   /* of all clauses: claimed once */
    grove_clause *clauses;     /* the caller's */
    size_t n;                  /* of clauses, waits and order */
    struct clause_wait *waits; /* a clause's each, in their order */
    grove_waiters **locks;     /* sorted, each once */
    size_t lock_count;
    unsigned *order;    /* in which clauses are tried */
    struct pollfd *fds; /* of the descriptors among the clauses, likewise */
    size_t fd_count;
    bool fibers;  /* some are about the end of one */
    bool outside; /* a signal may come from outside: it is no deadlock */
};

/* What a selection's arrays hold of each clause. */
struct clause_space {
    struct clause_wait wait;
    struct pollfd fd;
    grove_waiters *lock;
    unsigned order;
};

/* A process that is known to have ended has none. */
static bool is_descriptor(const grove_clause *c)
{
    return c->kind == GROVE_CLAUSE_READABLE ||
           c->kind == GROVE_CLAUSE_WRITABLE ||
           (c->kind == GROVE_CLAUSE_PROCESS &&
            select_process_fd(c->process) >= 0);
}

static int fd_of(const grove_clause *c)
{
    return c->kind == GROVE_CLAUSE_PROCESS ? select_process_fd(c->process)
                                           : c->fd;
}

static short events_of(const grove_clause *c)
{
    return c->kind == GROVE_CLAUSE_WRITABLE ? POLLOUT : POLLIN;
}

static bool is_of_channel(const grove_clause *c)
{
    return c->kind == GROVE_CLAUSE_SEND || c->kind == GROVE_CLAUSE_RECV;
}

static size_t units_of(const grove_clause *c)
{
    return c->units ? c->units : 1;
}

/* The lock of what clause c is about; NULL: it has none. */
static grove_waiters *lock_of(const grove_clause *c)
{
    switch (c->kind) {
    case GROVE_CLAUSE_SEND:
    case GROVE_CLAUSE_RECV:
        return channel_lock_of(c->channel);
    case GROVE_CLAUSE_EVENT:
        return &c->event->waiters;
    case GROVE_CLAUSE_PROMISE:
        return &c->promise->waiters;
    case GROVE_CLAUSE_SIGNAL:
        return &c->signals->come.waiters;
    case GROVE_CLAUSE_SEMAPHORE:
        return &c->semaphore->waiters;
    default:
        return NULL;
    }
}

/* Where clause c waits. */
static grove_waiters *queue_of(const grove_clause *c)
{
    return c->kind == GROVE_CLAUSE_RECV ? &c->channel->receivers : lock_of(c);
}

static bool is_valid(const grove_clause *c)
{
    if (c->kind == GROVE_CLAUSE_SEND)
        return c->value || !c->channel->size;
    if (c->kind == GROVE_CLAUSE_FIBER)
        return c->fiber != (hub_of_thread ? hub_of_thread->current : NULL);
    return (unsigned)c->kind <= GROVE_CLAUSE_SEMAPHORE;
}

/* ---- locks ------------------------------------------------------------------- */

/* Sorts a lock in, unless it is there. A few are usual, and nearly sorted. */
static void add_lock(struct selection *s, grove_waiters *lock)
{
    size_t i = s->lock_count;
    assert(lock && s->lock_count < s->n);
    while (i > 0 && (uintptr_t)s->locks[i - 1] > (uintptr_t)lock)
        i--;
    if (i > 0 && s->locks[i - 1] == lock)
        return;
    for (size_t j = s->lock_count; j > i; j--)
        s->locks[j] = s->locks[j - 1];
    s->locks[i] = lock;
    s->lock_count++;
}

static void lock_all(const struct selection *s)
{
    for (size_t i = 0; i < s->lock_count; i++) {
        assert(i == 0 || (uintptr_t)s->locks[i - 1] < (uintptr_t)s->locks[i]);
        waiters_lock(s->locks[i]);
    }
}

static void unlock_all(const struct selection *s)
{
    for (size_t i = 0; i < s->lock_count; i++)
        waiters_unlock(s->locks[i]);
}

/* ---- fairness ---------------------------------------------------------------- */

/* Marsaglia's xorshift; a sequence for each thread, always the same. */
static uint32_t random_number(void)
{
    static __thread uint32_t state __attribute__((tls_model("initial-exec"))) =
        2463534242;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* Every order is as likely, so that every clause that is ready is. */
static void shuffle(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        size_t j = (size_t)((uint64_t)random_number() * (i + 1) >> 32);
        s->order[i] = s->order[j];
        s->order[j] = (unsigned)i;
    }
}

/* ---- descriptors -------------------------------------------------------------- */

/* Asks which are ready; -errno of poll(2). */
static int ask_kernel(struct selection *s)
{
    if (s->fd_count == 0)
        return 0;
    int ready;
    do
        ready = poll(s->fds, s->fd_count, 0);
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return -errno;
    const struct pollfd *p = s->fds;
    for (size_t i = 0; i < s->n; i++) {
        if (is_descriptor(&s->clauses[i]))
            s->waits[i].revents = (p++)->revents;
    }
    return 0;
}

static void on_edge(struct loop_wait *io, int result)
{
    struct clause_wait *w = container_of(io, struct clause_wait, io);
    struct shared_wait *wait = &w->selection->wait;
    if (!hub_claim(wait, w))
        return;
    w->io_result = result;
    hub_wake_shared(wait);
}

/* Links those that wait for an edge. 0 or -errno. */
static int add_descriptors(struct selection *s, struct hub *hub)
{
    for (size_t i = 0; i < s->n; i++) {
        const grove_clause *c = &s->clauses[i];
        struct clause_wait *w = &s->waits[i];
        if (!is_descriptor(c))
            continue;
        struct loop_fd *record = loop_fd(&hub->loop, fd_of(c));
        int r = record ? loop_register(&hub->loop, record) : -errno;
        if (r < 0)
            return r;
        w->io.fd = NULL;
        if (record->always_ready) /* it would have been found ready */
            continue;
        w->io.fn = on_edge;
        w->io.direction =
            c->kind == GROVE_CLAUSE_WRITABLE ? LOOP_WRITE : LOOP_READ;
        w->stamp = loop_stamp(record);
        loop_wait_add(&hub->loop, record, &w->io);
    }
    return 0;
}

static void remove_descriptors(struct selection *s, struct hub *hub)
{
    if (s->fd_count == 0)
        return;
    for (size_t i = 0; i < s->n; i++)
        loop_wait_remove(&hub->loop, &s->waits[i].io);
}

/* ---- ends of fibers ------------------------------------------------------------ */

static void on_end(grove_fiber *f, void *arg)
{
    struct clause_wait *w = arg;
    (void)f;
    if (hub_claim(&w->selection->wait, w))
        hub_wake_shared(&w->selection->wait);
}

/* As a joiner's links: without a fiber, called where the fiber ends. */
static void add_fibers(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const grove_clause *c = &s->clauses[i];
        if (c->kind != GROVE_CLAUSE_FIBER)
            continue;
        assert(c->fiber->hub == hub_of_thread);
        s->waits[i].link = (grove_link){.fn = on_end, .arg = &s->waits[i]};
        hub_fiber_ref(c->fiber); /* it may be released while we wait */
        links_append(&c->fiber->links, &s->waits[i].link);
    }
}

static void remove_fibers(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->clauses[i].kind != GROVE_CLAUSE_FIBER)
            continue;
        if (s->waits[i].link.next)
            links_remove(&s->waits[i].link);
        hub_fiber_unref(s->clauses[i].fiber);
    }
}

/* ---- an attempt ----------------------------------------------------------------- */

/* Tries clause i, everything being locked. 0 when it was done, with its result,
 * -EAGAIN, or CHANNEL_SMALL. */
static int try_clause(struct selection *s, size_t i, struct handover *h)
{
    grove_clause *c = &s->clauses[i];
    assert(!lock_of(c) || waiters_locked(lock_of(c)));
    int r = -EAGAIN;
    switch (c->kind) {
    case GROVE_CLAUSE_SEND:
        r = channel_offer(c->channel, c->value, h);
        break;
    case GROVE_CLAUSE_RECV:
        r = channel_take(c->channel, c->value, h);
        break;
    case GROVE_CLAUSE_EVENT:
        r = __atomic_load_n(&c->event->set, __ATOMIC_ACQUIRE) ? 0 : -EAGAIN;
        break;
    case GROVE_CLAUSE_PROMISE:
        r = __atomic_load_n(&c->promise->set, __ATOMIC_ACQUIRE) ? 0 : -EAGAIN;
        break;
    case GROVE_CLAUSE_READABLE:
    case GROVE_CLAUSE_WRITABLE:
        if (s->waits[i].revents)
            r = s->waits[i].revents & POLLNVAL ? -EBADF : 0;
        break;
    case GROVE_CLAUSE_FIBER:
        r = c->fiber->state == FIBER_ENDED ? 0 : -EAGAIN;
        break;
    case GROVE_CLAUSE_PROCESS:
        r = !is_descriptor(c) || s->waits[i].revents ? 0 : -EAGAIN;
        break;
    case GROVE_CLAUSE_SIGNAL:
        r = c->signals->pending ? 0 : -EAGAIN;
        break;
    case GROVE_CLAUSE_SEMAPHORE:
        r = semaphore_take(c->semaphore, units_of(c)) ? 0 : -EAGAIN;
        break;
    case GROVE_CLAUSE_NONE:
        break;
    }
    if (r == -EAGAIN || r == CHANNEL_SMALL)
        return r;
    c->result = r;
    return 0;
}

/* Does a clause that can be done now, everything being locked. Its index;
 * -EAGAIN: none; CHANNEL_SMALL: *small must grow first. */
static ssize_t try_all(struct selection *s, struct handover *h,
                       grove_channel **small)
{
    for (size_t k = 0; k < s->n; k++) {
        size_t i = s->order[k];
        int r = try_clause(s, i, h);
        if (r == 0)
            return (ssize_t)i;
        if (r == CHANNEL_SMALL) {
            *small = s->clauses[i].channel;
            return CHANNEL_SMALL;
        }
    }
    return -EAGAIN;
}

/* ---- waiting -------------------------------------------------------------------- */

static void push_all(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct clause_wait *w = &s->waits[i];
        w->queue = queue_of(&s->clauses[i]);
        if (!w->queue)
            continue;
        assert(!w->waiter.queued);
        w->waiter.wait = &s->wait;
        w->waiter.value = s->clauses[i].kind == GROVE_CLAUSE_SEMAPHORE
                              ? (void *)(uintptr_t)units_of(&s->clauses[i])
                              : s->clauses[i].value;
        waiters_push(w->queue, &w->waiter);
    }
}

/* Whom one that leaves a semaphore's queue may have held up, linked by next. */
static void serve_others(grove_waiters *q, struct waiter **others)
{
    struct waiter *served = semaphore_serve(q);
    while (served) {
        struct waiter *next = served->next;
        served->next = *others;
        *others = served;
        served = next;
    }
}

static void leave_all(struct selection *s)
{
    struct waiter *others = NULL;
    lock_all(s);
    for (size_t i = 0; i < s->n; i++) {
        struct clause_wait *w = &s->waits[i];
        if (!w->queue || !w->waiter.queued)
            continue;
        waiters_remove(w->queue, &w->waiter);
        if (s->clauses[i].kind == GROVE_CLAUSE_SEMAPHORE)
            serve_others(w->queue, &others);
    }
    unlock_all(s);
    waiters_wake(others);
}

static void abandon(struct shared_wait *wait)
{
    leave_all(container_of(wait, struct selection, wait));
}

/* A clause whose descriptor was closed during the wait, though an edge came
 * first: the kernel must not be asked about the file that has its number now.
 * NULL: none. */
static struct clause_wait *closed_clause(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct clause_wait *w = &s->waits[i];
        if (is_descriptor(&s->clauses[i]) && w->io.fd &&
            !loop_same(w->io.fd, w->stamp)) {
            w->io_result = -EBADF;
            return w;
        }
    }
    return NULL;
}

/* The wait was claimed: by which clause. Its index, or -EAGAIN: another round,
 * since a descriptor may be ready. */
static ssize_t claimed_clause(struct selection *s)
{
    struct clause_wait *w = s->wait.claimed_by;
    size_t i = (size_t)(w - s->waits);
    assert(i < s->n && w->selection == s && !w->waiter.queued);
    grove_clause *c = &s->clauses[i];
    /* Somebody else may have taken it since. */
    if (c->kind == GROVE_CLAUSE_SIGNAL) {
        c->result = signals_take(c->signals);
        return c->result ? (ssize_t)i : -EAGAIN;
    }
    if (!is_descriptor(c)) {
        bool closed = is_of_channel(c) && w->waiter.value == channel_closed;
        c->result = closed ? -EPIPE : 0;
        return (ssize_t)i;
    }
    if (w->io_result == 0)
        w = closed_clause(s);
    if (!w)
        return -EAGAIN;
    i = (size_t)(w - s->waits);
    s->clauses[i].result = w->io_result;
    return (ssize_t)i;
}

/* Waits, with everything locked, which it unlocks. */
static ssize_t wait_unlocking(struct selection *s, struct hub *hub,
                              int64_t deadline)
{
    shared_wait_init(&s->wait, hub, abandon);
    push_all(s);
    unlock_all(s);
    int r = add_descriptors(s, hub);
    if (s->fibers)
        add_fibers(s);
    hub->holds += s->outside;
    if (r == 0)
        r = hub_wait_shared(hub, GROVE_WAIT_SYNC, &s->wait, deadline, "select");
    else
        r = hub_withdraw_shared(hub, &s->wait) ? r : 0;
    if (s->outside && hub->holds) /* a fork may have let go since */
        hub->holds--;
    if (s->fibers)
        remove_fibers(s);
    remove_descriptors(s, hub);
    leave_all(s);
    return r < 0 ? r : claimed_clause(s);
}

/* A round. The index of the clause that was done, -EAGAIN: none, go on. */
static ssize_t go_round(struct selection *s, struct hub *hub, int64_t deadline)
{
    int asked = ask_kernel(s);
    if (asked < 0)
        return asked;
    shuffle(s);
    struct handover h = {0};
    grove_channel *small = NULL;
    lock_all(s);
    ssize_t r = try_all(s, &h, &small);
    if (r == -EAGAIN && hub)
        return wait_unlocking(s, hub, deadline);
    unlock_all(s);
    if (r >= 0 && s->clauses[r].kind == GROVE_CLAUSE_SIGNAL)
        s->clauses[r].result = signals_take(s->clauses[r].signals);
    if (r >= 0 && (h.to || h.peer))
        channel_hand_over(s->clauses[r].channel, &h);
    if (r == CHANNEL_SMALL) {
        int grown = channel_grow(small);
        return grown < 0 ? grown : CHANNEL_SMALL;
    }
    return r;
}

/* ---- the call ------------------------------------------------------------------- */

/* Rounds until a clause was done, or there is no hub to wait on. */
static ssize_t run(struct selection *s, struct hub *hub, int64_t deadline)
{
    for (;;) {
        ssize_t r = go_round(s, hub, deadline);
        if (r != CHANNEL_SMALL && (r != -EAGAIN || !hub))
            return r;
    }
}

static int prepare(struct selection *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const grove_clause *c = &s->clauses[i];
        struct clause_wait *w = &s->waits[i];
        if (!is_valid(c))
            return -EINVAL;
        w->io.back = NULL;
        w->waiter.queued = false;
        w->queue = NULL;
        w->selection = s;
        w->io_result = 0;
        grove_waiters *lock = lock_of(c);
        if (lock)
            add_lock(s, lock);
        s->fibers |= c->kind == GROVE_CLAUSE_FIBER;
        s->outside |= c->kind == GROVE_CLAUSE_SIGNAL;
        if (is_descriptor(c))
            s->fds[s->fd_count++] =
                (struct pollfd){.fd = fd_of(c), .events = events_of(c)};
    }
    return 0;
}

/* A negative descriptor, which poll(2) passes over, is none. */
static ssize_t find_negative(grove_clause *clauses, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_descriptor(&clauses[i]) && fd_of(&clauses[i]) < 0) {
            clauses[i].result = -EBADF;
            return (ssize_t)i;
        }
    }
    return -1;
}

static ssize_t select_in(void *space, grove_clause *clauses, size_t n,
                         bool waits, int64_t deadline)
{
    struct selection s = {.clauses = clauses, .n = n, .waits = space};
    assert((uintptr_t)space % _Alignof(struct clause_space) == 0);
    s.fds = (struct pollfd *)(s.waits + n);
    s.locks = (grove_waiters **)(s.fds + n);
    s.order = (unsigned *)(s.locks + n);
    int r = prepare(&s);
    if (r < 0)
        return r;
    ssize_t negative = find_negative(clauses, n);
    if (negative >= 0)
        return negative;
    ssize_t done = run(&s, waits ? hub_of_thread : NULL, deadline);
    if (done != -EAGAIN || !waits)
        return done;
    struct hub *hub = hub_self();
    return hub ? run(&s, hub, deadline) : -errno;
}

static ssize_t select_any(grove_clause *clauses, size_t n, bool waits,
                          int64_t deadline)
{
    struct clause_space few[GROVE_SELECT_SMALL];
    if (n <= GROVE_SELECT_SMALL)
        return select_in(few, clauses, n, waits, deadline);
    if (n > INT_MAX)
        return -EINVAL;
    struct clause_space *many = malloc(n * sizeof(*many));
    if (!many)
        return -ENOMEM;
    ssize_t r = select_in(many, clauses, n, waits, deadline);
    free(many);
    return r;
}

/* The turn comes after clause c was done; a kill then does not undo it. But of
 * a descriptor that is closed in it the caller must not think that it is ready:
 * its number may be another file's. */
static void give_turn(grove_clause *c)
{
    struct hub *hub = hub_of_thread;
    bool is_number =
        c->kind == GROVE_CLAUSE_READABLE || c->kind == GROVE_CLAUSE_WRITABLE;
    if (!hub || likely(!hub_turn_due(hub)))
        return;
    if (!is_number)
        hub_turn_slow(hub, true);
    else if (!hub_turn_on_slow(hub, c->fd))
        c->result = -EBADF;
}

static ssize_t select_waiting(grove_clause *clauses, size_t n, int64_t deadline)
{
    ssize_t done = select_any(clauses, n, true, deadline);
    if (done >= 0)
        give_turn(&clauses[done]);
    return done;
}

ssize_t grove_select(grove_clause *clauses, size_t n)
{
    return select_waiting(clauses, n, GROVE_NEVER);
}

ssize_t grove_select_until(grove_clause *clauses, size_t n, int64_t deadline)
{
    return select_waiting(clauses, n, deadline);
}

ssize_t grove_tryselect(grove_clause *clauses, size_t n)
{
    return select_any(clauses, n, false, 0);
}

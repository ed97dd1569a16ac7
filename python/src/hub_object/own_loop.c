/*
 * loop(default=False): a loop that somebody else than the Hub runs. Its
 * watchers are armed on the thread's hub, as all are, but what is due is queued
 * here, and called only by run(), in the greenlet that called that. Between the
 * passes of run() the other greenlets of the thread go on.
 *
 *   due --- run(): a pass ---> called --+--> nothing is left, break_(): back
 *    ^                                  |
 *    +---- the runner waits <-----------+
 *
 * The hub is held only while the runner waits: watchers of a loop that nobody
 * runs are no reason for it to go on. On the thread of the loop only.
 */
#include "hub_object/private.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "loop/private.h"

struct own_loop {
    struct ring at;             /* in the ring of all */
    struct py_thread *thread;   /* whose it is; the loop holds it */
    struct run_queue due;       /* what run() is to call */
    struct grove_fiber *runner; /* who waits in run(); NULL: nobody */
    PyGreenlet *running;   /* borrowed; whose run() it is; NULL: nobody's */
    Py_ssize_t references; /* reasons for run() to go on */
    size_t coming;         /* callbacks on their way from other threads */
    uint64_t passes;       /* so far */
    unsigned depth;        /* run() in a callback of run() ... */
    bool broken;           /* break_() was called */
    int fd;                /* its descriptor; -1: nobody has asked */
    int watched;           /* the hub's, which that one watches */
};

bool (*loop_pass)(PyObject *loop);
void (*loop_stop)(PyObject *loop);

/* All that there are, of all threads. */
static struct ring loops = {&loops, &loops};

struct own_loop *own_loop_new(struct py_thread *t)
{
    struct own_loop *own = PyMem_Calloc(1, sizeof(*own));
    if (!own) {
        PyErr_NoMemory();
        return NULL;
    }
    struct run *ends = &own->due.ends;
    *ends = (struct run){.next = ends, .prev = ends, .call = run_queue_end};
    own->fd = own->watched = -1;
    own->thread = t;
    ring_insert(&loops, &own->at);
    return own;
}

static void wake_runner(struct own_loop *own)
{
    if (own->runner)
        hub_wake(own->runner, 0);
}

static void drop_first(struct own_loop *own)
{
    struct run *run = own->due.ends.next;
    run_queue_remove(run);
    if (callback_is(run))
        callback_drop(run);
}

static void drop_due(struct own_loop *own)
{
    while (!run_queue_empty(&own->due))
        drop_first(own);
}

int own_loop_traverse(struct own_loop *own, visitproc visit, void *arg)
{
    for (struct run *run = own->due.ends.next; run != &own->due.ends;
         run = run->next) {
        if (callback_is(run))
            Py_VISIT(callback_of(run));
    }
    return 0;
}

void own_loop_clear(struct own_loop *own)
{
    drop_due(own);
}

/* One of t with something due; NULL: there is none. */
static struct own_loop *busy_loop(const struct py_thread *t)
{
    for (struct ring *at = loops.next; at != &loops; at = at->next) {
        struct own_loop *own = container_of(at, struct own_loop, at);
        if (own->thread == t && !run_queue_empty(&own->due))
            return own;
    }
    return NULL;
}

/* To drop one may run code, by which loops come and go. */
void own_loops_abandon(struct py_thread *t)
{
    struct own_loop *own;
    while ((own = busy_loop(t)))
        drop_first(own);
}

void own_loop_destroy(PyObject *loop, struct own_loop *own)
{
    loop_stop(loop);
    drop_due(own);
    if (own->fd >= 0)
        loop_private_close(own->fd);
    own->fd = own->watched = -1;
    own->references = 0;
    own_loop_break(own);
}

void own_loop_free(struct own_loop *own)
{
    assert(!own->runner && !own->depth);
    ring_remove(&own->at);
    drop_due(own);
    if (own->fd >= 0)
        loop_private_close(own->fd);
    PyMem_Free(own);
}

void own_loop_due(struct own_loop *own, struct run *run)
{
    run_queue_push(&own->due, run);
    wake_runner(own);
}

void own_loop_expect(struct own_loop *own)
{
    own->coming++;
}

void own_loop_came(struct own_loop *own)
{
    assert(own->coming > 0);
    own->coming--;
}

void own_loop_count(struct own_loop *own, int n)
{
    own->references += n;
    wake_runner(own);
}

void own_loop_break(struct own_loop *own)
{
    own->broken = own->depth > 0;
    wake_runner(own);
}

/* ---- run() --------------------------------------------------------------- */

/* What is due now, but not what comes meanwhile. */
static void call_due(struct own_loop *own)
{
    struct run *last = own->due.ends.prev;
    bool more = !run_queue_empty(&own->due);
    while (more && !own->broken && !run_queue_empty(&own->due)) {
        struct run *run = own->due.ends.next;
        more = run != last;
        run_queue_remove(run);
        run->call(run);
        assert(!PyErr_Occurred());
    }
}

/* Until something is due. -1 with an exception. */
static int wait_for_more(struct own_loop *own, struct py_thread *t)
{
    struct hub *hub = t->hub;
    own->runner = hub->current;
    grove_hub_hold((grove_hub *)hub);
    enum core_wait_result r = core_wait(t, GROVE_NEVER, "loop.run", -1, NULL);
    grove_hub_unhold((grove_hub *)hub);
    own->runner = NULL;
    return r == CORE_FAILED ? -1 : 0;
}

static bool goes_on(const struct own_loop *own)
{
    return own->references || own->coming;
}

/* A pass. Whether there may be another; -1 with an exception. */
static int pass(PyObject *loop, struct own_loop *own, struct py_thread *t,
                bool nowait)
{
    bool again = loop_pass(loop);
    own->passes++;
    if (run_queue_empty(&own->due) && !own->broken) {
        if (!goes_on(own))
            return 0;
        if ((nowait || again ? wait_turn(t) : wait_for_more(own, t)) < 0)
            return -1;
    }
    call_due(own);
    return !own->broken && (goes_on(own) || !run_queue_empty(&own->due));
}

int own_loop_run(PyObject *loop, struct own_loop *own, struct py_thread *t,
                 bool nowait, bool once)
{
    if (own->running && own->running != t->current) {
        PyErr_Format(PyExc_ConcurrentUse, "%R is already run by %R", loop,
                     (PyObject *)own->running);
        return -1;
    }
    PyGreenlet *outer = own->running;
    own->running = t->current;
    own->depth++;
    own->broken = false;
    int r = pass(loop, own, t, nowait);
    while (r > 0 && !nowait && !once)
        r = pass(loop, own, t, false);
    own->broken = false;
    own->depth--;
    own->running = outer;
    return r < 0 ? -1 : 0;
}

/* ---- what it tells ------------------------------------------------------- */

/* An epoll instance in which the hub's is: ready when the hub has news of
 * descriptors, which are this loop's or others'. */
int own_loop_fd(struct own_loop *own, struct hub *hub)
{
    if (own->fd < 0)
        own->fd = loop_private_take(epoll_create1(EPOLL_CLOEXEC));
    if (own->fd >= 0 && own->watched != hub->loop.epoll) {
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll_ctl(own->fd, EPOLL_CTL_ADD, hub->loop.epoll, &event) == 0)
            own->watched = hub->loop.epoll;
    }
    if (own->fd < 0 || own->watched < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return own->fd;
}

struct own_loop_figures own_loop_figures(const struct own_loop *own)
{
    size_t due = 0;
    for (const struct run *run = own->due.ends.next; run != &own->due.ends;
         run = run->next)
        due++;
    return (struct own_loop_figures){own->references, due, own->passes,
                                     own->depth};
}

/*
 * Reads by io_uring: a ring a hub, made when the first read of it misses the
 * page cache.
 *
 * Measured on ext4 with Linux 6.18: what the ring can do without a thread of
 * the kernel's, reading, is as cheap as the call itself; what it hands to such
 * threads (buffered writes, fsync, everything on paths) takes it two to five
 * times as long as our own workers. So it reads, and they do the rest.
 *
 * Requests are queued by fibers and submitted together when the hub comes by
 * (submit_run). Their completions arrive at an eventfd in the hub's loop,
 * waited for while a request is under way, so that an idle ring keeps no hub
 * from reporting a deadlock. A request stands on the stack of the fiber that
 * waits, which a kill or deadline makes cancel it and wait for its end: the
 * kernel writes into the caller's buffer until then.
 *
 * Everything is called on the hub's thread. In the child of a fork the ring is
 * the parent's: it is let go of, and requests fail with ECANCELED.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fiber/tls_block.h"
#include "grove.h"
#include "hub/part.h"
#include "hub/wait_shared.h"
#include "loop/private.h"
#include "os/file.h"

#if GROVE_URING

#include <liburing.h>
#if GROVE_VALGRIND
#include <valgrind/memcheck.h>
#endif

#define ENTRIES 64

struct request {
    struct request *next, **back; /* of those under way */
    struct grove_fiber *fiber;    /* whose stack it is on */
    struct shared_wait wait;      /* only for the hub's end: see abandon */
    int fd;                       /* to read from */
    uint32_t closes;              /* of its number, when it was queued */
    struct io_uring_sqe *queued;  /* not submitted yet; NULL: it has been */
    bool closed;                  /* fd was, before that */
    bool done;                    /* the kernel is; it is out of the list */
    int result;                   /* as the kernel has it: a count or -errno */
};

struct ring {
    struct io_uring uring; /* liburing's */
    struct hub_part part;  /* tells of the hub's end */
    struct run submit_run; /* queued while there is something to submit */
    struct loop_wait completions; /* linked while anything is under way */
    struct request *requests;     /* under way */
    int eventfd; /* that the kernel tells completions by; owned in the loop */
};

static __thread struct ring *ring_of_thread;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- completions --------------------------------------------------------- */

static void complete(struct request *q, int result)
{
    assert(!q->done && *q->back == q);
    assert(!q->next || q->next->back == &q->next);
    q->done = true;
    q->result = result;
    *q->back = q->next;
    if (q->next)
        q->next->back = q->back;
    hub_wake(q->fiber, 0);
}

static void reap(struct ring *ring)
{
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
        struct request *q = io_uring_cqe_get_data(cqe);
        int result = cqe->res;
        io_uring_cqe_seen(&ring->uring, cqe);
        if (q) /* NULL: the answer to a cancellation */
            complete(q, result);
    }
}

/* Wait for the eventfd while anything is under way. */
static void watch(struct ring *ring)
{
    struct loop *loop = &hub_of_thread->loop;
    if (!ring->requests) {
        loop_wait_remove(loop, &ring->completions);
    } else if (!ring->completions.back) {
        /* Owned and registered by ring_open. */
        loop_wait_add(loop, loop_fd(loop, ring->eventfd), &ring->completions);
    }
}

static void on_completions(struct loop_wait *wait, int result)
{
    struct ring *ring = container_of(wait, struct ring, completions);
    reap(ring);
    watch(ring);
}

/* Requests whose descriptor was closed since they were queued must not reach
 * the file that has its number now. Those that are queued stand in front. */
static void look_at_queued(struct ring *ring)
{
    for (struct request *q = ring->requests; q && q->queued; q = q->next) {
        /* The entry is another's by now if not all were taken last time. */
        if (q->queued->user_data == (uintptr_t)q &&
            q->closes != loop_closes(q->fd)) {
            io_uring_prep_nop(q->queued);
            io_uring_sqe_set_data(q->queued, q);
            q->closed = true;
        }
    }
}

static void note_submitted(struct ring *ring)
{
    if (io_uring_sq_ready(&ring->uring))
        return; /* which of them is not known: all are looked at again */
    for (struct request *q = ring->requests; q && q->queued; q = q->next)
        q->queued = NULL;
}

static void submit(struct ring *ring)
{
    look_at_queued(ring);
    /* What it does not take now, for want of memory, is tried again. */
    io_uring_submit(&ring->uring);
    note_submitted(ring);
    reap(ring);
    watch(ring);
    if (io_uring_sq_ready(&ring->uring) && !run_queued(&ring->submit_run))
        hub_queue(hub_of_thread, &ring->submit_run);
}

static void on_submit(struct run *run)
{
    submit(container_of(run, struct ring, submit_run));
}

/* ---- a ring's life ---------------------------------------------------------- */

static void ring_close(struct ring *ring)
{
    assert(ring == ring_of_thread && !ring->requests);
    if (run_queued(&ring->submit_run))
        run_queue_remove(&ring->submit_run);
    loop_private_forget(ring->uring.ring_fd);
    io_uring_queue_exit(&ring->uring);
    hub_closing(ring->eventfd);
    loop_private_close(ring->eventfd);
    free(ring);
    ring_of_thread = NULL;
}

static void on_hub_end(struct hub_part *part)
{
    ring_close(container_of(part, struct ring, part));
}

/* The ring is the parent's. */
static void in_child(void)
{
    struct ring *ring = ring_of_thread;
    if (!ring)
        return;
    while (ring->requests)
        complete(ring->requests, -ECANCELED);
    loop_wait_remove(&hub_of_thread->loop, &ring->completions);
    hub_part_remove(hub_of_thread, &ring->part);
    ring_close(ring);
}

static void once_a_process(void)
{
    tls_block_share(&ring_of_thread);
    pthread_atfork(NULL, NULL, in_child);
}

static int ring_init(struct ring *ring, struct hub *hub)
{
    ring->submit_run.call = on_submit;
    ring->completions.direction = LOOP_READ;
    ring->completions.fn = on_completions;
    ring->eventfd = loop_private_take(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (ring->eventfd < 0)
        return -errno;
    int r = io_uring_queue_init(ENTRIES, &ring->uring, 0);
    if (r < 0)
        goto fail_eventfd;
    loop_private_note(ring->uring.ring_fd);
    r = -ENOSYS;
    if (!(ring->uring.features & IORING_FEAT_RW_CUR_POS) ||
        !(ring->uring.features & IORING_FEAT_NODROP))
        goto fail_uring;
    r = io_uring_register_eventfd(&ring->uring, ring->eventfd);
    if (r < 0)
        goto fail_uring;
    hub_opened(ring->eventfd);
    struct loop_fd *record = loop_fd(&hub->loop, ring->eventfd);
    r = record ? loop_register(&hub->loop, record) : -errno;
    if (r == 0)
        return 0;

    hub_closing(ring->eventfd);
fail_uring:
    loop_private_forget(ring->uring.ring_fd);
    io_uring_queue_exit(&ring->uring);
fail_eventfd:
    loop_private_close(ring->eventfd);
    return r;
}

/* The thread's ring, made now if there is none; NULL: there can be none. */
static struct ring *ring_open(struct hub *hub)
{
    if (likely(ring_of_thread != NULL))
        return ring_of_thread;
    pthread_once(&once, once_a_process);
    struct ring *ring = calloc(1, sizeof(*ring));
    if (!ring)
        return NULL;
    if (ring_init(ring, hub) < 0) {
        free(ring);
        return NULL;
    }
    ring->part.end = on_hub_end;
    ring->part.forked = NULL; /* see in_child */
    hub_part_add(hub, &ring->part);
    ring_of_thread = ring;
    return ring;
}

/* ---- requests ----------------------------------------------------------------- */

static struct io_uring_sqe *next_entry(struct ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (!sqe) {
        submit(ring);
        sqe = io_uring_get_sqe(&ring->uring);
    }
    return sqe;
}

static void cancel(struct ring *ring, struct request *q)
{
    struct io_uring_sqe *sqe = next_entry(ring);
    if (!sqe)
        return; /* then it is waited for without */
    io_uring_prep_cancel(sqe, q, 0);
    io_uring_sqe_set_data(sqe, NULL);
    submit(ring);
}

/* The thread ends while a fiber of it waits, whose stack is given back next. */
static void abandon(struct shared_wait *wait)
{
    struct request *q = container_of(wait, struct request, wait);
    struct ring *ring = ring_of_thread;
    cancel(ring, q);
    while (!q->done) {
        struct io_uring_cqe *cqe;
        io_uring_submit_and_wait(&ring->uring, 1);
        if (io_uring_wait_cqe(&ring->uring, &cqe) == 0)
            reap(ring);
    }
    watch(ring);
}

static void begin(struct hub *hub, struct ring *ring, struct request *q)
{
    q->fiber = hub->current;
    q->wait.fiber = hub->current;
    q->wait.abandon = abandon;
    q->next = ring->requests;
    q->back = &ring->requests;
    if (q->next)
        q->next->back = &q->next;
    ring->requests = q;
    if (!run_queued(&ring->submit_run))
        hub_queue(hub, &ring->submit_run);
}

static void wait_out(struct hub *hub, struct request *q)
{
    grove_shield shield;
    grove_shield_begin(&shield);
    while (!q->done)
        hub_wait(hub, GROVE_WAIT_WORKER, GROVE_NEVER, "read", -1);
    grove_shield_end(&shield);
}

/* Park until q is done. What it came to, as errno has it. */
static int finish(struct hub *hub, struct request *q, int64_t deadline)
{
    struct grove_fiber *f = hub->current;
    f->shared = &q->wait;
    hub->shared_waits++;
    int r = 0;
    while (!q->done && (r == 0 || r == HUB_TRANSFERRED))
        r = hub_wait(hub, GROVE_WAIT_WORKER, deadline, "read", -1);
    if (!q->done) {
        cancel(ring_of_thread, q);
        wait_out(hub, q);
    }
    hub->shared_waits--;
    f->shared = NULL;
    if (r >= 0)
        return q->result;
    if (q->result == -ECANCELED || q->result == -EINTR)
        return r;
    hub_wait_undo(f, r); /* it was faster: the kill is told next time */
    return q->result;
}

/* Valgrind does not see that the kernel has written n bytes there. */
static void annotate_read(const struct iovec *iov, ssize_t n)
{
#if GROVE_VALGRIND
    for (; n > 0; iov++) {
        size_t part = (size_t)n < iov->iov_len ? (size_t)n : iov->iov_len;
        VALGRIND_MAKE_MEM_DEFINED(iov->iov_base, part);
        n -= (ssize_t)part;
    }
#endif
}

bool uring_readv(struct hub *hub, int fd, const struct iovec *iov, int count,
                 off_t offset, int64_t deadline, ssize_t *result)
{
    struct ring *ring = ring_open(hub);
    struct io_uring_sqe *sqe = ring ? next_entry(ring) : NULL;
    if (!sqe) {
        atomic_store(&file_engine, FILE_POOL);
        return false;
    }
    struct request q = {.fd = fd, .closes = loop_closes(fd), .queued = sqe};
    io_uring_prep_readv(sqe, fd, iov, (unsigned)count, (uint64_t)offset);
    io_uring_sqe_set_data(sqe, &q);
    begin(hub, ring, &q);
    int r = finish(hub, &q, deadline);
    if (unlikely(q.closed))
        r = -EBADF;
    if (r < 0)
        errno = -r;
    else
        annotate_read(iov, r);
    *result = r < 0 ? -1 : r;
    return true;
}

#else

bool uring_readv(struct hub *hub, int fd, const struct iovec *iov, int count,
                 off_t offset, int64_t deadline, ssize_t *result)
{
    atomic_store(&file_engine, FILE_POOL);
    return false;
}

#endif

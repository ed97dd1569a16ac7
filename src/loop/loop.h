/*
 * The event loop of one thread: which descriptors are ready, and a way for
 * other threads and signal handlers to interrupt the wait. It knows nothing of
 * fibers: who waits is a struct loop_wait whose function is called.
 */
#ifndef GROVE_LOOP_LOOP_H
#define GROVE_LOOP_LOOP_H

#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "fiber/visibility.h"
#include "loop/number.h"

/* Directions. An error or hang-up counts as both. */
#define LOOP_READ 1u
#define LOOP_WRITE 2u

/* Somebody who waits for a descriptor. In place, usually on a fiber's stack.
 * Linked from loop_wait_add until it is called or removed. */
struct loop_wait {
    struct loop_wait *next;  /* who waits after it */
    struct loop_wait **back; /* what points to it; NULL: not linked */
    struct loop_fd *fd;      /* waited for, while it is linked */
    unsigned direction;      /* LOOP_READ or LOOP_WRITE */
    /* Called, unlinked, when the direction may be ready (0) or the descriptor
     * was closed (-EBADF). It must not wait and may add itself again. */
    void (*fn)(struct loop_wait *wait, int result);
};

/* Those who wait for one direction, first come first. */
struct loop_waits {
    struct loop_wait *first; /* NULL: nobody */
    struct loop_wait **last; /* where the next one is linked in */
};

/* Values of loop_fd.asked. */
enum loop_asked { LOOP_ASKED_UNKNOWN, LOOP_ASKED_YES, LOOP_ASKED_NO };

/* What is known of a descriptor. Its address is stable. */
struct loop_fd {
    struct loop_waits readers; /* woken in this order */
    struct loop_waits writers;
    uint32_t generation; /* events of an older one are stale */
    int number;          /* the descriptor */
    /* Registered with the kernel, edge-triggered, from the first wait to the
     * descriptor's end. */
    bool registered;
    bool always_ready; /* a file that cannot be polled */
    /* Hints: false means that nothing has come since it was last exhausted, so
     * that a call would say EAGAIN. Only meaningful while registered. */
    bool readable;
    bool writable;
    /* A hang-up, error or urgent data was seen: a short read no longer says
     * that the descriptor is exhausted. */
    bool no_short_reads;
    /* A short read exhausts it: a TCP stream. Known once registered. */
    bool stream;
    /* The open file had O_NONBLOCK when it was registered. */
    bool nonblocking;
    /* Then: whether its owner has set it, or net/ has (net/nonblocking.c). */
    uint8_t asked;
    /* For net/: what calls found out of the kind of file. False until then; set
     * wrongly, when the number was reused unseen, they cost a system call more
     * but no call fails by them. */
    bool not_socket;   /* recv and send said ENOTSOCK */
    uint8_t no_nowait; /* directions that RWF_NOWAIT does not work for */
    bool not_terminal; /* it has no termios */
    /* SO_RCVTIMEO and SO_SNDTIMEO in milliseconds, as they were when it was
     * registered; 0: none. */
    uint32_t timeouts[2];
    /* The number's count of closes when it was registered: another one by now
     * means that the file is gone. */
    uint32_t closes;
} __attribute__((aligned(64))); /* one cache line a descriptor */

_Static_assert(sizeof(struct loop_fd) == 64, "one cache line a descriptor");

/* Which file a record stood for at a certain time. */
struct loop_stamp {
    uint32_t generation; /* the record's */
    uint32_t closes;     /* likewise */
};

struct loop {
    int epoll;     /* the epoll instance */
    int wakeup;    /* an eventfd, written to by loop_interrupt */
    size_t waits;  /* linked struct loop_wait */
    uint32_t mark; /* one bit: this loop in struct loop_number.state; when
                      there are many loops, others have the same */
    /* Called when a second loop registers a number: those of marks, whose file
     * it is as well, need not stay registered. NULL: there is nobody to tell.
     */
    void (*shared)(struct loop *loop, int number, uint32_t marks);
    struct loop_fd **chunks[LOOP_CHUNKS / 64]; /* see loop_fd_slow */
    uint64_t polls;  /* looks at the kernel's events, for people */
    bool has_pwait2; /* epoll_pwait2 works: time-outs in nanoseconds */
};

/* 0 or -errno: EMFILE, ENFILE, ENOMEM. */
int loop_init(struct loop *loop);
void loop_destroy(struct loop *loop);

/* In a forked child: a fresh kernel object instead of the one shared with the
 * parent. Those who wait and have gone, as gone(wait, arg) tells, are unlinked;
 * the others wait on. 0 or -errno. */
int loop_renew(struct loop *loop,
               bool (*gone)(struct loop_wait *wait, void *arg), void *arg);

/* Wait for events until timeout nanoseconds have passed (0: do not wait; -1:
 * no limit) and call those who waited for them. The number of events, 0 also
 * when interrupted, or -EINTR when a signal came. */
int loop_poll(struct loop *loop, int64_t timeout);

/* loop_poll in two halves, for one who must do something in between. The first
 * only waits; mask is the thread's signal mask meanwhile (NULL: as it is), as
 * in epoll_pwait(2). Returns as loop_poll. */
#define LOOP_EVENTS 256
struct loop_events {
    struct epoll_event event[LOOP_EVENTS];
};
int loop_wait(struct loop *loop, struct loop_events *events, int64_t timeout,
              const sigset_t *mask);
/* The second calls those who waited for the n events of the first. */
void loop_dispatch(struct loop *loop, const struct loop_events *events, int n);

/* Make the present or next loop_poll return early. From any thread or signal
 * handler. */
void loop_interrupt(struct loop *loop);

/* The record of descriptor fd; NULL when there is no memory or fd is out of
 * range. */
GROVE_HOST_API struct loop_fd *loop_fd_slow(struct loop *loop, int fd);

static inline struct loop_fd *loop_fd(struct loop *loop, int fd)
{
    if (likely((unsigned)fd < LOOP_CHUNK * LOOP_CHUNKS)) {
        unsigned chunk = (unsigned)fd / LOOP_CHUNK;
        struct loop_fd **group = loop->chunks[chunk / 64];
        if (likely(group && group[chunk % 64]))
            return &group[chunk % 64][(unsigned)fd % LOOP_CHUNK];
    }
    return loop_fd_slow(loop, fd);
}

/* What the process knows of the record's number; it was made with the record.
 */
static inline struct loop_number *loop_number_of(const struct loop_fd *fd)
{
    struct loop_number *chunk = atomic_load_explicit(
        &loop_numbers[(unsigned)fd->number / LOOP_CHUNK], memory_order_acquire);
    assert(chunk);
    return &chunk[(unsigned)fd->number % LOOP_CHUNK];
}

static inline bool loop_closed_since(const struct loop_fd *fd, uint32_t closes)
{
    return closes != atomic_load_explicit(&loop_number_of(fd)->closes,
                                          memory_order_acquire);
}

/* Whether what the record says was said of the file that has the number now,
 * as far as the runtime was told of closes, by whichever thread. */
static inline bool loop_current(const struct loop_fd *fd)
{
    return !loop_closed_since(fd, fd->closes);
}

/* Whether that is so for sure: the file is owned, so that its close would have
 * been told of. Others may be closed behind our back and their number given to
 * another file, which is then not registered: what is known of those is checked
 * before every wait (loop_register). */
static inline bool loop_trusted(const struct loop_fd *fd)
{
    if (!fd->registered)
        return false;
    struct loop_number *n = loop_number_of(fd);
    return (atomic_load_explicit(&n->state, memory_order_acquire) &
            LOOP_OWNED) &&
           fd->closes == atomic_load_explicit(&n->closes, memory_order_acquire);
}

/* To be taken before a wait and compared after it: when false the number has
 * been closed meanwhile, and may be another file's. */
static inline struct loop_stamp loop_stamp(const struct loop_fd *fd)
{
    return (struct loop_stamp){fd->generation, fd->closes};
}

static inline bool loop_same(const struct loop_fd *fd, struct loop_stamp stamp)
{
    return fd->generation == stamp.generation &&
           !loop_closed_since(fd, stamp.closes);
}

/* Whether anybody waits for fd. */
static inline bool loop_waited(const struct loop_fd *fd)
{
    return fd->readers.first || fd->writers.first;
}

/* To be called before waiting: register fd with the kernel if it is not, or no
 * longer. Costs a system call for a registered one that is not owned. 0 or
 * -errno (EBADF, ENOMEM, ENOSPC). A file that cannot be polled becomes
 * always_ready. Who still waits for the number's last file, which was closed
 * behind our back, is called with -EBADF. */
GROVE_HOST_API int loop_register(struct loop *loop, struct loop_fd *fd);

/* Its open file's O_NONBLOCK and the socket's time-outs may be others now. */
GROVE_HOST_API void loop_read_options(struct loop_fd *fd);

/* The socket's time-outs were changed. */
void loop_read_timeouts(struct loop *loop, int fd);

/* Link wait, whose direction and fn are set, behind those who wait for the
 * same. fd must be registered. */
GROVE_HOST_API void loop_wait_add(struct loop *loop, struct loop_fd *fd,
                                  struct loop_wait *wait);
/* Unlink it; nothing if it is not linked. */
GROVE_HOST_API void loop_wait_remove(struct loop *loop, struct loop_wait *wait);

/* fd was opened just now, by somebody who will tell of its end before closing
 * it: waits for it cost no system call once it is registered. Whoever still
 * waits for the number's last file is told as by loop_forget. The marks of
 * other loops, who have to be told as well. */
GROVE_HOST_API uint32_t loop_own(struct loop *loop, int fd);

/* The same of one that is open already: who waits for it goes on waiting. */
GROVE_HOST_API void loop_adopt(struct loop *loop, int fd);

/* fd is about to be closed, or its number now stands for another file: who
 * waits is called with -EBADF, the registration ends. */
GROVE_HOST_API void loop_forget(struct loop *loop, int fd);

/* Another thread has closed fd, or uses it: loop_forget if the file is gone;
 * if somebody else has it and nobody waits here, the registration ends. */
void loop_look(struct loop *loop, int fd);
/* The same of all descriptors, but registrations of files that are there stay.
 */
void loop_look_at_all(struct loop *loop);

/* From any thread, while the loop is there: its registration of fd, which is
 * about to be closed, ends now, as it cannot when only a dup is left. */
void loop_leave(const struct loop *loop, int fd);

/* Whether another loop has the same mark. */
bool loop_mark_is_shared(const struct loop *loop);

#endif

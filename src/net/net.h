/*
 * Calls on descriptors that park the fiber where libc's would hold up the
 * thread. The public grove_X and the patched libc calls are thin wrappers of
 * net_X; a host calls those directly.
 *
 *   op.c          what a call does around its system calls: park, try, repeat
 *   stream.c      recv, recvfrom, send, sendto
 *   message.c     recvmsg, sendmsg
 *   batch.c       recvmmsg, sendmmsg
 *   datagram.c    datagrams in batches, with their addresses
 *   vector.c      read, readv, write, writev, on any kind of file
 *   terminal.c    read of terminals that do not go by lines
 *   low_mark.c    how much calls that receive wait for
 *   connection.c  accept4, connect, close
 *   socket.c      descriptors of the runtime's, taken and given; setsockopt
 *   listen.c      sockets bound to an address
 *   dial.c        connections to a host by name
 *   address.c     addresses as people write them
 *   transfer.c    sendfile, splice
 *   nonblocking.c what keeps the other calls' system calls from blocking
 *   poll.c        poll
 *   iov.c         what is left of an iovec array after a part was done
 *   try.c         receiving and sending in two halves, a try and a wait
 *   all.c         sending and writing all or failing
 *   server*.c     servers: see server.h
 *
 * TLS is a library of its own on top: see tls/tls.h.
 *
 * A call tries first, without blocking, and parks when that says EAGAIN:
 *
 *            hints say that it is no use
 *      o -------------------------------------+
 *      |                                      v
 *      +--------> try ---- EAGAIN ------> park until an edge
 *                 |  ^                        |   |
 *          done   |  +------------------------+   | closed, killed
 *                 v        edge, or deadline:     v
 *              result      one last try        -1, errno
 *
 * Whenever others have run in between, the number may stand for another file by
 * then: no call tries again before it has seen that it does not (loop_same,
 * loop_closes); otherwise it fails with EBADF.
 *
 * All run on the hub's thread, in a fiber or on the thread's own stack.
 */
#ifndef GROVE_NET_NET_H
#define GROVE_NET_NET_H

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "hub/wait.h"

enum net_mode {
    NET_POSIX, /* a descriptor with O_NONBLOCK gets EAGAIN */
    NET_PARK,  /* O_NONBLOCK is not looked at: for a host that sets it on all
                  its descriptors, whatever its users asked for */
    NET_LIBC,  /* as NET_POSIX, for code that is not ours: what it does to a
                  descriptor between two calls is not told, so that flags and
                  time-outs are looked at by each call that has to wait, and
                  O_NONBLOCK stays as it is */
    NET_LIBC_AGAIN /* the same, of a call that was tried just now, without
                      waiting, and EAGAIN was said */
};

/* ---- the calls: as grove_X_until, which see ---------------------------- */

GROVE_HOST_API ssize_t net_read(int fd, void *buf, size_t len, int64_t deadline,
                                enum net_mode mode);
GROVE_HOST_API ssize_t net_write(int fd, const void *buf, size_t len,
                                 int64_t deadline, enum net_mode mode);
GROVE_HOST_API ssize_t net_readv(int fd, const struct iovec *iov, int count,
                                 int64_t deadline, enum net_mode mode);
GROVE_HOST_API ssize_t net_writev(int fd, const struct iovec *iov, int count,
                                  int64_t deadline, enum net_mode mode);

GROVE_HOST_API ssize_t net_recv(int fd, void *buf, size_t len, int flags,
                                int64_t deadline, enum net_mode mode);
GROVE_HOST_API ssize_t net_recvfrom(int fd, void *buf, size_t len, int flags,
                                    struct sockaddr *addr, socklen_t *addrlen,
                                    int64_t deadline, enum net_mode mode);
GROVE_HOST_API ssize_t net_send(int fd, const void *buf, size_t len, int flags,
                                int64_t deadline, enum net_mode mode);
GROVE_HOST_API ssize_t net_sendto(int fd, const void *buf, size_t len,
                                  int flags, const struct sockaddr *addr,
                                  socklen_t addrlen, int64_t deadline,
                                  enum net_mode mode);
GROVE_HOST_API ssize_t net_recvmsg(int fd, struct msghdr *msg, int flags,
                                   int64_t deadline, enum net_mode mode);
GROVE_HOST_API ssize_t net_sendmsg(int fd, const struct msghdr *msg, int flags,
                                   int64_t deadline, enum net_mode mode);

struct mmsghdr;
GROVE_HOST_API int net_recvmmsg(int fd, struct mmsghdr *messages, unsigned n,
                                int flags, int64_t deadline,
                                enum net_mode mode);
GROVE_HOST_API int net_sendmmsg(int fd, struct mmsghdr *messages, unsigned n,
                                int flags, int64_t deadline,
                                enum net_mode mode);

GROVE_HOST_API int net_accept4(int fd, struct sockaddr *addr,
                               socklen_t *addrlen, int flags, int64_t deadline,
                               enum net_mode mode);
GROVE_HOST_API int net_connect(int fd, const struct sockaddr *addr,
                               socklen_t addrlen, int64_t deadline,
                               enum net_mode mode);

/* What a poll that has waited reports. */
enum net_poll_for {
    NET_POLL_STATE, /* what is ready when it returns, as poll(2) */
    NET_POLL_EDGES  /* also what came while it waited and another has taken */
};

struct addrinfo;
/* As grove_getaddrinfo_until, but that a port is what libc makes of it: the
 * number's last 16 bits. */
GROVE_HOST_API int net_getaddrinfo(const char *node, const char *service,
                                   const struct addrinfo *hints,
                                   struct addrinfo **result, int64_t deadline);

/* O_NONBLOCK is nothing to poll or close, so they have no mode. */
GROVE_HOST_API int net_poll(struct pollfd *fds, nfds_t nfds, int64_t deadline,
                            enum net_poll_for what);
GROVE_HOST_API int net_close(int fd);

/* ---- all or fail: as grove_X_all_until, which see ------------------------- */

int net_sendv_all(int fd, const struct iovec *iov, size_t count, int flags,
                  int64_t deadline, enum net_mode mode, size_t *done);
int net_writev_all(int fd, const struct iovec *iov, int count, int64_t deadline,
                   enum net_mode mode, size_t *done);

/* ---- try.c: for TLS and streams ------------------------------------------ */

/* recv and send that never wait and raise no signal: -1 and EAGAIN instead.
 * After that a wait for the direction misses nothing. */
GROVE_HOST_API ssize_t net_try_recv(int fd, void *buf, size_t len);
GROVE_HOST_API ssize_t net_try_send(int fd, const void *buf, size_t len);
/* Park until fd may be ready for direction, or for one of both: 0 or a negative
 * errno. */
GROVE_HOST_API int net_await(int fd, unsigned direction, int64_t deadline,
                             const char *what);

/* The same for who has found the record of fd, which is of the thread's hub;
 * whether the file is still the one that was meant is the caller's business. */
ssize_t net_try_recv_on(struct loop_fd *record, void *buf, size_t len);
int net_await_on(struct loop_fd *record, unsigned direction, int64_t deadline,
                 const char *what);

/* That record; NULL with errno. */
static inline struct loop_fd *net_record(int fd)
{
    struct hub *hub = hub_self();
    return likely(hub != NULL) ? loop_fd(&hub->loop, fd) : NULL;
}

/* Whether a try to receive would find nothing, as far as is known without one.
 */
static inline bool net_nothing_came(const struct loop_fd *record)
{
    /* As in net_begin: what the hints say of an owned descriptor is so. */
    return !record->readable && loop_trusted(record);
}

/* From now on tries know when they are in vain, without a system call, as they
 * do after a wait. */
static inline void net_watch(struct loop_fd *record)
{
    if (unlikely(!record->registered))
        loop_register(&hub_of_thread->loop, record); /* or the next wait tells
                                                        why not */
}
/* To be called once a call that might never wait: it gives a turn (hub_turn).
 */
GROVE_HOST_API void net_count_call(void);

/* ---- op.c -------------------------------------------------------------- */

/* A call under way. */
struct net_op {
    struct hub *hub;        /* the thread's */
    struct loop_fd *record; /* of the descriptor */
    int64_t deadline;       /* the call's; an option's may come before it */
    const char *what;       /* for grove_dump */
    enum net_mode mode;     /* whether O_NONBLOCK is looked at */
    unsigned direction;     /* LOOP_READ or LOOP_WRITE */
    int64_t back_off;       /* not 0: no edge may come of what is waited for, so
                               try again after so long, then twice as long, ... */
    bool no_wait;           /* the caller said MSG_DONTWAIT, or the like */
    bool looked;          /* NET_LIBC: the descriptor's flags and time-outs are
                             those of now */
    bool last;            /* the deadline has passed: this try is the last */
    bool option_passed;   /* it was that of SO_RCVTIMEO or SO_SNDTIMEO */
    int64_t option_until; /* that one; 0: none, or no wait yet */
};

/* Fill op's hub and record; the other members are set. Parks first where the
 * hints say that a try would be in vain. False with errno: the call fails. */
GROVE_HOST_API bool net_begin(struct net_op *op, int fd);

/* After a system call has failed: whether to make it again. Parks on EAGAIN
 * until the descriptor may be ready. False with errno: the call fails. */
GROVE_HOST_API bool net_retry(struct net_op *op);

/* What a call returns that was stopped by an error, which is errno, after done
 * bytes: a part is told as a success, as POSIX has it, and a kill that came
 * then is told by the next wait. */
static inline ssize_t net_stopped(struct net_op *op, size_t done)
{
    assert(op->hub == hub_of_thread && errno);
    if (done == 0)
        return -1;
    if (errno == ECANCELED && op->mode != NET_PARK)
        hub_wait_undo(op->hub->current, -ECANCELED);
    return (ssize_t)done;
}

/* Park until another try is worth while. False with errno. */
bool net_wait(struct net_op *op);

/* Whether EAGAIN is to be waited for; the descriptor is registered. */
bool net_may_wait(const struct net_op *op);

/* As net_retry for a send of which a part has gone: false as well where the
 * connection is gone. Its error is for the next call to be told of, and a try
 * would take it away. */
bool net_retry_rest(struct net_op *op);

/* What is left of a send that has gone in part raises no SIGPIPE: the part is
 * told. */
#define NET_REST MSG_NOSIGNAL

/* The call makes one more system call: others may be due for a turn. False with
 * EBADF: one of them has closed the descriptor. */
bool net_turn(struct net_op *op);

/* fd, made just now or -1 for a failure, is the runtime's from now on. Returns
 * fd. */
int net_own(int fd);

/* Have a TCP socket send small packets at once, and those that a listening one
 * will accept. Others are let be; errno, too. */
void net_send_at_once(int fd);

/* A socket whose messages run into each other. */
bool net_is_stream(int fd);

/* A socket that listens, as the kernel says: of Bluetooth's it does not, though
 * they do. errno may be set. */
GROVE_HOST_API bool net_is_listener(int fd);

/* Turn what hub_wait_fd returned into true, or false with errno. */
bool net_waited(int result);

/* The first back_off of what waits for the queue of another AF_UNIX socket:
 * the kernel tells only those who block in it. */
#define NET_BACK_OFF (GROVE_MILLISECOND / 4)

/* The back_off of what sends to addr, or nowhere in particular. */
static inline int64_t net_back_off(const struct sockaddr *addr)
{
    return addr && addr->sa_family == AF_UNIX ? NET_BACK_OFF : 0;
}

/* flags are of the kind that waits for readiness and takes data: neither those
 * that never wait (urgent data, the error queue) nor those that look only. */
static inline bool net_plain_flags(int flags)
{
    return !(flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC));
}

static inline bool net_never_waits(int flags)
{
    return flags & (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE);
}

/* A plain read of len bytes has returned n: a stream that gave less, but not
 * its end, is exhausted until the next edge. */
static inline void net_note_read(struct loop_fd *record, ssize_t n, size_t len)
{
    if (n > 0 && (size_t)n < len && record->stream && record->registered &&
        !record->no_short_reads)
        record->readable = false;
}

/* ---- nonblocking.c ------------------------------------------------------- */

/* As poll(2) without waiting: fd is ready for these events, or there is an
 * error or hang-up that the call itself will tell. False with EAGAIN. */
GROVE_HOST_API bool net_is_ready(int fd, short events);

/* fd's open file has O_NONBLOCK from now on, for good, and whoever shares it
 * can tell that its owner has not set it. False with errno. */
bool net_keep_nonblocking(int fd);
/* Likewise for the op's descriptor, where that is not known to be so. */
bool net_never_blocks(struct net_op *op);

/* Whether O_NONBLOCK of a non-blocking descriptor is its owner's wish. */
bool net_owner_asked(struct loop_fd *record);

/* Opens the terminal or the FIFO that fd is again, with O_NONBLOCK; -1: it is
 * neither, or it cannot be. */
int net_open_again(int fd, int flags);

/* ---- low_mark.c ---------------------------------------------------------- */

/* Whether anybody has set SO_RCVLOWAT. */
extern GROVE_HOST_API bool net_low_marks;

static inline bool net_has_low_marks(void)
{
    return unlikely(__atomic_load_n(&net_low_marks, __ATOMIC_RELAXED));
}

/* An option of fd was set, as setsockopt(2). On any thread. */
GROVE_HOST_API void net_option_set(int fd, int level, int name,
                                   const void *value, socklen_t size);

size_t net_least_marked(const struct net_op *op, size_t len);

/* How many of len bytes the op, which receives, is to wait for once one has
 * come, if fd is a stream: with one or none it need not. errno is kept. */
static inline size_t net_least(const struct net_op *op, size_t len)
{
    return net_has_low_marks() ? net_least_marked(op, len) : 0;
}

/* ---- terminal.c ---------------------------------------------------------- */

struct net_iov;
struct termios;

/* Whether the op's descriptor is a terminal that does not go by lines: what it
 * is set to. errno is kept. */
bool net_is_raw_terminal(struct net_op *op, struct termios *t);

/* A try to read from one, which may park for as long as that is set to. ready:
 * what poll says. */
ssize_t net_read_terminal(struct net_op *op, const struct net_iov *v,
                          const struct termios *t, bool ready);

/* ---- iov.c ------------------------------------------------------------- */

#define NET_IOV_SMALL 8

/* An iovec array of which parts are done. The caller's is copied only once
 * something is left of it. */
struct net_iov {
    const struct iovec *at; /* what is left */
    size_t count;           /* of at */
    size_t left;            /* bytes */
    struct iovec *copy;     /* where at is in; NULL: still the caller's */
    struct iovec small[NET_IOV_SMALL]; /* a short copy, not allocated */
};

/* False with EINVAL when the lengths do not add up to a ssize_t. */
bool net_iov_begin(struct net_iov *v, const struct iovec *iov, size_t count);
/* n bytes are done, fewer than are left. False with ENOMEM. */
bool net_iov_advance(struct net_iov *v, size_t n);
void net_iov_end(struct net_iov *v);

#endif

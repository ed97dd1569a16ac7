/*
 * listen, accept and connect.
 *
 * No flag of accept's keeps a single call from blocking, and O_NONBLOCK of a
 * listener belongs to all processes and threads that share it. So a connection
 * is looked for by poll, and taken by an accept that blocks:
 *
 *     poll: none, and it listens --> park until there may be one
 *     none, and it does not -------> accept on a worker, to be told why not
 *     one, and nobody else accepts -> accept
 *     one, and others may take it --> accept on a worker, which then waits for
 *                                     the next in the place of the fiber
 *
 * Nobody else accepts on a socket that this process made a listener after its
 * last fork and start of another program, and on which no thread without a hub
 * has accepted: it is `ours`. Hubs take turns by a lock. That a descriptor was
 * sent to another process is not seen: then an accept may have to wait for the
 * next connection, and the hub with it.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "net/net.h"
#include "patch/call.h"
#include "patch/functions.h"

/* Numbers beyond are never `ours`. */
#define NUMBERS 65536

static _Atomic uint64_t ours[NUMBERS / 64]; /* a bit a number */
static pthread_mutex_t turns = PTHREAD_MUTEX_INITIALIZER;

/* ---- whose listeners are ------------------------------------------------------------------ */

static void set_ours(int fd, bool is)
{
    if ((unsigned)fd >= NUMBERS)
        return;
    uint64_t bit = UINT64_C(1) << (fd % 64);
    _Atomic uint64_t *word = &ours[fd / 64];
    if (is)
        atomic_fetch_or(word, bit);
    else if (atomic_load_explicit(word, memory_order_relaxed) & bit)
        atomic_fetch_and(word, ~bit);
}

static bool is_ours(int fd)
{
    return (unsigned)fd < NUMBERS &&
           (atomic_load(&ours[fd / 64]) >> (fd % 64) & 1);
}

void patch_listener_ends(int fd)
{
    set_ours(fd, false);
}

void patch_listeners_shared(void)
{
    for (size_t i = 0; i < NUMBERS / 64; i++)
        atomic_store_explicit(&ours[i], 0, memory_order_relaxed);
}

int patch_listen(int fd, int backlog)
{
    int r = listen(fd, backlog);
    if (r == 0)
        set_ours(fd, true);
    return r;
}

static void hold(void)
{
    pthread_mutex_lock(&turns);
}

static void let_go(void)
{
    patch_listeners_shared();
    pthread_mutex_unlock(&turns);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(hold, let_go, let_go);
}

/* ---- accept ------------------------------------------------------------------------------- */

static int accept_alone(int fd, struct sockaddr *addr, socklen_t *addrlen,
                        int flags)
{
    pthread_mutex_lock(&turns);
    int r = net_is_ready(fd, POLLIN) ? accept4(fd, addr, addrlen, flags) : -1;
    pthread_mutex_unlock(&turns);
    return r;
}

static int try_accept(struct net_op *op, struct sockaddr *addr,
                      socklen_t *addrlen, int flags)
{
    int fd = op->record->number;
    if (is_ours(fd))
        return accept_alone(fd, addr, addrlen, flags);
    int status = fcntl(fd, F_GETFL);
    if (status < 0)
        return -1;
    if (status & O_NONBLOCK)
        return accept4(fd, addr, addrlen, flags);
    if (!net_is_ready(fd, POLLIN) && net_is_listener(fd)) {
        errno = EAGAIN;
        return -1;
    }
    return (int)patch_on_worker(op->hub, "accept", SYS_accept4, fd, (long)addr,
                                (long)addrlen, flags, 0, 0);
}

static int accept_parking(int fd, struct sockaddr *addr, socklen_t *addrlen,
                          int flags)
{
    struct net_op op = {.deadline = GROVE_NEVER,
                        .what = "accept",
                        .mode = NET_LIBC,
                        .direction = LOOP_READ};
    if (!net_begin(&op, fd))
        return -1;
    int r;
    do {
        r = try_accept(&op, addr, addrlen, flags);
    } while (r < 0 && net_retry(&op));
    return r;
}

static int accept_plainly(int fd, struct sockaddr *addr, socklen_t *addrlen,
                          int flags)
{
    set_ours(fd, false); /* it may wait while a hub looks */
    return accept4(fd, addr, addrlen, flags);
}

int patch_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
    if (unlikely(flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)))
        return accept4(fd, addr, addrlen, flags); /* EINVAL */
    PATCHED(int, PATCH_RECEIVES, accept_plainly(fd, addr, addrlen, flags),
            accept_parking(fd, addr, addrlen, flags));
}

int patch_accept(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
    return patch_accept4(fd, addr, addrlen, 0);
}

/* ---- connect ------------------------------------------------------------------------------ */

/* It is not known who will close the descriptor, unless it was before. */
static int connect_parking(int fd, const struct sockaddr *addr,
                           socklen_t addrlen)
{
    bool owned = loop_owned(fd);
    int r = net_connect(fd, addr, addrlen, GROVE_NEVER, NET_LIBC),
        error = errno;
    if (!owned)
        hub_disown(fd);
    errno = error;
    return r;
}

int patch_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
    PATCHED(int, PATCH_SENDS, connect(fd, addr, addrlen),
            connect_parking(fd, addr, addrlen));
}

/*
 * accept4, connect and close: where descriptors' connections begin and end.
 *
 * There is no flag that keeps a single accept or connect from blocking. A
 * listener is shared with other hubs and processes as a rule, so it is made
 * non-blocking for good (nonblocking.c). A socket that connects is its maker's
 * alone as a rule: it gets O_NONBLOCK for the system call, unless that never
 * waits, and must not keep it, for it goes to other code then, to which it is
 * one that blocks. Hubs that connect one descriptor take turns at that: one
 * that saw the flag would take it for the owner's, and block once it is put
 * back. Who shares the socket otherwise may see the flag meanwhile. Sockets
 * that we make to connect them at once are made with it (dial.c).
 */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "grove.h"
#include "net/net.h"

/* ---- accept ------------------------------------------------------------ */

bool net_is_listener(int fd)
{
    int is = 0;
    socklen_t size = sizeof(is);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &size) == 0 && is;
}

/* Whether nothing has come to fd, but no connection can, either: accept is to
 * say why. */
static bool waits_in_vain(int fd)
{
    const struct loop_fd *record = net_record(fd);
    return record && net_nothing_came(record) && !net_is_listener(fd);
}

static int try_accept(struct net_op *op, struct sockaddr *addr,
                      socklen_t *addrlen, int flags)
{
    if (!net_never_blocks(op))
        return -1;
    return accept4(op->record->number, addr, addrlen, flags);
}

int net_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags,
                int64_t deadline, enum net_mode mode)
{
    struct net_op op = {.deadline = deadline,
                        .what = "accept",
                        .mode = mode,
                        .direction = LOOP_READ,
                        .no_wait = waits_in_vain(fd)};
    if (!net_begin(&op, fd))
        return -1;
    op.no_wait = false;
    int r;
    do {
        r = try_accept(&op, addr, addrlen, flags);
    } while (r < 0 && net_retry(&op));
    if (r >= 0)
        hub_opened(r);
    return r;
}

/* ---- connect ----------------------------------------------------------- */

/* Datagrams' do, and raw ones': there is no other side to hear from. */
static bool connects_at_once(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           (type == SOCK_DGRAM || type == SOCK_RAW);
}

/* For descriptors by their numbers; a child of a fork has none that another
 * thread has. */
#define TURNS 64

static pthread_mutex_t turns[TURNS] = {[0 ... TURNS - 1] =
                                           PTHREAD_MUTEX_INITIALIZER};

static void renew_turns(void)
{
    for (int i = 0; i < TURNS; i++)
        pthread_mutex_init(&turns[i], NULL);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, renew_turns);
}

static int connect_unblocked(int fd, const struct sockaddr *addr,
                             socklen_t addrlen)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -1;
    if ((flags & O_NONBLOCK) || connects_at_once(fd))
        return connect(fd, addr, addrlen);
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -1;
    int r = connect(fd, addr, addrlen), error = errno;
    fcntl(fd, F_SETFL, flags);
    errno = error;
    return r;
}

static int try_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
    pthread_mutex_t *turn = &turns[(unsigned)fd % TURNS];
    pthread_mutex_lock(turn);
    int r = connect_unblocked(fd, addr, addrlen), error = errno;
    pthread_mutex_unlock(turn);
    errno = error;
    return r;
}

/* What has become of a connection under way: 0, its error, or EINPROGRESS. */
static int connect_result(int fd)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return errno;
    if (error)
        return error;
    struct sockaddr_storage peer;
    size = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0)
        return 0;
    if (!net_is_ready(fd, POLLOUT))
        return EINPROGRESS;
    /* It has failed, and another call has taken the error. */
    return ECONNABORTED;
}

/* Wait for the connection under way, of which the kernel has said unfinished.
 */
static int finish_connect(struct net_op *op, const struct sockaddr *addr,
                          socklen_t addrlen, int unfinished)
{
    int fd = op->record->number;
    int result;
    do {
        if (!net_wait(op))
            return -1;
        result = connect_result(fd);
    } while (result == EINPROGRESS && !op->last);
    /* To TCP the attempt is over only when a connect has been told so: the next
     * one, a new attempt, would get this one's outcome. */
    if (op->record->stream && result != EINPROGRESS && result != ECONNABORTED)
        try_connect(fd, addr, addrlen);
    if (result == 0)
        return 0;
    if (result == EINPROGRESS) /* as the system has it for SO_SNDTIMEO */
        result = op->option_passed ? unfinished : ETIMEDOUT;
    errno = result;
    return -1;
}

int net_connect(int fd, const struct sockaddr *addr, socklen_t addrlen,
                int64_t deadline, enum net_mode mode)
{
    struct net_op op = {.deadline = deadline,
                        .what = "connect",
                        .mode = mode,
                        .direction = LOOP_WRITE,
                        /* What the hints say is not about connecting. */
                        .no_wait = true};
    if (!net_begin(&op, fd))
        return -1;
    op.no_wait = false;
    if (!net_turn(&op))
        return -1;
    op.no_wait = true;
    /* A socket that connects is new as a rule: what is known of its number may
     * be of a file that was closed behind our back. */
    hub_adopt(fd);
    int r;
    do {
        r = try_connect(fd, addr, addrlen);
        /* The listener's queue is full; of others EAGAIN means no wait. */
        op.back_off = r < 0 && errno == EAGAIN ? net_back_off(addr) : 0;
        op.no_wait = op.back_off == 0;
    } while (r < 0 && net_retry(&op));
    if (r == 0 || (errno != EINPROGRESS && errno != EALREADY))
        return r;

    int error = errno;
    op.no_wait = false;
    r = loop_register(&op.hub->loop, op.record);
    if (r < 0) {
        net_waited(r);
        return -1;
    }
    if (mode == NET_LIBC)
        loop_read_options(op.record);
    if (!net_may_wait(&op)) {
        errno = error;
        return -1;
    }
    return finish_connect(&op, addr, addrlen, error);
}

/* ---- close ------------------------------------------------------------- */

int net_close(int fd)
{
    hub_closing(fd);
    int r = close(fd), error = errno;
    hub_closed(fd);
    errno = error;
    return r;
}

/* ---- the public calls -------------------------------------------------- */

int grove_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
    return net_accept4(fd, addr, addrlen, flags, GROVE_NEVER, NET_POSIX);
}

int grove_accept4_until(int fd, struct sockaddr *addr, socklen_t *addrlen,
                        int flags, int64_t deadline)
{
    return net_accept4(fd, addr, addrlen, flags, deadline, NET_POSIX);
}

int grove_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
    return net_connect(fd, addr, addrlen, GROVE_NEVER, NET_POSIX);
}

int grove_connect_until(int fd, const struct sockaddr *addr, socklen_t addrlen,
                        int64_t deadline)
{
    return net_connect(fd, addr, addrlen, deadline, NET_POSIX);
}

int grove_close(int fd)
{
    return net_close(fd);
}

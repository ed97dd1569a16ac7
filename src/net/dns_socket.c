/*
 * c-ares's sockets in the hub's loop: see dns_channel.h.
 *
 * c-ares tells which of its sockets it wants to read or write, and we wait for
 * them as any fiber would. A record stands for each from the first time that it
 * wants something of it until it wants nothing, which is when it closes it.
 *
 *     c-ares wants --> linked in the loop --edge--> ares_process_fd --+
 *                           ^                |                       |
 *                           |                +-- turn is over: queued |
 *                           +-- wanted still -------------------------+
 *
 * Invariants:
 *   1. A wait is linked if and only if its direction is wanted, but while its
 *      own edge is being dealt with.
 *   2. Once c-ares was entered, a socket is looked for by its number again: it
 *      may be gone, and even another be in its place.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dns_channel.h"

/* Bytes to ask for; the system grants what it allows. */
#define RECEIVE_BUFFER (1 << 20)

/* Answers taken from a socket in one go: others wait no longer than for a
 * millisecond. */
#define READS_A_TURN 64

/* A socket of c-ares's. */
struct dns_socket {
    struct dns_socket *next; /* opened before it, of the same channel */
    struct dns_channel *channel;
    int fd;                    /* c-ares's to close; owned in the loop */
    bool wanted[2];            /* to read, to write */
    struct loop_wait waits[2]; /* linked while wanted */
    struct run more;           /* queued: there was more than for one turn */
};

static struct dns_socket **find_socket(struct dns_channel *ch, int fd)
{
    struct dns_socket **at = &ch->sockets;
    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    return at;
}

/* Bring the waits into line with what is wanted. */
static void update_waits(struct dns_socket *s)
{
    struct loop *loop = &s->channel->dns->hub->loop;
    for (int i = 0; i < 2; i++) {
        if (!s->wanted[i])
            loop_wait_remove(loop, &s->waits[i]);
        else if (!s->waits[i].back)
            loop_wait_add(loop, loop_fd(loop, s->fd), &s->waits[i]);
    }
}

static bool is_open(struct dns_channel *ch, int fd)
{
    return *find_socket(ch, fd) != NULL;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* Edges are told once. From a datagram socket c-ares takes all that we let it
 * have; from a stream only a part at a time. */
static void process_read(struct dns_channel *ch, int fd)
{
    struct loop_fd *record = loop_fd(&ch->dns->hub->loop, fd);
    assert(fd >= 0);
    ch->reads = READS_A_TURN;
    do {
        ares_process_fd(ch->ares, fd, ARES_SOCKET_BAD);
    } while (is_open(ch, fd) && record->stream && ch->reads > 0 &&
             readable(fd));
    struct dns_socket *s = *find_socket(ch, fd);
    if (s && ch->reads == 0 && !run_queued(&s->more))
        hub_queue(ch->dns->hub, &s->more);
}

static void read_more(struct run *run)
{
    struct dns_socket *s = container_of(run, struct dns_socket, more);
    struct dns_channel *ch = s->channel;
    process_read(ch, s->fd);
    dns_channel_settle(ch);
}

static void on_socket(struct loop_wait *wait, int result)
{
    bool read = wait->direction == LOOP_READ;
    struct dns_socket *s =
        container_of(wait, struct dns_socket, waits[read ? 0 : 1]);
    struct dns_channel *ch = s->channel;
    int fd = s->fd;
    if (read)
        process_read(ch, fd);
    else
        ares_process_fd(ch->ares, ARES_SOCKET_BAD, fd);
    /* s may be gone, and even another be in its place. */
    s = *find_socket(ch, fd);
    if (s && result == 0)
        update_waits(s);
    dns_channel_settle(ch);
}

static struct dns_socket *open_socket(struct dns_channel *ch, int fd)
{
    struct loop *loop = &ch->dns->hub->loop;
    assert(fd >= 0 && !is_open(ch, fd));
    struct dns_socket *s = calloc(1, sizeof(*s));
    hub_opened(fd);
    struct loop_fd *record = loop_fd(loop, fd);
    if (!s || !record || loop_register(loop, record) < 0) {
        free(s);
        hub_closing(fd);
        ch->failed = true;
        return NULL;
    }
    s->channel = ch;
    s->fd = fd;
    s->more.call = read_more;
    for (int i = 0; i < 2; i++) {
        s->waits[i].direction = i == 0 ? LOOP_READ : LOOP_WRITE;
        s->waits[i].fn = on_socket;
    }
    s->next = ch->sockets;
    ch->sockets = s;
    return s;
}

void dns_on_socket_state(void *data, ares_socket_t fd, int read, int write)
{
    struct dns_channel *ch = data;
    struct dns_socket **at = find_socket(ch, fd);
    struct dns_socket *s = *at;
    if (!s && (read || write))
        s = open_socket(ch, fd);
    if (!s)
        return;
    s->wanted[0] = read;
    s->wanted[1] = write;
    update_waits(s);
    if (read || write)
        return;
    *at = s->next;
    assert(!s->waits[0].back && !s->waits[1].back);
    if (run_queued(&s->more))
        run_queue_remove(&s->more);
    hub_closing(fd);
    free(s);
}

/* What c-ares does with its sockets, instead of the system's calls. It
 * configures none that are made so. Since 1.34 it wants a send of one part, and
 * to be told that they do not block. */

static ares_socket_t make_socket(int family, int type, int protocol, void *data)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    int size = RECEIVE_BUFFER, on = 1;
    if (fd >= 0 && type == SOCK_DGRAM)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    else if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static int close_socket(ares_socket_t fd, void *data)
{
    return close(fd);
}

static ares_ssize_t receive(ares_socket_t fd, void *buf, size_t n, int flags,
                            struct sockaddr *addr, ares_socklen_t *size,
                            void *data)
{
    struct dns_channel *ch = data;
    assert(ch->reads >= 0 && ch->reads <= READS_A_TURN);
    if (ch->reads == 0) {
        errno = EAGAIN;
        return -1;
    }
    ch->reads--;
    return recvfrom(fd, buf, n, flags, addr, size);
}

#if ARES_VERSION >= 0x012200

static int connect_socket(ares_socket_t fd, const struct sockaddr *addr,
                          ares_socklen_t size, unsigned flags, void *data)
{
    return connect(fd, addr, size);
}

static ares_ssize_t send_part(ares_socket_t fd, const void *buf, size_t n,
                              int flags, const struct sockaddr *addr,
                              ares_socklen_t size, void *data)
{
    return sendto(fd, buf, n, flags | MSG_NOSIGNAL, addr, size);
}

/* ENOSYS: c-ares is content with sockets as they are. */
static int set_option(ares_socket_t fd, ares_socket_opt_t option,
                      const void *value, ares_socklen_t size, void *data)
{
    errno = ENOSYS;
    return -1;
}

int dns_set_socket_functions(struct dns_channel *ch)
{
    static const struct ares_socket_functions_ex functions = {
        .version = 1,
        .flags = ARES_SOCKFUNC_FLAG_NONBLOCKING,
        .asocket = make_socket,
        .aclose = close_socket,
        .asetsockopt = set_option,
        .aconnect = connect_socket,
        .arecvfrom = receive,
        .asendto = send_part};
    return ares_set_socket_functions_ex(ch->ares, &functions, ch);
}

#else

static int connect_socket(ares_socket_t fd, const struct sockaddr *addr,
                          ares_socklen_t size, void *data)
{
    return connect(fd, addr, size);
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts,
                               int count, void *data)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)parts,
                         .msg_iovlen = (size_t)count};
    return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

int dns_set_socket_functions(struct dns_channel *ch)
{
    static const struct ares_socket_functions functions = {
        make_socket, close_socket, connect_socket, receive, send_parts};
    ares_set_socket_functions(ch->ares, &functions, ch);
    return ARES_SUCCESS;
}

#endif

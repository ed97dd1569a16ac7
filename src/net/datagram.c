/*
 * Datagrams in batches, on recvmmsg and sendmmsg (batch.c).
 *
 * A batch is built on the caller's stack, BATCH messages at a time. For
 * sending, a run of datagrams of one length and to one peer is one message,
 * which the system, or the network card, cuts up again (UDP_SEGMENT):
 *
 *     datagrams:   A 1200 | A 1200 | A 300 | B 50 | A 1200
 *     messages:    `------ one ----------'  `one'  `one--'
 *
 * Where the system does not take it so (a tunnel, segments above the MTU), the
 * rest of the call goes out one by one. Kernels before 4.18 would send a run as
 * one long datagram: the socket is asked whether it knows of it.
 */
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "grove.h"
#include "net/net.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define BATCH 64      /* messages, or datagrams of a run: UDP_MAX_SEGMENTS */
#define RUN_MAX 65000 /* bytes of a run: below what IP and UDP leave */

/* Room for both kinds of control messages that a batch sends or receives. */
union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
              CMSG_SPACE(sizeof(uint16_t))];
};

/* A call's messages, built anew for each system call. */
struct batch {
    struct mmsghdr messages[BATCH];
    struct iovec iov[BATCH];
    union control control[BATCH];
    unsigned runs[BATCH]; /* datagrams of each message */
};

/* ---- control messages ---------------------------------------------------- */

/* The next control message of m, of which there is room. Returns its data. */
static void *add_control(struct msghdr *m, int level, int type, size_t size)
{
    char *at = (char *)m->msg_control + m->msg_controllen;
    struct cmsghdr *c = (struct cmsghdr *)at;
    assert(m->msg_controllen + CMSG_SPACE(size) <= sizeof(union control));
    memset(at, 0, CMSG_SPACE(size));
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    m->msg_controllen += CMSG_SPACE(size);
    return CMSG_DATA(c);
}

static void send_from(struct msghdr *m, const grove_datagram *d)
{
    if (d->local_len && d->local.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&d->local;
        struct in_pktinfo info = {.ipi_spec_dst = in->sin_addr};
        memcpy(add_control(m, IPPROTO_IP, IP_PKTINFO, sizeof(info)), &info,
               sizeof(info));
    } else if (d->local_len && d->local.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)&d->local;
        struct in6_pktinfo info = {.ipi6_addr = in6->sin6_addr,
                                   .ipi6_ifindex = in6->sin6_scope_id};
        memcpy(add_control(m, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(info)), &info,
               sizeof(info));
    }
}

static void received_at(grove_datagram *d, const struct cmsghdr *c)
{
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        struct sockaddr_in in = {.sin_family = AF_INET,
                                 .sin_addr = info.ipi_addr};
        memcpy(&d->local, &in, d->local_len = sizeof(in));
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                                   .sin6_addr = info.ipi6_addr};
        if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
            in6.sin6_scope_id = info.ipi6_ifindex;
        memcpy(&d->local, &in6, d->local_len = sizeof(in6));
    }
}

/* ---- receiving ------------------------------------------------------------- */

static void prepare(struct batch *b, grove_datagram *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        b->iov[i] = (struct iovec){d[i].data, d[i].size};
        b->messages[i].msg_hdr =
            (struct msghdr){.msg_name = &d[i].peer,
                            .msg_namelen = sizeof(d[i].peer),
                            .msg_iov = &b->iov[i],
                            .msg_iovlen = 1,
                            .msg_control = &b->control[i],
                            .msg_controllen = sizeof(b->control[i])};
    }
}

static void take(grove_datagram *d, struct mmsghdr *message)
{
    struct msghdr *m = &message->msg_hdr;
    d->len = message->msg_len;
    d->cut = m->msg_flags & MSG_TRUNC;
    d->peer_len = m->msg_namelen;
    d->local_len = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        received_at(d, c);
}

ssize_t grove_recv_datagrams_until(int fd, grove_datagram *datagrams, size_t n,
                                   int64_t deadline)
{
    struct batch b;
    if (n == 0) {
        errno = EINVAL;
        return -1;
    }
    if (n > BATCH)
        n = BATCH;
    prepare(&b, datagrams, n);
    int r = net_recvmmsg(fd, b.messages, (unsigned)n, MSG_WAITFORONE, deadline,
                         NET_POSIX);
    for (int i = 0; i < r; i++)
        take(&datagrams[i], &b.messages[i]);
    return r;
}

ssize_t grove_recv_datagrams(int fd, grove_datagram *datagrams, size_t n)
{
    return grove_recv_datagrams_until(fd, datagrams, n, GROVE_NEVER);
}

/* ---- sending --------------------------------------------------------------- */

static bool same_address(const struct sockaddr_storage *a, socklen_t a_len,
                         const struct sockaddr_storage *b, socklen_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* How many from the first on can go out as one, of n. */
static unsigned run_of(const grove_datagram *d, size_t n)
{
    size_t run = 1, bytes = d->len;
    while (
        run < n && d[run].len > 0 && d[run].len <= d->len &&
        d[run - 1].len == d->len && bytes + d[run].len <= RUN_MAX &&
        same_address(&d->peer, d->peer_len, &d[run].peer, d[run].peer_len) &&
        same_address(&d->local, d->local_len, &d[run].local, d[run].local_len))
        bytes += d[run++].len;
    return (unsigned)run;
}

/* Whether a socket's messages can be runs. */
static bool cuts_up(int fd)
{
    int size;
    socklen_t len = sizeof(size);
    int saved = errno;
    bool yes = getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, &len) == 0;
    errno = saved;
    return yes;
}

/* The messages of the first datagrams of n, in runs or one by one. */
static unsigned build(struct batch *b, const grove_datagram *d, size_t n,
                      bool runs)
{
    unsigned count = 0;
    size_t done = 0;
    if (n > BATCH)
        n = BATCH;
    for (; done < n; count++) {
        unsigned run = runs ? run_of(d + done, n - done) : 1;
        const grove_datagram *first = d + done;
        struct msghdr *m = &b->messages[count].msg_hdr;
        *m = (struct msghdr){.msg_name = first->peer_len
                                             ? (void *)(uintptr_t)&first->peer
                                             : NULL,
                             .msg_namelen = first->peer_len,
                             .msg_iov = &b->iov[done],
                             .msg_iovlen = run,
                             .msg_control = &b->control[count]};
        send_from(m, first);
        if (run > 1) {
            uint16_t size = (uint16_t)first->len;
            memcpy(add_control(m, IPPROTO_UDP, UDP_SEGMENT, sizeof(size)),
                   &size, sizeof(size));
        }
        if (m->msg_controllen == 0)
            m->msg_control = NULL;
        b->runs[count] = run;
        for (unsigned i = 0; i < run; i++, done++)
            b->iov[done] = (struct iovec){d[done].data, d[done].len};
    }
    return count;
}

static bool has_a_run(const grove_datagram *d, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (run_of(d + i, 2) > 1)
            return true;
    }
    return false;
}

/* Whether errno, which a run met with, may be about its being one. */
static bool refused_run(void)
{
    return errno == EINVAL || errno == EIO || errno == EMSGSIZE ||
           errno == EOPNOTSUPP;
}

/* One batch: how many datagrams went, or -1. *runs is put out where the system
 * refuses them. */
static ssize_t send_batch(int fd, const grove_datagram *d, size_t n, bool *runs,
                          int64_t deadline)
{
    struct batch b;
    unsigned count = build(&b, d, n, *runs);
    int r =
        net_sendmmsg(fd, b.messages, count, MSG_NOSIGNAL, deadline, NET_POSIX);
    if (r < 0 && *runs && b.runs[0] > 1 && refused_run()) {
        *runs = false;
        return 0;
    }
    ssize_t sent = r < 0 ? -1 : 0;
    for (int i = 0; i < r; i++)
        sent += b.runs[i];
    return sent;
}

ssize_t grove_send_datagrams_until(int fd, const grove_datagram *datagrams,
                                   size_t n, int64_t deadline)
{
    bool runs = has_a_run(datagrams, n) && cuts_up(fd);
    size_t done = 0;
    while (done < n) {
        ssize_t sent =
            send_batch(fd, datagrams + done, n - done, &runs, deadline);
        if (sent < 0)
            return done ? (ssize_t)done : -1;
        done += (size_t)sent;
    }
    return (ssize_t)done;
}

ssize_t grove_send_datagrams(int fd, const grove_datagram *datagrams, size_t n)
{
    return grove_send_datagrams_until(fd, datagrams, n, GROVE_NEVER);
}

/* ---- local addresses --------------------------------------------------------- */

int grove_datagram_want_local(int fd)
{
    int domain, one = 1;
    socklen_t len = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
        return -1;
    if (domain == AF_INET)
        return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
    if (domain == AF_INET6)
        return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one,
                          sizeof(one));
    errno = EAFNOSUPPORT;
    return -1;
}

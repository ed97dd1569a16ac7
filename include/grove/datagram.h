/*
 * Datagrams in batches: many in one system call, with the addresses they came
 * from and to. Part of grove.h.
 */
#ifndef GROVE_DATAGRAM_H
#define GROVE_DATAGRAM_H

#include <grove/base.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A datagram. Zero-initialised but for data and len it goes to the peer that
 * the socket is connected to. */
typedef struct grove_datagram {
    void *data;          /* its bytes, in the caller's memory */
    size_t size;         /* of that memory; only for receiving */
    size_t len;          /* of the datagram, at most size if received */
    bool cut;            /* received, and was longer than size */
    socklen_t peer_len;  /* of peer; 0: none */
    socklen_t local_len; /* of local; 0: not known, or any */
    struct sockaddr_storage peer;  /* who sent it, or is to get it */
    struct sockaddr_storage local; /* which of this host's addresses it came to,
                                      or is to come from; the port is 0 */
} grove_datagram;

/* Receive what is there, of n at most: the calls wait for the first. How many,
 * or -1 with errno: that of recvmsg(2), EINVAL (n is 0). */
GROVE_API ssize_t grove_recv_datagrams(int fd, grove_datagram *datagrams,
                                       size_t n);
GROVE_API ssize_t grove_recv_datagrams_until(int fd, grove_datagram *datagrams,
                                             size_t n, int64_t deadline);

/* Send all n in their order, waiting while the socket has no room. How many:
 * fewer than n after an error, which the next call tells of if it lasts; -1
 * with errno, that of sendmsg(2), if it was at the first. UDP datagrams in a
 * row of one length and to one peer, the last of which may be shorter, are
 * handed to the system as one (UDP_SEGMENT). */
GROVE_API ssize_t grove_send_datagrams(int fd, const grove_datagram *datagrams,
                                       size_t n);
GROVE_API ssize_t grove_send_datagrams_until(int fd,
                                             const grove_datagram *datagrams,
                                             size_t n, int64_t deadline);

/* Have fd, an IPv4 or IPv6 socket, tell of datagrams the local address
 * (IP_PKTINFO, IPV6_RECVPKTINFO): a socket that is bound to all addresses then
 * answers from the one that was asked. 0, or -1 with errno: EAFNOSUPPORT, those
 * of setsockopt(2). Never waits. */
GROVE_API int grove_datagram_want_local(int fd);

/* As recvmmsg(2) and sendmmsg(2), with a deadline in place of the timeout: n
 * messages are received, or with MSG_WAITFORONE in flags what is there once the
 * first is; and n are sent. */
struct mmsghdr;
GROVE_API int grove_recvmmsg(int fd, struct mmsghdr *messages, unsigned n,
                             int flags);
GROVE_API int grove_recvmmsg_until(int fd, struct mmsghdr *messages, unsigned n,
                                   int flags, int64_t deadline);
GROVE_API int grove_sendmmsg(int fd, struct mmsghdr *messages, unsigned n,
                             int flags);
GROVE_API int grove_sendmmsg_until(int fd, struct mmsghdr *messages, unsigned n,
                                   int flags, int64_t deadline);

#ifdef __cplusplus
}
#endif
#endif

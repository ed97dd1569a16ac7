/*
 * Descriptors and sockets. Part of grove.h.
 */
#ifndef GROVE_NET_H
#define GROVE_NET_H

#include <grove/base.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Descriptors ------------------------------------------------------- */
/*
 * Shaped like POSIX and like POSIX in what they return and set; where the
 * thread would wait, the fiber does. They work on any descriptor; one whose
 * owner has set O_NONBLOCK gets EAGAIN as from POSIX. O_NONBLOCK is looked at
 * when a descriptor is first waited for, and never left changed. Also
 * ETIMEDOUT, ECANCELED, EDEADLK (see the top), ENOMEM, and EBADF when
 * grove_close closes the descriptor meanwhile. Regular files are read and
 * written as by grove_pread and grove_pwrite. A blocking send or write sends
 * everything, unless it fails after a part: then that part's length is
 * returned, as POSIX has it.
 */
GROVE_API ssize_t grove_read(int fd, void *buf, size_t len);
GROVE_API ssize_t grove_read_until(int fd, void *buf, size_t len,
                                   int64_t deadline);
GROVE_API ssize_t grove_readv(int fd, const struct iovec *iov, int iovcnt);
GROVE_API ssize_t grove_readv_until(int fd, const struct iovec *iov, int iovcnt,
                                    int64_t deadline);
GROVE_API ssize_t grove_write(int fd, const void *buf, size_t len);
GROVE_API ssize_t grove_write_until(int fd, const void *buf, size_t len,
                                    int64_t deadline);
GROVE_API ssize_t grove_writev(int fd, const struct iovec *iov, int iovcnt);
GROVE_API ssize_t grove_writev_until(int fd, const struct iovec *iov,
                                     int iovcnt, int64_t deadline);
GROVE_API ssize_t grove_recv(int fd, void *buf, size_t len, int flags);
GROVE_API ssize_t grove_recv_until(int fd, void *buf, size_t len, int flags,
                                   int64_t deadline);
GROVE_API ssize_t grove_send(int fd, const void *buf, size_t len, int flags);
GROVE_API ssize_t grove_send_until(int fd, const void *buf, size_t len,
                                   int flags, int64_t deadline);
GROVE_API ssize_t grove_recvfrom(int fd, void *buf, size_t len, int flags,
                                 struct sockaddr *addr, socklen_t *addrlen);
GROVE_API ssize_t grove_recvfrom_until(int fd, void *buf, size_t len, int flags,
                                       struct sockaddr *addr,
                                       socklen_t *addrlen, int64_t deadline);
GROVE_API ssize_t grove_sendto(int fd, const void *buf, size_t len, int flags,
                               const struct sockaddr *addr, socklen_t addrlen);
GROVE_API ssize_t grove_sendto_until(int fd, const void *buf, size_t len,
                                     int flags, const struct sockaddr *addr,
                                     socklen_t addrlen, int64_t deadline);
GROVE_API ssize_t grove_recvmsg(int fd, struct msghdr *msg, int flags);
GROVE_API ssize_t grove_recvmsg_until(int fd, struct msghdr *msg, int flags,
                                      int64_t deadline);
GROVE_API ssize_t grove_sendmsg(int fd, const struct msghdr *msg, int flags);
GROVE_API ssize_t grove_sendmsg_until(int fd, const struct msghdr *msg,
                                      int flags, int64_t deadline);
GROVE_API int grove_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen,
                            int flags);
GROVE_API int grove_accept4_until(int fd, struct sockaddr *addr,
                                  socklen_t *addrlen, int flags,
                                  int64_t deadline);
GROVE_API int grove_connect(int fd, const struct sockaddr *addr,
                            socklen_t addrlen);
GROVE_API int grove_connect_until(int fd, const struct sockaddr *addr,
                                  socklen_t addrlen, int64_t deadline);
/* All or fail: 0, or a negative errno. How much was sent, or written, is stored
 * in *done (NULL: not told), whatever is returned; the rest can be sent later.
 * O_NONBLOCK, MSG_DONTWAIT, SO_SNDTIMEO: -EAGAIN. */
GROVE_API int grove_send_all(int fd, const void *buf, size_t len, int flags,
                             size_t *done);
GROVE_API int grove_send_all_until(int fd, const void *buf, size_t len,
                                   int flags, size_t *done, int64_t deadline);
GROVE_API int grove_write_all(int fd, const void *buf, size_t len,
                              size_t *done);
GROVE_API int grove_write_all_until(int fd, const void *buf, size_t len,
                                    size_t *done, int64_t deadline);
GROVE_API int grove_writev_all(int fd, const struct iovec *iov, int iovcnt,
                               size_t *done);
GROVE_API int grove_writev_all_until(int fd, const struct iovec *iov,
                                     int iovcnt, size_t *done,
                                     int64_t deadline);
/* timeout in milliseconds, as poll's; the twin takes a deadline instead. */
GROVE_API int grove_poll(struct pollfd *fds, nfds_t nfds, int timeout);
GROVE_API int grove_poll_until(struct pollfd *fds, nfds_t nfds,
                               int64_t deadline);
/* Closes fd; whoever waits for it wakes with EBADF. What grove_accept4 or
 * the calls of grove/socket.h have returned, or grove_connect connected, must
 * be closed by this, not by close(2);
 * other descriptors should be while somebody may wait for them. Never waits. */
GROVE_API int grove_close(int fd);

#ifdef __cplusplus
}
#endif
#endif

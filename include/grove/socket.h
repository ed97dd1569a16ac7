/*
 * Making sockets: listening, dialing; and moving data between descriptors.
 * Part of grove.h.
 *
 * What these calls return is the runtime's from its beginning, so that waits
 * for it cost no system call: it must be closed by grove_close. All descriptors
 * are close-on-exec where the call has no flags to say so.
 */
#ifndef GROVE_SOCKET_H
#define GROVE_SOCKET_H

#include <grove/base.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Descriptors of the runtime's ---------------------------------------- */

/* As socket(2), socketpair(2), pipe2(2). They never wait. */
GROVE_API int grove_socket(int domain, int type, int protocol);
GROVE_API int grove_socketpair(int domain, int type, int protocol, int fds[2]);
GROVE_API int grove_pipe2(int fds[2], int flags);

/* As setsockopt(2). SO_RCVTIMEO and SO_SNDTIMEO count for grove's calls at
 * once; set by setsockopt(2) they do if fd was not waited for before. */
GROVE_API int grove_setsockopt(int fd, int level, int name, const void *value,
                               socklen_t size);

/* Take fd, which was opened by other means and will be closed by grove_close:
 * waits for it cost no system call from then on. 0; -1 with errno EBADF. */
GROVE_API int grove_adopt(int fd);
/* Give fd away: it may be closed by anybody now, by fclose(3), by a library or
 * another process. Stays usable here. 0; -1 with errno EBADF. */
GROVE_API int grove_disown(int fd);

/* ---- Listening, dialing ------------------------------------------------- */

/* How to listen; zero-initialised it means the defaults. */
typedef struct grove_listen_options {
    size_t size;     /* sizeof(grove_listen_options), or 0: see grove.h */
    int backlog;     /* of listen(2); 0: as many as the system allows */
    bool reuse_port; /* SO_REUSEPORT: several sockets share the address */
    bool ipv6_only;  /* an IPv6 wildcard takes no IPv4 connections */
    mode_t mode;     /* of a Unix socket's file; 0: as the umask has it */
} grove_listen_options;

/* A listening stream socket on address: "host:port", "[ipv6]:port", ":port"
 * (all addresses of the host, IPv6 and IPv4), "unix:/path" or "unix:@name"
 * (abstract). Port 0: one that is free. options may be NULL. -1 with errno:
 * EINVAL (no such address), ENXIO (no such host), those of bind(2), listen(2).
 */
GROVE_API int grove_listen(const char *address,
                           const grove_listen_options *options);
GROVE_API int grove_listen_until(const char *address,
                                 const grove_listen_options *options,
                                 int64_t deadline);
/* A datagram socket bound to address, as above. */
GROVE_API int grove_bind_udp(const char *address,
                             const grove_listen_options *options);
GROVE_API int grove_bind_udp_until(const char *address,
                                   const grove_listen_options *options,
                                   int64_t deadline);

/* A TCP connection to service of host: to the first of its addresses that
 * answers, tried 250 ms apart (RFC 8305), with TCP_NODELAY. -1 with errno:
 * ENXIO (no such host), EAGAIN (no name server answers), EINVAL (no such
 * service), or that of the first attempt, ECANCELED, ETIMEDOUT. */
GROVE_API int grove_dial(const char *host, const char *service);
GROVE_API int grove_dial_until(const char *host, const char *service,
                               int64_t deadline);
/* A UDP socket that sends to and receives from service of host only. */
GROVE_API int grove_dial_udp(const char *host, const char *service);
GROVE_API int grove_dial_udp_until(const char *host, const char *service,
                                   int64_t deadline);
/* A stream connection to the Unix socket at path ("@name": an abstract one). */
GROVE_API int grove_dial_unix(const char *path);
GROVE_API int grove_dial_unix_until(const char *path, int64_t deadline);

/* A socket address as text that grove_listen takes; cut to size, as by
 * snprintf(3). Returns its length, or -1 with errno EAFNOSUPPORT. */
GROVE_API int grove_address_text(const struct sockaddr *addr, socklen_t addrlen,
                                 char *text, size_t size);

/* ---- Between descriptors ------------------------------------------------- */

/* As sendfile(2) and splice(2). To a descriptor that blocks all of count bytes
 * are sent, unless the input ends or fails before. Reading from a file holds up
 * the thread. */
GROVE_API ssize_t grove_sendfile(int out, int in, off_t *offset, size_t count);
GROVE_API ssize_t grove_sendfile_until(int out, int in, off_t *offset,
                                       size_t count, int64_t deadline);
/* Moves what is there, up to count bytes; one of them is a pipe. */
GROVE_API ssize_t grove_splice(int in, off_t *in_offset, int out,
                               off_t *out_offset, size_t count, unsigned flags);
GROVE_API ssize_t grove_splice_until(int in, off_t *in_offset, int out,
                                     off_t *out_offset, size_t count,
                                     unsigned flags, int64_t deadline);

#ifdef __cplusplus
}
#endif
#endif

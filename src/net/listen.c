/*
 * Sockets bound to an address: listening ones and UDP's.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grove.h"
#include "hub/sized.h"
#include "net/address.h"
#include "net/net.h"

/* Close what a call that fails has made; errno stays. Returns -1. */
static int give_up(int fd)
{
    int error = errno;
    net_close(fd);
    errno = error;
    return -1;
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

static int set_options(int fd, const union address *address, int socktype,
                       const grove_listen_options *options)
{
    int family = address->any.sa_family;
    if (family == AF_UNIX)
        return 0;
    if (socktype == SOCK_STREAM &&
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
        return -1;
    if (options->reuse_port && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
        return -1;
    return family == AF_INET6
               ? set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6_only)
               : 0;
}

/* Whether the file is what a process that has ended left of its socket. */
static bool is_stale(const struct sockaddr_un *un, socklen_t size, int socktype)
{
    struct stat st;
    if (un->sun_path[0] == '\0' || lstat(un->sun_path, &st) < 0 ||
        !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)un, size) < 0 &&
                   errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int bind_to(int fd, const union address *address, socklen_t size,
                   int socktype, const grove_listen_options *options)
{
    int r = bind(fd, &address->any, size);
    if (address->any.sa_family != AF_UNIX)
        return r;
    if (r < 0 && errno == EADDRINUSE) {
        if (is_stale(&address->un, size, socktype) &&
            unlink(address->un.sun_path) == 0)
            r = bind(fd, &address->any, size);
        else
            errno = EADDRINUSE;
    }
    if (r == 0 && options->mode && address->un.sun_path[0])
        r = chmod(address->un.sun_path, options->mode);
    return r;
}

/* One that will listen never blocks, whoever it is shared with. */
static bool keep_nonblocking(int fd, int socktype)
{
    return socktype != SOCK_STREAM || net_keep_nonblocking(fd);
}

static int bound(const union address *address, socklen_t size, int socktype,
                 const grove_listen_options *options)
{
    int fd =
        net_own(socket(address->any.sa_family, socktype | SOCK_CLOEXEC, 0));
    if (fd < 0)
        return -1;
    if (!keep_nonblocking(fd, socktype) ||
        set_options(fd, address, socktype, options) < 0 ||
        bind_to(fd, address, size, socktype, options) < 0)
        return give_up(fd);
    return fd;
}

/* Where there is no IPv6, all addresses are IPv4's. */
static int bound_to_all(union address *address, int socktype,
                        const grove_listen_options *options)
{
    int fd = bound(address, sizeof(address->in6), socktype, options);
    if (fd >= 0 || options->ipv6_only ||
        (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = address->in6.sin6_port};
    address->in = in;
    return bound(address, sizeof(in), socktype, options);
}

static int make(const char *text, int socktype,
                const grove_listen_options *given, int64_t deadline)
{
    union address address;
    bool wildcard;
    grove_listen_options taken = {0}, *options = &taken;
    if (given && sized_take(options, sizeof(*options),
                            SIZED_TO(grove_listen_options, mode), given) < 0) {
        errno = EINVAL;
        return -1;
    }
    struct hub *hub = hub_self();
    if (!hub)
        return -1;
    hub_turn(hub); /* a name may have to be looked up */
    socklen_t size = address_of(text, socktype, deadline, &address, &wildcard);
    if (size == ADDRESS_NONE)
        return -1;
    return wildcard ? bound_to_all(&address, socktype, options)
                    : bound(&address, size, socktype, options);
}

/* ---- the public calls -------------------------------------------------- */

int grove_listen_until(const char *address, const grove_listen_options *options,
                       int64_t deadline)
{
    int fd = make(address, SOCK_STREAM, options, deadline);
    if (fd < 0)
        return -1;
    int backlog = options ? options->backlog : 0;
    /* The system cuts it to what it allows. */
    if (listen(fd, backlog ? backlog : 1 << 16) < 0)
        return give_up(fd);
    return fd;
}

int grove_listen(const char *address, const grove_listen_options *options)
{
    return grove_listen_until(address, options, GROVE_NEVER);
}

int grove_bind_udp_until(const char *address,
                         const grove_listen_options *options, int64_t deadline)
{
    return make(address, SOCK_DGRAM, options, deadline);
}

int grove_bind_udp(const char *address, const grove_listen_options *options)
{
    return grove_bind_udp_until(address, options, GROVE_NEVER);
}

/*
 * Sockets that listen, made from addresses as people write them. Numeric ones
 * only: nothing is looked up.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/server.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
    socklen_t size;
};

static bool parse_port(const char *text, in_port_t *port)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number > 65535)
        return false;
    *port = htons((uint16_t)number);
    return true;
}

static bool parse_unix(const char *path, struct address *a)
{
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(a->local.sun_path))
        return false;
    a->local.sun_family = AF_UNIX;
    memcpy(a->local.sun_path, path, len + 1);
    a->size = sizeof(a->local);
    return true;
}

/* host: numeric, or "" for all addresses, of both families. */
static bool parse_host(const char *host, bool brackets, in_port_t port,
                       struct address *a)
{
    if (!brackets && inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = port;
        a->size = sizeof(a->v4);
        return true;
    }
    if (*host &&
        !(brackets && inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1))
        return false;
    a->v6.sin6_family = AF_INET6;
    a->v6.sin6_port = port;
    a->size = sizeof(a->v6);
    return true;
}

static bool parse(const char *text, struct address *a)
{
    memset(a, 0, sizeof(*a));
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, a);
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : sizeof(host);
    in_port_t port;
    if (len >= sizeof(host) || !parse_port(colon + 1, &port))
        return false;
    memcpy(host, text, len);
    host[len] = 0;
    if (host[0] != '[')
        return parse_host(host, false, port, a);
    if (host[len - 1] != ']')
        return false;
    host[len - 1] = 0;
    return parse_host(host + 1, true, port, a);
}

static int bind_and_listen(int fd, const struct address *a, int backlog,
                           bool reuse_port)
{
    int one = 1, zero = 0;
    if (a->any.sa_family != AF_UNIX &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        return -1;
    if (reuse_port &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
        return -1;
    if (a->any.sa_family == AF_INET6 &&
        IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr) &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0)
        return -1;
    if (bind(fd, &a->any, a->size) < 0)
        return -1;
    return listen(fd, backlog > 0 ? backlog : SOMAXCONN);
}

int server_listen(const char *address, int backlog, bool reuse_port)
{
    struct address a;
    if (!parse(address, &a))
        return -EINVAL;
    int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(a.any.sa_family, type, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && address[0] == ':') {
        /* A system without IPv6. */
        a.v4 = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_port = a.v6.sin6_port};
        a.size = sizeof(a.v4);
        fd = socket(AF_INET, type, 0);
    }
    if (fd < 0)
        return -errno;
    if (bind_and_listen(fd, &a, backlog, reuse_port) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

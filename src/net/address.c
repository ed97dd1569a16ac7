/*
 * Addresses as people write them: host:port, [ipv6]:port, :port, unix:path.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "net/dns.h"

#define UNIX_PREFIX "unix:"

int address_error(int eai)
{
    switch (eai) {
    case EAI_SYSTEM:
        break;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        errno = ENXIO;
        break;
    case EAI_AGAIN:
        errno = EAGAIN;
        break;
    case EAI_MEMORY:
        errno = ENOMEM;
        break;
    case EAI_FAIL:
        errno = EPROTO;
        break;
    default:
        errno = EINVAL;
    }
    return -1;
}

socklen_t address_of_path(const char *path, union address *address)
{
    size_t n = strlen(path);
    bool abstract = path[0] == '@';
    if (n == 0 || n + !abstract > sizeof(address->un.sun_path)) {
        errno = n ? ENAMETOOLONG : EINVAL;
        return ADDRESS_NONE;
    }
    memset(&address->un, 0, sizeof(address->un));
    address->un.sun_family = AF_UNIX;
    memcpy(address->un.sun_path, path, n);
    if (abstract)
        address->un.sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !abstract);
}

/* Splits host:port in place: false if it is no such thing. host is empty for
 * all addresses. */
static bool split(char *text, char **host, char **port)
{
    char *colon = strrchr(text, ':');
    if (!colon || !colon[1] || !dns_is_port(colon + 1))
        return false;
    *colon = '\0';
    *port = colon + 1;
    *host = text;
    if (text[0] != '[')
        return !strchr(text, ':'); /* an IPv6 address without brackets */
    size_t n = strlen(text);
    if (n < 3 || text[n - 1] != ']' || !strchr(text, ':'))
        return false;
    text[n - 1] = '\0';
    *host = text + 1;
    return true;
}

socklen_t address_of(const char *text, int socktype, int64_t deadline,
                     union address *address, bool *wildcard)
{
    char copy[NI_MAXHOST + NI_MAXSERV], *host, *port;
    *wildcard = false;
    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return address_of_path(text + strlen(UNIX_PREFIX), address);
    if (strlen(text) >= sizeof(copy) ||
        !split(strcpy(copy, text), &host, &port)) {
        errno = EINVAL;
        return ADDRESS_NONE;
    }
    *wildcard = host[0] == '\0' || strcmp(host, "*") == 0;
    struct addrinfo hints = {.ai_socktype = socktype, .ai_flags = AI_PASSIVE};
    struct addrinfo *list;
    int r = grove_getaddrinfo_until(*wildcard ? "::" : host, port, &hints,
                                    &list, deadline);
    if (r != 0) {
        address_error(r);
        return ADDRESS_NONE;
    }
    socklen_t size = list->ai_addrlen;
    memcpy(address, list->ai_addr, size);
    grove_freeaddrinfo(list);
    return size;
}

/* ---- as text ------------------------------------------------------------- */

static int unix_text(const struct sockaddr_un *un, socklen_t addrlen,
                     char *text, size_t size)
{
    size_t n = addrlen - offsetof(struct sockaddr_un, sun_path);
    const char *path = un->sun_path;
    if (n && path[0] == '\0')
        return snprintf(text, size, UNIX_PREFIX "@%.*s", (int)n - 1, path + 1);
    return snprintf(text, size, UNIX_PREFIX "%.*s", (int)n, path);
}

int grove_address_text(const struct sockaddr *addr, socklen_t addrlen,
                       char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    const union address *a = (const union address *)addr;
    if (addrlen >= sizeof(a->in) && addr->sa_family == AF_INET) {
        inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
        return snprintf(text, size, "%s:%u", host, ntohs(a->in.sin_port));
    }
    if (addrlen >= sizeof(a->in6) && addr->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
        return snprintf(text, size, "[%s]:%u", host, ntohs(a->in6.sin6_port));
    }
    if (addrlen >= offsetof(struct sockaddr_un, sun_path) &&
        addr->sa_family == AF_UNIX)
        return unix_text(&a->un, addrlen, text, size);
    errno = EAFNOSUPPORT;
    return -1;
}

/*
 * Name look-ups where there is no c-ares to build with: all that may wait is
 * libc's, on worker threads.
 */
#include "net/dns.h"

#include <errno.h>

#include "grove.h"
#include "net/net.h"

int net_getaddrinfo(const char *node, const char *service,
                    const struct addrinfo *hints, struct addrinfo **result,
                    int64_t deadline)
{
    struct addrinfo own = {.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};
    if (!node || (hints && (hints->ai_flags & AI_NUMERICHOST)))
        return getaddrinfo(node, service, hints, result);
    if (hints)
        own = *hints;
    if (dns_looks_numeric(node)) {
        own.ai_flags |= AI_NUMERICHOST;
        int r = getaddrinfo(node, service, &own, result);
        for (struct addrinfo *a = r == 0 ? *result : NULL; a; a = a->ai_next)
            a->ai_flags &= ~AI_NUMERICHOST;
        if (r != EAI_NONAME)
            return r;
        own.ai_flags &= ~AI_NUMERICHOST;
    }
    struct hub *hub = hub_self();
    if (!hub)
        return dns_wait_error(-errno);
    return dns_libc_getaddrinfo(hub, node, service, &own, result, deadline);
}

void grove_freeaddrinfo(struct addrinfo *result)
{
    if (result)
        freeaddrinfo(result);
}

int grove_getnameinfo_until(const struct sockaddr *addr, socklen_t addrlen,
                            char *host, socklen_t hostlen, char *service,
                            socklen_t servicelen, int flags, int64_t deadline)
{
    if (!host || !hostlen || (flags & NI_NUMERICHOST))
        return getnameinfo(addr, addrlen, host, hostlen, service, servicelen,
                           flags);
    struct hub *hub = hub_self();
    if (!hub)
        return dns_wait_error(-errno);
    return dns_libc_getnameinfo(hub, addr, addrlen, host, hostlen, service,
                                servicelen, flags, deadline);
}

int grove_getnameinfo(const struct sockaddr *addr, socklen_t addrlen,
                      char *host, socklen_t hostlen, char *service,
                      socklen_t servicelen, int flags)
{
    return grove_getnameinfo_until(addr, addrlen, host, hostlen, service,
                                   servicelen, flags, GROVE_NEVER);
}

int grove_dns_set_servers(const char *servers)
{
    return servers ? -ENOTSUP : 0;
}

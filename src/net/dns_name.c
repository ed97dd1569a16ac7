/*
 * getnameinfo. Numbers, services and checks are libc's; only the name of an
 * address is asked for here.
 */
#include "net/dns_ares.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "grove.h"

/* Flags that need what only libc knows: the local domain, locales. */
#define LIBC_FLAGS (NI_NOFQDN | NI_IDN)

/* The bytes of an address, as c-ares takes them; an IPv4 one in the clothes of
 * IPv6 has its name as an IPv4 one. */
static void set_address(struct dns_question *q, const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET) {
        q->addr = &((const struct sockaddr_in *)(const void *)addr)->sin_addr;
    } else {
        const struct in6_addr *in6 =
            &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
        q->addr = in6;
        if (!IN6_IS_ADDR_V4MAPPED(in6)) {
            q->addrlen = sizeof(*in6);
            q->family = AF_INET6;
            return;
        }
        q->addr = &in6->s6_addr[12];
    }
    q->addrlen = sizeof(struct in_addr);
    q->family = AF_INET;
}

/* The name of addr into host. 0, EAI_NONAME if it has none, or another. */
static int ask_name(struct hub *hub, const struct sockaddr *addr, char *host,
                    socklen_t hostlen, int64_t deadline)
{
    struct dns_question question = {.what = "getnameinfo"};
    struct dns_answer answer = {0};
    set_address(&question, addr);
    int r = dns_ask(hub, &question, deadline, &answer);
    if (r < 0)
        return dns_wait_error(r);
    if (answer.status != ARES_SUCCESS)
        r = dns_error(answer.status);
    else if (strlen(answer.name) >= hostlen)
        r = EAI_OVERFLOW;
    else
        strcpy(host, answer.name);
    dns_answer_free(&answer);
    return r == EAI_NODATA ? EAI_NONAME : r;
}

static int by_address(const struct sockaddr *addr, socklen_t addrlen,
                      char *host, socklen_t hostlen, char *service,
                      socklen_t servicelen, int flags, int64_t deadline)
{
    struct hub *hub = hub_self();
    struct dns *dns = hub ? dns_of(hub) : NULL;
    if (!dns)
        return dns_wait_error(-errno);
    if (dns_config_of(dns)->libc || (flags & LIBC_FLAGS))
        return dns_libc_getnameinfo(hub, addr, addrlen, host, hostlen, service,
                                    servicelen, flags, deadline);
    /* First what does not wait, which also checks the arguments. */
    char numeric[NI_MAXHOST];
    int r = getnameinfo(addr, addrlen, numeric, sizeof(numeric), service,
                        servicelen, (flags & ~NI_NAMEREQD) | NI_NUMERICHOST);
    if (r != 0)
        return r;
    r = ask_name(hub, addr, host, hostlen, deadline);
    if (r != EAI_NONAME || (flags & NI_NAMEREQD))
        return r;
    if (strlen(numeric) >= hostlen)
        return EAI_OVERFLOW;
    strcpy(host, numeric);
    return 0;
}

int grove_getnameinfo_until(const struct sockaddr *addr, socklen_t addrlen,
                            char *host, socklen_t hostlen, char *service,
                            socklen_t servicelen, int flags, int64_t deadline)
{
    bool named = host && hostlen && addr && addrlen >= sizeof(sa_family_t) &&
                 (addr->sa_family == AF_INET || addr->sa_family == AF_INET6);
    hub_turn_if_any();
    /* libc refuses NI_NAMEREQD with NI_NUMERICHOST. */
    if (!named || (flags & NI_NUMERICHOST))
        return getnameinfo(addr, addrlen, host, hostlen, service, servicelen,
                           flags);
    return by_address(addr, addrlen, host, hostlen, service, servicelen, flags,
                      deadline);
}

int grove_getnameinfo(const struct sockaddr *addr, socklen_t addrlen,
                      char *host, socklen_t hostlen, char *service,
                      socklen_t servicelen, int flags)
{
    return grove_getnameinfo_until(addr, addrlen, host, hostlen, service,
                                   servicelen, flags, GROVE_NEVER);
}

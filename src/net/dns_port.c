/*
 * Ports beyond 65535 are refused.
 *
 * libc's getaddrinfo takes 65616 for 80, and -1 for 65535: who asks for a port
 * that does not exist would be led to another. What asks as libc does, patched
 * code and Python's socket, calls net_getaddrinfo instead.
 */
#include <stdlib.h>

#include "grove.h"
#include "net/dns.h"
#include "net/net.h"

bool dns_is_port(const char *service)
{
    char *end;
    unsigned long number = strtoul(service, &end, 10);
    if (end == service || *end != '\0')
        return true; /* a name, if any */
    return service[0] >= '0' && service[0] <= '9' && number <= 65535;
}

int grove_getaddrinfo_until(const char *node, const char *service,
                            const struct addrinfo *hints,
                            struct addrinfo **result, int64_t deadline)
{
    if (service && !dns_is_port(service))
        return EAI_SERVICE;
    return net_getaddrinfo(node, service, hints, result, deadline);
}

int grove_getaddrinfo(const char *node, const char *service,
                      const struct addrinfo *hints, struct addrinfo **result)
{
    return grove_getaddrinfo_until(node, service, hints, result, GROVE_NEVER);
}

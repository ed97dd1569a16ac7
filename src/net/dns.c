/*
 * getaddrinfo.
 *
 * What never waits is libc's: numeric hosts, no host at all, and everything
 * about services, socket types and protocols, of which libc is asked for the
 * list that a numeric address would get. The names' addresses are c-ares's, in
 * the order of RFC 6724; each is then combined with each entry of that list.
 * The entries are allocated as libc's are, so that freeaddrinfo frees them.
 */
#include "net/dns_ares.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "grove.h"
#include "net/net.h"

/* What libc means when it gets no hints. */
#define DEFAULT_FLAGS (AI_V4MAPPED | AI_ADDRCONFIG)

/* Those that are about hosts. */
#define HOST_FLAGS \
    (AI_PASSIVE | AI_CANONNAME | AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG | \
     AI_IDN | AI_CANONIDN)

/* What libc makes of a service: an entry for each address. */
struct service {
    int socktype, protocol;
    in_port_t port;
};

/* libc has six: TCP, UDP, DCCP, UDP-Lite, SCTP, raw. */
#define SERVICES 8

/* A call under way. */
struct request {
    struct hub *hub;            /* the thread's */
    const char *node, *service; /* the caller's; either may be NULL */
    struct addrinfo hints;      /* all 0 if there were none */
    int64_t deadline;
    struct service services[SERVICES]; /* those that an address is told with */
    int service_count;
    struct addrinfo *first, **last; /* the result */
    char *canonical;                /* for its first entry; or NULL */
};

/* ---- what never waits ---------------------------------------------------- */

static int numeric(const struct request *q, struct addrinfo **result)
{
    struct addrinfo hints = q->hints;
    hints.ai_flags |= AI_NUMERICHOST;
    int r = getaddrinfo(q->node, q->service, &hints, result);
    /* libc repeats the flags in its list: those that it was given. */
    for (struct addrinfo *a = r == 0 ? *result : NULL; a; a = a->ai_next)
        a->ai_flags = q->hints.ai_flags;
    return r;
}

/* Socket types, protocols and the port. Also checks all of the arguments. */
static int ask_services(struct request *q)
{
    struct addrinfo hints = q->hints;
    if (hints.ai_family != AF_UNSPEC && hints.ai_family != AF_INET &&
        hints.ai_family != AF_INET6)
        return EAI_FAMILY;
    hints.ai_family = AF_INET;
    hints.ai_flags = (hints.ai_flags & ~HOST_FLAGS) | AI_NUMERICHOST;
    struct addrinfo *list = NULL;
    int r = getaddrinfo("127.0.0.1", q->service, &hints, &list);
    if (r != 0)
        return r;
    struct addrinfo *a = list;
    for (q->service_count = 0; a && q->service_count < SERVICES;
         a = a->ai_next) {
        const struct sockaddr_in *in = (const void *)a->ai_addr;
        q->services[q->service_count++] =
            (struct service){a->ai_socktype, a->ai_protocol, in->sin_port};
    }
    freeaddrinfo(list);
    return 0;
}

/* ---- the result ---------------------------------------------------------- */

/* A socket address of either family. */
union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static void make_mapped(union address *a, const struct sockaddr_in *in)
{
    struct in_addr v4 = in->sin_addr;
    memset(a, 0, sizeof(*a));
    a->in6.sin6_family = AF_INET6;
    a->in6.sin6_addr.s6_addr[10] = a->in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&a->in6.sin6_addr.s6_addr[12], &v4, sizeof(v4));
}

static int append(struct request *q, const union address *address,
                  const struct service *service)
{
    bool v6 = address->any.sa_family == AF_INET6;
    socklen_t size = v6 ? sizeof(address->in6) : sizeof(address->in);
    struct addrinfo *a = calloc(1, sizeof(*a) + size);
    if (!a)
        return EAI_MEMORY;
    a->ai_flags = q->hints.ai_flags;
    a->ai_family = address->any.sa_family;
    a->ai_socktype = service->socktype;
    a->ai_protocol = service->protocol;
    a->ai_addrlen = size;
    a->ai_addr = memcpy(a + 1, address, size);
    if (v6)
        ((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_port = service->port;
    else
        ((struct sockaddr_in *)(void *)a->ai_addr)->sin_port = service->port;
    a->ai_canonname = q->canonical;
    q->canonical = NULL;
    *q->last = a;
    q->last = &a->ai_next;
    return 0;
}

/* All of an answer's addresses. */
static int append_answer(struct request *q, const struct dns_answer *answer)
{
    const struct ares_addrinfo_node *node = answer->info->nodes;
    for (; node; node = node->ai_next) {
        union address address;
        bool v4 = node->ai_family == AF_INET;
        if (v4 && q->hints.ai_family == AF_INET6)
            make_mapped(&address, (const void *)node->ai_addr);
        else
            memcpy(&address, node->ai_addr,
                   v4 ? sizeof(address.in) : sizeof(address.in6));
        for (int i = 0; i < q->service_count; i++) {
            if (append(q, &address, &q->services[i]) != 0)
                return EAI_MEMORY;
        }
    }
    return 0;
}

static int take_canonical(struct request *q, const struct ares_addrinfo *info)
{
    const char *name = info->name ? info->name : q->node;
    for (const struct ares_addrinfo_cname *c = info->cnames; c; c = c->next)
        name = c->name ? c->name : name;
    q->canonical = strdup(name);
    return q->canonical ? 0 : EAI_MEMORY;
}

/* ---- asking -------------------------------------------------------------- */

/* The node's addresses of a family, put behind those that are there. */
static int look_up_family(struct request *q, int family)
{
    struct dns_question question = {
        .node = q->node,
        .family = family,
        .canonical = (q->hints.ai_flags & AI_CANONNAME) && !q->first,
        .what = "getaddrinfo"};
    struct dns_answer answer = {0};
    int r = dns_ask(q->hub, &question, q->deadline, &answer);
    if (r < 0)
        return dns_wait_error(r);
    if (answer.status != ARES_SUCCESS)
        r = dns_error(answer.status);
    else if (!answer.info || !answer.info->nodes)
        r = EAI_NODATA;
    else if (question.canonical)
        r = take_canonical(q, answer.info);
    if (r == 0)
        r = append_answer(q, &answer);
    dns_answer_free(&answer);
    return r;
}

/* AI_ADDRCONFIG, as libc has it. */
static int narrow_family(const struct request *q, int *family)
{
    if (!(q->hints.ai_flags & AI_ADDRCONFIG))
        return 0;
    struct dns_config *config = dns_config_of(dns_find(q->hub));
    dns_config_see_addresses(config);
    bool v4 = config->seen_ipv4, v6 = config->seen_ipv6;
    if (*family == AF_UNSPEC && v4 != v6)
        *family = v4 ? AF_INET : AF_INET6;
    return (*family == AF_INET && !v4) || (*family == AF_INET6 && !v6)
               ? EAI_NONAME
               : 0;
}

static int look_up(struct request *q)
{
    int family = q->hints.ai_family;
    int r = narrow_family(q, &family);
    if (r != 0)
        return r;
    bool mapped =
        q->hints.ai_family == AF_INET6 && (q->hints.ai_flags & AI_V4MAPPED);
    if (mapped && (q->hints.ai_flags & AI_ALL))
        return look_up_family(q, AF_UNSPEC);
    r = look_up_family(q, family);
    if (mapped && (r == EAI_NODATA || r == EAI_NONAME))
        r = look_up_family(q, AF_INET);
    return r;
}

/* Names that are not plain ASCII are libc's: it knows what the locale's mean.
 */
static bool is_plain(const char *node)
{
    while (*node && !(*node & 0x80))
        node++;
    return !*node;
}

/* libc looks at AI_ADDRCONFIG before it looks for the service. */
static int ask_services_of_family(struct request *q)
{
    int family = q->hints.ai_family;
    int r = ask_services(q);
    if (r != EAI_SERVICE && r != EAI_SOCKTYPE)
        return r;
    int narrowed = narrow_family(q, &family);
    return narrowed ? narrowed : r;
}

/* As net_getaddrinfo for a name. */
static int by_name(struct request *q, struct addrinfo **result)
{
    q->hub = hub_self();
    struct dns *dns = q->hub ? dns_of(q->hub) : NULL;
    if (!dns)
        return dns_wait_error(-errno);
    if (dns_config_of(dns)->libc || !is_plain(q->node) ||
        (q->hints.ai_flags & AI_CANONIDN))
        return dns_libc_getaddrinfo(q->hub, q->node, q->service, &q->hints,
                                    result, q->deadline);
    int r = ask_services_of_family(q);
    if (r != 0)
        return r;
    r = look_up(q);
    free(q->canonical);
    if (r != 0) {
        int error = errno;
        grove_freeaddrinfo(q->first);
        errno = error;
        return r;
    }
    *result = q->first;
    return 0;
}

/* ---- the call ------------------------------------------------------------ */

int net_getaddrinfo(const char *node, const char *service,
                    const struct addrinfo *hints, struct addrinfo **result,
                    int64_t deadline)
{
    hub_turn_if_any(); /* it may be answered without a question */
    if (!node || (hints && (hints->ai_flags & AI_NUMERICHOST)))
        return getaddrinfo(node, service, hints, result);
    struct request q = {.node = node,
                        .service = service,
                        .hints.ai_flags = DEFAULT_FLAGS,
                        .deadline = deadline};
    if (hints)
        q.hints = (struct addrinfo){.ai_flags = hints->ai_flags,
                                    .ai_family = hints->ai_family,
                                    .ai_socktype = hints->ai_socktype,
                                    .ai_protocol = hints->ai_protocol};
    q.last = &q.first;
    if (node[0] == '\0' || dns_looks_numeric(node)) {
        int r = numeric(&q, result);
        if (r != EAI_NONAME || node[0] == '\0' || strchr(node, ':'))
            return r;
    }
    return by_name(&q, result);
}

void grove_freeaddrinfo(struct addrinfo *result)
{
    if (result)
        freeaddrinfo(result);
}

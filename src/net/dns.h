/*
 * Name look-ups.
 *
 *   dns.c            getaddrinfo: what is asked, and libc's list of the answer
 *   dns_name.c       getnameinfo
 *   dns_question.c   questions under way, and who waits for their answers
 *   dns_channel.c    c-ares in the hub's loop: its channels
 *   dns_socket.c     likewise: its sockets
 *   dns_config.c     whom to ask: nsswitch.conf, resolv.conf, explicit servers
 *   dns_libc.c       libc's own functions, on a worker thread
 *   dns_port.c       the public calls: what they refuse
 *   dns_libc_only.c  the public calls where there is no c-ares to build with
 *
 * Everything runs on the hub's thread, but what dns_libc.c hands to a worker.
 */
#ifndef GROVE_NET_DNS_H
#define GROVE_NET_DNS_H

#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "hub/wait.h"

/* Whether node may be a numeric address, as inet_aton and IPv6 have them. */
static inline bool dns_looks_numeric(const char *node)
{
    return (node[0] >= '0' && node[0] <= '9') || strchr(node, ':');
}

/* ---- dns_port.c ----------------------------------------------------------- */

/* Whether service may be one: a number up to 65535, in digits, or no number. */
bool dns_is_port(const char *service);

/* ---- what is counted ----------------------------------------------------- */

/* A question about a name begins. When. */
static inline int64_t dns_asked(struct hub *hub)
{
    hub->names.asked++;
    return hub_clock();
}

/* A question that began then has ended: 0, it was answered; -ETIMEDOUT, nobody
 * did in time; anything else, it failed or there is no such name. */
static inline void dns_told(struct hub *hub, int64_t began, int r)
{
    struct hub_names *names = &hub->names;
    names->time += (uint64_t)(hub_clock() - began);
    if (r == 0)
        names->found++;
    else if (r == -ETIMEDOUT)
        names->timed_out++;
    else
        names->failed++;
}

/* ---- dns_libc.c: as the functions of the same name ---------------------- */

int dns_libc_getaddrinfo(struct hub *hub, const char *node, const char *service,
                         const struct addrinfo *hints, struct addrinfo **result,
                         int64_t deadline);
int dns_libc_getnameinfo(struct hub *hub, const struct sockaddr *addr,
                         socklen_t addrlen, char *host, socklen_t hostlen,
                         char *service, socklen_t servicelen, int flags,
                         int64_t deadline);

/* The EAI_ code of a failed wait, and errno. */
int dns_wait_error(int r);

#endif

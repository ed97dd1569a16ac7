/*
 * Names and addresses of hosts. Part of grove.h.
 */
#ifndef GROVE_DNS_H
#define GROVE_DNS_H

#include <grove/base.h>
#include <netdb.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo; /* <netdb.h> hides it from strict C */

/* ---- Name look-ups ----------------------------------------------------- */
/*
 * As getaddrinfo(3) and getnameinfo(3): the same arguments, results, order and
 * EAI_ codes; where the thread would wait, the fiber does. EAI_SYSTEM with
 * errno ECANCELED, ETIMEDOUT or EDEADLK says that the wait was ended (see the
 * top of grove.h). Numeric hosts are never waited for.
 */
GROVE_API int grove_getaddrinfo(const char *node, const char *service,
                                const struct addrinfo *hints,
                                struct addrinfo **result);
GROVE_API int grove_getaddrinfo_until(const char *node, const char *service,
                                      const struct addrinfo *hints,
                                      struct addrinfo **result,
                                      int64_t deadline);
/* The same as freeaddrinfo(3), which may be used as well; NULL is allowed. */
GROVE_API void grove_freeaddrinfo(struct addrinfo *result);
GROVE_API int grove_getnameinfo(const struct sockaddr *addr, socklen_t addrlen,
                                char *host, socklen_t hostlen, char *service,
                                socklen_t servicelen, int flags);
GROVE_API int grove_getnameinfo_until(const struct sockaddr *addr,
                                      socklen_t addrlen, char *host,
                                      socklen_t hostlen, char *service,
                                      socklen_t servicelen, int flags,
                                      int64_t deadline);

/* Ask these servers instead of the system's, in all threads from their next
 * look-up on: addresses with optional ports, separated by commas, as
 * "127.0.0.1:5353,[::1]:53"; NULL: the system's again. The environment's
 * GROVE_DNS_SERVERS does the same. With it, names are looked up in /etc/hosts
 * and then asked for, whatever nsswitch.conf says. 0, or -EINVAL (not such a
 * list), -ENOMEM, -ENOTSUP (built without c-ares). */
GROVE_API int grove_dns_set_servers(const char *servers);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Looking names up.
 *
 * getaddrinfo and getnameinfo are Grove's own (net/dns.c), which ask as
 * nsswitch.conf says. The older functions are called on a worker: what they
 * return is libc's, one for the process or in the caller's buffer, whichever
 * thread asks. h_errno is the thread's, and is brought back.
 */
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>

#include "net/net.h"
#include "patch/call.h"
#include "patch/functions.h"

int patch_getaddrinfo(const char *node, const char *service,
                      const struct addrinfo *hints, struct addrinfo **result)
{
    struct hub *hub = patch_hub();
    if (likely(!hub))
        return getaddrinfo(node, service, hints, result);
    struct patch_call call;
    patch_call_begin(&call, hub, PATCH_RESTARTS);
    int r = net_getaddrinfo(node, service, hints, result, GROVE_NEVER);
    patch_call_end(&call, r == 0);
    return r;
}

int patch_getnameinfo(const struct sockaddr *addr, socklen_t addrlen,
                      char *host, socklen_t hostlen, char *service,
                      socklen_t servicelen, int flags)
{
    struct hub *hub = patch_hub();
    if (likely(!hub))
        return getnameinfo(addr, addrlen, host, hostlen, service, servicelen,
                           flags);
    struct patch_call call;
    patch_call_begin(&call, hub, PATCH_RESTARTS);
    int r = grove_getnameinfo(addr, addrlen, host, hostlen, service, servicelen,
                              flags);
    patch_call_end(&call, r == 0);
    return r;
}

/* ---- on a worker ------------------------------------------------------------------------------- */

/* A call of one of the functions below; each uses what it takes. */
struct look_up {
    void (*ask)(struct look_up *l);
    const char *name;
    const void *addr;
    socklen_t addrlen;
    int family, class, type;
    struct hostent *buffer; /* the caller's */
    char *text;
    size_t size;
    struct hostent **found; /* where the _r functions tell theirs */
    unsigned char *answer;
    int answer_size;
    struct hostent *host; /* what the others return */
    int result;           /* of those that return a number */
    int host_error, error;
};

static void *run(void *arg)
{
    struct look_up *l = arg;
    l->ask(l);
    l->host_error = h_errno;
    l->error = errno;
    return NULL;
}

/* False with errno: nobody was asked. */
static bool ask(struct look_up *l)
{
    struct patch_call call;
    patch_call_begin(&call, hub_of_thread, PATCH_RESTARTS);
    int r = grove_offload(run, l, NULL);
    patch_call_end(&call, false);
    if (r < 0) {
        h_errno = TRY_AGAIN;
        errno = -r;
        return false;
    }
    h_errno = l->host_error;
    errno = l->error;
    return true;
}

/* ---- gethostbyname and its kin ------------------------------------------------------------------- */

static void ask_name(struct look_up *l)
{
    l->host =
        l->family ? gethostbyname2(l->name, l->family) : gethostbyname(l->name);
}

struct hostent *patch_gethostbyname(const char *name)
{
    struct look_up l = {.ask = ask_name, .name = name};
    if (likely(!patch_hub()))
        return gethostbyname(name);
    return ask(&l) ? l.host : NULL;
}

struct hostent *patch_gethostbyname2(const char *name, int family)
{
    struct look_up l = {.ask = ask_name, .name = name, .family = family};
    if (likely(!patch_hub()))
        return gethostbyname2(name, family);
    return ask(&l) ? l.host : NULL;
}

static void ask_addr(struct look_up *l)
{
    l->host = gethostbyaddr(l->addr, l->addrlen, l->family);
}

struct hostent *patch_gethostbyaddr(const void *addr, socklen_t addrlen,
                                    int family)
{
    struct look_up l = {
        .ask = ask_addr, .addr = addr, .addrlen = addrlen, .family = family};
    if (likely(!patch_hub()))
        return gethostbyaddr(addr, addrlen, family);
    return ask(&l) ? l.host : NULL;
}

/* ---- with the caller's buffer ---------------------------------------------------------------------- */

static int ask_into(struct look_up *l, struct hostent **found, int *host_error)
{
    l->found = found;
    if (!ask(l)) {
        *found = NULL;
        *host_error = TRY_AGAIN;
        return errno;
    }
    *host_error = l->host_error;
    return l->result;
}

static void ask_name_r(struct look_up *l)
{
    int host_error = 0;
    l->result = l->family
                    ? gethostbyname2_r(l->name, l->family, l->buffer, l->text,
                                       l->size, l->found, &host_error)
                    : gethostbyname_r(l->name, l->buffer, l->text, l->size,
                                      l->found, &host_error);
    h_errno = host_error;
}

int patch_gethostbyname_r(const char *name, struct hostent *buffer, char *text,
                          size_t size, struct hostent **found, int *host_error)
{
    struct look_up l = {.ask = ask_name_r,
                        .name = name,
                        .buffer = buffer,
                        .text = text,
                        .size = size};
    if (likely(!patch_hub()))
        return gethostbyname_r(name, buffer, text, size, found, host_error);
    return ask_into(&l, found, host_error);
}

int patch_gethostbyname2_r(const char *name, int family, struct hostent *buffer,
                           char *text, size_t size, struct hostent **found,
                           int *host_error)
{
    struct look_up l = {.ask = ask_name_r,
                        .name = name,
                        .family = family,
                        .buffer = buffer,
                        .text = text,
                        .size = size};
    if (likely(!patch_hub()))
        return gethostbyname2_r(name, family, buffer, text, size, found,
                                host_error);
    return ask_into(&l, found, host_error);
}

static void ask_addr_r(struct look_up *l)
{
    int host_error = 0;
    l->result = gethostbyaddr_r(l->addr, l->addrlen, l->family, l->buffer,
                                l->text, l->size, l->found, &host_error);
    h_errno = host_error;
}

int patch_gethostbyaddr_r(const void *addr, socklen_t addrlen, int family,
                          struct hostent *buffer, char *text, size_t size,
                          struct hostent **found, int *host_error)
{
    struct look_up l = {.ask = ask_addr_r,
                        .addr = addr,
                        .addrlen = addrlen,
                        .family = family,
                        .buffer = buffer,
                        .text = text,
                        .size = size};
    if (likely(!patch_hub()))
        return gethostbyaddr_r(addr, addrlen, family, buffer, text, size, found,
                               host_error);
    return ask_into(&l, found, host_error);
}

/* ---- questions to name servers --------------------------------------------------------------------- */

static void ask_query(struct look_up *l)
{
    l->result =
        res_query(l->name, l->class, l->type, l->answer, l->answer_size);
}

static void ask_search(struct look_up *l)
{
    l->result =
        res_search(l->name, l->class, l->type, l->answer, l->answer_size);
}

int patch_res_query(const char *name, int class, int type,
                    unsigned char *answer, int size)
{
    struct look_up l = {.ask = ask_query,
                        .name = name,
                        .class = class,
                        .type = type,
                        .answer = answer,
                        .answer_size = size};
    if (likely(!patch_hub()))
        return res_query(name, class, type, answer, size);
    return ask(&l) ? l.result : -1;
}

int patch_res_search(const char *name, int class, int type,
                     unsigned char *answer, int size)
{
    struct look_up l = {.ask = ask_search,
                        .name = name,
                        .class = class,
                        .type = type,
                        .answer = answer,
                        .answer_size = size};
    if (likely(!patch_hub()))
        return res_search(name, class, type, answer, size);
    return ask(&l) ? l.result : -1;
}

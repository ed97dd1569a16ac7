/*
 * libc's own look-ups, on a worker thread: for what c-ares cannot say, as other
 * sources of nsswitch.conf, rules of gai.conf, names that are not ASCII.
 *
 * libc's functions cannot be stopped. A fiber that is killed or whose deadline
 * passes leaves the job behind; everything it needs is on the heap, and it is
 * freed by the worker.
 *
 * The dns_ functions are called on a hub's thread, the functions run_ on a
 * worker, drop on either: it has the job for itself, as each of them does.
 */
#include "net/dns.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/offload.h"

/* Either function's arguments and results. */
struct libc_job {
    struct offload_job job; /* with a drop: it may be given up under way */
    int result;             /* EAI_ */
    int error;              /* errno with EAI_SYSTEM */

    /* getaddrinfo */
    char *node, *service; /* service: NULL, or behind node in its block */
    struct addrinfo hints;
    struct addrinfo *found; /* libc's list; NULL: none, or handed over */

    /* getnameinfo */
    struct sockaddr_storage addr; /* a copy of the caller's */
    socklen_t addrlen;            /* of addr */
    int flags;                    /* NI_ */
    bool wants_service;           /* the caller has room for its name */
    char host_name[NI_MAXHOST], service_name[NI_MAXSERV]; /* what was found */
};

int dns_wait_error(int r)
{
    assert(r < 0);
    if (r == -ENOMEM)
        return EAI_MEMORY;
    errno = -r;
    return EAI_SYSTEM;
}

static struct libc_job *job_of(struct offload_job *job)
{
    return container_of(job, struct libc_job, job);
}

static void drop(struct offload_job *job)
{
    struct libc_job *j = job_of(job);
    if (j->found)
        freeaddrinfo(j->found);
    free(j->node);
    free(j);
}

static struct libc_job *new_job(void (*run)(struct offload_job *job))
{
    struct libc_job *j = calloc(1, sizeof(*j));
    if (j) {
        j->job.run = run;
        j->job.drop = drop;
    }
    return j;
}

/* Waits for the job. 0 with its result in it, to be dropped; or an EAI_ code,
 * and it is gone. */
static int run_job(struct hub *hub, struct libc_job *j, int64_t deadline,
                   const char *what)
{
    assert(j->job.run && j->job.drop && !j->found);
    int64_t began = dns_asked(hub);
    int r = offload_wait(hub, &j->job, deadline, what);
    dns_told(hub, began, r < 0 ? r : j->result);
    if (r < 0)
        return r == -EAGAIN ? EAI_AGAIN : dns_wait_error(r);
    return 0;
}

/* ---- getaddrinfo --------------------------------------------------------- */

static void run_getaddrinfo(struct offload_job *job)
{
    struct libc_job *j = job_of(job);
    assert(j->node && !j->found);
    j->result = getaddrinfo(j->node, j->service, &j->hints, &j->found);
    j->error = errno;
    assert(j->result || j->found);
}

int dns_libc_getaddrinfo(struct hub *hub, const char *node, const char *service,
                         const struct addrinfo *hints, struct addrinfo **result,
                         int64_t deadline)
{
    size_t n = strlen(node) + 1;
    struct libc_job *j = new_job(run_getaddrinfo);
    char *names = j ? malloc(n + (service ? strlen(service) + 1 : 0)) : NULL;
    if (!names) {
        free(j);
        return EAI_MEMORY;
    }
    j->node = memcpy(names, node, n);
    j->service = service ? strcpy(names + n, service) : NULL;
    j->hints = *hints;
    int r = run_job(hub, j, deadline, "getaddrinfo");
    if (r != 0)
        return r;
    r = j->result;
    int error = j->error;
    if (r == 0) {
        *result = j->found;
        j->found = NULL;
    }
    drop(&j->job);
    errno = error;
    return r;
}

/* ---- getnameinfo --------------------------------------------------------- */

static void run_getnameinfo(struct offload_job *job)
{
    struct libc_job *j = job_of(job);
    assert(!j->node && j->addrlen <= sizeof(j->addr));
    j->result = getnameinfo(
        (struct sockaddr *)&j->addr, j->addrlen, j->host_name,
        sizeof(j->host_name), j->wants_service ? j->service_name : NULL,
        j->wants_service ? sizeof(j->service_name) : 0, j->flags);
    j->error = errno;
}

static int copy_name(char *to, socklen_t size, const char *from)
{
    if (strlen(from) >= size)
        return EAI_OVERFLOW;
    strcpy(to, from);
    return 0;
}

int dns_libc_getnameinfo(struct hub *hub, const struct sockaddr *addr,
                         socklen_t addrlen, char *host, socklen_t hostlen,
                         char *service, socklen_t servicelen, int flags,
                         int64_t deadline)
{
    if (addrlen > sizeof(struct sockaddr_storage))
        return EAI_FAMILY;
    struct libc_job *j = new_job(run_getnameinfo);
    if (!j)
        return EAI_MEMORY;
    memcpy(&j->addr, addr, addrlen);
    j->addrlen = addrlen;
    j->flags = flags;
    j->wants_service = service && servicelen;
    int r = run_job(hub, j, deadline, "getnameinfo");
    if (r != 0)
        return r;
    r = j->result;
    int error = j->error;
    if (r == 0)
        r = copy_name(host, hostlen, j->host_name);
    if (r == 0 && j->wants_service)
        r = copy_name(service, servicelen, j->service_name);
    drop(&j->job);
    errno = error;
    return r;
}

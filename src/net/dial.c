/*
 * Connections to a host by name: happy eyeballs (RFC 8305).
 *
 * The host's addresses, in getaddrinfo's order but the families in turn, are
 * tried one after another, each 250 ms after the one before, or at once when
 * that one has failed. The first connection made is kept, the others are
 * closed. All happens in the calling fiber, which polls the attempts under way;
 * nothing is allocated but the list of addresses.
 *
 * Invariants of a race, which stands on that fiber's stack:
 *   1. open <= count <= ATTEMPTS, and open is how many of fds are not -1.
 *   2. error is set as soon as anything has failed, and so whenever nothing is
 *      open and nothing left to try.
 *   3. Its descriptors are nobody else's: what is not the result is closed.
 *
 * To be called on any thread, which gets a hub by it.
 */
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "grove.h"
#include "net/address.h"
#include "net/net.h"

#define STAGGER (250 * GROVE_MILLISECOND)

/* Attempts at most; addresses beyond them are not tried. */
#define ATTEMPTS 32

struct race {
    struct hub *hub;                /* the thread's */
    const struct addrinfo *next[2]; /* of the first address's family; others */
    int family;                     /* the first address's */
    int turn;                       /* which of next is tried next: 0, 1 */
    struct pollfd fds[ATTEMPTS];    /* under way; -1: has failed */
    nfds_t count;                   /* of fds: attempts that were begun */
    nfds_t open;                    /* of them, not failed */
    int error;                      /* of the first that failed; 0: none has */
};

static const struct addrinfo *skip(const struct addrinfo *a, int family,
                                   bool same)
{
    while (a && (a->ai_family == family) != same)
        a = a->ai_next;
    return a;
}

static void race_init(struct race *race, struct hub *hub,
                      const struct addrinfo *list)
{
    assert(list);
    race->hub = hub;
    race->family = list->ai_family;
    race->next[0] = list;
    race->next[1] = skip(list, list->ai_family, false);
    race->turn = 0;
    race->count = race->open = 0;
    race->error = 0;
}

/* The address to try next; NULL: there is no more. */
static const struct addrinfo *next_address(struct race *race)
{
    assert(race->turn == 0 || race->turn == 1);
    if (race->count == ATTEMPTS)
        return NULL;
    if (!race->next[race->turn])
        race->turn ^= 1;
    const struct addrinfo *a = race->next[race->turn];
    if (a) {
        race->next[race->turn] =
            skip(a->ai_next, race->family, race->turn == 0);
        race->turn ^= 1;
    }
    return a;
}

static bool more_addresses(const struct race *race)
{
    return race->count < ATTEMPTS && (race->next[0] || race->next[1]);
}

static void note_failure(struct race *race, int error)
{
    assert(error > 0);
    if (!race->error)
        race->error = error;
}

static void attempt_failed(struct race *race, struct pollfd *p, int error)
{
    assert(p->fd >= 0 && race->open > 0 && race->open <= race->count);
    net_close(p->fd);
    p->fd = -1;
    race->open--;
    note_failure(race, error);
}

/* Begin the next attempt. Whether it is under way, or made already: then
 * *winner is it. */
static bool begin(struct race *race, const struct addrinfo *a, int *winner)
{
    assert(a && *winner < 0 && race->count < ATTEMPTS);
    int fd = net_own(socket(a->ai_family,
                            a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                            a->ai_protocol));
    if (fd < 0) {
        note_failure(race, errno);
        return false;
    }
    struct pollfd *p = &race->fds[race->count++];
    *p = (struct pollfd){.fd = fd, .events = POLLOUT};
    race->open++;
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        *winner = fd;
    else if (errno != EINPROGRESS)
        attempt_failed(race, p, errno);
    return p->fd >= 0;
}

/* What has become of the attempts: the one that is made, or -1. */
static int look(struct race *race)
{
    for (nfds_t i = 0; i < race->count; i++) {
        struct pollfd *p = &race->fds[i];
        int error = 0;
        socklen_t size = sizeof(error);
        if (p->fd < 0 || !p->revents)
            continue;
        if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
            error = errno;
        if (!error && (p->revents & POLLOUT))
            return p->fd;
        attempt_failed(race, p, error ? error : ECONNABORTED);
    }
    return -1;
}

/* From now on it is a descriptor that blocks, and one that does not have small
 * packets wait for the answers to others. */
static int finish(struct race *race, int fd, int socktype)
{
    for (nfds_t i = 0; i < race->count; i++) {
        if (race->fds[i].fd >= 0 && race->fds[i].fd != fd)
            net_close(race->fds[i].fd);
    }
    if (fd < 0)
        return -1;
    /* Of a socket that we have made it is the only flag. */
    if (fcntl(fd, F_SETFL, 0) < 0) {
        int error = errno;
        net_close(fd);
        errno = error;
        return -1;
    }
    if (socktype == SOCK_STREAM)
        net_send_at_once(fd);
    struct loop_fd *record = loop_fd(&race->hub->loop, fd);
    if (record)
        record->nonblocking = false;
    return fd;
}

/* Lets the attempts go on until one ends or `until`. 0, or an errno. */
static int wait_for_any(struct race *race, int64_t until)
{
    int n = net_poll(race->fds, race->count, until, NET_POLL_STATE);
    return n < 0 ? errno : 0;
}

/* Runs the race: the winner, or -1 with errno. */
static int run(struct race *race, int64_t deadline)
{
    int64_t next_at = 0; /* when another attempt is due */
    int winner = -1;
    for (;;) {
        while (winner < 0 && more_addresses(race) &&
               (race->open == 0 || hub_clock() >= next_at)) {
            if (begin(race, next_address(race), &winner))
                next_at = hub_deadline(STAGGER);
        }
        if (winner >= 0 || race->open == 0) {
            assert(winner >= 0 || race->error);
            errno = race->error;
            return winner;
        }
        nfds_t open = race->open;
        int64_t until =
            more_addresses(race) && next_at < deadline ? next_at : deadline;
        int error = wait_for_any(race, until);
        if (error) {
            errno = error;
            return -1;
        }
        winner = look(race);
        if (race->open < open)
            next_at = 0; /* one has failed: the next is due */
        else if (winner < 0 && until == deadline && hub_clock() >= deadline) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
}

static int dial(const char *host, const char *service, int socktype,
                int64_t deadline)
{
    struct addrinfo hints = {.ai_socktype = socktype,
                             .ai_flags = AI_ADDRCONFIG},
                    *list;
    struct hub *hub = hub_self();
    if (!hub)
        return -1;
    int r = grove_getaddrinfo_until(host, service, &hints, &list, deadline);
    if (r != 0)
        return address_error(r);
    struct race race;
    race_init(&race, hub, list);
    int fd = run(&race, deadline);
    int error = errno;
    grove_freeaddrinfo(list);
    errno = error;
    r = finish(&race, fd, socktype);
    if (fd < 0)
        errno = error;
    return r;
}

/* ---- the public calls -------------------------------------------------- */

int grove_dial_until(const char *host, const char *service, int64_t deadline)
{
    return dial(host, service, SOCK_STREAM, deadline);
}

int grove_dial(const char *host, const char *service)
{
    return dial(host, service, SOCK_STREAM, GROVE_NEVER);
}

int grove_dial_udp_until(const char *host, const char *service,
                         int64_t deadline)
{
    return dial(host, service, SOCK_DGRAM, deadline);
}

int grove_dial_udp(const char *host, const char *service)
{
    return dial(host, service, SOCK_DGRAM, GROVE_NEVER);
}

int grove_dial_unix_until(const char *path, int64_t deadline)
{
    union address address;
    if (!hub_self())
        return -1;
    socklen_t size = address_of_path(path, &address);
    if (size == ADDRESS_NONE)
        return -1;
    int fd = net_own(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd >= 0 &&
        net_connect(fd, &address.any, size, deadline, NET_POSIX) < 0) {
        int error = errno;
        net_close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int grove_dial_unix(const char *path)
{
    return grove_dial_unix_until(path, GROVE_NEVER);
}

/*
 * Injected failures: the Nth call of some of libc's functions fails with an
 * errno of one's choice. Link with -Wl,--wrap=NAME for each of FAULTS (see
 * meson.build); only the library's and the test's own calls are reached. Names
 * that end in 64 are what the plain ones become with 64-bit file offsets.
 *
 *     for (int nth = 1; ; nth++) {
 *         fault_arm(FAULT_calloc | FAULT_mmap64, nth, ENOMEM);
 *         r = what_is_tested();
 *         if (!fault_disarm())
 *             break;              // it makes fewer calls than that
 *         ...
 *     }
 */
#ifndef TESTS_UNIT_FAULTS_H
#define TESTS_UNIT_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

/* type, name, parameters, arguments, what it returns when it fails */
#define FAULTS(F) \
    F(void *, malloc, (size_t n), (n), NULL) \
    F(void *, calloc, (size_t n, size_t size), (n, size), NULL) \
    F(void *, realloc, (void *p, size_t n), (p, n), NULL) \
    F(int, posix_memalign, (void **p, size_t align, size_t n), (p, align, n), \
      ENOMEM) \
    F(void *, mmap64, \
      (void *at, size_t n, int prot, int flags, int fd, off_t o), \
      (at, n, prot, flags, fd, o), (void *)-1) \
    F(int, madvise, (void *at, size_t n, int advice), (at, n, advice), -1) \
    F(int, mprotect, (void *at, size_t n, int prot), (at, n, prot), -1) \
    F(int, epoll_create1, (int flags), (flags), -1) \
    F(int, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *e), \
      (epoll, op, fd, e), -1) \
    F(int, eventfd, (unsigned value, int flags), (value, flags), -1) \
    F(int, fcntl64, (int fd, int op, long arg), (fd, op, arg), -1) \
    F(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), \
      (fd, a, n, flags), -1) \
    F(int, connect, (int fd, const struct sockaddr *a, socklen_t n), \
      (fd, a, n), -1) \
    F(ssize_t, recvfrom, \
      (int fd, void *buf, size_t n, int flags, struct sockaddr *a, \
       socklen_t *size), \
      (fd, buf, n, flags, a, size), -1) \
    F(ssize_t, sendto, \
      (int fd, const void *buf, size_t n, int flags, const struct sockaddr *a, \
       socklen_t size), \
      (fd, buf, n, flags, a, size), -1)

enum fault_number {
#define FAULT_NUMBER(type, name, parameters, arguments, failure) \
    FAULT_NUMBER_##name,
    FAULTS(FAULT_NUMBER)
};

/* Masks, to be combined. */
enum fault {
#define FAULT_MASK(type, name, parameters, arguments, failure) \
    FAULT_##name = 1 << FAULT_NUMBER_##name,
    FAULTS(FAULT_MASK)
};

/* Calls may be made by several threads at once. */
static struct {
    _Atomic unsigned mask; /* of the functions that count */
    _Atomic int
        left; /* calls until the one that fails; 0: not armed, or done */
    _Atomic int error;
    _Atomic bool for_good; /* and all after it */
    _Atomic bool hit;
} fault;

static bool fault_is_due(unsigned mask)
{
    int left = fault.left;
    if (!(fault.mask & mask))
        return false;
    do {
        if (left == 0)
            return false;
    } while (!atomic_compare_exchange_weak(
        &fault.left, &left, left > 1 ? left - 1 : fault.for_good));
    if (left > 1)
        return false;
    fault.hit = true;
    errno = fault.error;
    return true;
}

#define FAULT_WRAPPER(type, name, parameters, arguments, failure) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters \
    { \
        if (fault_is_due(FAULT_##name)) \
            return failure; \
        return __real_##name arguments; \
    }
FAULTS(FAULT_WRAPPER)

/* The nth call of a function in mask fails with error, once. */
static void fault_arm(unsigned mask, int nth, int error)
{
    fault.mask = mask;
    fault.error = error;
    fault.for_good = false;
    fault.hit = false;
    fault.left = nth;
}

/* The nth and all that follow it fail, until fault_disarm. */
__attribute__((unused)) static void fault_arm_for_good(unsigned mask, int nth,
                                                       int error)
{
    fault_arm(mask, nth, error);
    fault.for_good = true;
}

/* Whether it came to that. */
static bool fault_disarm(void)
{
    fault.left = 0;
    return fault.hit;
}

#endif

/*
 * Grove: green threads for C. Blocking calls, written straight, park the
 * calling fiber instead of the thread; other fibers run meanwhile.
 *
 * Conventions
 *   - Calls shaped like POSIX return -1 and set errno. Calls of the runtime
 *     return 0 (or a count) or a negative errno value.
 *   - A deadline is an absolute time on the monotonic clock in nanoseconds,
 *     as grove_now() tells it; GROVE_NEVER is no deadline. Every call that can
 *     wait has a twin that ends in _until and takes one as its last argument.
 *     A call that need not wait succeeds even when its deadline has passed.
 *   - A call that waits ends early with ECANCELED when its fiber is killed
 *     (grove_kill), with ETIMEDOUT when its deadline or that of an enclosing
 *     timeout scope (grove_timeout_begin) passes, and with EDEADLK, on the
 *     thread's own stack only, when nothing is left that could wake anybody.
 *   - Every call may be made from a fiber or from a thread's own stack; there
 *     it runs the thread's other fibers until it is done.
 *   - Fibers never leave the thread that spawned them, and a grove_fiber may
 *     only be used on that thread. Errno belongs to the fiber.
 *   - After fork() the child keeps the calling fiber and the thread's own
 *     stack; every other fiber of the child ends with ECANCELED, unrun.
 *
 * Each function has a manual page: man 3 grove_spawn; man 7 grove.
 */
#ifndef GROVE_H
#define GROVE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GROVE_API __attribute__((visibility("default")))
#else
#define GROVE_API
#endif

#define GROVE_VERSION_MAJOR 0
#define GROVE_VERSION_MINOR 1
#define GROVE_VERSION_PATCH 0

/* The version of the library at run time, as "0.1.0". */
GROVE_API const char *grove_version(void);

/* ---- Time ------------------------------------------------------------- */

/* No deadline. */
#define GROVE_NEVER INT64_MAX

#define GROVE_MICROSECOND INT64_C(1000)
#define GROVE_MILLISECOND INT64_C(1000000)
#define GROVE_SECOND INT64_C(1000000000)

/* Now on the monotonic clock, in nanoseconds. */
GROVE_API int64_t grove_now(void);

/* Park the caller for ns nanoseconds (0 or less: as grove_yield).
 * 0, or -ECANCELED, -ETIMEDOUT (an enclosing scope), -ENOMEM. */
GROVE_API int grove_sleep(int64_t ns);

/* Park the caller until deadline. Returns as grove_sleep. */
GROVE_API int grove_sleep_until(int64_t deadline);

/* ---- Fibers ----------------------------------------------------------- */

typedef struct grove_fiber grove_fiber;

/* How a fiber is born; zero-initialised it means the defaults. */
typedef struct grove_attr {
    const char *name;  /* copied, cut to 23 bytes; NULL: no name */
    size_t stack_size; /* bytes of address space, guard page included;
                          0: the default (grove_stack_size_default) */
    int64_t delay;     /* nanoseconds before it first runs; 0: at once */
} grove_attr;

/* Spawn a fiber that runs fn(arg) once the caller next parks or yields.
 * With out it gets a handle, to be given back by grove_release; without, the
 * fiber is detached. 0, or -ENOMEM (no memory, no mapping), -EINVAL (fn NULL),
 * -EMFILE/-ENFILE (this thread's first call: its event loop). */
GROVE_API int grove_spawn(grove_fiber **out, void *(*fn)(void *), void *arg);

/* The same with attributes. Also -EINVAL for a stack size below
 * GROVE_STACK_MIN or above GROVE_STACK_MAX, or a negative delay. */
GROVE_API int grove_spawn_with(grove_fiber **out, const grove_attr *attr,
                               void *(*fn)(void *), void *arg);

#define GROVE_STACK_MIN ((size_t)16 << 10)
#define GROVE_STACK_MAX ((size_t)64 << 20)

/* The stack size of fibers spawned without one: GROVE_STACK_SIZE from the
 * environment (bytes, or with a suffix K or M), else 256 KiB. */
GROVE_API size_t grove_stack_size_default(void);

/* Sets it, rounded up to a power of two, for all threads. 0 or -EINVAL. */
GROVE_API int grove_stack_size_set_default(size_t size);

/* The running fiber; on a thread's own stack the fiber that stands for it. */
GROVE_API grove_fiber *grove_self(void);

/* Take another reference to f; give it back with grove_release. */
GROVE_API grove_fiber *grove_retain(grove_fiber *f);

/* Give a handle back. A fiber still running goes on, detached. */
GROVE_API void grove_release(grove_fiber *f);

/* Let the other runnable fibers of this thread run first. */
GROVE_API void grove_yield(void);

/* Wait until f has ended and store what fn returned in *value (value may be
 * NULL). Several fibers may join one. 0; -ECANCELED with *value NULL when f
 * was killed before it ran or lost in a fork, or when the caller was killed
 * (grove_result tells which); -EDEADLK for a join of oneself, or on a thread's
 * own stack when nothing can wake anybody; -ETIMEDOUT. */
GROVE_API int grove_join(grove_fiber *f, void **value);
GROVE_API int grove_join_until(grove_fiber *f, void **value, int64_t deadline);

/* Wait until count of the n fibers fs have ended (count 0: all of them).
 * The number of them that have, or -ETIMEDOUT, -ECANCELED, -EDEADLK, -EINVAL
 * (count above n), -ENOMEM. */
GROVE_API ssize_t grove_join_all(grove_fiber *const *fs, size_t n,
                                 size_t count);
GROVE_API ssize_t grove_join_all_until(grove_fiber *const *fs, size_t n,
                                       size_t count, int64_t deadline);

/* What f ended with, without waiting: 0 and *value; -ECANCELED when it never
 * ran; -EAGAIN while it has not ended. */
GROVE_API int grove_result(const grove_fiber *f, void **value);

/* Kill f: what it waits in, or waits in next, returns ECANCELED, once. One
 * that never ran never will. Does not wait; a second kill delivers again.
 * 0, or -ESRCH when f has ended, -EINVAL for the thread's own stack. */
GROVE_API int grove_kill(grove_fiber *f);

/* Asked of a fiber's end; in place, owned by the caller until it is called or
 * grove_unlink has returned. */
typedef struct grove_link {
    struct grove_link *next, *prev;
    grove_fiber *fiber;
    void (*fn)(grove_fiber *f, void *arg);
    void *arg;
} grove_link;

/* Have fn(f, arg) called once, on the hub's own stack (it must not wait), when
 * f has ended; at the hub's next pass if it has already. Links are called in
 * the order they were made. */
GROVE_API void grove_link_end(grove_fiber *f, grove_link *link,
                              void (*fn)(grove_fiber *f, void *arg), void *arg);
/* Takes the link back; nothing if it was called. */
GROVE_API void grove_unlink(grove_link *link);

/* Name and number of a fiber, for people: the name is "" when it has none;
 * numbers start at 1 and are not used again within a thread. */
GROVE_API const char *grove_name(const grove_fiber *f);
GROVE_API uint64_t grove_id(const grove_fiber *f);
GROVE_API void grove_set_name(grove_fiber *f, const char *name);

/* Write a line for each fiber of this thread to descriptor fd: number, name,
 * state, what it waits for and since when. */
GROVE_API void grove_dump(int fd);

/* ---- Timeout scopes --------------------------------------------------- */

/* In place, on the stack of the fiber that begins it. */
typedef struct grove_timeout {
    struct grove_timeout *outer;
    int64_t deadline;
    int64_t effective;
    bool expired;
} grove_timeout;

/* From here to grove_timeout_end every wait of this fiber also ends at
 * deadline, with ETIMEDOUT. Scopes nest; the earliest deadline counts. */
GROVE_API void grove_timeout_begin(grove_timeout *t, int64_t deadline);

/* Ends the scope, which must be the innermost one. 0, or -ETIMEDOUT when a
 * wait inside it was ended by this scope's deadline. */
GROVE_API int grove_timeout_end(grove_timeout *t);

/* ---- Event ------------------------------------------------------------ */

/* A flag that fibers of one thread wait for, in FIFO order. In place. */
typedef struct grove_event {
    void *first, *last;
    bool set;
} grove_event;

/* clang-format off */
#define GROVE_EVENT_INIT {0, 0, 0}
/* clang-format on */

GROVE_API void grove_event_init(grove_event *e);
/* Sets the flag and wakes all who wait. */
GROVE_API void grove_event_set(grove_event *e);
GROVE_API void grove_event_clear(grove_event *e);
GROVE_API bool grove_event_is_set(const grove_event *e);
/* 0 once the flag was set (even if cleared since), or -ETIMEDOUT, -ECANCELED,
 * -EDEADLK. */
GROVE_API int grove_event_wait(grove_event *e);
GROVE_API int grove_event_wait_until(grove_event *e, int64_t deadline);

/* ---- Fiber-local values ------------------------------------------------ */

typedef unsigned grove_local;

/* A new key, for all fibers of all threads; destroy (may be NULL) is called
 * with a fiber's value, on that fiber, when it ends and the value is not NULL.
 * 0 or -EAGAIN when GROVE_LOCAL_MAX keys are in use. Keys are never freed. */
GROVE_API int grove_local_create(grove_local *key, void (*destroy)(void *));
/* The calling fiber's value; NULL when it was never set. */
GROVE_API void *grove_local_get(grove_local key);
/* 0, -ENOMEM, or -EINVAL for a key that was not created. */
GROVE_API int grove_local_set(grove_local key, void *value);

#define GROVE_LOCAL_MAX 1024

/* ---- Hubs -------------------------------------------------------------- */

/* A thread's scheduler; made on the thread's first call of the runtime. */
typedef struct grove_hub grove_hub;

/* The calling thread's hub; NULL with errno ENOMEM, EMFILE or ENFILE. */
GROVE_API grove_hub *grove_hub_self(void);

/* A callback in place, owned by the caller; free to be posted again once it
 * is being called. */
typedef struct grove_post {
    struct grove_post *next;
    void (*fn)(struct grove_post *post);
    int posted;
} grove_post;

/* Have post->fn(post) called on hub's own stack, from any thread or signal
 * handler: no locks, no allocation, at most one system call. Callbacks run in
 * the order they were posted. Returns 1, or 0 when post was already waiting
 * to be called. The hub must be alive: see grove_hub_hold. */
GROVE_API int grove_hub_post(grove_hub *hub, grove_post *post);

/* While held, a hub with nothing to do waits for a post instead of reporting
 * a deadlock. On the hub's own thread only. */
GROVE_API void grove_hub_hold(grove_hub *hub);
GROVE_API void grove_hub_unhold(grove_hub *hub);

/* ---- Descriptors ------------------------------------------------------- */
/*
 * Shaped like POSIX and like POSIX in what they return and set; where the
 * thread would wait, the fiber does. They work on any descriptor; one whose
 * owner has set O_NONBLOCK gets EAGAIN as from POSIX. O_NONBLOCK is looked at
 * when a descriptor is first waited for, and never left changed. Also
 * ETIMEDOUT, ECANCELED, EDEADLK (see the top), ENOMEM, and EBADF when
 * grove_close closes the descriptor meanwhile. read and write of regular files
 * hold up the thread. A blocking send or write sends everything, unless it
 * fails after a part: then that part's length is returned, as POSIX has it.
 */
GROVE_API ssize_t grove_read(int fd, void *buf, size_t len);
GROVE_API ssize_t grove_read_until(int fd, void *buf, size_t len,
                                   int64_t deadline);
GROVE_API ssize_t grove_readv(int fd, const struct iovec *iov, int iovcnt);
GROVE_API ssize_t grove_readv_until(int fd, const struct iovec *iov, int iovcnt,
                                    int64_t deadline);
GROVE_API ssize_t grove_write(int fd, const void *buf, size_t len);
GROVE_API ssize_t grove_write_until(int fd, const void *buf, size_t len,
                                    int64_t deadline);
GROVE_API ssize_t grove_writev(int fd, const struct iovec *iov, int iovcnt);
GROVE_API ssize_t grove_writev_until(int fd, const struct iovec *iov,
                                     int iovcnt, int64_t deadline);
GROVE_API ssize_t grove_recv(int fd, void *buf, size_t len, int flags);
GROVE_API ssize_t grove_recv_until(int fd, void *buf, size_t len, int flags,
                                   int64_t deadline);
GROVE_API ssize_t grove_send(int fd, const void *buf, size_t len, int flags);
GROVE_API ssize_t grove_send_until(int fd, const void *buf, size_t len,
                                   int flags, int64_t deadline);
GROVE_API ssize_t grove_recvfrom(int fd, void *buf, size_t len, int flags,
                                 struct sockaddr *addr, socklen_t *addrlen);
GROVE_API ssize_t grove_recvfrom_until(int fd, void *buf, size_t len, int flags,
                                       struct sockaddr *addr,
                                       socklen_t *addrlen, int64_t deadline);
GROVE_API ssize_t grove_sendto(int fd, const void *buf, size_t len, int flags,
                               const struct sockaddr *addr, socklen_t addrlen);
GROVE_API ssize_t grove_sendto_until(int fd, const void *buf, size_t len,
                                     int flags, const struct sockaddr *addr,
                                     socklen_t addrlen, int64_t deadline);
GROVE_API ssize_t grove_recvmsg(int fd, struct msghdr *msg, int flags);
GROVE_API ssize_t grove_recvmsg_until(int fd, struct msghdr *msg, int flags,
                                      int64_t deadline);
GROVE_API ssize_t grove_sendmsg(int fd, const struct msghdr *msg, int flags);
GROVE_API ssize_t grove_sendmsg_until(int fd, const struct msghdr *msg,
                                      int flags, int64_t deadline);
GROVE_API int grove_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen,
                            int flags);
GROVE_API int grove_accept4_until(int fd, struct sockaddr *addr,
                                  socklen_t *addrlen, int flags,
                                  int64_t deadline);
GROVE_API int grove_connect(int fd, const struct sockaddr *addr,
                            socklen_t addrlen);
GROVE_API int grove_connect_until(int fd, const struct sockaddr *addr,
                                  socklen_t addrlen, int64_t deadline);
/* timeout in milliseconds, as poll's; the twin takes a deadline instead. */
GROVE_API int grove_poll(struct pollfd *fds, nfds_t nfds, int timeout);
GROVE_API int grove_poll_until(struct pollfd *fds, nfds_t nfds,
                               int64_t deadline);
/* Closes fd; whoever waits for it wakes with EBADF. What grove_accept4 has
 * returned or grove_connect connected must be closed by this, not by close(2);
 * other descriptors should be while somebody may wait for them. Never waits. */
GROVE_API int grove_close(int fd);

#ifdef __cplusplus
}
#endif
#endif

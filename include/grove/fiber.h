/*
 * Fibers: birth, end, joining, killing, timeout scopes, fiber-local values.
 * Part of grove.h.
 */
#ifndef GROVE_FIBER_H
#define GROVE_FIBER_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Fibers ----------------------------------------------------------- */

typedef struct grove_fiber grove_fiber;

/* How a fiber is born; zero-initialised it means the defaults. */
typedef struct grove_attr {
    size_t size;       /* sizeof(grove_attr), or 0: see grove.h */
    const char *name;  /* copied, cut to 23 bytes; NULL: no name */
    size_t stack_size; /* bytes of address space, guard included;
                          0: the default (grove_stack_size_default) */
    int64_t delay;     /* nanoseconds before it first runs; 0: at once */
    /* Called once with the fiber's argument if its function is never entered:
     * it was killed before its first turn, or its thread ended. It gives back
     * what the argument holds, and must not wait. NULL: nothing is to be done.
     */
    void (*drop)(void *arg);
    /* It runs with thread-local storage of its own, as a thread does: errno,
     * __thread and thread_local variables, what libraries keep for each thread,
     * who owns a pthread mutex. Their destructors are called at its end. false:
     * it shares its thread's. See grove_own_tls_refused. */
    bool own_tls;
} grove_attr;

/* NULL, or why no fiber can have thread-local storage of its own here: the
 * machine or its C library is not one where that is known how, a sanitizer is
 * there, or there is no memory. Any thread. */
GROVE_API const char *grove_own_tls_refused(void);

/* Spawn a fiber that runs fn(arg) once the caller next parks or yields.
 * With out it gets a handle, to be given back by grove_release; without, the
 * fiber is detached. 0, or -ENOMEM (no memory, no mapping), -EINVAL (fn NULL),
 * -EMFILE/-ENFILE (this thread's first call: its event loop). */
GROVE_API int grove_spawn(grove_fiber **out, void *(*fn)(void *), void *arg);

/* The same with attributes. Also -EINVAL for a stack size below
 * GROVE_STACK_MIN or above GROVE_STACK_MAX, a negative delay, or a size of
 * *attr that cannot be, and -ENOTSUP where it wants own_tls and that is
 * refused. After an error arg is still the caller's: drop is not
 * called.
 */
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
 * that never ran never will (see grove_attr.drop). Does not wait; a second kill
 * delivers again.
 * 0, or -ESRCH when f has ended, -EINVAL for the thread's own stack. */
GROVE_API int grove_kill(grove_fiber *f);

/* The same for a reason: cause, of the caller's choice, is what grove_why tells
 * f. Of several kills that were not told yet the last one's counts. */
GROVE_API int grove_kill_for(grove_fiber *f, const void *cause);

/* Kill the n fibers fs and wait until all have ended. Those that ignore it are
 * killed again: after 10 ms, then after twice as long each time, up to 1 s. The
 * caller itself, if among them, is left out. 0; -ECANCELED, -ETIMEDOUT,
 * -EDEADLK when some may not have ended. */
GROVE_API int grove_kill_all(grove_fiber *const *fs, size_t n);
GROVE_API int grove_kill_all_until(grove_fiber *const *fs, size_t n,
                                   int64_t deadline);

/* A region in which a kill is held back. In place, on the stack of the fiber.
 */
typedef struct grove_shield {
    struct grove_shield *outer;
    struct grove_timeout *scope;
} grove_shield;

/* From here to grove_shield_end nothing from outside ends a wait of this fiber:
 * a kill is told at its first wait after the region, and timeout scopes begun
 * before do not count; deadlines and scopes of the region itself do. Regions
 * nest; one ended out of order ends the process with a message. */
GROVE_API void grove_shield_begin(grove_shield *s);
GROVE_API void grove_shield_end(grove_shield *s);

/* Have fn(arg) called on this fiber when its function has returned, after those
 * asked for later. A handler may wait; it runs shielded. 0, or -ENOMEM, -EINVAL
 * (fn NULL, or on the thread's own stack, which has no end). */
GROVE_API int grove_defer(void (*fn)(void *arg), void *arg);

/* Take back the latest grove_defer of this fn and arg, after calling it if run
 * is true. 0, or -ENOENT when there is none. */
GROVE_API int grove_undefer(void (*fn)(void *arg), void *arg, bool run);

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

/* Where a fiber is, as grove_each_fiber tells it. */
typedef struct grove_fiber_info {
    grove_fiber *fiber; /* to be retained if it is kept */
    uint64_t id;
    const char *name;  /* "" when it has none */
    const char *state; /* "new", "ready", "running" or "parked" */
    const char *what;  /* it waits in: "recv", "sleep", ...; NULL: in nothing */
    int fd;            /* the descriptor it waits for; -1: none */
    int64_t since;     /* when it began to wait, as grove_now tells time, to a
                          few milliseconds; 0: it does not */
} grove_fiber_info;

/* Call fn(info, arg) for each fiber of this thread that has not ended, first
 * for the one that stands for the thread's own stack. fn must not wait nor
 * spawn. */
GROVE_API void grove_each_fiber(void (*fn)(const grove_fiber_info *info,
                                           void *arg),
                                void *arg);

/* Write a line for each fiber of this thread to descriptor fd: number, name,
 * state, what it waits for and since when. */
GROVE_API void grove_dump(int fd);

/* ---- Timeout scopes --------------------------------------------------- */

/* In place, on the stack of the fiber that begins it. */
typedef struct grove_timeout {
    struct grove_timeout *outer;
    int64_t deadline;
    int64_t effective;
    const void *cause;
    bool expired;
} grove_timeout;

/* From here to grove_timeout_end every wait of this fiber also ends at
 * deadline, with ETIMEDOUT. Scopes nest; the earliest deadline counts. */
GROVE_API void grove_timeout_begin(grove_timeout *t, int64_t deadline);

/* The same for a reason, which grove_why tells when the scope ends a wait. */
GROVE_API void grove_timeout_begin_for(grove_timeout *t, int64_t deadline,
                                       const void *cause);

/* Ends the scope, which must be the innermost one: another ends the process
 * with a message. 0, or -ETIMEDOUT when a wait inside it was ended by this
 * scope's deadline. */
GROVE_API int grove_timeout_end(grove_timeout *t);

/* ---- Why a wait ended ------------------------------------------------- */

typedef enum grove_ending {
    GROVE_ENDED_NONE,        /* none was ended early */
    GROVE_ENDED_BY_KILL,     /* ECANCELED: the cause is of grove_kill_for */
    GROVE_ENDED_BY_DEADLINE, /* ETIMEDOUT: that of the call itself */
    GROVE_ENDED_BY_SCOPE     /* ETIMEDOUT: of grove_timeout_begin_for */
} grove_ending;

/* What has ended the last wait of the calling fiber that was ended early, and
 * in *cause (may be NULL) the reason that was given for it, NULL for none. */
GROVE_API grove_ending grove_why(const void **cause);

/* For code that computes: would the next wait be ended at once? 0; -ECANCELED
 * for a kill, which is told thereby; -ETIMEDOUT when the deadline of an
 * enclosing scope has passed. Never waits, and gives nobody a turn. */
GROVE_API int grove_check(void);

/* Whether the calling fiber has been killed and was not told yet, for want of a
 * wait or because it is shielded. It is told all the same. */
GROVE_API bool grove_is_killed(void);

/* The earliest deadline of the scopes that the calling fiber's waits are in;
 * GROVE_NEVER: there is none. */
GROVE_API int64_t grove_deadline(void);

/* ---- Fiber-local values ------------------------------------------------ */

typedef unsigned grove_local;

/* A new key, for all fibers of all threads; destroy (may be NULL) is called
 * with a fiber's value, on that fiber, when it ends and the value is not NULL.
 * 0 or -EAGAIN when GROVE_LOCAL_MAX keys are in use. Keys are never freed. */
GROVE_API int grove_local_create(grove_local *key, void (*destroy)(void *));
/* The same for a key whose values are inherited: inherit is called with the
 * value of a fiber that spawns another, on that fiber, and returns the other's
 * (NULL: none). It must not wait. 0, -EAGAIN, or -EINVAL (inherit NULL). */
GROVE_API int grove_local_create_inherited(grove_local *key,
                                           void (*destroy)(void *),
                                           void *(*inherit)(void *value));
/* The calling fiber's value; NULL when it was never set. */
GROVE_API void *grove_local_get(grove_local key);
/* 0, -ENOMEM, or -EINVAL for a key that was not created. */
GROVE_API int grove_local_set(grove_local key, void *value);

#define GROVE_LOCAL_MAX 1024

#ifdef __cplusplus
}
#endif
#endif

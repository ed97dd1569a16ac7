/*
 * Watching the runtime from outside: its messages, what its fibers do, and the
 * numbers of its hubs. Part of grove.h.
 */
#ifndef GROVE_OBSERVE_H
#define GROVE_OBSERVE_H

#include <grove/base.h>
#include <grove/fiber.h>
#include <grove/hub.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Messages ------------------------------------------------------------ */

typedef enum grove_log_level {
    GROVE_LOG_FATAL,   /* the process is about to be aborted */
    GROVE_LOG_ERROR,   /* something does not go on: a deadlock */
    GROVE_LOG_WARNING, /* something is not as was asked for: a setting */
    GROVE_LOG_INFO,    /* what was asked for: a list of fibers */
    GROVE_LOG_DETAIL   /* a line more of the message before it */
} grove_log_level;

/* Have fn(level, text, arg) called with each message that the library would
 * otherwise write on standard error; text is one line, without the end of a
 * line and without "grove: " at its beginning. fn NULL: written there again.
 * Called from any thread, at any time; so is fn, which must not call the
 * runtime. The message of a stack overflow is written there all the same: it
 * comes from a signal handler. */
GROVE_API void grove_log_set(void (*fn)(grove_log_level level, const char *text,
                                        void *arg),
                             void *arg);

/* ---- Events -------------------------------------------------------------- */

/* Functions that are called where something happens to a fiber, each on the
 * thread of its hub, the last argument being arg; those that are NULL are not.
 * They must not wait, and must not call the runtime but for grove_id,
 * grove_name and grove_now. For a fiber NULL stands for the hub itself, which
 * polls and runs timers and posts. */
typedef struct grove_hooks {
    size_t size; /* sizeof(grove_hooks), or 0: see grove.h */
    void *arg;
    /* f was spawned, and will run later. */
    void (*spawn)(grove_fiber *f, grove_fiber *by, void *arg);
    /* f has ended, after who joined it was woken; its handle may be bad from
     * here on. */
    void (*end)(grove_fiber *f, void *arg);
    /* from is left and to goes on. */
    void (*switch_to)(grove_fiber *from, grove_fiber *to, void *arg);
    /* f goes no further until it is woken: what it waits for, as of
     * grove_fiber_info (NULL: it is not known), and the descriptor, or -1. */
    void (*park)(grove_fiber *f, const char *what, int fd, void *arg);
    /* f will go on, and what it waited in returns result; for descriptors,
     * timers and other threads it is the hub that has woken it. */
    void (*wake)(grove_fiber *f, grove_fiber *by, int result, void *arg);
} grove_hooks;

/* Have the functions of *hooks, which is copied, called from now on, in place
 * of those set before; NULL: none. It holds for all threads: for the calling
 * one at once, for others within a few milliseconds of fibers' turns, and
 * before a hub that sleeps runs anybody. From any thread. 0, or -EINVAL for a
 * size that cannot be. */
GROVE_API int grove_hooks_set(const grove_hooks *hooks);

/* ---- Stalls -------------------------------------------------------------- */

/* A fiber that holds up the other fibers of its hub, while it does so. */
typedef struct grove_stall {
    size_t size;      /* of this structure, as the library knows it */
    grove_hub *hub;   /* good until the function returns */
    long thread;      /* the number that the system has for its thread */
    uint64_t fiber;   /* the fiber's number, of grove_id; 0: what holds the hub
                         up is a callback of its own */
    const char *name; /* of the fiber */
    int64_t length;   /* for how many nanoseconds so far, at least */
    bool waits;       /* the thread waits in the kernel; else it computes */
    bool guessed;     /* frames behind the first are what looks like some */
    void *const *frames; /* addresses in the C stack, the innermost first */
    size_t count;        /* of them */
    const char *host; /* the stack in Python, a line a frame below a headline;
                         NULL: there is none */
} grove_stall;

/* What is said of stalls. */
typedef struct grove_stalls {
    size_t size;   /* sizeof(grove_stalls), or 0: see grove.h */
    int64_t limit; /* nanoseconds from which on it is one, a millisecond at
                      least; 0: nothing is */
    bool watch; /* from the first on it is told where; else from the second */
    /* Is called for each that is told of, on a thread of the library's own; it
     * must not wait, and must not call the runtime but for grove_now. It
     * implies watch. NULL: nothing is. */
    void (*fn)(const grove_stall *stall, void *arg);
    void *arg;
} grove_stalls;

/* Have *settings hold from now on for all threads, in place of those before,
 * which at first are those of GROVE_STALLS in the environment: a limit of 100
 * ms. From any thread. 0, or -EINVAL for a limit or a size that cannot be. */
GROVE_API int grove_stalls_set(const grove_stalls *settings);

/* Fill in what holds. From any thread. 0, or -EINVAL for a size that cannot be.
 */
GROVE_API int grove_stalls_get(grove_stalls *settings);

/* ---- The trace ----------------------------------------------------------- */

/* Write what the trace of the process has so far to a file, in place of what
 * that holds: in Perfetto's format if its name ends in .pftrace or
 * .perfetto-trace, else in JSON, see grove(1). NULL is the file that
 * GROVE_TRACE in the environment names, which is written at the end. From any
 * thread, which does not let fibers run meanwhile; those of other threads go
 * on. 0, -ENODATA if nothing is traced, -ENOMEM, or a negative errno value of
 * open or write: what was in the file is there still. */
GROVE_API int grove_trace_write(const char *path);

/* ---- Numbers of all hubs ------------------------------------------------- */

/* Delays are counted by their length in so many classes. */
#define GROVE_DELAYS 32

/* What a fiber can wait for. */
enum grove_wait_kind {
    GROVE_WAIT_DESCRIPTOR, /* to be ready */
    GROVE_WAIT_SLEEP,      /* nothing but time */
    GROVE_WAIT_SYNC,       /* a lock, an event, a channel, a queue */
    GROVE_WAIT_END,        /* of a fiber */
    GROVE_WAIT_WORKER,     /* a worker thread, or the kernel's, to be done */
    GROVE_WAIT_NAME,       /* an answer about a name */
    GROVE_WAIT_OTHER,      /* a signal, another hub, a switch of greenlets */
    GROVE_WAIT_KINDS
};

/* A hub, as it was when its thread last wrote its numbers down: every few
 * milliseconds while fibers take turns, and, from the first time on that
 * somebody asks, before it sleeps. */
typedef struct grove_hub_info {
    size_t size;    /* of this structure, as the library knows it */
    grove_hub *hub; /* good until the function returns; see grove_hub_retain */
    long thread;    /* the number that the system has for its thread */
    int64_t taken;  /* when, by grove_now */
    bool asleep;    /* it waits for something to happen, or is about to */
    /* Since the hub was made */
    uint64_t switches; /* between fibers */
    uint64_t spawned;  /* fibers */
    uint64_t ended;    /* of them */
    uint64_t polls;    /* system calls for events */
    uint64_t posts;    /* callbacks from grove_hub_post that were called */
    uint64_t offloads; /* what its fibers gave to worker threads */
    /* Then */
    uint64_t live;        /* fibers that had not ended */
    uint64_t timers;      /* pending deadlines */
    uint64_t descriptors; /* waits for a descriptor */
    /* How long a fiber that could run waited for its turn, in nanoseconds: one
     * sample a millisecond at most, while others were ready. delays[i] counts
     * those below 1024 << i that are in no class before; the last, all others.
     */
    int64_t delay_longest;
    uint64_t delays[GROVE_DELAYS];
    uint64_t delay_sum; /* of all that were counted, in nanoseconds */
    /* Since the hub was made */
    uint64_t waits[GROVE_WAIT_KINDS]; /* that fibers began, by what for */
    uint64_t names_asked;  /* questions about names, to servers or to libc */
    uint64_t names_found;  /* those that were answered */
    uint64_t names_failed; /* those that were not, or by that there is none */
    uint64_t names_timed_out; /* those that nobody answered in time */
    uint64_t names_time;      /* what all of these took, in nanoseconds */
    uint64_t stalls;          /* how often somebody held it up: grove_stalls */
} grove_hub_info;

/* Call fn(info, arg) for each hub of the process, on the calling thread, which
 * may be any. fn may do what it likes. How many hubs there were, or -ENOMEM. */
GROVE_API int grove_each_hub(void (*fn)(const grove_hub_info *info, void *arg),
                             void *arg);

/* Write the same of all hubs to a descriptor, as text that Prometheus reads. 0,
 * -ENOMEM, or a negative errno value of write(2). */
GROVE_API int grove_metrics_write(int fd);

#ifdef __cplusplus
}
#endif
#endif

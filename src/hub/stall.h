/*
 * Stalls: a hub that somebody holds up, so that nobody else of it runs. How
 * they are found is told in stall.c and stall_watch.c.
 */
#ifndef GROVE_HUB_STALL_H
#define GROVE_HUB_STALL_H

#include <stdatomic.h>
#include <stdint.h>

#include "frames/frames.h"
#include "hub/hub.h"
#include "hub/part.h"

/* Of a fiber, or of what its host calls it. */
#define STALL_NAME 128

/* In place of the clock in hub->turned, while the hub sleeps: no time passes.
 */
#define STALL_ASLEEP INT64_MAX

/* Nanoseconds from which on it is a stall; STALL_NEVER: nothing is. */
#define STALL_NEVER INT64_MAX
extern _Atomic int64_t hub_stall_limit __attribute__((visibility("hidden")));

/* What each hub keeps of them. */
struct stall {
    /* The hub's own: a stall that was seen when it was over. */
    struct run tell;       /* queued until it has been told */
    char name[STALL_NAME]; /* of who did it; empty: it is not known, or has no
                              name */
    uint64_t id;           /* its number; 0: the hub's own; see turns */
    uint64_t turns;        /* that were taken meanwhile; more than one: it is
                              not known whose */
    int64_t took;          /* nanoseconds */
    int64_t preempted;     /* frames_times of the thread, when last asked */
    int64_t asked;         /* the clock then */
    /* For the watcher */
    _Atomic long thread;  /* the system's number */
    _Atomic int64_t told; /* the clock, when it last told of one */
    /* The watcher's own */
    uint64_t switches;                 /* when it last looked */
    uint64_t polls;                    /* likewise */
    const struct grove_fiber *current; /* likewise */
    bool known;                        /* it has seen these */
    struct frames_times times;         /* of the thread, likewise */
    int64_t lasted; /* nanoseconds for which it has stood, but for those in
                       which it had no processor, or the watcher did not look */
    bool was_told;  /* of this one */
};

extern size_t hub_stall_offset __attribute__((visibility("hidden")));

static inline struct stall *hub_stall_of(const struct hub *hub)
{
    return hub_keeps(hub, hub_stall_offset);
}

/* A member that the hub writes without knowing that another thread reads it. */
#define STALL_PEEK(member) (*(const volatile __typeof__(member) *)&(member))

/* ---- on the hub's thread: stall.c ---------------------------------------------- */

/* More than the limit has passed since hub->turned: see hub_stall_look. */
void hub_stall_note(struct hub *hub, int64_t now, const struct grove_fiber *f);

/* The hub turns, and the clock is `now`. f has run since it did so last, if
 * there was one switch in between; NULL: it is not known who has. */
static inline void hub_stall_look(struct hub *hub, int64_t now,
                                  const struct grove_fiber *f)
{
    if (unlikely(now - hub->turned >
                 atomic_load_explicit(&hub_stall_limit, memory_order_relaxed)))
        hub_stall_note(hub, now, f);
    hub->turned = now;
    hub->turned_switches = hub_switches(hub);
}

/* Asks the kernel how long the thread has had no processor: what follows is
 * compared with that. */
void hub_stall_ask(struct hub *hub, int64_t now);

/* The first switch of a hub is about to be made, and was counted. */
static inline void hub_stall_begin(struct hub *hub, int64_t now)
{
    hub->turned = now;
    hub->turned_switches = hub_switches(hub) - 1;
}

/* Whether anybody waits for what f, which runs, is to let run: the thread's own
 * stack may compute as long as there are no fibers. */
bool hub_stall_matters(const struct hub *hub, const struct grove_fiber *f);

/* ---- settings: stall_settings.c ------------------------------------------------- */

/* Those of the environment, once a process. */
void hub_stall_read_environment(void);

/* The process's host has threads anyway, or its threads are fibers and a stall
 * may never be over, or nobody cares: unless the environment says otherwise,
 * the watcher is there as soon as a hub is made.
 */
GROVE_HOST_API void hub_stall_prefer_watch(void);

/* What holds now; what is to hold: the limit is valid. Any thread. */
grove_stalls hub_stall_settings(void);
void hub_stall_set(const grove_stalls *settings);

/* Around a fork. */
void hub_stall_settings_lock(void);
void hub_stall_settings_unlock(void);

/* ---- looking: stall_sight.c ------------------------------------------------------ */

/* What is seen of a fiber that holds up its hub. */
struct stall_sight {
    bool may_ask; /* its host can be asked */
    const struct hub *hub;
    uint64_t switches; /* it had made, and makes none meanwhile */
    bool seen;         /* false: it has gone on, or could not be looked at */
    uint64_t id;       /* of the fiber; 0: the hub's own */
    char name[STALL_NAME];
    enum frames_doing doing;
    long call; /* where it waits: the system call */
    struct frames frames;
    int host_fd;         /* where the host writes; -1: nowhere */
    char host[8192];     /* what it has written: a line a frame */
    uintptr_t stack_top; /* of the fiber; 0: not known */
};

/* What it does now. On the watcher's thread, while the hub cannot end. */
void hub_stall_see(struct stall_sight *sight, const struct hub *hub);

/* How many switches hub has made, from another thread. */
uint64_t hub_stall_switches(const struct hub *hub);

/* ---- telling: stall_tell.c ------------------------------------------------------ */

/* Tells of the hub's own stall, which is over. */
void hub_stall_tell_over(const struct stall *s);

/* Tells of one that has lasted `length` nanoseconds so far, and calls the
 * settings' function. */
void hub_stall_tell(const struct stall_sight *sight, int64_t length);

/* ---- the watcher: stall_watch.c -------------------------------------------------- */

/* That it is there from now on, if it can be; does nothing if it is. Any
 * thread. */
void hub_stall_watch(void);

/* The settings have changed, or a hub is awake: it looks at once. */
void hub_stall_ring(void);

/* Who has slept is to ring: the watcher sleeps as well, or is to begin again.
 */
extern _Atomic bool hub_stall_listens __attribute__((visibility("hidden")));

/* The hub, on its thread, has slept and has said so. */
static inline void hub_stall_awake(void)
{
    if (unlikely(atomic_load(&hub_stall_listens)))
        hub_stall_ring();
}

#endif

/*
 * Waiting: what the layers above make blocking calls of. Everything here is
 * called on the hub's thread, in a fiber that may park (not in a callback).
 *
 *     hub_park         until hub_wake; nothing else ends it
 *     hub_wait         the same as a cancellation point, with deadlines
 *     hub_wait_fd      ... until a descriptor is ready
 *     hub_await_end    ... until a fiber has ended
 *
 * Waits that other threads may end are in wait_shared.h.
 */
#ifndef GROVE_HUB_WAIT_H
#define GROVE_HUB_WAIT_H

#include "hub/clock.h"
#include "hub/hub.h"

/* Park the current fiber until hub_wake. Returns what it was woken with;
 * HUB_TRANSFERRED when a host went to it directly. Not a cancellation point. */
GROVE_HOST_API int hub_park(struct hub *hub);

/* The following two, where the wait was counted. */
GROVE_HOST_API int hub_wait_counted(struct hub *hub, int64_t deadline,
                                    const char *what, int fd);
GROVE_HOST_API int hub_wait_looking_counted(struct hub *hub, int64_t deadline,
                                            const char *what);

/* The same as a cancellation point, until deadline or that of the enclosing
 * scopes: also -ECANCELED, -ETIMEDOUT, -EDEADLK. reason is for grove_dump. */
static inline int hub_wait(struct hub *hub, enum grove_wait_kind kind,
                           int64_t deadline, const char *what, int fd)
{
    hub->waits[kind]++;
    return hub_wait_counted(hub, deadline, what, fd);
}

/* The same, but a deadline that has passed is one like any other: all who are
 * due run first, until the loop looks around. */
static inline int hub_wait_looking(struct hub *hub, enum grove_wait_kind kind,
                                   int64_t deadline, const char *what)
{
    hub->waits[kind]++;
    return hub_wait_looking_counted(hub, deadline, what);
}

/* The wait that hub_wait has just ended with result r has succeeded all the
 * same: a kill is told next time, a scope has not expired. */
void hub_wait_undo(struct grove_fiber *f, int r);

/* The current fiber's wait was ended by the deadline of a scope, which is that
 * of the innermost of those that have it. */
void hub_scope_expired(struct grove_fiber *f, int64_t deadline);

/* Tells the current fiber of a kill, if there is one to be told now. */
bool hub_take_kill(struct grove_fiber *f);

/* The deadline that counts for f, and whether it is a scope's. */
static inline int64_t hub_effective_deadline(const struct grove_fiber *f,
                                             int64_t deadline, bool *scoped)
{
    *scoped = f->scope && f->scope->effective < deadline;
    return *scoped ? f->scope->effective : deadline;
}

/* ---- descriptors: wait_fd.c --------------------------------------------------- */

/* Wait until fd may be ready for direction (LOOP_READ or LOOP_WRITE). 0, or
 * -EBADF (closed meanwhile, even if an edge or the deadline came first, or no
 * descriptor), -ENOMEM, or as hub_wait. Files that cannot be polled are always
 * ready. */
GROVE_HOST_API int hub_wait_fd(struct hub *hub, int fd, unsigned direction,
                               int64_t deadline, const char *what);

/* The same as hub_wait_fd for a record that loop_register has just seen to, or
 * that is trusted. */
int hub_wait_record(struct hub *hub, struct loop_fd *record, unsigned direction,
                    int64_t deadline, const char *what);

/* The same as hub_wait_fd until fd may be ready for either direction. */
int hub_wait_either(struct hub *hub, int fd, int64_t deadline,
                    const char *what);

/* ---- whose they are: descriptor.c ---------------------------------------------- */

/* fd was opened just now, by somebody who will call hub_closing before it is
 * closed: waits for it cost no check. Whoever still waits for the number's last
 * file, on any hub, gets -EBADF. This and the following: on any thread. */
GROVE_HOST_API void hub_opened(int fd);

/* fd is about to be closed: to be called before close(2). Who
 * waits for it, on any hub, gets -EBADF. */
GROVE_HOST_API void hub_closing(int fd);
/* And after it: who has begun to wait in between gets that, too. */
GROVE_HOST_API void hub_closed(int fd);

/* fd, which is open, will be closed by hub_closing; or it may be closed without
 * a word. Who waits for it goes on waiting. */
GROVE_HOST_API void hub_adopt(int fd);
GROVE_HOST_API void hub_disown(int fd);

/* ---- ends of fibers: join.c, kill.c ---------------------------------------------- */

/* Wait until f, not the current fiber, has ended: 0, or as hub_wait. */
int hub_await_end(struct hub *hub, struct grove_fiber *f, int64_t deadline,
                  const char *what);

/* Calls kill(arg), then wait(arg, soon), over and over until wait returns
 * something else than that it is soon: what it returned, or -ETIMEDOUT once
 * deadline has passed. */
int hub_kill_rounds(struct hub *hub, int64_t deadline, void (*kill)(void *arg),
                    int (*wait)(void *arg, int64_t deadline), void *arg);

/* The same for those that were killed a moment ago: begins with wait. */
int hub_await_killed(struct hub *hub, int64_t deadline, void (*kill)(void *arg),
                     int (*wait)(void *arg, int64_t deadline), void *arg);

/* The same where nobody can wait: a timer. Zero at first. */
struct kill_again {
    struct timer timer;                 /* until the next kill */
    int64_t pause;                      /* before it */
    void (*kill)(struct kill_again *k); /* tells those that are left */
};

/* Make it one of hub's, and not any more: the room for its timer. 0 or -ENOMEM.
 */
int hub_kill_again_open(struct hub *hub);
void hub_kill_again_close(struct hub *hub, struct kill_again *k);

/* Calls kill(k) now, and after pauses that grow until it is stopped or closed,
 * which must be before *k goes. On the hub's thread; kill may close it. */
void hub_kill_again_start(struct hub *hub, struct kill_again *k,
                          void (*kill)(struct kill_again *k));
void hub_kill_again_stop(struct hub *hub, struct kill_again *k);

#endif

/*
 * Parking until a descriptor is ready.
 *
 * Between the edge that wakes a fiber and its turn another may have closed the
 * descriptor, and its number may be the next connection's: so a wait ends well
 * only if the record still stands for the file that was waited for.
 */
#include "hub/wait.h"

/* On the stack of who waits. */
struct fd_wait {
    struct loop_wait wait;
    struct grove_fiber *fiber;
};

static void wake_waiter(struct loop_wait *wait, int result)
{
    hub_wake(container_of(wait, struct fd_wait, wait)->fiber, result);
}

/* *record: the hub's of fd, which the loop watches. */
static int find_record(struct hub *hub, int fd, struct loop_fd **record)
{
    *record = loop_fd(&hub->loop, fd);
    return likely(*record != NULL) ? loop_register(&hub->loop, *record)
                                   : -errno;
}

/* What a wait comes to that has ended with r. */
static inline int end_wait(struct loop_fd *record, struct loop_stamp stamp,
                           int r)
{
    if (likely(loop_same(record, stamp)) || (r != 0 && r != -ETIMEDOUT))
        return r;
    hub_wait_undo(hub_of_thread->current, r); /* it is not the deadline that
                                                 ends it */
    return -EBADF;
}

int hub_wait_record(struct hub *hub, struct loop_fd *record, unsigned direction,
                    int64_t deadline, const char *what)
{
    if (unlikely(!record->registered)) { /* another hub has it since then */
        int r = loop_register(&hub->loop, record);
        if (r < 0)
            return r;
    }
    if (unlikely(record->always_ready))
        return 0;
    struct loop_stamp stamp = loop_stamp(record);
    struct fd_wait w = {.wait = {.direction = direction, .fn = wake_waiter},
                        .fiber = hub->current};
    loop_wait_add(&hub->loop, record, &w.wait);
    int r =
        hub_wait(hub, GROVE_WAIT_DESCRIPTOR, deadline, what, record->number);
    loop_wait_remove(&hub->loop, &w.wait); /* unless it was called */
    assert(hub->current == w.fiber);
    return end_wait(record, stamp, r);
}

int hub_wait_fd(struct hub *hub, int fd, unsigned direction, int64_t deadline,
                const char *what)
{
    struct loop_fd *record;
    int r = find_record(hub, fd, &record);
    if (unlikely(r < 0))
        return r;
    return hub_wait_record(hub, record, direction, deadline, what);
}

int hub_wait_either(struct hub *hub, int fd, int64_t deadline, const char *what)
{
    struct loop_fd *record;
    int r = find_record(hub, fd, &record);
    if (unlikely(r < 0))
        return r;
    if (unlikely(record->always_ready))
        return 0;
    struct loop_stamp stamp = loop_stamp(record);
    struct fd_wait in = {.wait = {.direction = LOOP_READ, .fn = wake_waiter},
                         .fiber = hub->current};
    struct fd_wait out = {.wait = {.direction = LOOP_WRITE, .fn = wake_waiter},
                          .fiber = hub->current};
    loop_wait_add(&hub->loop, record, &in.wait);
    loop_wait_add(&hub->loop, record, &out.wait);
    r = hub_wait(hub, GROVE_WAIT_DESCRIPTOR, deadline, what, fd);
    loop_wait_remove(&hub->loop, &in.wait);
    loop_wait_remove(&hub->loop, &out.wait);
    return end_wait(record, stamp, r);
}

/*
 * Parking until a descriptor is ready.
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

int hub_wait_record(struct hub *hub, struct loop_fd *record, unsigned direction,
                    int64_t deadline, const char *what)
{
    if (unlikely(record->always_ready))
        return 0;
    assert(record->registered);
    struct fd_wait w = {.wait = {.direction = direction, .fn = wake_waiter},
                        .fiber = hub->current};
    loop_wait_add(&hub->loop, record, &w.wait);
    int r = hub_wait(hub, deadline, what, record->number);
    loop_wait_remove(&hub->loop, &w.wait); /* unless it was called */
    assert(hub->current == w.fiber);
    return r;
}

int hub_wait_fd(struct hub *hub, int fd, unsigned direction, int64_t deadline,
                const char *what)
{
    struct loop_fd *record = loop_fd(&hub->loop, fd);
    if (unlikely(!record))
        return -errno;
    int r = loop_register(&hub->loop, record);
    if (unlikely(r < 0))
        return r;
    return hub_wait_record(hub, record, direction, deadline, what);
}

/*
 * Message queues and semaphores between processes.
 *
 * POSIX's queues are descriptors, which can be waited for. System V's are not:
 * who waits for those tries again, after pauses that grow to 16 ms.
 */
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include "patch/call.h"
#include "patch/duration.h"
#include "patch/functions.h"

/* ---- System V -------------------------------------------------------------------------------- */

/* After a try has failed: whether to try again. False with errno: what was
 * there for a try before, and is no more, was removed. */
static bool again(struct hub *hub, int64_t *pause, int nothing, int64_t end,
                  const char *what)
{
    if (errno != nothing) {
        errno = errno == EINVAL && *pause > 0 ? EIDRM : errno;
        return false;
    }
    int r = patch_back_off(hub, pause, end, what);
    if (r < 0)
        errno = r == -ETIMEDOUT && end != GROVE_NEVER ? EAGAIN : -r;
    return r == 0;
}

static ssize_t receive(struct hub *hub, int queue, void *message, size_t size,
                       long type, int flags)
{
    int64_t pause = 0;
    ssize_t n;
    do {
        n = msgrcv(queue, message, size, type, flags | IPC_NOWAIT);
    } while (n < 0 && !(flags & IPC_NOWAIT) &&
             again(hub, &pause, ENOMSG, GROVE_NEVER, "msgrcv"));
    return n;
}

ssize_t patch_msgrcv(int queue, void *message, size_t size, long type,
                     int flags)
{
    PATCHED(ssize_t, PATCH_INTERRUPTED,
            msgrcv(queue, message, size, type, flags),
            receive(hub, queue, message, size, type, flags));
}

static int send_message(struct hub *hub, int queue, const void *message,
                        size_t size, int flags)
{
    int64_t pause = 0;
    int r;
    do {
        r = msgsnd(queue, message, size, flags | IPC_NOWAIT);
    } while (r < 0 && !(flags & IPC_NOWAIT) &&
             again(hub, &pause, EAGAIN, GROVE_NEVER, "msgsnd"));
    return r;
}

int patch_msgsnd(int queue, const void *message, size_t size, int flags)
{
    PATCHED(int, PATCH_INTERRUPTED, msgsnd(queue, message, size, flags),
            send_message(hub, queue, message, size, flags));
}

/* Whether one of them asks not to wait: it then decides for all. */
static bool any_asks_not_to_wait(const struct sembuf *operations, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (operations[i].sem_flg & IPC_NOWAIT)
            return true;
    }
    return false;
}

/* With a time-out of 0 the kernel does them at once or not at all. */
static int operate(struct hub *hub, int set, struct sembuf *operations,
                   size_t n, int64_t end)
{
    static const struct timespec now = {0, 0};
    int64_t pause = 0;
    int r;
    do {
        r = semtimedop(set, operations, n, &now);
    } while (r < 0 && again(hub, &pause, EAGAIN, end, "semop"));
    return r;
}

int patch_semtimedop(int set, struct sembuf *operations, size_t n,
                     const struct timespec *timeout)
{
    if ((timeout && !duration_is_valid(timeout)) ||
        (likely(patch_hub()) && any_asks_not_to_wait(operations, n)))
        return semtimedop(set, operations, n, timeout);
    PATCHED(int, PATCH_INTERRUPTED, semtimedop(set, operations, n, timeout),
            operate(hub, set, operations, n, duration_end(timeout)));
}

int patch_semop(int set, struct sembuf *operations, size_t n)
{
    return patch_semtimedop(set, operations, n, NULL);
}

/* ---- POSIX ----------------------------------------------------------------------------------- */

/* On CLOCK_REALTIME, as mq_timedreceive has it. */
static int64_t end_of_wall_time(const struct timespec *until)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t left = duration_of(until) - duration_of(&now);
    return hub_deadline(left > 0 ? left : 0);
}

/* After a try with a time that has passed has failed: whether to try again.
 * False with errno. */
static bool queue_ready(struct hub *hub, mqd_t queue, unsigned direction,
                        int64_t end, const char *what)
{
    if (errno != ETIMEDOUT)
        return false;
    int r = hub_wait_fd(hub, queue, direction, end, what);
    if (r < 0)
        errno = -r;
    return r == 0;
}

static ssize_t take(struct hub *hub, mqd_t queue, char *message, size_t size,
                    unsigned *priority, int64_t end)
{
    struct timespec long_ago = {0, 0}; /* not const: qemu writes to it */
    ssize_t n;
    do {
        n = mq_timedreceive(queue, message, size, priority, &long_ago);
    } while (n < 0 && queue_ready(hub, queue, LOOP_READ, end, "mq_receive"));
    return n;
}

ssize_t patch_mq_timedreceive(mqd_t queue, char *message, size_t size,
                              unsigned *priority, const struct timespec *until)
{
    if (!duration_is_valid(until))
        return mq_timedreceive(queue, message, size, priority, until);
    PATCHED(ssize_t, PATCH_RESTARTS,
            mq_timedreceive(queue, message, size, priority, until),
            take(hub, queue, message, size, priority, end_of_wall_time(until)));
}

ssize_t patch_mq_receive(mqd_t queue, char *message, size_t size,
                         unsigned *priority)
{
    PATCHED(ssize_t, PATCH_RESTARTS, mq_receive(queue, message, size, priority),
            take(hub, queue, message, size, priority, GROVE_NEVER));
}

static int put(struct hub *hub, mqd_t queue, const char *message, size_t size,
               unsigned priority, int64_t end)
{
    struct timespec long_ago = {0, 0}; /* not const: qemu writes to it */
    int r;
    do {
        r = mq_timedsend(queue, message, size, priority, &long_ago);
    } while (r < 0 && queue_ready(hub, queue, LOOP_WRITE, end, "mq_send"));
    return r;
}

int patch_mq_timedsend(mqd_t queue, const char *message, size_t size,
                       unsigned priority, const struct timespec *until)
{
    if (!duration_is_valid(until))
        return mq_timedsend(queue, message, size, priority, until);
    PATCHED(int, PATCH_RESTARTS,
            mq_timedsend(queue, message, size, priority, until),
            put(hub, queue, message, size, priority, end_of_wall_time(until)));
}

int patch_mq_send(mqd_t queue, const char *message, size_t size,
                  unsigned priority)
{
    PATCHED(int, PATCH_RESTARTS, mq_send(queue, message, size, priority),
            put(hub, queue, message, size, priority, GROVE_NEVER));
}

/*
 * Waits that other hubs and plain threads may end. What a primitive of sync/
 * queues for a waiting fiber refers to one of these; several may refer to the
 * same one (a select).
 *
 *     nobody's --> claimed by a waker --> delivered: the wait returns 0
 *        |
 *        +-------> claimed by itself (deadline, kill): the wait returns that
 *
 * Who claims is alone to go on, so that a wake is never lost and never given
 * twice: a lock or a value that is handed over with it arrives, or stays with
 * who has it. It stands on the waiter's stack, which is safe because
 *
 *   1. it is claimed under the lock of what it is queued in, and the waiter
 *      takes itself out of there under the same lock before it returns;
 *   2. a waiter that was claimed by a waker does not return before the wake has
 *      been delivered, on its own thread;
 *   3. a hub does not end while somebody who has claimed one of its waits has
 *      not posted the wake yet (hub->posters).
 */
#include "hub/wait_shared.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hub/library_threads.h"
#include "hub/list.h"
#include "hub/mailbox.h"
#include "hub/part.h"
#include "hub/wait.h"

/* Whether f will not be woken: something else on this thread was first (a kill,
 * a deadline, its end in a fork), or the thread is at its end, or not there in
 * this process. Only its own thread looks at its state. */
static bool is_out_of_reach(const struct grove_fiber *f)
{
    const struct hub *hub = f->hub;
    return hub == hub_of_thread ? f->state != FIBER_PARKED || hub->ending
                                : hub->dead;
}

static bool claim(struct shared_wait *w, void *by)
{
    if (likely(hub_single_threaded())) {
        if (w->claimed_by)
            return false;
        w->claimed_by = by;
        return true;
    }
    void *nobody = NULL;
    return __atomic_compare_exchange_n(&w->claimed_by, &nobody, by, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool hub_claim_slow(struct shared_wait *w, void *by)
{
    struct hub *hub = w->fiber->hub;
    if (unlikely(is_out_of_reach(w->fiber)) || !claim(w, by))
        return false;
    /* Until the wake is posted the hub must not end. */
    if (hub != hub_of_thread)
        atomic_fetch_add(&hub->posters, 1);
    return true;
}

/* The post: the wake has come to the fiber's own thread. */
static void deliver(grove_post *post)
{
    struct shared_wait *w = container_of(post, struct shared_wait, post);
    assert(w->fiber->hub == hub_of_thread && !w->delivered);
    w->delivered = true;
    hub_wake(w->fiber, 0);
}

void hub_wake_shared_slow(struct shared_wait *w)
{
    struct hub *hub = w->fiber->hub;
    w->post.fn = deliver;
    grove_hub_post((grove_hub *)hub, &w->post);
    unsigned before = atomic_fetch_sub(&hub->posters, 1);
    assert(before > 0);
    (void)before;
}

/* A waker was faster than what ended the wait: its wake is on its way. */
static void await_delivery(struct hub *hub, struct shared_wait *w, int r)
{
    hub_wait_undo(hub->current, r);
    hub->holds++;
    while (!w->delivered)
        hub_park(hub);
    if (hub->holds) /* a fork may have let go since */
        hub->holds--;
}

bool hub_withdraw_shared(struct hub *hub, struct shared_wait *w)
{
    if (claim(w, w))
        return true;
    await_delivery(hub, w, 0);
    return false;
}

int hub_wait_shared(struct hub *hub, enum grove_wait_kind kind,
                    struct shared_wait *w, int64_t deadline, const char *what)
{
    struct grove_fiber *f = hub->current;
    assert(w->fiber == f && !f->shared && w->abandon);
    f->shared = w;
    hub->shared_waits++;
    int r = hub_wait(hub, kind, deadline, what, -1);
    if (unlikely(!w->delivered)) {
        if (claim(w, w)) {
            r = r == HUB_TRANSFERRED ? -EINTR : r;
        } else {
            await_delivery(hub, w, r);
            r = 0;
        }
    } else if (unlikely(r != 0)) {
        hub_wait_undo(f, r); /* after a host's transfer nothing is undone */
        r = 0;
    }
    assert(f->shared == w && hub->shared_waits > 0);
    hub->shared_waits--;
    f->shared = NULL;
    return r;
}

/* ---- what the hub is told of them ------------------------------------------------ */

/* A wake of another thread, on its way when the process forked, arrives. */
static void unheard(grove_post *post, bool forked)
{
    if (forked)
        deliver(post);
}

/* Of a task's flags as the kernel tells them: it is at its end. */
#define PF_EXITING 0x4

/* Whether what /proc tells of a task, its number, (its name), its state and
 * five numbers before its flags, is of one that runs the program's code: not of
 * the kernel's io_uring, and not at its end, at which a thread that was joined
 * may stay for a while. */
static bool runs_code(const char *stat)
{
    unsigned flags = 0;
    const char *name = strchr(stat, '('), *end = strrchr(stat, ')');
    if (!name || !end || strncmp(name, "(iou-", 5) == 0)
        return false;
    return sscanf(end, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
           !(flags & PF_EXITING);
}

/* The same of the task of that number, in digits. One of which nothing can be
 * told, but that it is there, may. */
static bool task_runs_code(const char *task)
{
    char path[64], stat[256];
    snprintf(path, sizeof(path), "/proc/self/task/%.16s/stat", task);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT;
    ssize_t got = read(fd, stat, sizeof(stat) - 1);
    close(fd);
    if (got <= 0) /* it has just ended */
        return false;
    stat[got] = '\0';
    return runs_code(stat);
}

/* Whether the process has more than `most` threads that run its code, as far as
 * is known. */
static bool more_threads_than(unsigned most)
{
    unsigned n = 0;
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    if (!tasks)
        return true;
    while (n <= most && (entry = readdir(tasks)))
        n += entry->d_name[0] != '.' && task_runs_code(entry->d_name);
    closedir(tasks);
    return n > most;
}

/* Whether a thread that is not the library's own may wake somebody. Whoever
 * waits for one of these has a hold on the hub, so that this is asked only
 * where nothing else is to come, and the system only where the process has had
 * other threads. */
static bool others_may_wake(const struct hub *hub)
{
    unsigned own = hub_library_threads();
    if (hub_single_threaded())
        return false;
    if (!hub_list_is_alone(hub))
        return true;
    int error = errno;
    bool more = more_threads_than(1 + own);
    errno = error;
    if (more)
        return true;
    /* One of them that has woken somebody may not be done with that quite yet.
     * It is no reason to sleep: nobody would look again. */
    while (atomic_load(&hub->posters))
        sched_yield();
    return hub_has_mail(hub);
}

static bool expects(const struct hub *hub)
{
    return hub->shared_waits && others_may_wake(hub);
}

static void abandon(struct grove_fiber *f, void *arg)
{
    (void)arg;
    if (f->shared)
        f->shared->abandon(f->shared);
}

/* Nobody may wake the fibers that are left any more; those who are about to are
 * waited for. */
static void end(struct hub *hub)
{
    assert(hub->ending);
    hub_each(hub, abandon, NULL);
    while (atomic_load(&hub->posters))
        sched_yield();
}

const struct hub_fixture hub_shared_fixture = {
    .end = end,
    .expects = expects,
    .post = deliver,
    .unheard = unheard,
};

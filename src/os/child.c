/*
 * A descriptor that tells of a child's end, so that it can be waited for in any
 * hub, by several, and beside other things. SIGCHLD is not touched, and nobody
 * else's children are.
 *
 * That is the child's pidfd. Where there is none, in a kernel before Linux 5.3,
 * under a seccomp filter or a valgrind (3.19) that does not know of it, it is
 * an eventfd, and a thread waits for the child, which it leaves unreaped:
 *
 *     child_open --> thread: waitid(WNOWAIT) --> writes to its duplicate, ends
 *
 * Whoever reaps writes as well, so that the others who wait do not depend on
 * the thread, which may not have got to run. It then finds the child's number
 * gone, or taken by another child, for whose end it waits in vain and does no
 * harm: it has a duplicate of its own, and reaps nothing. Who finds that the
 * child is not there does not write: that may be the child of a fork, which
 * shares the eventfd with its parent.
 *
 * Any thread may call these; for one child, one at a time.
 */
#include "os/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/native_thread.h"

/* Address space of the thread, which makes three system calls. Sanitizers and
 * large thread-local storage are to fit. */
#define STACK ((size_t)256 << 10)

/* ---- without a pidfd ------------------------------------------------------- */

/* What the thread is told. On the stack of who starts it, for in the child of a
 * fork nobody is left to free it. */
struct watch {
    pid_t pid;   /* of the child */
    int end;     /* a duplicate of its eventfd */
    sem_t taken; /* the thread has both, and the record may go */
};

static void tell(int end)
{
    int error = errno;
    eventfd_write(end, 1); /* it does not block; a second time says no more */
    errno = error;
}

static void await_end(pid_t pid)
{
    siginfo_t info;
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR)
        ;
}

static void *watch(void *arg)
{
    struct watch *w = arg;
    int end = w->end;
    pid_t pid = w->pid;
    sem_post(&w->taken);
    await_end(pid);
    tell(end);
    close(end);
    native_thread_ends();
    return NULL;
}

static int start_watch(const struct child *c)
{
    struct watch w = {.pid = c->pid, .end = fcntl(c->end, F_DUPFD_CLOEXEC, 3)};
    if (w.end < 0)
        return -errno;
    sem_init(&w.taken, 0, 0);
    int r = -native_thread_start(watch, &w, STACK);
    if (r < 0)
        close(w.end);
    else
        while (sem_wait(&w.taken) < 0) /* EINTR */
            ;
    sem_destroy(&w.taken);
    return r;
}

static int open_watched(struct child *c)
{
    c->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->end < 0)
        return -errno;
    int r = start_watch(c);
    if (r < 0) {
        close(c->end);
        c->end = -1;
    }
    return r;
}

/* ---- either way ------------------------------------------------------------ */

/* Filters answer EPERM for what they do not know, or ENOSYS; pidfd_open itself
 * neither. */
static bool is_unknown(int error)
{
    return error == ENOSYS || error == EPERM;
}

int child_open(struct child *c, pid_t pid)
{
    assert(pid > 0);
    *c = (struct child){.pid = pid, .end = pidfd_open(pid, 0)};
    c->is_pidfd = c->end >= 0;
    if (c->is_pidfd)
        return 0;
    return is_unknown(errno) ? open_watched(c) : -errno;
}

/* By its number where its pidfd will not do (Linux 5.3): it is the child's
 * until it is reaped. */
static int wait_for(const struct child *c, siginfo_t *info, int options)
{
    int r = -1;
    if (c->is_pidfd)
        r = waitid((idtype_t)P_PIDFD, (id_t)c->end, info, options | WNOHANG);
    if (!c->is_pidfd || (r < 0 && errno == EINVAL))
        r = waitid(P_PID, (id_t)c->pid, info, options | WNOHANG);
    return r;
}

int child_reap(struct child *c, siginfo_t *info)
{
    assert(c->end >= 0);
    info->si_pid = 0;
    int r = wait_for(c, info, WEXITED) < 0 ? -errno : info->si_pid != 0;
    if (r > 0 && !c->is_pidfd)
        tell(c->end);
    return r;
}

/* A child that is there, if unreaped, keeps its number. Where somebody else
 * waits for it, or SIGCHLD is ignored, it may lose it between the two. */
static int signal_by_number(const struct child *c, int signum)
{
    siginfo_t info;
    if (wait_for(c, &info, WEXITED | WNOWAIT) < 0)
        return -ESRCH;
    return kill(c->pid, signum) < 0 ? -errno : 0;
}

int child_signal(const struct child *c, int signum)
{
    assert(c->end >= 0);
    if (c->is_pidfd && pidfd_send_signal(c->end, signum, NULL, 0) == 0)
        return 0;
    return !c->is_pidfd || is_unknown(errno) ? signal_by_number(c, signum)
                                             : -errno;
}

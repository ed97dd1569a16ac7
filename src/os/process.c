/*
 * A child's life: it is started on a worker, since posix_spawn holds up its
 * thread until the program is loaded; waited for by a descriptor (child.c) that
 * is ready from its end on; and reaped, once, under the handle's lock.
 *
 * A handle that is given up before the child's end leaves the reaping to a
 * detached fiber of that hub, which does not keep the hub from ending or from
 * reporting a deadlock.
 *
 * The handle's calls may be made on any thread; only its pipes' descriptors
 * must not be closed while another thread uses them.
 *
 * Invariants:
 *   1. What becomes one of the child's descriptors 0 to 2 has a higher number
 *      until then, so that giving out one does not overwrite another.
 *   2. The pid is used only before the child is reaped, under the lock: after
 *      that it may be another process's. There is a descriptor as long.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub/sized.h"
#include "net/net.h"
#include "os/offload.h"
#include "os/process.h"
#include "sync/select.h"

/* ---- starting ------------------------------------------------------------ */

struct start {
    struct offload_job job; /* without drop: it stands on the caller's stack */
    const grove_process_attr *attr; /* a copy of the caller's */
    char *const *argv;              /* the caller's: program and arguments */
    sigset_t mask;     /* of the caller: workers block all signals */
    int child[3];      /* what becomes its descriptors; -1: inherited */
    int ours[3];       /* our ends of pipes; -1: none */
    struct child told; /* of the child, once it is there; without an end if
                          it has, and nobody will know how */
    int result;        /* 0, or the negative errno of what could not be done */
};

static void close_all(int fds[3])
{
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* Out of the way of the numbers 0 to 2, which are given out later. fd is closed
 * if it was moved, and on an error. */
static int above_standard(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int error = errno;
    close(fd);
    errno = error;
    return moved;
}

static int open_pipe(struct start *s, int i)
{
    int ends[2];
    assert(s->child[i] < 0 && s->ours[i] < 0);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    s->child[i] = above_standard(ends[i != 0]);
    s->ours[i] = above_standard(ends[i == 0]);
    return s->child[i] < 0 || s->ours[i] < 0 ? -errno : 0;
}

/* What the child's descriptor i becomes. */
static int open_end(struct start *s, int i, enum grove_io io, int given)
{
    switch (io) {
    case GROVE_IO_INHERIT:
        return 0;
    case GROVE_IO_NULL:
        s->child[i] = above_standard(
            open("/dev/null", (i ? O_WRONLY : O_RDONLY) | O_CLOEXEC));
        break;
    case GROVE_IO_PIPE:
        return open_pipe(s, i);
    case GROVE_IO_FD:
        s->child[i] = fcntl(given, F_DUPFD_CLOEXEC, 3);
        break;
    case GROVE_IO_OUT:
        if (i != 2)
            return -EINVAL;
        s->child[i] =
            fcntl(s->child[1] < 0 ? 1 : s->child[1], F_DUPFD_CLOEXEC, 3);
        break;
    default:
        return -EINVAL;
    }
    return s->child[i] < 0 ? -errno : 0;
}

static int open_ends(struct start *s)
{
    const grove_process_attr *a = s->attr;
    int r = open_end(s, 0, a->in, a->in_fd);
    if (r == 0)
        r = open_end(s, 1, a->out, a->out_fd);
    if (r == 0)
        r = open_end(s, 2, a->err, a->err_fd);
    return r;
}

static int set_actions(posix_spawn_file_actions_t *actions,
                       const struct start *s)
{
    int r = 0;
    for (int i = 0; i < 3 && r == 0; i++) {
        assert(s->child[i] < 0 || s->child[i] > 2);
        if (s->child[i] >= 0)
            r = posix_spawn_file_actions_adddup2(actions, s->child[i], i);
    }
    if (r == 0 && s->attr->cwd)
        r = posix_spawn_file_actions_addchdir_np(actions, s->attr->cwd);
    return r;
}

static int set_attributes(posix_spawnattr_t *attr, const struct start *s)
{
    short flags = POSIX_SPAWN_SETSIGMASK;
    if (s->attr->new_session)
        flags |= POSIX_SPAWN_SETSID;
    if (s->attr->new_group)
        flags |= POSIX_SPAWN_SETPGROUP;
    int r = posix_spawnattr_setflags(attr, flags);
    return r ? r : posix_spawnattr_setsigmask(attr, &s->mask);
}

/* As posix_spawnp: 0 or an errno. */
static int spawn(struct start *s, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int r = posix_spawn_file_actions_init(&actions);
    if (r)
        return r;
    r = posix_spawnattr_init(&attr);
    if (r)
        goto fail_actions;
    r = set_actions(&actions, s);
    if (r == 0)
        r = set_attributes(&attr, s);
    if (r == 0)
        r = posix_spawnp(pid, s->argv[0], &actions, &attr, s->argv,
                         s->attr->env ? s->attr->env : environ);
    posix_spawnattr_destroy(&attr);
fail_actions:
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

static void run_start(struct offload_job *job)
{
    struct start *s = container_of(job, struct start, job);
    pid_t pid = 0;
    s->result = -spawn(s, &pid);
    if (s->result < 0)
        return;
    s->result = child_open(&s->told, pid);
    if (s->result == -ESRCH) /* SIGCHLD is ignored: it is reaped already */
        s->result = 0;
    if (s->result == 0)
        return;
    /* No descriptor to be had: better no child than one out of control. */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void process_init(struct grove_process *p, const struct start *s)
{
    assert(s->result == 0 && s->told.pid > 0);
    p->child = s->told;
    p->reaped = p->child.end < 0;
    p->result = p->reaped ? -ECHILD : 0;
    for (int i = 0; i < 3; i++)
        p->pipes[i] = s->ours[i];
    pthread_mutex_init(&p->lock, NULL);
}

int grove_process_spawn_until(grove_process **out,
                              const grove_process_attr *attr,
                              char *const argv[], int64_t deadline)
{
    grove_process_attr taken = {0};
    struct hub *hub = hub_self();
    *out = NULL;
    if (!hub)
        return -errno;
    if (!argv || !argv[0])
        return -EINVAL;
    if (attr && sized_take(&taken, sizeof(taken),
                           SIZED_TO(grove_process_attr, new_group), attr) < 0)
        return -EINVAL;
    struct grove_process *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    struct start s = {.job.run = run_start,
                      .attr = &taken,
                      .argv = argv,
                      .child = {-1, -1, -1},
                      .ours = {-1, -1, -1}};
    pthread_sigmask(SIG_SETMASK, NULL, &s.mask);
    int r = s.attr->new_session && s.attr->new_group ? -EINVAL : open_ends(&s);
    if (r == 0)
        r = offload_wait(hub, &s.job, deadline, "spawn");
    if (r == 0)
        r = s.result;
    close_all(s.child);
    if (r < 0) {
        close_all(s.ours);
        free(p);
        return r;
    }
    process_init(p, &s);
    *out = p;
    return 0;
}

int grove_process_spawn(grove_process **out, const grove_process_attr *attr,
                        char *const argv[])
{
    return grove_process_spawn_until(out, attr, argv, GROVE_NEVER);
}

/* ---- its end --------------------------------------------------------------- */

static int status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return (info->si_status & 0xff) << 8;
    case CLD_DUMPED:
        return info->si_status | 0x80;
    default:
        return info->si_status;
    }
}

/* Takes the status if the child has ended; whether it has, or nobody will ever
 * know. */
static bool reap(struct grove_process *p)
{
    siginfo_t info;
    pthread_mutex_lock(&p->lock);
    int r = p->reaped ? 0 : child_reap(&p->child, &info);
    if (r > 0)
        p->status = status_of(&info);
    if (r < 0)
        p->result = r;
    p->reaped |= r != 0;
    bool reaped = p->reaped;
    pthread_mutex_unlock(&p->lock);
    return reaped;
}

int grove_process_wait_until(grove_process *p, int *status, int64_t deadline)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    hub_turn(hub);
    while (!reap(p)) {
        int r = hub_wait_fd(hub, p->child.end, LOOP_READ, deadline, "process");
        if (r < 0)
            return r == -ENOSPC ? -ENOMEM : r;
        if (r == HUB_TRANSFERRED)
            return -EINTR;
    }
    if (status)
        *status = p->status;
    return p->result;
}

int grove_process_wait(grove_process *p, int *status)
{
    return grove_process_wait_until(p, status, GROVE_NEVER);
}

int grove_process_kill(grove_process *p, int signum)
{
    pthread_mutex_lock(&p->lock);
    int r = p->reaped ? -ESRCH : child_signal(&p->child, signum);
    pthread_mutex_unlock(&p->lock);
    return r;
}

/* It stays open as long as the handle. */
static int end_fd(const struct grove_process *p)
{
    return p->child.end;
}

__attribute__((constructor)) static void tell_select(void)
{
    select_process_fd = end_fd;
}

/* ---- the handle -------------------------------------------------------------- */

pid_t grove_process_pid(const grove_process *p)
{
    return p->child.pid;
}

int grove_process_fd(const grove_process *p, int number)
{
    return number < 0 || number > 2 ? -1 : p->pipes[number];
}

void grove_process_close(grove_process *p, int number)
{
    if (number < 0 || number > 2 || p->pipes[number] < 0)
        return;
    grove_close(p->pipes[number]);
    p->pipes[number] = -1;
}

static void destroy(struct grove_process *p)
{
    assert(p->pipes[0] < 0 && p->pipes[1] < 0 && p->pipes[2] < 0);
    if (p->child.end >= 0)
        grove_close(p->child.end);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* The fiber of a child whose handle was given up. While it waits it is no
 * reason for the hub to go on. */
static void *see_off(void *arg)
{
    struct grove_process *p = arg;
    struct hub *hub = hub_self();
    hub->unref++;
    while (!reap(p)) {
        int r =
            hub_wait_fd(hub, p->child.end, LOOP_READ, GROVE_NEVER, "process");
        if (r < 0 && r != -ECANCELED)
            break;
    }
    assert(hub->unref > 0 && hub == hub_of_thread);
    hub->unref--;
    destroy(p);
    return NULL;
}

/* Killed before its first turn. The child is left to itself. */
static void not_seen_off(void *arg)
{
    destroy(arg);
}

void grove_process_release(grove_process *p)
{
    for (int i = 0; i < 3; i++)
        grove_process_close(p, i);
    static const grove_attr attr = {.name = "reaper", .drop = not_seen_off};
    if (reap(p) || grove_spawn_with(NULL, &attr, see_off, p) < 0)
        destroy(p);
}

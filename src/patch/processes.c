/*
 * Waiting for child processes, and starting them.
 *
 * One child's end its pidfd tells. For any of several, or for one that stops,
 * there is no descriptor: who waits asks again, after pauses that grow to 16
 * ms, or when SIGCHLD's handler has run. Nobody's child is taken away, since
 * each asks for what it would be given. What ends a wait may be the handler of
 * the SIGCHLD that tells of the child: as the kernel does, it looks once more
 * before it says EINTR.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/child.h"
#include "patch/call.h"
#include "patch/functions.h"

/* ---- until there may be something to be told ----------------------------------------------- */

/* Until pid, a child, has ended: 0, or as hub_wait. */
static int wait_for_end(struct hub *hub, pid_t pid)
{
    struct child child;
    int r = child_open(&child, pid);
    if (r < 0)
        return r == -ESRCH ? 0 : r; /* the next try tells */
    r = hub_wait_fd(hub, child.end, LOOP_READ, GROVE_NEVER, "waitpid");
    hub_closing(child.end);
    close(child.end);
    return r;
}

/* A wait for children between two tries. */
struct child_wait {
    struct hub *hub;
    pid_t pid;     /* the one that is waited for; 0: one of several, or not
                      only for its end */
    int64_t pause; /* before the next try */
    bool ended;    /* by EINTR: no other after the next try */
};

/* After a try that found nothing. False with errno. */
static bool again(struct child_wait *w)
{
    if (w->ended)
        return patch_result(-EINTR) == 0;
    int r = w->pid ? wait_for_end(w->hub, w->pid)
                   : patch_back_off(w->hub, &w->pause, GROVE_NEVER, "waitpid");
    w->ended = r == -EINTR;
    return w->ended || patch_result(r) == 0;
}

/* ---- wait4 and its kin ----------------------------------------------------------------------- */

static pid_t wait_parking(struct hub *hub, pid_t pid, int *status, int options,
                          struct rusage *usage)
{
    bool one = pid > 0 && !(options & (WUNTRACED | WCONTINUED));
    struct child_wait w = {.hub = hub, .pid = one ? pid : 0};
    pid_t r;
    do {
        r = wait4(pid, status, options | WNOHANG, usage);
    } while (r == 0 && !(options & WNOHANG) && (again(&w) || (r = -1, false)));
    return r;
}

pid_t patch_wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    PATCHED(pid_t, PATCH_RESTARTS, wait4(pid, status, options, usage),
            wait_parking(hub, pid, status, options, usage));
}

pid_t patch_wait3(int *status, int options, struct rusage *usage)
{
    return patch_wait4(-1, status, options, usage);
}

pid_t patch_waitpid(pid_t pid, int *status, int options)
{
    return patch_wait4(pid, status, options, NULL);
}

pid_t patch_wait(int *status)
{
    return patch_wait4(-1, status, 0, NULL);
}

/* ---- waitid ----------------------------------------------------------------------------------- */

/* As waitid says of one that it did not find. */
static bool found_nothing(int r, const siginfo_t *info)
{
    return r == 0 && info->si_pid == 0;
}

static int waitid_parking(struct hub *hub, idtype_t type, id_t id,
                          siginfo_t *info, int options)
{
    siginfo_t own;
    siginfo_t *told = info ? info : &own;
    bool one = type == P_PID &&
               (options & (WEXITED | WSTOPPED | WCONTINUED)) == WEXITED;
    struct child_wait w = {.hub = hub, .pid = one ? (pid_t)id : 0};
    int r;
    do {
        told->si_pid = 0;
        r = waitid(type, id, told, options | WNOHANG);
    } while (found_nothing(r, told) && !(options & WNOHANG) &&
             (again(&w) || (r = -1, false)));
    return r;
}

int patch_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    PATCHED(int, PATCH_RESTARTS, waitid(type, id, info, options),
            waitid_parking(hub, type, id, info, options));
}

/* ---- starting: they share descriptors ---------------------------------------------------------- */

int patch_posix_spawn(pid_t *pid, const char *path,
                      const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes, char *const argv[],
                      char *const envp[])
{
    patch_listeners_shared();
    return posix_spawn(pid, path, actions, attributes, argv, envp);
}

int patch_posix_spawnp(pid_t *pid, const char *file,
                       const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[],
                       char *const envp[])
{
    patch_listeners_shared();
    return posix_spawnp(pid, file, actions, attributes, argv, envp);
}

/* For patch_vfork: where the thread's innermost handler is kept; what comes of
 * the error that the system call has said. */
void *patch_vfork_mark(void)
{
    return &patch_thread_self()->handlers.innermost;
}

pid_t patch_vfork_failed(int error)
{
    errno = -error;
    return -1;
}

FILE *patch_popen(const char *command, const char *mode)
{
    patch_listeners_shared();
    return popen(command, mode);
}

/* ---- what waits inside libc --------------------------------------------------------------------- */

struct system_run {
    const char *command;
    int status;
    int error;
};

static void *run_system(void *arg)
{
    struct system_run *s = arg;
    s->status = system(s->command);
    s->error = errno;
    return NULL;
}

static int system_parking(const char *command)
{
    struct system_run s = {.command = command};
    int r = grove_offload(run_system, &s, NULL);
    errno = r < 0 ? -r : s.error;
    return r < 0 ? -1 : s.status;
}

int patch_system(const char *command)
{
    patch_listeners_shared();
    if (!command)
        return system(NULL);
    PATCHED(int, PATCH_RESTARTS, system(command), system_parking(command));
}

struct pipe_end {
    FILE *file;
    int status;
    int error;
};

static void *run_pclose(void *arg)
{
    struct pipe_end *p = arg;
    p->status = pclose(p->file);
    p->error = errno;
    return NULL;
}

/* The worker's wait cannot be given up, for the file is gone then. */
static int pclose_parking(FILE *file)
{
    struct pipe_end p = {.file = file};
    grove_shield shield;
    int fd = fileno(file);
    hub_closing(fd);
    grove_shield_begin(&shield);
    int r = grove_offload(run_pclose, &p, NULL);
    grove_shield_end(&shield);
    hub_closed(fd);
    errno = r < 0 ? -r : p.error;
    return r < 0 ? -1 : p.status;
}

int patch_pclose(FILE *file)
{
    PATCHED(int, PATCH_RESTARTS, pclose(file), pclose_parking(file));
}
